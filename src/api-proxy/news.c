/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "api-proxy/news.h"
#include <errno.h>
#include "common/ask.h"
#include "common/cleanup.h"
#include "common/json_wire.h"

#define SYNCER "secondary-syncer"
#define ASK_US INT64_C(400000)

DEFINE_CLEANUP(message, struct bus_message *, bus_message_free)

struct news {
	struct bus *bus;
	const char *prefix;
	struct waiters *waiters;
	struct bus_subscription *heartbeats, *covered, *applied;
};

static void on_heartbeat(struct bus_message *message, void *userdata)
{
	CLEANUP(message) struct bus_message *owned = message;
	struct news *news = userdata;
	struct heartbeat heartbeat;
	char id[SUBJECT_ID_SIZE];
	size_t size;
	const void *payload = bus_message_payload(owned, &size);
	/* The rights of a secondary are for its own subject: that says who it is. */
	if (heartbeat_decode(payload, size, &heartbeat) == 0 && strcmp(heartbeat.service, SYNCER) == 0 &&
	    subject_token(bus_message_subject(owned), 3, id, sizeof(id)) == 0 && strcmp(id, heartbeat.id) == 0)
		waiters_heartbeat(news->waiters, &heartbeat);
}

static void on_covered(struct bus_message *message, void *userdata)
{
	CLEANUP(message) struct bus_message *owned = message;
	struct news *news = userdata;
	struct covered covered;
	size_t size;
	const void *payload = bus_message_payload(owned, &size);
	if (waiters_interested(news->waiters) && covered_decode(payload, size, &covered) == 0)
		waiters_covered(news->waiters, &covered);
}

static void on_applied(struct bus_message *message, void *userdata)
{
	CLEANUP(message) struct bus_message *owned = message;
	struct news *news = userdata;
	struct applied applied;
	char id[SUBJECT_ID_SIZE];
	size_t size;
	const void *payload = bus_message_payload(owned, &size);
	if (waiters_interested(news->waiters) && applied_decode(payload, size, &applied) == 0 &&
	    subject_token(bus_message_subject(owned), 2, id, sizeof(id)) == 0)
		waiters_confirmed(news->waiters, id, applied.zone, applied.generation, applied.result, applied.reason);
}

static void on_ask(const char *secondary, const char *zone, void *userdata)
{
	struct news *news = userdata;
	CLEANUP(json) json_t *question = json_pack("{s:s}", "zone", zone);
	CLEANUP(json) json_t *answer = NULL;
	CLEANUP(free) char *reason = NULL;
	uint64_t generation;
	/* What it has of the zone it serves, whatever became of a later try: its book says so only after it has seen it served. */
	if (question && bus_connected(news->bus) &&
	    ask(news->bus, news->prefix, SYNCER, secondary, "zone", question, ASK_US, &answer, &reason) == 0 &&
	    json_is_true(json_object_get(answer, "known")) &&
	    json_wire_number(answer, "generation", ZONE_HEAD_NUMBER_MAX, &generation) == 0)
		waiters_confirmed(news->waiters, secondary, zone, generation, APPLIED_OK, "");
}

static int subscribe(struct news *news, const char *what, void (*on_message)(struct bus_message *message, void *userdata),
                     struct bus_subscription **ret)
{
	char subject[SUBJECT_SIZE];
	snprintf(subject, sizeof(subject), "%s.%s", news->prefix, what);
	return bus_subscribe(news->bus, subject, NULL, on_message, news, ret);
}

int news_start(struct bus *bus, const char *prefix, int64_t quiet_us, struct news **ret, struct waiters **ret_waiters)
{
	struct news *news = calloc(1, sizeof(*news));
	if (!news)
		return -ENOMEM;
	news->bus = bus;
	news->prefix = prefix;
	int result = waiters_new(on_ask, news, quiet_us, &news->waiters);
	if (result == 0)
		result = subscribe(news, "heartbeat." SYNCER ".*", on_heartbeat, &news->heartbeats);
	if (result == 0)
		result = subscribe(news, "covered.*", on_covered, &news->covered);
	if (result == 0)
		result = subscribe(news, "applied.*", on_applied, &news->applied);
	if (result < 0) {
		news_stop(news);
		return result;
	}
	*ret = news;
	*ret_waiters = news->waiters;
	return 0;
}

void news_stop(struct news *news)
{
	if (!news)
		return;
	bus_unsubscribe(news->heartbeats);
	bus_unsubscribe(news->covered);
	bus_unsubscribe(news->applied);
	waiters_free(news->waiters);
	free(news);
}
