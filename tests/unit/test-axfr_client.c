/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <libknot/libknot.h>
#include <netinet/in.h>
#include <pthread.h>
#include <time.h>
#include "common/axfr_client.h"
#include "common/cleanup.h"
#include "common/error.h"
#include "pdns-server.h"

#define SECRET "c2VjcmV0IG9mIHRoZSB0cmFuc2ZlciB0ZXN0IQ=="
#define TSIG_TEXT "hmac-sha256:transfer.:" SECRET
#define TIMEOUT_US 5000000

static struct pdns_server server;
static bool have_server;

/* What a visit saw. */
struct seen {
	unsigned records, types[260], mixed_case;
	bool soa_first;
	unsigned stop_at;
};

static int see(const struct record *record, void *userdata)
{
	struct seen *seen = userdata;

	if (seen->records++ == 0)
		seen->soa_first = record->type == RECORD_TYPE_SOA;
	if (record->type < ARRAY_SIZE(seen->types))
		seen->types[record->type]++;
	if (memcmp(record->owner, "\7MixCase", 8) == 0)
		seen->mixed_case++;
	assert_int_equal(record_check(record), 0);
	return seen->stop_at && seen->records == seen->stop_at ? -ECANCELED : 0;
}

/* Real transfers. */

static const char zones_script[] =
	"cat > plain.zone <<'END'\n"
	"plain.test. 3600 IN SOA ns.plain.test. admin.plain.test. 7 3600 600 86400 60\n"
	"plain.test. 3600 IN NS ns.plain.test.\n"
	"name.plain.test. 60 IN A 192.0.2.1\n"
	"*.plain.test. 60 IN TXT \"a\" \"b\\\"c\\\\\"\n"
	"sub.plain.test. 60 IN NS ns.Sub.plain.test.\n"
	"alias.plain.test. 60 IN ALIAS other.test.\n"
	"lua.plain.test. 60 IN LUA A \"ifportup(443, {'192.0.2.1'})\"\n"
	"unknown.plain.test. 60 IN TYPE65400 \\# 3 010203\n"
	"END\n"
	"for zone in signed nsec3 keyed refused narrow big; do sed \"s/plain\\.test\\./$zone.test./g\" plain.zone > $zone.zone; done\n"
	"seq 1 20000 | sed 's/.*/host&.big.test. 60 IN A 192.0.2.7/' >> big.zone\n"
	"for zone in plain signed nsec3 keyed refused narrow big; do $util load-zone $zone.test $zone.zone; done\n"
	"for zone in plain signed nsec3 narrow big; do $util set-meta $zone.test ALLOW-AXFR-FROM 127.0.0.0/8; done\n"
	"$util secure-zone signed.test; $util secure-zone nsec3.test; $util set-nsec3 nsec3.test '1 0 0 -'\n"
	"$util secure-zone narrow.test; $util set-nsec3 narrow.test '1 0 0 -' narrow\n"
	"for zone in plain signed nsec3 keyed refused narrow big; do $util rectify-zone $zone.test; done\n"
	"$util import-tsig-key transfer hmac-sha256 " SECRET "\n"
	"$util import-tsig-key unused hmac-sha256 " SECRET "\n"
	"for zone in keyed big signed; do $util activate-tsig-key $zone.test transfer primary; done\n";

static struct axfr_source source_of(const char *address, const struct tsig_key *key)
{
	return (struct axfr_source) { .server = address, .tsig = key, .timeout_us = TIMEOUT_US };
}

static int start_server(void **state)
{
	(void)state;
	have_server = pdns_server_available();
	if (!have_server)
		return 0;
	pdns_server_start(&server, zones_script);
	struct axfr_source source = source_of(server.address, NULL);
	source.timeout_us = 300000;
	for (int tries = 0; tries < 100; tries++) {
		uint32_t serial;
		if (axfr_ask_serial(&source, "plain.test.", &serial) == 0)
			return 0;
		nanosleep(&(struct timespec) { .tv_nsec = 50000000 }, NULL);
	}
	return -1;
}

static int stop_server(void **state)
{
	(void)state;
	if (have_server)
		pdns_server_stop(&server);
	return 0;
}

