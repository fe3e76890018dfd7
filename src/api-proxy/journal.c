/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "api-proxy/journal.h"
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdbool.h>
#include <stdint.h>
#include "common/cleanup.h"
#include "common/log.h"

/*
 * As on disk. The size of a disk's sector, and aligned to it: a power cut leaves the old note or the new one, and a write into
 * the page cache cannot be stopped half-way by a kill. The file stays on this host, so its integers are the host's.
 */
struct slot {
	uint8_t check[crypto_shorthash_BYTES]; /* of all that follows */
	uint32_t format;
	uint16_t key_size, value_size;
	uint8_t data[JOURNAL_NOTE_MAX];        /* key, then value, then zeros */
};
#define SLOT_SIZE sizeof(struct slot)
_Static_assert(sizeof(struct slot) == 512, "a slot is a sector");
#define FORMAT UINT32_C(0x31746e69)
#define FILE_NAME "journal"

struct journal {
	int fd;
	bool used[JOURNAL_SLOTS];
};

/* Finds damage; whoever can write to the file can as well remove it. */
static void compute_check(const struct slot *slot, uint8_t ret_check[crypto_shorthash_BYTES])
{
	static const uint8_t key[crypto_shorthash_KEYBYTES];
	(void)crypto_shorthash(ret_check, (const uint8_t *)slot + sizeof(slot->check), SLOT_SIZE - sizeof(slot->check), key);
}

static bool is_note(const struct slot *slot)
{
	uint8_t check[crypto_shorthash_BYTES];
	if (slot->format != FORMAT || slot->key_size + slot->value_size > JOURNAL_NOTE_MAX)
		return false;
	compute_check(slot, check);
	return memcmp(check, slot->check, sizeof(check)) == 0;
}

static int write_slot(const struct journal *journal, unsigned number, const struct slot *slot)
{
	off_t at = (off_t)number * (off_t)SLOT_SIZE;
	for (size_t written = 0; written < SLOT_SIZE;) {
		ssize_t n = pwrite(journal->fd, (const char *)slot + written, SLOT_SIZE - written, at + (off_t)written);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -ENOSPC;
		written += (size_t)n;
	}
	return 0;
}

int journal_replace(struct journal *journal, unsigned slot, const void *key, size_t key_size, const void *value, size_t value_size)
{
	struct slot note = { .format = FORMAT, .key_size = (uint16_t)key_size, .value_size = (uint16_t)value_size };
	if (key_size > JOURNAL_NOTE_MAX || value_size > JOURNAL_NOTE_MAX - key_size)
		return -EINVAL;
	memcpy(note.data, key, key_size);
	memcpy(note.data + key_size, value, value_size);
	compute_check(&note, note.check);
	return write_slot(journal, slot, &note);
}

int journal_add(struct journal *journal, const void *key, size_t key_size, const void *value, size_t value_size, unsigned *ret_slot)
{
	/* The lowest one: the file stays as small as may be, and mostly one page of it is written again and again. */
	const bool *free_one = memchr(journal->used, false, sizeof(journal->used));
	if (!free_one)
		return -ENOBUFS;
	unsigned slot = (unsigned)(free_one - journal->used);
	int result = journal_replace(journal, slot, key, key_size, value, value_size);
	if (result < 0)
		return result;
	journal->used[slot] = true;
	*ret_slot = slot;
	return 0;
}

void journal_remove(struct journal *journal, unsigned slot)
{
	static const struct slot empty;
	(void)write_slot(journal, slot, &empty);
	journal->used[slot] = false;
}

int journal_sync(struct journal *journal)
{
	return fdatasync(journal->fd) < 0 ? -errno : 0;
}

/* The file is there after a power cut, too. */
static int open_file(const char *folder)
{
	CLEANUP(close) int at = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	CLEANUP(close) int fd = at < 0 ? -1 : openat(at, FILE_NAME, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0 || fsync(at) < 0)
		return -errno;
	return TAKE_FD(fd);
}

/* How many octets there are, at most those of all slots. */
static ssize_t read_slots(int fd, struct slot *slots)
{
	size_t size = 0;
	while (size < JOURNAL_SLOTS * SLOT_SIZE) {
		ssize_t n = pread(fd, (char *)slots + size, JOURNAL_SLOTS * SLOT_SIZE - size, (off_t)size);
		if (n < 0 && errno != EINTR)
			return -errno;
		if (n == 0)
			break;
		if (n > 0)
			size += (size_t)n;
	}
	return (ssize_t)size;
}

int journal_open(const char *folder,
                 void (*visit)(struct journal *journal, unsigned slot, const void *key, size_t key_size, const void *value, size_t value_size,
                               void *userdata),
                 void *userdata, struct journal **ret)
{
	static const struct slot empty;
	CLEANUP(free) struct slot *slots = calloc(JOURNAL_SLOTS, SLOT_SIZE);
	struct journal *journal = calloc(1, sizeof(*journal));
	if (!slots || !journal) {
		free(journal);
		return -ENOMEM;
	}
	journal->fd = open_file(folder);
	ssize_t size = journal->fd < 0 ? journal->fd : read_slots(journal->fd, slots);
	if (size < 0) {
		journal_close(journal);
		return (int)size;
	}
	size_t whole = (size_t)size / SLOT_SIZE;
	for (size_t i = 0; i < whole; i++)
		journal->used[i] = is_note(&slots[i]);
	for (unsigned i = 0; i < whole; i++) {
		const struct slot *slot = &slots[i];
		if (journal->used[i])
			visit(journal, i, slot->data, slot->key_size, slot->data + slot->key_size, slot->value_size, userdata);
		else if (memcmp(slot, &empty, SLOT_SIZE) != 0)
			LOG(LOG_DEBUG, "%s/" FILE_NAME ": slot %u holds no whole note", folder, i);
	}
	*ret = journal;
	return 0;
}

void journal_close(struct journal *journal)
{
	if (!journal)
		return;
	if (journal->fd >= 0)
		(void)close(journal->fd);
	free(journal);
}
