/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once
#include <stdint.h>
#include <gnutls/gnutls.h>
#include <stdatomic.h>
/*
 * The certificate that the proxy shows, and its key: configured, or made by the proxy itself. Reasons are malloc'ed texts.
 */
struct certificate {
	gnutls_certificate_credentials_t credentials;
	uint64_t expires_us; /* since the epoch */
	atomic_uint holders;
};

/* file: PEM, the server's own certificate first, then those that signed it. key_pem: the key's text. -errno, ERROR_MALFORMED. */
int certificate_read(const char *file, const char *key_pem, struct certificate **ret, char **ret_reason);
/*
 * The self-signed one in the folder (certificate.pem, key.pem), made if it is missing; one that expires within 30 days, as
 * seen at now_us, is made anew with the same key. It holds the host's names and addresses. A folder is made when missing.
 */
int certificate_own(const char *folder, uint64_t now_us, struct certificate **ret, char **ret_reason);
/* One more holder, each of which frees it in the end; any thread. */
struct certificate *certificate_hold(struct certificate *certificate);
void certificate_free(struct certificate *certificate); /* NULL is fine */
