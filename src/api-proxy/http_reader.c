/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "api-proxy/http_reader.h"
#include <errno.h>
#include <http_parser.h>
#include <strings.h>
#include "api-proxy/upstream.h"
#include "common/cleanup.h"

#define FIELDS_MAX 256

enum stage { STAGE_LINE, STAGE_FIELDS, STAGE_BODY, STAGE_DONE, STAGE_BROKEN };

struct http_reader {
	size_t head_max;
	enum stage stage;
	char *line; /* the request line, as far as it came */
	size_t line_size, line_capacity;
	size_t fields_size;
	char last;     /* octet of the fields before */
	bool is_blank; /* it began the empty line that ends the fields */

	http_parser parser;
	char *name, *value; /* of the field that is being read */
	size_t name_size, value_size;
	bool in_value;

	struct http_head head;
	int status; /* why it is broken */
	enum http_step step;
	const char *piece;
	size_t piece_size;
};

static void clear_head(struct http_head *head)
{
	free(head->method);
	free(head->target);
	header_list_clear(&head->headers);
	*head = (struct http_head){ 0 };
}

static int fail(struct http_reader *reader, int status)
{
	reader->stage = STAGE_BROKEN;
	reader->status = status;
	return -1;
}

static int append(char **text, size_t *size, const char *more, size_t more_size)
{
	char *longer = realloc(*text, *size + more_size + 1);
	if (!longer)
		return -1;
	memcpy(longer + *size, more, more_size);
	*text = longer;
	*size += more_size;
	longer[*size] = '\0';
	return 0;
}

static bool is_token(const char *text)
{
	size_t size = strspn(text, "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ");
	return size > 0 && text[size] == '\0';
}

static int end_field(struct http_reader *reader)
{
	int result = 0;
	if (reader->in_value) {
		const char *value = reader->value ? reader->value : "";
		size_t size = reader->value_size;
		while (size > 0 && (value[size - 1] == ' ' || value[size - 1] == '\t'))
			size--;
		if (reader->head.headers.count == FIELDS_MAX)
			result = fail(reader, 431);
		else if (!reader->name || !is_token(reader->name)) /* http-parser takes a space before the colon, RFC 9112 5.1 does not */
			result = fail(reader, 400);
		else if (header_list_add(&reader->head.headers, reader->name, value, size) < 0)
			result = fail(reader, 503);
	}
	reader->name_size = reader->value_size = 0;
	reader->in_value = false;
	return result;
}

static int on_name(http_parser *parser, const char *at, size_t size)
{
	struct http_reader *reader = parser->data;
	if (reader->stage != STAGE_FIELDS) /* a trailer, which is not passed on */
		return 0;
	if (reader->in_value && end_field(reader) < 0)
		return -1;
	return append(&reader->name, &reader->name_size, at, size) < 0 ? fail(reader, 503) : 0;
}

static int on_value(http_parser *parser, const char *at, size_t size)
{
	struct http_reader *reader = parser->data;
	if (reader->stage != STAGE_FIELDS)
		return 0;
	reader->in_value = true;
	return append(&reader->value, &reader->value_size, at, size) < 0 ? fail(reader, 503) : 0;
}

/* One length, or "chunked" alone: a body whose end two servers could see in two places is not for us to forward. One host at most. */
static int check_framing(struct http_reader *reader)
{
	const struct header_list *headers = &reader->head.headers;
	unsigned codings = 0, hosts = 0;
	for (size_t i = 0; i < headers->count; i++) {
		const struct header_field *field = &headers->fields[i];
		if (strcasecmp(field->name, "Host") == 0 && hosts++ > 0)
			return fail(reader, 400);
		if (strcasecmp(field->name, "Transfer-Encoding") != 0)
			continue;
		if (reader->head.is_1_0)
			return fail(reader, 400);
		if (strcasecmp(field->value, "chunked") != 0 || codings++ > 0)
			return fail(reader, 501);
	}
	/* Whatever else is expected, PowerDNS does not know it either, and answers. */
	const char *expected = header_list_find(headers, "Expect");
	reader->head.expects_continue = expected && !reader->head.is_1_0 && strcasecmp(expected, "100-continue") == 0;
	return 0;
}

