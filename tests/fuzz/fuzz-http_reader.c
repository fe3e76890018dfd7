/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "api-proxy/http_reader.h"
#include "api-proxy/prefer.h"
#include "api-proxy/route.h"
#include "api-proxy/status_api.h"

#define HEAD_MAX 4096
#define REQUESTS_MAX 64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What is made of the octets, in words, so that two ways of reading can be compared. */
struct story {
	char *text;
	size_t size;
	FILE *file;
};

/* All that looks at a head before it is forwarded. */
static void tell_head(struct story *story, struct http_head *head)
{
	struct route_effect effect;
	struct prefer prefer;
	fprintf(story->file, "[%s|%s|%lld|%d%d%d", head->method, head->target, (long long)head->body_size, head->is_1_0, head->keep_alive,
	        head->expects_continue);
	for (size_t i = 0; i < head->headers.count; i++) {
		fprintf(story->file, "|%s=%s", head->headers.fields[i].name, head->headers.fields[i].value);
		if (strpbrk(head->headers.fields[i].name, "\r\n: ") || strpbrk(head->headers.fields[i].value, "\r\n"))
			abort(); /* could end up as two fields at PowerDNS */
	}
	if (strpbrk(head->target, "\r\n ") || strpbrk(head->method, "\r\n "))
		abort();
	(void)status_api_owns(head->target);
	route_find(head->method, head->target, &effect);
	prefer_read(&head->headers, &prefer);
	fprintf(story->file, "|%d %d %s|%d %lld]", (int)effect.source, (int)effect.change, effect.zone, prefer.respond_async,
	        (long long)prefer.wait_us);
	header_list_drop_hop_by_hop(&head->headers);
	if (header_list_find(&head->headers, "Content-Length") || header_list_find(&head->headers, "Transfer-Encoding"))
		abort(); /* framing is made anew */
}

/* Reads as from a connection that delivers at most `piece` octets at once. */
static void tell(struct story *story, const char *data, size_t size, size_t piece)
{
	struct http_reader *reader;
	size_t start = 0, end = 0;
	unsigned requests = 0;
	story->text = NULL;
	story->file = open_memstream(&story->text, &story->size);
	if (!story->file || http_reader_new(HEAD_MAX, &reader) < 0)
		abort();
	while (requests < REQUESTS_MAX) {
		size_t used = 0, body_size = 0;
		const char *body = NULL;
		int step = http_reader_step(reader, data + start, end - start, &used, &body, &body_size);
		if (step < 0) {
			fputs("refused", story->file); /* for what reason, of several, may depend on the cut */
			break;
		}
		if (used > end - start || (body && (body < data + start || body + body_size > data + end)))
			abort();
		start += used;
		if (step == HTTP_STEP_HEAD)
			tell_head(story, http_reader_head(reader));
		else if (step == HTTP_STEP_BODY)
			(void)fwrite(body, 1, body_size, story->file);
		else if (step == HTTP_STEP_END)
			requests++;
		else if (end == size)
			break;
		else
			end = size - end < piece ? size : end + piece;
	}
	http_reader_free(reader);
	(void)fclose(story->file);
}

/* However the network cuts it, the same is read. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct story whole, cut;
	if (size < 1)
		return 0;
	tell(&whole, (const char *)data + 1, size - 1, size);
	tell(&cut, (const char *)data + 1, size - 1, data[0] % 16 + 1);
	if (whole.size != cut.size || memcmp(whole.text, cut.text, whole.size) != 0) {
		fprintf(stderr, "whole: %s\ncut:   %s\n", whole.text, cut.text);
		abort();
	}
	free(whole.text);
	free(cut.text);
	return 0;
}
