/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once
#include <stddef.h>
/*
 * A few small notes, each a key and a value, in numbered slots of one file, "journal". A note survives kill -9 as soon as it is put, and a
 * power cut once a journal_sync that began after that has returned 0. One thread at a time, but for journal_sync.
 */
struct journal;
#define JOURNAL_SLOTS 2048u /* of 512 octets: the file never grows over 1 MiB */
#define JOURNAL_NOTE_MAX 496 /* octets of key and value together */

/*
 * Makes the file in the folder when missing, and calls visit for each note in it; it may remove that note, or put another one in its slot. What is no
 * whole note, as a power cut may leave it, is passed over, and its slot is free. -errno.
 */
int journal_open(const char *folder,
                 void (*visit)(struct journal *journal, unsigned slot, const void *key, size_t key_size, const void *value, size_t value_size,
                               void *userdata),
                 void *userdata, struct journal **ret);
void journal_close(struct journal *journal); /* NULL is fine; the notes stay */

/* Puts a note into a free slot. -ENOBUFS: there is none; -ENOSPC, -EIO …: the file takes no writes; -EINVAL: too large. */
int journal_add(struct journal *journal, const void *key, size_t key_size, const void *value, size_t value_size, unsigned *ret_slot);
/* Puts another note in the place of one. */
int journal_replace(struct journal *journal, unsigned slot, const void *key, size_t key_size, const void *value, size_t value_size);
/* Frees the slot. If the file takes no writes, or the power is cut soon, the note may be found once more. */
void journal_remove(struct journal *journal, unsigned slot);
/* Any thread. After a failure nothing is known of any note: all are to be put again. */
int journal_sync(struct journal *journal);
