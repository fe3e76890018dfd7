/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "secondary-syncer/catalog.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "common/cleanup.h"
#include "secondary-syncer/dns_answer.h"

#define SPOOL_MEMORY (1024 * 1024)
#define LINE_SIZE (3 * ZONE_NAME_SIZE)

DEFINE_CLEANUP(writer, struct zone_body_writer *, zone_body_writer_free)
DEFINE_CLEANUP(reader, struct record_reader *, record_reader_free)

void catalog_name(char ret[ZONE_NAME_SIZE])
{
	uint64_t random;
	randombytes_buf(&random, sizeof(random));
	snprintf(ret, ZONE_NAME_SIZE, "%016llx%s", (unsigned long long)random, CATALOG_SUFFIX);
}

bool catalog_is_name(const char *zone)
{
	size_t size = strlen(zone), suffix = strlen(CATALOG_SUFFIX);
	return size == suffix + 16 && strcmp(zone + size - suffix, CATALOG_SUFFIX) == 0;
}

struct writing {
	struct zone_body_writer *writer;
	struct book_entry *entry;
};

static int keep_record(const struct record *record, void *userdata)
{
	struct writing *writing = userdata;
	if (record->type == RECORD_TYPE_SOA) {
		int size = dns_record_to_wire(record, writing->entry->soa, BOOK_SOA_SIZE);
		if (size < 0)
			return size;
		writing->entry->soa_size = (uint32_t)size;
	}
	return zone_body_writer_add(record, writing->writer);
}

static int write_records(struct record_reader *reader, const char *catalog, const char *const *zones, size_t count)
{
	CLEANUP(free) char *line = malloc(LINE_SIZE);
	if (!line)
		return -ENOMEM;
	int size = snprintf(line, LINE_SIZE, "%s 0 IN SOA invalid. invalid. 1 86400 86400 2147483646 0\n%s 0 IN NS invalid.\n"
	                    "version.%s 0 IN TXT \"2\"\n", catalog, catalog, catalog);
	int r = record_reader_feed(reader, line, (size_t)size);
	for (size_t i = 0; r == 0 && i < count; i++) {
		size = snprintf(line, LINE_SIZE, "z%zu.zones.%s 0 IN PTR %s\n", i, catalog, zones[i]);
		r = record_reader_feed(reader, line, (size_t)size);
	}
	return r < 0 ? r : record_reader_finish(reader);
}

int catalog_write(const char *catalog, const char *const *zones, size_t count, const char *folder, struct zone_body_facts *ret_facts,
                  struct spool **ret_body, struct book_entry *ret_entry)
{
	CLEANUP(writer) struct zone_body_writer *writer = NULL;
	CLEANUP(reader) struct record_reader *reader = NULL;
	int r = zone_body_writer_new(folder, SPOOL_MEMORY, &writer);
	if (r < 0)
		return r;
	struct writing writing = { .writer = writer, .entry = ret_entry };
	r = record_reader_new(keep_record, &writing, &reader);
	if (r == 0)
		r = write_records(reader, catalog, zones, count);
	return r < 0 ? r : zone_body_writer_finish(writer, ret_facts, ret_body);
}
