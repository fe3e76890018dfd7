/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once
#include <stddef.h>
#include <stdint.h>
/*
 * Bytes written once and then read any number of times: in memory up to a threshold, beyond that in an unnamed
 * file in a given folder, so that memory stays bounded. Writing: one thread. After spool_finish: any thread reads.
 */
struct spool;

int spool_new(const char *folder, size_t memory_limit, struct spool **ret);
struct spool *spool_ref(struct spool *spool);
void spool_free(struct spool *spool); /* drops one reference; NULL accepted */
int spool_write(struct spool *spool, const void *data, size_t size);
int spool_finish(struct spool *spool);
uint64_t spool_size(const struct spool *spool);
/* Reads up to size bytes at offset; number read, 0 at the end, or negative. */
int64_t spool_read(struct spool *spool, uint64_t offset, void *buffer, size_t size);
