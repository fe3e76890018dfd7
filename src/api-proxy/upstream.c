/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "api-proxy/upstream.h"
#include <errno.h>
#include <utlist.h>
#include "api-proxy/upstream_pool.h"
#include "common/cleanup.h"
#include "common/error.h"

#define IDLE_MAX 64

static inline void cleanup_curl_url(CURLU **url) { curl_url_cleanup(*url); }
static inline void cleanup_curl_text(char **text) { curl_free(*text); }

static void close_now(struct upstream_pair *pair)
{
	if (pair->done_with >= 0)
		(void)close(pair->done_with);
	pair->done_with = -1;
}

static void pair_free(struct upstream_pair *pair)
{
	curl_easy_cleanup(pair->easy);
	curl_multi_cleanup(pair->multi); /* closes the connections that are left */
	close_now(pair);
	free(pair);
}

int upstream_close_later(void *userdata, curl_socket_t fd)
{
	struct upstream_pair *pair = userdata;
	close_now(pair);
	pair->done_with = fd;
	return 0;
}

struct upstream_pair *upstream_borrow(struct upstream *upstream)
{
	pthread_mutex_lock(&upstream->mutex);
	struct upstream_pair *pair = upstream->idle;
	if (pair) {
		LL_DELETE(upstream->idle, pair);
		upstream->idle_count--;
	}
	pthread_mutex_unlock(&upstream->mutex);
	if (pair)
		return pair;

	pair = calloc(1, sizeof(*pair));
	if (!pair)
		return NULL;
	pair->done_with = -1;
	pair->easy = curl_easy_init();
	pair->multi = curl_multi_init();
	if (!pair->easy || !pair->multi) {
		pair_free(pair);
		return NULL;
	}
	return pair;
}

void upstream_give_back(struct upstream *upstream, struct upstream_pair *pair)
{
	close_now(pair);
	curl_easy_reset(pair->easy);
	pthread_mutex_lock(&upstream->mutex);
	bool keep = upstream->idle_count < IDLE_MAX;
	if (keep) {
		LL_PREPEND(upstream->idle, pair); /* the last used has the freshest connection */
		upstream->idle_count++;
	}
	pthread_mutex_unlock(&upstream->mutex);
	if (!keep)
		pair_free(pair);
}

/* Splits the configured URL into what curl connects to and what goes before each request-target. */
static int split_url(const char *text, char **ret_url, char **ret_path)
{
	CLEANUP(curl_url) CURLU *url = curl_url();
	CLEANUP(curl_text) char *scheme = NULL, *path = NULL, *whole = NULL;
	if (!url)
		return -ENOMEM;
	if (curl_url_set(url, CURLUPART_URL, text, 0) != CURLUE_OK || curl_url_get(url, CURLUPART_SCHEME, &scheme, 0) != CURLUE_OK ||
	    (strcmp(scheme, "http") != 0 && strcmp(scheme, "https") != 0) || curl_url_get(url, CURLUPART_PATH, &path, 0) != CURLUE_OK)
		return ERROR_MALFORMED;
	size_t size = strlen(path);
	while (size > 0 && path[size - 1] == '/')
		size--;
	if (curl_url_set(url, CURLUPART_PATH, "/", 0) != CURLUE_OK || curl_url_set(url, CURLUPART_QUERY, NULL, 0) != CURLUE_OK ||
	    curl_url_set(url, CURLUPART_FRAGMENT, NULL, 0) != CURLUE_OK || curl_url_get(url, CURLUPART_URL, &whole, 0) != CURLUE_OK)
		return ERROR_MALFORMED;
	CLEANUP(free) char *url_copy = strdup(whole);
	CLEANUP(free) char *path_copy = strndup(path, size);
	if (!url_copy || !path_copy)
		return -ENOMEM;
	*ret_url = TAKE(url_copy);
	*ret_path = TAKE(path_copy);
	return 0;
}

int upstream_new(const char *url, int64_t timeout_us, struct upstream **ret)
{
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		return -ENOMEM;
	struct upstream *upstream = calloc(1, sizeof(*upstream));
	if (!upstream)
		return -ENOMEM;
	int result = split_url(url, &upstream->url, &upstream->path);
	if (result < 0) {
		free(upstream);
		return result;
	}
	upstream->timeout_us = timeout_us;
	pthread_mutex_init(&upstream->mutex, NULL);
	*ret = upstream;
	return 0;
}

void upstream_cancel(struct upstream *upstream)
{
	atomic_store(&upstream->cancelled, true);
}

void upstream_free(struct upstream *upstream)
{
	if (!upstream)
		return;
	struct upstream_pair *pair, *next;
	LL_FOREACH_SAFE(upstream->idle, pair, next)
		pair_free(pair);
	pthread_mutex_destroy(&upstream->mutex);
	free(upstream->url);
	free(upstream->path);
	free(upstream);
}