static struct tsig_key *key_of(const char *text)
{
	struct tsig_key *key = NULL;

	assert_int_equal(tsig_key_new(text, &key), 0);
	return key;
}

static void test_transfers(void **state)
{
	(void)state;
	static const struct { const char *zone, *key; int want; unsigned records, nsec, nsec3, rrsig; } rows[] = {
		{ "plain.test.", NULL, 0, 8, 0, 0, 0 },
		{ "signed.test.", NULL, 0, 0, 7, 0, 15 },
		{ "signed.test.", TSIG_TEXT, 0, 0, 7, 0, 15 },
		{ "nsec3.test.", NULL, 0, 0, 0, 7, 16 },
		{ "keyed.test.", TSIG_TEXT, 0, 8, 0, 0, 0 },
		{ "big.test.", NULL, 0, 20008, 0, 0, 0 },
		{ "big.test.", TSIG_TEXT, 0, 20008, 0, 0, 0 },
		{ "keyed.test.", NULL, ERROR_NOT_AUTH, 0, 0, 0, 0 },
		{ "refused.test.", NULL, ERROR_NOT_AUTH, 0, 0, 0, 0 },
		{ "unknown.test.", NULL, ERROR_NOT_AUTH, 0, 0, 0, 0 },
		{ "narrow.test.", NULL, ERROR_DNS_REFUSED, 0, 0, 0, 0 },
		{ "keyed.test.", "hmac-sha256:transfer.:AAAA", ERROR_NOT_AUTH, 0, 0, 0, 0 },
		{ "keyed.test.", "hmac-sha256:nobody.:AAAA", ERROR_NOT_AUTH, 0, 0, 0, 0 },
		{ "keyed.test.", "hmac-sha256:unused.:" SECRET, ERROR_NOT_AUTH, 0, 0, 0, 0 },
	};

	if (!have_server)
		skip();
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct tsig_key *key = rows[i].key ? key_of(rows[i].key) : NULL;
		struct axfr_source source = source_of(server.address, key);
		struct seen seen = { 0 };
		struct axfr_failure failure;
		int result = axfr_fetch(&source, rows[i].zone, see, &seen, &failure);
		tsig_key_free(key);
		if (result != rows[i].want)
			fail_msg("%s: %s, wanted %s", rows[i].zone, error_text(result), error_text(rows[i].want));
		if (result < 0)
			continue;
		assert_true(seen.soa_first);
		assert_int_equal(seen.types[RECORD_TYPE_SOA], 1);
		if (rows[i].records)
			assert_int_equal(seen.records, rows[i].records);
		assert_int_equal(seen.types[47], rows[i].nsec);
		assert_int_equal(seen.types[50], rows[i].nsec3);
		assert_int_equal(seen.types[46], rows[i].rrsig);
	}
}

/* A fake server: one connection, one answer that a line of text describes. */

struct fake {
	/*
	 * Messages of the answer, parted by '|', each letter a record: S the SOA, T another SOA, A an address of a name in
	 * mixed case, O a name out of the zone, U a name that only ends in the zone's letters, C a class, M malformed rdata,
	 * D an SOA below the apex, Q a query type, 1 to 9: that many copies of A.
	 */
	const char *messages;
	const char *sign;            /* a letter a message: s signed, u unsigned, b signed and then changed */
	int rcode, flags, id_change; /* of every message; flags are exclusive-ored onto octet 2 */
	int question;                /* 0 in the first message, 1 never, 2 another one, 3 in each */
	int cut;                     /* octets to leave off the last message */
	int garbage;                 /* octets to append to the last message, within its length */
	bool silent;                 /* say nothing and keep the connection */
	int pause_us;                /* before the second message */
	bool hold;                   /* send all and keep the connection: the client must end by itself */
};

struct fake_server {
	struct fake fake;
	const struct tsig_key *key;
	int listener;
	char address[32];
	pthread_t thread;
};

struct builder {
	uint8_t wire[65535];
	size_t size;
};

static void put(struct builder *builder, const void *data, size_t size)
{
	memcpy(builder->wire + builder->size, data, size);
	builder->size += size;
}

