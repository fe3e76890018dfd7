/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "common/durable.h"
#include <errno.h>
#include <lmdb.h>
#include <pthread.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <utlist.h>
#include "common/cleanup.h"
#include "common/error.h"

#define KEY_MAX 511
#define VALUE_MAX (16u << 20)
#define GROUP_MAX 256 /* writers that share a commit */

/* What one caller has written; on its stack. */
struct group_member {
	const struct durable_change *changes;
	size_t count;
	int result;
	bool done;
	pthread_cond_t woken;
	struct group_member *next, *prev;
};

struct durable {
	MDB_env *env;
	MDB_dbi dbi;
	pthread_mutex_t lock;   /* of what follows; not held while the disk is waited for */
	bool writing;
	struct group_member *queue;
};

static inline void cleanup_abort(MDB_txn **transaction) { if (*transaction) mdb_txn_abort(*transaction); }

static int translate(int code)
{
	switch (code) {
	case MDB_SUCCESS: return 0;
	case MDB_NOTFOUND: return -ENOENT;
	case MDB_MAP_FULL: return -ENOSPC;
	case MDB_READERS_FULL: return -EAGAIN;
	case MDB_VERSION_MISMATCH: return ERROR_VERSION;
	case MDB_INVALID:
	case MDB_CORRUPTED:
	case MDB_PAGE_NOTFOUND: return ERROR_MALFORMED;
	case MDB_BAD_VALSIZE: return -EINVAL;
	default: return code > 0 ? -code : -EIO;
	}
}

static int open_database(struct durable *map)
{
	CLEANUP(abort) MDB_txn *transaction = NULL;
	int code = mdb_txn_begin(map->env, NULL, 0, &transaction);
	if (code == MDB_SUCCESS)
		code = mdb_dbi_open(transaction, NULL, 0, &map->dbi);
	if (code == MDB_SUCCESS)
		code = mdb_txn_commit(TAKE(transaction));
	return translate(code);
}

int durable_open(const char *folder, size_t map_size, enum durable_sync sync, struct durable **ret)
{
	if (mkdir(folder, 0700) < 0 && errno != EEXIST)
		return -errno;
	struct durable *map = calloc(1, sizeof(*map));
	if (!map)
		return -ENOMEM;
	/*
	 * Without MDB_NOTLS a thread could hold one read transaction only. MDB_NOMETASYNC, not MDB_NOSYNC: the last
	 * transactions may be lost in a power cut, but pages are on disk before a meta page names them.
	 */
	pthread_mutex_init(&map->lock, NULL);
	unsigned flags = MDB_NOTLS | (sync == DURABLE_LAZY ? MDB_NOMETASYNC : 0);
	int code = mdb_env_create(&map->env);
	if (code == MDB_SUCCESS)
		code = mdb_env_set_mapsize(map->env, map_size);
	if (code == MDB_SUCCESS)
		code = mdb_env_open(map->env, folder, flags, 0600);
	int error = translate(code);
	if (error == 0)
		error = open_database(map);
	if (error < 0) {
		durable_close(map);
		return error;
	}
	int dead;
	(void)mdb_reader_check(map->env, &dead); /* readers of a killed predecessor would keep old pages for ever */
	*ret = map;
	return 0;
}

void durable_close(struct durable *map)
{
	if (!map)
		return;
	if (map->env)
		mdb_env_close(map->env);
	pthread_mutex_destroy(&map->lock);
	free(map);
}

static bool key_is_valid(size_t key_size)
{
	return key_size >= 1 && key_size <= KEY_MAX;
}

int durable_put(struct durable *map, const void *key, size_t key_size, const void *value, size_t value_size)
{
	struct durable_change change = { key, key_size, value ? value : "", value_size };
	return durable_write(map, &change, 1);
}

int durable_get(struct durable *map, const void *key, size_t key_size, void **ret_value, size_t *ret_size)
{
	if (!key_is_valid(key_size))
		return -EINVAL;
	CLEANUP(abort) MDB_txn *transaction = NULL;
	MDB_val k = { .mv_size = key_size, .mv_data = (void *)key }, v;
	int code = mdb_txn_begin(map->env, NULL, MDB_RDONLY, &transaction);
	if (code == MDB_SUCCESS)
		code = mdb_get(transaction, map->dbi, &k, &v);
	if (code != MDB_SUCCESS)
		return translate(code);

	char *copy = malloc(v.mv_size + 1);
	if (!copy)
		return -ENOMEM;
	if (v.mv_size)
		memcpy(copy, v.mv_data, v.mv_size);
	copy[v.mv_size] = '\0';
	*ret_value = copy;
	if (ret_size)
		*ret_size = v.mv_size;
	return 0;
}

int durable_delete(struct durable *map, const void *key, size_t key_size)
{
	struct durable_change change = { .key = key, .key_size = key_size };
	return durable_write(map, &change, 1);
}

