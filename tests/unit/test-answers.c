/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Questions about the book: every zone is on exactly one page of its bucket, and odd questions get an error. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <jansson.h>
#include <stdlib.h>

#include "common/cleanup.h"
#include "secondary-syncer/answers.h"

#define BUCKET 3
#define PER_BUCKET 1003 /* more than one page */

static char folder[64], last[ZONE_NAME_SIZE];
static struct applied_book *book;

static int setup(void **state)
{
	(void)state;
	struct book_entry entry = { .state = ZONE_STATE_PRESENT, .generation = 9, .serial = 4 };
	strcpy(folder, "/tmp/test-answers-XXXXXX");
	if (!mkdtemp(folder) || applied_book_open(folder, &book) < 0)
		return -1;
	for (unsigned i = 0, have = 0; have < PER_BUCKET; i++) {
		snprintf(last, sizeof(last), "z%u.test.", i);
		if (set_digest_bucket(last) != BUCKET)
			continue;
		have++;
		if (applied_book_put(book, last, &entry) < 0)
			return -1;
	}
	entry.state = ZONE_STATE_DELETED;
	return applied_book_put(book, last, &entry);
}

static int teardown(void **state)
{
	(void)state;
	char command[128];
	applied_book_close(book);
	snprintf(command, sizeof(command), "rm -rf %s", folder);
	return system(command);
}

static json_t *answer(const char *verb, const char *question)
{
	json_t *json = json_loads(question, 0, NULL);
	assert_non_null(json);
	json_t *result = answers_about_book(book, verb, json);
	json_decref(json);
	return result;
}

static void pages_hold_every_zone_once(void **state)
{
	(void)state;
	char after[ZONE_NAME_SIZE] = "", question[ZONE_NAME_SIZE + 64];
	size_t zones = 0;
	for (bool more = true; more;) {
		snprintf(question, sizeof(question), after[0] ? "{\"bucket\":%d,\"after\":\"%s\"}" : "{\"bucket\":%d}", BUCKET, after);
		json_t *page = answer("bucket", question);
		const json_t *list = json_object_get(page, "zones");
		assert_true(json_array_size(list) <= 1000);
		zones += json_array_size(list);
		snprintf(after, sizeof(after), "%s",
		         json_string_value(json_object_get(json_array_get(list, json_array_size(list) - 1), "zone")));
		more = json_is_true(json_object_get(page, "more"));
		json_decref(page);
	}
	assert_int_equal(zones, PER_BUCKET - 1);
}

static void odd_questions_get_errors(void **state)
{
	(void)state;
	static const struct { const char *verb, *question; } cases[] = {
		{ "zone", "{}" }, { "zone", "{\"zone\":7}" }, { "zone", "{\"zone\":\"..\"}" }, { "bucket", "{}" },
		{ "bucket", "{\"bucket\":256}" }, { "bucket", "{\"bucket\":-1}" }, { "bucket", "{\"bucket\":\"3\"}" },
		{ "bucket", "{\"bucket\":3,\"after\":\"a..b\"}" },
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		json_t *result = answer(cases[i].verb, cases[i].question);
		assert_non_null(json_object_get(result, "error"));
		json_decref(result);
	}
	assert_null(answer("nonsense", "{}"));
}

static void zone_and_buckets(void **state)
{
	(void)state;
	char question[ZONE_NAME_SIZE + 32];
	snprintf(question, sizeof(question), "{\"zone\":\"%s\"}", last);
	json_t *result = answer("zone", question);
	assert_string_equal(json_string_value(json_object_get(result, "state")), "deleted");
	assert_int_equal(json_integer_value(json_object_get(result, "generation")), 9);
	json_decref(result);
	result = answer("zone", "{\"zone\":\"Unknown.test\"}");
	assert_true(json_is_false(json_object_get(result, "known")));
	json_decref(result);
	result = answer("buckets", "{}");
	assert_int_equal(json_array_size(json_object_get(result, "buckets")), 256);
	assert_int_equal(json_integer_value(json_object_get(result, "zones")), PER_BUCKET - 1);
	json_decref(result);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pages_hold_every_zone_once),
		cmocka_unit_test(odd_questions_get_errors),
		cmocka_unit_test(zone_and_buckets),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
