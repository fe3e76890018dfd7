/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What was confirmed is read back: from a real PowerDNS, one zone at a time, and at a bounded rate while there is other work. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>

#include "common/axfr_client.h"
#include "common/cleanup.h"
#include "common/error.h"
#include "pdns-server.h"
#include "secondary-syncer/prove.h"

static struct pdns_server server;
static struct syncer_options options;
static struct applied_book *book;
static struct applier applier;
static const _Atomic bool not_outdated;
static char folder[64];

static int setup(void **state)
{
	(void)state;
	strcpy(folder, "/tmp/test-prove-XXXXXX");
	if (!mkdtemp(folder) || applied_book_open(folder, &book) < 0)
		return -1;
	options = (struct syncer_options){ .secondary_dns = server.address, .apply_timeout = 5000000 };
	applier = (struct applier){ .options = &options, .book = book };
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	char path[128];
	applied_book_close(book);
	for (const char *const *name = (const char *const[]){ "data.mdb", "lock.mdb", NULL }; *name; name++) {
		snprintf(path, sizeof(path), "%s/%s", folder, *name);
		unlink(path);
	}
	return rmdir(folder);
}

static int add(const struct record *record, void *digest) { return zone_digest_add(digest, record); }

/* Notes a zone as served like this, but not proven. */
static struct book_unproven note(const char *zone, uint64_t generation, uint32_t serial, const struct zone_digest *digest)
{
	struct book_entry entry = { .state = ZONE_STATE_PRESENT, .generation = generation, .serial = serial, .digest = *digest,
	                            .unproven = true };
	struct book_unproven unproven = { .generation = generation };
	assert_int_equal(applied_book_put(book, zone, &entry), 0);
	snprintf(unproven.zone, sizeof(unproven.zone), "%s", zone);
	return unproven;
}

static enum apply_outcome prove(const struct book_unproven *unproven, struct applied *report)
{
	memset(report, 0, sizeof(*report));
	return prove_zone(&applier, unproven, &not_outdated, report);
}

static void read_digest(const char *zone, struct zone_digest *ret)
{
	struct axfr_source source = { .server = server.address, .timeout_us = 5000000 };
	int r = -ECONNREFUSED;
	for (int i = 0; i < 200 && r < 0; i++) { /* it may be starting */
		zone_digest_init(ret);
		r = axfr_fetch(&source, zone, add, ret, NULL);
		usleep(r < 0 ? 50000 : 0);
	}
	assert_int_equal(r, 0);
}

static void what_is_served_is_compared(void **state)
{
	(void)state;
	struct zone_digest digest, other = { { 1 } };
	struct applied report;
	struct book_entry entry;
	read_digest("plain.test.", &digest);
	struct book_unproven unproven = note("plain.test.", 5, 7, &digest);
	assert_int_equal(prove(&unproven, &report), APPLY_ENDED);
	assert_int_equal(applied_book_count_unproven(book), 0);

	unproven = note("plain.test.", 6, 7, &other); /* the same serial, other content */
	assert_int_equal(prove(&unproven, &report), APPLY_RETRY);
	assert_int_equal(report.result, APPLIED_FAILED);
	assert_int_equal(report.generation, 6);
	assert_non_null(strstr(report.reason, "other content"));
	assert_int_equal(applied_book_get(book, "plain.test.", &entry), 0);
	assert_int_equal(entry.result, APPLIED_FAILED);
	assert_int_equal(entry.generation, 6);
	assert_int_equal(applied_book_count_unproven(book), 0); /* the next try reads back at once */

	unproven = note("refused.test.", 5, 7, &digest); /* served, but not to be had */
	assert_int_equal(prove(&unproven, &report), APPLY_RETRY);
	assert_non_null(strstr(report.reason, "allow-axfr-ips"));
}

static void what_cannot_be_told_stays(void **state)
{
	(void)state;
	struct zone_digest digest = { { 1 } };
	struct applied report;
	struct book_unproven unproven = note("plain.test.", 5, 8, &digest); /* another serial */
	assert_int_equal(prove(&unproven, &report), APPLY_WAITS);
	unproven = note("missing.test.", 5, 8, &digest);
	assert_int_equal(prove(&unproven, &report), APPLY_WAITS);
	options.secondary_dns = "127.0.0.1:1"; /* away */
	assert_int_equal(prove(&unproven, &report), APPLY_WAITS);
	assert_int_equal(applied_book_count_unproven(book), 2);
}

