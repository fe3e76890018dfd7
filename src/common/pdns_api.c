/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "common/pdns_api.h"

#include <curl/curl.h>
#include <errno.h>
#include <jansson.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/error.h"
#include "common/net_address.h"

#define SERVER_PATH "/api/v1/servers/localhost"
#define ANSWER_LIMIT (1024 * 1024) /* of an answer that is kept whole; lists are streamed */

/* Takes one JSON array of objects apart while it arrives, so that a list of 100,000 zones is never held whole. */
struct object_splitter {
	char object[8192 + 4 * ZONE_NAME_SIZE];
	size_t used;
	unsigned depth; /* of braces */
	bool in_string, escaped;
	bool ended; /* the closing ] of the array was seen */
};

struct pdns_api {
	CURL *curl;
	struct curl_slist *headers;
	char *url;
	char *answer;
	size_t answer_size;
	bool answer_overflow;
	char curl_error[CURL_ERROR_SIZE];
	char error[512];
	long failed_status; /* of the last answer that was a failure */
	struct object_splitter splitter;
	int (*visit)(const struct pdns_zone *zone, void *userdata);
	void *userdata;
	int visit_result;
};

DEFINE_CLEANUP(json, json_t *, json_decref)
DEFINE_CLEANUP(api, struct pdns_api *, pdns_api_free)

static pthread_once_t curl_once = PTHREAD_ONCE_INIT;
static void curl_start(void) { (void)curl_global_init(CURL_GLOBAL_DEFAULT); }

static size_t keep_answer(char *data, size_t one, size_t size, void *userdata)
{
	struct pdns_api *api = userdata;
	size_t length = one * size;
	if (api->answer_size + length > ANSWER_LIMIT) {
		api->answer_overflow = true;
		return 0;
	}
	char *grown = realloc(api->answer, api->answer_size + length + 1);
	if (!grown)
		return 0;
	memcpy(grown + api->answer_size, data, length);
	api->answer = grown;
	api->answer_size += length;
	grown[api->answer_size] = '\0';
	return length;
}

