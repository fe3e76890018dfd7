/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "common/bus_internal.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include <sodium.h>

#include "common/clock.h"
#include "common/error.h"

#define END_WAIT_MS 1000
#define BACKOFF_BASE_US 50000
#define BACKOFF_CEILING_US 5000000
#define LINK_STABLE_US 5000000 /* a link that lived this long starts the backoff anew */
#define MAX_PAYLOAD_DEFAULT (1024 * 1024)

int bus_error(natsStatus status)
{
	switch (status) {
	case NATS_OK:
		return 0;
	case NATS_TIMEOUT:
		return -ETIMEDOUT;
	case NATS_NO_RESPONDERS:
		return ERROR_NO_RESPONDER;
	case NATS_NOT_PERMITTED:
	case NATS_CONNECTION_AUTH_FAILED:
		return ERROR_DENIED;
	case NATS_CONNECTION_CLOSED:
	case NATS_CONNECTION_DISCONNECTED:
	case NATS_NO_SERVER:
	case NATS_STALE_CONNECTION:
	case NATS_IO_ERROR:
	case NATS_INVALID_SUBSCRIPTION:
	case NATS_INSUFFICIENT_BUFFER:
	case NATS_DRAINING:
		return ERROR_DISCONNECTED;
	case NATS_MAX_PAYLOAD:
		return -EMSGSIZE;
	case NATS_SLOW_CONSUMER:
		return -EOVERFLOW;
	case NATS_NO_MEMORY:
		return -ENOMEM;
	case NATS_NOT_FOUND:
		return -ENOENT;
	case NATS_INVALID_ARG:
	case NATS_INVALID_SUBJECT:
	case NATS_INVALID_TIMEOUT:
		return -EINVAL;
	case NATS_PROTOCOL_ERROR:
		return ERROR_MALFORMED;
	default:
		return -EIO;
	}
}

static struct timespec to_timespec(uint64_t us)
{
	return (struct timespec){ .tv_sec = (time_t)(us / 1000000), .tv_nsec = (long)(us % 1000000) * 1000 };
}

/* Waits for a change until the time; bus->lock is held. False: the time is over. */
static bool wait_change(struct bus *bus, uint64_t until_us)
{
	struct timespec until = to_timespec(until_us);

	return pthread_cond_timedwait(&bus->changed, &bus->lock, &until) != ETIMEDOUT;
}

struct bus_link *bus_link_get(struct bus *bus)
{
	return bus_link_wait(bus, 0, NULL);
}

struct bus_link *bus_link_wait(struct bus *bus, uint64_t until_us, const atomic_bool *stop)
{
	struct bus_link *link;

	pthread_mutex_lock(&bus->lock);
	while (!bus->link && !bus->stopping && !(stop && atomic_load(stop)) && clock_monotonic_us() < until_us)
		(void)wait_change(bus, until_us);
	link = bus->link;
	if (link)
		atomic_fetch_add(&link->references, 1);
	pthread_mutex_unlock(&bus->lock);
	return link;
}

struct bus_retired {
	natsSubscription *subscription;
	struct bus_retired *next;
};

void bus_link_put(struct bus_link *link)
{
	if (!link || atomic_fetch_sub(&link->references, 1) != 1)
		return;
	/* The keeper's reference goes when the connection has ended: nothing reads from it any more. */
	for (struct bus_retired *retired = atomic_load(&link->retired), *next; retired; retired = next) {
		next = retired->next;
		natsSubscription_Destroy(retired->subscription);
		free(retired);
	}
	natsConnection_Destroy(link->connection);
	free(link);
}

void bus_link_end_subscription(struct bus_link *link, natsSubscription *subscription)
{
	if (!subscription)
		return;
	(void)natsSubscription_Unsubscribe(subscription);
	/* The answer to a ping is read after all that came before: then the reader is done with the subscription. */
	if (natsConnection_FlushTimeout(link->connection, END_WAIT_MS) == NATS_OK) {
		natsSubscription_Destroy(subscription);
		return;
	}

	struct bus_retired *retired = calloc(1, sizeof(*retired));

	if (!retired)
		return; /* rather lost than used after it was freed */
	retired->subscription = subscription;
	retired->next = atomic_load(&link->retired);
	while (!atomic_compare_exchange_weak(&link->retired, &retired->next, retired))
		;
}

