/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
/*
 * NATS and JetStream: the one place that knows nats.c. Connects in the background and reconnects for ever with backoff
 * and jitter. All functions: any thread. Blocking ones say so and take a timeout.
 */
struct bus;

struct bus_options {
	const char *urls;         /* nats://host:4222,tls://host2:4222 */
	const char *user, *password, *token;
	const char *nkey_seed;    /* the seed's text */
	const char *credentials_file;
	const char *tls_ca, *tls_certificate, *tls_key; /* files */
	int64_t tls;              /* 0 as the URL says, 1 required */
	const char *inbox_prefix; /* default _INBOX */
	int64_t timeout;          /* µs: requests and publishes; default 1 s */
};

enum bus_state { BUS_DISCONNECTED, BUS_CONNECTED };

/*
 * name: shown by the server. on_state (may be NULL) is called from a foreign thread at every change.
 * Returns at once; the first connection is made in the background as well. Fails only on bad options
 * (ret_reason malloc'ed).
 */
int bus_open(const struct bus_options *options, const char *name, void (*on_state)(enum bus_state state, void *userdata),
             void *userdata, struct bus **ret, char **ret_reason);
void bus_close(struct bus *bus);
bool bus_connected(const struct bus *bus);
/* Waits until connected, at most so long; 0 or ERROR_DISCONNECTED. Blocking. */
int bus_wait_connected(struct bus *bus, int64_t timeout_us);
/* Why it is not connected, in words; "" if it is. */
void bus_last_error(struct bus *bus, char *text, size_t size);
int64_t bus_max_payload(struct bus *bus); /* octets */

/* A message. Headers: names are case-sensitive. */
struct bus_message;
int bus_message_new(const char *subject, const void *payload, size_t size, struct bus_message **ret);
void bus_message_free(struct bus_message *message);
int bus_message_set_header(struct bus_message *message, const char *name, const char *value);
const char *bus_message_header(const struct bus_message *message, const char *name); /* NULL: absent. Valid as long as the message */
size_t bus_message_header_count(const struct bus_message *message, const char *name); /* how many values it has */
const char *bus_message_subject(const struct bus_message *message);
const char *bus_message_reply(const struct bus_message *message); /* NULL: none */
const void *bus_message_payload(const struct bus_message *message, size_t *ret_size);
/* Size of the payload in the stream, also where only the headers came (bus_follow). */
uint64_t bus_message_stored_size(const struct bus_message *message);
/* Of a message that came from a stream: sequence in the stream (0 unknown), time stored (µs since the epoch), number of deliveries. */
uint64_t bus_message_sequence(const struct bus_message *message);
uint64_t bus_message_time_us(const struct bus_message *message);
unsigned bus_message_deliveries(const struct bus_message *message);

/* Core NATS: fire and forget. ERROR_DISCONNECTED rather than buffering while there is no connection. */
int bus_publish(struct bus *bus, const char *subject, const void *payload, size_t size);
/* Request and its answer. Blocking. ERROR_NO_RESPONDER, -ETIMEDOUT. */
int bus_request(struct bus *bus, const char *subject, const void *payload, size_t size, int64_t timeout_us, struct bus_message **ret);
/* Answers a request. */
int bus_respond(struct bus *bus, const struct bus_message *request, const void *payload, size_t size);

/* Subscription: on_message on a foreign thread; it owns the message. Survives reconnects. queue: queue group or NULL. */
struct bus_subscription;
int bus_subscribe(struct bus *bus, const char *subject, const char *queue, void (*on_message)(struct bus_message *message, void *userdata),
                  void *userdata, struct bus_subscription **ret);
/* After it returns no call of on_message runs or will run. */
void bus_unsubscribe(struct bus_subscription *subscription);

/*
 * Publishes to a stream and waits for its acknowledgement. Blocking.
 * expected_last: BUS_ANY, or the sequence that the subject's last message must have (0: none): else ERROR_CONFLICT.
 * message_id: for de-duplication of repeated tries within 2 minutes, or NULL. ERROR_NO_STREAM: nobody stores that subject.
 */
#define BUS_ANY UINT64_MAX
int bus_store(struct bus *bus, struct bus_message *message, const char *message_id, uint64_t expected_last, uint64_t *ret_sequence);

/* Many at once: sends all without waiting in between, then waits for all; results[i] as bus_store (no expectation). Blocking. */
int bus_store_many(struct bus *bus, struct bus_message *const *messages, const char *const *message_ids, size_t count, int *results);
/* The same; sequences[i] (sequences may be NULL) is set where results[i] is 0. */
int bus_store_many_sequences(struct bus *bus, struct bus_message *const *messages, const char *const *message_ids, size_t count,
                             int *results, uint64_t *sequences);

/* Newest message on a subject by direct get (stream with allow_direct). Blocking. -ENOENT, ERROR_NO_STREAM. */
int bus_stream_last(struct bus *bus, const char *stream, const char *subject, struct bus_message **ret);

/*
 * The same for many subjects, asked for before they are wanted: up to BUS_AHEAD_MAX questions are on their way while the
 * caller works on what came. Take gives the newest messages in the order of asking, each as bus_stream_last would; a question
 * or an answer that got lost is made up for. -ENOBUFS: that many are asked for already; -EINVAL: nothing is. One thread at a time.
 */
