/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>
#include <cmocka.h>
#include "common/cleanup.h"
#include "common/mailbox.h"
#include "common/work.h"

#define JOBS 1000

struct count {
	struct work_job job;
	int runs, dones;
	bool again;
	struct work_pool **pool;
};

static sd_event *loop;
static pthread_t loop_thread;
static unsigned done_count, drop_count;
static atomic_uint contexts;

static int make_loop(void **state)
{
	(void)state;
	done_count = drop_count = 0;
	loop_thread = pthread_self();
	return sd_event_new(&loop);
}

static int free_loop(void **state)
{
	(void)state;
	loop = sd_event_unref(loop);
	return 0;
}

static void *start_thread(void *userdata)
{
	assert_ptr_equal(userdata, &contexts);
	atomic_fetch_add(&contexts, 1);
	return malloc(1);
}

static void end_thread(void *context)
{
	free(context);
	atomic_fetch_sub(&contexts, 1);
}

static void run_count(struct work_job *job, void *context)
{
	struct count *count = (struct count *)job;
	sigset_t blocked;
	pthread_sigmask(SIG_SETMASK, NULL, &blocked);
	count->runs += context && !pthread_equal(pthread_self(), loop_thread) && sigismember(&blocked, SIGTERM) ? 1 : 1000;
}

static void done_counting(struct work_job *job, void *userdata)
{
	struct count *count = (struct count *)job;
	assert_ptr_equal(userdata, &contexts);
	assert_true(pthread_equal(pthread_self(), loop_thread));
	count->dones++;
	if (count->again) {
		count->again = false;
		work_submit(*count->pool, job);
	} else if (++done_count == JOBS) {
		sd_event_exit(loop, 0);
	}
}

static void runs_all(void **state)
{
	static struct count counts[JOBS];
	struct work_pool *pool = NULL;
	(void)state;
	assert_int_equal(work_pool_new(loop, 4, start_thread, end_thread, &contexts, &pool), 0);
	for (int i = 0; i < JOBS; i++) {
		counts[i] = (struct count){ .job = { .run = run_count, .done = done_counting }, .again = i % 2, .pool = &pool };
		work_submit(pool, &counts[i].job);
	}
	assert_int_equal(sd_event_loop(loop), 0);
	for (int i = 0; i < JOBS; i++) {
		assert_int_equal(counts[i].runs, 1 + i % 2);
		assert_int_equal(counts[i].dones, 1 + i % 2);
	}
	assert_false(work_stopping(pool));
	work_pool_stop(pool, NULL);
	work_pool_stop(NULL, NULL);
	assert_int_equal(atomic_load(&contexts), 0);
}

static struct work_pool *long_pool;
static pthread_barrier_t running;

static void run_until_stopped(struct work_job *job, void *context)
{
	(void)job;
	(void)context;
	pthread_barrier_wait(&running);
	while (!work_stopping(long_pool))
		sched_yield();
}

static void count_done(struct work_job *job, void *userdata)
{
	(void)job;
	(void)userdata;
	done_count++;
}

static void count_drop(struct work_job *job, void *userdata)
{
	(void)job;
	assert_ptr_equal(userdata, &loop);
	drop_count++;
}

static void stop_drains(void **state)
{
	static struct work_job jobs[10];
	(void)state;
	for (int with_drop = 0; with_drop < 2; with_drop++) {
		done_count = drop_count = 0;
		pthread_barrier_init(&running, NULL, 3);
		assert_int_equal(work_pool_new(loop, 2, NULL, NULL, &loop, &long_pool), 0);
		for (size_t i = 0; i < ARRAY_SIZE(jobs); i++) {
			jobs[i] = (struct work_job){ .run = run_until_stopped, .done = count_done };
			work_submit(long_pool, &jobs[i]);
		}
		pthread_barrier_wait(&running); /* two run, the others wait */
		work_pool_stop(long_pool, with_drop ? count_drop : NULL);
		assert_int_equal(done_count, with_drop ? 2 : 10);
		assert_int_equal(drop_count, with_drop ? 8 : 0);
		pthread_barrier_destroy(&running);
	}
}

static void idle_costs_nothing(void **state)
{
	struct work_pool *pool = NULL;
	struct timespec before, after;
	(void)state;
	assert_int_equal(work_pool_new(loop, 4, NULL, NULL, NULL, &pool), 0);
	assert_true(sd_event_run(loop, 50000) >= 0); /* threads have started */
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &before);
	assert_int_equal(sd_event_run(loop, 300000), 0);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &after);
	int64_t us = (after.tv_sec - before.tv_sec) * 1000000 + (after.tv_nsec - before.tv_nsec) / 1000;
	assert_true(us < 20000);
	work_pool_stop(pool, NULL);
}

/* Mailbox */

#define POSTERS 3
#define POSTS 2000
static struct mailbox *mailbox;
static intptr_t last_of[POSTERS];
static unsigned received;

static void *poster(void *argument)
{
	intptr_t who = (intptr_t)argument;
	for (intptr_t i = 1; i <= POSTS; i++)
		if (mailbox_post(mailbox, (void *)(who + i * POSTERS)) < 0)
			return NULL;
	return argument;
}

static void on_message(void *message, void *userdata)
{
	intptr_t number = (intptr_t)message;
	(void)userdata;
	assert_true(pthread_equal(pthread_self(), loop_thread));
	assert_int_equal(number / POSTERS, last_of[number % POSTERS] + 1); /* in the order of posting */
	last_of[number % POSTERS]++;
	if (++received == POSTERS * POSTS)
		sd_event_exit(loop, 0);
}

static void mailbox_keeps_order(void **state)
{
	pthread_t threads[POSTERS];
	(void)state;
	assert_int_equal(mailbox_new(loop, 0, on_message, NULL, &mailbox), -EINVAL);
	assert_int_equal(mailbox_new(loop, 7, on_message, NULL, &mailbox), 0);
	for (intptr_t i = 0; i < POSTERS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, poster, (void *)i), 0);
	assert_int_equal(sd_event_loop(loop), 0);
	for (int i = 0; i < POSTERS; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(received, POSTERS * POSTS);
	mailbox_free(mailbox, NULL);
	mailbox_free(NULL, NULL);
}

static void *post_until_closed(void *argument)
{
	intptr_t posted = 0;
	(void)argument;
	while (mailbox_post(mailbox, &received) == 0)
		posted++;
	return (void *)posted;
}

static void drop_message(void *message)
{
	assert_ptr_equal(message, &received);
	drop_count++;
}

static void mailbox_close_ends_posters(void **state)
{
	pthread_t thread;
	void *posted;
	(void)state;
	assert_int_equal(mailbox_new(loop, 3, on_message, NULL, &mailbox), 0);
	assert_int_equal(pthread_create(&thread, NULL, post_until_closed, NULL), 0);
	mailbox_close(mailbox);
	pthread_join(thread, &posted);
	assert_in_range((intptr_t)posted, 0, 3);
	mailbox_free(mailbox, drop_message);
	assert_int_equal(drop_count, (intptr_t)posted);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(runs_all, make_loop, free_loop),
		cmocka_unit_test_setup_teardown(stop_drains, make_loop, free_loop),
		cmocka_unit_test_setup_teardown(idle_costs_nothing, make_loop, free_loop),
		cmocka_unit_test_setup_teardown(mailbox_keeps_order, make_loop, free_loop),
		cmocka_unit_test_setup_teardown(mailbox_close_ends_posters, make_loop, free_loop),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