void bus_wake(struct bus *bus)
{
	pthread_mutex_lock(&bus->lock);
	pthread_cond_broadcast(&bus->changed);
	pthread_mutex_unlock(&bus->lock);
}

static void on_closed(natsConnection *connection, void *closure)
{
	struct bus *bus = closure;

	pthread_mutex_lock(&bus->lock);
	bus->closed = connection;
	pthread_cond_broadcast(&bus->changed);
	pthread_mutex_unlock(&bus->lock);
}

/* The server's refusals come without saying to which call; the subject stands between quotation marks. */
static void on_error(natsConnection *connection, natsSubscription *subscription, natsStatus status, void *closure)
{
	struct bus *bus = closure;
	const char *text = NULL;

	(void)subscription;
	if (status != NATS_NOT_PERMITTED || natsConnection_GetLastError(connection, &text) == NATS_OK || !text)
		return;

	const char *start = strchr(text, '"');

	pthread_mutex_lock(&bus->lock);
	snprintf(bus->error, sizeof(bus->error), "%s", text);
	if (start) {
		char *slot = bus->denied[bus->denials++ % BUS_DENIED_KEPT];

		snprintf(slot, BUS_TEXT_SIZE, "%.*s", (int)strcspn(start + 1, "\""), start + 1);
	}
	pthread_mutex_unlock(&bus->lock);
}

unsigned bus_denials(struct bus *bus)
{
	pthread_mutex_lock(&bus->lock);

	unsigned denials = bus->denials;

	pthread_mutex_unlock(&bus->lock);
	return denials;
}

bool bus_denied(struct bus *bus, const char *subject, unsigned since)
{
	bool found = false;

	pthread_mutex_lock(&bus->lock);
	if (bus->denials - since > BUS_DENIED_KEPT)
		since = bus->denials - BUS_DENIED_KEPT;
	for (; since != bus->denials && !found; since++)
		found = strncmp(bus->denied[since % BUS_DENIED_KEPT], subject, BUS_TEXT_SIZE - 1) == 0;
	pthread_mutex_unlock(&bus->lock);
	return found;
}

/* One try to connect; the lock is not held. */
static struct bus_link *connect_once(struct bus *bus)
{
	struct bus_link *link = calloc(1, sizeof(*link));

	if (!link)
		return NULL;

	natsStatus status = natsConnection_Connect(&link->connection, bus->options);

	if (status != NATS_OK) {
		natsStatus ignored;
		const char *detail = nats_GetLastError(&ignored);

		pthread_mutex_lock(&bus->lock);
		snprintf(bus->error, sizeof(bus->error), "%s%s%s", natsStatus_GetText(status),
		         detail && detail[0] ? ": " : "", detail ? detail : "");
		pthread_mutex_unlock(&bus->lock);
		free(link);
		return NULL;
	}
	atomic_init(&link->references, 1);
	atomic_init(&link->retired, NULL);
	return link;
}

static void tell(struct bus *bus, enum bus_state state)
{
	if (bus->on_state)
		bus->on_state(state, bus->userdata);
}

/* Serves one link until it has ended; bus->lock is held at entry and exit. */
static void keep_link(struct bus *bus, struct bus_link *link)
{
	bus->link = link;
	bus->max_payload = natsConnection_GetMaxPayload(link->connection);
	bus->error[0] = '\0';
	pthread_cond_broadcast(&bus->changed);
	pthread_mutex_unlock(&bus->lock);
	tell(bus, BUS_CONNECTED);

	pthread_mutex_lock(&bus->lock);
	while (bus->closed != link->connection && !bus->stopping)
		pthread_cond_wait(&bus->changed, &bus->lock);
	bus->link = NULL;
	snprintf(bus->error, sizeof(bus->error), "the connection was closed");
	pthread_mutex_unlock(&bus->lock);

	/* Ends whatever still waits on this link, and makes sure that no callback of it comes later. */
	natsConnection_Close(link->connection);
	pthread_mutex_lock(&bus->lock);
	while (bus->closed != link->connection)
		pthread_cond_wait(&bus->changed, &bus->lock);
	pthread_mutex_unlock(&bus->lock);
	bus_link_put(link);
	tell(bus, BUS_DISCONNECTED);
	pthread_mutex_lock(&bus->lock);
}

