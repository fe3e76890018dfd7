/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "api-proxy/prefer.h"
#include <errno.h>
#include <strings.h>
#include "api-proxy/network.h"
#include "common/cleanup.h"
#include "common/error.h"
#include "common/option.h"

#define SECOND INT64_C(1000000)
#define WAIT_LONGEST_S 3600

/* The end of a preference: a comma outside of quotes. */
static const char *find_end(const char *text)
{
	bool quoted = false;
	for (; *text && (quoted || *text != ','); text++) {
		if (*text == '"')
			quoted = !quoted;
		else if (quoted && *text == '\\' && text[1])
			text++;
	}
	return text;
}

static bool is_named(const char *text, size_t size, const char *name)
{
	return size == strlen(name) && strncasecmp(text, name, size) == 0;
}

/* "wait=5", "wait = \"5\"; x=y"; negative: no number of seconds. */
static int64_t read_seconds(const char *text, const char *end)
{
	int64_t seconds = 0;
	text += strspn(text, " \t");
	if (text >= end || *text++ != '=')
		return -1;
	text += strspn(text, " \t");
	bool quoted = *text == '"';
	text += quoted;
	const char *digits = text;
	for (; text < end && *text >= '0' && *text <= '9'; text++)
		seconds = seconds < WAIT_LONGEST_S ? seconds * 10 + (*text - '0') : WAIT_LONGEST_S;
	if (text == digits || (quoted && *text++ != '"'))
		return -1;
	text += strspn(text, " \t");
	return text >= end || *text == ';' ? (seconds < WAIT_LONGEST_S ? seconds : WAIT_LONGEST_S) : -1;
}

static void read_one(const char *text, const char *end, struct prefer *prefer)
{
	text += strspn(text, " \t");
	if (text >= end)
		return;
	size_t size = strcspn(text, " \t=;,");
	if (is_named(text, size, "respond-async"))
		prefer->respond_async = true;
	if (!is_named(text, size, "wait") || prefer->has_wait)
		return;
	int64_t seconds = read_seconds(text + size, end);
	if (seconds < 0)
		return;
	prefer->has_wait = true;
	prefer->wait_us = seconds * SECOND;
}

void prefer_read(const struct header_list *headers, struct prefer *ret)
{
	*ret = (struct prefer){ 0 };
	for (size_t i = 0; i < headers->count; i++) {
		if (strcasecmp(headers->fields[i].name, "Prefer") != 0)
			continue;
		for (const char *at = headers->fields[i].value; *at;) {
			const char *end = find_end(at);
			read_one(at, end, ret);
			at = *end ? end + 1 : end;
		}
	}
}

struct prefer_network {
	struct network network;
	int64_t wait_us;
};

struct prefer_networks {
	size_t count;
	struct prefer_network networks[];
};

static int parse_wait(const char *text, int64_t *ret_us)
{
	static const struct option wait = { .name = "wait", .type = OPTION_DURATION, .maximum = WAIT_LONGEST_S * SECOND };
	CLEANUP(free) char *reason = NULL;
	return option_set_text(&wait, ret_us, text, &reason) < 0 ? ERROR_MALFORMED : 0;
}

/* "192.0.2.0/24=5s" */
static int parse_one(char *text, struct prefer_network *ret)
{
	char *wait = strchr(text, '=');
	if (!wait)
		return ERROR_MALFORMED;
	*wait++ = '\0';
	int result = network_parse(text, &ret->network);
	return result < 0 ? result : parse_wait(wait, &ret->wait_us);
}

int prefer_networks_new(const char *text, struct prefer_networks **ret)
{
	CLEANUP(free) char *copy = strdup(text ? text : "");
	size_t most = 1;
	for (const char *at = text; at && *at; at++)
		most += *at == ',';
	CLEANUP(free) struct prefer_networks *networks = calloc(1, sizeof(*networks) + most * sizeof(*networks->networks));
	if (!copy || !networks)
		return -ENOMEM;
	char *rest = NULL;
	for (char *one = strtok_r(copy, ", \t", &rest); one; one = strtok_r(NULL, ", \t", &rest)) {
		if (networks->count == most || parse_one(one, &networks->networks[networks->count]) < 0)
			return ERROR_MALFORMED;
		networks->count++;
	}
	*ret = TAKE(networks);
	return 0;
}

void prefer_networks_free(struct prefer_networks *networks)
{
	free(networks);
}

int64_t prefer_networks_find(const struct prefer_networks *networks, const struct sockaddr *client, int64_t otherwise_us)
{
	const struct prefer_network *best = NULL;
	for (size_t i = 0; client && networks && i < networks->count; i++) {
		const struct prefer_network *network = &networks->networks[i];
		if (network_holds(&network->network, client) && (!best || network->network.bits > best->network.bits))
			best = network;
	}
	return best ? best->wait_us : otherwise_us;
}
