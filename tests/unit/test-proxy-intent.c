/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <ftw.h>
#include <stdatomic.h>
#include <unistd.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include "api-proxy/intent.h"
#include "api-proxy/intent_entry.h"
#include "common/cleanup.h"
#include "common/error.h"

static char folder[64];
static struct intents *intents;

/* A fake in the place of the C library's, for LMDB has its own: the journal's syncs are counted, and fail when told so. */
static atomic_uint syncs;
static atomic_bool syncs_fail;
int fdatasync(int fd)
{
	atomic_fetch_add(&syncs, 1);
	if (atomic_load(&syncs_fail)) {
		errno = EIO;
		return -1;
	}
	return (int)syscall(SYS_fdatasync, fd);
}

static void open_intents(void)
{
	assert_int_equal(intents_open(folder, false, NULL, NULL, &intents), 0);
}

static void reopen(void)
{
	intents_close(intents);
	open_intents();
}

static int remove_one(const char *path, const struct stat *facts, int type, struct FTW *walk)
{
	(void)facts, (void)type, (void)walk;
	return remove(path);
}

static int set_up(void **state)
{
	(void)state;
	(void)strcpy(folder, "/tmp/test-proxy-intent-XXXXXX");
	if (!mkdtemp(folder))
		return -1;
	open_intents();
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	intents_close(intents);
	return nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static struct intent *begin(const char *zone, enum zone_change change, const char *request)
{
	struct intent *intent = NULL;
	assert_int_equal(intent_begin(intents, zone, change, request, &intent), 0);
	return intent;
}

static void one_change(const char *zone, enum zone_change change, const char *request, enum intent_outcome outcome)
{
	intent_end(begin(zone, change, request), outcome);
}

static struct intent_due take_one(const char *zone, enum zone_change change)
{
	struct intent_due due[2];
	assert_int_equal(intents_take(intents, due, 2), 1);
	assert_string_equal(due[0].zone, zone);
	assert_int_equal(due[0].change, change);
	return due[0];
}

static void publish_one(const char *zone, enum zone_change change)
{
	struct intent_due due = take_one(zone, change);
	intents_give_back(intents, &due, true);
}

static void assert_nothing_due(void)
{
	struct intent_due due;
	assert_int_equal(intents_take(intents, &due, 1), 0);
}

static void assert_left(int64_t count)
{
	assert_int_equal(intents_flush(intents), 0);
	assert_int_equal(intents_count(intents), count);
}

static void outcomes(void **state)
{
	static const struct { enum zone_change change; enum intent_outcome outcome; int want; } table[] = {
		{ ZONE_CHANGED, INTENT_DONE, ZONE_CHANGED },   { ZONE_CHANGED, INTENT_UNCHANGED, -1 },
		{ ZONE_CHANGED, INTENT_UNSURE, ZONE_CHECK },   { ZONE_CREATED, INTENT_DONE, ZONE_CREATED },
		{ ZONE_CREATED, INTENT_UNSURE, ZONE_CHECK },   { ZONE_DELETED, INTENT_DONE, ZONE_DELETED },
		{ ZONE_DELETED, INTENT_UNSURE, ZONE_DELETED }, { ZONE_DELETED, INTENT_UNCHANGED, -1 },
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		struct intent *intent = begin("example.org.", table[i].change, "r1");
		assert_int_equal(intents_count(intents), 1);
		assert_nothing_due();
		intent_end(intent, table[i].outcome);
		if (table[i].want >= 0)
			publish_one("example.org.", (enum zone_change)table[i].want);
		assert_nothing_due();
		assert_left(0);
	}
}

static void published_before_the_second_request_ended(void **state)
{
	(void)state;
	struct intent *first = begin("a.", ZONE_CHANGED, "first"), *second = begin("a.", ZONE_CHANGED, "second");
	intent_end(second, INTENT_DONE);
	struct intent_due due = take_one("a.", ZONE_CHANGED);
	assert_string_equal(due.request, "second");
	/* The older request ends while the event of the newer one is on its way: that event does not cover it. */
	intent_end(first, INTENT_DONE);
	intents_give_back(intents, &due, true);
	assert_left(1);
	struct intent_due again = take_one("a.", ZONE_CHANGED);
	assert_string_not_equal(again.message_id, due.message_id);
	intents_give_back(intents, &again, true);
	assert_left(0);
}

static void stays_while_a_request_is_open(void **state)
{
	(void)state;
	struct intent *first = begin("a.", ZONE_CHANGED, "first"), *second = begin("a.", ZONE_CHANGED, "second");
	intent_end(first, INTENT_DONE);
	publish_one("a.", ZONE_CHANGED);
	assert_left(1);
	assert_nothing_due();
	intent_end(second, INTENT_UNCHANGED);
	assert_nothing_due();
	assert_left(0);
}

static void a_refused_request_takes_nothing_away(void **state)
{
	(void)state;
	one_change("a.", ZONE_CHANGED, "first", INTENT_DONE);
	one_change("a.", ZONE_DELETED, "second", INTENT_UNCHANGED);
	assert_left(1);
	/* In particular the refused deletion does not turn what is due into a deletion. */
	publish_one("a.", ZONE_CHANGED);
	assert_left(0);
}

static void merging(void **state)
{
	static const struct { enum zone_change first, second, want; } table[] = {
		{ ZONE_CREATED, ZONE_CHANGED, ZONE_CREATED }, { ZONE_DELETED, ZONE_CREATED, ZONE_DELETED },
		{ ZONE_CHANGED, ZONE_DELETED, ZONE_DELETED }, { ZONE_CHECK, ZONE_CHANGED, ZONE_CHANGED },
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		one_change("a.", table[i].first, "first", INTENT_DONE);
		one_change("a.", table[i].second, "second", INTENT_DONE);
		struct intent_due due = take_one("a.", table[i].want);
		assert_string_equal(due.request, "second");
		intents_give_back(intents, &due, true);
		assert_left(0);
	}
}

static void not_published_comes_again(void **state)
{
	(void)state;
	one_change("a.", ZONE_CHANGED, "r", INTENT_DONE);
	struct intent_due due = take_one("a.", ZONE_CHANGED);
	assert_nothing_due(); /* taken once */
	intents_give_back(intents, &due, false);
	assert_left(1);
	publish_one("a.", ZONE_CHANGED);
	assert_left(0);
}

/* A copy of the file as a kill at this moment would leave it, read by the next run. */
static void crash(void)
{
	char command[512], copy[80];
	snprintf(copy, sizeof(copy), "%s.copy", folder);
	snprintf(command, sizeof(command), "cp -a %s %s", folder, copy);
	assert_int_equal(system(command), 0);
	assert_int_equal(intents_open(copy, false, NULL, NULL, &intents), 0);
}

static void end_of_crash(struct intents *before)
{
	char copy[80];
	snprintf(copy, sizeof(copy), "%s.copy", folder);
	intents_close(intents);
	intents = before;
	assert_int_equal(nftw(copy, remove_one, 8, FTW_DEPTH | FTW_PHYS), 0);
}

static void after_a_crash(void **state)
{
	static const struct { enum zone_change change; bool ended; enum zone_change want; } table[] = {
		{ ZONE_CHANGED, false, ZONE_CHECK }, { ZONE_CREATED, false, ZONE_CHECK }, { ZONE_DELETED, false, ZONE_DELETED },
		{ ZONE_CHANGED, true, ZONE_CHECK },
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		struct intents *before = intents;
		struct intent *intent = begin("a.", table[i].change, "r");
		if (table[i].ended)
			intent_end(TAKE(intent), INTENT_DONE);
		crash();
		assert_int_equal(intents_count(intents), 1);
		publish_one("a.", table[i].want);
		assert_left(0);
		end_of_crash(before);
		intent_end(intent, INTENT_UNCHANGED);
		if (table[i].ended)
			publish_one("a.", table[i].change);
		assert_left(0);
	}
}

static void after_a_restart(void **state)
{
	(void)state;
	one_change("a.", ZONE_DELETED, "r1", INTENT_DONE);
	one_change("b.", ZONE_CHANGED, "r2", INTENT_DONE);
	reopen();
	struct intent *intent = begin("b.", ZONE_CHANGED, "r3");
	intent_end(intent, INTENT_UNCHANGED);
	struct intent_due due[3];
	assert_int_equal(intents_take(intents, due, 3), 2);
	assert_string_equal(due[0].zone, "a.");
	assert_int_equal(due[0].change, ZONE_DELETED);
	assert_string_equal(due[1].zone, "b.");
	assert_int_equal(due[1].change, ZONE_CHECK);
	intents_give_back(intents, &due[0], true);
	intents_give_back(intents, &due[1], true);
	assert_left(0);
}

static void wait_for_look(void)
{
	uint64_t time_us = intents_look_again(intents);
	assert_in_range(time_us, 1, 1100000);
	assert_nothing_due();
	(void)usleep((useconds_t)time_us + 1000);
	(void)intents_look_again(intents);
}

/* PowerDNS may act on a request long after everybody gave it up. */
static void looked_at_again(void **state)
{
	static const struct { enum zone_change change, want; } table[] = { { ZONE_CHANGED, ZONE_CHECK }, { ZONE_DELETED, ZONE_DELETED } };
	(void)state;
	assert_int_equal(intents_look_again(intents), 0);
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		one_change("a.", table[i].change, "r1", INTENT_UNSURE);
		publish_one("a.", table[i].want);
		assert_left(0);
		wait_for_look();
		/* What happens to the zone meanwhile is what it always is. */
		one_change("a.", ZONE_CHANGED, "r2", INTENT_DONE);
		publish_one("a.", table[i].want == ZONE_DELETED ? ZONE_DELETED : ZONE_CHANGED);
		one_change("a.", ZONE_CREATED, "r3", INTENT_UNCHANGED);
		assert_left(0);
		wait_for_look();
		publish_one("a.", table[i].want);
		assert_left(0);
	}
	/* The next run does not know how far this one was. */
	reopen();
	publish_one("a.", ZONE_DELETED);
	assert_left(0);
	wait_for_look();
	publish_one("a.", ZONE_DELETED);
	assert_left(0);
}

