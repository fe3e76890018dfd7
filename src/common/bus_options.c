/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "common/bus_internal.h"

#include <errno.h>
#include <string.h>

#include <sodium.h>

#include "common/error.h"

#define TIMEOUT_DEFAULT_US 1000000
#define CONNECT_TIMEOUT_MS 2000
#define WRITE_DEADLINE_MS 5000
#define PING_INTERVAL_MS 10000
#define PINGS_OUT 2
#define SERVERS_MAX 32

/* An NKEY seed as text is base32 of two octets of kind, 32 octets of Ed25519 seed and a CRC-16. */
#define SEED_RAW_SIZE 36
#define PUBLIC_RAW_SIZE 35
#define PUBLIC_TEXT_SIZE (PUBLIC_RAW_SIZE * 8 / 5 + 1)

static const char base32_alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

static bool base32_decode(const char *text, uint8_t *raw, size_t size)
{
	unsigned bits = 0, value = 0;
	size_t count = 0;

	for (; *text != '\0'; text++) {
		const char *digit = strchr(base32_alphabet, *text);

		if (!digit)
			return false;
		value = (value << 5 | (unsigned)(digit - base32_alphabet)) & 0xffff;
		bits += 5;
		if (bits >= 8) {
			if (count == size)
				return false;
			bits -= 8;
			raw[count++] = (uint8_t)(value >> bits);
		}
	}
	return count == size;
}

static void base32_encode(const uint8_t *raw, size_t size, char *text)
{
	unsigned bits = 0, value = 0;

	for (size_t i = 0; i < size; i++) {
		value = (value << 8 | raw[i]) & 0xffff;
		for (bits += 8; bits >= 5;) {
			bits -= 5;
			*text++ = base32_alphabet[value >> bits & 31];
		}
	}
	*text = '\0';
}

static uint16_t crc16(const uint8_t *data, size_t size)
{
	uint16_t crc = 0;

	for (size_t i = 0; i < size; i++) {
		crc ^= (uint16_t)(data[i] << 8);
		for (int bit = 0; bit < 8; bit++)
			crc = (uint16_t)(crc & 0x8000 ? crc << 1 ^ 0x1021 : crc << 1);
	}
	return crc;
}

/* nats.c wants the public key next to the seed, and does not tell how to get it. */
static int nkey_public(const char *seed, char ret[PUBLIC_TEXT_SIZE])
{
	uint8_t raw[SEED_RAW_SIZE], out[PUBLIC_RAW_SIZE], secret[crypto_sign_SECRETKEYBYTES];
	int r = ERROR_MALFORMED;

	if (base32_decode(seed, raw, sizeof(raw)) && (raw[0] & 0xf8) == 18 << 3 &&
	    crc16(raw, SEED_RAW_SIZE - 2) == (raw[SEED_RAW_SIZE - 2] | raw[SEED_RAW_SIZE - 1] << 8)) {
		out[0] = (uint8_t)((raw[0] & 7) << 5 | raw[1] >> 3);
		crypto_sign_seed_keypair(out + 1, secret, raw + 2);

		uint16_t crc = crc16(out, PUBLIC_RAW_SIZE - 2);

		out[PUBLIC_RAW_SIZE - 2] = (uint8_t)crc;
		out[PUBLIC_RAW_SIZE - 1] = (uint8_t)(crc >> 8);
		base32_encode(out, sizeof(out), ret);
		r = 0;
	}
	sodium_memzero(raw, sizeof(raw));
	sodium_memzero(secret, sizeof(secret));
	return r;
}

static natsStatus on_sign(char **error, unsigned char **signature, int *size, const char *nonce, void *closure)
{
	struct bus *bus = closure;

	/* Freed by the library. */
	if (!nonce || nonce[0] == '\0') {
		*error = strdup("the server does not ask for an NKEY");
		return NATS_ERR;
	}
	return nats_Sign(bus->nkey_seed, nonce, signature, size);
}

static int refuse(const char *what, natsStatus status, char **ret_reason)
{
	natsStatus ignored;
	const char *detail = status == NATS_OK ? NULL : nats_GetLastError(&ignored);

	if (asprintf(ret_reason, "%s%s%s", what, detail ? ": " : "", detail ? detail : "") < 0)
		*ret_reason = NULL;
	return ERROR_MALFORMED;
}

/* nats.c looks at a URL only when it connects, again and again; a slip of the pen should show at the start. */
static bool url_is_valid(const char *url)
{
	const char *scheme = strstr(url, "://"), *host = scheme ? scheme + 3 : url, *at = strrchr(host, '@');
	char *end = NULL;

	if (scheme && strncmp(url, "nats://", 7) != 0 && strncmp(url, "tls://", 6) != 0)
		return false;
	host = at ? at + 1 : host;

	size_t size = host[0] == '[' ? strcspn(host, "]") + 1 : strcspn(host, ":");

	if (size > strlen(host) || size == 0 || strpbrk(host, "/?# "))
		return false;
	if (host[size] == '\0')
		return true;
	if (host[size] != ':' || host[size + 1] < '0' || host[size + 1] > '9')
		return false;

	unsigned long port = strtoul(host + size + 1, &end, 10);

	return *end == '\0' && port > 0 && port <= UINT16_MAX;
}

