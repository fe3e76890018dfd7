/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <strings.h>
#include "api-proxy/upstream_pool.h"
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/error.h"

/* Curl hands over at most CURL_MAX_WRITE_SIZE octets at once and waits while they do not fit. */
#define BUFFER_SIZE (4 * CURL_MAX_WRITE_SIZE)
#define HEADERS_MAX 1000
#define POLL_MS 250 /* how soon a waiting exchange sees that it is cancelled */

struct exchange {
	struct upstream *upstream;
	struct upstream_pair *pair;
	struct curl_slist *slist;
	char *target;
	bool in_multi;

	/* Request body: what the caller offers just now. */
	const char *out;
	size_t out_size, out_at;
	int64_t out_offset; /* of `out` in the body */
	int64_t out_whole;  /* size of the body, as in struct exchange_request */
	bool out_end, out_end_taken, send_paused;

	/* Answer. */
	int status;
	char *reason;
	struct header_list headers;
	int64_t body_size;
	bool head_complete;
	char *in; /* BUFFER_SIZE, between in_start and in_end */
	size_t in_start, in_end;
	bool receive_paused;

	uint64_t moves; /* grows with every progress */
	bool done;
	int result;     /* when done */
};

static size_t on_read(char *buffer, size_t size, size_t count, void *userdata)
{
	struct exchange *exchange = userdata;
	size_t n = size * count;
	if (n > exchange->out_size - exchange->out_at)
		n = exchange->out_size - exchange->out_at;
	exchange->moves++;
	if (n == 0 && !exchange->out_end) {
		exchange->send_paused = true;
		return CURL_READFUNC_PAUSE;
	}
	exchange->out_end_taken = n == 0;
	if (n > 0)
		memcpy(buffer, exchange->out + exchange->out_at, n);
	exchange->out_at += n;
	return n;
}

/* A kept connection turned out to be closed, curl tries another one: possible while we still have what it took. */
static int on_seek(void *userdata, curl_off_t offset, int origin)
{
	struct exchange *exchange = userdata;
	if (origin != SEEK_SET || offset < exchange->out_offset || offset > exchange->out_offset + (int64_t)exchange->out_size)
		return CURL_SEEKFUNC_CANTSEEK;
	exchange->out_at = (size_t)(offset - exchange->out_offset);
	return CURL_SEEKFUNC_OK;
}

/* "HTTP/1.1 204 No Content" */
static int parse_status(struct exchange *exchange, const char *line, size_t size)
{
	const char *at = memchr(line, ' ', size), *end = line + size;
	int status = 0;
	for (int i = 0; i < 3; i++) {
		if (!at || ++at == end || *at < '0' || *at > '9')
			return ERROR_MALFORMED;
		status = 10 * status + (*at - '0');
	}
	if (status < 100 || (++at < end && *at != ' '))
		return ERROR_MALFORMED;
	free(exchange->reason);
	exchange->status = status;
	exchange->reason = at < end ? strndup(at + 1, (size_t)(end - at - 1)) : strdup("");
	return exchange->reason ? 0 : -ENOMEM;
}

static int end_of_head(struct exchange *exchange)
{
	if (exchange->status >= 100 && exchange->status < 200) { /* an interim answer: the real one follows */
		header_list_clear(&exchange->headers);
		return 0;
	}
	curl_off_t size = -1;
	(void)curl_easy_getinfo(exchange->pair->easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &size);
	exchange->body_size = size >= 0 && !header_list_find(&exchange->headers, "Transfer-Encoding") ? size : EXCHANGE_UNKNOWN;
	header_list_drop_hop_by_hop(&exchange->headers);
	exchange->head_complete = true;
	return 0;
}

