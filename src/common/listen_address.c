/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "common/listen_address.h"
#include <netdb.h>
#include <stdbool.h>
#include "common/cleanup.h"
#include "common/error.h"

static bool is_port(const char *text)
{
	size_t digits = strspn(text, "0123456789");
	return digits > 0 && digits <= 5 && text[digits] == '\0' && atol(text) <= 65535;
}

int listen_address_parse(const char *text, struct sockaddr_storage *ret_address, socklen_t *ret_length)
{
	char host[64];
	const char *start = text, *end = strrchr(text, ':'), *port = end ? end + 1 : "";
	bool brackets = *text == '[';
	if (!end || !is_port(port))
		return ERROR_MALFORMED;
	if (brackets) {
		start++;
		end--;
		if (end <= start || *end != ']')
			return ERROR_MALFORMED;
	}
	size_t length = (size_t)(end - start);
	if (length == 0 || length >= sizeof(host))
		return ERROR_MALFORMED;
	memcpy(host, start, length);
	host[length] = '\0';
	/* Without brackets 2001:db8::1:53 would be read as port 53 of something. */
	if (brackets != (strchr(host, ':') != NULL))
		return ERROR_MALFORMED;

	struct addrinfo *found, hints = { .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV, .ai_socktype = SOCK_STREAM };
	if (getaddrinfo(host, port, &hints, &found) != 0)
		return ERROR_MALFORMED;
	memset(ret_address, 0, sizeof(*ret_address));
	memcpy(ret_address, found->ai_addr, found->ai_addrlen);
	*ret_length = found->ai_addrlen;
	freeaddrinfo(found);
	return 0;
}
