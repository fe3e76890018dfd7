/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "health-checker/presence.h"
#include <errno.h>
#include "common/cleanup.h"

#define MISSED_INACTIVE 3
#define MISSED_FORGOTTEN 10
#define SECONDARY "secondary-syncer"
#define MEMBERS_MAX 10000 /* heartbeats are not signed: somebody could invent members */

struct presence {
	struct member *members;
};

int presence_new(struct presence **ret)
{
	struct presence *presence = calloc(1, sizeof(*presence));

	if (!presence)
		return -ENOMEM;
	*ret = presence;
	return 0;
}

static void drop_member(struct presence *presence, struct member *member)
{
	HASH_DEL(presence->members, member);
	free(member);
}

void presence_free(struct presence *presence)
{
	struct member *member, *next;

	if (!presence)
		return;
	HASH_ITER(hh, presence->members, member, next)
		drop_member(presence, member);
	free(presence);
}

struct member *presence_find(struct presence *presence, const char *service, const char *id)
{
	char key[PRESENCE_KEY_SIZE];
	struct member *member;

	(void)snprintf(key, sizeof(key), "%s/%s", service, id);
	HASH_FIND_STR(presence->members, key, member);
	return member;
}

static struct member *find_or_add(struct presence *presence, const char *service, const char *id)
{
	struct member *member = presence_find(presence, service, id);

	if (member || HASH_COUNT(presence->members) >= MEMBERS_MAX)
		return member;
	member = calloc(1, sizeof(*member));
	if (!member)
		return NULL;
	(void)snprintf(member->service, sizeof(member->service), "%s", service);
	(void)snprintf(member->id, sizeof(member->id), "%s", id);
	(void)snprintf(member->key, sizeof(member->key), "%s/%s", member->service, member->id);
	HASH_ADD_STR(presence->members, key, member);
	return member;
}

int presence_heartbeat(struct presence *presence, const struct heartbeat *heartbeat, uint64_t now_us, struct member **ret)
{
	struct member *member = find_or_add(presence, heartbeat->service, heartbeat->id);
	bool was_active;

	if (!member)
		return -ENOMEM;
	was_active = member->active;
	member->last = *heartbeat;
	member->heard = member->active = true;
	member->seen_us = now_us;
	*ret = member;
	return was_active ? PRESENCE_SAME : PRESENCE_ARRIVED;
}

int presence_set_enrolled(struct presence *presence, char (*ids)[SUBJECT_ID_SIZE], size_t count)
{
	struct member *member, *next;

	HASH_ITER(hh, presence->members, member, next)
		member->enrolled = false;
	for (size_t i = 0; i < count; i++) {
		member = find_or_add(presence, SECONDARY, ids[i]);
		if (!member)
			return -ENOMEM;
		member->enrolled = true;
	}
	HASH_ITER(hh, presence->members, member, next) {
		if (member->enrolled || member->heard)
			continue;
		drop_member(presence, member);
	}
	return 0;
}

void presence_tick(struct presence *presence, uint64_t now_us, void (*on_gone)(const struct member *member, void *userdata), void *userdata)
{
	struct member *member, *next;

	HASH_ITER(hh, presence->members, member, next) {
		uint64_t silent = now_us - member->seen_us;
		if (!member->heard)
			continue;
		if (member->active && silent > MISSED_INACTIVE * member->last.interval_us) {
			member->active = false;
			member->disagreeing = 0;
			if (on_gone)
				on_gone(member, userdata);
		}
		if (silent > MISSED_FORGOTTEN * member->last.interval_us && !member->enrolled)
			drop_member(presence, member);
	}
}

int presence_each(struct presence *presence, int (*visit)(struct member *member, void *userdata), void *userdata)
{
	struct member *member, *next;
	int result;

	HASH_ITER(hh, presence->members, member, next) {
		result = visit(member, userdata);
		if (result < 0)
			return result;
	}
	return 0;
}

unsigned presence_active(const struct presence *presence, const char *service)
{
	const struct member *member, *next;
	unsigned count = 0;

	for (member = presence->members; member; member = next) {
		next = member->hh.next;
		count += member->active && strcmp(member->service, service) == 0;
	}
	return count;
}