static int on_head(http_parser *parser)
{
	struct http_reader *reader = parser->data;
	if (end_field(reader) < 0 || check_framing(reader) < 0)
		return -1;
	reader->head.keep_alive = http_should_keep_alive(parser) != 0;
	if (parser->flags & F_CHUNKED)
		reader->head.body_size = EXCHANGE_UNKNOWN;
	else if (!(parser->flags & F_CONTENTLENGTH))
		reader->head.body_size = EXCHANGE_NO_BODY;
	else if (parser->content_length <= INT64_MAX)
		reader->head.body_size = (int64_t)parser->content_length;
	else
		return fail(reader, 400);
	reader->stage = STAGE_BODY;
	reader->step = HTTP_STEP_HEAD;
	http_parser_pause(parser, 1);
	return 0;
}

static int on_body(http_parser *parser, const char *at, size_t size)
{
	struct http_reader *reader = parser->data;
	reader->step = HTTP_STEP_BODY;
	reader->piece = at;
	reader->piece_size = size;
	http_parser_pause(parser, 1);
	return 0;
}

static int on_end(http_parser *parser)
{
	struct http_reader *reader = parser->data;
	reader->stage = STAGE_DONE;
	reader->step = HTTP_STEP_END;
	http_parser_pause(parser, 1);
	return 0;
}

static const http_parser_settings settings = {
	.on_header_field = on_name,
	.on_header_value = on_value,
	.on_headers_complete = on_head,
	.on_body = on_body,
	.on_message_complete = on_end,
};

int http_reader_new(size_t head_max, struct http_reader **ret)
{
	struct http_reader *reader = calloc(1, sizeof(*reader));
	if (!reader)
		return -ENOMEM;
	reader->head_max = head_max;
	http_parser_set_max_header_size((uint32_t)head_max + 64); /* and what stands between the pieces of a chunked body */
	*ret = reader;
	return 0;
}

void http_reader_free(struct http_reader *reader)
{
	if (!reader)
		return;
	clear_head(&reader->head);
	free(reader->line);
	free(reader->name);
	free(reader->value);
	free(reader);
}

/* What could be read as something else by the next one is not passed on (RFC 9112 11.2). */
static bool is_target(const char *text)
{
	const unsigned char *at = (const unsigned char *)text;
	while (*at > ' ' && *at != 0x7f)
		at++;
	return *text && *at == '\0';
}

/* Takes "METHOD TARGET HTTP/1.x" apart. */
static int read_line(struct http_reader *reader)
{
	char *line = reader->line;
	size_t size = reader->line_size;
	if (size > 0 && line[size - 1] == '\r')
		line[--size] = '\0';
	char *target = strchr(line, ' '), *version = strrchr(line, ' ');
	if (strlen(line) != size || !target || target == version)
		return fail(reader, 400);
	*target++ = '\0';
	*version++ = '\0';
	if (!is_token(line) || !is_target(target) || strncmp(version, "HTTP/", 5) != 0 || strlen(version) != 8 || version[6] != '.')
		return fail(reader, 400);
	if (version[5] != '1')
		return fail(reader, 505);
	if (version[7] < '0' || version[7] > '9')
		return fail(reader, 400);
	reader->head.is_1_0 = version[7] == '0';
	reader->head.method = strdup(line);
	reader->head.target = strdup(target);
	return reader->head.method && reader->head.target ? 0 : fail(reader, 503);
}

/* A method that can have a body and a target that is none: the parser's opinion on either does not matter. */
static int start_parser(struct http_reader *reader)
{
	const char *line = reader->head.is_1_0 ? "POST / HTTP/1.0\r\n" : "POST / HTTP/1.1\r\n";
	http_parser_init(&reader->parser, HTTP_REQUEST);
	reader->parser.data = reader;
	reader->stage = STAGE_FIELDS;
	reader->fields_size = 0;
	reader->last = '\n';
	reader->is_blank = false;
	return http_parser_execute(&reader->parser, &settings, line, strlen(line)) == strlen(line) ? 0 : fail(reader, 503);
}

