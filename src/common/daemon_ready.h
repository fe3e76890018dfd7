/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once
#include "common/daemon.h"
/*
 * When a daemon is ready, and what systemctl status says of it. Ready is who has reached NATS and PowerDNS, once; until then its
 * time to start is prolonged for as long as the loop turns, and the status line says what it waits for, and why. What goes
 * away later is named in the status line, too; the daemon stays ready and goes on with what it can. Loop thread.
 */
struct daemon_ready;

struct daemon_ready_options {
	const struct daemon_program *program;
	const struct daemon_options *configuration; /* the program's, which begins with them */
	struct bus *bus;
	void *state; /* the program's, for its status callback */
};

int daemon_ready_new(sd_event *loop, const struct daemon_ready_options *options, struct daemon_ready **ret);
/* NULL accepted. */
void daemon_ready_free(struct daemon_ready *ready);
/* NATS came or went. NULL accepted. */
void daemon_ready_look(struct daemon_ready *ready);
/* Around a reload, which systemd waits for. */
void daemon_ready_reloading(const struct daemon_ready *ready);
void daemon_ready_reloaded(const struct daemon_ready *ready);
