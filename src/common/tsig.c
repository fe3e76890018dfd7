/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <sodium.h>
#include <libknot/tsig.h>
#include "common/cleanup.h"
#include "common/error.h"
#include "common/tsig.h"

struct tsig_key {
	knot_tsig_key_t knot;
};

DEFINE_CLEANUP(tsig_key, struct tsig_key *, tsig_key_free)

int tsig_key_new(const char *text, struct tsig_key **ret)
{
	/* Text from a file ends with a newline. Two colons: libknot would take a missing algorithm for HMAC-MD5. */
	CLEANUP(free) char *copy = strdup(text);
	if (!copy)
		return -ENOMEM;
	size_t size = strlen(copy);
	while (size > 0 && strchr(" \t\r\n", copy[size - 1]))
		copy[--size] = '\0';
	const char *colon = strchr(copy, ':');

	int result = ERROR_MALFORMED;
	CLEANUP(tsig_key) struct tsig_key *key = calloc(1, sizeof(*key));
	if (!key)
		result = -ENOMEM;
	else if (colon && colon > copy && strchr(colon + 1, ':') > colon + 1
	         && knot_tsig_key_init_str(&key->knot, copy) == 0 && key->knot.secret.size > 0)
		result = 0;
	sodium_memzero(copy, size);
	if (result < 0)
		return result;
	*ret = TAKE(key);
	return 0;
}

void tsig_key_free(struct tsig_key *key)
{
	if (key)
		knot_tsig_key_deinit(&key->knot);
	free(key);
}

const void *tsig_key_knot(const struct tsig_key *key)
{
	return &key->knot;
}