static void what_is_queued_is_looked_at_again(void **state)
{
	(void)state;
	one_change("a.", ZONE_CHECK, "r", INTENT_QUEUED);
	publish_one("a.", ZONE_CHECK);
	assert_left(0);
	wait_for_look();
	publish_one("a.", ZONE_CHECK);
	assert_left(0);
}

static void known_outcomes_are_not_looked_at_again(void **state)
{
	(void)state;
	one_change("a.", ZONE_CHANGED, "r", INTENT_DONE);
	one_change("b.", ZONE_CHANGED, "r", INTENT_UNCHANGED);
	publish_one("a.", ZONE_CHANGED);
	one_change("c.", ZONE_CHECK, "r", INTENT_DONE);
	publish_one("c.", ZONE_CHECK);
	assert_int_equal(intents_look_again(intents), 0);
	assert_left(0);
}

enum { UNSURE_THREADS = 24, UNSURE_EACH = 50 };

/* Several at a time: they share the syncs to disk. */
static void *leave_unsure(void *userdata)
{
	for (int i = 0; i < UNSURE_EACH; i++) {
		char zone[32];
		struct intent *intent = NULL;
		snprintf(zone, sizeof(zone), "z%d.", (int)(uintptr_t)userdata * UNSURE_EACH + i);
		if (intent_begin(intents, zone, ZONE_CHANGED, "r", &intent) < 0)
			abort();
		intent_end(intent, INTENT_UNSURE);
	}
	return NULL;
}

