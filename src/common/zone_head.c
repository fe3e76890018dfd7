/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "common/zone_head.h"

#include <endian.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include <sodium.h>

#include "common/cleanup.h"
#include "common/error.h"
#include "common/subject.h"

#define HEAD_VERSION "1"
#define SIGNATURE_SIZE 64
#define SIGNATURE_TEXT_SIZE 89
#define HASH_HEX_SIZE (ZONE_BODY_HASH_SIZE * 2 + 1)
#define PREFIX_MAX 32

DEFINE_CLEANUP(message, struct bus_message *, bus_message_free)

/* What the signature covers; the layout is written down in docs/wire.md. All numbers big-endian. */
struct signed_part {
	char domain[24];
	uint64_t generation, covers_event, records, size, encoded_size, signatures_expire;
	uint32_t serial, chunks;
	uint8_t state, place, encoding;
	uint8_t prefix_size, zone_size, body_id_size;
	uint8_t digest[ZONE_DIGEST_SIZE];
	uint8_t body_hash[ZONE_BODY_HASH_SIZE];
	uint8_t names[PREFIX_MAX + ZONE_WIRE_SIZE + ZONE_HEAD_BODY_ID_SIZE]; /* prefix, zone in wire form, body id */
} __attribute__((packed));

static const char domain[24] = "pdns-distribute-head-v1";
_Static_assert(offsetof(struct signed_part, names) == 182, "the layout is a wire format");

static const char *const state_names[] = { [ZONE_STATE_PRESENT] = "present", [ZONE_STATE_DELETED] = "deleted" };
static const char *const encoding_names[] = { [ZONE_BODY_IDENTITY] = "identity", [ZONE_BODY_ZSTD] = "zstd" };

/* Returns the number of octets signed, or an error. */
static int signed_layout(const struct zone_head *head, const char *prefix, struct signed_part *part)
{
	uint8_t wire[ZONE_WIRE_SIZE];
	size_t prefix_size = strlen(prefix), id_size = strlen(head->body_id);
	int zone_size = zone_name_to_wire(head->zone, wire);

	if (zone_size < 0)
		return zone_size;
	if (prefix_size > PREFIX_MAX)
		return ERROR_MALFORMED;
	*part = (struct signed_part){
		.generation = htobe64(head->generation), .covers_event = htobe64(head->covers_event),
		.records = htobe64(head->facts.records), .size = htobe64(head->facts.size),
		.encoded_size = htobe64(head->encoded_size), .signatures_expire = htobe64(head->facts.signatures_expire),
		.serial = htobe32(head->facts.serial), .chunks = htobe32(head->chunks),
		.state = (uint8_t)head->state, .place = (uint8_t)head->place, .encoding = (uint8_t)head->facts.encoding,
		.prefix_size = (uint8_t)prefix_size, .zone_size = (uint8_t)zone_size, .body_id_size = (uint8_t)id_size,
	};
	memcpy(part->domain, domain, sizeof(domain));
	memcpy(part->digest, head->facts.digest.sum, sizeof(part->digest));
	memcpy(part->body_hash, head->facts.hash, sizeof(part->body_hash));
	memcpy(part->names, prefix, prefix_size);
	memcpy(part->names + prefix_size, wire, (size_t)zone_size);
	memcpy(part->names + prefix_size + (size_t)zone_size, head->body_id, id_size);
	return (int)(offsetof(struct signed_part, names) + prefix_size + (size_t)zone_size + id_size);
}

static bool all_zero(const struct zone_body_facts *facts)
{
	return facts->serial == 0 && facts->records == 0 && facts->size == 0 && facts->signatures_expire == 0 &&
	       facts->encoding == ZONE_BODY_IDENTITY && sodium_is_zero(facts->hash, sizeof(facts->hash)) &&
	       sodium_is_zero(facts->digest.sum, sizeof(facts->digest.sum));
}

/* What must hold between the members, whoever filled them in. */
static int check(const struct zone_head *head)
{
	char normal[ZONE_NAME_SIZE];
	const struct zone_body_facts *facts = &head->facts;
	size_t id_size = strspn(head->body_id, "abcdefghijklmnopqrstuvwxyz0123456789-");

	if (zone_name_from_text(head->zone, normal) < 0 || strcmp(normal, head->zone) != 0)
		return ERROR_MALFORMED;
	if (head->generation == 0 || head->generation > ZONE_HEAD_NUMBER_MAX)
		return ERROR_MALFORMED;
	if (head->body_id[id_size] != '\0' || (head->place == ZONE_BODY_CHUNKS) != (id_size > 0) ||
	    (head->place == ZONE_BODY_CHUNKS) != (head->chunks > 0) || head->chunks > ZONE_HEAD_MAX_CHUNKS)
		return ERROR_MALFORMED;
	if (head->state == ZONE_STATE_DELETED)
		return head->place == ZONE_BODY_NONE && head->encoded_size == 0 && all_zero(facts) ? 0 : ERROR_MALFORMED;
	if (head->place == ZONE_BODY_NONE || facts->records == 0 || facts->size == 0 || head->encoded_size == 0)
		return ERROR_MALFORMED;
	return facts->encoding == ZONE_BODY_IDENTITY && head->encoded_size != facts->size ? ERROR_MALFORMED : 0;
}

