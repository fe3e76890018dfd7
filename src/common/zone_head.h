/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once
#include "common/bus.h"
#include "common/keys.h"
#include "common/zone_body.h"
#include "common/zone_name.h"
/*
 * The head: what the zone store says of one zone. Headers of the NATS message, all signed; payload: the inline body.
 * Specified byte by byte in docs/wire.md.
 *
 * Version: 1            Zone: example.org.       State: present|deleted   Generation: decimal     Serial: decimal
 * Records: decimal      Size: decimal, of the body's text                  Digest: 128 hex digits  Covers-Event: decimal
 * Signatures-Expire: seconds since the epoch, 0 if unsigned                Body: inline | <body id>/<chunks> | none
 * Body-Hash: 64 hex     Encoding: identity|zstd  Encoded-Size: decimal     Key: key id             Signature: base64
 */
#define ZONE_HEAD_BODY_ID_SIZE 64
#define ZONE_HEAD_MAX_CHUNKS 100000u
#define ZONE_HEAD_NUMBER_MAX (UINT64_C(1) << 62) /* of a generation and of every other count */
enum zone_state { ZONE_STATE_PRESENT, ZONE_STATE_DELETED };
enum zone_body_place { ZONE_BODY_NONE, ZONE_BODY_INLINE, ZONE_BODY_CHUNKS };

struct zone_head {
	char zone[ZONE_NAME_SIZE];
	enum zone_state state;
	uint64_t generation;
	uint64_t covers_event;
	struct zone_body_facts facts; /* all zero for a deletion */
	enum zone_body_place place;   /* NONE exactly for a deletion */
	char body_id[ZONE_HEAD_BODY_ID_SIZE]; /* [a-z0-9-]+, for CHUNKS */
	unsigned chunks;
	uint64_t encoded_size;        /* octets of the encoded body */
	char key[KEY_ID_SIZE];        /* set by encode */
	uint64_t sequence;            /* in the stream, set by decode */
};

/* Signs and makes the message; payload: the inline body (may be NULL for none). */
int zone_head_encode(const struct zone_head *head, const char *prefix, const struct signing_key *key,
                     const void *payload, size_t size, struct bus_message **ret);
/*
 * Checks everything that can be checked without the body: version, syntax, that subject and Zone agree, signature.
 * ERROR_MALFORMED, ERROR_VERSION, ERROR_UNTRUSTED (also for a message without any of our headers: it is not signed).
 */
int zone_head_decode(const struct bus_message *message, const char *prefix, const struct trusted_keys *keys, struct zone_head *ret);