/* Memory is bounded: what is too much is looked at once. */
static void many_unsure_ones(void **state)
{
	enum { ZONES = UNSURE_THREADS * UNSURE_EACH };
	static bool seen[ZONES];
	pthread_t threads[UNSURE_THREADS];
	(void)state;
	for (size_t i = 0; i < UNSURE_THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, leave_unsure, (void *)i), 0);
	for (size_t i = 0; i < UNSURE_THREADS; i++)
		pthread_join(threads[i], NULL);
	struct intent_due due[64];
	size_t count, first = 0, again = 0;
	while ((count = intents_take(intents, due, ARRAY_SIZE(due))) > 0) {
		for (size_t i = 0; i < count; i++, first++)
			intents_give_back(intents, &due[i], true);
	}
	assert_int_equal(first, ZONES);
	assert_left(0);
	for (int turn = 0; turn < 100 && again < 1024; turn++) {
		(void)usleep(100000);
		(void)intents_look_again(intents);
		while ((count = intents_take(intents, due, ARRAY_SIZE(due))) > 0) {
			for (size_t i = 0; i < count; i++) {
				bool *is_seen = &seen[atoi(due[i].zone + 1)];
				again += !*is_seen;
				*is_seen = true;
				intents_give_back(intents, &due[i], true);
			}
		}
	}
	assert_int_equal(again, 1024);
	assert_left(0);
}

