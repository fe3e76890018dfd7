/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <pthread.h>
#include <sodium.h>
#include <stdbool.h>
#include <libknot/descriptor.h>
#include <libknot/rrset-dump.h>
#include <libknot/wire.h>
#include <libzscanner/scanner.h>
#include "common/cleanup.h"
#include "common/error.h"
#include "common/record.h"

/*
 * A scanner that takes absolute names only: its origin is as long as a name can be, so that nothing can stand in
 * front of it, and random, so that "@" (the origin itself) is known when it is seen.
 */
struct strict_scanner {
	zs_scanner_t zs;
	char origin[ZS_MAX_DNAME_LENGTH + 1];
	bool spoiled; /* after an error it would go on within the line that was wrong */
};

struct record_reader {
	record_visit visit;
	void *userdata;
	int result;     /* first failure; every later call repeats it */
	size_t pending; /* octets in line: of a line whose end was not fed yet */
	struct strict_scanner *scanner;
	char line[RECORD_TEXT_SIZE];
};

static void strict_scanner_free(void *scanner)
{
	if (scanner)
		zs_deinit(&((struct strict_scanner *)scanner)->zs);
	free(scanner);
}

DEFINE_CLEANUP(strict_scanner, struct strict_scanner *, strict_scanner_free)
DEFINE_CLEANUP(record_reader, struct record_reader *, record_reader_free)

static int strict_scanner_new(struct strict_scanner **ret)
{
	static const int labels[] = { 63, 63, 63, 61 };

	if (sodium_init() < 0)
		return -ENOSYS;
	CLEANUP(strict_scanner) struct strict_scanner *scanner = calloc(1, sizeof(*scanner));
	if (!scanner)
		return -ENOMEM;
	uint8_t random[ZS_MAX_DNAME_LENGTH]; /* at once: a call for each letter took an eighth of all the time a zone took */
	randombytes_buf(random, sizeof(random));
	char *at = scanner->origin;
	for (size_t i = 0; i < ARRAY_SIZE(labels); i++) {
		for (int j = 0; j < labels[i]; j++, at++)
			*at = (char)('a' + random[at - scanner->origin] % 26);
		*at++ = '.';
	}
	if (zs_init(&scanner->zs, scanner->origin, KNOT_CLASS_IN, 0) != 0)
		return -ENOMEM;
	*ret = TAKE(scanner);
	return 0;
}

/*
 * Scanners are kept for whoever reads next: they take 200 KiB each that must be cleared, which for a small zone is more work
 * than reading it.
 */
#define SCANNERS_KEPT 4
static struct {
	pthread_mutex_t lock;
	struct strict_scanner *idle[SCANNERS_KEPT];
	size_t count;
} kept = { .lock = PTHREAD_MUTEX_INITIALIZER };

static int strict_scanner_take(struct strict_scanner **ret)
{
	struct strict_scanner *scanner = NULL;

	pthread_mutex_lock(&kept.lock);
	if (kept.count > 0)
		scanner = kept.idle[--kept.count];
	pthread_mutex_unlock(&kept.lock);
	if (!scanner)
		return strict_scanner_new(ret);
	*ret = scanner;
	return 0;
}

static void strict_scanner_give(struct strict_scanner *scanner)
{
	if (scanner && !scanner->spoiled) {
		pthread_mutex_lock(&kept.lock);
		if (kept.count < SCANNERS_KEPT) {
			kept.idle[kept.count++] = scanner;
			scanner = NULL;
		}
		pthread_mutex_unlock(&kept.lock);
	}
	strict_scanner_free(scanner);
}

static bool scanner_saw_origin(const zs_scanner_t *zs)
{
	return (zs->r_owner_length == zs->zone_origin_length
	        && memcmp(zs->r_owner, zs->zone_origin, zs->zone_origin_length) == 0)
	       || (zs->r_data_length >= zs->zone_origin_length
	           && memmem(zs->r_data, zs->r_data_length, zs->zone_origin, zs->zone_origin_length));
}

static int parse_line(zs_scanner_t *zs, const char *line, size_t size, struct record *ret)
{
	zs->r_owner_length = 0; /* no line may lean on the owner of the one before */
	if (zs_set_input_string(zs, line, size) != 0)
		return -ENOMEM;
	if (zs_parse_record(zs) != 0 || zs->state != ZS_STATE_DATA || scanner_saw_origin(zs))
		return ERROR_MALFORMED;

	struct record record = {
		.owner = zs->r_owner,
		.type = zs->r_type,
		.rclass = zs->r_class,
		.ttl = zs->r_ttl,
		.rdata_size = (uint16_t)zs->r_data_length,
		.rdata = zs->r_data,
	};
	if (zs->r_data_length > UINT16_MAX || record_check(&record) < 0)
		return ERROR_MALFORMED;
	if (zs_parse_record(zs) != 0 || zs->state != ZS_STATE_EOF)
		return ERROR_MALFORMED;
	*ret = record;
	return 0;
}

