/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a head makes a secondary do, and above all what it must not make it do. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <sodium.h>

#include "common/cleanup.h"
#include "common/error.h"
#include "common/spool.h"
#include "common/zone_store.h"
#include "http-stub.h"
#include "nats-server.h"
#include "secondary-syncer/apply.h"

#define PREFIX "pdns"
#define S "/api/v1/servers/localhost"
#define SERVER { "GET " S " ", "200 OK", "{\"type\":\"Server\",\"daemon_type\":\"authoritative\",\"version\":\"4.7.3\"}" }
#define NO_ZONE { "GET " S "/zones/", "404 Not Found", "Not Found" }
#define NATIVE(name) { "GET " S "/zones/", "200 OK", "{\"name\":\"" name "\",\"kind\":\"Native\",\"masters\":[]}" }
#define END { NULL, NULL, NULL }

DEFINE_CLEANUP(message, struct bus_message *, bus_message_free)
DEFINE_CLEANUP(spool, struct spool *, spool_free)

static struct nats_server server;
static struct bus *bus;
static struct signing_key *key;
static struct trusted_keys *trusted;
static struct applied_book *book;
static struct transfers *transfers;
static struct syncer_options options;
static struct applier applier;
static struct commit_pace pace = COMMIT_PACE_INITIAL;
static struct maker *maker;

static int is_stopping(void *userdata)
{
	(void)userdata;
	return 0;
}

static void make_keys(void)
{
	char private_file[96], public_file[96], text[256] = "", id[KEY_ID_SIZE];
	snprintf(private_file, sizeof(private_file), "%s/private", server.folder);
	snprintf(public_file, sizeof(public_file), "%s/public", server.folder);
	assert_int_equal(signing_key_generate(private_file, public_file, id), 0);
	FILE *file = fopen(private_file, "r");
	assert_non_null(file);
	assert_true(fread(text, 1, sizeof(text) - 1, file) > 0);
	fclose(file);
	assert_int_equal(signing_key_parse(text, &key), 0);
	assert_int_equal(signing_key_trusted(key, &trusted), 0);
}

static int setup(void **state)
{
	(void)state;
	static char folder[96];
	if (sodium_init() < 0)
		return -1;
	nats_server_init(&server, NULL);
	bus = nats_server_bus(&server, NULL, NULL);
	make_keys();
	for (int i = 0; i < 200 && zone_store_ensure(bus, PREFIX, 1) < 0; i++) /* JetStream may need a moment */
		usleep(50000);
	snprintf(folder, sizeof(folder), "%s/applied", server.folder);
	if (applied_book_open(folder, &book) < 0 || transfers_new(&transfers) < 0 ||
	    maker_new(transfers, "127.0.0.1:5380", server.folder, &maker) < 0)
		return -1;
	options = (struct syncer_options){ .daemon = { .prefix = PREFIX, .state_dir = server.folder }, .dns_listen = "127.0.0.1:5380",
	                                   .secondary_dns = "127.0.0.1:1", .apply_timeout = 1000000, .spool_memory = 1 << 20 };
	applier = (struct applier){ .bus = bus, .options = &options, .trusted = trusted, .book = book, .transfers = transfers, .pace = &pace,
	                            .maker = maker,
	                            .stopping = is_stopping };
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	applied_book_close(book);
	maker_free(maker);
	transfers_free(transfers);
	signing_key_free(key);
	trusted_keys_free(trusted);
	bus_close(bus);
	nats_server_end(&server);
	return 0;
}

/* Stores a deletion, or a head whose body is so large that it lies in chunks. */
static void store(const char *zone, enum zone_state state, uint64_t generation, uint64_t expected, struct zone_head *ret)
{
	static uint8_t noise[400000];
	CLEANUP(spool) struct spool *body = NULL;
	struct zone_head head = { .state = state, .generation = generation };
	uint64_t sequence;
	strcpy(head.zone, zone);
	if (state == ZONE_STATE_PRESENT) {
		randombytes_buf(noise, sizeof(noise));
		head.facts = (struct zone_body_facts){ .serial = 1, .records = 1, .size = sizeof(noise) };
		assert_int_equal(spool_new("/tmp", 1 << 20, &body), 0);
		assert_int_equal(spool_write(body, noise, sizeof(noise)), 0);
		assert_int_equal(spool_finish(body), 0);
	}
	assert_int_equal(zone_store_put(bus, PREFIX, key, &head, body, expected, &sequence), 0);
	*ret = head;
}

static struct bus_message *message_of(const char *zone, struct zone_head *ret_head, uint64_t *ret_sequence)
{
	struct bus_message *message = NULL;
	assert_int_equal(zone_store_head(bus, PREFIX, trusted, zone, ret_head, ret_sequence, &message), 0);
	return message;
}

static void note(const char *zone, enum zone_state state, uint64_t generation)
{
	struct book_entry entry = { .state = state, .generation = generation };
	assert_int_equal(applied_book_put(book, zone, &entry), 0);
}

static const _Atomic bool no_newer;

/* Applies against a PowerDNS that says this; last: the last request that it got. */
static enum apply_outcome apply(const struct http_route *routes, const char *zone, const struct bus_message *message,
                                struct applied *report, char last[512])
{
	struct http_stub stub;
	struct pdns_api *api;
	memset(report, 0, sizeof(*report));
	http_stub_start(&stub, routes);
	assert_int_equal(pdns_api_new(stub.url, "key", 1000000, &api), 0);
	enum apply_outcome outcome = apply_zone(&applier, api, zone, 0, message, &no_newer, report);
	pdns_api_free(api);
	http_stub_stop(&stub);
	strcpy(last, stub.last);
	return outcome;
}

