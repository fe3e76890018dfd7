/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once
/*
 * The one error type: 0 or positive is success, negative is failure: a negative errno, or one of the
 * domain codes below. A function that fails leaves its ret_ arguments untouched.
 */
enum error_code {
	ERROR_MALFORMED = -2000, /* input does not follow its format */
	ERROR_VERSION,           /* a schema version that this program does not know */
	ERROR_UNTRUSTED,         /* no signature, a false one, or one by a key that is not trusted */
	ERROR_REPLAYED,          /* older than what was applied before */
	ERROR_BODY,              /* a body that is missing, shorter, longer or other than its head says */
	ERROR_CONFLICT,          /* somebody else changed it meanwhile, or it is not ours */
	ERROR_NOT_AUTH,          /* the name server is not authoritative for the zone */
	ERROR_DNS_REFUSED,       /* the name server refused */
	ERROR_DNS,               /* the name server failed or answered with something that is no answer */
	ERROR_TSIG,              /* TSIG missing, false or with an unknown key */
	ERROR_HTTP,              /* an HTTP status that was not expected */
	ERROR_DISCONNECTED,      /* NATS is not connected */
	ERROR_NO_STREAM,         /* JetStream, a stream or a consumer is missing */
	ERROR_NO_RESPONDER,      /* nobody listens on the subject asked */
	ERROR_DENIED,            /* NATS or PowerDNS refused us the right */
};

/* Short English text for a code, without a full stop. Static; any thread. */
const char *error_text(int error);