/* Reads one line with its newline. The record points into the scanner. */
static int scan_line(struct strict_scanner *scanner, const char *line, size_t size, struct record *ret)
{
	if (scanner->spoiled) {
		zs_deinit(&scanner->zs);
		if (zs_init(&scanner->zs, scanner->origin, KNOT_CLASS_IN, 0) != 0)
			return -ENOMEM;
		scanner->spoiled = false;
	}
	int result = parse_line(&scanner->zs, line, size, ret);
	scanner->spoiled = result < 0;
	return result;
}

/* Octets of the three strings in front of a NAPTR's name, or -1. */
static int naptr_header_size(const uint8_t *rdata, size_t size)
{
	size_t at = 4;

	for (int strings = 0; strings < 3; strings++) {
		if (at >= size)
			return -1;
		at += 1U + rdata[at];
	}
	return at <= size ? (int)at : -1;
}

int record_walk(const struct record *record, record_name_visit visit, void *userdata)
{
	const knot_rdata_descriptor_t *form = knot_get_rdata_descriptor(record->type);
	size_t at = 0, size = record->rdata_size;

	if (!form->type_name)
		form = knot_get_obsolete_rdata_descriptor(record->type);
	for (const int *block = form->block_types; *block != KNOT_RDATA_WF_END; block++) {
		int octets = *block;
		switch (octets) {
		case KNOT_RDATA_WF_FIXED_DNAME:
		case KNOT_RDATA_WF_COMPRESSIBLE_DNAME:
		case KNOT_RDATA_WF_DECOMPRESSIBLE_DNAME:
			octets = knot_dname_wire_check(record->rdata + at, record->rdata + size, NULL);
			if (octets > 0 && visit)
				visit(at, (size_t)octets, userdata);
			break;
		case KNOT_RDATA_WF_NAPTR_HEADER:
			octets = naptr_header_size(record->rdata + at, size - at);
			break;
		case KNOT_RDATA_WF_REMAINDER:
			octets = (int)(size - at);
			break;
		}
		if (octets < 0 || (octets == 0 && *block != KNOT_RDATA_WF_REMAINDER) || (size_t)octets > size - at)
			return ERROR_MALFORMED;
		at += (size_t)octets;
	}
	return at == size ? 0 : ERROR_MALFORMED;
}

int record_check(const struct record *record)
{
	return record_walk(record, NULL, NULL);
}

/* 1: the line gives back the same octets. 0: it does not. */
static int reads_back(const struct record *record, const char *line, size_t size)
{
	struct strict_scanner *scanner;
	struct record back;

	if (memchr(line, '\n', size) != line + size - 1)
		return 0;
	int result = strict_scanner_take(&scanner);
	if (result < 0)
		return result;
	result = scan_line(scanner, line, size, &back);
	if (result == 0)
		result = back.type == record->type && back.rclass == record->rclass && back.ttl == record->ttl
		         && back.rdata_size == record->rdata_size && memcmp(back.rdata, record->rdata, back.rdata_size) == 0
		         && memcmp(back.owner, record->owner, knot_dname_size(record->owner)) == 0;
	else if (result == ERROR_MALFORMED)
		result = 0;
	strict_scanner_give(scanner);
	return result;
}

/*
 * Whether rdata that record_check accepts may go through libknot's printer, which reads beyond the end where a length
 * within the rdata says so or a field is missing (seen with 3.2). Types made of fixed fields and names are safe; of the
 * others only the ones of every day are worth a check of their own. The rest is written in the generic form.
 */
