/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "api-proxy/network.h"
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include "common/cleanup.h"
#include "common/error.h"

struct network_list {
	size_t count;
	struct network networks[];
};

int network_parse(const char *text, struct network *ret)
{
	char address[INET6_ADDRSTRLEN];
	const char *slash = strchrnul(text, '/');
	struct network network = { .family = strchr(text, ':') ? AF_INET6 : AF_INET };
	unsigned long most = network.family == AF_INET6 ? 128 : 32, bits = most;
	if (*slash) {
		char *end;
		bits = strtoul(slash + 1, &end, 10);
		if (slash[1] < '0' || slash[1] > '9' || *end || bits > most)
			return ERROR_MALFORMED;
	}
	if ((size_t)(slash - text) >= sizeof(address))
		return ERROR_MALFORMED;
	memcpy(address, text, (size_t)(slash - text));
	address[slash - text] = '\0';
	if (inet_pton(network.family, address, network.address) != 1)
		return ERROR_MALFORMED;
	network.bits = (unsigned)bits;
	*ret = network;
	return 0;
}

bool network_holds(const struct network *network, const struct sockaddr *address)
{
	if (address->sa_family != network->family)
		return false;
	const uint8_t *octets = network->family == AF_INET6 ? ((const struct sockaddr_in6 *)address)->sin6_addr.s6_addr
	                                                    : (const uint8_t *)&((const struct sockaddr_in *)address)->sin_addr;
	unsigned whole = network->bits / 8, rest = network->bits % 8;
	return memcmp(octets, network->address, whole) == 0 &&
	       (rest == 0 || (octets[whole] ^ network->address[whole]) >> (8 - rest) == 0);
}

int network_list_new(const char *text, struct network_list **ret)
{
	CLEANUP(free) char *copy = strdup(text ? text : "");
	size_t most = 1;
	for (const char *at = text; at && *at; at++)
		most += *at == ',' || *at == ' ';
	CLEANUP(free) struct network_list *list = calloc(1, sizeof(*list) + most * sizeof(*list->networks));
	if (!copy || !list)
		return -ENOMEM;
	char *rest = NULL;
	for (const char *one = strtok_r(copy, ", ", &rest); one; one = strtok_r(NULL, ", ", &rest)) {
		if (network_parse(one, &list->networks[list->count++]) < 0)
			return ERROR_MALFORMED;
	}
	*ret = TAKE(list);
	return 0;
}

void network_list_free(struct network_list *list)
{
	free(list);
}

bool network_list_is_empty(const struct network_list *list)
{
	return list->count == 0;
}

bool network_list_holds(const struct network_list *list, const struct sockaddr *address)
{
	for (size_t i = 0; i < list->count; i++) {
		if (network_holds(&list->networks[i], address))
			return true;
	}
	return false;
}