static int make_changes(const struct durable *map, MDB_txn *transaction, const struct group_member *member)
{
	int code = MDB_SUCCESS;
	for (size_t i = 0; i < member->count && code == MDB_SUCCESS; i++) {
		const struct durable_change *change = &member->changes[i];
		MDB_val k = { .mv_size = change->key_size, .mv_data = (void *)change->key };
		MDB_val v = { .mv_size = change->value_size, .mv_data = (void *)change->value };
		code = v.mv_data ? mdb_put(transaction, map->dbi, &k, &v, 0) : mdb_del(transaction, map->dbi, &k, NULL);
		if (code == MDB_NOTFOUND)
			code = MDB_SUCCESS;
	}
	return code;
}

static int commit(const struct durable *map, struct group_member *const *group, size_t count)
{
	CLEANUP(abort) MDB_txn *transaction = NULL;
	int code = mdb_txn_begin(map->env, NULL, 0, &transaction);
	for (size_t i = 0; i < count && code == MDB_SUCCESS; i++)
		code = make_changes(map, transaction, group[i]);
	if (code == MDB_SUCCESS)
		code = mdb_txn_commit(TAKE(transaction));
	return translate(code);
}

/* Commits what is queued. Where the group as a whole fails, each for itself: on a full disk a delete gets through. Locked. */
static void write_queued(struct durable *map)
{
	struct group_member *group[GROUP_MAX] = { 0 };
	size_t count = 0;
	while (map->queue && count < GROUP_MAX) {
		group[count] = map->queue;
		DL_DELETE(map->queue, group[count]);
		count++;
	}
	map->writing = true;
	pthread_mutex_unlock(&map->lock);
	int result = commit(map, group, count);
	for (size_t i = 0; i < count; i++)
		group[i]->result = result < 0 && count > 1 ? commit(map, &group[i], 1) : result;
	pthread_mutex_lock(&map->lock);
	map->writing = false;
	for (size_t i = 0; i < count; i++) {
		group[i]->done = true;
		pthread_cond_signal(&group[i]->woken);
	}
	if (map->queue) /* writes the next group */
		pthread_cond_signal(&map->queue->woken);
}

/* A sync takes milliseconds, so all who wait share one: the first writes what is queued by then, the others wait for the next. */
int durable_write(struct durable *map, const struct durable_change *changes, size_t count)
{
	struct group_member member = { .changes = changes, .count = count };
	for (size_t i = 0; i < count; i++) {
		if (!key_is_valid(changes[i].key_size) || changes[i].value_size > VALUE_MAX)
			return -EINVAL;
	}
	pthread_cond_init(&member.woken, NULL);
	pthread_mutex_lock(&map->lock);
	DL_APPEND(map->queue, &member);
	while (!member.done) {
		if (map->writing)
			pthread_cond_wait(&member.woken, &map->lock);
		else
			write_queued(map);
	}
	pthread_mutex_unlock(&map->lock);
	pthread_cond_destroy(&member.woken);
	return member.result;
}

int64_t durable_count(struct durable *map)
{
	CLEANUP(abort) MDB_txn *transaction = NULL;
	MDB_stat facts;
	int code = mdb_txn_begin(map->env, NULL, MDB_RDONLY, &transaction);
	if (code == MDB_SUCCESS)
		code = mdb_stat(transaction, map->dbi, &facts);
	return code == MDB_SUCCESS ? (int64_t)facts.ms_entries : translate(code);
}

int durable_each(struct durable *map, const void *from, size_t from_size,
                 int (*visit)(const void *key, size_t key_size, const void *value, size_t value_size, void *userdata),
                 void *userdata)
{
	if (from && !key_is_valid(from_size))
		return -EINVAL;
	CLEANUP(abort) MDB_txn *transaction = NULL;
	MDB_cursor *cursor;
	int code = mdb_txn_begin(map->env, NULL, MDB_RDONLY, &transaction);
	if (code == MDB_SUCCESS)
		code = mdb_cursor_open(transaction, map->dbi, &cursor);
	if (code != MDB_SUCCESS)
		return translate(code);

	MDB_val k = { .mv_size = from_size, .mv_data = (void *)from }, v;
	int result = 0;
	code = mdb_cursor_get(cursor, &k, &v, from ? MDB_SET_RANGE : MDB_FIRST);
	while (code == MDB_SUCCESS && result == 0) {
		result = visit(k.mv_data, k.mv_size, v.mv_data, v.mv_size, userdata);
		if (result == 0)
			code = mdb_cursor_get(cursor, &k, &v, MDB_NEXT);
	}
	mdb_cursor_close(cursor);
	if (result != 0 || code == MDB_SUCCESS || code == MDB_NOTFOUND)
		return result;
	return translate(code);
}
