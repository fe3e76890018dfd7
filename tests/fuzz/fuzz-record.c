/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <stdlib.h>
#include <string.h>
#include "common/error.h"
#include "common/record.h"
#include "common/zone_digest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char text[RECORD_TEXT_SIZE];

static void must(int condition)
{
	if (!condition)
		abort();
}

static int add(const struct record *record, void *userdata)
{
	must(zone_digest_add(userdata, record) == 0);
	return 0;
}

static struct zone_digest read_text(const char *line, size_t size)
{
	struct zone_digest digest;
	struct record_reader *reader;

	zone_digest_init(&digest);
	must(record_reader_new(add, &digest, &reader) == 0);
	must(record_reader_feed(reader, line, size) == 0);
	must(record_reader_finish(reader) == 0);
	record_reader_free(reader);
	return digest;
}

/* A record that can be written is read as the same. */
static int check_record(const struct record *record, void *userdata)
{
	struct zone_digest digest, back;

	(void)userdata;
	zone_digest_init(&digest);
	int good = zone_digest_add(&digest, record);
	must(good == record_check(record));
	ssize_t size = record_to_text(record, text, sizeof(text));
	must(size > 0 || size == ERROR_MALFORMED);
	if (size > 0) {
		back = read_text(text, (size_t)size);
		must(good == 0 && memcmp(&back, &digest, sizeof(back)) == 0);
	}
	return 0;
}

static void fuzz_text(const uint8_t *data, size_t size)
{
	struct record_reader *whole, *pieces;

	must(record_reader_new(check_record, NULL, &whole) == 0);
	int result = record_reader_feed(whole, (const char *)data, size);
	must(result == 0 || result == ERROR_MALFORMED);
	result = record_reader_finish(whole);
	record_reader_free(whole);

	/* The same in pieces has the same end. */
	must(record_reader_new(check_record, NULL, &pieces) == 0);
	for (size_t at = 0; at < size; at += 3)
		(void)record_reader_feed(pieces, (const char *)data + at, size - at < 3 ? size - at : 3);
	must(record_reader_finish(pieces) == result);
	record_reader_free(pieces);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t owner[] = "\3Foo\1\0";

	if (size >= 4 && data[0] == 0xff) {
		struct record record = {
			.owner = owner, .type = (uint16_t)(data[1] << 8 | data[2]), .rclass = 1, .ttl = 60,
			.rdata = data + 3, .rdata_size = (uint16_t)(size - 3 > UINT16_MAX ? UINT16_MAX : size - 3),
		};
		(void)check_record(&record, NULL);
	} else {
		fuzz_text(data, size);
	}
	return 0;
}