/* Collects the request line, after empty lines that some clients send behind a body (RFC 9112 2.2). */
static size_t step_line(struct http_reader *reader, const char *data, size_t size)
{
	size_t at = 0;
	while (reader->line_size == 0 && at < size && (data[at] == '\r' || data[at] == '\n'))
		at++;
	const char *end = memchr(data + at, '\n', size - at);
	size_t more = (end ? (size_t)(end - data) : size) - at;
	if (reader->line_size + more > reader->head_max) {
		(void)fail(reader, 414);
		return at;
	}
	if (more > 0 && append(&reader->line, &reader->line_size, data + at, more) < 0) {
		(void)fail(reader, 503);
		return at;
	}
	if (!end)
		return size;
	if (read_line(reader) == 0)
		(void)start_parser(reader);
	return (size_t)(end - data) + 1;
}

/*
 * How much of data the parser may see at once, up to the line that ends the fields. 0: a field is folded over two lines, which
 * nobody sends any more and RFC 9112 5.2 lets us refuse, or has a CR in it that ends no line (2.2).
 */
static size_t check_fields(struct http_reader *reader, const char *data, size_t size)
{
	if (reader->is_blank)
		return *data == '\n' ? 1 : 0;
	char last = reader->last;
	for (size_t i = 0; i < size; last = data[i++]) {
		if (last == '\r' && data[i] != '\n')
			return 0;
		if (last != '\n')
			continue;
		if (data[i] == ' ' || data[i] == '\t')
			return 0;
		reader->is_blank = data[i] == '\r';
		if (reader->is_blank || data[i] == '\n')
			return i + 1;
	}
	return size;
}

static int status_of(const struct http_reader *reader)
{
	switch (HTTP_PARSER_ERRNO(&reader->parser)) {
	case HPE_HEADER_OVERFLOW: return 431;
	case HPE_INVALID_TRANSFER_ENCODING: return 501;
	default: return 400;
	}
}

static size_t step_parser(struct http_reader *reader, const char *data, size_t size)
{
	enum stage before = reader->stage;
	size_t seen = size;
	if (before == STAGE_FIELDS) {
		seen = check_fields(reader, data, size);
		reader->fields_size += seen;
		if (seen == 0 || reader->line_size + reader->fields_size > reader->head_max) {
			(void)fail(reader, seen == 0 ? 400 : 431);
			return 0;
		}
	}
	http_parser_pause(&reader->parser, 0);
	size_t used = http_parser_execute(&reader->parser, &settings, data, seen);
	enum http_errno error = HTTP_PARSER_ERRNO(&reader->parser);
	if (reader->stage != STAGE_BROKEN && error != HPE_OK && error != HPE_PAUSED)
		(void)fail(reader, status_of(reader));
	if (before == STAGE_FIELDS && used > 0)
		reader->last = data[used - 1];
	return used;
}

/* Everything of the request before goes. */
static void begin(struct http_reader *reader)
{
	clear_head(&reader->head);
	reader->line_size = 0;
	reader->name_size = reader->value_size = 0;
	reader->in_value = false;
	reader->stage = STAGE_LINE;
}

int http_reader_step(struct http_reader *reader, const char *data, size_t size, size_t *ret_used, const char **ret_piece, size_t *ret_piece_size)
{
	size_t used = 0;
	reader->step = HTTP_STEP_MORE;
	if (reader->stage == STAGE_DONE)
		begin(reader);
	while (used < size && reader->step == HTTP_STEP_MORE && reader->stage != STAGE_BROKEN) {
		size_t n = reader->stage == STAGE_LINE ? step_line(reader, data + used, size - used) : step_parser(reader, data + used, size - used);
		used += n;
	}
	if (reader->stage == STAGE_BROKEN)
		return -reader->status;
	*ret_used = used;
	*ret_piece = reader->step == HTTP_STEP_BODY ? reader->piece : NULL;
	*ret_piece_size = reader->step == HTTP_STEP_BODY ? reader->piece_size : 0;
	return (int)reader->step;
}

struct http_head *http_reader_head(struct http_reader *reader)
{
	return &reader->head;
}

bool http_reader_is_idle(const struct http_reader *reader)
{
	return reader->stage == STAGE_DONE || (reader->stage == STAGE_LINE && reader->line_size == 0);
}

const char *http_reason(int status)
{
	return http_status_str((enum http_status)status);
}
