/* SPDX-License-Identifier: GPL-3.0-or-later */
#define SD_JOURNAL_SUPPRESS_LOCATION /* it would always be this file */
#include "common/log.h"
#include <inttypes.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <systemd/sd-journal.h>
#include "common/cleanup.h"
#include "common/clock.h"

#define TEXT_MAX 2048
#define LINE_MAX_SIZE 12288 /* every octet of the text and the fields escaped */
#define FIELD_MAX 1100      /* a zone name fits */

static char log_program[64] = "pdns-distribute";
static atomic_int log_level = LOG_INFO;
static atomic_bool log_to_journal;

/* systemd tells in JOURNAL_STREAM which file the journal is; stderr may have been redirected since. */
static bool stderr_is_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	char own[48];
	struct stat status;
	if (!stream || fstat(STDERR_FILENO, &status) < 0)
		return false;
	snprintf(own, sizeof(own), "%ju:%ju", (uintmax_t)status.st_dev, (uintmax_t)status.st_ino);
	return strcmp(own, stream) == 0;
}

void log_open(const char *program, int level)
{
	snprintf(log_program, sizeof(log_program), "%s", program);
	log_set_level(level);
	atomic_store(&log_to_journal, stderr_is_journal());
}

void log_set_level(int level)
{
	atomic_store_explicit(&log_level, level, memory_order_relaxed);
}

bool log_enabled(int level)
{
	return level <= atomic_load_explicit(&log_level, memory_order_relaxed);
}

struct line {
	char *text;
	size_t size, used;
};

/*
 * Texts and fields may hold what strangers sent: control characters would forge lines or steer a terminal,
 * so only printable ASCII passes. `from` is the first character that passes: ' ' or, in a field, '!'.
 */
static void line_add(struct line *line, const char *text, char from)
{
	for (; *text; text++) {
		if (*text >= from && *text <= '~') {
			if (line->used + 1 >= line->size)
				break;
			line->text[line->used++] = *text;
		} else {
			if (line->used + 4 >= line->size)
				break;
			line->used += (size_t)snprintf(line->text + line->used, 5, "\\x%02x", (unsigned char)*text);
		}
	}
	line->text[line->used] = '\0';
}

static void line_add_field(struct line *line, const char *name, const char *value)
{
	if (!value)
		return;
	line_add(line, " ", ' ');
	line_add(line, name, ' ');
	line_add(line, "=", ' ');
	line_add(line, value, '!');
}

static const char *level_name(int level)
{
	switch (level) {
	case LOG_ERR: return "error";
	case LOG_WARNING: return "warning";
	case LOG_NOTICE: return "notice";
	case LOG_INFO: return "info";
	case LOG_DEBUG: return "debug";
	default: return "critical";
	}
}

static void write_stderr(int level, const struct log_fields *fields, const char *serial, const char *text)
{
	char buffer[LINE_MAX_SIZE], now[CLOCK_TEXT_SIZE];
	struct line line = { .text = buffer, .size = sizeof(buffer) - 1 };

	clock_to_text(clock_realtime_us(), now);
	line.used = (size_t)snprintf(buffer, sizeof(buffer), "%s %s: %s: ", now, log_program, level_name(level));
	line_add(&line, text, ' ');
	if (fields) {
		line_add_field(&line, "zone", fields->zone);
		line_add_field(&line, "serial", serial);
		line_add_field(&line, "secondary", fields->secondary);
		line_add_field(&line, "request", fields->request);
		line_add_field(&line, "peer", fields->peer);
	}
	buffer[line.used++] = '\n';
	/* One call, so that lines of several threads do not mix. A log that cannot be written is nobody's error. */
	ssize_t written = write(STDERR_FILENO, buffer, line.used);
	(void)written;
}

struct entry {
	struct iovec parts[8];
	int count;
};

static void entry_add(struct entry *entry, struct line storage, const char *name, const char *value)
{
	if (!value)
		return;
	line_add(&storage, name, ' ');
	line_add(&storage, "=", ' ');
	line_add(&storage, value, ' ');
	entry->parts[entry->count++] = (struct iovec){ .iov_base = storage.text, .iov_len = storage.used };
}

static void write_journal(int level, const struct log_fields *fields, const char *serial, const char *text)
{
	char message[LINE_MAX_SIZE], storage[7][FIELD_MAX], priority[2] = { (char)('0' + (level & 7)), '\0' };
	struct entry entry = { .count = 0 };
#define STORAGE(n) (struct line){ .text = storage[n], .size = sizeof(storage[n]) }

	entry_add(&entry, (struct line){ .text = message, .size = sizeof(message) }, "MESSAGE", text);
	entry_add(&entry, STORAGE(0), "PRIORITY", priority);
	entry_add(&entry, STORAGE(1), "SYSLOG_IDENTIFIER", log_program);
	if (fields) {
		entry_add(&entry, STORAGE(2), "ZONE", fields->zone);
		entry_add(&entry, STORAGE(3), "SERIAL", serial);
		entry_add(&entry, STORAGE(4), "SECONDARY", fields->secondary);
		entry_add(&entry, STORAGE(5), "REQUEST", fields->request);
		entry_add(&entry, STORAGE(6), "PEER", fields->peer);
	}
#undef STORAGE
	(void)sd_journal_sendv(entry.parts, entry.count);
}

void log_write(int level, const struct log_fields *fields, const char *format, ...)
{
	if (!log_enabled(level))
		return;
	char text[TEXT_MAX], serial[16] = "";
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);

	const char *serial_text = NULL;
	if (fields && fields->has_serial) {
		snprintf(serial, sizeof(serial), "%u", fields->serial);
		serial_text = serial;
	}
	if (atomic_load_explicit(&log_to_journal, memory_order_relaxed))
		write_journal(level, fields, serial_text, text);
	else
		write_stderr(level, fields, serial_text, text);
}
