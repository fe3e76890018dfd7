/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "common/spool.h"
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include "common/cleanup.h"

struct spool {
	atomic_uint references;
	size_t memory_limit;
	uint64_t size;
	uint8_t *memory; /* all of it while fd is -1 */
	size_t capacity;
	int fd;
	bool finished;
	char folder[];
};

int spool_new(const char *folder, size_t memory_limit, struct spool **ret)
{
	size_t length = strlen(folder) + 1;
	struct spool *spool = calloc(1, sizeof(*spool) + length);
	if (!spool)
		return -ENOMEM;
	atomic_init(&spool->references, 1);
	spool->memory_limit = memory_limit;
	spool->fd = -1;
	memcpy(spool->folder, folder, length);
	*ret = spool;
	return 0;
}

struct spool *spool_ref(struct spool *spool)
{
	atomic_fetch_add_explicit(&spool->references, 1, memory_order_relaxed);
	return spool;
}

void spool_free(struct spool *spool)
{
	if (!spool || atomic_fetch_sub_explicit(&spool->references, 1, memory_order_acq_rel) != 1)
		return;
	if (spool->fd >= 0)
		close(spool->fd);
	free(spool->memory);
	free(spool);
}

/* A file without a name: nothing is left behind whatever ends the process. */
static int open_unnamed(const char *folder)
{
	int fd = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (fd >= 0)
		return fd;
	if (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL)
		return -errno;

	/* Some file systems (overlays, NFS) know no O_TMPFILE. */
	CLEANUP(free) char *path = NULL;
	if (asprintf(&path, "%s/spool-XXXXXX", folder) < 0) {
		path = NULL;
		return -ENOMEM;
	}
	fd = mkostemp(path, O_CLOEXEC);
	if (fd < 0)
		return -errno;
	(void)unlink(path);
	return fd;
}

static int write_all(int fd, const uint8_t *data, size_t size, uint64_t offset)
{
	while (size > 0) {
		ssize_t n = pwrite(fd, data, size, (off_t)offset);
		if (n < 0) {
			if (errno == EINTR)
				continue;
			return -errno;
		}
		data += n;
		offset += (uint64_t)n;
		size -= (size_t)n;
	}
	return 0;
}

static int move_to_file(struct spool *spool)
{
	CLEANUP(close) int fd = open_unnamed(spool->folder);
	if (fd < 0)
		return fd;
	int error = write_all(fd, spool->memory, (size_t)spool->size, 0);
	if (error < 0)
		return error;
	free(spool->memory);
	spool->memory = NULL;
	spool->capacity = 0;
	spool->fd = TAKE_FD(fd);
	return 0;
}

static int make_room(struct spool *spool, size_t needed)
{
	if (needed <= spool->capacity)
		return 0;
	size_t capacity = spool->capacity ? spool->capacity : 4096;
	while (capacity < needed)
		capacity = capacity > SIZE_MAX / 2 ? needed : capacity * 2;
	if (capacity > spool->memory_limit)
		capacity = spool->memory_limit; /* needed is not more than that, see spool_write */
	uint8_t *memory = realloc(spool->memory, capacity);
	if (!memory)
		return -ENOMEM;
	spool->memory = memory;
	spool->capacity = capacity;
	return 0;
}

int spool_write(struct spool *spool, const void *data, size_t size)
{
	int error = 0;
	if (spool->finished)
		return -EINVAL;
	if (size == 0)
		return 0;
	if (size > (uint64_t)INT64_MAX - spool->size)
		return -EFBIG;
	if (spool->fd < 0 && (size > spool->memory_limit || spool->size > spool->memory_limit - size))
		error = move_to_file(spool);
	else if (spool->fd < 0)
		error = make_room(spool, (size_t)spool->size + size);
	if (error < 0)
		return error;

	if (spool->fd < 0)
		memcpy(spool->memory + spool->size, data, size);
	else
		error = write_all(spool->fd, data, size, spool->size);
	if (error < 0)
		return error;
	spool->size += size;
	return 0;
}

int spool_finish(struct spool *spool)
{
	spool->finished = true;
	/* What the growth in steps reserved too much is given back: spools may live long. */
	if (spool->memory && spool->size < spool->capacity) {
		uint8_t *memory = realloc(spool->memory, (size_t)spool->size);
		if (memory) {
			spool->memory = memory;
			spool->capacity = (size_t)spool->size;
		}
	}
	return 0;
}

uint64_t spool_size(const struct spool *spool)
{
	return spool->size;
}

int64_t spool_read(struct spool *spool, uint64_t offset, void *buffer, size_t size)
{
	if (offset >= spool->size || size == 0)
		return 0;
	if (size > spool->size - offset)
		size = (size_t)(spool->size - offset);
	if (spool->fd < 0) {
		memcpy(buffer, spool->memory + offset, size);
		return (int64_t)size;
	}
	size_t done = 0;
	while (done < size) {
		ssize_t n = pread(spool->fd, (uint8_t *)buffer + done, size - done, (off_t)(offset + done));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		done += (size_t)n;
	}
	return (int64_t)done;
}
