/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "api-proxy/conversation.h"
#include <errno.h>
#include "api-proxy/http_reader.h"
#include "api-proxy/proxy_metrics.h"
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/log.h"

#define IN_SIZE ((size_t)16 << 10)
#define OUT_SIZE ((size_t)32 << 10)
#define CHUNK_HEAD 10                     /* "ffffffff\r\n" */
#define CHUNK_TAIL 2
#define IDLE_US UINT64_C(120000000)       /* between two requests */
#define LAST_WORDS_US UINT64_C(2000000)
#define OCTET_US 1000                     /* the slowest that counts as going on */
#define GONE (-1)                         /* what is no HTTP status: nobody is left to be told */

/* How long the client let us wait within a body, and how much it moved. */
struct pace {
	uint64_t waited_us, octets;
};

struct conversation {
	struct stream *stream;
	const struct conversation_rules *rules;
	const struct sockaddr *client;
	void *userdata;
	struct http_reader *reader;
	uint64_t begin_us; /* of the connection, later of the wait for a request */
	bool first;        /* request of the connection */
	struct pace pace;
	char in[IN_SIZE], out[OUT_SIZE];
	size_t in_start, in_end;
};

static uint64_t deadline_of_pace(const struct conversation *conversation)
{
	const struct pace *pace = &conversation->pace;
	uint64_t silence_us = (uint64_t)conversation->rules->body_us, allowed_us = silence_us + pace->octets * OCTET_US;
	uint64_t left_us = allowed_us > pace->waited_us ? allowed_us - pace->waited_us : 0;
	return clock_monotonic_us() + (left_us < silence_us ? left_us : silence_us);
}

static int read_more(struct conversation *conversation, uint64_t deadline_us)
{
	ssize_t n = stream_read(conversation->stream, conversation->in, IN_SIZE, deadline_us);
	if (n <= 0)
		return n == -ETIMEDOUT ? -ETIMEDOUT : -EPIPE;
	conversation->in_start = 0;
	conversation->in_end = (size_t)n;
	return 0;
}

/* A step over what is in the buffer. */
static int step(struct conversation *conversation, const char **ret_piece, size_t *ret_size)
{
	size_t used = 0;
	int result = http_reader_step(conversation->reader, conversation->in + conversation->in_start,
	                              conversation->in_end - conversation->in_start, &used, ret_piece, ret_size);
	conversation->in_start += used;
	return result;
}

static void count_refusal(int status)
{
	if (status == 431 || status == 414)
		PROXY_COUNT(PROXY_METRIC_LIMIT_HEADER_SIZE);
	else
		PROXY_COUNT(PROXY_METRIC_MALFORMED);
}

/* Until the head is complete: 0, the status that tells what is wrong with it, or GONE. */
static int read_head(struct conversation *conversation)
{
	uint64_t head_us = (uint64_t)conversation->rules->head_us;
	uint64_t deadline_us = conversation->begin_us + (conversation->first ? head_us : IDLE_US);
	bool began = false;
	for (;;) {
		const char *piece;
		size_t size;
		int result = step(conversation, &piece, &size);
		if (result == HTTP_STEP_HEAD)
			return 0;
		if (result < 0) {
			count_refusal(-result);
			return -result;
		}
		if (!began && !http_reader_is_idle(conversation->reader)) {
			began = true;
			if (!conversation->first)
				deadline_us = clock_monotonic_us() + head_us;
		}
		result = read_more(conversation, deadline_us);
		if (result == -ETIMEDOUT && (began || conversation->first))
			PROXY_COUNT(PROXY_METRIC_LIMIT_HEADER_TIME);
		if (result < 0)
			return result == -ETIMEDOUT && began ? 408 : GONE;
	}
}

/* The next piece of the body: 1, with *ret_piece NULL between two; 0 at its end; a status below -99, or GONE. */
static int read_body(struct conversation *conversation, const char **ret_piece, size_t *ret_size)
{
	int result = step(conversation, ret_piece, ret_size);
	if (result < 0) {
		PROXY_COUNT(PROXY_METRIC_MALFORMED);
		return result;
	}
	if (result != HTTP_STEP_MORE)
		return result == HTTP_STEP_END ? 0 : 1;
	uint64_t before_us = clock_monotonic_us();
	result = read_more(conversation, deadline_of_pace(conversation));
	conversation->pace.waited_us += clock_monotonic_us() - before_us;
	if (result < 0) {
		if (result == -ETIMEDOUT)
			PROXY_COUNT(PROXY_METRIC_LIMIT_BODY_TIME);
		return result == -ETIMEDOUT ? -408 : GONE;
	}
	conversation->pace.octets += conversation->in_end;
	return 1;
}

