/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A zone is on offer once, lives as long as somebody serves it, and whoever waits is told or gives up. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <pthread.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/spool.h"
#include "small-zone.h"

static struct small_zone zone;
static struct transfers *transfers;

static int setup(void **state)
{
	(void)state;
	small_zone_make(&zone, 1, 3);
	return transfers_new(&transfers);
}

static int teardown(void **state)
{
	(void)state;
	transfers_free(transfers);
	small_zone_free(&zone);
	return 0;
}

static void one_offer_per_zone(void **state)
{
	(void)state;
	struct transfer *transfer, *other = NULL;
	assert_int_equal(transfers_open(transfers, &zone.offer, &transfer), 0);
	assert_int_equal(transfers_open(transfers, &zone.offer, &other), -EEXIST);
	assert_null(other);
	assert_null(transfers_find(transfers, "other.test."));
	transfers_close(transfers, transfer);
	assert_null(transfers_find(transfers, "zone.test."));
	transfers_close(transfers, NULL);
}

static void served_beyond_its_end(void **state)
{
	(void)state;
	struct transfer *transfer;
	uint32_t size;
	assert_int_equal(transfers_open(transfers, &zone.offer, &transfer), 0);
	struct transfer *served = transfers_find(transfers, "zone.test.");
	assert_ptr_equal(served, transfer);
	transfers_close(transfers, transfer);
	transfer_finished(served); /* too late for anybody, and no harm */
	assert_int_equal(transfer_facts(served)->records, 4);
	assert_memory_equal(transfer_soa(served, &size), zone.soa, zone.offer.soa_size);
	assert_int_equal(size, zone.offer.soa_size);
	transfer_unref(served);
}

static void soa_that_is_too_large_is_refused(void **state)
{
	(void)state;
	struct transfer_offer offer = zone.offer;
	struct transfer *transfer;
	offer.soa_size = BOOK_SOA_SIZE + 1;
	assert_int_equal(transfer_new(&offer, &transfer), -ENOSPC);
}

static void *finish_later(void *transfer)
{
	for (int i = 0; i < 5; i++) {
		usleep(30000);
		transfer_progress(transfer);
	}
	transfer_finished(transfer);
	return NULL;
}

static void progress_keeps_waiting_alive(void **state)
{
	(void)state;
	struct transfer *transfer;
	pthread_t thread;
	assert_int_equal(transfers_open(transfers, &zone.offer, &transfer), 0);
	assert_int_equal(transfer_wait(transfers, transfer, 0, 20000), -ETIMEDOUT);
	assert_int_equal(pthread_create(&thread, NULL, finish_later, transfer), 0);
	assert_int_equal(transfer_wait(transfers, transfer, 0, 100000), 1);
	assert_int_equal(transfer_wait(transfers, transfer, 0, 0), 1);
	assert_int_equal(transfer_wait(transfers, transfer, 1, 10000), -ETIMEDOUT);
	pthread_join(thread, NULL);
	transfers_close(transfers, transfer);
}

static void *fetch_slowly(void *transfer)
{
	usleep(300000);
	transfer_finished(transfer);
	transfer_ended(transfer);
	return NULL;
}

static void *break_off(void *transfer)
{
	usleep(100000);
	transfer_ended(transfer);
	return NULL;
}

/* A large zone is long on its way; asking again would put it on its way twice. One that broke off is asked for again. */
static void being_fetched_is_waited_for(void **state)
{
	(void)state;
	struct transfer *transfer;
	pthread_t thread;
	assert_int_equal(transfers_open(transfers, &zone.offer, &transfer), 0);
	transfer_begun(transfer);
	assert_int_equal(pthread_create(&thread, NULL, fetch_slowly, transfer), 0);
	assert_int_equal(transfer_wait(transfers, transfer, 0, 20000), 1);
	pthread_join(thread, NULL);

	transfer_begun(transfer);
	assert_int_equal(pthread_create(&thread, NULL, break_off, transfer), 0);
	uint64_t began = clock_monotonic_us();
	assert_int_equal(transfer_wait(transfers, transfer, 1, 20000), -ETIMEDOUT);
	assert_in_range(clock_monotonic_us() - began, 100000, 10000000);
	pthread_join(thread, NULL);
	transfers_close(transfers, transfer);
}

static void *stop_later(void *userdata)
{
	(void)userdata;
	usleep(50000);
	transfers_stop(transfers);
	return NULL;
}

