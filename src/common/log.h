/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once
#include <stdbool.h>
#include <syslog.h>
/*
 * Log lines with a closed set of fields. To journald natively when stderr is the journal (fields become
 * ZONE=, SERIAL=, SECONDARY=, REQUEST=, PEER=), else to stderr as "TIME PROGRAM: level: text zone=… serial=…".
 * What is not printable ASCII is written as \xNN.
 * Any thread. Common modules do not log above debug: the caller that gives up logs, once.
 */
struct log_fields {
	const char *zone;
	const char *secondary;
	const char *request;
	const char *peer;
	bool has_serial;
	unsigned serial;
};

/* Names the program in the lines; call once, first. level: LOG_ERR … LOG_DEBUG, lines above are dropped. */
void log_open(const char *program, int level);
void log_set_level(int level);
bool log_enabled(int level);

void log_write(int level, const struct log_fields *fields, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

#define LOG(level, text, ...) log_write(level, NULL, text, ##__VA_ARGS__)
#define LOG_ZONE(level, zone_, text, ...) log_write(level, &(struct log_fields){ .zone = zone_ }, text, ##__VA_ARGS__)
/* LOG_FIELDS(LOG_ERR, (.zone = zone, .secondary = id), "text %d", n) */
#define LOG_FIELDS(level, fields, text, ...) \
	log_write(level, &(struct log_fields){ LOG_UNPACK fields }, text, ##__VA_ARGS__)
#define LOG_UNPACK(...) __VA_ARGS__
