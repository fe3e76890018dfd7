/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "secondary-syncer/answers.h"

#include <errno.h>
#include <string.h>

#include "common/ask.h"
#include "common/error.h"

#define PAGE 1000

static json_t *answer_zone(struct applied_book *book, const json_t *question)
{
	const char *text = json_string_value(json_object_get(question, "zone"));
	char zone[ZONE_NAME_SIZE], digest[ZONE_DIGEST_HEX_SIZE];
	if (!text || zone_name_from_text(text, zone) < 0)
		return ask_error("zone: not a domain name");
	struct book_entry entry;
	int r = applied_book_get(book, zone, &entry);
	if (r == -ENOENT)
		return json_pack("{s:s,s:b}", "zone", zone, "known", 0);
	if (r < 0)
		return ask_error("cannot read the book: %s", error_text(r));
	zone_digest_to_hex(&entry.digest, digest);
	return json_pack("{s:s,s:b,s:s,s:I,s:I,s:s,s:s,s:s}", "zone", zone, "known", 1, "state",
	                 entry.generation == 0 ? "none" : entry.state == ZONE_STATE_PRESENT ? "present" : "deleted", "generation",
	                 (json_int_t)entry.generation, "serial", (json_int_t)entry.serial, "digest", digest, "result",
	                 applied_result_name(entry.result), "reason", entry.reason);
}

static json_t *answer_buckets(struct applied_book *book)
{
	json_t *buckets = json_array();
	char hex[SET_DIGEST_HEX_SIZE];
	uint64_t zones, failing;
	for (int i = 0; i < SET_BUCKETS; i++) {
		applied_book_bucket_hex(book, i, hex);
		json_array_append_new(buckets, json_string(hex));
	}
	applied_book_counts(book, &zones, &failing);
	return json_pack("{s:o,s:I}", "buckets", buckets, "zones", (json_int_t)zones);
}

struct page {
	int bucket;
	json_t *zones;
};

static int page_add(const char *zone, const struct book_entry *entry, void *userdata)
{
	struct page *page = userdata;
	char digest[ZONE_DIGEST_HEX_SIZE];
	if (entry->state != ZONE_STATE_PRESENT || entry->generation == 0 || set_digest_bucket(zone) != page->bucket)
		return 0;
	if (json_array_size(page->zones) == PAGE)
		return 1;
	zone_digest_to_hex(&entry->digest, digest);
	json_array_append_new(page->zones, json_pack("{s:s,s:I,s:s}", "zone", zone, "generation", (json_int_t)entry->generation,
	                                             "digest", digest));
	return 0;
}

static json_t *answer_bucket(struct applied_book *book, const json_t *question)
{
	json_int_t bucket = json_integer_value(json_object_get(question, "bucket"));
	const char *text = json_string_value(json_object_get(question, "after"));
	char after[ZONE_NAME_SIZE];
	if (!json_is_integer(json_object_get(question, "bucket")) || bucket < 0 || bucket >= SET_BUCKETS)
		return ask_error("bucket: not a number from 0 to 255");
	if (text && zone_name_from_text(text, after) < 0)
		return ask_error("after: not a domain name");
	struct page page = { .bucket = (int)bucket, .zones = json_array() };
	int r = applied_book_each(book, text ? after : NULL, page_add, &page);
	if (r < 0) {
		json_decref(page.zones);
		return ask_error("cannot read the book: %s", error_text(r));
	}
	return json_pack("{s:o,s:b}", "zones", page.zones, "more", r == 1);
}

json_t *answers_about_book(struct applied_book *book, const char *verb, const json_t *question)
{
	if (strcmp(verb, "zone") == 0)
		return answer_zone(book, question);
	if (strcmp(verb, "buckets") == 0)
		return answer_buckets(book);
	if (strcmp(verb, "bucket") == 0)
		return answer_bucket(book, question);
	return NULL;
}