static int set_number(struct bus_message *message, const char *name, uint64_t value)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRIu64, value);
	return bus_message_set_header(message, name, text);
}

static int set_headers(struct bus_message *message, const struct zone_head *head)
{
	char digest[ZONE_DIGEST_HEX_SIZE], hash[HASH_HEX_SIZE], body[ZONE_HEAD_BODY_ID_SIZE + 16];
	const struct zone_body_facts *facts = &head->facts;

	zone_digest_to_hex(&facts->digest, digest);
	sodium_bin2hex(hash, sizeof(hash), facts->hash, sizeof(facts->hash));
	if (head->place == ZONE_BODY_CHUNKS)
		snprintf(body, sizeof(body), "%s/%u", head->body_id, head->chunks);
	else
		snprintf(body, sizeof(body), "%s", head->place == ZONE_BODY_INLINE ? "inline" : "none");

	int r = bus_message_set_header(message, "Version", HEAD_VERSION);

	r = r < 0 ? r : bus_message_set_header(message, "Zone", head->zone);
	r = r < 0 ? r : bus_message_set_header(message, "State", state_names[head->state]);
	r = r < 0 ? r : set_number(message, "Generation", head->generation);
	r = r < 0 ? r : set_number(message, "Serial", facts->serial);
	r = r < 0 ? r : set_number(message, "Records", facts->records);
	r = r < 0 ? r : set_number(message, "Size", facts->size);
	r = r < 0 ? r : bus_message_set_header(message, "Digest", digest);
	r = r < 0 ? r : set_number(message, "Covers-Event", head->covers_event);
	r = r < 0 ? r : set_number(message, "Signatures-Expire", facts->signatures_expire);
	r = r < 0 ? r : bus_message_set_header(message, "Body", body);
	r = r < 0 ? r : bus_message_set_header(message, "Body-Hash", hash);
	r = r < 0 ? r : bus_message_set_header(message, "Encoding", encoding_names[facts->encoding]);
	return r < 0 ? r : set_number(message, "Encoded-Size", head->encoded_size);
}

int zone_head_encode(const struct zone_head *head, const char *prefix, const struct signing_key *key,
                     const void *payload, size_t size, struct bus_message **ret)
{
	struct signed_part part;
	uint8_t signature[SIGNATURE_SIZE];
	char subject[SUBJECT_SIZE], text[SIGNATURE_TEXT_SIZE];
	CLEANUP(message) struct bus_message *message = NULL;
	int r = check(head);

	if (r == 0 && size != (head->place == ZONE_BODY_INLINE ? head->encoded_size : 0))
		r = ERROR_MALFORMED;
	if (r == 0)
		r = subject_zone(prefix, head->zone, subject);
	if (r == 0)
		r = signed_layout(head, prefix, &part);
	if (r < 0)
		return r;
	signing_key_sign(key, &part, (size_t)r, signature);
	sodium_bin2base64(text, sizeof(text), signature, sizeof(signature), sodium_base64_VARIANT_ORIGINAL);

	r = bus_message_new(subject, payload, size, &message);
	r = r < 0 ? r : set_headers(message, head);
	r = r < 0 ? r : bus_message_set_header(message, "Key", signing_key_id(key));
	r = r < 0 ? r : bus_message_set_header(message, "Signature", text);
	if (r == 0)
		*ret = TAKE(message);
	return r;
}

/* The value of a header that must be there exactly once; NULL otherwise. */
static const char *only(const struct bus_message *message, const char *name)
{
	return bus_message_header_count(message, name) == 1 ? bus_message_header(message, name) : NULL;
}

/* Decimal without sign, space or leading zero, at most max. */
static int read_number(const char *text, uint64_t max, uint64_t *ret)
{
	uint64_t value = 0;

	if (!text || text[0] == '\0' || (text[0] == '0' && text[1] != '\0'))
		return ERROR_MALFORMED;
	for (; *text != '\0'; text++) {
		if (*text < '0' || *text > '9' || __builtin_mul_overflow(value, 10, &value) ||
		    __builtin_add_overflow(value, (uint64_t)(*text - '0'), &value) || value > max)
			return ERROR_MALFORMED;
	}
	*ret = value;
	return 0;
}

static int get_number(const struct bus_message *message, const char *name, uint64_t max, uint64_t *ret)
{
	return read_number(only(message, name), max, ret);
}

static int get_text(const struct bus_message *message, const char *name, char *ret, size_t size)
{
	const char *text = only(message, name);

	if (!text || strlen(text) >= size)
		return ERROR_MALFORMED;
	strcpy(ret, text);
	return 0;
}

static int get_choice(const struct bus_message *message, const char *name, const char *const *names, int count)
{
	const char *text = only(message, name);

	for (int i = 0; text && i < count; i++)
		if (strcmp(text, names[i]) == 0)
			return i;
	return ERROR_MALFORMED;
}

