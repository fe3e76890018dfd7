/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once
#include <sys/socket.h>
#include "api-proxy/network.h"
/*
 * Who is let in: counts connections, all and by client, a client being an IPv4 address or an IPv6 /64. One thread at a time.
 */
enum admission {
	ADMISSION_GRANTED,
	ADMISSION_NETWORK, /* not of an allowed network */
	ADMISSION_CLIENT,  /* this client has too many already */
	ADMISSION_FULL,    /* there are too many already */
	ADMISSION_CUT,     /* too many are being refused just now, nothing was counted */
};

struct admissions;
/* per_client 0: no limit. refused_max: how many at a time are told that they are refused. allowed outlives it. -ENOMEM. */
int admissions_new(unsigned most, unsigned per_client, unsigned refused_max, const struct network_list *allowed, struct admissions **ret);
void admissions_free(struct admissions *admissions);
/* A connection begins; admissions_leave ends it, unless it was cut. */
enum admission admissions_enter(struct admissions *admissions, const struct sockaddr *client);
void admissions_leave(struct admissions *admissions, const struct sockaddr *client, enum admission admission);
/* The HTTP status of a refusal, and the text that goes with it. */
int admission_status(enum admission admission);
const char *admission_text(enum admission admission);