#define PUT(builder, literal) put(builder, literal, sizeof(literal) - 1)

static void put_record(struct builder *builder, char letter)
{
	switch (letter) {
	case 'S': PUT(builder, "\4FAKE\4test\0\0\6\0\1\0\0\0\74\0\26\0\0\0\0\0\1\0\0\0\1\0\0\0\1\0\0\0\1\0\0\0\1"); break;
	case 'T': PUT(builder, "\4fake\4test\0\0\6\0\1\0\0\0\74\0\26\0\0\0\0\0\2\0\0\0\1\0\0\0\1\0\0\0\1\0\0\0\1"); break;
	case 'D': PUT(builder, "\1d\4fake\4test\0\0\6\0\1\0\0\0\74\0\26\0\0\0\0\0\1\0\0\0\1\0\0\0\1\0\0\0\1\0\0\0\1"); break;
	case 'A': PUT(builder, "\7MixCase\4Fake\4Test\0\0\1\0\1\0\0\0\74\0\4\1\2\3\4"); break;
	case 'O': PUT(builder, "\3out\4test\0\0\1\0\1\0\0\0\74\0\4\1\2\3\4"); break;
	case 'U': PUT(builder, "\5xfake\4test\0\0\1\0\1\0\0\0\74\0\4\1\2\3\4"); break;
	case 'C': PUT(builder, "\4fake\4test\0\0\1\0\3\0\0\0\74\0\4\1\2\3\4"); break;
	case 'M': PUT(builder, "\4fake\4test\0\0\1\0\1\0\0\0\74\0\3\1\2\3"); break;
	case 'Q': PUT(builder, "\4fake\4test\0\0\374\0\1\0\0\0\74\0\0"); break;
	}
}

static void build(struct builder *builder, const struct fake *fake, const uint8_t *query, const char *records,
                  size_t count, bool first)
{
	bool question = fake->question == 3 || (fake->question != 1 && first);

	builder->size = 0;
	put(builder, query, 2);
	knot_wire_set_id(builder->wire, (uint16_t)(knot_wire_get_id(query) + fake->id_change));
	const uint8_t head[10] = { (uint8_t)(0x84 ^ fake->flags), (uint8_t)fake->rcode, 0, question };
	put(builder, head, sizeof(head));
	if (question && fake->question == 2)
		PUT(builder, "\4fake\5other\0\0\374\0\1");
	else if (question)
		PUT(builder, "\4fake\4test\0\0\374\0\1");
	for (size_t i = 0; i < count; i++) {
		int copies = records[i] >= '1' && records[i] <= '9' ? records[i] - '0' : 1;
		for (int j = 0; j < copies; j++) {
			put_record(builder, copies == 1 && records[i] > '9' ? records[i] : 'A');
			knot_wire_add_ancount(builder->wire, 1);
		}
	}
}

static void say(int fd, const struct builder *builder, size_t size)
{
	uint8_t prefix[2];

	knot_wire_write_u16(prefix, (uint16_t)builder->size);
	if (send(fd, prefix, 2, MSG_NOSIGNAL) != 2)
		return;
	(void)!send(fd, builder->wire, size, MSG_NOSIGNAL);
}

static void answer(struct fake_server *fake_server, int fd, const uint8_t *query, size_t query_size)
{
	const struct fake *fake = &fake_server->fake;
	const knot_tsig_key_t *key = fake_server->key ? tsig_key_knot(fake_server->key) : NULL;
	CLEANUP(free) struct builder *builder = malloc(sizeof(*builder));
	CLEANUP(free) uint8_t *to_sign = malloc(1 << 20);
	size_t to_sign_size = 0, mac_size = 32;
	uint8_t mac[64];
	const char *records = fake->messages;

	/* The MAC of a query by HMAC-SHA256 stands in front of its last six octets. */
	if (key)
		memcpy(mac, query + query_size - 6 - 32, 32);
	for (int message = 0; *records; message++) {
		size_t count = strcspn(records, "|");
		bool last = records[count] == '\0';
		build(builder, fake, query, records, count, message == 0);
		memcpy(to_sign + to_sign_size, builder->wire, builder->size);
		to_sign_size += builder->size;
		char sign = key ? fake->sign[message] : 'u';
		if (sign != 'u') {
			mac_size = 64;
			int result = message == 0
				? knot_tsig_sign(builder->wire, &builder->size, 65535, mac, 32, mac, &mac_size, key, 0, 0)
				: knot_tsig_sign_next(builder->wire, &builder->size, 65535, mac, 32, mac, &mac_size, key, to_sign,
				                      to_sign_size);
			if (result != KNOT_EOK)
				abort();
			to_sign_size = 0;
		}
		if (sign == 'b')
			builder->wire[builder->size - 10] ^= 1;
		if (last) {
			memset(builder->wire + builder->size, 0xa5, (size_t)fake->garbage);
			builder->size += (size_t)fake->garbage;
		}
		if (message == 1)
			usleep((useconds_t)fake->pause_us);
		say(fd, builder, builder->size - (size_t)(last ? fake->cut : 0));
		records += count + !last;
	}
}