static bool is_printable(const struct record *record)
{
	static const struct { uint16_t type, least; } types[] = {
		{ KNOT_RRTYPE_HINFO, 2 },  { KNOT_RRTYPE_TXT, 1 },     { KNOT_RRTYPE_SPF, 1 },        { KNOT_RRTYPE_NAPTR, 8 },
		{ KNOT_RRTYPE_DS, 5 },     { KNOT_RRTYPE_CDS, 5 },     { KNOT_RRTYPE_DNSKEY, 5 },     { KNOT_RRTYPE_CDNSKEY, 5 },
		{ KNOT_RRTYPE_SSHFP, 3 },  { KNOT_RRTYPE_TLSA, 4 },    { KNOT_RRTYPE_SMIMEA, 4 },     { KNOT_RRTYPE_RRSIG, 20 },
		{ KNOT_RRTYPE_NSEC, 1 },   { KNOT_RRTYPE_NSEC3, 7 },   { KNOT_RRTYPE_NSEC3PARAM, 5 }, { KNOT_RRTYPE_CAA, 3 },
		{ KNOT_RRTYPE_CERT, 6 },   { KNOT_RRTYPE_DHCID, 1 },   { KNOT_RRTYPE_OPENPGPKEY, 1 },
	};
	const knot_rdata_descriptor_t *form = knot_get_rdata_descriptor(record->type);
	const uint8_t *rdata = record->rdata;
	size_t size = record->rdata_size;
	const int *block = form->block_types;

	if (!form->type_name)
		return false;
	while (*block > 0 || *block == KNOT_RDATA_WF_FIXED_DNAME || *block == KNOT_RDATA_WF_COMPRESSIBLE_DNAME
	       || *block == KNOT_RDATA_WF_DECOMPRESSIBLE_DNAME)
		block++;
	bool listed = *block == KNOT_RDATA_WF_END;
	for (size_t i = 0; i < ARRAY_SIZE(types) && !listed; i++)
		listed = types[i].type == record->type && size >= types[i].least;
	if (!listed)
		return false;
	switch (record->type) {
	case KNOT_RRTYPE_CAA: /* flags, tag of a given length, value */
		return rdata[1] > 0 && size >= 2U + rdata[1];
	case KNOT_RRTYPE_NSEC3PARAM: /* five octets, the last is the length of the salt */
		return size == 5U + rdata[4];
	case KNOT_RRTYPE_NSEC3: /* the same, length of the hash, hash, types */
		return size >= 6U + rdata[4] && rdata[5 + rdata[4]] > 0 && size >= 6U + rdata[4] + rdata[5 + rdata[4]];
	default:
		return true;
	}
}

/* " TYPE rdata" in the words of the type's own presentation form, or -ENOSPC, or ERROR_MALFORMED: there are none. */
static ssize_t put_presentation(const struct record *record, char *text, size_t size)
{
	static const knot_dump_style_t style = { .human_timestamp = false };
	struct {
		_Alignas(knot_rdata_t) uint8_t octets[sizeof(knot_rdata_t) + UINT16_MAX + 1];
	} copy;
	knot_rdata_t *rdata = (knot_rdata_t *)copy.octets;
	knot_rrset_t rrset;
	char type[32];

	if (!is_printable(record) || knot_rrtype_to_string(record->type, type, sizeof(type)) < 0)
		return ERROR_MALFORMED;
	knot_rdata_init(rdata, record->rdata_size, record->rdata);
	knot_rrset_init(&rrset, NULL, record->type, record->rclass, record->ttl);
	rrset.rrs = (knot_rdataset_t) {
		.count = 1, .size = (uint32_t)knot_rdata_size(record->rdata_size), .rdata = rdata,
	};
	int head = snprintf(text, size, "%s ", type);
	if (head < 0 || (size_t)head >= size)
		return -ENOSPC;
	int body = knot_rrset_txt_dump_data(&rrset, 0, text + head, size - (size_t)head, &style);
	if (body == KNOT_ESPACE)
		return size < RECORD_TEXT_SIZE / 2 ? -ENOSPC : ERROR_MALFORMED;
	return body < 0 ? ERROR_MALFORMED : (ssize_t)head + body;
}

/* The same in the form that every type has (RFC 3597). */
static ssize_t put_generic(const struct record *record, char *text, size_t size)
{
	int head = snprintf(text, size, "TYPE%u \\# %u ", record->type, record->rdata_size);

	if (head < 0 || (size_t)head + 2U * record->rdata_size >= size)
		return -ENOSPC;
	if (record->rdata_size == 0)
		return head - 1;
	(void)sodium_bin2hex(text + head, size - (size_t)head, record->rdata, record->rdata_size);
	return (ssize_t)head + 2 * (ssize_t)record->rdata_size;
}

/* Ends the line that has `used` octets and checks it. Its length; 0: it does not read back. */
static ssize_t end_line(const struct record *record, char *text, size_t size, size_t used)
{
	if (used + 2 > size)
		return -ENOSPC;
	text[used] = '\n';
	text[used + 1] = '\0';
	int same = reads_back(record, text, used + 1);
	return same <= 0 ? same : (ssize_t)used + 1;
}

