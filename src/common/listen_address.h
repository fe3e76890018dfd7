/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once
#include <netinet/in.h>
#include <sys/socket.h>
/*
 * Addresses as they stand in configurations: "192.0.2.1:53", "[2001:db8::1]:53", numbers only, never a name:
 * what a daemon listens on or asks must not hang on the DNS that it feeds.
 */
/* 0, or ERROR_MALFORMED. Any thread. */
int listen_address_parse(const char *text, struct sockaddr_storage *ret_address, socklen_t *ret_length);