/* Exactly so many octets as lower-case hex. */
static int get_hex(const struct bus_message *message, const char *name, uint8_t *ret, size_t size)
{
	const char *text = only(message, name);
	size_t length;

	if (!text || strlen(text) != size * 2 || strspn(text, "0123456789abcdef") != size * 2)
		return ERROR_MALFORMED;
	return sodium_hex2bin(ret, size, text, size * 2, NULL, &length, NULL) == 0 && length == size ? 0 : ERROR_MALFORMED;
}

static int get_body(const struct bus_message *message, struct zone_head *head)
{
	const char *text = only(message, "Body"), *slash = text ? strchr(text, '/') : NULL;
	uint64_t chunks;

	if (!text)
		return ERROR_MALFORMED;
	if (!slash) {
		head->place = strcmp(text, "inline") == 0 ? ZONE_BODY_INLINE : ZONE_BODY_NONE;
		return head->place == ZONE_BODY_INLINE || strcmp(text, "none") == 0 ? 0 : ERROR_MALFORMED;
	}
	if (slash == text || (size_t)(slash - text) >= sizeof(head->body_id) ||
	    read_number(slash + 1, ZONE_HEAD_MAX_CHUNKS, &chunks) < 0)
		return ERROR_MALFORMED;
	memcpy(head->body_id, text, (size_t)(slash - text));
	head->chunks = (unsigned)chunks;
	head->place = ZONE_BODY_CHUNKS;
	return 0;
}

static int get_headers(const struct bus_message *message, struct zone_head *head)
{
	struct zone_body_facts *facts = &head->facts;
	int state = get_choice(message, "State", state_names, ARRAY_SIZE(state_names));
	int encoding = get_choice(message, "Encoding", encoding_names, ARRAY_SIZE(encoding_names));
	uint64_t serial = 0;

	if (state < 0 || encoding < 0 || get_text(message, "Zone", head->zone, sizeof(head->zone)) < 0 ||
	    get_number(message, "Generation", ZONE_HEAD_NUMBER_MAX, &head->generation) < 0 ||
	    get_number(message, "Serial", UINT32_MAX, &serial) < 0 ||
	    get_number(message, "Records", ZONE_HEAD_NUMBER_MAX, &facts->records) < 0 ||
	    get_number(message, "Size", ZONE_HEAD_NUMBER_MAX, &facts->size) < 0 ||
	    get_hex(message, "Digest", facts->digest.sum, sizeof(facts->digest.sum)) < 0 ||
	    get_number(message, "Covers-Event", ZONE_HEAD_NUMBER_MAX, &head->covers_event) < 0 ||
	    get_number(message, "Signatures-Expire", ZONE_HEAD_NUMBER_MAX, &facts->signatures_expire) < 0 ||
	    get_body(message, head) < 0 || get_hex(message, "Body-Hash", facts->hash, sizeof(facts->hash)) < 0 ||
	    get_number(message, "Encoded-Size", ZONE_HEAD_NUMBER_MAX, &head->encoded_size) < 0 ||
	    get_text(message, "Key", head->key, sizeof(head->key)) < 0)
		return ERROR_MALFORMED;
	head->state = (enum zone_state)state;
	facts->encoding = (enum zone_body_encoding)encoding;
	facts->serial = (uint32_t)serial;
	return check(head);
}

static int verify(const struct bus_message *message, const char *prefix, const struct trusted_keys *keys,
                  const struct zone_head *head)
{
	struct signed_part part;
	uint8_t signature[SIGNATURE_SIZE];
	const char *text = only(message, "Signature");
	size_t length;
	int size = signed_layout(head, prefix, &part);

	if (size < 0)
		return ERROR_MALFORMED;
	if (!text || sodium_base642bin(signature, sizeof(signature), text, strlen(text), NULL, &length, NULL,
	                               sodium_base64_VARIANT_ORIGINAL) != 0 || length != sizeof(signature))
		return ERROR_MALFORMED;
	return trusted_keys_verify(keys, head->key, &part, (size_t)size, signature) < 0 ? ERROR_UNTRUSTED : 0;
}

int zone_head_decode(const struct bus_message *message, const char *prefix, const struct trusted_keys *keys,
                     struct zone_head *ret)
{
	struct zone_head head = { 0 };
	char subject[SUBJECT_SIZE];
	uint64_t version;

	if (bus_message_header_count(message, "Signature") == 0)
		return ERROR_UNTRUSTED;
	if (get_number(message, "Version", UINT32_MAX, &version) < 0)
		return ERROR_MALFORMED;
	if (version != 1)
		return ERROR_VERSION;

	int r = get_headers(message, &head);

	if (r == 0)
		r = subject_zone(prefix, head.zone, subject);
	if (r == 0 && strcmp(subject, bus_message_subject(message)) != 0)
		r = ERROR_MALFORMED;
	if (r == 0)
		r = verify(message, prefix, keys, &head);
	/* An inline body that was cut off or blown up shows already here, also where only the headers came. */
	if (r == 0 && bus_message_stored_size(message) != (head.place == ZONE_BODY_INLINE ? head.encoded_size : 0))
		r = ERROR_MALFORMED;
	if (r < 0)
		return r;
	head.sequence = bus_message_sequence(message);
	*ret = head;
	return 0;
}
