/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The messages of a transfer without the socket that brings them: the module itself, to reach what it keeps to itself. */
#include "common/axfr_client.c"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { WITH_KEY = 1, SIGNED = 2 };
#define ID 0x1234

static struct tsig_key *key;

static void must(int condition)
{
	if (!condition)
		abort();
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	must(sodium_init() >= 0 && tsig_key_new("hmac-sha256:transfer.:c2VjcmV0", &key) == 0);
	return 0;
}

/* What comes out of a transfer is checked, and belongs to the zone. */
static int visit(const struct record *record, void *userdata)
{
	const struct transfer *transfer = userdata;

	must(record_check(record) == 0 && is_in_zone(record->owner, transfer->question.zone));
	return 0;
}

/* Signs as a server that has the key does; a first message when none was answered yet. */
static size_t sign(struct transfer *transfer, size_t size)
{
	struct question *question = &transfer->question;
	uint8_t digest[MAC_SIZE];
	size_t digest_size = sizeof(digest), signed_size = size;

	int result = question->answered
		? knot_tsig_sign_next(transfer->message, &signed_size, sizeof(transfer->message), question->mac, question->mac_size,
		                      digest, &digest_size, question->key, transfer->message, size)
		: knot_tsig_sign(transfer->message, &signed_size, sizeof(transfer->message), question->mac, question->mac_size,
		                 digest, &digest_size, question->key, 0, 0);
	return result == KNOT_EOK ? signed_size : size;
}

/* A first octet of flags, then messages, each with its length before it as over TCP. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	const unsigned flags = *data++;
	CLEANUP(transfer) struct transfer *transfer = calloc(1, sizeof(*transfer));
	must(transfer != NULL);
	struct question *question = &transfer->question;
	uint8_t query[QUERY_SIZE] = { 0 };

	transfer->fd = -1;
	transfer->visit = visit;
	transfer->userdata = transfer;
	must(question_init(question, "example.org.", KNOT_RRTYPE_AXFR, flags & WITH_KEY ? key : NULL) == 0);
	question->id = ID;
	must(make_query(question, query) > 0);
	for (size--; size > 2 && !transfer->ended;) {
		size_t length = knot_wire_read_u16(data);
		data += 2;
		size -= 2;
		if (length > size)
			length = size;
		memcpy(transfer->message, data, length);
		data += length;
		size -= length;
		if (length >= KNOT_WIRE_HEADER_SIZE && (flags & WITH_KEY) && (flags & SIGNED))
			length = sign(transfer, length);
		if (take_message(transfer, (uint16_t)length) < 0)
			break;
	}
	return 0;
}