static int header_line(struct exchange *exchange, const char *line, size_t size)
{
	while (size > 0 && (line[size - 1] == '\r' || line[size - 1] == '\n'))
		size--;
	if (size >= 5 && strncmp(line, "HTTP/", 5) == 0 && !memchr(line, ':', 5)) {
		header_list_clear(&exchange->headers);
		return parse_status(exchange, line, size);
	}
	if (size == 0)
		return end_of_head(exchange);
	const char *colon = memchr(line, ':', size);
	if (!colon || exchange->headers.count >= HEADERS_MAX)
		return ERROR_MALFORMED;
	CLEANUP(free) char *name = strndup(line, (size_t)(colon - line));
	const char *value = colon + 1, *end = line + size;
	while (value < end && (*value == ' ' || *value == '\t'))
		value++;
	while (end > value && (end[-1] == ' ' || end[-1] == '\t'))
		end--;
	return name ? header_list_add(&exchange->headers, name, value, (size_t)(end - value)) : -ENOMEM;
}

static size_t on_header(char *line, size_t size, size_t count, void *userdata)
{
	struct exchange *exchange = userdata;
	exchange->moves++;
	if (exchange->head_complete) /* trailers are not passed on */
		return size * count;
	return header_line(exchange, line, size * count) < 0 ? 0 : size * count;
}

static size_t on_write(char *data, size_t size, size_t count, void *userdata)
{
	struct exchange *exchange = userdata;
	size_t n = size * count;
	exchange->moves++;
	if (exchange->in_start == exchange->in_end)
		exchange->in_start = exchange->in_end = 0;
	if (n > BUFFER_SIZE - exchange->in_end) {
		exchange->receive_paused = true;
		return CURL_WRITEFUNC_PAUSE;
	}
	memcpy(exchange->in + exchange->in_end, data, n);
	exchange->in_end += n;
	return n;
}

static int translate(CURLcode code)
{
	switch (code) {
	case CURLE_OK: return 0;
	case CURLE_COULDNT_CONNECT:
	case CURLE_COULDNT_RESOLVE_HOST:
	case CURLE_SSL_CONNECT_ERROR:
	case CURLE_PEER_FAILED_VERIFICATION: return -ECONNREFUSED;
	case CURLE_OPERATION_TIMEDOUT: return -ETIMEDOUT;
	case CURLE_OUT_OF_MEMORY: return -ENOMEM;
	default: return -EPIPE;
	}
}

static int append(struct curl_slist **list, const char *text)
{
	struct curl_slist *longer = curl_slist_append(*list, text);
	if (!longer)
		return -ENOMEM;
	*list = longer;
	return 0;
}

/* The fields as they are, and nothing that curl would add by itself. */
static int make_slist(struct exchange *exchange, const struct header_list *headers)
{
	static const char *const defaults[] = { "Accept", "User-Agent", "Content-Type", "Expect" };
	int result = 0;
	for (size_t i = 0; i < headers->count && result == 0; i++) {
		const struct header_field *field = &headers->fields[i];
		CLEANUP(free) char *line = NULL;
		if (strcasecmp(field->name, "Expect") == 0)
			continue; /* answered by our own server */
		/* Curl's way to say an empty value is "Name;". */
		if (asprintf(&line, *field->value ? "%s: %s" : "%s;", field->name, field->value) < 0)
			return -ENOMEM;
		result = append(&exchange->slist, line);
	}
	for (size_t i = 0; i < ARRAY_SIZE(defaults) && result == 0; i++) {
		char line[64];
		snprintf(line, sizeof(line), "%s:", defaults[i]);
		if (strcmp(defaults[i], "Expect") == 0 || !header_list_find(headers, defaults[i]))
			result = append(&exchange->slist, line);
	}
	return result < 0 ? result : append(&exchange->slist, "Via: 1.1 pdns-api-proxy");
}

