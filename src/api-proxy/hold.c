/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "api-proxy/hold.h"
#include "api-proxy/proxy_metrics.h"
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/json_wire.h"

#define NAMES_MAX 2048 /* octets of the names of secondaries in one field */

void hold_decide(struct hold *hold, const struct hold_policy *policy, const struct header_list *headers, const struct sockaddr *client)
{
	*hold = (struct hold){ .policy = policy };
	if (!policy->waiters)
		return;
	prefer_read(headers, &hold->prefer);
	if (hold->prefer.has_wait)
		hold->wait_us = hold->prefer.wait_us;
	else if (!hold->prefer.respond_async)
		hold->wait_us = prefer_networks_find(policy->networks, client, policy->default_us);
	if (hold->wait_us > policy->most_us)
		hold->wait_us = policy->most_us;
}

void hold_begin(struct hold *hold, const char *zone)
{
	bool wanted = hold->wait_us > 0 || hold->prefer.has_wait || hold->prefer.respond_async;
	if (wanted && *zone && !hold->change)
		(void)change_open(hold->policy->waiters, zone, &hold->change); /* out of memory: it is not waited for */
}

void hold_follow(struct hold *hold, uint64_t stamp)
{
	if (!hold->change || hold->followed)
		return;
	hold->followed = true;
	change_follow(hold->change, stamp);
}

static void add(struct header_list *fields, const char *name, const char *value)
{
	(void)header_list_add(fields, name, value, strlen(value));
}

/* ; waiting="ns1 ns2" */
static void add_names(FILE *out, const json_t *secondaries, const char *state)
{
	size_t index, size = 0;
	const json_t *secondary;
	json_array_foreach(secondaries, index, secondary) {
		const char *id = json_string_value(json_object_get(secondary, "id"));
		if (!id || strcmp(json_string_value(json_object_get(secondary, "state")), state) != 0)
			continue;
		if (size + strlen(id) > NAMES_MAX)
			break;
		if (size == 0)
			(void)fprintf(out, "; %s=\"%s", state, id);
		else
			(void)fprintf(out, " %s", id);
		size += strlen(id) + 1;
	}
	if (size > 0)
		(void)fputc('"', out);
}

static void add_sync(struct change *change, struct header_list *fields)
{
	struct change_state state = change_state(change);
	CLEANUP(json) json_t *secondaries = state.secondaries;
	CLEANUP(free) char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);
	if (!out)
		return;
	PROXY_COUNT(state.in_sync ? PROXY_METRIC_WAITS_IN_SYNC : PROXY_METRIC_WAITS_PENDING);
	(void)fprintf(out, "%s; secondaries=%u/%u; ms=%llu", state.in_sync ? "in-sync" : "pending", state.done, state.total,
	              (unsigned long long)(state.took_us / 1000));
	if (!state.in_sync) {
		add_names(out, secondaries, "waiting");
		add_names(out, secondaries, "away");
	}
	if (fclose(out) == 0)
		add(fields, "PDNS-Distribute-Sync", text);
}

void hold_finish(struct hold *hold, struct header_list *fields)
{
	if (!hold->change)
		return;
	if (hold->wait_us > 0)
		change_wait(hold->change, clock_monotonic_us() + (uint64_t)hold->wait_us);
	if (hold->prefer.has_wait)
		add(fields, "Preference-Applied", "wait");
	else if (hold->prefer.respond_async)
		add(fields, "Preference-Applied", "respond-async");
	add(fields, "PDNS-Distribute-Change", change_id(hold->change));
	if (hold->wait_us > 0 || hold->prefer.has_wait)
		add_sync(hold->change, fields);
	change_release(TAKE(hold->change));
}