#define BUS_AHEAD_MAX 4
struct bus_ahead;
int bus_ahead_new(struct bus *bus, const char *stream, struct bus_ahead **ret);
void bus_ahead_free(struct bus_ahead *ahead);
int bus_ahead_ask(struct bus_ahead *ahead, const char *subject);
int bus_ahead_take(struct bus_ahead *ahead, struct bus_message **ret); /* blocking */

struct bus_stream_options {
	const char *name;
	const char *subjects[4];   /* NULL-terminated */
	int64_t max_messages_per_subject;
	int64_t max_age_us;        /* 0: for ever */
	int64_t max_bytes;         /* 0: no limit */
	int64_t replicas;          /* 0: 1 */
};
/* Creates it on file storage with direct get if missing; an existing one is left as it is. *ret_created (may be NULL) tells. Blocking. */
int bus_stream_ensure(struct bus *bus, const struct bus_stream_options *options, bool *ret_created);
struct bus_stream_facts { uint64_t messages, bytes, first_sequence, last_sequence, created_us; };
int bus_stream_facts(struct bus *bus, const char *stream, struct bus_stream_facts *ret);
int bus_stream_purge_subject(struct bus *bus, const char *stream, const char *subject);
/* Subjects that match the filter and have a message: visit for each. Blocking. */
int bus_stream_subjects(struct bus *bus, const char *stream, const char *filter, int (*visit)(const char *subject, void *userdata), void *userdata);

struct bus_consumer_options {
	const char *stream, *name; /* a durable pull consumer with explicit acknowledgement, from the first message on */
	const char *filter;
	int64_t ack_wait_us;
	int64_t max_ack_pending;
};
/* Creates it if missing. */
int bus_consumer_ensure(struct bus *bus, const struct bus_consumer_options *options, bool *ret_created);
int bus_consumer_delete(struct bus *bus, const char *stream, const char *name); /* 0 also when absent */
struct bus_consumer_facts { char name[128]; uint64_t pending, ack_pending, delivered_sequence, acked_sequence, created_us; };
int bus_consumer_facts(struct bus *bus, const char *stream, const char *name, struct bus_consumer_facts *ret);
/* All durable ones: visit for each; negative stops. Blocking. */
int bus_consumer_each(struct bus *bus, const char *stream, int (*visit)(const struct bus_consumer_facts *facts, void *userdata), void *userdata);

/*
 * Pulls from a durable consumer in a thread of its own, without needing any right beyond "next message of this consumer"
 * and acknowledgements. on_message runs on that thread and owns the message; it may block (that is the flow control).
 * on_problem (may be NULL; same thread) is told when the consumer or stream is missing or denied (ERROR_NO_STREAM,
 * ERROR_DENIED), each time it is tried, and ERROR_DISCONNECTED or -EAGAIN (the server cannot now); 0 when it works again. It tries again with backoff.
 */
struct bus_pull;
int bus_pull_start(struct bus *bus, const char *stream, const char *consumer, unsigned batch,
                   void (*on_message)(struct bus_message *message, void *userdata),
                   void (*on_problem)(int error, void *userdata), void *userdata, struct bus_pull **ret);
/* Ends the thread (within a second); after that on_message does not run any more. */
void bus_pull_stop(struct bus_pull *pull);

/* For messages that came by pull; message stays the caller's. Fire and forget. */
int bus_ack(struct bus *bus, const struct bus_message *message);
int bus_ack_later(struct bus *bus, const struct bus_message *message, int64_t delay_us); /* deliver again after the delay */
int bus_ack_progress(struct bus *bus, const struct bus_message *message);                /* still working: restart ack_wait */

/*
 * Follows a stream's newest message per subject and what comes after, headers only, with an ephemeral consumer that is made
 * again after any trouble (then everything is delivered anew, after on_reset). on_message owns the message.
 * on_caught_up is called when everything that was there at the (re)start has been delivered. All on one foreign thread.
 */
struct bus_follow;
struct bus_follow_handlers {
	void (*on_reset)(void *userdata);
	void (*on_message)(struct bus_message *message, void *userdata);
	void (*on_caught_up)(void *userdata);
	void *userdata;
};
int bus_follow_start(struct bus *bus, const char *stream, const char *filter, const struct bus_follow_handlers *handlers, struct bus_follow **ret);
void bus_follow_stop(struct bus_follow *follow);

/* Key-value buckets. replicas: copies in a cluster, when the bucket is made. */
int bus_kv_ensure(struct bus *bus, const char *bucket, int replicas, bool *ret_created);
/* ret_value malloc'ed, NUL-terminated. -ENOENT. */
int bus_kv_get(struct bus *bus, const char *bucket, const char *key, char **ret_value, uint64_t *ret_revision);
/* expected: BUS_ANY, 0 for create-only, or the revision to replace; ERROR_CONFLICT. */
int bus_kv_put(struct bus *bus, const char *bucket, const char *key, const char *value, uint64_t expected, uint64_t *ret_revision);
int bus_kv_delete(struct bus *bus, const char *bucket, const char *key);
int bus_kv_each(struct bus *bus, const char *bucket, int (*visit)(const char *key, void *userdata), void *userdata);
