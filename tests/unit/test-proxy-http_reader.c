/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include "api-proxy/http_reader.h"
#include "api-proxy/upstream.h"
#include "common/cleanup.h"

#define HEAD_MAX 1024

DEFINE_CLEANUP(reader, struct http_reader *, http_reader_free)

static struct http_reader *new_reader(void)
{
	struct http_reader *reader;
	assert_int_equal(http_reader_new(HEAD_MAX, &reader), 0);
	return reader;
}

/* Feeds the text octet by octet until the reader says something else than "more". */
static int feed(struct http_reader *reader, const char **text, const char **ret_piece, size_t *ret_size)
{
	size_t shown = **text ? 1 : 0;
	for (;;) {
		size_t used = 0;
		int step = http_reader_step(reader, *text, shown, &used, ret_piece, ret_size);
		if (step < 0)
			return step;
		*text += used;
		shown -= used;
		if (step != HTTP_STEP_MORE || !(*text)[shown])
			return step;
		shown++;
	}
}

static int head_of(struct http_reader *reader, const char **text)
{
	const char *piece;
	size_t size;
	return feed(reader, text, &piece, &size);
}

static void assert_refused(const char *text, int status)
{
	CLEANUP(reader) struct http_reader *reader = new_reader();
	const char *piece, *all = text;
	size_t used, size;
	int step = http_reader_step(reader, text, strlen(text), &used, &piece, &size);
	while (step == HTTP_STEP_BODY || step == HTTP_STEP_HEAD) {
		text += used;
		step = http_reader_step(reader, text, strlen(text), &used, &piece, &size);
	}
	if (step != -status)
		fail_msg("%d instead of %d for %s", -step, status, all);
}

static void requests_follow_each_other(void **state)
{
	(void)state;
	CLEANUP(reader) struct http_reader *reader = new_reader();
	const char *text = "\r\nPATCH /a=2F%2e//b?c=%20 HTTP/1.1\r\nHost: x\r\nA:  b c \t\r\nA: d\r\nEmpty:\r\nContent-Length: 3\r\n\r\n{ }"
	                   "frob http://x/ HTTP/1.0\nConnection: keep-alive\n\n"
	                   "GET / HTTP/1.1\r\nConnection: close\r\n\r\n";
	const char *piece;
	size_t size;
	assert_int_equal(head_of(reader, &text), HTTP_STEP_HEAD);
	const struct http_head *head = http_reader_head(reader);
	assert_string_equal(head->method, "PATCH");
	assert_string_equal(head->target, "/a=2F%2e//b?c=%20");
	assert_int_equal(head->body_size, 3);
	assert_true(head->keep_alive);
	assert_int_equal(head->headers.count, 5);
	assert_string_equal(head->headers.fields[1].value, "b c");
	assert_string_equal(head->headers.fields[2].value, "d");
	assert_string_equal(head->headers.fields[3].value, "");
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(feed(reader, &text, &piece, &size), HTTP_STEP_BODY);
		assert_int_equal(size, 1);
		assert_int_equal(*piece, "{ }"[i]);
	}
	assert_int_equal(feed(reader, &text, &piece, &size), HTTP_STEP_END);
	assert_true(http_reader_is_idle(reader));

	assert_int_equal(head_of(reader, &text), HTTP_STEP_HEAD);
	assert_string_equal(head->method, "frob");
	assert_string_equal(head->target, "http://x/");
	assert_true(head->is_1_0 && head->keep_alive);
	assert_int_equal(head->body_size, EXCHANGE_NO_BODY);
	assert_int_equal(feed(reader, &text, &piece, &size), HTTP_STEP_END);

	assert_int_equal(head_of(reader, &text), HTTP_STEP_HEAD);
	assert_false(head->keep_alive);
}

static void chunks_and_trailers(void **state)
{
	(void)state;
	CLEANUP(reader) struct http_reader *reader = new_reader();
	static const char text[] = "POST / HTTP/1.1\r\nTransfer-Encoding: Chunked\r\nExpect: 100-Continue\r\n\r\n"
	                           "4;x=y\r\n abc\r\n2\r\nde\r\n0\r\nTrailer: f\r\n\r\n";
	char body[16] = "";
	size_t at = 0, used, size;
	const char *piece;
	int step;
	do {
		step = http_reader_step(reader, text + at, sizeof(text) - 1 - at, &used, &piece, &size);
		assert_true(step > 0);
		at += used;
		if (step == HTTP_STEP_BODY)
			strncat(body, piece, size);
	} while (step != HTTP_STEP_END);
	assert_int_equal(at, sizeof(text) - 1);
	assert_string_equal(body, " abcde");
	assert_int_equal(http_reader_head(reader)->body_size, EXCHANGE_UNKNOWN);
	assert_true(http_reader_head(reader)->expects_continue);
	assert_int_equal(http_reader_head(reader)->headers.count, 2);
}

static void what_is_no_request_is_refused(void **state)
{
	(void)state;
	assert_refused("GET /\r\n\r\n", 400);
	assert_refused("GET / a HTTP/1.1\r\n\r\n", 400);
	assert_refused("G(T / HTTP/1.1\r\n\r\n", 400);
	assert_refused("GET /\x7f HTTP/1.1\r\n\r\n", 400);
	assert_refused("GET / HTTP/2.0\r\n\r\n", 505);
	assert_refused("GET / HTTP/1.1\r\nNo colon\r\n\r\n", 400);
	assert_refused("GET / HTTP/1.1\r\nA : b\r\n\r\n", 400);
	assert_refused("GET / HTTP/1.1\r\nA: b\r\n folded\r\n\r\n", 400);
	assert_refused("GET / HTTP/1.1\r\n A: b\r\n\r\n", 400);
	assert_refused("GET / HTTP/1.1\r\nA: b\x01\r\n\r\n", 400);
	assert_refused("GET / HTTP/1.1\r\nA: b\rc\r\n\r\n", 400);
	assert_refused("GET / HTTP/1.1\r\nA: b\r\n\rc\r\n\r\n", 400);
	assert_refused("POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", 400);
	assert_refused("POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 400);
	assert_refused("POST / HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n", 400);
	assert_refused("POST / HTTP/1.1\r\nContent-Length: 10000000000000000000\r\n\r\n", 400);
	assert_refused("POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400);
	assert_refused("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400);
	assert_refused("POST / HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501);
	assert_refused("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 501);
	assert_refused("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nz\r\n", 400);
	assert_refused("GET / HTTP/1.1\r\nHost: a\r\nhost: a\r\n\r\n", 400);
}

static void what_is_too_large_is_refused(void **state)
{
	(void)state;
	char text[4096];
	snprintf(text, sizeof(text), "GET /%01100d HTTP/1.1\r\n\r\n", 0);
	assert_refused(text, 414);
	snprintf(text, sizeof(text), "GET / HTTP/1.1\r\nA: %01100d\r\n\r\n", 0);
	assert_refused(text, 431);
	size_t size = (size_t)snprintf(text, sizeof(text), "GET / HTTP/1.1\r\n");
	for (unsigned i = 0; i < 300; i++)
		size += (size_t)snprintf(text + size, sizeof(text) - size, "A:\n");
	snprintf(text + size, sizeof(text) - size, "\r\n");
	assert_refused(text, 431);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(requests_follow_each_other),
		cmocka_unit_test(chunks_and_trailers),
		cmocka_unit_test(what_is_no_request_is_refused),
		cmocka_unit_test(what_is_too_large_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
