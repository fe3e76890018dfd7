/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once
#include <systemd/sd-event.h>
/*
 * A pool of worker threads for what blocks or burns CPU. A job runs on a worker, then comes back to the loop thread.
 */
struct work_job {
	/* On a worker; `context` is that worker's own, from start_thread. */
	void (*run)(struct work_job *job, void *context);
	/* In the loop thread, after run; owns the job again. */
	void (*done)(struct work_job *job, void *userdata);
	struct work_job *next; /* the pool's */
};

struct work_pool;

/*
 * threads: how many at most; started when they are needed. start_thread (may be NULL) makes a worker's context before its first job,
 * end_thread frees it, both on the worker's thread. userdata goes to done, start_thread.
 */
int work_pool_new(sd_event *loop, unsigned threads, void *(*start_thread)(void *userdata),
                  void (*end_thread)(void *context), void *userdata, struct work_pool **ret);

/* Queues a job; never fails, never blocks; the caller bounds how many it queues. Loop thread. */
void work_submit(struct work_pool *pool, struct work_job *job);

/* True once work_pool_stop was called: long jobs look at it and give up. Any thread. */
int work_stopping(const struct work_pool *pool);

/*
 * Lets running jobs end, runs `done` for every finished job and `drop` for every job that never ran (`done` if drop is
 * NULL; neither may submit it again then), frees all. Loop thread. NULL accepted.
 */
void work_pool_stop(struct work_pool *pool, void (*drop)(struct work_job *job, void *userdata));