static void a_head_replaced_while_its_body_is_read_is_passed_over(void **state)
{
	(void)state;
	static const struct http_route routes[] = { NO_ZONE, SERVER, END };
	struct zone_head head;
	struct applied report;
	uint64_t sequence;
	char last[512];
	store("replaced.test.", ZONE_STATE_PRESENT, 5, 0, &head);
	CLEANUP(message) struct bus_message *message = message_of("replaced.test.", &head, &sequence);
	store("replaced.test.", ZONE_STATE_DELETED, 6, sequence, &head);
	struct zone_head old;
	assert_int_equal(zone_head_decode(message, PREFIX, trusted, &old), 0);
	assert_int_equal(zone_store_drop_body(bus, PREFIX, old.body_id), 0);
	assert_int_equal(apply(routes, "replaced.test.", message, &report, last), APPLY_ENDED);
	assert_int_equal(report.result, APPLIED_OK);
	assert_int_equal(report.generation, 6);
	assert_int_equal(report.state, ZONE_STATE_DELETED);
}

static void a_body_that_is_missing_is_refused(void **state)
{
	(void)state;
	static const struct http_route routes[] = { NO_ZONE, SERVER, END };
	struct zone_head head;
	struct applied report;
	struct book_entry entry;
	char last[512];
	store("missing.test.", ZONE_STATE_PRESENT, 5, 0, &head);
	assert_int_equal(zone_store_drop_body(bus, PREFIX, head.body_id), 0);
	assert_int_equal(apply(routes, "missing.test.", NULL, &report, last), APPLY_ENDED);
	assert_int_equal(report.result, APPLIED_REFUSED);
	assert_int_equal(applied_book_get(book, "missing.test.", &entry), 0);
	assert_int_equal(entry.generation, 0);
	assert_int_equal(entry.result, APPLIED_REFUSED);
	assert_string_equal(last, ""); /* PowerDNS was not bothered */
}

static void what_is_older_is_refused(void **state)
{
	(void)state;
	static const struct http_route routes[] = { SERVER, END };
	struct zone_head head;
	struct applied report;
	char last[512];
	store("old.test.", ZONE_STATE_DELETED, 5, 0, &head);
	note("old.test.", ZONE_STATE_PRESENT, 6);
	assert_int_equal(apply(routes, "old.test.", NULL, &report, last), APPLY_ENDED);
	assert_int_equal(report.result, APPLIED_REFUSED);
	assert_string_equal(last, "");
	struct transfer *transfer;
	assert_int_equal(apply_fetch("old.test.", &transfer, &applier), ERROR_REPLAYED);
	assert_int_equal(apply_fetch("unknown.test.", &transfer, &applier), -ENOENT);
}

static void a_zone_that_is_not_ours_is_never_deleted(void **state)
{
	(void)state;
	static const struct http_route never[] = { NATIVE("never.test."), SERVER, END };
	static const struct http_route once[] = { NATIVE("once.test."), SERVER, END };
	struct zone_head head;
	struct applied report;
	char last[512];
	store("never.test.", ZONE_STATE_DELETED, 5, 0, &head);
	assert_int_equal(apply(never, "never.test.", NULL, &report, last), APPLY_ENDED);
	assert_int_equal(report.result, APPLIED_OK);
	assert_int_equal(strncmp(last, "GET ", 4), 0);
	store("once.test.", ZONE_STATE_DELETED, 5, 0, &head);
	note("once.test.", ZONE_STATE_PRESENT, 4);
	assert_int_equal(apply(once, "once.test.", NULL, &report, last), APPLY_RETRY);
	assert_int_equal(report.result, APPLIED_CONFLICT);
	assert_int_equal(strncmp(last, "GET ", 4), 0);
}

static void while_powerdns_is_away_nothing_is_noted(void **state)
{
	(void)state;
	static const struct http_route nothing[] = { END };
	static const struct http_route denied[] = { { "", "401 Unauthorized", "Unauthorized" }, END };
	struct zone_head head;
	struct applied report;
	struct book_entry entry;
	char last[512];
	store("away.test.", ZONE_STATE_DELETED, 5, 0, &head);
	assert_int_equal(apply(nothing, "away.test.", NULL, &report, last), APPLY_PDNS_DOWN);
	assert_int_equal(apply(denied, "away.test.", NULL, &report, last), APPLY_PDNS_DOWN);
	assert_int_equal(applied_book_get(book, "away.test.", &entry), -ENOENT);
}

static void without_a_head_nothing_is_done(void **state)
{
	(void)state;
	static const struct http_route routes[] = { SERVER, END };
	struct applied report;
	char last[512];
	note("lost.test.", ZONE_STATE_PRESENT, 4);
	assert_int_equal(apply(routes, "lost.test.", NULL, &report, last), APPLY_ENDED);
	assert_int_equal(report.generation, 4);
	assert_string_equal(last, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_head_replaced_while_its_body_is_read_is_passed_over),
		cmocka_unit_test(a_body_that_is_missing_is_refused),
		cmocka_unit_test(what_is_older_is_refused),
		cmocka_unit_test(a_zone_that_is_not_ours_is_never_deleted),
		cmocka_unit_test(while_powerdns_is_away_nothing_is_noted),
		cmocka_unit_test(without_a_head_nothing_is_done),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
