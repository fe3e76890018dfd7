/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "zone-provider/publish.h"

#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <string.h>

#include "common/axfr_client.h"
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/coming.h"
#include "common/error.h"
#include "common/subject.h"
#include "common/zone_store.h"
#include "zone-provider/provider_metrics.h"

#define CONFLICT_TRIES 8
#define GATHERING 12 /* times axfr-timeout: PowerDNS has begun, and reads all of a large zone before it sends on */
#define LARGE_ZONE (4 * 1024 * 1024) /* octets of text after which freed memory is handed back to the system */

DEFINE_CLEANUP(spool, struct spool *, spool_free)
DEFINE_CLEANUP(writer, struct zone_body_writer *, zone_body_writer_free)

/* One try at one zone. */
struct attempt {
	const struct publisher *publisher;
	struct pdns_api *api;
	const char *zone;
	unsigned wishes;
	uint64_t covers_event;
	bool has_head;       /* the store has a head that verifies */
	bool from_cache;     /* or had, when we stored it */
	struct zone_head head;
	uint64_t sequence;   /* of whatever the store has; 0: nothing */
	char *reason;
	size_t reason_size;
};

#define EXPLAIN(attempt, ...) ((void)snprintf((attempt)->reason, (attempt)->reason_size, __VA_ARGS__))

static int read_head(struct attempt *attempt)
{
	const struct publisher *publisher = attempt->publisher;
	attempt->from_cache = false;
	int r = zone_store_head(publisher->bus, publisher->options->daemon.prefix, publisher->trusted, attempt->zone,
	                        &attempt->head, &attempt->sequence, NULL);
	attempt->has_head = r == 0;
	if (r == -ENOENT) {
		attempt->sequence = 0;
		return 0;
	}
	if (r == ERROR_UNTRUSTED || r == ERROR_MALFORMED || r == ERROR_VERSION) {
		COUNT(METRIC_HEADS_REPLACED);
		return 0;
	}
	if (r < 0) {
		COUNT(METRIC_STORE_FAILED);
		EXPLAIN(attempt, "cannot read the zone store: %s", error_text(r));
	}
	return r;
}

/* The head that we stored last serves as well, until something is to be concluded from it but that there is a newer one. */
static int recall_head(struct attempt *attempt)
{
	if ((attempt->wishes & (PUBLISH_REWRITE | PUBLISH_DELETION)) ||
	    !head_cache_get(attempt->publisher->heads, attempt->zone, &attempt->head))
		return read_head(attempt);
	attempt->has_head = attempt->from_cache = true;
	attempt->sequence = attempt->head.sequence;
	return 0;
}

/* Strictly growing per zone, whatever the clocks of several providers say. */
static uint64_t next_generation(const struct attempt *attempt)
{
	uint64_t now = clock_realtime_us();
	return attempt->has_head && attempt->head.generation >= now ? attempt->head.generation + 1 : now;
}

static int store(struct attempt *attempt, struct zone_head *head, struct spool *body)
{
	const struct publisher *publisher = attempt->publisher;
	const char *prefix = publisher->options->daemon.prefix;
	snprintf(head->zone, sizeof(head->zone), "%s", attempt->zone);
	head->generation = next_generation(attempt);
	head->covers_event = attempt->covers_event;
	uint64_t sequence;
	int r = zone_store_put(publisher->bus, prefix, publisher->key, head, body, attempt->sequence, &sequence);
	if (r < 0)
		head_cache_drop(publisher->heads, attempt->zone);
	if (r == ERROR_CONFLICT) {
		COUNT(METRIC_CONFLICTS);
		EXPLAIN(attempt, "the zone's head changed again and again while it was stored");
		return r;
	}
	if (r < 0) {
		COUNT(METRIC_STORE_FAILED);
		EXPLAIN(attempt, "cannot write to the zone store: %s", error_text(r));
		return r;
	}
	head->sequence = sequence;
	head_cache_put(publisher->heads, head);
	if (attempt->has_head && attempt->head.place == ZONE_BODY_CHUNKS)
		(void)zone_store_drop_body(publisher->bus, prefix, attempt->head.body_id); /* else the sweep finds it */
	return 0;
}

