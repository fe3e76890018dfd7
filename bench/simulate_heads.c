/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "simulate_heads.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/clock.h"
#include "common/zone_store.h"

#define FILL_AT_ONCE 512
#define VERIFY_HEADS 256 /* different ones, of each thread */

DEFINE_CLEANUP(spool, struct spool *, spool_free)
DEFINE_CLEANUP(writer, struct zone_body_writer *, zone_body_writer_free)
DEFINE_CLEANUP(reader, struct record_reader *, record_reader_free)

/* What a thread works on: zones from first on. */
struct part {
	pthread_t thread;
	const char *url;
	struct signing_key *key;
	struct trusted_keys *trusted;
	pthread_barrier_t *ready;
	size_t first, count, size;
	_Atomic size_t *done;
};

static struct signing_key *read_key(const char *file)
{
	char text[512] = "";
	struct signing_key *key = NULL;
	FILE *stream = fopen(file, "re");
	if (!stream)
		simulate_die(file, -errno);
	(void)!fread(text, 1, sizeof(text) - 1, stream);
	(void)fclose(stream);
	int r = signing_key_parse(text, &key);
	if (r < 0)
		simulate_die(file, r);
	return key;
}

/* A zone of about so many octets: addresses of hosts with names of equal length. */
static int make_body(const char *zone, size_t size, struct zone_body_facts *facts, struct spool **ret)
{
	CLEANUP(writer) struct zone_body_writer *writer = NULL;
	CLEANUP(reader) struct record_reader *reader = NULL;
	char line[2 * ZONE_NAME_SIZE];
	int r = zone_body_writer_new("/tmp", 1 << 20, &writer);
	if (r == 0)
		r = record_reader_new(zone_body_writer_add, writer, &reader);
	int length = snprintf(line, sizeof(line), "%s 3600 IN SOA ns1.hoster.example. hostmaster.hoster.example. 1 10800 3600 604800 3600\n", zone);
	for (size_t used = 0, host = 0; r == 0 && used < size; host++) {
		r = record_reader_feed(reader, line, (size_t)length);
		used += (size_t)length;
		length = snprintf(line, sizeof(line), "host-%04zu.%s 300 IN TXT \"what a record of a signed zone takes, on average: %080zu\"\n", host, zone, host);
	}
	if (r == 0)
		r = record_reader_finish(reader);
	return r < 0 ? r : zone_body_writer_finish(writer, facts, ret);
}

static int make_head(size_t number, size_t size, const struct signing_key *key, struct bus_message **ret)
{
	CLEANUP(spool) struct spool *body = NULL;
	struct zone_head head = { .state = ZONE_STATE_PRESENT, .generation = clock_realtime_us(), .place = ZONE_BODY_INLINE };
	snprintf(head.zone, sizeof(head.zone), "scale-%zu.example.", number);
	int r = make_body(head.zone, size, &head.facts, &body);
	if (r < 0)
		return r;
	head.encoded_size = spool_size(body);
	CLEANUP(free) char *payload = malloc(head.encoded_size);
	if (!payload)
		return -ENOMEM;
	int64_t n = spool_read(body, 0, payload, head.encoded_size);
	return n < 0 ? (int)n : zone_head_encode(&head, PREFIX, key, payload, head.encoded_size, ret);
}


static void store_some(struct bus *bus, const struct part *part, size_t first, size_t count)
{
	static const char *const no_ids[FILL_AT_ONCE];
	struct bus_message *messages[FILL_AT_ONCE];
	int results[FILL_AT_ONCE];
	for (size_t i = 0; i < count; i++) {
		int r = make_head(first + i, part->size, part->key, &messages[i]);
		if (r < 0)
			simulate_die("cannot make a head", r);
	}
	(void)bus_store_many(bus, messages, no_ids, count, results);
	for (size_t i = 0; i < count; i++) {
		if (results[i] < 0)
			simulate_die("cannot store a head", results[i]);
		bus_message_free(messages[i]);
	}
}

static void *fill_part(void *argument)
{
	const struct part *part = argument;
	struct bus *bus = simulate_connect(part->url, "simulate fill");
	for (size_t done = 0; done < part->count; done += FILL_AT_ONCE) {
		size_t count = part->count - done < FILL_AT_ONCE ? part->count - done : FILL_AT_ONCE;
		store_some(bus, part, part->first + done, count);
		*part->done += count;
	}
	bus_close(bus);
	return NULL;
}

/* As many parts as threads, all of them running. */
static struct part *start_parts(const struct part *model, size_t threads, size_t zones, void *(*body)(void *))
{
	struct part *parts = calloc(threads, sizeof(*parts));
	if (!parts)
		simulate_die("threads", -ENOMEM);
	for (size_t i = 0; i < threads; i++) {
		parts[i] = *model;
		parts[i].first = zones * i / threads;
		parts[i].count = zones * (i + 1) / threads - parts[i].first;
		int r = -pthread_create(&parts[i].thread, NULL, body, &parts[i]);
		if (r < 0)
			simulate_die("threads", r);
	}
	return parts;
}

static void end_parts(struct part *parts, size_t threads)
{
	for (size_t i = 0; i < threads; i++)
		pthread_join(parts[i].thread, NULL);
	free(parts);
}

int simulate_fill(const char *url, const char *key_file, size_t zones, size_t size, size_t threads)
{
	_Atomic size_t done = 0;
	struct part model = { .url = url, .key = read_key(key_file), .size = size, .done = &done };
	struct part *parts = start_parts(&model, threads, zones, fill_part);
	while (done < zones) {
		usleep(100000);
		printf("%zu\n", done);
		(void)fflush(stdout);
	}
	end_parts(parts, threads);
	signing_key_free(model.key);
	return 0;
}

static void *verify_part(void *argument)
{
	const struct part *part = argument;
	struct bus_message *messages[VERIFY_HEADS];
	for (size_t i = 0; i < VERIFY_HEADS; i++) {
		int r = make_head(part->first + i, part->size, part->key, &messages[i]);
		if (r < 0)
			simulate_die("cannot make a head", r);
	}
	pthread_barrier_wait(part->ready);
	for (size_t i = 0; i < part->count; i++) {
		struct zone_head head;
		int r = zone_head_decode(messages[i % VERIFY_HEADS], PREFIX, part->trusted, &head);
		if (r < 0)
			simulate_die("a head does not verify", r);
	}
	for (size_t i = 0; i < VERIFY_HEADS; i++)
		bus_message_free(messages[i]);
	return NULL;
}

static double seconds(clockid_t clock)
{
	struct timespec now;
	(void)clock_gettime(clock, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

int simulate_verify(const char *key_file, size_t zones, size_t size, size_t threads)
{
	pthread_barrier_t ready;
	struct part model = { .key = read_key(key_file), .size = size, .ready = &ready };
	int r = signing_key_trusted(model.key, &model.trusted);
	if (r < 0)
		simulate_die(key_file, r);
	pthread_barrier_init(&ready, NULL, (unsigned)threads + 1);
	struct part *parts = start_parts(&model, threads, zones, verify_part);
	pthread_barrier_wait(&ready);
	double wall = seconds(CLOCK_MONOTONIC), cpu = seconds(CLOCK_PROCESS_CPUTIME_ID);
	end_parts(parts, threads);
	printf("%.3f %.3f\n", seconds(CLOCK_MONOTONIC) - wall, seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu);
	pthread_barrier_destroy(&ready);
	trusted_keys_free(model.trusted);
	signing_key_free(model.key);
	return 0;
}