static void *serve(void *userdata)
{
	struct fake_server *fake_server = userdata;
	CLEANUP(close) int fd = accept(fake_server->listener, NULL, NULL);
	uint8_t query[1024];
	ssize_t size = fd < 0 ? -1 : recv(fd, query, sizeof(query), 0);

	if (size > 14 && !fake_server->fake.silent)
		answer(fake_server, fd, query + 2, (size_t)size - 2);
	if (fake_server->fake.silent || fake_server->fake.hold)
		(void)!recv(fd, query, sizeof(query), 0);
	return NULL;
}

static int fetch_patiently(const struct fake *fake, const char *key_text, int64_t timeout_us, int64_t later_timeout_us,
                           struct seen *seen, struct axfr_failure *failure)
{
	struct tsig_key *key = key_text ? key_of(key_text) : NULL;
	struct fake_server fake_server = { .fake = *fake, .key = key };
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof(address);

	fake_server.listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(fake_server.listener, (struct sockaddr *)&address, size), 0);
	assert_int_equal(listen(fake_server.listener, 1), 0);
	assert_int_equal(getsockname(fake_server.listener, (struct sockaddr *)&address, &size), 0);
	snprintf(fake_server.address, sizeof(fake_server.address), "127.0.0.1:%u", ntohs(address.sin_port));
	assert_int_equal(pthread_create(&fake_server.thread, NULL, serve, &fake_server), 0);

	struct axfr_source source = source_of(fake_server.address, key);
	source.timeout_us = timeout_us;
	source.later_timeout_us = later_timeout_us;
	int result = axfr_fetch(&source, "fake.test.", see, seen, failure);
	pthread_join(fake_server.thread, NULL);
	close(fake_server.listener);
	tsig_key_free(key);
	return result;
}

static int fetch_fake(const struct fake *fake, const char *key_text, int64_t timeout_us, struct seen *seen,
                      struct axfr_failure *failure)
{
	return fetch_patiently(fake, key_text, timeout_us, 0, seen, failure);
}

