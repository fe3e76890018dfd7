/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "health-checker/status.h"
#include "common/cleanup.h"
#include "health-checker/enrol.h"
#include "health-checker/leader.h"
#include "health-checker/scan.h"

#define PAGE_DEFAULT 500
#define PAGE_MAX 1000
#define FAILING_SHOWN 20
#define ANSWER_MAX (512 * 1024) /* octets, estimated: NATS takes 1 MiB by default */
#define ZONE_ESTIMATE 512

/* Text that came from elsewhere may be no UTF-8. */
static json_t *text(const char *value)
{
	json_t *string = json_string(value);

	return string ? string : json_string("?");
}

static void set_number(json_t *object, const char *name, uint64_t number)
{
	(void)json_object_set_new(object, name, json_integer((json_int_t)number));
}

struct view { struct checker *checker; json_t *services, *secondaries; uint64_t now_us; char root[SET_DIGEST_HEX_SIZE]; bool in_sync; };

static json_t *describe_member(const struct view *view, const struct member *member)
{
	json_t *object = json_pack("{s:s, s:s, s:b}", "service", member->service, "id", member->id, "active", member->active);

	if (!member->heard)
		return object;
	(void)json_object_set_new(object, "version", text(member->last.version));
	(void)json_object_set_new(object, "host", text(member->last.host));
	(void)json_object_set_new(object, "load", json_real(member->last.load));
	set_number(object, "heartbeat_age_ms", (view->now_us - member->seen_us) / 1000);
	if (strcmp(member->service, SERVICE_CHECKER) == 0)
		(void)json_object_set_new(object, "leader", json_boolean(member->leads));
	return object;
}

static int add_failing(const struct confirm_zone *zone, void *userdata)
{
	json_t *zones = userdata;

	if (json_array_size(zones) >= FAILING_SHOWN)
		return -1;
	(void)json_array_append_new(zones, json_pack("{s:o, s:s, s:o, s:I}", "zone", text(zone->zone), "result",
		applied_result_name(zone->result), "reason", text(zone->reason ? zone->reason : ""), "generation",
		(json_int_t)zone->generation));
	return 0;
}

/* Words for what is wrong, NULL if all is well. */
static json_t *problem_of(const struct view *view, const struct member *member, const struct confirm_counts *counts)
{
	if (!member->enrolled)
		return json_sprintf("not enrolled: pdns-distribute secondary add %s", member->id);
	if (!member->heard)
		return json_string("never heard of: is pdns-secondary-syncer running there?");
	if (!member->active)
		return json_sprintf("no heartbeat for %llu s", (unsigned long long)((view->now_us - member->seen_us) / 1000000));
	if (!member->last.pdns_up)
		return json_string("its PowerDNS does not answer");
	if (counts->failing > 0)
		return json_sprintf("%zu zones failing", counts->failing);
	if (counts->open > 0)
		return json_sprintf("%zu zones not confirmed for up to %.1f s", counts->open,
		                    (double)(view->now_us - counts->oldest_us) / 1e6);
	if (!view->checker->caught_up)
		return json_string("the checker has not read the zone store yet");
	if (!member->last.has_set || strcmp(member->last.set_digest, view->root) != 0)
		return json_string("its zones differ from the store's");
	return NULL;
}

static int add_member(struct member *member, void *userdata)
{
	struct view *view = userdata;
	struct confirm_counts counts;
	json_t *object = describe_member(view, member), *problem, *failing;

	if (member->heard)
		(void)json_array_append(view->services, object);
	if (strcmp(member->service, SERVICE_SYNCER) != 0) {
		json_decref(object);
		return 0;
	}
	json_decref(object);
	object = describe_member(view, member);
	confirm_counts(view->checker->confirm, member->id, &counts);
	problem = problem_of(view, member, &counts);
	view->in_sync = view->in_sync && (!problem || !member->enrolled);
	(void)json_object_set_new(object, "enrolled", json_boolean(member->enrolled));
	(void)json_object_set_new(object, "in_sync", json_boolean(!problem));
	if (problem)
		(void)json_object_set_new(object, "problem", problem);
	set_number(object, "zones", member->last.zones);
	set_number(object, "unconfirmed", counts.open);
	set_number(object, "failing", counts.failing);
	failing = json_array();
	(void)confirm_each_failing(view->checker->confirm, member->id, add_failing, failing);
	(void)json_object_set_new(object, "failing_zones", failing);
	(void)json_array_append_new(view->secondaries, object);
	return 0;
}

static json_t *describe_store(struct checker *checker)
{
	struct index_counts counts;
	json_t *store = json_object();
	uint64_t pending;

	index_counts(checker->index, &counts);
	set_number(store, "zones", counts.present);
	set_number(store, "deleted", counts.deleted);
	set_number(store, "bad_heads", counts.bad);
	(void)json_object_set_new(store, "caught_up", json_boolean(checker->caught_up));
	if (enrol_events_pending(checker->enrol, &pending))
		set_number(store, "events_pending", pending);
	if (enrol_problem(checker->enrol)[0])
		(void)json_object_set_new(store, "problem", json_string(enrol_problem(checker->enrol)));
	return store;
}

static int by_member(const void *a, const void *b)
{
	const json_t *const *left = a, *const *right = b;
	int order = strcmp(json_string_value(json_object_get(*left, "service")), json_string_value(json_object_get(*right, "service")));

	return order ? order : strcmp(json_string_value(json_object_get(*left, "id")), json_string_value(json_object_get(*right, "id")));
}

