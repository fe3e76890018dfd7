/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once
/*
 * TSIG keys (RFC 8945) from the text "ALGORITHM:NAME:BASE64", the form of kdig -y, e.g. "hmac-sha256:transfer.:c2VjcmV0".
 */
struct tsig_key;
int tsig_key_new(const char *text, struct tsig_key **ret); /* ERROR_MALFORMED */
void tsig_key_free(struct tsig_key *key);
const void *tsig_key_knot(const struct tsig_key *key); /* const knot_tsig_key_t * */