static int send_all(struct conversation *conversation, const char *data, size_t size)
{
	uint64_t before_us = clock_monotonic_us();
	int result = stream_write(conversation->stream, data, size, deadline_of_pace(conversation));
	conversation->pace.waited_us += clock_monotonic_us() - before_us;
	conversation->pace.octets += size;
	if (result == -ETIMEDOUT)
		PROXY_COUNT(PROXY_METRIC_LIMIT_BODY_TIME);
	return result;
}

/* Feeds the request with its body: 0: complete; 1: there is an answer already; below: as from read_body. */
static int take_body(struct conversation *conversation, struct request *request)
{
	const char *piece;
	size_t size;
	const struct http_head *head = http_reader_head(conversation->reader);
	bool has_begun = conversation->in_start + 1 < conversation->in_end; /* one octet is the end of the head */
	if (head->expects_continue && head->body_size != EXCHANGE_NO_BODY && !has_begun) {
		static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
		if (send_all(conversation, go_on, sizeof(go_on) - 1) < 0)
			return GONE;
	}
	for (;;) {
		int result = read_body(conversation, &piece, &size);
		if (result <= 0)
			return result;
		if (piece && request_body(request, piece, size))
			return 1;
	}
}

static void write_fields(FILE *file, const struct header_list *headers)
{
	for (size_t i = 0; headers && i < headers->count; i++)
		fprintf(file, "%s: %s\r\n", headers->fields[i].name, headers->fields[i].value);
}

/* How the body is sent. */
enum framing { FRAMING_NONE, FRAMING_LENGTH, FRAMING_CHUNKED, FRAMING_CLOSE };

static enum framing framing_of(const struct request_answer *answer, bool is_1_0)
{
	if (answer->size == EXCHANGE_NO_BODY)
		return FRAMING_NONE;
	if (answer->size >= 0)
		return FRAMING_LENGTH;
	return is_1_0 ? FRAMING_CLOSE : FRAMING_CHUNKED;
}

/* The head of an answer, and its body if that is at hand, as octets. */
static int print_answer(const struct request_answer *answer, enum framing framing, bool is_1_0, bool keep, char **ret, size_t *ret_size)
{
	FILE *file = open_memstream(ret, ret_size);
	if (!file)
		return -ENOMEM;
	fprintf(file, "HTTP/1.1 %d %s\r\n", answer->status, answer->reason ? answer->reason : http_reason(answer->status));
	write_fields(file, answer->headers);
	write_fields(file, answer->more);
	if (framing == FRAMING_LENGTH)
		fprintf(file, "Content-Length: %lld\r\n", (long long)answer->size);
	else if (framing == FRAMING_CHUNKED)
		fputs("Transfer-Encoding: chunked\r\n", file);
	if (!keep || is_1_0)
		fprintf(file, "Connection: %s\r\n", keep ? "keep-alive" : "close");
	fputs("\r\n", file);
	if (answer->body && !answer->head_only && answer->size > 0)
		(void)fwrite(answer->body, 1, (size_t)answer->size, file);
	return fclose(file) == 0 ? 0 : -ENOMEM;
}

static int send_chunk(struct conversation *conversation, size_t size)
{
	char head[CHUNK_HEAD + 1];
	int head_size = snprintf(head, sizeof(head), "%zx\r\n", size);
	char *start = conversation->out + CHUNK_HEAD - head_size;
	memcpy(start, head, (size_t)head_size);
	memcpy(conversation->out + CHUNK_HEAD + size, "\r\n", CHUNK_TAIL);
	return send_all(conversation, start, (size_t)head_size + size + CHUNK_TAIL);
}

/* A body that is read from PowerDNS as it goes. What breaks off there breaks off here too, so that nobody takes it for the whole. */
static int stream_body(struct conversation *conversation, struct request *request, enum framing framing)
{
	bool chunked = framing == FRAMING_CHUNKED;
	for (;;) {
		ssize_t n = request_read(request, conversation->out + CHUNK_HEAD, OUT_SIZE - CHUNK_HEAD - CHUNK_TAIL);
		if (n < 0)
			return -EPIPE;
		if (n == 0)
			return chunked ? send_all(conversation, "0\r\n\r\n", 5) : 0;
		int result = chunked ? send_chunk(conversation, (size_t)n) : send_all(conversation, conversation->out + CHUNK_HEAD, (size_t)n);
		if (result < 0)
			return result;
	}
}