/* Takes the array over; people look for names. */
static json_t *sorted(json_t *array)
{
	size_t count = json_array_size(array);
	CLEANUP(free) json_t **members = calloc(count + 1, sizeof(json_t *));
	json_t *result = json_array();

	if (!members || !result) {
		json_decref(result);
		return array;
	}
	for (size_t i = 0; i < count; i++)
		members[i] = json_array_get(array, i);
	qsort(members, count, sizeof(json_t *), by_member);
	for (size_t i = 0; i < count; i++)
		(void)json_array_append(result, members[i]);
	json_decref(array);
	return result;
}

json_t *status_all(struct checker *checker)
{
	struct view view = { .checker = checker, .services = json_array(), .secondaries = json_array(),
	                     .now_us = clock_monotonic_us(), .in_sync = checker->caught_up };
	struct index_counts counts;
	json_t *status;

	index_counts(checker->index, &counts);
	set_digest_root_hex(index_set_digest(checker->index), view.root);
	(void)presence_each(checker->presence, add_member, &view);
	status = json_pack("{s:{s:s, s:b, s:s}, s:o, s:o, s:o}", "checker", "id", checker->id, "leads", leader_leads(checker->leader),
	                   "leader", leader_id(checker->leader), "services", sorted(view.services),
	                   "secondaries", sorted(view.secondaries), "store", describe_store(checker));
	scan_describe(checker->scan, status);
	view.in_sync = view.in_sync && counts.bad == 0 &&
		json_integer_value(json_object_get(json_object_get(status, "scan"), "missing")) == 0 &&
		!json_object_get(json_object_get(status, "scan"), "problem") &&
		json_integer_value(json_object_get(json_object_get(status, "held_deletions"), "count")) == 0;
	(void)json_object_set_new(status, "in_sync", json_boolean(view.in_sync));
	return status;
}

static const char *state_name(const struct index_zone *zone)
{
	return zone->state == INDEX_PRESENT ? "present" : zone->state == INDEX_DELETED ? "deleted" : "absent";
}

static json_t *describe_zone(const struct index_zone *zone)
{
	char digest[ZONE_DIGEST_HEX_SIZE], stored[CLOCK_TEXT_SIZE];
	json_t *object = json_pack("{s:s, s:s, s:I}", "zone", zone->zone, "state", state_name(zone), "generation",
	                           (json_int_t)zone->generation);

	if (zone->state != INDEX_ABSENT) {
		clock_to_text(zone->stored_us, stored);
		(void)json_object_set_new(object, "stored", json_string(stored));
		set_number(object, "sequence", zone->sequence);
		set_number(object, "covers_event", zone->covers_event);
	}
	if (zone->state == INDEX_PRESENT) {
		zone_digest_to_hex(&zone->digest, digest);
		(void)json_object_set_new(object, "digest", json_string(digest));
		set_number(object, "serial", zone->serial);
		set_number(object, "records", zone->records);
		set_number(object, "signatures_expire", zone->signatures_expire);
	}
	if (zone->bad)
		(void)json_object_set_new(object, "problem", json_string("the newest message in the store is not a good head"));
	return object;
}

json_t *status_zones(struct checker *checker, const json_t *question)
{
	CLEANUP(free) struct index_zone **page = NULL;
	json_int_t limit = json_integer_value(json_object_get(question, "limit"));
	const char *after = json_string_value(json_object_get(question, "after"));
	json_t *zones = json_array();
	bool more = false;
	size_t count;

	if (limit <= 0)
		limit = PAGE_DEFAULT;
	if (limit > PAGE_MAX)
		limit = PAGE_MAX;
	page = calloc((size_t)limit, sizeof(struct index_zone *));
	count = page ? index_page(checker->index, after, page, (size_t)limit, &more) : 0;
	for (size_t i = 0, size = 0; i < count; i++) {
		size += strlen(page[i]->zone) + ZONE_ESTIMATE;
		if (i > 0 && size > ANSWER_MAX) {
			more = true;
			break;
		}
		(void)json_array_append_new(zones, describe_zone(page[i]));
	}
	return json_pack("{s:o, s:b}", "zones", zones, "more", more);
}

struct zone_view { struct checker *checker; const char *zone; json_t *secondaries; };

static int add_secondary(struct member *member, void *userdata)
{
	struct zone_view *view = userdata;
	const struct confirm_zone *open;
	json_t *object;

	if (!member->enrolled)
		return 0;
	object = json_pack("{s:s, s:s, s:b}", "service", member->service, "id", member->id, "active", member->active);
	open = confirm_find(view->checker->confirm, member->id, view->zone);
	if (open && open->answered) {
		(void)json_object_set_new(object, "last_result", json_string(applied_result_name(open->result)));
		(void)json_object_set_new(object, "last_reason", text(open->reason ? open->reason : ""));
	}
	(void)json_array_append_new(view->secondaries, object);
	return 0;
}

json_t *status_zone(struct checker *checker, const char *name)
{
	const struct index_zone *zone = index_find(checker->index, name);
	struct zone_view view = { checker, name, json_array() };

	(void)presence_each(checker->presence, add_secondary, &view);
	return json_pack("{s:s, s:o, s:o}", "zone", name, "store",
	                 zone ? describe_zone(zone) : json_pack("{s:s, s:s}", "zone", name, "state", "absent"),
	                 "secondaries", sorted(view.secondaries));
}
