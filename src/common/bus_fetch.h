/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once
#include "common/bus_internal.h"
/*
 * The requests for the next messages of a pull consumer. One always stands: nats-server 2.9.10, among others, drops a request
 * without a word when a message comes just as it expires, and gives the message to nobody until the next request. So
 * the next one is sent before the last can expire, and also when half of what was asked for has come, so that the server
 * need not wait for us. Messages do not tell which request they answer; therefore requests are counted in rounds that end
 * before the first request of the round can: what is left of a round is left behind, to be served or to expire unnoticed,
 * and at no time do we believe that more is asked for than really is.
 *
 * The first request after opening is short: its end, if not a message, shows soon that the consumer exists and that we may
 * use it; a missing consumer and a missing right both look like silence.
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
	unsigned remaining;     /* messages that this round's requests still bring, at least; 0: no request stands */
	unsigned number, first; /* of the last request, and of the first of this round */
	uint64_t round_ends_us; /* then the next round begins */
	bool probed;            /* the first request was answered */
	bool drained;           /* the server said that nothing more is there */
	unsigned denials;       /* refusals heard before the last sign of life */
	int64_t silent_us;      /* how long it has been listened in vain */
};

/* Waits for a connection and subscribes an inbox. -ECANCELED. */
int bus_fetch_open(struct bus_fetch *fetch, struct bus_listener *listener);
/*
 * The next message, or NULL when only the consumer's sign of life came (then fetch->drained tells whether everything that
 * was there has been given). ERROR_NO_STREAM, ERROR_DENIED, ERROR_DISCONNECTED, -EAGAIN, -ECANCELED: open again.
 */
int bus_fetch_next(struct bus_fetch *fetch, struct bus_listener *listener, struct bus_message **ret);