static void unnamed(void **state)
{
	(void)state;
	struct intents *before = intents;
	assert_false(intents_found_unnamed(intents));
	struct intent *intent = begin(NULL, ZONE_CREATED, "r");
	crash();
	assert_true(intents_found_unnamed(intents));
	assert_nothing_due();
	assert_left(0);
	end_of_crash(before);
	intent_end(intent, INTENT_DONE);
	assert_nothing_due();
	assert_left(0);
}

/* More zones than memory holds: all come, each once, the oldest first. */
static void a_long_backlog(void **state)
{
	enum { ZONES = 10000 };
	static bool seen[ZONES];
	static struct intent *open[ZONES];
	char zone[32];
	(void)state;
	memset(seen, 0, sizeof(seen));
	for (int i = 0; i < ZONES; i++) {
		snprintf(zone, sizeof(zone), "z%d.example.", (i * 7919) % ZONES);
		open[i] = begin(zone, ZONE_CHANGED, "r");
	}
	for (int i = 0; i < ZONES; i++)
		intent_end(open[i], INTENT_DONE);
	one_change("z0.example.", ZONE_CHANGED, "again", INTENT_DONE);
	assert_int_equal(intents_count(intents), ZONES);

	struct intent_due due[64];
	size_t count, total = 0;
	while ((count = intents_take(intents, due, 64)) > 0) {
		for (size_t i = 0; i < count; i++) {
			int number = atoi(due[i].zone + 1);
			assert_false(seen[number]);
			seen[number] = true;
			if (total++ < 64)
				assert_int_equal(number, ((int)(total - 1) * 7919) % ZONES);
			intents_give_back(intents, &due[i], true);
		}
	}
	assert_int_equal(total, ZONES);
	assert_left(0);
}

static void *change_often(void *userdata)
{
	unsigned seed = (unsigned)(uintptr_t)userdata;
	for (int i = 0; i < 150; i++) {
		char zone[32], request[CLOCK_UUID_SIZE];
		snprintf(zone, sizeof(zone), "z%d.", rand_r(&seed) % 5);
		clock_uuid(request);
		struct intent *intent = NULL;
		if (intent_begin(intents, zone, rand_r(&seed) % 8 ? ZONE_CHANGED : ZONE_DELETED, request, &intent) < 0)
			abort();
		if (rand_r(&seed) % 2 && intent_secure(intent) < 0)
			abort();
		intent_end(intent, (enum intent_outcome)(rand_r(&seed) % 3));
	}
	return NULL;
}

static void many_threads(void **state)
{
	pthread_t threads[8];
	struct intent_due due[3];
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
		assert_int_equal(pthread_create(&threads[i], NULL, change_often, (void *)(i + 1)), 0);
	for (int i = 0; i < 2000; i++) {
		size_t count = intents_take(intents, due, ARRAY_SIZE(due));
		for (size_t k = 0; k < count; k++)
			intents_give_back(intents, &due[k], i % 3 != 0);
		if (i % 16 == 0)
			assert_int_equal(intents_flush(intents), 0);
	}
	for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
		pthread_join(threads[i], NULL);
	size_t count;
	while ((count = intents_take(intents, due, ARRAY_SIZE(due))) > 0) {
		for (size_t k = 0; k < count; k++)
			intents_give_back(intents, &due[k], true);
	}
	assert_left(0);
}

static unsigned count_due(bool *seen, int zones)
{
	struct intent_due due[64];
	unsigned total = 0;
	size_t count;
	while ((count = intents_take(intents, due, ARRAY_SIZE(due))) > 0) {
		for (size_t i = 0; i < count; i++) {
			int number = atoi(due[i].zone + 1);
			assert_in_range(number, 0, zones - 1);
			assert_false(seen[number]);
			seen[number] = true;
			total++;
			intents_give_back(intents, &due[i], true);
		}
	}
	return total;
}