static void set_connection(struct exchange *exchange)
{
	struct upstream *upstream = exchange->upstream;
	CURL *easy = exchange->pair->easy;
	curl_easy_setopt(easy, CURLOPT_URL, upstream->url);
	curl_easy_setopt(easy, CURLOPT_REQUEST_TARGET, exchange->target);
	curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L);
	curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(easy, CURLOPT_PROXY, "");
	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(easy, CURLOPT_TCP_NODELAY, 1L);
	curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, upstream_close_later);
	curl_easy_setopt(easy, CURLOPT_CLOSESOCKETDATA, exchange->pair); /* stays with the connection, however long that is kept */
	curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)(upstream->timeout_us / 1000));
	curl_easy_setopt(easy, CURLOPT_HTTPHEADER, exchange->slist);
	curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(easy, CURLOPT_HEADERDATA, exchange);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_write);
	curl_easy_setopt(easy, CURLOPT_WRITEDATA, exchange);
}

static void set_request(struct exchange *exchange, const struct exchange_request *request)
{
	CURL *easy = exchange->pair->easy;
	if (request->body_size != EXCHANGE_NO_BODY) {
		curl_easy_setopt(easy, CURLOPT_UPLOAD, 1L);
		curl_easy_setopt(easy, CURLOPT_INFILESIZE_LARGE, (curl_off_t)request->body_size);
		curl_easy_setopt(easy, CURLOPT_READFUNCTION, on_read);
		curl_easy_setopt(easy, CURLOPT_READDATA, exchange);
		curl_easy_setopt(easy, CURLOPT_SEEKFUNCTION, on_seek);
		curl_easy_setopt(easy, CURLOPT_SEEKDATA, exchange);
	}
	if (strcasecmp(request->method, "HEAD") == 0)
		curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
	curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, request->method);
}

int exchange_start(struct upstream *upstream, const struct exchange_request *request, struct exchange **ret)
{
	struct exchange *exchange = calloc(1, sizeof(*exchange));
	if (!exchange)
		return -ENOMEM;
	exchange->upstream = upstream;
	exchange->body_size = EXCHANGE_UNKNOWN;
	exchange->out_end = request->body_size == EXCHANGE_NO_BODY;
	exchange->out_whole = request->body_size;
	exchange->in = malloc(BUFFER_SIZE);
	exchange->pair = upstream_borrow(upstream);
	int result = exchange->in && exchange->pair ? make_slist(exchange, request->headers) : -ENOMEM;
	if (result == 0 && asprintf(&exchange->target, "%s%s", *request->target == '/' ? upstream->path : "", request->target) < 0)
		result = -ENOMEM;
	if (result == 0) {
		set_connection(exchange);
		set_request(exchange, request);
		result = curl_multi_add_handle(exchange->pair->multi, exchange->pair->easy) == CURLM_OK ? 0 : -ENOMEM;
		exchange->in_multi = result == 0;
	}
	if (result < 0) {
		exchange_free(exchange);
		return result;
	}
	*ret = exchange;
	return 0;
}

/* Lets curl go on where it was told to wait and there is now something to do. */
static void resume(struct exchange *exchange)
{
	bool send = exchange->send_paused && (exchange->out_at < exchange->out_size || exchange->out_end);
	bool receive = exchange->receive_paused && exchange->in_start == exchange->in_end;
	if (!send && !receive)
		return;
	exchange->send_paused = exchange->send_paused && !send;
	exchange->receive_paused = exchange->receive_paused && !receive;
	/* May call on_write at once, which may pause again. */
	int pause = (exchange->send_paused ? CURLPAUSE_SEND : 0) | (exchange->receive_paused ? CURLPAUSE_RECV : 0);
	(void)curl_easy_pause(exchange->pair->easy, pause);
}

static void look_for_end(struct exchange *exchange)
{
	int left;
	CURLMsg *message = curl_multi_info_read(exchange->pair->multi, &left);
	if (!message || message->msg != CURLMSG_DONE)
		return;
	exchange->done = true;
	exchange->result = translate(message->data.result);
	if (exchange->result == 0 && !exchange->head_complete)
		exchange->result = -EPIPE;
}

