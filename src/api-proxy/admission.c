/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "api-proxy/admission.h"
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>
#include "api-proxy/proxy_metrics.h"

struct client_key {
	sa_family_t family;
	uint8_t address[16];
};

struct client {
	struct client_key key;
	unsigned count;
	UT_hash_handle hh;
};

struct admissions {
	unsigned most, per_client, refused_max;
	const struct network_list *allowed;
	struct client *clients;
	unsigned granted, refused;
};

static struct client_key key_of(const struct sockaddr *address)
{
	struct client_key key;
	memset(&key, 0, sizeof(key)); /* padding too: it is hashed */
	key.family = address->sa_family;
	if (address->sa_family == AF_INET6)
		memcpy(key.address, &((const struct sockaddr_in6 *)address)->sin6_addr, 8);
	else if (address->sa_family == AF_INET)
		memcpy(key.address, &((const struct sockaddr_in *)address)->sin_addr, 4);
	return key;
}

int admissions_new(unsigned most, unsigned per_client, unsigned refused_max, const struct network_list *allowed, struct admissions **ret)
{
	struct admissions *admissions = calloc(1, sizeof(*admissions));
	if (!admissions)
		return -ENOMEM;
	*admissions = (struct admissions){ .most = most, .per_client = per_client, .refused_max = refused_max, .allowed = allowed };
	*ret = admissions;
	return 0;
}

void admissions_free(struct admissions *admissions)
{
	struct client *client, *next;
	if (!admissions)
		return;
	HASH_ITER(hh, admissions->clients, client, next) {
		HASH_DEL(admissions->clients, client);
		free(client);
	}
	free(admissions);
}

/* Counts one more connection of the client; false: it has too many, or there is no memory to count it. */
static bool count_client(struct admissions *admissions, const struct sockaddr *address)
{
	struct client_key key = key_of(address);
	struct client *client;
	HASH_FIND(hh, admissions->clients, &key, sizeof(key), client);
	if (!client) {
		client = calloc(1, sizeof(*client));
		if (!client)
			return false;
		client->key = key;
		HASH_ADD(hh, admissions->clients, key, sizeof(key), client);
	}
	if (admissions->per_client > 0 && client->count == admissions->per_client)
		return false;
	client->count++;
	return true;
}

static void forget_client(struct admissions *admissions, const struct sockaddr *address)
{
	struct client_key key = key_of(address);
	struct client *client;
	HASH_FIND(hh, admissions->clients, &key, sizeof(key), client);
	if (!client || --client->count > 0)
		return;
	HASH_DEL(admissions->clients, client);
	free(client);
}

static enum admission decide(struct admissions *admissions, const struct sockaddr *client)
{
	if (!network_list_is_empty(admissions->allowed) && !network_list_holds(admissions->allowed, client)) {
		PROXY_COUNT(PROXY_METRIC_LIMIT_NETWORK);
		return ADMISSION_NETWORK;
	}
	if (admissions->granted == admissions->most) {
		PROXY_COUNT(PROXY_METRIC_LIMIT_CONNECTIONS);
		return ADMISSION_FULL;
	}
	if (!count_client(admissions, client)) {
		PROXY_COUNT(PROXY_METRIC_LIMIT_CLIENT);
		return ADMISSION_CLIENT;
	}
	return ADMISSION_GRANTED;
}

enum admission admissions_enter(struct admissions *admissions, const struct sockaddr *client)
{
	enum admission admission = decide(admissions, client);
	if (admission == ADMISSION_GRANTED)
		admissions->granted++;
	else if (admissions->refused == admissions->refused_max)
		admission = ADMISSION_CUT;
	else
		admissions->refused++;
	return admission;
}

void admissions_leave(struct admissions *admissions, const struct sockaddr *client, enum admission admission)
{
	if (admission == ADMISSION_GRANTED) {
		admissions->granted--;
		forget_client(admissions, client);
	} else if (admission != ADMISSION_CUT) {
		admissions->refused--;
	}
}

int admission_status(enum admission admission)
{
	switch (admission) {
	case ADMISSION_NETWORK: return 403;
	case ADMISSION_CLIENT: return 429;
	default: return 503;
	}
}

const char *admission_text(enum admission admission)
{
	switch (admission) {
	case ADMISSION_NETWORK: return "The proxy is not open to your network (option allow-from)";
	case ADMISSION_CLIENT: return "Too many connections from your address";
	default: return "Too many connections";
	}
}