/* Some in the map, some in the journal, some in both: each comes once. */
static void a_long_backlog_after_a_crash(void **state)
{
	enum { ZONES = JOURNAL_SLOTS + 1000 };
	static struct intent *open[ZONES];
	static bool seen[ZONES];
	char zone[32];
	(void)state;
	for (int i = 0; i < ZONES; i++) {
		snprintf(zone, sizeof(zone), "z%d.", i);
		open[i] = begin(zone, ZONE_CHANGED, "r");
		if (i % 3 == 0)
			intent_end(TAKE(open[i]), INTENT_DONE);
	}
	for (int i = 0; i < 20; i++) {
		snprintf(zone, sizeof(zone), "z%d.", i);
		intent_end(begin(zone, ZONE_DELETED, "again"), INTENT_DONE);
	}
	assert_int_equal(intents_count(intents), ZONES);
	struct intents *before = intents;
	crash();
	assert_int_equal(intents_count(intents), ZONES);
	assert_int_equal(count_due(seen, ZONES), ZONES);
	assert_left(0);
	end_of_crash(before);

	for (int i = 0; i < ZONES; i++)
		intent_end(open[i], INTENT_DONE);
	memset(seen, 0, sizeof(seen));
	assert_int_equal(count_due(seen, ZONES), ZONES);
	assert_left(0);
	reopen();
	assert_left(0);
}

/* Zones move to the map while it is being looked through for what is due. */
static void *take_all(void *userdata)
{
	atomic_bool *done = userdata;
	struct intent_due due[64];
	for (bool last = false; !last;) {
		size_t count;
		last = atomic_load(done);
		while ((count = intents_take(intents, due, ARRAY_SIZE(due))) > 0) {
			for (size_t i = 0; i < count; i++)
				intents_give_back(intents, &due[i], true);
			(void)usleep(1000);
		}
	}
	return NULL;
}

static void a_long_backlog_while_it_is_published(void **state)
{
	enum { ZONES = 4 * INTENT_HOT_MAX };
	atomic_bool done = false;
	pthread_t taker;
	char zone[32];
	(void)state;
	for (int i = 0; i < ZONES; i++) {
		if (i == ZONES / 2)
			assert_int_equal(pthread_create(&taker, NULL, take_all, &done), 0);
		snprintf(zone, sizeof(zone), "z%d.", i);
		one_change(zone, ZONE_CHANGED, "r", INTENT_DONE);
	}
	atomic_store(&done, true);
	pthread_join(taker, NULL);
	assert_left(0);
	assert_nothing_due();
	assert_null(intents->entries);
}

static void odd_names(void **state)
{
	char longest[ZONE_NAME_SIZE], *at = longest;
	(void)state;
	for (int label = 0; label < 3; label++)
		at += sprintf(at, "%063d.", label);
	at += sprintf(at, "%061d.", 3);
	struct intents *before = intents;
	const char *const names[] = { ".", longest, "\\000\\255\\.\\\\.org.", "\\?." };
	struct intent *open[ARRAY_SIZE(names)];
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		open[i] = begin(names[i], ZONE_DELETED, "r");
	crash();
	assert_false(intents_found_unnamed(intents));
	struct intent_due due[ARRAY_SIZE(names) + 1];
	assert_int_equal(intents_take(intents, due, ARRAY_SIZE(due)), ARRAY_SIZE(names));
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		assert_string_equal(due[i].zone, names[i]);
		assert_int_equal(due[i].change, ZONE_DELETED);
		intents_give_back(intents, &due[i], true);
	}
	assert_left(0);
	end_of_crash(before);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		intent_end(open[i], INTENT_UNCHANGED);
	assert_left(0);
}

/* Notes that no program of this version has written: another one's record has the zone looked at, what is no zone's goes. */
static void foreign_notes(void **state)
{
	static const struct { const char *key; size_t size; } keys[] = {
		{ "\1a", 3 }, { "", 0 }, { "\5a", 3 }, { "a", 1 }, { "\1b", 3 }, { "\1b", 3 }, { "?", 1 },
	};
	struct journal *journal;
	unsigned slot;
	(void)state;
	intents_close(intents);
	assert_int_equal(journal_open(folder, NULL, NULL, &journal), 0);
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		assert_int_equal(journal_add(journal, keys[i].key, keys[i].size, "of a later version", 18, &slot), 0);
	journal_close(journal);
	open_intents();
	assert_true(intents_found_unnamed(intents));
	struct intent_due due[3];
	assert_int_equal(intents_take(intents, due, 3), 2);
	for (size_t i = 0; i < 2; i++) {
		assert_string_equal(due[i].zone, i ? "b." : "a.");
		assert_int_equal(due[i].change, ZONE_CHECK);
		intents_give_back(intents, &due[i], true);
	}
	reopen();
	assert_false(intents_found_unnamed(intents));
	assert_nothing_due();
}

