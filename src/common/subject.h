/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once
#include <stddef.h>
#include "common/zone_name.h"
/*
 * Names of subjects, streams, consumers and buckets of one installation, all made from its prefix. The prefix is
 * [a-z0-9_-]+, at most 32 characters; a stream is the prefix in upper case with '-' as '_', then "_EVENTS" and so on.
 * Member ids ([a-z0-9][a-z0-9-]*, at most 63 characters; a host name's dots become '-').
 * Buffers of SUBJECT_SIZE always suffice. Any thread.
 */
#define SUBJECT_SIZE 1280
#define SUBJECT_ID_SIZE 64

enum subject_stream { STREAM_EVENTS, STREAM_ZONES, STREAM_BODIES, BUCKET_STATE };

int subject_check_prefix(const char *prefix); /* 0 or ERROR_MALFORMED */
int subject_check_id(const char *id);
void subject_stream(const char *prefix, enum subject_stream which, char ret[SUBJECT_SIZE]); /* PDNS_EVENTS, PDNS_ZONES, PDNS_BODIES, PDNS_STATE */
int subject_event(const char *prefix, const char *zone, char ret[SUBJECT_SIZE]);  /* PREFIX.event.<zone part> */
int subject_zone(const char *prefix, const char *zone, char ret[SUBJECT_SIZE]);   /* PREFIX.zone.<zone part> */
void subject_body(const char *prefix, const char *body_id, unsigned chunk, char ret[SUBJECT_SIZE]); /* PREFIX.body.<body id>.<n> */
void subject_bodies(const char *prefix, const char *body_id, char ret[SUBJECT_SIZE]); /* PREFIX.body.<body id>.* */
void subject_heartbeat(const char *prefix, const char *service, const char *id, char ret[SUBJECT_SIZE]);
void subject_applied(const char *prefix, const char *secondary, char ret[SUBJECT_SIZE]);
void subject_covered(const char *prefix, const char *provider, char ret[SUBJECT_SIZE]); /* PREFIX.covered.<provider id> */
void subject_coming(const char *prefix, const char *provider, char ret[SUBJECT_SIZE]); /* PREFIX.coming.<provider id> */
void subject_ask(const char *prefix, const char *service, const char *id, const char *verb, char ret[SUBJECT_SIZE]); /* PREFIX.ask.<service>.<id>.<verb> */
void subject_consumer(const char *secondary, char ret[SUBJECT_SIZE]); /* durable of a secondary: "secondary-<id>" */
#define SUBJECT_PROVIDER_CONSUMER "zone-provider" /* durable of all providers on the events */

/* The zone that a subject PREFIX.event.… or PREFIX.zone.… (kind "event", "zone") is about; ERROR_MALFORMED. */
int subject_parse_zone(const char *prefix, const char *kind, const char *subject, char ret_zone[ZONE_NAME_SIZE]);
/* The n-th token (0 is the prefix) of a subject; ERROR_MALFORMED if absent or too long. */
int subject_token(const char *subject, unsigned n, char *ret, size_t size);