/* 0: the primary has the zone; -ENOENT: the primary itself says that it has not. */
static int ask_primary(struct attempt *attempt, struct pdns_zone *ret_zone)
{
	int r = pdns_api_zone(attempt->api, attempt->zone, ret_zone);
	if (r < 0 && r != -ENOENT)
		EXPLAIN(attempt, "cannot ask PowerDNS whether it has the zone: %s (%s); check pdns-api-url and pdns-api-key-file",
		        error_text(r), pdns_api_last_error(attempt->api));
	return r;
}

static int publish_deletion(struct attempt *attempt, struct publish_result *result)
{
	bool asked = (attempt->wishes & PUBLISH_DELETION) != 0;
	bool deleted_before = attempt->has_head && attempt->head.state == ZONE_STATE_DELETED;
	result->generation = attempt->has_head ? attempt->head.generation : 0;
	if (!asked && !deleted_before && attempt->sequence > 0) {
		COUNT(METRIC_GONE_UNASKED);
		result->outcome = PUBLISH_GONE_UNASKED;
		return 0;
	}
	result->outcome = PUBLISH_UNCHANGED; /* also of a zone that the store never had: a request that made none */
	if (deleted_before ? !(attempt->wishes & PUBLISH_REWRITE) : !asked)
		return 0;
	struct zone_head head = { .state = ZONE_STATE_DELETED, .place = ZONE_BODY_NONE };
	int r = store(attempt, &head, NULL);
	if (r < 0)
		return r;
	COUNT(METRIC_DELETED);
	result->outcome = PUBLISH_DELETED;
	result->generation = head.generation;
	return 0;
}

static void explain_transfer(struct attempt *attempt, int error, const struct pdns_zone *zone)
{
	const char *server = attempt->publisher->options->primary_dns;
	if (error == ERROR_TSIG)
		EXPLAIN(attempt, "AXFR from %s: %s; axfr-tsig-file must hold the key that pdnsutil activate-tsig-key set for the zone "
		        "(TSIG-ALLOW-AXFR)", server, error_text(error));
	else if (error == ERROR_DNS_REFUSED || error == ERROR_NOT_AUTH)
		EXPLAIN(attempt, "AXFR from %s: %s, although PowerDNS has the zone (kind %s, serial %u); allow this host in allow-axfr-ips or "
		        "set axfr-tsig-file; a zone with NSEC3 in narrow mode cannot be transferred: pdnsutil set-nsec3 %s without "
		        "narrow", server, error_text(error), zone->kind, zone->serial, attempt->zone);
	else
		EXPLAIN(attempt, "AXFR from %s: %s; check primary-dns", server, error_text(error));
}

/* What comes from the primary, and why it could not be kept. */
struct keeping {
	struct zone_body_writer *writer;
	int error;
};

static int keep_record(const struct record *record, void *userdata)
{
	struct keeping *keeping = userdata;
	keeping->error = zone_body_writer_add(record, keeping->writer);
	return keeping->error;
}

static int transfer(struct attempt *attempt, struct zone_body_facts *ret_facts, struct spool **ret_body)
{
	const struct provider_options *options = attempt->publisher->options;
	CLEANUP(writer) struct zone_body_writer *writer = NULL;
	int r = zone_body_writer_new(options->daemon.state_dir, (size_t)options->spool_memory, &writer);
	if (r < 0)
		return r;
	struct axfr_source source = { .server = options->primary_dns,
	                              .tsig = attempt->publisher->tsig,
	                              .timeout_us = options->axfr_timeout,
	                              .later_timeout_us = options->axfr_timeout * GATHERING };
	struct axfr_failure failure;
	COUNT(METRIC_TRANSFERS);
	struct keeping keeping = { .writer = writer };
	r = axfr_fetch(&source, attempt->zone, keep_record, &keeping, &failure);
	if (r == 0)
		r = keeping.error = zone_body_writer_finish(writer, ret_facts, ret_body);
	if (keeping.error < 0)
		EXPLAIN(attempt, "cannot keep the zone in state-dir (%s): %s", options->daemon.state_dir, error_text(r));
	return r;
}

/* A transfer failed: because the zone is gone, or for a reason that wants mending? */
static int after_failed_transfer(struct attempt *attempt, int error, struct publish_result *result)
{
	struct pdns_zone zone;
	int r = attempt->from_cache ? read_head(attempt) : 0;
	if (r < 0)
		return r;
	r = ask_primary(attempt, &zone);
	if (r == -ENOENT)
		return publish_deletion(attempt, result);
	if (r == 0 && error == ERROR_NOT_AUTH && zone.serial == 0 && zone.edited_serial == 0) {
		result->outcome = PUBLISH_EMPTY; /* whatever fills it causes an event, or is found by the scan */
		result->generation = attempt->has_head ? attempt->head.generation : 0;
		return 0;
	}
	COUNT(METRIC_TRANSFERS_FAILED);
	if (r < 0)
		return r;
	if (!attempt->reason[0])
		explain_transfer(attempt, error, &zone);
	return error;
}