static void the_end_ends_waiting(void **state)
{
	(void)state;
	struct transfer *transfer;
	pthread_t thread;
	assert_int_equal(transfers_open(transfers, &zone.offer, &transfer), 0);
	assert_int_equal(pthread_create(&thread, NULL, stop_later, NULL), 0);
	uint64_t began = clock_monotonic_us();
	assert_int_equal(transfer_wait(transfers, transfer, 0, 60000000), -ECANCELED);
	assert_true(clock_monotonic_us() - began < 10000000);
	pthread_join(thread, NULL);
	transfers_close(transfers, transfer);
}

static void *open_later(void *userdata)
{
	struct transfer **transfer = userdata;
	usleep(50000);
	if (transfers_open(transfers, &zone.offer, transfer) < 0)
		abort();
	return NULL;
}

static void what_is_expected_is_waited_for(void **state)
{
	(void)state;
	struct transfer *transfer, *served;
	pthread_t thread;
	assert_null(transfers_await(transfers, "zone.test."));
	assert_int_equal(transfers_expect(transfers, "zone.test.", 60000000), 0);
	assert_int_equal(transfers_expect(transfers, "zone.test.", 60000000), -EEXIST);
	assert_null(transfers_find(transfers, "zone.test."));
	assert_null(transfers_await(transfers, "other.test."));
	assert_int_equal(pthread_create(&thread, NULL, open_later, &transfer), 0);
	served = transfers_await(transfers, "zone.test.");
	pthread_join(thread, NULL);
	assert_ptr_equal(served, transfer);
	assert_true(transfer_is_awaited(transfer));
	assert_int_equal(transfers_expect(transfers, "zone.test.", 60000000), -EEXIST);
	transfer_unref(served);
	transfers_close(transfers, transfer);
	assert_int_equal(transfers_open(transfers, &zone.offer, &transfer), 0);
	assert_false(transfer_is_awaited(transfer)); /* once is once */
	transfers_close(transfers, transfer);
}

static void what_does_not_come_is_given_up(void **state)
{
	(void)state;
	struct transfer *transfer;
	assert_int_equal(transfers_expect(transfers, "zone.test.", 20000), 0);
	assert_null(transfers_await(transfers, "zone.test."));
	assert_int_equal(transfers_expect(transfers, "zone.test.", 20000), 0);
	usleep(30000);
	assert_int_equal(transfers_open(transfers, &zone.offer, &transfer), 0);
	assert_false(transfer_is_awaited(transfer)); /* too late: nobody need be waiting any more */
	transfers_close(transfers, transfer);
	assert_int_equal(transfers_expect(transfers, "zone.test.", 60000000), 0);
	transfers_forget(transfers, "zone.test.");
	transfers_forget(transfers, "zone.test.");
	assert_null(transfers_await(transfers, "zone.test."));
}

static void few_are_expected_at_a_time(void **state)
{
	(void)state;
	assert_int_equal(transfers_expect(transfers, "a.test.", 20000), 0);
	assert_int_equal(transfers_expect(transfers, "b.test.", 60000000), 0);
	assert_int_equal(transfers_expect(transfers, "c.test.", 60000000), -EBUSY);
	usleep(30000);
	assert_int_equal(transfers_expect(transfers, "c.test.", 60000000), 0); /* in the place of what did not come */
}

static void the_end_ends_expectations(void **state)
{
	(void)state;
	pthread_t thread;
	assert_int_equal(transfers_expect(transfers, "zone.test.", 60000000), 0);
	assert_int_equal(pthread_create(&thread, NULL, stop_later, NULL), 0);
	assert_null(transfers_await(transfers, "zone.test."));
	pthread_join(thread, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(one_offer_per_zone, setup, teardown),
		cmocka_unit_test_setup_teardown(served_beyond_its_end, setup, teardown),
		cmocka_unit_test_setup_teardown(soa_that_is_too_large_is_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(progress_keeps_waiting_alive, setup, teardown),
		cmocka_unit_test_setup_teardown(being_fetched_is_waited_for, setup, teardown),
		cmocka_unit_test_setup_teardown(the_end_ends_waiting, setup, teardown),
		cmocka_unit_test_setup_teardown(what_is_expected_is_waited_for, setup, teardown),
		cmocka_unit_test_setup_teardown(what_does_not_come_is_given_up, setup, teardown),
		cmocka_unit_test_setup_teardown(few_are_expected_at_a_time, setup, teardown),
		cmocka_unit_test_setup_teardown(the_end_ends_expectations, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