/* One step: does what can be done now, or waits until something can. */
static int step(struct exchange *exchange, uint64_t *deadline_us)
{
	uint64_t moves = exchange->moves;
	int running;
	resume(exchange);
	if (curl_multi_perform(exchange->pair->multi, &running) != CURLM_OK)
		return -EPIPE;
	look_for_end(exchange);
	if (exchange->done)
		return exchange->result;
	if (atomic_load(&exchange->upstream->cancelled))
		return -ECANCELED;
	uint64_t now = clock_monotonic_us();
	if (exchange->moves != moves) {
		*deadline_us = now + (uint64_t)exchange->upstream->timeout_us;
		return 0;
	}
	if (now >= *deadline_us)
		return -ETIMEDOUT;
	uint64_t wait_ms = (*deadline_us - now + 999) / 1000;
	(void)curl_multi_poll(exchange->pair->multi, NULL, 0, wait_ms > POLL_MS ? POLL_MS : (int)wait_ms, NULL);
	return 0;
}

/* Steps until the condition holds; a failure stays with the exchange. */
#define STEP_UNTIL(exchange, condition) \
	({ \
		uint64_t deadline_us_ = clock_monotonic_us() + (uint64_t)(exchange)->upstream->timeout_us; \
		while (!(exchange)->done && !(condition)) { \
			int step_ = step(exchange, &deadline_us_); \
			if (step_ < 0 && !(exchange)->done) { \
				(exchange)->done = true; \
				(exchange)->result = step_; \
			} \
		} \
		(condition) ? 0 : (exchange)->result; \
	})

int exchange_send(struct exchange *exchange, const void *data, size_t size)
{
	exchange->out = data;
	exchange->out_size = size;
	exchange->out_at = 0;
	int result = STEP_UNTIL(exchange, exchange->out_at == exchange->out_size || exchange->head_complete);
	exchange->out_offset += (int64_t)exchange->out_at;
	exchange->out = NULL;
	exchange->out_size = exchange->out_at = 0;
	return result;
}

/* Curl has taken all of the request. It asks for more than it was told the size of only if that is not known. */
static bool is_sent(const struct exchange *exchange)
{
	bool body = exchange->out_whole == EXCHANGE_UNKNOWN ? exchange->out_end_taken : exchange->out_offset >= exchange->out_whole;
	return body && exchange_was_sent(exchange);
}

int exchange_end(struct exchange *exchange)
{
	exchange->out_end = true;
	return STEP_UNTIL(exchange, exchange->head_complete || is_sent(exchange));
}

int exchange_answer(struct exchange *exchange)
{
	exchange->out_end = true;
	return STEP_UNTIL(exchange, exchange->head_complete);
}

int exchange_status(const struct exchange *exchange)
{
	return exchange->status;
}

const char *exchange_reason(const struct exchange *exchange)
{
	return exchange->reason;
}

const struct header_list *exchange_headers(const struct exchange *exchange)
{
	return &exchange->headers;
}

int64_t exchange_body_size(const struct exchange *exchange)
{
	return exchange->body_size;
}

ssize_t exchange_read(struct exchange *exchange, void *buffer, size_t size)
{
	int result = STEP_UNTIL(exchange, exchange->in_end > exchange->in_start);
	size_t n = exchange->in_end - exchange->in_start;
	if (n == 0)
		return result;
	if (n > size)
		n = size;
	memcpy(buffer, exchange->in + exchange->in_start, n);
	exchange->in_start += n;
	return (ssize_t)n;
}

bool exchange_was_sent(const struct exchange *exchange)
{
	long sent = 0;
	(void)curl_easy_getinfo(exchange->pair->easy, CURLINFO_REQUEST_SIZE, &sent);
	return sent > 0;
}

void exchange_free(struct exchange *exchange)
{
	if (!exchange)
		return;
	if (exchange->pair) {
		/* One that has not ended loses its connection here. */
		if (exchange->in_multi)
			(void)curl_multi_remove_handle(exchange->pair->multi, exchange->pair->easy);
		upstream_give_back(exchange->upstream, exchange->pair);
	}
	curl_slist_free_all(exchange->slist);
	header_list_clear(&exchange->headers);
	free(exchange->reason);
	free(exchange->target);
	free(exchange->in);
	free(exchange);
}