static void what_is_gone_or_newer_is_forgotten(void **state)
{
	(void)state;
	struct zone_digest digest = { { 1 } };
	struct applied report;
	struct book_unproven unproven = note("plain.test.", 5, 7, &digest);
	struct book_entry deleted = { .state = ZONE_STATE_DELETED, .generation = 6 };
	assert_int_equal(applied_book_put(book, "plain.test.", &deleted), 0);
	assert_int_equal(prove(&unproven, &report), APPLY_ENDED);
	struct book_unproven never = { .zone = "never.test.", .generation = 1 };
	assert_int_equal(prove(&never, &report), APPLY_ENDED);
	assert_int_equal(applied_book_count_unproven(book), 0);
	/* A newer head waits: nothing is read, and nothing is forgotten. */
	static const _Atomic bool outdated = true;
	unproven = note("plain.test.", 7, 7, &digest);
	assert_int_equal(prove_zone(&applier, &unproven, &outdated, &report), APPLY_ENDED);
	assert_int_equal(applied_book_count_unproven(book), 1);
}

/* The prover, with a schedule whose proofs are made by us. */

#define INTERVAL_US 5000
#define BUSY_US (PROOF_BUSY_TIMES * INTERVAL_US)

struct stage {
	sd_event *loop;
	struct zone_schedule *schedule;
	struct prover *prover;
	struct zone_run *other; /* work that is no proof and does not end by itself */
	unsigned proofs, running, most_running;
	bool tell;              /* proofs can be made */
	int64_t prover_interval_us;
};

static int end_proof(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct stage *stage = userdata;
	(void)source, (void)usec;
	stage->running--;
	if (stage->tell)
		assert_int_equal(applied_book_proven(book, prover_current(stage->prover)), 0);
	return 0;
}

static void start(struct zone_run *run, void *userdata)
{
	struct stage *stage = userdata;
	if (!prover_is_proof(run)) {
		stage->other = run;
		return;
	}
	assert_string_equal(run->zone, prover_current(stage->prover)->zone);
	stage->proofs++;
	stage->running++;
	if (stage->running > stage->most_running)
		stage->most_running = stage->running;
	(void)end_proof(NULL, 0, stage);
	assert_int_equal(zone_schedule_ended(stage->schedule, run, ZONE_RUN_DONE, 0), 0);
	prover_ended(stage->prover, stage->tell);
}

static void run_for(struct stage *stage, uint64_t us)
{
	uint64_t end = clock_monotonic_us() + us;
	for (uint64_t now = clock_monotonic_us(); now < end; now = clock_monotonic_us())
		assert_true(sd_event_run(stage->loop, end - now) >= 0);
}

static void stage_reopen_prover(struct stage *stage)
{
	struct prover_options proofs = { .book = book, .schedule = stage->schedule, .interval_us = stage->prover_interval_us };
	prover_free(stage->prover);
	assert_int_equal(prover_new(stage->loop, &proofs, &stage->prover), 0);
}

static void stage_open(struct stage *stage, bool tell, unsigned zones)
{
	struct zone_schedule_options schedule = { .retry_us = 1000, .retry_ceiling_us = 1000, .later_ceiling_us = 1000, .start = start,
	                                          .userdata = stage };
	struct zone_digest digest = { { 1 } };
	*stage = (struct stage){ .tell = tell };
	for (unsigned i = 0; i < zones; i++) {
		char zone[32];
		snprintf(zone, sizeof(zone), "zone-%u.", i);
		(void)note(zone, 5, 7, &digest);
	}
	assert_true(sd_event_new(&stage->loop) >= 0);
	assert_int_equal(zone_schedule_new(stage->loop, &schedule, &stage->schedule), 0);
	stage->prover_interval_us = INTERVAL_US;
	stage_reopen_prover(stage);
}

static void stage_close(struct stage *stage)
{
	prover_free(stage->prover);
	zone_schedule_free(stage->schedule);
	sd_event_unref(stage->loop);
}