int pdns_api_new(const char *url, const char *key, int64_t timeout_us, struct pdns_api **ret)
{
	pthread_once(&curl_once, curl_start);
	CLEANUP(api) struct pdns_api *api = calloc(1, sizeof(*api));
	if (!api)
		return -ENOMEM;
	api->curl = curl_easy_init();
	api->url = strdup(url);
	CLEANUP(free) char *header = NULL;
	if (!api->curl || !api->url || asprintf(&header, "X-API-Key: %s", key ? key : "") < 0)
		return -ENOMEM;
	size_t length = strlen(api->url);
	while (length > 0 && api->url[length - 1] == '/')
		api->url[--length] = '\0';
	struct curl_slist *headers = curl_slist_append(NULL, header);
	if (headers)
		api->headers = headers;
	headers = curl_slist_append(api->headers, "Content-Type: application/json");
	if (!headers)
		return -ENOMEM;
	api->headers = headers;
	long milliseconds = (long)(timeout_us / 1000);
	curl_easy_setopt(api->curl, CURLOPT_HTTPHEADER, api->headers);
	curl_easy_setopt(api->curl, CURLOPT_TIMEOUT_MS, milliseconds);
	curl_easy_setopt(api->curl, CURLOPT_CONNECTTIMEOUT_MS, milliseconds < 2000 ? milliseconds : 2000L);
	curl_easy_setopt(api->curl, CURLOPT_USERAGENT, "pdns-distribute/" PROJECT_VERSION);
	curl_easy_setopt(api->curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(api->curl, CURLOPT_PROXY, "");
	curl_easy_setopt(api->curl, CURLOPT_TCP_NODELAY, 1L);
	curl_easy_setopt(api->curl, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(api->curl, CURLOPT_ERRORBUFFER, api->curl_error);
	curl_easy_setopt(api->curl, CURLOPT_PATH_AS_IS, 1L);
	*ret = TAKE(api);
	return 0;
}

void pdns_api_free(struct pdns_api *api)
{
	if (!api)
		return;
	curl_easy_cleanup(api->curl);
	curl_slist_free_all(api->headers);
	free(api->url);
	free(api->answer);
	free(api);
}

bool pdns_api_failed_inside(const struct pdns_api *api) { return api->failed_status == 500; }
const char *pdns_api_last_error(const struct pdns_api *api) { return api->error; }

static int curl_failure(struct pdns_api *api, CURLcode code)
{
	snprintf(api->error, sizeof(api->error), "%s", api->curl_error[0] ? api->curl_error : curl_easy_strerror(code));
	switch (code) {
	case CURLE_OPERATION_TIMEDOUT:
		return -ETIMEDOUT;
	case CURLE_OUT_OF_MEMORY:
		return -ENOMEM;
	case CURLE_WRITE_ERROR:
		return api->visit_result < 0 ? api->visit_result : ERROR_MALFORMED;
	default: /* refused, reset, empty reply: PowerDNS is down or on its way down */
		return -ECONNREFUSED;
	}
}

/* Keeps PowerDNS's own words for a status that was not expected. */
static void remember_refusal(struct pdns_api *api, long status)
{
	CLEANUP(json) json_t *json = api->answer ? json_loads(api->answer, 0, NULL) : NULL;
	const char *words = json_string_value(json_object_get(json, "error"));
	if (!words)
		words = api->answer ? api->answer : "";
	snprintf(api->error, sizeof(api->error), "PowerDNS answered %ld: %.400s", status, words);
	api->failed_status = status;
}

/* One request; status comes back in *ret_status. path is appended to the server's path. */
static int request(struct pdns_api *api, const char *method, const char *path, const char *body, long *ret_status)
{
	CLEANUP(free) char *url = NULL;
	if (asprintf(&url, "%s" SERVER_PATH "%s", api->url, path) < 0)
		return -ENOMEM;
	free(TAKE(api->answer));
	api->answer_size = 0;
	api->answer_overflow = false;
	api->error[0] = api->curl_error[0] = '\0';
	curl_easy_setopt(api->curl, CURLOPT_URL, url);
	curl_easy_setopt(api->curl, CURLOPT_CUSTOMREQUEST, method);
	if (body) {
		curl_easy_setopt(api->curl, CURLOPT_POSTFIELDSIZE, (long)strlen(body));
		curl_easy_setopt(api->curl, CURLOPT_POSTFIELDS, body);
	} else {
		curl_easy_setopt(api->curl, CURLOPT_HTTPGET, 1L);
		curl_easy_setopt(api->curl, CURLOPT_CUSTOMREQUEST, method);
	}
	CURLcode code = curl_easy_perform(api->curl);
	if (code != CURLE_OK)
		return curl_failure(api, code);
	long status = 0;
	curl_easy_getinfo(api->curl, CURLINFO_RESPONSE_CODE, &status);
	if (status >= 400)
		remember_refusal(api, status);
	if (status == 401 || status == 403)
		return ERROR_DENIED;
	*ret_status = status;
	return 0;
}

static int request_kept(struct pdns_api *api, const char *method, const char *path, const char *body, long *ret_status)
{
	curl_easy_setopt(api->curl, CURLOPT_WRITEFUNCTION, keep_answer);
	curl_easy_setopt(api->curl, CURLOPT_WRITEDATA, api);
	return request(api, method, path, body, ret_status);
}

static int malformed(struct pdns_api *api, const char *what)
{
	snprintf(api->error, sizeof(api->error), "PowerDNS's answer makes no sense: %s", what);
	return ERROR_MALFORMED;
}

int pdns_api_ping(struct pdns_api *api, char *ret_version)
{
	long status = 0;
	int r = request_kept(api, "GET", "", NULL, &status);
	if (r < 0)
		return r;
	if (status != 200)
		return ERROR_HTTP;
	CLEANUP(json) json_t *json = json_loads(api->answer ? api->answer : "", 0, NULL);
	const char *type = json_string_value(json_object_get(json, "type"));
	const char *daemon_type = json_string_value(json_object_get(json, "daemon_type"));
	const char *version = json_string_value(json_object_get(json, "version"));
	if (!type || !version || !daemon_type || strcmp(type, "Server") != 0 || strcmp(daemon_type, "authoritative") != 0)
		return malformed(api, "this is not an authoritative PowerDNS; check pdns-api-url");
	if (ret_version)
		snprintf(ret_version, 32, "%s", version);
	return 0;
}

int pdns_api_backends(struct pdns_api *api, char *ret, size_t size)
{
	long status = 0;
	int r = request_kept(api, "GET", "/config", NULL, &status);
	if (r < 0)
		return r;
	if (status != 200)
		return ERROR_HTTP;
	CLEANUP(json) json_t *json = json_loads(api->answer ? api->answer : "", 0, NULL);
	const json_t *setting;
	size_t index;
	json_array_foreach(json, index, setting) {
		const char *name = json_string_value(json_object_get(setting, "name"));
		const char *value = json_string_value(json_object_get(setting, "value"));
		if (!name || !value || strcmp(name, "launch") != 0)
			continue;
		snprintf(ret, size, "%s", value);
		return 0;
	}
	return malformed(api, "its configuration names no backends");
}

bool pdns_zone_is_secondary(const struct pdns_zone *zone)
{
	return strcasecmp(zone->kind, "Slave") == 0 || strcasecmp(zone->kind, "Secondary") == 0;
}

static int master_address(const char *text, struct sockaddr_storage *ret)
{
	char with_port[sizeof(((struct pdns_zone *)NULL)->masters) + 8];
	socklen_t size;
	if (net_address_parse(text, ret, &size) == 0)
		return 0;
	snprintf(with_port, sizeof(with_port), strchr(text, ':') ? "[%s]:53" : "%s:53", text);
	return net_address_parse(with_port, ret, &size);
}

bool pdns_zone_is_secondary_of(const struct pdns_zone *zone, const char *master)
{
	struct sockaddr_storage have, want;
	if (!pdns_zone_is_secondary(zone))
		return false;
	if (strcmp(zone->masters, master) == 0)
		return true;
	return master_address(zone->masters, &have) == 0 && master_address(master, &want) == 0 &&
	       memcmp(&have, &want, sizeof(have)) == 0;
}

static uint32_t serial_of(const json_t *object, const char *name)
{
	json_int_t value = json_integer_value(json_object_get(object, name));
	return value >= 0 && value <= UINT32_MAX ? (uint32_t)value : 0;
}

static int zone_of(const json_t *json, struct pdns_zone *ret)
{
	struct pdns_zone zone = { 0 };
	const char *name = json_string_value(json_object_get(json, "name"));
	const char *kind = json_string_value(json_object_get(json, "kind"));
	if (!name || !kind || zone_name_from_text(name, zone.zone) < 0)
		return ERROR_MALFORMED;
	snprintf(zone.kind, sizeof(zone.kind), "%s", kind);
	zone.serial = serial_of(json, "serial");
	zone.edited_serial = json_object_get(json, "edited_serial") ? serial_of(json, "edited_serial") : zone.serial;
	zone.dnssec = json_is_true(json_object_get(json, "dnssec"));
	const json_t *masters = json_object_get(json, "masters"), *master;
	size_t index, used = 0;
	json_array_foreach(masters, index, master) {
		const char *text = json_string_value(master);
		if (!text || used + strlen(text) + 2 > sizeof(zone.masters))
			continue;
		used += (size_t)snprintf(zone.masters + used, sizeof(zone.masters) - used, "%s%s", used ? "," : "", text);
	}
	*ret = zone;
	return 0;
}

/* "/zones/<id>" and a suffix; malloc'ed. */
static int zone_path(const char *zone, const char *suffix, char **ret)
{
	char id[ZONE_ID_SIZE];
	int r = zone_name_to_api_id(zone, id);
	if (r < 0)
		return r;
	return asprintf(ret, "/zones/%s%s", id, suffix) < 0 ? -ENOMEM : 0;
}

int pdns_api_zone(struct pdns_api *api, const char *zone, struct pdns_zone *ret)
{
	CLEANUP(free) char *path = NULL;
	int r = zone_path(zone, "?rrsets=false", &path);
	if (r < 0)
		return r;
	long status = 0;
	r = request_kept(api, "GET", path, NULL, &status);
	if (r < 0)
		return r;
	if (status == 404) { /* any web server can say 404: only a PowerDNS's counts */
		r = pdns_api_ping(api, NULL);
		return r < 0 ? r : -ENOENT;
	}
	if (status != 200)
		return ERROR_HTTP;
	CLEANUP(json) json_t *json = json_loads(api->answer ? api->answer : "", 0, NULL);
	struct pdns_zone answer;
	if (!json || zone_of(json, &answer) < 0 || strcmp(answer.zone, zone) != 0)
		return malformed(api, "no such zone object");
	*ret = answer;
	return 0;
}

static int splitter_object(struct pdns_api *api)
{
	struct object_splitter *splitter = &api->splitter;
	CLEANUP(json) json_t *json = json_loadb(splitter->object, splitter->used, 0, NULL);
	splitter->used = 0;
	if (!json)
		return malformed(api, "the list of zones is not JSON");
	struct pdns_zone zone;
	if (zone_of(json, &zone) < 0)
		return 0; /* a name that DNS does not know cannot be served */
	return api->visit(&zone, api->userdata);
}

static int splitter_octet(struct pdns_api *api, char octet)
{
	struct object_splitter *splitter = &api->splitter;
	if (splitter->depth == 0 && octet != '{') {
		if (octet == ']')
			splitter->ended = true;
		return 0;
	}
	if (splitter->used == sizeof(splitter->object))
		return malformed(api, "an object in the list of zones is too large");
	splitter->object[splitter->used++] = octet;
	if (splitter->in_string) {
		if (splitter->escaped)
			splitter->escaped = false;
		else if (octet == '\\')
			splitter->escaped = true;
		else if (octet == '"')
			splitter->in_string = false;
	} else if (octet == '"') {
		splitter->in_string = true;
	} else if (octet == '{') {
		splitter->depth++;
	} else if (octet == '}' && --splitter->depth == 0) {
		return splitter_object(api);
	}
	return 0;
}

static size_t split_answer(char *data, size_t one, size_t size, void *userdata)
{
	struct pdns_api *api = userdata;
	long status = 0;
	curl_easy_getinfo(api->curl, CURLINFO_RESPONSE_CODE, &status);
	if (status != 200)
		return keep_answer(data, one, size, userdata);
	for (size_t i = 0; i < one * size; i++) {
		api->visit_result = splitter_octet(api, data[i]);
		if (api->visit_result < 0)
			return 0;
	}
	return one * size;
}

int pdns_api_zones(struct pdns_api *api, int (*visit)(const struct pdns_zone *zone, void *userdata), void *userdata)
{
	memset(&api->splitter, 0, sizeof(api->splitter));
	api->visit = visit;
	api->userdata = userdata;
	api->visit_result = 0;
	curl_easy_setopt(api->curl, CURLOPT_WRITEFUNCTION, split_answer);
	curl_easy_setopt(api->curl, CURLOPT_WRITEDATA, api);
	long status = 0;
	int r = request(api, "GET", "/zones", NULL, &status);
	if (r < 0)
		return r;
	if (status != 200)
		return ERROR_HTTP;
	return api->splitter.ended && api->splitter.depth == 0 ? 0 : malformed(api, "the list of zones was cut short");
}

/* The name as PowerDNS wants it in bodies: absolute text. */
static int secondary_body(const char *zone, const char *kind, const char *master, char **ret)
{
	CLEANUP(json) json_t *json = zone ? json_pack("{s:s,s:s,s:[s]}", "name", zone, "kind", kind, "masters", master)
					  : json_pack("{s:s,s:[s]}", "kind", kind, "masters", master);
	char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;
	if (!text)
		return -ENOMEM;
	*ret = text;
	return 0;
}

static int create(struct pdns_api *api, const char *zone, const char *kind, const char *master)
{
	CLEANUP(free) char *body = NULL;
	int r = secondary_body(zone, kind, master, &body);
	if (r < 0)
		return r;
	long status = 0;
	r = request_kept(api, "POST", "/zones", body, &status);
	if (r < 0)
		return r;
	if (status == 409)
		return -EEXIST;
	return status == 201 || status == 200 ? 0 : ERROR_HTTP;
}

int pdns_api_create_secondary(struct pdns_api *api, const char *zone, const char *master)
{
	return create(api, zone, "Slave", master);
}

int pdns_api_create_consumer(struct pdns_api *api, const char *catalog, const char *master)
{
	return create(api, catalog, "Consumer", master);
}

/* A request on one zone that answers 200 or 204; 404 is -ENOENT. */
static int act_on_zone(struct pdns_api *api, const char *method, const char *zone, const char *suffix, const char *body)
{
	CLEANUP(free) char *path = NULL;
	int r = zone_path(zone, suffix, &path);
	if (r < 0)
		return r;
	long status = 0;
	r = request_kept(api, method, path, body, &status);
	if (r < 0)
		return r;
	if (status == 404)
		return -ENOENT;
	return status == 200 || status == 204 ? 0 : ERROR_HTTP;
}

int pdns_api_set_master(struct pdns_api *api, const char *zone, const char *master)
{
	CLEANUP(free) char *body = NULL;
	int r = secondary_body(NULL, "Slave", master, &body);
	return r < 0 ? r : act_on_zone(api, "PUT", zone, "", body);
}

int pdns_api_delete(struct pdns_api *api, const char *zone) { return act_on_zone(api, "DELETE", zone, "", NULL); }

int pdns_api_retrieve(struct pdns_api *api, const char *zone)
{
	return act_on_zone(api, "PUT", zone, "/axfr-retrieve", NULL);
}

int pdns_api_flush(struct pdns_api *api, const char *zone)
{
	CLEANUP(free) char *path = NULL;
	char *escaped = curl_easy_escape(api->curl, zone, 0);
	if (!escaped)
		return -ENOMEM;
	int n = asprintf(&path, "/cache/flush?domain=%s", escaped);
	curl_free(escaped);
	if (n < 0)
		return -ENOMEM;
	long status = 0;
	int r = request_kept(api, "PUT", path, "", &status);
	if (r < 0)
		return r;
	return status == 200 ? 0 : ERROR_HTTP;
}
