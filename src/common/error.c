/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "common/error.h"
#include <limits.h>
#include <string.h>
#include "common/cleanup.h"

/* From ERROR_MALFORMED on. */
static const char *const domain_texts[] = {
	[0] = "malformed",
	[ERROR_VERSION - ERROR_MALFORMED] = "unknown schema version",
	[ERROR_UNTRUSTED - ERROR_MALFORMED] = "not signed by a trusted key",
	[ERROR_REPLAYED - ERROR_MALFORMED] = "older than what is already applied",
	[ERROR_BODY - ERROR_MALFORMED] = "body does not match its head",
	[ERROR_CONFLICT - ERROR_MALFORMED] = "changed by somebody else",
	[ERROR_NOT_AUTH - ERROR_MALFORMED] = "name server is not authoritative for the zone",
	[ERROR_DNS_REFUSED - ERROR_MALFORMED] = "name server refused",
	[ERROR_DNS - ERROR_MALFORMED] = "name server failed",
	[ERROR_TSIG - ERROR_MALFORMED] = "TSIG did not verify",
	[ERROR_HTTP - ERROR_MALFORMED] = "unexpected HTTP status",
	[ERROR_DISCONNECTED - ERROR_MALFORMED] = "NATS is not connected",
	[ERROR_NO_STREAM - ERROR_MALFORMED] = "JetStream, a stream or a consumer is missing",
	[ERROR_NO_RESPONDER - ERROR_MALFORMED] = "nobody answers",
	[ERROR_DENIED - ERROR_MALFORMED] = "access denied",
};

const char *error_text(int error)
{
	if (error >= 0)
		return "success";
	if (error == INT_MIN)
		return "unknown error";
	if (error >= ERROR_MALFORMED && error < ERROR_MALFORMED + (int)ARRAY_SIZE(domain_texts))
		return domain_texts[error - ERROR_MALFORMED];
	/* Unlike strerror: static texts, never translated, so safe on every thread. */
	const char *text = strerrordesc_np(-error);
	return text ? text : "unknown error";
}
