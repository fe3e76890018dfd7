/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "secondary-syncer/apply.h"

#include <errno.h>
#include <malloc.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "common/cleanup.h"
#include "common/clock.h"
#include "common/error.h"
#include "common/zone_store.h"
#include "secondary-syncer/dns_answer.h"
#include "secondary-syncer/served.h"

#define ASK_AGAIN_US 3000000           /* PowerDNS may have dropped a request to retrieve: say it again */
#define JOINED_US 10000000             /* the same, where it was told of many at once */
#define AWAITED_US 300000              /* the same, where it was told beforehand */
#define CONFIRM_FIRST_US 500           /* PowerDNS has the whole zone and commits: look again soon … */
#define CONFIRM_CEILING_US 250000      /* … and then less and less often */
#define SHUT_OUT_US 3000000            /* so long refused: look whether it is the zone that is missing or the right to have it */
#define REPLACED_TRIES 3               /* then what came meanwhile has its turn */
#define GOOD_TIME_US 2000000           /* for a commit, and 1 s more per megabyte: PowerDNS needs a fraction of it … */
#define GOOD_TIME_OCTET_US 1           /* … unless what it was sent is a zone that it will never serve as it came */
#define SERIAL_FLUSH_US 50000          /* so long not served: flush, and again after twice that */
#define SMALL_ZONE 65536               /* octets of text up to which all commits take about the same time */
#define LARGE_ZONE (4 * 1024 * 1024)   /* octets of text after which freed memory is handed back to the system */

DEFINE_CLEANUP(spool, struct spool *, spool_free)
DEFINE_CLEANUP(message, struct bus_message *, bus_message_free)
DEFINE_CLEANUP(reader, struct zone_body_reader *, zone_body_reader_free)

/* One try at one zone. */
struct attempt {
	const struct applier *applier;
	struct pdns_api *api;
	const char *zone;
	unsigned wishes;
	const _Atomic bool *outdated; /* a newer head waits for this attempt to end */
	struct zone_head head;
	bool known;               /* the book has an entry */
	struct book_entry before; /* all zero if not known */
	struct book_entry after;  /* what the book is to say */
	struct spool *body;
	bool found;               /* PowerDNS had a zone of that name that the book did not know of */
	bool replaced;            /* by a newer head, while the body was read */
	struct applied *report;
};