static void what_is_in_both_is_due_once(void **state)
{
	(void)state;
	intents_close(intents);
	struct durable *map;
	struct journal *journal;
	unsigned slot;
	struct intent_record record = { .version = INTENT_RECORD_VERSION, .change = ZONE_DELETED, .run = 1, .request = "old" };
	assert_int_equal(durable_open(folder, 1 << 20, DURABLE_SYNC, &map), 0);
	assert_int_equal(durable_put(map, "\1a", 3, &record, sizeof(record)), 0);
	durable_close(map);
	record.change = ZONE_CHANGED;
	(void)strcpy(record.request, "new");
	assert_int_equal(journal_open(folder, NULL, NULL, &journal), 0);
	assert_int_equal(journal_add(journal, "\1a", 3, &record, sizeof(record), &slot), 0);
	journal_close(journal);
	open_intents();
	assert_int_equal(intents_count(intents), 1);
	struct intent_due due = take_one("a.", ZONE_DELETED);
	assert_string_equal(due.request, "new");
	intents_give_back(intents, &due, true);
	assert_left(0);
	reopen();
	assert_left(0);
	assert_nothing_due();
}

/* A request waits for the disk once, after it was forwarded, and those that wait share it. */
static void syncs_when_asked(void **state)
{
	(void)state;
	atomic_store(&syncs, 0);
	struct intent *a = begin("a.", ZONE_CHANGED, "r1"), *b = begin("b.", ZONE_CHANGED, "r2");
	assert_int_equal(atomic_load(&syncs), 0);
	assert_int_equal(intent_secure(a), 0);
	assert_int_equal(intent_secure(b), 0);
	assert_int_equal(atomic_load(&syncs), 1);
	struct intent *c = begin("b.", ZONE_CHANGED, "r3");
	assert_int_equal(intent_secure(c), 0);
	assert_int_equal(atomic_load(&syncs), 2);
	intent_end(a, INTENT_DONE), intent_end(b, INTENT_UNCHANGED);
	publish_one("a.", ZONE_CHANGED);
	intent_end(c, INTENT_DONE);
	publish_one("b.", ZONE_CHANGED);
	assert_left(0);
	assert_int_equal(atomic_load(&syncs), 2);
}

/* Too late to refuse the first, whose event stays; the next ones are refused until the disk works again. */
static void a_disk_that_fails(void **state)
{
	struct intent *next = NULL;
	(void)state;
	struct intent *intent = begin("a.", ZONE_CHANGED, "r1");
	atomic_store(&syncs_fail, true);
	assert_int_equal(intent_secure(intent), -EIO);
	intent_end(intent, INTENT_DONE);
	assert_int_equal(intent_begin(intents, "b.", ZONE_CHANGED, "r2", &next), -EIO);
	assert_int_equal(intent_begin(intents, "a.", ZONE_DELETED, "r3", &next), -EIO);
	assert_null(next);
	atomic_store(&syncs_fail, false);
	next = begin("b.", ZONE_CHANGED, "r4");
	assert_int_equal(intent_secure(next), 0);
	intent_end(next, INTENT_UNCHANGED);
	publish_one("a.", ZONE_CHANGED);
	assert_nothing_due();
	assert_left(0);
}

/* What the kernel gave up is written again before anything else counts as synced. */
static void a_disk_that_failed_forgets(void **state)
{
	char path[80], zeros[512] = "";
	(void)state;
	struct intent *intent = begin("a.", ZONE_CHANGED, "r1");
	atomic_store(&syncs_fail, true);
	assert_int_equal(intent_secure(intent), -EIO);
	atomic_store(&syncs_fail, false);
	snprintf(path, sizeof(path), "%s/journal", folder);
	FILE *file = fopen(path, "r+");
	assert_non_null(file);
	assert_int_equal(fwrite(zeros, 1, sizeof(zeros), file), sizeof(zeros));
	assert_int_equal(fclose(file), 0);
	struct intent *next = begin("b.", ZONE_CHANGED, "r2");
	struct intents *before = intents;
	crash();
	assert_int_equal(intents_count(intents), 2);
	end_of_crash(before);
	intent_end(intent, INTENT_UNCHANGED), intent_end(next, INTENT_UNCHANGED);
	assert_left(0);
}

