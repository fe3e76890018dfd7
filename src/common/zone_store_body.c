/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "common/zone_store.h"

#include <errno.h>

#include "common/cleanup.h"
#include "common/error.h"
#include "common/subject.h"

DEFINE_CLEANUP(message, struct bus_message *, bus_message_free)
DEFINE_CLEANUP(spool, struct spool *, spool_free)
DEFINE_CLEANUP(ahead, struct bus_ahead *, bus_ahead_free)

/* A body on its way out of the store. */
struct taking {
	const struct zone_head *head;
	const struct zone_store_sink *sink;
	struct spool *spool;
};

static int take_piece(struct taking *taking, const void *data, size_t size)
{
	if (size == 0 || size > taking->head->encoded_size - spool_size(taking->spool))
		return ERROR_BODY;

	int r = spool_write(taking->spool, data, size);

	if (r == 0 && taking->sink->on_piece)
		r = taking->sink->on_piece(data, size, taking->sink->userdata);
	return r;
}

/* While a chunk is read the next ones are on their way. */
static int take_chunks(struct taking *taking, struct bus *bus, const char *prefix)
{
	CLEANUP(ahead) struct bus_ahead *ahead = NULL;
	char stream[SUBJECT_SIZE], subject[SUBJECT_SIZE];
	unsigned asked = 0, chunks = taking->head->chunks;

	subject_stream(prefix, STREAM_BODIES, stream);

	int r = bus_ahead_new(bus, stream, &ahead);

	for (unsigned taken = 0; r == 0 && taken < chunks; taken++) {
		CLEANUP(message) struct bus_message *message = NULL;
		size_t size;

		for (; r == 0 && asked < chunks && asked < taken + BUS_AHEAD_MAX; asked++) {
			subject_body(prefix, taking->head->body_id, asked, subject);
			r = bus_ahead_ask(ahead, subject);
		}
		r = r < 0 ? r : bus_ahead_take(ahead, &message);
		if (r < 0)
			return r == -ENOENT ? ERROR_BODY : r;

		const void *payload = bus_message_payload(message, &size);

		r = take_piece(taking, payload, size);
	}
	return r;
}

int zone_store_body(struct bus *bus, const char *prefix, const struct zone_head *head, const struct bus_message *message,
                    const struct zone_store_sink *sink, struct spool **ret)
{
	CLEANUP(spool) struct spool *spool = NULL;
	size_t size = 0;
	const void *payload = message ? bus_message_payload(message, &size) : NULL;

	if (head->place == ZONE_BODY_NONE || (head->place == ZONE_BODY_INLINE && size != head->encoded_size))
		return ERROR_BODY;

	int r = spool_new(sink->folder, sink->memory_limit, &spool);

	if (r < 0)
		return r;

	struct taking taking = { .head = head, .sink = sink, .spool = spool };

	r = head->place == ZONE_BODY_INLINE ? take_piece(&taking, payload, size) : take_chunks(&taking, bus, prefix);
	r = r < 0 ? r : spool_finish(spool);
	if (r < 0)
		return r;
	if (spool_size(spool) != head->encoded_size)
		return ERROR_BODY;
	*ret = TAKE(spool);
	return 0;
}
