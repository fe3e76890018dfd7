/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include "health-checker/compare.h"

struct seen { char text[256]; };

static void note(enum compare_finding finding, const char *zone, const struct index_zone *known, void *userdata)
{
	struct seen *seen = userdata;
	static const char *const names[] = { "apply ", "unknown ", "newer " };

	(void)known;
	strcat(seen->text, names[finding]);
	strcat(seen->text, zone);
	strcat(seen->text, ";");
}

struct one { const char *zone; uint64_t generation; uint8_t digest; };

static const struct comparison_case {
	const char *name;
	enum index_state ours; /* of z.example., generation 5, digest 5 */
	struct one theirs;     /* zone NULL: has nothing */
	const char *want;
} cases[] = {
	{ "the same", INDEX_PRESENT, { "z.example.", 5, 5 }, "" },
	{ "lacks it", INDEX_PRESENT, { NULL, 0, 0 }, "apply z.example.;" },
	{ "has it older", INDEX_PRESENT, { "z.example.", 4, 5 }, "apply z.example.;" },
	{ "has it otherwise", INDEX_PRESENT, { "z.example.", 5, 6 }, "apply z.example.;" },
	{ "has it newer", INDEX_PRESENT, { "z.example.", 6, 6 }, "newer z.example.;" },
	{ "still has what is deleted", INDEX_DELETED, { "z.example.", 4, 4 }, "apply z.example.;" },
	{ "has deleted it", INDEX_DELETED, { NULL, 0, 0 }, "" },
	{ "has what the store does not know", INDEX_ABSENT, { "z.example.", 4, 4 }, "unknown z.example.;" },
};

static void finds_what_differs(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct index *index = NULL;
		struct compare_remote *remote = NULL, *one = NULL;
		struct index_head head = { .zone = "z.example.", .generation = 5, .sequence = 1,
			.state = cases[i].ours == INDEX_PRESENT ? ZONE_STATE_PRESENT : ZONE_STATE_DELETED };
		struct seen seen = { "" };
		bool buckets[SET_BUCKETS] = { false };

		head.digest.sum[0] = 5;
		assert_int_equal(index_new(&index), 0);
		if (cases[i].ours != INDEX_ABSENT)
			assert_int_equal(index_put(index, &head, NULL), INDEX_NEW);
		if (cases[i].theirs.zone) {
			one = calloc(1, sizeof(*one) + strlen(cases[i].theirs.zone) + 1);
			assert_non_null(one);
			strcpy(one->zone, cases[i].theirs.zone);
			one->generation = cases[i].theirs.generation;
			one->digest.sum[0] = cases[i].theirs.digest;
			HASH_ADD_STR(remote, zone, one);
		}
		buckets[set_digest_bucket("z.example.")] = true;
		compare_sets(index, buckets, &remote, note, &seen);
		if (strcmp(seen.text, cases[i].want) != 0)
			fail_msg("%s: found \"%s\"", cases[i].name, seen.text);
		/* Buckets that agree are not looked at. */
		memset(buckets, 0, sizeof(buckets));
		seen.text[0] = '\0';
		if (!one || one->matched)
			compare_sets(index, buckets, &remote, note, &seen);
		assert_string_equal(seen.text, "");
		if (one)
			HASH_DEL(remote, one);
		free(one);
		index_free(index);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(finds_what_differs) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
