/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
/*
 * Configuration: one table per program. The parser, --help, the sample file and the man page come from it.
 * Files hold "name = value" lines; a ; or # at the start of a line or after a blank begins a comment; no sections. A value is refused with file, line,
 * reason and allowed range.
 */
enum option_type {
	OPTION_STRING,   /* const char *; NULL when not set or set to nothing */
	OPTION_INTEGER,  /* int64_t, minimum to maximum */
	OPTION_DURATION, /* int64_t microseconds; "500ms", "10s", "5min", "2h", "7d"; bounds in microseconds */
	OPTION_SIZE,     /* int64_t bytes; "64K", "2M", "1G" */
	OPTION_BOOLEAN,  /* bool; yes/no/true/false/on/off/1/0 */
	OPTION_CHOICE,   /* int64_t: index into choices */
	OPTION_SECRET,   /* const char *: the value is a FILE that holds the secret, or the name of a systemd credential
	                    ("credential:NAME"); what is stored is the content without its final newline. Refused when
	                    others may read the file. Never shown. */
};

enum option_flags {
	OPTION_REQUIRED = 1, /* must be set to something not empty */
	OPTION_RELOAD = 2,   /* SIGHUP may change it */
};

struct option {
	const char *name;         /* "nats-url" */
	enum option_type type;
	int64_t minimum, maximum; /* for numbers; both 0: no bounds */
	const char *default_text; /* as it would stand in a file; NULL for none */
	const char *const *choices; /* NULL-terminated, for OPTION_CHOICE */
	unsigned flags;
	size_t offset;            /* of the field in the program's configuration struct */
	const char *help;         /* one line */
};

#define OPTION_END { .name = NULL }

/*
 * Several tables make up one program's options (common ones first); a set is a NULL-terminated array of them,
 * all with offsets into the same struct.
 */
typedef const struct option *const *option_set;

/* Sets all defaults. The struct must be zeroed before. 0 or -ENOMEM. */
int option_defaults(option_set set, void *configuration);

/* Option by name, or NULL. */
const struct option *option_find(option_set set, const char *name);

/* Sets one from text. On failure *ret_reason (malloc'ed, caller frees) says why in words. */
int option_set_text(const struct option *option, void *configuration, const char *text, char **ret_reason);

/*
 * Reads a file, then the *.conf files in the folder "<file>.d" by name. Option names that are in `others` but not
 * in `set` are passed over (a file that several programs share); names in neither are an error. others may be NULL.
 * ret_reason: "FILE:LINE: NAME: why", malloc'ed. -ENOENT (no reason) when the file itself is missing; the folder has
 * been read even then.
 */
int option_read_file(option_set set, option_set others, void *configuration, const char *file, char **ret_reason);

/*
 * From now on, where systemd has passed no credentials ($CREDENTIALS_DIRECTORY is not set, or closed), a secret that is one is not
 * looked at, but stored as "", which is no secret: for checks from a shell, and for commands that reload a unit, to which systemd
 * 252 names the folder but does not open it.
 */
void option_pass_over_credentials(void);

/* Where an option was set, in a file or its folder as above: "FILE:LINE", malloc'ed. -ENOENT: nowhere. */
int option_find_line(const char *file, const char *name, char **ret_place);

/* Checks that all required ones are set. */
int option_check(option_set set, const void *configuration, char **ret_reason);

/* Whether two configurations agree on an option; and exchange of its two values. */
bool option_same(const struct option *option, const void *a, const void *b);
void option_swap(const struct option *option, void *a, void *b);

/* Frees the strings and zeroes the struct. */
void option_free(option_set set, void *configuration);

/* A number, duration or size as it would stand in a file: "5min", "64K". Returns as snprintf. */
int option_format_number(const struct option *option, int64_t value, char *text, size_t size);

/* Writes the options with default and help, as a sample file, or as indented --help text. */
void option_print_sample(option_set set, FILE *out);
void option_print_help(option_set set, FILE *out);

/* Writes "NAME = value" for all, secrets as "(set)" or "(not set)". */
void option_print_values(option_set set, const void *configuration, FILE *out);