static void a_disk_that_fails_may_be_passed_over(void **state)
{
	struct intent *intent = NULL;
	(void)state;
	intents_close(intents);
	assert_int_equal(intents_open(folder, true, NULL, NULL, &intents), 0);
	atomic_store(&syncs_fail, true);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(intent_begin(intents, i ? "b." : "a.", ZONE_CHANGED, "r", &intent), i);
		assert_int_equal(intent_secure(intent), i ? 0 : -EIO);
		intent_end(intent, INTENT_DONE);
	}
	atomic_store(&syncs_fail, false);
	struct intent_due due[3];
	assert_int_equal(intents_take(intents, due, 3), 2);
	intents_give_back(intents, &due[0], true);
	intents_give_back(intents, &due[1], true);
	assert_left(0);
}

static void refuses_what_is_no_name(void **state)
{
	struct intent *intent = NULL;
	(void)state;
	assert_true(intent_begin(intents, "a..b.", ZONE_CHANGED, "r", &intent) < 0);
	assert_null(intent);
	assert_left(0);
}

/* From now on no file grows. */
static void limit_files(rlim_t size)
{
	struct rlimit limit = { size, RLIM_INFINITY };
	(void)signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void a_full_disk_refuses(void **state)
{
	struct intent *intent = NULL;
	(void)state;
	limit_files(1);
	int result = intent_begin(intents, "a.", ZONE_CHANGED, "r", &intent);
	limit_files(RLIM_INFINITY);
	assert_true(result < 0);
	assert_null(intent);
	assert_nothing_due();
	one_change("a.", ZONE_CHANGED, "r2", INTENT_DONE);
	publish_one("a.", ZONE_CHANGED);
	assert_left(0);
}

static void a_full_disk_may_be_passed_over(void **state)
{
	char zone[32];
	struct intent_due due[64];
	size_t count = 0, zones = INTENT_HOT_MAX + 100;
	(void)state;
	intents_close(intents);
	assert_int_equal(intents_open(folder, true, NULL, NULL, &intents), 0);
	limit_files(1);
	for (size_t i = 0; i < zones; i++) {
		struct intent *intent = NULL;
		snprintf(zone, sizeof(zone), "z%zu.", i);
		assert_int_equal(intent_begin(intents, zone, ZONE_CHANGED, "r", &intent), 1);
		intent_end(intent, INTENT_DONE);
	}
	for (size_t n; (n = intents_take(intents, due, 64)) > 0; count += n) {
		for (size_t i = 0; i < n; i++)
			intents_give_back(intents, &due[i], true);
	}
	limit_files(RLIM_INFINITY);
	assert_int_equal(count, zones);
	assert_left(0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(outcomes, set_up, tear_down),
		cmocka_unit_test_setup_teardown(published_before_the_second_request_ended, set_up, tear_down),
		cmocka_unit_test_setup_teardown(stays_while_a_request_is_open, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_refused_request_takes_nothing_away, set_up, tear_down),
		cmocka_unit_test_setup_teardown(merging, set_up, tear_down),
		cmocka_unit_test_setup_teardown(not_published_comes_again, set_up, tear_down),
		cmocka_unit_test_setup_teardown(after_a_crash, set_up, tear_down),
		cmocka_unit_test_setup_teardown(after_a_restart, set_up, tear_down),
		cmocka_unit_test_setup_teardown(looked_at_again, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_is_queued_is_looked_at_again, set_up, tear_down),
		cmocka_unit_test_setup_teardown(known_outcomes_are_not_looked_at_again, set_up, tear_down),
		cmocka_unit_test_setup_teardown(many_unsure_ones, set_up, tear_down),
		cmocka_unit_test_setup_teardown(unnamed, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_long_backlog, set_up, tear_down),
		cmocka_unit_test_setup_teardown(many_threads, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_full_disk_refuses, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_full_disk_may_be_passed_over, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_long_backlog_after_a_crash, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_long_backlog_while_it_is_published, set_up, tear_down),
		cmocka_unit_test_setup_teardown(odd_names, set_up, tear_down),
		cmocka_unit_test_setup_teardown(foreign_notes, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_is_in_both_is_due_once, set_up, tear_down),
		cmocka_unit_test_setup_teardown(syncs_when_asked, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_disk_that_fails, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_disk_that_failed_forgets, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_disk_that_fails_may_be_passed_over, set_up, tear_down),
		cmocka_unit_test_setup_teardown(refuses_what_is_no_name, set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
