/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once
#include <systemd/sd-event.h>
/*
 * The way from foreign threads into the loop: a bounded queue of messages that wakes the sd-event loop.
 * The handler runs in the loop thread, in the order of posting.
 */
struct mailbox;
typedef void (*mailbox_handler)(void *message, void *userdata);

int mailbox_new(sd_event *loop, unsigned capacity, mailbox_handler handler, void *userdata, struct mailbox **ret);
/* Waits while the queue is full. After mailbox_close: -ECANCELED, and the message stays the caller's. Any thread but the loop's. */
int mailbox_post(struct mailbox *mailbox, void *message);
/* Ends waiting posters; later posts fail. Loop thread. */
void mailbox_close(struct mailbox *mailbox);
/* After all posting threads ended. Messages still queued are handed to `drop` (may be NULL: then they must not exist). */
void mailbox_free(struct mailbox *mailbox, void (*drop)(void *message));
