/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "common/zone_head.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct signing_key *key;
static struct trusted_keys *trusted;
static struct bus_message *good;

static const char *const names[] = {
	"Version", "Zone", "State", "Generation", "Serial", "Records", "Size", "Digest", "Covers-Event", "Signatures-Expire",
	"Body", "Body-Hash", "Encoding", "Encoded-Size", "Key", "Signature",
};
#define NAMES (sizeof(names) / sizeof(names[0]))

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	struct zone_head head = {
		.zone = "example.org.", .state = ZONE_STATE_PRESENT, .generation = 5, .facts = { .records = 1, .size = 1 },
		.place = ZONE_BODY_CHUNKS, .body_id = "5-0123456789abcdef", .chunks = 1, .encoded_size = 1,
	};
	uint8_t public_key[32], secret[64], seed[32] = { 1 }, hash[32];
	char text[200], base64[64], id[KEY_ID_SIZE];

	(void)argc;
	(void)argv;
	if (sodium_init() < 0)
		abort();
	/* A private key file as keys.h describes it, always the same. */
	crypto_sign_seed_keypair(public_key, secret, seed);
	crypto_generichash(hash, sizeof(hash), public_key, sizeof(public_key), NULL, 0);
	sodium_bin2hex(id, sizeof(id), hash, (KEY_ID_SIZE - 1) / 2);
	sodium_bin2base64(base64, sizeof(base64), seed, sizeof(seed), sodium_base64_VARIANT_ORIGINAL);
	snprintf(text, sizeof(text), "pdns-distribute-private-v1 %s %s\n", id, base64);
	if (signing_key_parse(text, &key) < 0 || signing_key_trusted(key, &trusted) < 0 ||
	    zone_head_encode(&head, "pdns", key, NULL, 0, &good) < 0)
		abort();
	return 0;
}

/*
 * A good head in which some headers are replaced: each line of the input is the number of a header as a letter and its new
 * value. A head that is accepted must be the one that was signed.
 */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bus_message *message;
	struct zone_head head;
	char value[2048];

	if (bus_message_new("pdns.zone.org.example", NULL, 0, &message) < 0)
		return 0;
	for (size_t i = 0; i < NAMES; i++)
		(void)bus_message_set_header(message, names[i], bus_message_header(good, names[i]));
	while (size > 1) {
		const uint8_t *end = memchr(data, '\n', size);
		size_t line = end ? (size_t)(end - data) : size, length = line > 1 ? line - 1 : 0;

		if (length >= sizeof(value))
			length = sizeof(value) - 1;
		memcpy(value, data + 1, length);
		value[length] = '\0';
		(void)bus_message_set_header(message, names[data[0] % NAMES], value);
		data += line + (end ? 1 : 0);
		size -= line + (end ? 1 : 0);
	}
	if (zone_head_decode(message, "pdns", trusted, &head) == 0)
		for (size_t i = 0; i < NAMES; i++)
			if (i != NAMES - 1 && strcmp(bus_message_header(message, names[i]), bus_message_header(good, names[i])) != 0)
				__builtin_trap();
	bus_message_free(message);
	return 0;
}