ssize_t record_to_text(const struct record *record, char *text, size_t size)
{
	if (record->rclass != KNOT_CLASS_IN || record_check(record) < 0)
		return ERROR_MALFORMED;
	if (!knot_dname_to_str(text, record->owner, size))
		return -ENOSPC;
	size_t head = strlen(text);
	int words = snprintf(text + head, size - head, " %u IN ", record->ttl);
	if (words < 0 || head + (size_t)words >= size)
		return -ENOSPC;
	head += (size_t)words;

	ssize_t (*const forms[])(const struct record *, char *, size_t) = { put_presentation, put_generic };
	for (size_t i = 0; i < ARRAY_SIZE(forms); i++) {
		ssize_t body = forms[i](record, text + head, size - head);
		if (body == ERROR_MALFORMED)
			continue;
		ssize_t result = body < 0 ? body : end_line(record, text, size, head + (size_t)body);
		if (result != 0)
			return result;
	}
	return ERROR_MALFORMED;
}

int record_reader_new(record_visit visit, void *userdata, struct record_reader **ret)
{
	CLEANUP(record_reader) struct record_reader *reader = malloc(sizeof(*reader));

	if (!reader)
		return -ENOMEM;
	reader->visit = visit;
	reader->userdata = userdata;
	reader->result = 0;
	reader->pending = 0;
	reader->scanner = NULL;
	int result = strict_scanner_take(&reader->scanner);
	if (result < 0)
		return result;
	*ret = TAKE(reader);
	return 0;
}

void record_reader_free(struct record_reader *reader)
{
	if (reader)
		strict_scanner_give(reader->scanner);
	free(reader);
}

static int read_line(struct record_reader *reader, const char *line, size_t size)
{
	struct record record;

	if (size > RECORD_TEXT_SIZE)
		return ERROR_MALFORMED;
	int result = scan_line(reader->scanner, line, size, &record);
	return result < 0 ? result : reader->visit(&record, reader->userdata);
}

/* Takes what is left of a line: with its end when it is there. Returns the octets taken. */
static ssize_t complete_pending(struct record_reader *reader, const char *text, size_t size)
{
	const char *newline = memchr(text, '\n', size);
	size_t taken = newline ? (size_t)(newline - text) + 1 : size;

	if (taken > sizeof(reader->line) - reader->pending)
		return ERROR_MALFORMED;
	memcpy(reader->line + reader->pending, text, taken);
	reader->pending += taken;
	if (newline) {
		int result = read_line(reader, reader->line, reader->pending);
		if (result < 0)
			return result;
		reader->pending = 0;
	}
	return (ssize_t)taken;
}

int record_reader_feed(struct record_reader *reader, const char *text, size_t size)
{
	const char *end = text + size;

	while (reader->result >= 0 && text < end) {
		const char *newline = reader->pending == 0 ? memchr(text, '\n', (size_t)(end - text)) : NULL;
		if (newline) {
			reader->result = read_line(reader, text, (size_t)(newline - text) + 1);
			text = newline + 1;
		} else {
			ssize_t taken = complete_pending(reader, text, (size_t)(end - text));
			if (taken < 0)
				reader->result = (int)taken;
			else
				text += taken;
		}
	}
	return reader->result < 0 ? reader->result : 0;
}

int record_reader_finish(struct record_reader *reader)
{
	if (reader->result >= 0 && reader->pending > 0)
		reader->result = ERROR_MALFORMED;
	return reader->result < 0 ? reader->result : 0;
}

int record_soa_serial(const struct record *record, uint32_t *ret_serial)
{
	/* Two names and then five numbers, of which the serial is the first. */
	if (record->type != RECORD_TYPE_SOA || record_check(record) < 0)
		return ERROR_MALFORMED;
	*ret_serial = knot_wire_read_u32(record->rdata + record->rdata_size - 20);
	return 0;
}

int record_rrsig_expiration(const struct record *record, uint64_t now, uint64_t *ret_expiration)
{
	if (record->type != RECORD_TYPE_RRSIG || record_check(record) < 0)
		return ERROR_MALFORMED;
	int64_t away = (int32_t)(knot_wire_read_u32(record->rdata + 8) - (uint32_t)now);
	*ret_expiration = away < 0 && (uint64_t)-away > now ? 0 : now + (uint64_t)away;
	return 0;
}

uint16_t record_rrsig_covers(const struct record *record)
{
	return record->type == RECORD_TYPE_RRSIG && record->rdata_size >= 2 ? knot_wire_read_u16(record->rdata) : 0;
}
