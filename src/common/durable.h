/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once
#include <stddef.h>
#include <stdint.h>
/*
 * A small durable map in a folder of its own (LMDB): keys of 1 to 511 bytes, values of any size up to 16 MiB.
 * A put or delete that returned 0 has been synced to disk. Any thread; those who write at the same time share a sync,
 * and each gets its own result.
 */
struct durable;

enum durable_sync { DURABLE_SYNC, DURABLE_LAZY }; /* LAZY: survives kill -9 but may be undone by a power cut; the file stays intact */

/* Makes the folder when missing (0700). map_size: ceiling of the file in bytes. */
int durable_open(const char *folder, size_t map_size, enum durable_sync sync, struct durable **ret);
void durable_close(struct durable *map);

int durable_put(struct durable *map, const void *key, size_t key_size, const void *value, size_t value_size);
/* ret_value malloc'ed with a NUL after its end. -ENOENT when absent. */
int durable_get(struct durable *map, const void *key, size_t key_size, void **ret_value, size_t *ret_size);
int durable_delete(struct durable *map, const void *key, size_t key_size); /* 0 also when absent */
/* Several puts and deletes (value NULL) in one transaction, in order: all of them or none. */
struct durable_change { const void *key; size_t key_size; const void *value; size_t value_size; };
int durable_write(struct durable *map, const struct durable_change *changes, size_t count);
/* Number of entries, or negative. */
int64_t durable_count(struct durable *map);

/*
 * Calls visit in key order on one snapshot, starting at the first key >= from (NULL: the first). visit returns 0 to go on,
 * anything else to stop, which is then the result. Key and value are valid only during the call; visit must not write to the map.
 */
int durable_each(struct durable *map, const void *from, size_t from_size,
                 int (*visit)(const void *key, size_t key_size, const void *value, size_t value_size, void *userdata),
                 void *userdata);