static int send_answer(struct conversation *conversation, struct request *request, bool is_1_0, bool keep)
{
	CLEANUP(free) char *text = NULL;
	size_t size = 0;
	struct request_answer answer = request_answer(request);
	enum framing framing = framing_of(&answer, is_1_0);
	conversation->pace = (struct pace){ 0 };
	int result = print_answer(&answer, framing, is_1_0, keep, &text, &size);
	if (result == 0)
		result = send_all(conversation, text, size);
	if (result == 0 && !answer.body && !answer.head_only)
		result = stream_body(conversation, request, framing);
	if (result < 0)
		stream_abort(conversation->stream);
	return result;
}

/* An answer to what is no request, after which the connection ends. */
static void send_refusal(struct stream *stream, int status, const char *reason, uint64_t deadline_us)
{
	CLEANUP(free) char *text = NULL;
	const char *phrase = http_reason(status), *why = reason ? reason : phrase;
	int size = asprintf(&text, "HTTP/1.1 %d %s\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n%sConnection: close\r\n\r\n"
	                    "{\"error\": \"%s\"}", status, phrase, strlen("{\"error\": \"\"}") + strlen(why),
	                    status == 429 || status == 503 ? "Retry-After: 1\r\n" : "", why);
	if (size >= 0 && stream_write(stream, text, (size_t)size, deadline_us) == 0)
		stream_end(stream, deadline_us);
}

/* One request: true if another one may follow. */
static bool serve(struct conversation *conversation)
{
	struct http_head *head = http_reader_head(conversation->reader);
	struct request *request;
	bool is_1_0 = head->is_1_0, keep = head->keep_alive, has_body = head->body_size != EXCHANGE_NO_BODY;
	uint64_t last_us = clock_monotonic_us() + LAST_WORDS_US;
	if (request_new(conversation->rules->context, head->target, conversation->client, &request) < 0) {
		send_refusal(conversation->stream, 503, "The proxy is out of memory", last_us);
		return false;
	}
	conversation->pace = (struct pace){ 0 };
	bool early = request_head(request, head->method, &head->headers, head->body_size) && has_body;
	int result = early ? 1 : take_body(conversation, request);
	if (result < 0) {
		request_free(request);
		if (result != GONE)
			send_refusal(conversation->stream, -result, NULL, clock_monotonic_us() + LAST_WORDS_US);
		return false;
	}
	if (result == 0)
		request_end(request);
	keep = keep && result == 0 && conversation->rules->on_busy(true, conversation->userdata);
	keep = keep && !(is_1_0 && request_answer(request).size == EXCHANGE_UNKNOWN);
	result = send_answer(conversation, request, is_1_0, keep);
	request_free(request);
	if (result == 0 && !keep)
		stream_end(conversation->stream, clock_monotonic_us() + LAST_WORDS_US);
	return keep && result == 0;
}

/* Requests until there are no more. */
static void talk(struct conversation *conversation)
{
	for (;;) {
		int status = read_head(conversation);
		if (status == GONE)
			return;
		if (status > 0) {
			send_refusal(conversation->stream, status, NULL, clock_monotonic_us() + LAST_WORDS_US);
			return;
		}
		bool goes_on = conversation->rules->on_busy(true, conversation->userdata);
		goes_on = serve(conversation) && goes_on;
		if (!conversation->rules->on_busy(false, conversation->userdata) || !goes_on)
			return;
		conversation->first = false;
		conversation->begin_us = clock_monotonic_us();
	}
}

void conversation_run(struct stream *stream, const struct conversation_rules *rules, const struct sockaddr *client, void *userdata)
{
	CLEANUP(free) struct conversation *conversation = calloc(1, sizeof(*conversation));
	if (!conversation || http_reader_new(rules->head_max, &conversation->reader) < 0)
		return;
	conversation->stream = stream;
	conversation->rules = rules;
	conversation->client = client;
	conversation->userdata = userdata;
	conversation->begin_us = clock_monotonic_us();
	conversation->first = true;
	int result = stream_open(stream, conversation->begin_us + (uint64_t)rules->head_us);
	if (result == 0) {
		talk(conversation);
	} else if (result == -EPROTO) {
		PROXY_COUNT(PROXY_METRIC_MALFORMED);
		send_refusal(stream, 400, "HTTP was sent to an HTTPS port", clock_monotonic_us() + LAST_WORDS_US);
	} else if (result == -ETIMEDOUT) {
		PROXY_COUNT(PROXY_METRIC_LIMIT_HEADER_TIME);
	}
	http_reader_free(conversation->reader);
}

void conversation_refuse(struct stream *stream, int status, const char *reason, uint64_t deadline_us)
{
	int result = stream_open(stream, deadline_us);
	if (result == 0 || result == -EPROTO)
		send_refusal(stream, status, reason, deadline_us);
}
