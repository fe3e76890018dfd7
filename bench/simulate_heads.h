/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once
#include <stddef.h>
#include "common/bus.h"
/* What the simulator's parts share, and its parts. All of them end the process when something fails. */
#define PREFIX "pdns"
_Noreturn void simulate_die(const char *what, int error);
struct bus *simulate_connect(const char *url, const char *name);

/* Stores heads of zones scale-N.example., each with about so many octets of text, over so many connections; counts on stdout. */
int simulate_fill(const char *url, const char *key_file, size_t zones, size_t size, size_t threads);
/* Verifies so many heads that lie in memory; prints seconds and seconds of CPU. */
int simulate_verify(const char *key_file, size_t zones, size_t size, size_t threads);
