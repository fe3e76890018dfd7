/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include "common/error.h"
#include "health-checker/index.h"

static struct index *fresh(void)
{
	struct index *index = NULL;

	assert_int_equal(index_new(&index), 0);
	return index;
}

static struct index_head head(const char *zone, uint64_t generation, enum zone_state state)
{
	struct index_head made = { .zone = zone, .generation = generation, .sequence = generation, .serial = 7, .state = state };

	made.digest.sum[0] = (uint8_t)generation;
	return made;
}

static int put(struct index *index, const char *zone, uint64_t generation, enum zone_state state)
{
	struct index_head made = head(zone, generation, state);

	return index_put(index, &made, NULL);
}

static void root(const struct index *index, char hex[SET_DIGEST_HEX_SIZE])
{
	set_digest_root_hex(index_set_digest(index), hex);
}

static void counts_and_digest_follow_the_heads(void **state)
{
	struct index *index = fresh(), *other = fresh();
	char empty[SET_DIGEST_HEX_SIZE], one[SET_DIGEST_HEX_SIZE], two[SET_DIGEST_HEX_SIZE];
	struct index_counts counts;

	(void)state;
	root(index, empty);
	assert_int_equal(put(index, "a.example.", 1, ZONE_STATE_PRESENT), INDEX_NEW);
	assert_int_equal(put(index, "a.example.", 1, ZONE_STATE_PRESENT), INDEX_KNOWN);
	assert_int_equal(put(index, "b.example.", 2, ZONE_STATE_PRESENT), INDEX_NEW);
	assert_int_equal(put(index, "a.example.", 3, ZONE_STATE_PRESENT), INDEX_NEW);
	assert_int_equal(put(other, "b.example.", 2, ZONE_STATE_PRESENT), INDEX_NEW);
	assert_int_equal(put(other, "a.example.", 3, ZONE_STATE_PRESENT), INDEX_NEW);
	root(index, one);
	root(other, two);
	assert_string_equal(one, two);
	assert_int_equal(put(index, "a.example.", 4, ZONE_STATE_DELETED), INDEX_NEW);
	assert_int_equal(put(index, "b.example.", 5, ZONE_STATE_DELETED), INDEX_NEW);
	root(index, one);
	assert_string_equal(one, empty);
	index_counts(index, &counts);
	assert_int_equal(counts.present, 0);
	assert_int_equal(counts.deleted, 2);
	index_free(index);
	index_free(other);
}

static void a_replayed_head_changes_nothing_but_is_noted(void **state)
{
	struct index *index = fresh();
	char before[SET_DIGEST_HEX_SIZE], after[SET_DIGEST_HEX_SIZE];
	struct index_counts counts;

	(void)state;
	assert_int_equal(put(index, "a.example.", 9, ZONE_STATE_PRESENT), INDEX_NEW);
	root(index, before);
	assert_int_equal(put(index, "a.example.", 8, ZONE_STATE_DELETED), ERROR_REPLAYED);
	root(index, after);
	assert_string_equal(before, after);
	index_counts(index, &counts);
	assert_int_equal(counts.bad, 1);
	assert_int_equal(put(index, "a.example.", 10, ZONE_STATE_PRESENT), INDEX_NEW);
	index_counts(index, &counts);
	assert_int_equal(counts.bad, 0);
	index_free(index);
}

static void what_does_not_come_again_is_lost_but_its_generation_is_not(void **state)
{
	struct index *index = fresh();
	struct index_counts counts;

	(void)state;
	assert_int_equal(put(index, "a.example.", 1, ZONE_STATE_PRESENT), INDEX_NEW);
	assert_int_equal(put(index, "b.example.", 5, ZONE_STATE_PRESENT), INDEX_NEW);
	assert_int_equal(index_caught_up(index), 0);
	index_restart(index);
	assert_int_equal(put(index, "a.example.", 1, ZONE_STATE_PRESENT), INDEX_KNOWN);
	assert_int_equal(index_caught_up(index), 1);
	assert_int_equal(index_find(index, "b.example.")->state, INDEX_ABSENT);
	index_counts(index, &counts);
	assert_int_equal(counts.present, 1);
	assert_int_equal(put(index, "b.example.", 4, ZONE_STATE_PRESENT), ERROR_REPLAYED);
	assert_int_equal(put(index, "b.example.", 6, ZONE_STATE_PRESENT), INDEX_NEW);
	index_free(index);
}

static void pages_come_in_order_and_whole(void **state)
{
	struct index *index = fresh();
	struct index_zone *page[7];
	char name[64], last[64] = "";
	size_t seen = 0, count;
	bool more = true;

	(void)state;
	for (int i = 0; i < 100; i++) {
		(void)snprintf(name, sizeof(name), "z%d.example.", i * 37 % 100);
		assert_int_equal(put(index, name, 1, ZONE_STATE_PRESENT), INDEX_NEW);
	}
	while (more) {
		count = index_page(index, last[0] ? last : NULL, page, 7, &more);
		for (size_t i = 0; i < count; i++, seen++) {
			assert_true(strcmp(page[i]->zone, last) > 0);
			(void)snprintf(last, sizeof(last), "%s", page[i]->zone);
		}
	}
	assert_int_equal(seen, 100);
	index_free(index);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(counts_and_digest_follow_the_heads),
		cmocka_unit_test(a_replayed_head_changes_nothing_but_is_noted),
		cmocka_unit_test(what_does_not_come_again_is_lost_but_its_generation_is_not),
		cmocka_unit_test(pages_come_in_order_and_whole),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
