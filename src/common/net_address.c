/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "common/net_address.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "common/error.h"

int net_address_parse(const char *text, struct sockaddr_storage *ret_address, socklen_t *ret_length)
{
	char host[INET6_ADDRSTRLEN];
	bool six = text[0] == '[';
	const char *begin = six ? text + 1 : text;
	size_t size = strcspn(begin, six ? "]" : ":");
	const char *port = begin + size + (six ? 1 : 0);
	struct sockaddr_storage address = { 0 };

	if (begin[size] == '\0' || size >= sizeof(host) || *port++ != ':')
		return ERROR_MALFORMED;
	memcpy(host, begin, size);
	host[size] = '\0';

	size_t digits = strspn(port, "0123456789");
	unsigned long number = strtoul(port, NULL, 10);
	if (digits == 0 || digits > 5 || port[digits] != '\0' || number == 0 || number > UINT16_MAX)
		return ERROR_MALFORMED;
	struct sockaddr_in *in = (struct sockaddr_in *)&address;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&address;
	if (inet_pton(six ? AF_INET6 : AF_INET, host, six ? (void *)&in6->sin6_addr : (void *)&in->sin_addr) != 1)
		return ERROR_MALFORMED;
	address.ss_family = six ? AF_INET6 : AF_INET;
	if (six)
		in6->sin6_port = htons((uint16_t)number);
	else
		in->sin_port = htons((uint16_t)number);
	*ret_address = address;
	*ret_length = six ? sizeof(*in6) : sizeof(*in);
	return 0;
}

bool net_address_is_loopback(const struct sockaddr_storage *address)
{
	const struct sockaddr_in *in = (const struct sockaddr_in *)address;
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)address;

	return address->ss_family == AF_INET ? ntohl(in->sin_addr.s_addr) >> 24 == 127 : IN6_IS_ADDR_LOOPBACK(&in6->sin6_addr);
}
