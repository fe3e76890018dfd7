/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once
#include <pthread.h>
#include <stdatomic.h>
#include <jansson.h>
#include <nats/nats.h>
#include "common/bus.h"
#include "common/cleanup.h"
#include "common/json_wire.h"
/*
 * What the bus_*.c files share; nobody else includes it.
 *
 * A link is one connection to one server and never comes back to life: nats.c's own reconnect is off. When a link ends,
 * every call that waits on it fails at once instead of sitting out its timeout, nothing is buffered, and the keeper thread
 * makes the next link with our own backoff. That way there is also just one path for a dead server, a server that refuses
 * our credentials for a while, and the very first connection.
 */
struct bus_link {
	natsConnection *connection;
	atomic_int references;
	struct bus_retired *_Atomic retired; /* subscriptions that must outlive the connection */
};

#define BUS_TEXT_SIZE 512
#define BUS_INBOX_SIZE 256
#define BUS_DENIED_KEPT 16

struct bus {
	natsOptions *options;
	char *nkey_seed;
	char *inbox_prefix;
	int64_t timeout_us;
	void (*on_state)(enum bus_state state, void *userdata);
	void *userdata;
	pthread_t keeper;

	pthread_mutex_t lock;
	pthread_cond_t changed; /* link, stopping, closed; monotonic clock */
	struct bus_link *link;  /* NULL: not connected */
	natsConnection *closed; /* the connection that ended; its last callback */
	bool stopping;
	int64_t max_payload;
	char error[BUS_TEXT_SIZE];
	/* A ring of the subjects that the server last refused us. */
	char denied[BUS_DENIED_KEPT][BUS_TEXT_SIZE];
	unsigned denials;
};

/* The current link with a reference, or NULL. */
struct bus_link *bus_link_get(struct bus *bus);
/* Waits for a link until the time (clock_monotonic_us) or until *stop (may be NULL). */
struct bus_link *bus_link_wait(struct bus *bus, uint64_t until_us, const atomic_bool *stop);
void bus_link_put(struct bus_link *link);
/*
 * Ends and frees a subscription, the only way that is safe: nats.c before 3.6 looks a subscription up and locks it in two
 * steps, so that one freed in between, by another thread than its reader, is used after it was freed. NULL accepted. Blocking.
 */
void bus_link_end_subscription(struct bus_link *link, natsSubscription *subscription);
DEFINE_CLEANUP(bus_link, struct bus_link *, bus_link_put)
/* Wakes every bus_link_wait, so that it looks at its *stop. */
void bus_wake(struct bus *bus);

/* Number of refusals so far, and whether the server refused `subject` since that number was read. */
unsigned bus_denials(struct bus *bus);
bool bus_denied(struct bus *bus, const char *subject, unsigned since);

/* Checks the options and makes nats.c's out of them. *ret_reason malloc'ed on failure. */
int bus_options_make(struct bus *bus, const struct bus_options *options, const char *name, char **ret_reason);

int bus_error(natsStatus status);
/* A subject for answers, under the configured prefix; unguessable. */
void bus_inbox(const struct bus *bus, char ret[BUS_INBOX_SIZE]);

struct bus_message {
	natsMsg *message;
	char *subject; /* of the stored message, where it is not the natsMsg's own */
	bool acked_by_reply; /* the reply subject is one of JetStream's for acknowledgements */
	uint64_t sequence, time_us;
	uint64_t consumer_sequence, pending;
	unsigned deliveries;
};

/* Takes over the natsMsg in any case. Reads what JetStream says in the reply subject. */
int bus_message_wrap(natsMsg *message, struct bus_message **ret);
/* The message of a direct get: sequence, time and subject stand in headers. ERROR_MALFORMED when they do not. */
int bus_message_from_direct(struct bus_message *message);
/* Status of a message that comes from the server itself and not from a stream; 0: it has none. */
unsigned bus_message_status(const struct bus_message *message);
int bus_message_delete_header(struct bus_message *message, const char *name);
/* A copy with another reply subject. */
int bus_message_clone(const struct bus_message *message, const char *reply, natsMsg **ret);
DEFINE_CLEANUP(bus_message, struct bus_message *, bus_message_free)

/* Sends a request that is already a natsMsg. */
int bus_request_message(struct bus *bus, natsMsg *request, int64_t timeout_us, struct bus_message **ret);
/* A JetStream API call: JSON both ways (request may be NULL). Its errors become error codes. ret_answer may be NULL. */
int bus_api(struct bus *bus, const json_t *request, json_t **ret_answer, const char *subject_format, ...)
	__attribute__((format(printf, 4, 5)));
/* Error of an API answer or of a publish acknowledgement, 0 if it is none. */
int bus_api_error(const json_t *answer);
/* Of API answers: a member that counts something, 0 if absent. */
uint64_t bus_json_number(const json_t *object, const char *name);
/* A time as the server writes it, RFC 3339 in UTC with up to nine decimals; 0: malformed or NULL. */
uint64_t bus_time_us(const char *text);
/* What came as the answer to a direct get, which it takes over in any case. -ENOENT. */
int bus_stream_read_direct(struct bus_message *answer, struct bus_message **ret);
/* Creates the stream if it is missing. */
int bus_stream_create(struct bus *bus, json_t *config, const char *name, bool *ret_created);

/*
 * A subscription together with the thread that serves it. The thread's body calls bus_listener_open and bus_listener_next;
 * stopping wakes it from both.
 */
struct bus_listener {
	struct bus *bus;
	atomic_bool stopping;
	pthread_t thread;
	pthread_mutex_t lock;
	struct bus_link *link;
	natsSubscription *subscription;
};
int bus_listener_init(struct bus_listener *listener, struct bus *bus);
int bus_listener_start(struct bus_listener *listener, void *(*body)(void *), void *argument);
/* Waits for a connection and subscribes. -ECANCELED: stopping; else it failed and may be tried again. */
int bus_listener_open(struct bus_listener *listener, const char *subject, const char *queue);
/* Subscribes when connected, else returns ERROR_DISCONNECTED. */
int bus_listener_try_open(struct bus_listener *listener, const char *subject, const char *queue);
/* -ETIMEDOUT, -EOVERFLOW (some were dropped), ERROR_NO_RESPONDER, ERROR_DISCONNECTED (open again), -ECANCELED. */
int bus_listener_next(struct bus_listener *listener, int64_t timeout_us, struct bus_message **ret);
/* Publishes on the listener's own link. */
int bus_listener_publish(struct bus_listener *listener, const char *subject, const char *reply, const void *payload, size_t size);
void bus_listener_close(struct bus_listener *listener); /* the subscription; thread's own */
/* Sleeps, but not beyond the listener's end; false when it is over. */
bool bus_listener_sleep(struct bus_listener *listener, uint64_t us);
void bus_listener_stop(struct bus_listener *listener);  /* ends and joins the thread, frees what init made */