static void explain(struct attempt *attempt, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void explain(struct attempt *attempt, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	(void)vsnprintf(attempt->report->reason, sizeof(attempt->report->reason), format, arguments);
	va_end(arguments);
}

static bool gives_up(const struct attempt *attempt) { return attempt->applier->stopping(attempt->applier->userdata); }

/* Sleeps in slices, so that the end of the daemon is not held up. */
static void pause_us(const struct attempt *attempt, uint64_t us)
{
	const uint64_t slice = 100000;
	while (us > 0 && !gives_up(attempt)) {
		uint64_t now = us < slice ? us : slice;
		struct timespec delay = { .tv_nsec = (long)now * 1000 };
		(void)nanosleep(&delay, NULL);
		us -= now;
	}
}

/* Errors of the PowerDNS API that mean that PowerDNS, not the zone, is the problem. */
static bool is_down(int error) { return error == -ECONNREFUSED || error == -ETIMEDOUT || error == ERROR_DENIED; }

/* How an attempt ends. The book is written before the caller acknowledges anything. */

static enum apply_outcome note_failure(struct attempt *attempt, enum applied_result result)
{
	struct book_entry entry = attempt->before;
	attempt->report->result = result;
	entry.result = result;
	snprintf(entry.reason, sizeof(entry.reason), "%s", attempt->report->reason);
	int r = applied_book_put(attempt->applier->book, attempt->zone, &entry);
	if (r < 0) {
		explain(attempt, "cannot write to state-dir: %s", error_text(r));
		return APPLY_WAITS; /* nothing noted, so nothing may be acknowledged */
	}
	return result == APPLIED_REFUSED ? APPLY_ENDED : APPLY_RETRY;
}

static enum apply_outcome failed(struct attempt *attempt, int error)
{
	if (gives_up(attempt)) {
		explain(attempt, "the daemon ends");
		return APPLY_WAITS;
	}
	if (!attempt->report->reason[0])
		explain(attempt, "%s", error_text(error));
	if (!is_down(error)) {
		int r = pdns_api_ping(attempt->api, NULL); /* whatever failed, it failed because PowerDNS went away */
		error = is_down(r) ? r : error;
	}
	if (is_down(error)) {
		explain(attempt, "%s (%s)", error_text(error), pdns_api_last_error(attempt->api));
		return APPLY_PDNS_DOWN;
	}
	return note_failure(attempt, APPLIED_FAILED);
}

static enum apply_outcome applied(struct attempt *attempt)
{
	struct book_entry *entry = &attempt->after;
	entry->state = attempt->head.state;
	entry->generation = attempt->head.generation;
	entry->sequence = attempt->head.sequence;
	entry->serial = attempt->head.facts.serial;
	entry->digest = attempt->head.facts.digest;
	entry->result = APPLIED_OK;
	entry->reason[0] = '\0';
	int r = applied_book_put(attempt->applier->book, attempt->zone, entry);
	if (r < 0) {
		explain(attempt, "cannot write to state-dir: %s", error_text(r));
		return APPLY_WAITS;
	}
	attempt->report->result = APPLIED_OK;
	attempt->report->reason[0] = '\0';
	return APPLY_ENDED;
}

/* The zone in PowerDNS: is it ours? */

static bool is_ours(const struct attempt *attempt, const struct pdns_zone *zone)
{
	return pdns_zone_is_secondary_of(zone, syncer_master(attempt->applier->options));
}

static enum apply_outcome conflict(struct attempt *attempt, const struct pdns_zone *zone)
{
	explain(attempt, "the zone here was not made by the suite (kind %s, masters %.64s): delete it, or set adopt = yes",
	        zone->kind, zone->masters[0] ? zone->masters : "none");
	return note_failure(attempt, APPLIED_CONFLICT);
}

enum made { MADE, MADE_CONFLICT, MADE_FAILED };

/* Sees to it that PowerDNS has the zone as a secondary of ours. Mostly it does not know it yet, so that is tried first. */
static enum made make_known(struct attempt *attempt, struct pdns_zone *zone, int *error)
{
	const char *master = syncer_master(attempt->applier->options);
	*error = pdns_api_create_secondary(attempt->api, attempt->zone, master);
	if (*error == 0)
		return MADE;
	if (*error == -EEXIST) {
		attempt->found = true;
		*error = pdns_api_zone(attempt->api, attempt->zone, zone);
	}
	if (*error < 0) {
		explain(attempt, "cannot make the zone: %s", pdns_api_last_error(attempt->api));
		return MADE_FAILED;
	}
	if (is_ours(attempt, zone))
		return MADE;
	if (!attempt->applier->options->adopt)
		return MADE_CONFLICT;
	*error = pdns_api_set_master(attempt->api, attempt->zone, master);
	if (*error < 0)
		explain(attempt, "cannot adopt the zone: %s", pdns_api_last_error(attempt->api));
	return *error < 0 ? MADE_FAILED : MADE;
}

/* Has PowerDNS queue the transfer; a zone that it turns out not to know, or to know as another kind, is made known first. */
static enum made ask_transfer(struct attempt *attempt, struct pdns_zone *zone, int *error)
{
	if (attempt->before.generation > 0 && attempt->before.state == ZONE_STATE_PRESENT && !(attempt->wishes & APPLY_FORCE)) {
		*error = pdns_api_retrieve(attempt->api, attempt->zone);
		if (*error == 0)
			return MADE;
		if (is_down(*error))
			return MADE_FAILED;
	}
	enum made made = make_known(attempt, zone, error);
	if (made != MADE)
		return made;
	*error = pdns_api_retrieve(attempt->api, attempt->zone);
	if (*error < 0)
		explain(attempt, "PowerDNS does not retrieve the zone: %s; pdns.conf needs secondary=yes (slave=yes)",
		        pdns_api_last_error(attempt->api));
	return *error < 0 ? MADE_FAILED : MADE;
}

/* The first time in an attempt. *joined: it was made along with others. */
static enum made ask_first(struct attempt *attempt, struct pdns_zone *zone, int *error, bool *joined)
{
	struct maker *maker = attempt->applier->maker;
	if (attempt->before.generation > 0 || (attempt->wishes & APPLY_FORCE)) /* most likely it is there */
		return ask_transfer(attempt, zone, error);
	*joined = maker_join(maker, attempt->api, attempt->zone);
	if (*joined)
		return MADE;
	enum made made = ask_transfer(attempt, zone, error);
	maker_leave(maker, attempt->api);
	return made;
}

/* Whether PowerDNS serves it. */

static int compare_served(const struct attempt *attempt)
{
	static const _Atomic bool never;
	const struct served_zone zone = { attempt->zone, attempt->head.facts.serial, &attempt->head.facts.digest };
	return served_compare(attempt->applier->options, &zone, attempt->applier->options->apply_timeout, &never);
}

/*
 * The serial tells that the commit is done only where it changes, and where PowerDNS had nothing else before than what the book
 * says. Then what is served can be read back later (prove.h).
 */
static bool is_told_by_serial(const struct attempt *attempt)
{
	const struct book_entry *before = &attempt->before;
	if ((attempt->wishes & APPLY_FORCE) || attempt->found || (attempt->known && before->result != APPLIED_OK))
		return false;
	return before->generation == 0 || (before->state == ZONE_STATE_PRESENT && before->serial != attempt->head.facts.serial);
}

/*
 * Asks for the serial once the commit should be done. Too early a question may have put what was there before, or that there was
 * nothing, into PowerDNS's caches while it committed: they are flushed when that seems so.
 */
static int await_serial(struct attempt *attempt)
{
	struct commit_pace *pace = attempt->applier->pace;
	uint32_t wanted = attempt->head.facts.serial;
	bool small = attempt->head.facts.size <= SMALL_ZONE;
	uint64_t start = clock_monotonic_us(), flush_us = SERIAL_FLUSH_US;
	uint64_t give_up_us = GOOD_TIME_US + attempt->head.facts.size * GOOD_TIME_OCTET_US;
	uint64_t delay = small ? commit_pace_guess(pace) : CONFIRM_FIRST_US;
	bool missed = false;
	for (;;) {
		pause_us(attempt, delay);
		uint64_t waited = clock_monotonic_us() - start;
		if (missed && waited > flush_us) {
			(void)pdns_api_flush(attempt->api, attempt->zone);
			flush_us *= 2;
		}
		uint32_t serial;
		int r = served_serial(attempt->applier->options, attempt->zone, &serial);
		if (r == 0 && serial == wanted) {
			if (small)
				commit_pace_learn(pace, missed, waited);
			return 0;
		}
		if (waited > give_up_us || r == -ECONNREFUSED || gives_up(attempt))
			return SERVED_OTHER_SERIAL;
		missed = true;
		delay = delay / 4 > CONFIRM_FIRST_US ? delay / 4 : CONFIRM_FIRST_US;
		if (delay < waited / 8)
			delay = waited / 8;
		delay = delay < CONFIRM_CEILING_US ? delay : CONFIRM_CEILING_US;
	}
}

/* A zone caught while it was being signed, for one, comes out of PowerDNS in another form: its successor is not to wait for that. */
static bool is_given_up(const struct attempt *attempt, uint64_t waited_us)
{
	return *attempt->outdated && waited_us > GOOD_TIME_US + attempt->head.facts.size * GOOD_TIME_OCTET_US;
}

/*
 * PowerDNS has fetched the zone and commits it. An AXFR reads past all its caches, so that asking early puts nothing old into
 * them, and it compares the whole content, not just the serial.
 */
static int confirm(struct attempt *attempt)
{
	bool small = attempt->head.facts.size <= SMALL_ZONE;
	struct commit_pace *pace = attempt->applier->pace;
	if (is_told_by_serial(attempt) && await_serial(attempt) == 0) {
		attempt->after.unproven = true;
		return 0;
	}
	uint64_t start = clock_monotonic_us();
	bool missed = false;
	uint64_t delay = small ? commit_pace_guess(pace) : CONFIRM_FIRST_US;
	uint64_t deadline = start + (uint64_t)attempt->applier->options->apply_timeout;
	if (small)
		pause_us(attempt, delay);
	delay = small && delay / 4 > CONFIRM_FIRST_US ? delay / 4 : CONFIRM_FIRST_US;
	for (;;) {
		uint64_t began = clock_monotonic_us();
		int r = compare_served(attempt);
		uint64_t now = clock_monotonic_us();
		if (r == 0 && small)
			commit_pace_learn(pace, missed, began - start);
		if (r == 0 || r == -ECONNREFUSED || now >= deadline || gives_up(attempt))
			return r; /* refused: PowerDNS ended, and what it had not committed ended with it */
		if (is_given_up(attempt, now - start))
			return ERROR_REPLAYED;
		if (now - start > SHUT_OUT_US && served_shuts_out(attempt->applier->options, attempt->zone, attempt->head.facts.serial, r))
			return r;
		missed = true;
		delay = delay < now - began ? now - began : delay; /* a large zone is not compared all the time */
		pause_us(attempt, delay);
		delay = delay * 3 / 2 < CONFIRM_CEILING_US ? delay * 3 / 2 : CONFIRM_CEILING_US;
	}
}

static int explain_confirm(struct attempt *attempt, int error)
{
	served_explain(attempt->applier->options, attempt->head.facts.serial, error, attempt->report->reason,
	               sizeof(attempt->report->reason));
	return ERROR_DNS;
}

/* Offers the zone, has PowerDNS fetch it, and waits until it serves it. */
static int transfer_in(struct attempt *attempt, struct transfer *transfer, struct pdns_zone *there, enum made *made)
{
	const struct applier *applier = attempt->applier;
	uint64_t deadline = clock_monotonic_us() + (uint64_t)applier->options->apply_timeout;
	int error = 0;
	bool first = true, joined = false, awaited = transfer_is_awaited(transfer);
	do {
		if (!awaited)
			*made = first ? ask_first(attempt, there, &error, &joined) : ask_transfer(attempt, there, &error);
		if (*made != MADE)
			return error < 0 ? error : ERROR_CONFLICT;
		error = transfer_wait(applier->transfers, transfer, 0, awaited ? AWAITED_US : first && joined ? JOINED_US : ASK_AGAIN_US);
		if (first && joined)
			maker_fetched(applier->maker, attempt->api, error != -ETIMEDOUT);
		first = awaited = false;
	} while (error == -ETIMEDOUT && clock_monotonic_us() < deadline);
	if (error < 0) {
		explain(attempt, "PowerDNS did not fetch the zone from %s: %s; see its log, and check pdns-master and dns-listen",
		        syncer_master(applier->options), error_text(error));
		return ERROR_DNS;
	}
	error = confirm(attempt);
	return error < 0 && error != ERROR_REPLAYED ? explain_confirm(attempt, error) : error;
}

/*
 * PowerDNS flushed its caches at its commit; this is for questions in flight then. Of a zone that was not there before nothing old
 * can be answered but that it is not there, which one question tells; that costs PowerDNS a twentieth of a request to its API.
 */
static void flush_caches(const struct attempt *attempt)
{
	uint32_t serial;
	if (attempt->before.generation == 0 && !(attempt->wishes & APPLY_FORCE) &&
	    (attempt->after.unproven || (served_serial(attempt->applier->options, attempt->zone, &serial) == 0 &&
	                                 serial == attempt->head.facts.serial)))
		return;
	(void)pdns_api_flush(attempt->api, attempt->zone);
}

static enum apply_outcome apply_content(struct attempt *attempt)
{
	const struct applier *applier = attempt->applier;
	struct transfer_offer offer = { .zone = attempt->zone, .facts = &attempt->head.facts, .body = attempt->body,
	                                .soa = attempt->after.soa, .soa_size = attempt->after.soa_size };
	struct transfer *transfer = NULL;
	struct pdns_zone there;
	enum made made = MADE;
	int r = transfers_open(applier->transfers, &offer, &transfer);
	if (r == 0)
		r = transfer_in(attempt, transfer, &there, &made);
	transfers_close(applier->transfers, transfer);
	if (made == MADE_CONFLICT)
		return conflict(attempt, &there);
	if (r == ERROR_REPLAYED) {
		explain(attempt, "PowerDNS does not serve it as it was sent, and a newer state has come");
		return APPLY_WAITS;
	}
	if (r < 0)
		return failed(attempt, r);
	flush_caches(attempt);
	return applied(attempt);
}

static enum apply_outcome apply_deletion(struct attempt *attempt)
{
	struct pdns_zone there;
	int r = pdns_api_zone(attempt->api, attempt->zone, &there);
	if (r == 0 && !is_ours(attempt, &there)) {
		if (attempt->before.generation == 0 || attempt->before.state == ZONE_STATE_DELETED)
			return applied(attempt); /* never ours: nothing of ours is here, which is what the deletion wants */
		return conflict(attempt, &there);
	}
	if (r == 0)
		r = maker_delete(attempt->applier->maker, attempt->api, attempt->zone);
	if (r < 0 && r != -ENOENT) {
		explain(attempt, "cannot delete the zone: %s", pdns_api_last_error(attempt->api));
		return failed(attempt, r);
	}
	return applied(attempt);
}

/* Keeps the SOA and its RRSIGs, which the DNS server answers with long after the body is gone. */
static int keep_soa(const struct record *record, void *userdata)
{
	struct book_entry *entry = userdata;
	bool is_soa = record->type == RECORD_TYPE_SOA;
	if (!is_soa && (record->type != RECORD_TYPE_RRSIG || record_rrsig_covers(record) != RECORD_TYPE_SOA))
		return 0;
	int size = dns_record_to_wire(record, entry->soa + entry->soa_size, BOOK_SOA_SIZE - entry->soa_size);
	if (size > 0)
		entry->soa_size += (uint32_t)size;
	return size < 0 && is_soa ? size : 0; /* signatures that do not fit are left out: SOA checks then go by the serial alone */
}

static int read_piece(const void *data, size_t size, void *userdata) { return zone_body_reader_feed(userdata, data, size); }

/* Gets the body, and checks it as it comes. */
static int fetch_body(const struct applier *applier, const struct zone_head *head, const struct bus_message *message,
                      struct book_entry *entry, struct spool **ret)
{
	CLEANUP(spool) struct spool *body = NULL;
	CLEANUP(reader) struct zone_body_reader *reader = NULL;
	const struct syncer_options *options = applier->options;
	entry->soa_size = 0;
	int r = zone_body_reader_new(&head->facts, keep_soa, entry, &reader);
	if (r < 0)
		return r;
	const struct zone_store_sink sink = { .folder = options->daemon.state_dir,
	                                      .memory_limit = (size_t)options->spool_memory,
	                                      .on_piece = read_piece,
	                                      .userdata = reader };
	r = zone_store_body(applier->bus, options->daemon.prefix, head, message, &sink, &body);
	r = r < 0 ? r : zone_body_reader_finish(reader);
	if (r < 0)
		return r;
	*ret = TAKE(body);
	return 0;
}

static bool is_refusal(int error)
{
	return error == ERROR_UNTRUSTED || error == ERROR_MALFORMED || error == ERROR_VERSION || error == ERROR_BODY ||
	       error == ERROR_REPLAYED;
}

static enum apply_outcome refuse(struct attempt *attempt, int error, const char *what)
{
	explain(attempt, "%s: %s", what, error_text(error));
	return note_failure(attempt, APPLIED_REFUSED);
}

/* The chunks of a body go as soon as a newer head is stored: is that why they are missing? */
static bool is_replaced(const struct attempt *attempt)
{
	const struct applier *applier = attempt->applier;
	struct zone_head newest;
	uint64_t sequence = 0;
	(void)zone_store_head(applier->bus, applier->options->daemon.prefix, applier->trusted, attempt->zone, &newest, &sequence,
	                      NULL);
	return sequence > attempt->head.sequence;
}

/* A head that verified. Decides what it takes to follow it. */
static enum apply_outcome follow_head(struct attempt *attempt, const struct bus_message *message)
{
	const struct zone_head *head = &attempt->head;
	const struct book_entry *before = &attempt->before;
	bool force = (attempt->wishes & APPLY_FORCE) != 0;
	attempt->report->generation = head->generation;
	attempt->report->serial = head->facts.serial;
	attempt->report->state = head->state;
	if (head->generation < before->generation)
		return refuse(attempt, ERROR_REPLAYED, "head");
	bool same_state = attempt->known && before->generation > 0 && before->state == head->state && before->result == APPLIED_OK;
	bool same_content = same_state && memcmp(&before->digest, &head->facts.digest, sizeof(head->facts.digest)) == 0;
	if (head->state == ZONE_STATE_DELETED)
		return same_state && !force ? applied(attempt) : apply_deletion(attempt);
	if (same_content && !force) {
		attempt->after = *before; /* a new generation of what is served already */
		return applied(attempt);
	}
	int r = fetch_body(attempt->applier, head, message, &attempt->after, &attempt->body);
	attempt->replaced = r == ERROR_BODY && head->place == ZONE_BODY_CHUNKS && is_replaced(attempt);
	if (is_refusal(r) && !attempt->replaced)
		return refuse(attempt, r, "body");
	if (r < 0) {
		explain(attempt, "cannot get the body out of the store into state-dir: %s", error_text(r));
		return APPLY_WAITS;
	}
	return apply_content(attempt);
}

/* Reads the head from the store or the message and verifies it. */
static int read_head(struct attempt *attempt, const struct bus_message **message, struct bus_message **ret_owned)
{
	const struct applier *applier = attempt->applier;
	const char *prefix = applier->options->daemon.prefix;
	uint64_t sequence;
	if (*message)
		return zone_head_decode(*message, prefix, applier->trusted, &attempt->head);
	int r = zone_store_head(applier->bus, prefix, applier->trusted, attempt->zone, &attempt->head, &sequence, ret_owned);
	*message = *ret_owned;
	return r;
}

/* head: NULL to read it from the store. */
static enum apply_outcome try_head(struct attempt *attempt, const struct bus_message *head)
{
	CLEANUP(message) struct bus_message *owned = NULL;
	struct applied *report = attempt->report;
	attempt->replaced = false;
	int r = read_head(attempt, &head, &owned);
	report->sequence = head ? bus_message_sequence(head) : 0;
	if (r == 0)
		return follow_head(attempt, head);
	if (is_refusal(r))
		return refuse(attempt, r, "head");
	if (r != -ENOENT) {
		explain(attempt, "cannot read the head from the store: %s", error_text(r));
		return APPLY_WAITS;
	}
	report->result = APPLIED_OK; /* the store knows nothing: nothing to do */
	report->generation = attempt->before.generation;
	return APPLY_ENDED;
}

enum apply_outcome apply_zone(const struct applier *applier, struct pdns_api *api, const char *zone, unsigned wishes,
                              const struct bus_message *head, const _Atomic bool *outdated, struct applied *ret_report)
{
	struct attempt *attempt = calloc(1, sizeof(*attempt)); /* too large for a worker's stack */
	if (!attempt)
		return APPLY_WAITS;
	*attempt = (struct attempt){ .applier = applier, .api = api, .zone = zone, .wishes = wishes, .outdated = outdated,
	                              .report = ret_report };
	uint64_t began = clock_monotonic_us();
	snprintf(ret_report->zone, sizeof(ret_report->zone), "%s", zone);
	attempt->known = applied_book_get(applier->book, zone, &attempt->before) == 0;
	enum apply_outcome outcome = try_head(attempt, head);
	for (int i = 0; i < REPLACED_TRIES && attempt->replaced; i++)
		outcome = try_head(attempt, NULL);
	ret_report->took_us = clock_monotonic_us() - began;
	ret_report->at_us = clock_realtime_us();
	bool large = attempt->head.facts.size > LARGE_ZONE;
	spool_free(attempt->body);
	free(attempt);
	if (large)
		malloc_trim(0);
	return outcome;
}

int apply_fetch(const char *zone, struct transfer **ret, void *userdata)
{
	const struct applier *applier = userdata;
	CLEANUP(message) struct bus_message *message = NULL;
	CLEANUP(spool) struct spool *body = NULL;
	struct zone_head head;
	uint64_t sequence;
	struct book_entry before, entry = { 0 };
	/* Only a zone of ours, and no other state of it than was applied: newer heads come in through apply_zone. */
	if (applied_book_get(applier->book, zone, &before) < 0 || before.state != ZONE_STATE_PRESENT || before.generation == 0)
		return -ENOENT;
	int r = zone_store_head(applier->bus, applier->options->daemon.prefix, applier->trusted, zone, &head, &sequence, &message);
	if (r < 0)
		return r == -ENOENT ? ERROR_NO_STREAM : r;
	if (head.state != ZONE_STATE_PRESENT || head.generation < before.generation)
		return ERROR_REPLAYED;
	r = fetch_body(applier, &head, message, &entry, &body);
	if (r < 0)
		return r;
	struct transfer_offer offer = { .zone = zone, .facts = &head.facts, .body = body, .soa = entry.soa, .soa_size = entry.soa_size };
	return transfer_new(&offer, ret);
}
