/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once
#include "common/bus_internal.h"
/*
 * The requests for the next messages of a pull consumer. Exactly one is outstanding; the next one is sent when it is used
 * up or over. The first one after opening is short: its end, if not a message, shows soon that the consumer exists and that
 * we may use it; a missing consumer and a missing right both look like silence.
 */
struct bus_fetch {
	const char *stream, *consumer; /* borrowed */
	unsigned batch;
	/*
	 * Ask without waiting until the server says that nothing more is there. Not for consumers with acknowledgements: a
	 * request that cannot be served since too much is unacknowledged would neither be served nor end.
	 */
	bool catch_up;
	/* its own: */
	char subject[BUS_TEXT_SIZE];
	char inbox[BUS_INBOX_SIZE];
	unsigned remaining;   /* messages that the outstanding request may still bring; 0: none is outstanding */
	bool probed;          /* the first request was answered */
	bool drained;         /* the server said that nothing more is there */
	unsigned denials;     /* refusals heard before the request was sent */
	uint64_t deadline_us; /* when the outstanding request must have been answered */
};

/* Waits for a connection and subscribes an inbox. -ECANCELED. */
int bus_fetch_open(struct bus_fetch *fetch, struct bus_listener *listener);
/*
 * The next message, or NULL when only the consumer's sign of life came (then fetch->drained tells whether everything that
 * was there has been given). ERROR_NO_STREAM, ERROR_DENIED, ERROR_DISCONNECTED, -EAGAIN, -ECANCELED: open again.
 */
int bus_fetch_next(struct bus_fetch *fetch, struct bus_listener *listener, struct bus_message **ret);
