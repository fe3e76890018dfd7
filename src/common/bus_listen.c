/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "common/bus_internal.h"

#include <errno.h>
#include <time.h>

#include "common/clock.h"
#include "common/error.h"

#define FOREVER_US INT64_C(3600000000)
#define RETRY_US 250000
#define DEAD_LINK_US 5000

int bus_listener_init(struct bus_listener *listener, struct bus *bus)
{
	*listener = (struct bus_listener){ .bus = bus };
	atomic_init(&listener->stopping, false);
	return -pthread_mutex_init(&listener->lock, NULL);
}

int bus_listener_start(struct bus_listener *listener, void *(*body)(void *), void *argument)
{
	return -pthread_create(&listener->thread, NULL, body, argument);
}

void bus_listener_close(struct bus_listener *listener)
{
	pthread_mutex_lock(&listener->lock);

	natsSubscription *subscription = TAKE(listener->subscription);
	struct bus_link *link = TAKE(listener->link);

	pthread_mutex_unlock(&listener->lock);
	bus_link_end_subscription(link, subscription);
	bus_link_put(link);
}

static int open_on(struct bus_listener *listener, struct bus_link *link, const char *subject, const char *queue)
{
	natsSubscription *subscription = NULL;
	natsStatus status = queue ? natsConnection_QueueSubscribeSync(&subscription, link->connection, subject, queue)
	                          : natsConnection_SubscribeSync(&subscription, link->connection, subject);

	if (status != NATS_OK) {
		bus_link_put(link);
		return bus_error(status);
	}
	pthread_mutex_lock(&listener->lock);
	listener->subscription = subscription;
	listener->link = link;
	pthread_mutex_unlock(&listener->lock);
	return 0;
}

int bus_listener_try_open(struct bus_listener *listener, const char *subject, const char *queue)
{
	struct bus_link *link = bus_link_get(listener->bus);

	return link ? open_on(listener, link, subject, queue) : ERROR_DISCONNECTED;
}

int bus_listener_open(struct bus_listener *listener, const char *subject, const char *queue)
{
	while (!atomic_load(&listener->stopping)) {
		struct bus_link *link = bus_link_wait(listener->bus, clock_monotonic_us() + FOREVER_US, &listener->stopping);

		int r = link ? open_on(listener, link, subject, queue) : ERROR_DISCONNECTED;

		if (r != ERROR_DISCONNECTED)
			return r;
		/* The link has ended and the keeper is about to notice, or the bus itself is closing. */
		if (!bus_listener_sleep(listener, DEAD_LINK_US))
			break;
	}
	return -ECANCELED;
}

int bus_listener_next(struct bus_listener *listener, int64_t timeout_us, struct bus_message **ret)
{
	natsMsg *message = NULL;

	if (atomic_load(&listener->stopping))
		return -ECANCELED;

	/* Only this thread replaces the subscription; others may only make it end. */
	natsStatus status = natsSubscription_NextMsg(&message, listener->subscription, timeout_us < 1000 ? 1 : timeout_us / 1000);

	if (atomic_load(&listener->stopping)) {
		natsMsg_Destroy(message);
		return -ECANCELED;
	}
	/* A request that nobody serves makes NextMsg itself say so instead of giving the message. */
	return status == NATS_OK ? bus_message_wrap(message, ret) : bus_error(status);
}

int bus_listener_publish(struct bus_listener *listener, const char *subject, const char *reply, const void *payload, size_t size)
{
	return bus_error(natsConnection_PublishRequest(listener->link->connection, subject, reply, payload, (int)size));
}

bool bus_listener_sleep(struct bus_listener *listener, uint64_t us)
{
	struct bus *bus = listener->bus;
	uint64_t until_us = clock_monotonic_us() + us;
	struct timespec until = { .tv_sec = (time_t)(until_us / 1000000), .tv_nsec = (long)(until_us % 1000000) * 1000 };
	int r = 0;

	pthread_mutex_lock(&bus->lock);
	while (!atomic_load(&listener->stopping) && r == 0)
		r = pthread_cond_timedwait(&bus->changed, &bus->lock, &until);
	pthread_mutex_unlock(&bus->lock);
	return !atomic_load(&listener->stopping);
}

void bus_listener_stop(struct bus_listener *listener)
{
	atomic_store(&listener->stopping, true);
	bus_wake(listener->bus);
	pthread_mutex_lock(&listener->lock);
	if (listener->subscription)
		(void)natsSubscription_Unsubscribe(listener->subscription);
	pthread_mutex_unlock(&listener->lock);
	pthread_join(listener->thread, NULL);
	bus_listener_close(listener);
	pthread_mutex_destroy(&listener->lock);
}

struct bus_subscription {
	struct bus_listener listener;
	char *subject, *queue;
	void (*on_message)(struct bus_message *message, void *userdata);
	void *userdata;
};

static void subscription_free(struct bus_subscription *subscription)
{
	free(subscription->subject);
	free(subscription->queue);
	free(subscription);
}
DEFINE_CLEANUP(subscription, struct bus_subscription *, subscription_free)

static void *subscription_main(void *argument)
{
	struct bus_subscription *subscription = argument;
	struct bus_listener *listener = &subscription->listener;

	for (;;) {
		struct bus_message *message = NULL;
		int r = listener->subscription ? bus_listener_next(listener, FOREVER_US, &message) : ERROR_DISCONNECTED;

		if (r == 0) {
			subscription->on_message(message, subscription->userdata);
			continue;
		}
		if (r == -ECANCELED)
			return NULL;
		/* nats.c keeps at most 64 MiB for a slow reader and drops the rest: core NATS promises no more. */
		if (r == -ETIMEDOUT || r == -EOVERFLOW)
			continue;
		bus_listener_close(listener);
		r = bus_listener_open(listener, subscription->subject, subscription->queue);
		if (r < 0 && (r == -ECANCELED || !bus_listener_sleep(listener, RETRY_US)))
			return NULL;
	}
}

int bus_subscribe(struct bus *bus, const char *subject, const char *queue,
                  void (*on_message)(struct bus_message *, void *), void *userdata, struct bus_subscription **ret)
{
	CLEANUP(subscription) struct bus_subscription *subscription = calloc(1, sizeof(*subscription));

	if (!subscription)
		return -ENOMEM;
	subscription->subject = strdup(subject);
	subscription->queue = queue ? strdup(queue) : NULL;
	if (!subscription->subject || (queue && !subscription->queue))
		return -ENOMEM;
	subscription->on_message = on_message;
	subscription->userdata = userdata;

	int r = bus_listener_init(&subscription->listener, bus);

	if (r < 0)
		return r;
	/* When connected, what is published after we return already comes in. */
	r = bus_listener_try_open(&subscription->listener, subject, queue);
	if (r == 0 || r == ERROR_DISCONNECTED)
		r = bus_listener_start(&subscription->listener, subscription_main, subscription);
	if (r < 0) {
		bus_listener_close(&subscription->listener);
		return r;
	}
	*ret = TAKE(subscription);
	return 0;
}

void bus_unsubscribe(struct bus_subscription *subscription)
{
	if (!subscription)
		return;
	bus_listener_stop(&subscription->listener);
	subscription_free(subscription);
}