static bool is_equal(const struct attempt *attempt, const struct zone_body_facts *facts)
{
	return attempt->has_head && attempt->head.state == ZONE_STATE_PRESENT &&
	       memcmp(&attempt->head.facts.digest, &facts->digest, sizeof(facts->digest)) == 0;
}

/* Before nothing is written because nothing changed. ERROR_CONFLICT: another head stands, which may be newer than this transfer. */
static int see_that_it_stands(struct attempt *attempt)
{
	uint64_t sequence = attempt->sequence;
	int r = read_head(attempt);
	if (r < 0 || attempt->sequence == sequence)
		return r;
	head_cache_drop(attempt->publisher->heads, attempt->zone);
	return ERROR_CONFLICT;
}

/* While the primary signs and sends, the secondaries can have their PowerDNS ready. */
static void announce(const struct attempt *attempt)
{
	const struct publisher *publisher = attempt->publisher;
	const struct zone_head *head = &attempt->head;
	if (!(attempt->wishes & PUBLISH_ANNOUNCE) || !attempt->has_head || head->state != ZONE_STATE_PRESENT ||
	    head->facts.size > COMING_SIZE_MAX)
		return;
	char subject[SUBJECT_SIZE];
	struct coming coming = { .follows = head->generation };
	snprintf(coming.zone, sizeof(coming.zone), "%s", attempt->zone);
	CLEANUP(free) char *text = NULL;
	subject_coming(publisher->options->daemon.prefix, publisher->id, subject);
	if (coming_encode(&coming, &text) == 0)
		(void)bus_publish(publisher->bus, subject, text, strlen(text));
}

static int publish_content(struct attempt *attempt, struct publish_result *result)
{
	CLEANUP(spool) struct spool *body = NULL;
	struct zone_head head = { .state = ZONE_STATE_PRESENT };
	announce(attempt);
	int r = transfer(attempt, &head.facts, &body);
	if (r < 0)
		return after_failed_transfer(attempt, r, result);
	if (attempt->from_cache && is_equal(attempt, &head.facts)) {
		r = see_that_it_stands(attempt);
		if (r < 0)
			return r;
	}
	uint64_t size = head.facts.size;
	result->serial = head.facts.serial;
	result->records = head.facts.records;
	if (is_equal(attempt, &head.facts) && !(attempt->wishes & PUBLISH_REWRITE)) {
		COUNT(METRIC_UNCHANGED);
		result->outcome = PUBLISH_UNCHANGED;
		result->generation = attempt->head.generation;
	} else {
		r = store(attempt, &head, body);
		if (r == 0) {
			COUNT(METRIC_PUBLISHED);
			result->outcome = PUBLISH_STORED;
			result->generation = head.generation;
		}
	}
	if (size > LARGE_ZONE)
		malloc_trim(0);
	return r;
}

int publish_zone(const struct publisher *publisher, struct pdns_api *api, const char *zone, unsigned wishes,
                 uint64_t covers_event, struct publish_result *ret_result, char *reason, size_t reason_size)
{
	int r = ERROR_CONFLICT;
	struct publish_result result = { 0 };
	/* The head is read before the transfer: whoever replaces it meanwhile has seen content as new as ours, or newer. */
	for (unsigned try = 0; try < CONFLICT_TRIES && r == ERROR_CONFLICT; try++) {
		struct attempt attempt = { .publisher = publisher, .api = api, .zone = zone, .wishes = wishes,
		                           .covers_event = covers_event, .reason = reason, .reason_size = reason_size };
		reason[0] = '\0';
		r = recall_head(&attempt);
		if (r < 0)
			return r;
		if (wishes & PUBLISH_DELETION) {
			struct pdns_zone there;
			r = ask_primary(&attempt, &there);
			if (r == -ENOENT) {
				r = publish_deletion(&attempt, &result);
				continue;
			}
			if (r < 0)
				return r;
		}
		r = publish_content(&attempt, &result);
	}
	if (r == 0)
		*ret_result = result;
	else if (!reason[0])
		snprintf(reason, reason_size, "%s", error_text(r));
	return r;
}