static void test_fake_answers(void **state)
{
	(void)state;
	static const struct { const char *name; struct fake fake; int want; unsigned records; } rows[] = {
		{ "one message", { .messages = "SAAS" }, 0, 3 },
		{ "an empty zone", { .messages = "SS" }, 0, 1 },
		{ "two messages", { .messages = "SA|AS" }, 0, 3 },
		{ "the SOA alone in front", { .messages = "S|A|S" }, 0, 2 },
		{ "connection kept open", { .messages = "SAS", .hold = true }, 0, 2 },
		{ "question in each message", { .messages = "S|A|S", .question = 3 }, 0, 2 },
		{ "no question", { .messages = "SAS", .question = 1 }, ERROR_MALFORMED, 0 },
		{ "another question", { .messages = "SAS", .question = 2 }, ERROR_MALFORMED, 0 },
		{ "another id", { .messages = "SAS", .id_change = 1 }, ERROR_MALFORMED, 0 },
		{ "a query", { .messages = "SAS", .flags = 0x80 }, ERROR_MALFORMED, 0 },
		{ "truncated flag", { .messages = "SAS", .flags = 0x02 }, ERROR_MALFORMED, 0 },
		{ "another opcode", { .messages = "SAS", .flags = 0x20 }, ERROR_MALFORMED, 0 },
		{ "does not begin with the SOA", { .messages = "ASAS" }, ERROR_MALFORMED, 0 },
		{ "no closing SOA", { .messages = "SAAA" }, ERROR_MALFORMED, 0 },
		{ "one SOA and the end", { .messages = "S" }, ERROR_MALFORMED, 0 },
		{ "another closing SOA", { .messages = "SAT" }, ERROR_MALFORMED, 0 },
		{ "a SOA below the apex", { .messages = "SDS" }, ERROR_MALFORMED, 0 },
		{ "records after the end", { .messages = "SASA" }, ERROR_MALFORMED, 0 },
		{ "a second zone after the end", { .messages = "SASSAS" }, ERROR_MALFORMED, 0 },
		{ "out of the zone", { .messages = "SOS" }, ERROR_MALFORMED, 0 },
		{ "a name that ends alike", { .messages = "SUS" }, ERROR_MALFORMED, 0 },
		{ "another class", { .messages = "SCS" }, ERROR_MALFORMED, 0 },
		{ "malformed rdata", { .messages = "SMS" }, ERROR_MALFORMED, 0 },
		{ "a query type", { .messages = "SQS" }, ERROR_MALFORMED, 0 },
		{ "an empty message", { .messages = "S||S" }, ERROR_MALFORMED, 0 },
		{ "closed within a message", { .messages = "S|AAS", .cut = 3 }, ERROR_MALFORMED, 0 },
		{ "garbage in a message", { .messages = "SAS", .garbage = 7 }, ERROR_MALFORMED, 0 },
		{ "SERVFAIL", { .messages = "SAS", .rcode = 2 }, ERROR_DNS, 0 },
		{ "NXDOMAIN", { .messages = "SAS", .rcode = 3 }, ERROR_DNS, 0 },
		{ "REFUSED", { .messages = "SAS", .rcode = 5 }, ERROR_DNS_REFUSED, 0 },
		{ "NOTAUTH", { .messages = "SAS", .rcode = 9 }, ERROR_NOT_AUTH, 0 },
		{ "nothing", { .messages = "" }, ERROR_MALFORMED, 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct seen seen = { 0 };
		struct axfr_failure failure = { 99 };
		int result = fetch_fake(&rows[i].fake, NULL, TIMEOUT_US, &seen, &failure);
		if (result != rows[i].want)
			fail_msg("%s: %s, wanted %s", rows[i].name, error_text(result), error_text(rows[i].want));
		assert_int_equal(failure.rcode, rows[i].fake.rcode ? rows[i].fake.rcode : -1);
		if (result == 0) {
			assert_int_equal(seen.records, rows[i].records);
			assert_int_equal(seen.mixed_case, rows[i].records - 1);
		}
	}
}

static void test_fake_tsig(void **state)
{
	(void)state;
	char messages[256], sign[256];
	static const struct { const char *name, *messages, *sign; int want; } rows[] = {
		{ "each signed", "S|A|A|S", "ssss", 0 },
		{ "unsigned between", "S|A|A|A|S", "suuus", 0 },
		{ "unsigned twice", "S|A|A|A|S", "susus", 0 },
		{ "first unsigned", "S|A|S", "uss", ERROR_TSIG },
		{ "never signed", "SAS", "u", ERROR_TSIG },
		{ "last unsigned", "S|A|S", "ssu", ERROR_TSIG },
		{ "first false", "SAS", "b", ERROR_TSIG },
		{ "second false", "S|A|S", "sbs", ERROR_TSIG },
		{ "last false", "S|A|S", "ssb", ERROR_TSIG },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct seen seen = { 0 };
		int result = fetch_fake(&(struct fake) { .messages = rows[i].messages, .sign = rows[i].sign }, TSIG_TEXT, TIMEOUT_US,
		                        &seen, NULL);
		if (result != rows[i].want)
			fail_msg("%s: %s, wanted %s", rows[i].name, error_text(result), error_text(rows[i].want));
	}
	/* 99 unsigned ones in a row are allowed, 100 are not. */
	for (int between = 99; between <= 100; between++) {
		struct seen seen = { 0 };
		memset(sign, 'u', sizeof(sign));
		sign[0] = sign[between + 1] = 's';
		strcpy(messages, "S|");
		for (int i = 0; i < between; i++)
			strcat(messages, "9|");
		strcat(messages, "S");
		int result = fetch_fake(&(struct fake) { .messages = messages, .sign = sign }, TSIG_TEXT, TIMEOUT_US, &seen, NULL);
		assert_int_equal(result, between == 99 ? 0 : ERROR_TSIG);
	}
}

static void test_fake_ends(void **state)
{
	(void)state;
	struct seen seen = { .stop_at = 2 };

	assert_int_equal(fetch_fake(&(struct fake) { .messages = "SAAAS" }, NULL, TIMEOUT_US, &seen, NULL), -ECANCELED);
	assert_int_equal(seen.records, 2);
	seen = (struct seen) { 0 };
	assert_int_equal(fetch_fake(&(struct fake) { .messages = "", .silent = true }, NULL, 200000, &seen, NULL), -ETIMEDOUT);
	assert_int_equal(fetch_fake(&(struct fake) { .messages = "SA", .hold = true }, NULL, 200000, &seen, NULL), -ETIMEDOUT);

	/* A server that has begun may take longer for the next message, if that is said; not for the first one. */
	struct fake slow = { .messages = "S|A|S", .pause_us = 600000 };
	assert_int_equal(fetch_patiently(&slow, NULL, 200000, 0, &seen, NULL), -ETIMEDOUT);
	seen = (struct seen) { 0 };
	assert_int_equal(fetch_patiently(&slow, NULL, 200000, TIMEOUT_US, &seen, NULL), 0);
	assert_int_equal(seen.records, 2);
	assert_int_equal(fetch_patiently(&(struct fake) { .messages = "", .silent = true }, NULL, 200000, TIMEOUT_US, &seen, NULL),
	                 -ETIMEDOUT);

	char address[32];
	snprintf(address, sizeof(address), "127.0.0.1:%d", pdns_server_free_port());
	struct axfr_source source = source_of(address, NULL);
	uint32_t serial = 77;
	source.timeout_us = 300000;
	assert_int_equal(axfr_fetch(&source, "fake.test.", see, &seen, NULL), -ECONNREFUSED);
	assert_int_equal(axfr_ask_serial(&source, "fake.test.", &serial), -ECONNREFUSED);
	assert_int_equal(axfr_fetch(&source, "fake..test.", see, &seen, NULL), ERROR_MALFORMED);
	source.server = "localhost:53";
	assert_int_equal(axfr_fetch(&source, "fake.test.", see, &seen, NULL), ERROR_MALFORMED);
	assert_int_equal(serial, 77);
}

static void test_serials(void **state)
{
	(void)state;
	static const struct { const char *zone, *key; int want; } rows[] = {
		{ "plain.test.", NULL, 0 },
		{ "keyed.test.", TSIG_TEXT, 0 },
		{ "below.plain.test.", NULL, -ENOENT },
		{ "name.plain.test.", NULL, -ENOENT },
		{ "sub.plain.test.", NULL, ERROR_NOT_AUTH },
		{ "unknown.test.", NULL, ERROR_DNS_REFUSED },
	};

	if (!have_server)
		skip();
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct tsig_key *key = rows[i].key ? key_of(rows[i].key) : NULL;
		struct axfr_source source = source_of(server.address, key);
		uint32_t serial = 0;
		int result = axfr_ask_serial(&source, rows[i].zone, &serial);
		tsig_key_free(key);
		if (result != rows[i].want)
			fail_msg("%s: %s, wanted %s", rows[i].zone, error_text(result), error_text(rows[i].want));
		assert_int_equal(serial, result == 0 ? 7 : 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_transfers),
		cmocka_unit_test(test_serials),
		cmocka_unit_test(test_fake_answers),
		cmocka_unit_test(test_fake_tsig),
		cmocka_unit_test(test_fake_ends),
	};
	return cmocka_run_group_tests(tests, start_server, stop_server);
}
