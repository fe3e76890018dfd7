/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "secondary-syncer/commit_pace.h"

/* One transfer after the other, each committed after so long; how many looks came too early, out of the last 100. */
static unsigned misses(struct commit_pace *pace, uint64_t commit_us)
{
	unsigned count = 0;
	for (unsigned i = 0; i < 400; i++) {
		uint64_t look = commit_pace_guess(pace);
		bool missed = false;
		for (; look < commit_us; look += look / 4) {
			missed = true;
			count += i >= 300;
		}
		commit_pace_learn(pace, missed, look);
	}
	return count;
}

static void test_learns(void **state)
{
	(void)state;
	struct commit_pace pace = COMMIT_PACE_INITIAL;
	assert_int_equal(commit_pace_guess(&pace), COMMIT_PACE_LEAST_US);
	static const uint64_t commits[] = { 4000, 60000, 1000, 20000 };
	for (size_t i = 0; i < sizeof(commits) / sizeof(commits[0]); i++) {
		unsigned missed = misses(&pace, commits[i]);
		assert_true(missed < 60); /* rather than several times each */
		assert_true(commit_pace_guess(&pace) > commits[i] * 3 / 4);
		assert_true(commit_pace_guess(&pace) < commits[i] * 5 / 4);
	}
}

static void test_stays_within_bounds(void **state)
{
	(void)state;
	struct commit_pace pace = COMMIT_PACE_INITIAL;
	for (unsigned i = 0; i < 1000; i++)
		commit_pace_learn(&pace, true, 9000000);
	assert_int_equal(commit_pace_guess(&pace), COMMIT_PACE_MOST_US);
	for (unsigned i = 0; i < 1000; i++)
		commit_pace_learn(&pace, false, 100);
	assert_int_equal(commit_pace_guess(&pace), COMMIT_PACE_LEAST_US);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_learns), cmocka_unit_test(test_stays_within_bounds) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
