/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
/*
 * Networks as they stand in configurations, "192.0.2.0/24", "2001:db8::/32"; without a length it is one address. Any thread.
 */
struct network {
	int family;
	uint8_t address[16];
	unsigned bits;
};

int network_parse(const char *text, struct network *ret); /* 0, ERROR_MALFORMED */
bool network_holds(const struct network *network, const struct sockaddr *address);

/* Networks with commas or spaces between them. */
struct network_list;
int network_list_new(const char *text, struct network_list **ret); /* text may be NULL: none. ERROR_MALFORMED, -ENOMEM */
void network_list_free(struct network_list *list);
bool network_list_is_empty(const struct network_list *list);
bool network_list_holds(const struct network_list *list, const struct sockaddr *address);