static int set_servers(struct bus *bus, const char *urls, bool *ret_tls, char **ret_reason)
{
	CLEANUP(free) char *copy = strdup(urls);
	const char *servers[SERVERS_MAX];
	char *rest = NULL;
	int count = 0;

	if (!copy)
		return -ENOMEM;
	for (char *url = strtok_r(copy, ", ", &rest); url; url = strtok_r(NULL, ", ", &rest)) {
		if (count == SERVERS_MAX)
			return refuse("too many NATS URLs", NATS_OK, ret_reason);
		/* Not quoted: it may hold a password. */
		if (!url_is_valid(url))
			return refuse("a NATS URL is malformed", NATS_OK, ret_reason);
		if (strncmp(url, "tls://", 6) == 0)
			*ret_tls = true;
		servers[count++] = url;
	}
	if (count == 0)
		return refuse("no NATS URL", NATS_OK, ret_reason);
	if (natsOptions_SetServers(bus->options, servers, count) != NATS_OK)
		return refuse("a NATS URL is malformed", NATS_OK, ret_reason);
	return 0;
}

static int set_credentials(struct bus *bus, const struct bus_options *options, char **ret_reason)
{
	natsStatus status = NATS_OK;

	if (options->user)
		status = natsOptions_SetUserInfo(bus->options, options->user, options->password ? options->password : "");
	if (status == NATS_OK && options->token)
		status = natsOptions_SetToken(bus->options, options->token);
	if (status == NATS_OK && options->credentials_file)
		status = natsOptions_SetUserCredentialsFromFiles(bus->options, options->credentials_file, NULL);
	if (status != NATS_OK)
		return refuse("NATS credentials", status, ret_reason);
	if (options->nkey_seed) {
		char public_key[PUBLIC_TEXT_SIZE];

		bus->nkey_seed = strndup(options->nkey_seed, strcspn(options->nkey_seed, " \t\r\n"));
		if (!bus->nkey_seed)
			return -ENOMEM;
		if (nkey_public(bus->nkey_seed, public_key) < 0)
			return refuse("the NKEY seed is malformed", NATS_OK, ret_reason);
		status = natsOptions_SetNKey(bus->options, public_key, on_sign, bus);
	}
	return status == NATS_OK ? 0 : refuse("NATS credentials", status, ret_reason);
}

static int set_tls(struct bus *bus, const struct bus_options *options, bool tls, char **ret_reason)
{
	natsStatus status = NATS_OK;

	if (options->tls_ca)
		status = natsOptions_LoadCATrustedCertificates(bus->options, options->tls_ca);
	if (status == NATS_OK && options->tls_certificate)
		status = natsOptions_LoadCertificatesChain(bus->options, options->tls_certificate,
		                                           options->tls_key ? options->tls_key : options->tls_certificate);
	if (status == NATS_OK && (tls || options->tls || options->tls_ca || options->tls_certificate))
		status = natsOptions_SetSecure(bus->options, true);
	return status == NATS_OK ? 0 : refuse("NATS TLS files", status, ret_reason);
}

static natsStatus set_behaviour(struct bus *bus, const char *name)
{
	natsOptions *options = bus->options;
	natsStatus status = natsOptions_SetName(options, name);

	if (status == NATS_OK)
		status = natsOptions_SetAllowReconnect(options, false);
	if (status == NATS_OK)
		status = natsOptions_SetTimeout(options, CONNECT_TIMEOUT_MS);
	if (status == NATS_OK)
		status = natsOptions_SetWriteDeadline(options, WRITE_DEADLINE_MS);
	if (status == NATS_OK)
		status = natsOptions_SetPingInterval(options, PING_INTERVAL_MS);
	if (status == NATS_OK)
		status = natsOptions_SetMaxPingsOut(options, PINGS_OUT);
	/* Otherwise a publish waits up to a millisecond for company. */
	if (status == NATS_OK)
		status = natsOptions_SetSendAsap(options, true);
	if (status == NATS_OK)
		status = natsOptions_SetCustomInboxPrefix(options, bus->inbox_prefix);
	return status;
}

int bus_options_make(struct bus *bus, const struct bus_options *options, const char *name, char **ret_reason)
{
	bool tls = false;

	bus->timeout_us = options->timeout > 0 ? options->timeout : TIMEOUT_DEFAULT_US;
	bus->inbox_prefix = strdup(options->inbox_prefix && options->inbox_prefix[0] ? options->inbox_prefix : "_INBOX");
	if (!bus->inbox_prefix || natsOptions_Create(&bus->options) != NATS_OK)
		return -ENOMEM;
	if (strlen(bus->inbox_prefix) > BUS_INBOX_SIZE / 2)
		return refuse("the inbox prefix is too long", NATS_OK, ret_reason);

	int r = set_servers(bus, options->urls ? options->urls : "", &tls, ret_reason);

	if (r == 0)
		r = set_credentials(bus, options, ret_reason);
	if (r == 0)
		r = set_tls(bus, options, tls, ret_reason);
	if (r < 0)
		return r;

	natsStatus status = set_behaviour(bus, name);

	return status == NATS_OK ? 0 : refuse("NATS options", status, ret_reason);
}