static void while_there_is_other_work_proofs_are_few_but_go_on(void **state)
{
	(void)state;
	struct stage stage;
	stage_open(&stage, true, 200);
	assert_int_equal(zone_schedule_add(stage.schedule, "other.", APPLY_FORCE, NULL, NULL), 0);
	for (int i = 0; i < 20 * PROOF_BUSY_TIMES; i++) { /* zones are applied all the time */
		prover_wake(stage.prover);
		run_for(&stage, INTERVAL_US);
	}
	assert_in_range(stage.proofs, 3, 50); /* a slow machine makes fewer; without a bound there were all 200 */
	assert_int_equal(stage.most_running, 1);
	unsigned before = stage.proofs;
	assert_int_equal(zone_schedule_ended(stage.schedule, stage.other, ZONE_RUN_DONE, 0), 0);
	prover_wake(stage.prover);
	for (int i = 0; i < 500 && stage.proofs < 200; i++)
		run_for(&stage, BUSY_US / 4);
	assert_int_equal(stage.proofs, 200);
	assert_true(before < 200);
	assert_int_equal(applied_book_count_unproven(book), 0);
	run_for(&stage, 2 * BUSY_US);
	assert_int_equal(stage.proofs, 200); /* nothing is left to do */
	stage_close(&stage);
}

static void what_cannot_be_proven_is_tried_less_and_less_often(void **state)
{
	(void)state;
	struct stage stage;
	stage_open(&stage, false, 3);
	run_for(&stage, 10 * BUSY_US);
	assert_int_equal(stage.proofs, 1);
	stage.tell = true;
	prover_wake(stage.prover); /* PowerDNS is back */
	for (int i = 0; i < 500 && applied_book_count_unproven(book) > 0; i++)
		run_for(&stage, BUSY_US / 4);
	assert_int_equal(applied_book_count_unproven(book), 0);
	stage_close(&stage);
}

static void after_other_work_proofs_wait_for_some_quiet(void **state)
{
	(void)state;
	struct stage stage;
	stage_open(&stage, true, 3);
	stage.prover_interval_us = 3600 * INT64_C(1000000);
	stage_reopen_prover(&stage);
	prover_wake(stage.prover);
	run_for(&stage, BUSY_US);
	prover_wake(stage.prover);
	run_for(&stage, BUSY_US);
	assert_int_equal(stage.proofs, 0);
	stage_close(&stage);
}

static void a_zone_that_is_being_applied_is_not_proven(void **state)
{
	(void)state;
	struct stage stage;
	stage_open(&stage, true, 1);
	assert_int_equal(zone_schedule_add(stage.schedule, "zone-0.", APPLY_FORCE, NULL, NULL), 0);
	run_for(&stage, 5 * BUSY_US);
	assert_int_equal(stage.proofs, 0);
	assert_int_equal(zone_schedule_ended(stage.schedule, stage.other, ZONE_RUN_DONE, 0), 0);
	for (int i = 0; i < 500 && stage.proofs == 0; i++)
		run_for(&stage, BUSY_US / 4);
	assert_int_equal(stage.proofs, 1);
	stage_close(&stage);
}

int main(void)
{
	static const char zones[] =
		"cat > plain.zone <<'END'\n"
		"plain.test. 3600 IN SOA ns.plain.test. admin.plain.test. 7 3600 600 86400 60\n"
		"plain.test. 3600 IN NS ns.plain.test.\n"
		"name.plain.test. 60 IN A 192.0.2.1\n"
		"END\n"
		"sed 's/plain.test/refused.test/' plain.zone > refused.zone\n"
		"for zone in plain refused; do $util load-zone $zone.test $zone.zone; done\n"
		"$util set-meta plain.test ALLOW-AXFR-FROM 127.0.0.0/8\n";
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_is_served_is_compared, setup, teardown),
		cmocka_unit_test_setup_teardown(what_cannot_be_told_stays, setup, teardown),
		cmocka_unit_test_setup_teardown(what_is_gone_or_newer_is_forgotten, setup, teardown),
		cmocka_unit_test_setup_teardown(while_there_is_other_work_proofs_are_few_but_go_on, setup, teardown),
		cmocka_unit_test_setup_teardown(what_cannot_be_proven_is_tried_less_and_less_often, setup, teardown),
		cmocka_unit_test_setup_teardown(after_other_work_proofs_wait_for_some_quiet, setup, teardown),
		cmocka_unit_test_setup_teardown(a_zone_that_is_being_applied_is_not_proven, setup, teardown),
	};
	if (!pdns_server_available()) {
		fprintf(stderr, "no pdns_server with SQLite here\n");
		return 77;
	}
	pdns_server_start(&server, zones);
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	pdns_server_stop(&server);
	return failed;
}