static void *keeper_main(void *argument)
{
	struct bus *bus = argument;
	unsigned attempt = 0;

	pthread_mutex_lock(&bus->lock);
	while (!bus->stopping) {
		bus->closed = NULL;
		pthread_mutex_unlock(&bus->lock);

		struct bus_link *link = connect_once(bus);
		uint64_t start = clock_monotonic_us();

		pthread_mutex_lock(&bus->lock);
		if (link)
			keep_link(bus, link);
		if (link && clock_monotonic_us() - start > LINK_STABLE_US)
			attempt = 0;

		uint64_t until = clock_monotonic_us() + clock_backoff_us(attempt++, BACKOFF_BASE_US, BACKOFF_CEILING_US);

		while (!bus->stopping && wait_change(bus, until))
			;
	}
	pthread_mutex_unlock(&bus->lock);
	return NULL;
}

static void bus_free(struct bus *bus)
{
	natsOptions_Destroy(bus->options);
	if (bus->nkey_seed)
		sodium_memzero(bus->nkey_seed, strlen(bus->nkey_seed));
	free(bus->nkey_seed);
	free(bus->inbox_prefix);
	pthread_cond_destroy(&bus->changed);
	pthread_mutex_destroy(&bus->lock);
	free(bus);
}
DEFINE_CLEANUP(bus, struct bus *, bus_free)

int bus_open(const struct bus_options *options, const char *name, void (*on_state)(enum bus_state, void *), void *userdata,
             struct bus **ret, char **ret_reason)
{
	char *reason = NULL;

	if (sodium_init() < 0)
		return -EIO;

	CLEANUP(bus) struct bus *bus = calloc(1, sizeof(*bus));

	if (!bus)
		return -ENOMEM;

	pthread_condattr_t attributes;

	pthread_mutex_init(&bus->lock, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&bus->changed, &attributes);
	pthread_condattr_destroy(&attributes);
	bus->on_state = on_state;
	bus->userdata = userdata;
	bus->max_payload = MAX_PAYLOAD_DEFAULT;
	snprintf(bus->error, sizeof(bus->error), "not connected yet");

	int r = bus_options_make(bus, options, name, &reason);

	if (r < 0) {
		if (ret_reason)
			*ret_reason = reason;
		else
			free(reason);
		return r;
	}
	if (natsOptions_SetClosedCB(bus->options, on_closed, bus) != NATS_OK ||
	    natsOptions_SetErrorHandler(bus->options, on_error, bus) != NATS_OK)
		return -ENOMEM;
	r = pthread_create(&bus->keeper, NULL, keeper_main, bus);
	if (r != 0)
		return -r;
	*ret = TAKE(bus);
	return 0;
}

void bus_close(struct bus *bus)
{
	if (!bus)
		return;
	pthread_mutex_lock(&bus->lock);
	bus->stopping = true;
	pthread_cond_broadcast(&bus->changed);
	pthread_mutex_unlock(&bus->lock);
	pthread_join(bus->keeper, NULL);
	bus_free(bus);
}

bool bus_connected(const struct bus *bus)
{
	struct bus *own = (struct bus *)bus;

	pthread_mutex_lock(&own->lock);

	bool connected = own->link != NULL;

	pthread_mutex_unlock(&own->lock);
	return connected;
}

int bus_wait_connected(struct bus *bus, int64_t timeout_us)
{
	CLEANUP(bus_link) struct bus_link *link =
		bus_link_wait(bus, clock_monotonic_us() + (uint64_t)(timeout_us > 0 ? timeout_us : 0), NULL);

	return link ? 0 : ERROR_DISCONNECTED;
}

void bus_last_error(struct bus *bus, char *text, size_t size)
{
	pthread_mutex_lock(&bus->lock);
	snprintf(text, size, "%s", bus->link ? "" : bus->error);
	pthread_mutex_unlock(&bus->lock);
}

int64_t bus_max_payload(struct bus *bus)
{
	pthread_mutex_lock(&bus->lock);

	int64_t size = bus->max_payload;

	pthread_mutex_unlock(&bus->lock);
	return size;
}

void bus_inbox(const struct bus *bus, char ret[BUS_INBOX_SIZE])
{
	uint8_t random[16];
	char hex[sizeof(random) * 2 + 1];

	randombytes_buf(random, sizeof(random));
	sodium_bin2hex(hex, sizeof(hex), random, sizeof(random));
	snprintf(ret, BUS_INBOX_SIZE, "%s.%s", bus->inbox_prefix, hex);
}
