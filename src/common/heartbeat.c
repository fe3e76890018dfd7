/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "common/heartbeat.h"

#include <pthread.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/clock.h"
#include "common/error.h"
#include "common/json_wire.h"

#define HEARTBEAT_VERSION 1
#define HEARTBEAT_SIZE_MAX 65536
#define INTERVAL_MS_MAX 86400000

static double load_per_core(void)
{
	double load;
	long cores = sysconf(_SC_NPROCESSORS_ONLN);

	if (getloadavg(&load, 1) != 1 || load < 0)
		return 0;
	return load / (double)(cores > 0 ? cores : 1);
}

static char started[CLOCK_TEXT_SIZE];

static void note_start(void)
{
	clock_to_text(clock_realtime_us(), started);
}

json_t *heartbeat_new(const char *service, const char *id, uint64_t interval_us)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	char host[256] = "";

	/* The same in all heartbeats of a process: the first one decides. */
	pthread_once(&once, note_start);
	if (gethostname(host, sizeof(host) - 1) < 0)
		host[0] = '\0';
	return json_pack("{s:i, s:s, s:s, s:s, s:s, s:i, s:s, s:I, s:f}", "v", HEARTBEAT_VERSION, "service", service, "id", id,
	                 "version", PROJECT_VERSION, "host", host, "pid", (int)getpid(), "started", started,
	                 "interval_ms", (json_int_t)(interval_us / 1000), "load", load_per_core());
}

static int decode_set(const json_t *object, struct heartbeat *heartbeat)
{
	char pdns[8];

	if (json_wire_number(object, "zones", INT64_MAX, &heartbeat->zones) < 0 ||
	    json_wire_number(object, "failing", INT64_MAX, &heartbeat->failing) < 0 ||
	    json_wire_number(object, "working", INT64_MAX, &heartbeat->working) < 0 ||
	    json_wire_text(object, "set_digest", heartbeat->set_digest, sizeof(heartbeat->set_digest)) < 0 ||
	    json_wire_text(object, "pdns", pdns, sizeof(pdns)) < 0)
		return ERROR_MALFORMED;
	if (strspn(heartbeat->set_digest, "0123456789abcdef") != SET_DIGEST_HEX_SIZE - 1)
		return ERROR_MALFORMED;
	heartbeat->pdns_up = strcmp(pdns, "up") == 0;
	if (!heartbeat->pdns_up && strcmp(pdns, "down") != 0)
		return ERROR_MALFORMED;
	heartbeat->has_set = true;
	return 0;
}

int heartbeat_decode(const void *payload, size_t size, struct heartbeat *ret)
{
	struct heartbeat heartbeat = { 0 };
	CLEANUP(json) json_t *object = NULL;
	uint64_t interval_ms;
	int r = json_wire_load(payload, size, HEARTBEAT_SIZE_MAX, HEARTBEAT_VERSION, &object);

	if (r < 0)
		return r;
	if (json_wire_text(object, "service", heartbeat.service, sizeof(heartbeat.service)) < 0 ||
	    json_wire_text(object, "id", heartbeat.id, sizeof(heartbeat.id)) < 0 ||
	    json_wire_text(object, "version", heartbeat.version, sizeof(heartbeat.version)) < 0 ||
	    json_wire_text(object, "host", heartbeat.host, sizeof(heartbeat.host)) < 0 ||
	    json_wire_time(object, "started", &heartbeat.started_us) < 0 ||
	    json_wire_number(object, "interval_ms", INTERVAL_MS_MAX, &interval_ms) < 0 ||
	    json_wire_real(object, "load", &heartbeat.load) < 0)
		return ERROR_MALFORMED;
	/* Both become parts of subjects and of consumers' names. */
	if (interval_ms == 0 || subject_check_id(heartbeat.id) < 0 || subject_check_id(heartbeat.service) < 0)
		return ERROR_MALFORMED;
	heartbeat.interval_us = interval_ms * 1000;
	if (json_object_get(object, "set_digest")) {
		r = decode_set(object, &heartbeat);
		if (r < 0)
			return r;
	}
	*ret = heartbeat;
	return 0;
}
