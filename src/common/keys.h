/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once
#include <stddef.h>
#include <stdint.h>
/*
 * Ed25519 keys of the provider. A key's id is the first 16 hex digits of BLAKE2b-256 of its public key.
 * Private key file (0600, refused if others may read it): one line "pdns-distribute-private-v1 <id> <base64 seed>".
 * Public key file: one line a key: "pdns-distribute-public-v1 <id> <base64 public key>"; lines that start with # are comments.
 */
#define KEY_ID_SIZE 17
struct signing_key;
struct trusted_keys;

int signing_key_generate(const char *private_file, const char *public_file, char ret_id[KEY_ID_SIZE]); /* -EEXIST: never overwrites */
/* From the content of a private key file (as an OPTION_SECRET holds it). ERROR_MALFORMED. */
int signing_key_parse(const char *text, struct signing_key **ret);
void signing_key_free(struct signing_key *key);
const char *signing_key_id(const struct signing_key *key);
void signing_key_sign(const struct signing_key *key, const void *data, size_t size, uint8_t ret_signature[64]);
/* The key's own public half as a set of one, to verify what we signed. */
int signing_key_trusted(const struct signing_key *key, struct trusted_keys **ret);

/* Reads a public key file; at least one key. -ENOENT, ERROR_MALFORMED. */
int trusted_keys_load(const char *file, struct trusted_keys **ret);
/* The keys that the file has now take the place of those; on failure nothing changes. While others verify. */
int trusted_keys_reload(struct trusted_keys *keys, const char *file);
void trusted_keys_free(struct trusted_keys *keys);
int trusted_keys_count(const struct trusted_keys *keys);
const char *trusted_keys_id(const struct trusted_keys *keys, int index);
/* 0, or ERROR_UNTRUSTED (unknown key, false signature). */
int trusted_keys_verify(const struct trusted_keys *keys, const char *id, const void *data, size_t size, const uint8_t signature[64]);
