/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <stdlib.h>
#include <string.h>
#include <zstd.h>
#include "common/error.h"
#include "common/zone_body.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { RAW_IDENTITY, RAW_ZSTD, COMPRESSED, WRITTEN, WRITTEN_LARGE, MODES };
#define MEMORY (1 << 20)
#define TIMES 400 /* each record again, so that a small input makes a body that is compressed */

static void must(int condition)
{
	if (!condition)
		abort();
}

static struct spool *spool_of(const void *data, size_t size)
{
	struct spool *spool;

	must(spool_new("/tmp", MEMORY, &spool) == 0 && spool_write(spool, data, size) == 0 && spool_finish(spool) == 0);
	return spool;
}

static int visit(const struct record *record, void *userdata)
{
	must(record_check(record) == 0);
	++*(uint64_t *)userdata;
	return 0;
}

/* No body reads without its hash: a stranger's is refused, and gives no more than its head says. */
static void read_strange(const void *data, size_t size, enum zone_body_encoding encoding)
{
	struct zone_body_facts want = { .serial = 1, .records = 3, .size = encoding == ZONE_BODY_ZSTD ? 200 : size,
	                                .encoding = encoding };
	struct spool *spool = spool_of(data, size);
	uint64_t seen = 0;

	must(zone_body_read(spool, &want, visit, &seen) == ERROR_BODY && seen <= want.records);
	spool_free(spool);
}

static void read_compressed(const void *data, size_t size)
{
	size_t room = ZSTD_compressBound(size);
	void *frame = malloc(room);

	must(frame != NULL);
	room = ZSTD_compress(frame, room, data, size, 1);
	must(!ZSTD_isError(room));
	read_strange(frame, room, ZONE_BODY_ZSTD);
	free(frame);
}

struct writing { struct zone_body_writer *writer; int times, result; };

static int write_record(const struct record *record, void *userdata)
{
	struct writing *writing = userdata;

	for (int i = 0; writing->result == 0 && i < (record->type == RECORD_TYPE_SOA ? 1 : writing->times); i++)
		writing->result = zone_body_writer_add(record, writing->writer);
	return writing->result;
}

/* With one octet changed it is refused, or what changed was nothing that counts. */
static void read_damaged(struct spool *good, const struct zone_body_facts *facts, size_t place)
{
	size_t size = (size_t)spool_size(good);
	uint8_t *copy = malloc(size);
	uint64_t seen = 0;

	must(copy != NULL && spool_read(good, 0, copy, size) == (int64_t)size);
	copy[place % size] ^= 0x41;
	struct spool *damaged = spool_of(copy, size);
	int result = zone_body_read(damaged, facts, visit, &seen);
	must(result == ERROR_BODY || (result == 0 && seen == facts->records && facts->encoding == ZONE_BODY_ZSTD));
	spool_free(damaged);
	free(copy);
}

/* What was written reads back. */
static void write_and_read(const uint8_t *data, size_t size, int times, size_t place)
{
	struct writing writing = { .times = times };
	struct zone_body_facts facts;
	struct record_reader *reader;
	struct spool *spool;
	uint64_t seen = 0;

	must(zone_body_writer_new("/tmp", MEMORY, &writing.writer) == 0);
	must(record_reader_new(write_record, &writing, &reader) == 0);
	int result = record_reader_feed(reader, (const char *)data, size);
	record_reader_free(reader);
	if (result == 0 && zone_body_writer_finish(writing.writer, &facts, &spool) == 0) {
		must(zone_body_read(spool, &facts, visit, &seen) == 0 && seen == facts.records);
		read_damaged(spool, &facts, place);
		spool_free(spool);
	}
	zone_body_writer_free(writing.writer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 2)
		return 0;
	const uint8_t *rest = data + 2;
	size_t rest_size = size - 2;

	switch (data[0] % MODES) {
	case RAW_IDENTITY:
		read_strange(rest, rest_size, ZONE_BODY_IDENTITY);
		break;
	case RAW_ZSTD:
		read_strange(rest, rest_size, ZONE_BODY_ZSTD);
		break;
	case COMPRESSED:
		read_compressed(rest, rest_size);
		break;
	case WRITTEN:
		write_and_read(rest, rest_size, 1, data[1]);
		break;
	case WRITTEN_LARGE:
		write_and_read(rest, rest_size > 1000 ? 1000 : rest_size, TIMES, data[1] * 7U);
		break;
	}
	return 0;
}
