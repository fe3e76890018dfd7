/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once
#include <stdbool.h>
#include <sys/socket.h>
/*
 * Addresses as they stand in configurations: "192.0.2.1:53", "[2001:db8::1]:53". Numbers only, never a name: what a
 * daemon listens on or asks must not hang on the DNS that it feeds. Any thread.
 */
int net_address_parse(const char *text, struct sockaddr_storage *ret_address, socklen_t *ret_length); /* 0, ERROR_MALFORMED */
bool net_address_is_loopback(const struct sockaddr_storage *address); /* 127.0.0.0/8 or ::1 */
