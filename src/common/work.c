/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "common/work.h"
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include "common/cleanup.h"

struct queue {
	struct work_job *first, **end;
};

/* A thread that waits for a job; on its own stack. */
struct idle_thread {
	pthread_cond_t woken;
	bool called;
	struct idle_thread *next;
};

struct work_pool {
	pthread_mutex_t lock; /* of idle, waiting, finished, stopping's change */
	struct idle_thread *idle; /* who became idle last has the next job: a pool uses as few of its threads as will do */
	struct queue waiting, finished;
	atomic_bool stopping;
	int wake_fd;
	sd_event_source *source;
	void *(*start_thread)(void *userdata);
	void (*end_thread)(void *context);
	void *userdata;
	unsigned count, most; /* the loop thread's */
	pthread_t threads[];
};

static void queue_add(struct queue *queue, struct work_job *job)
{
	job->next = NULL;
	*queue->end = job;
	queue->end = &job->next;
}

static struct work_job *queue_take(struct queue *queue)
{
	struct work_job *job = queue->first;
	if (job && !(queue->first = job->next))
		queue->end = &queue->first;
	return job;
}

/* All at once, as a list. */
static struct work_job *queue_take_all(struct queue *queue)
{
	struct work_job *first = queue->first;
	queue->first = NULL;
	queue->end = &queue->first;
	return first;
}

static void finish_job(struct work_pool *pool, struct work_job *job)
{
	const uint64_t one = 1;
	pthread_mutex_lock(&pool->lock);
	bool was_empty = !pool->finished.first;
	queue_add(&pool->finished, job);
	pthread_mutex_unlock(&pool->lock);
	if (was_empty) {
		ssize_t written = write(pool->wake_fd, &one, sizeof(one));
		(void)written; /* fails only when the counter is full, and then the loop is awake */
	}
}

/* Locked. */
static void wait_idle(struct work_pool *pool)
{
	struct idle_thread me = { .next = pool->idle };
	pthread_cond_init(&me.woken, NULL);
	pool->idle = &me;
	while (!me.called)
		pthread_cond_wait(&me.woken, &pool->lock);
	pthread_cond_destroy(&me.woken);
}

/* Locked. */
static void call_idle(struct work_pool *pool)
{
	struct idle_thread *idle = pool->idle;
	if (!idle)
		return;
	pool->idle = idle->next;
	idle->called = true;
	pthread_cond_signal(&idle->woken);
}

static struct work_job *next_job(struct work_pool *pool)
{
	pthread_mutex_lock(&pool->lock);
	while (!pool->waiting.first && !pool->stopping)
		wait_idle(pool);
	struct work_job *job = pool->stopping ? NULL : queue_take(&pool->waiting);
	pthread_mutex_unlock(&pool->lock);
	return job;
}

static void *worker(void *argument)
{
	struct work_pool *pool = argument;
	void *context = NULL;
	bool started = false;
	for (struct work_job *job; (job = next_job(pool)) != NULL;) {
		if (!started && pool->start_thread)
			context = pool->start_thread(pool->userdata);
		started = true;
		job->run(job, context);
		finish_job(pool, job);
	}
	if (started && pool->end_thread)
		pool->end_thread(context);
	return NULL;
}

static void run_done(struct work_pool *pool)
{
	pthread_mutex_lock(&pool->lock);
	struct work_job *job = queue_take_all(&pool->finished);
	pthread_mutex_unlock(&pool->lock);
	while (job) {
		struct work_job *next = job->next; /* done may free the job or submit it again */
		job->done(job, pool->userdata);
		job = next;
	}
}

static int on_wake(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
	uint64_t counter;
	(void)source;
	(void)events;
	ssize_t n = read(fd, &counter, sizeof(counter));
	(void)n;
	run_done(userdata);
	return 0;
}

/* One more. Signals belong to the loop thread. */
static int start_one(struct work_pool *pool)
{
	sigset_t all, before;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	int error = -pthread_create(&pool->threads[pool->count], NULL, worker, pool);
	if (error == 0)
		pool->count++;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return error;
}

int work_pool_new(sd_event *loop, unsigned threads, void *(*start_thread)(void *userdata),
                  void (*end_thread)(void *context), void *userdata, struct work_pool **ret)
{
	struct work_pool *pool = calloc(1, sizeof(*pool) + threads * sizeof(pool->threads[0]));
	if (!pool)
		return -ENOMEM;
	pthread_mutex_init(&pool->lock, NULL);
	atomic_init(&pool->stopping, false);
	pool->waiting.end = &pool->waiting.first;
	pool->finished.end = &pool->finished.first;
	pool->start_thread = start_thread;
	pool->end_thread = end_thread;
	pool->userdata = userdata;
	pool->most = threads;
	pool->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	int error = pool->wake_fd < 0 ? -errno : 0;
	if (error == 0)
		error = sd_event_add_io(loop, &pool->source, pool->wake_fd, EPOLLIN, on_wake, pool);
	if (error == 0)
		error = start_one(pool); /* so that jobs run even when no other can be started */
	if (error < 0) {
		work_pool_stop(pool, NULL);
		return error;
	}
	*ret = pool;
	return 0;
}

void work_submit(struct work_pool *pool, struct work_job *job)
{
	pthread_mutex_lock(&pool->lock);
	bool idle = pool->idle != NULL;
	queue_add(&pool->waiting, job);
	call_idle(pool);
	pthread_mutex_unlock(&pool->lock);
	if (!idle && pool->count < pool->most)
		(void)start_one(pool); /* else it waits for one of those that are there */
}

int work_stopping(const struct work_pool *pool)
{
	return atomic_load(&pool->stopping);
}

static void end_threads(struct work_pool *pool)
{
	pthread_mutex_lock(&pool->lock);
	atomic_store(&pool->stopping, true);
	while (pool->idle)
		call_idle(pool);
	pthread_mutex_unlock(&pool->lock);
	for (unsigned i = 0; i < pool->count; i++)
		pthread_join(pool->threads[i], NULL);
}

void work_pool_stop(struct work_pool *pool, void (*drop)(struct work_job *job, void *userdata))
{
	if (!pool)
		return;
	end_threads(pool);
	run_done(pool);
	/* done of a finished job may have submitted more: those never run either. */
	struct work_job *job;
	while ((job = queue_take(&pool->waiting)) != NULL) {
		if (drop)
			drop(job, pool->userdata);
		else
			job->done(job, pool->userdata);
	}
	sd_event_source_disable_unref(pool->source);
	if (pool->wake_fd >= 0)
		close(pool->wake_fd);
	pthread_mutex_destroy(&pool->lock);
	free(pool);
}
