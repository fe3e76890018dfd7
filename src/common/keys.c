/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <pthread.h>
#include <sodium.h>
#include <stdbool.h>
#include <sys/stat.h>
#include "common/cleanup.h"
#include "common/error.h"
#include "common/keys.h"

#define PRIVATE_MARK "pdns-distribute-private-v1"
#define PUBLIC_MARK "pdns-distribute-public-v1"
#define BASE64_SIZE 64 /* of 32 octets, with NUL, and room */
#define LINE_SIZE 256
#define TRUSTED_MAX 64 /* keys in one file: far more than a rotation needs */

struct signing_key {
	char id[KEY_ID_SIZE];
	uint8_t public_key[crypto_sign_PUBLICKEYBYTES];
	uint8_t secret_key[crypto_sign_SECRETKEYBYTES];
};

struct trusted_key {
	char id[KEY_ID_SIZE];
	uint8_t public_key[crypto_sign_PUBLICKEYBYTES];
};

struct trusted_keys {
	pthread_rwlock_t lock;
	int count;
	struct trusted_key key[TRUSTED_MAX];
};

DEFINE_CLEANUP(signing_key, struct signing_key *, signing_key_free)
DEFINE_CLEANUP(trusted_keys, struct trusted_keys *, trusted_keys_free)

static void make_id(const uint8_t public_key[crypto_sign_PUBLICKEYBYTES], char ret_id[KEY_ID_SIZE])
{
	uint8_t hash[crypto_generichash_BYTES];

	(void)crypto_generichash(hash, sizeof(hash), public_key, crypto_sign_PUBLICKEYBYTES, NULL, 0);
	(void)sodium_bin2hex(ret_id, KEY_ID_SIZE, hash, (KEY_ID_SIZE - 1) / 2);
}

static struct signing_key *key_from_seed(const uint8_t seed[crypto_sign_SEEDBYTES])
{
	/* Locked and guarded memory: a private key goes neither to swap nor into a core dump. */
	struct signing_key *key = sodium_malloc(sizeof(*key));

	if (!key)
		return NULL;
	(void)crypto_sign_seed_keypair(key->public_key, key->secret_key, seed);
	make_id(key->public_key, key->id);
	return key;
}

/*
 * Reads "MARK ID BASE64" with any blanks between the words and after them, in `line` of `size` octets.
 */
static int parse_line(const char *line, size_t size, const char *mark, char ret_id[KEY_ID_SIZE], uint8_t ret_octets[32])
{
	const char *word[4];
	size_t length[4];
	int words = 0;

	for (size_t at = 0; at < size;) {
		if (line[at] == '\0')
			return ERROR_MALFORMED;
		if (isspace((unsigned char)line[at])) {
			at++;
			continue;
		}
		if (words == 3)
			return ERROR_MALFORMED;
		word[words] = line + at;
		while (at < size && line[at] != '\0' && !isspace((unsigned char)line[at]))
			at++;
		length[words] = (size_t)(line + at - word[words]);
		words++;
	}
	if (words != 3 || length[0] != strlen(mark) || memcmp(word[0], mark, length[0]) != 0 || length[1] != KEY_ID_SIZE - 1)
		return ERROR_MALFORMED;

	size_t octets;
	if (sodium_base642bin(ret_octets, 32, word[2], length[2], NULL, &octets, NULL, sodium_base64_VARIANT_ORIGINAL) != 0
	    || octets != 32)
		return ERROR_MALFORMED;
	memcpy(ret_id, word[1], KEY_ID_SIZE - 1);
	ret_id[KEY_ID_SIZE - 1] = '\0';
	return 0;
}

static int sync_folder_of(const char *file)
{
	CLEANUP(free) char *path = strdup(file);
	if (!path)
		return -ENOMEM;
	CLEANUP(close) int folder = open(dirname(path), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return folder < 0 || fsync(folder) < 0 ? -errno : 0;
}

/* Makes a file that was not there before, and leaves none behind on failure. */
static int write_new_file(const char *file, mode_t mode, const char *text)
{
	CLEANUP(close) int fd = open(file, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
	if (fd < 0)
		return -errno;

	int result = 0;
	for (size_t at = 0, size = strlen(text); at < size && result == 0;) {
		ssize_t written = write(fd, text + at, size - at);
		if (written >= 0)
			at += (size_t)written;
		else if (errno != EINTR)
			result = -errno;
	}
	/* The mode asked for, whatever the umask: the public file is there to be read. */
	if (result == 0 && (fchmod(fd, mode) < 0 || fsync(fd) < 0))
		result = -errno;
	if (result == 0)
		result = sync_folder_of(file);
	if (result < 0)
		(void)unlink(file);
	return result;
}

static void format_line(char line[LINE_SIZE], const char *mark, const char *id, const uint8_t octets[32])
{
	char base64[BASE64_SIZE];

	(void)sodium_bin2base64(base64, sizeof(base64), octets, 32, sodium_base64_VARIANT_ORIGINAL);
	(void)snprintf(line, LINE_SIZE, "%s %s %s\n", mark, id, base64);
	sodium_memzero(base64, sizeof(base64));
}

int signing_key_generate(const char *private_file, const char *public_file, char ret_id[KEY_ID_SIZE])
{
	uint8_t seed[crypto_sign_SEEDBYTES];
	char line[LINE_SIZE];

	if (sodium_init() < 0)
		return -ENOSYS;
	randombytes_buf(seed, sizeof(seed));
	CLEANUP(signing_key) struct signing_key *key = key_from_seed(seed);
	if (!key) {
		sodium_memzero(seed, sizeof(seed));
		return -ENOMEM;
	}
	format_line(line, PRIVATE_MARK, key->id, seed);
	sodium_memzero(seed, sizeof(seed));
	int result = write_new_file(private_file, 0600, line);
	sodium_memzero(line, sizeof(line));
	if (result < 0)
		return result;

	format_line(line, PUBLIC_MARK, key->id, key->public_key);
	result = write_new_file(public_file, 0644, line);
	if (result < 0) {
		(void)unlink(private_file);
		return result;
	}
	memcpy(ret_id, key->id, KEY_ID_SIZE);
	return 0;
}

int signing_key_parse(const char *text, struct signing_key **ret)
{
	uint8_t seed[crypto_sign_SEEDBYTES];
	char id[KEY_ID_SIZE];

	if (sodium_init() < 0)
		return -ENOSYS;
	int result = parse_line(text, strlen(text), PRIVATE_MARK, id, seed);
	CLEANUP(signing_key) struct signing_key *key = result == 0 ? key_from_seed(seed) : NULL;
	sodium_memzero(seed, sizeof(seed));
	if (result < 0)
		return result;
	if (!key)
		return -ENOMEM;
	if (strcmp(id, key->id) != 0)
		return ERROR_MALFORMED;
	*ret = TAKE(key);
	return 0;
}

void signing_key_free(struct signing_key *key)
{
	sodium_free(key); /* also wipes */
}

const char *signing_key_id(const struct signing_key *key)
{
	return key->id;
}

void signing_key_sign(const struct signing_key *key, const void *data, size_t size, uint8_t ret_signature[64])
{
	(void)crypto_sign_detached(ret_signature, NULL, data, size, key->secret_key);
}

static struct trusted_keys *trusted_keys_new(void)
{
	struct trusted_keys *keys = calloc(1, sizeof(*keys));
	if (keys)
		pthread_rwlock_init(&keys->lock, NULL);
	return keys;
}

static int trusted_keys_append(struct trusted_keys *keys, const char *id, const uint8_t *public_key)
{
	for (int i = 0; i < keys->count; i++) {
		if (strcmp(keys->key[i].id, id) == 0)
			return memcmp(keys->key[i].public_key, public_key, crypto_sign_PUBLICKEYBYTES) == 0
			       ? 0 : ERROR_MALFORMED;
	}
	if (keys->count == TRUSTED_MAX)
		return ERROR_MALFORMED;
	struct trusted_key *key = &keys->key[keys->count++];
	memcpy(key->id, id, KEY_ID_SIZE);
	memcpy(key->public_key, public_key, sizeof(key->public_key));
	return 0;
}

int signing_key_trusted(const struct signing_key *key, struct trusted_keys **ret)
{
	struct trusted_keys *keys = trusted_keys_new();

	if (!keys)
		return -ENOMEM;
	(void)trusted_keys_append(keys, key->id, key->public_key);
	*ret = keys;
	return 0;
}

static int read_public_line(struct trusted_keys *keys, const char *line, size_t size)
{
	uint8_t public_key[crypto_sign_PUBLICKEYBYTES];
	char id[KEY_ID_SIZE], want[KEY_ID_SIZE];
	size_t blanks = 0;

	while (blanks < size && isspace((unsigned char)line[blanks]))
		blanks++;
	if (blanks == size || line[blanks] == '#')
		return 0;
	int result = parse_line(line, size, PUBLIC_MARK, id, public_key);
	if (result < 0)
		return result;
	make_id(public_key, want);
	return strcmp(id, want) == 0 ? trusted_keys_append(keys, id, public_key) : ERROR_MALFORMED;
}

int trusted_keys_load(const char *file, struct trusted_keys **ret)
{
	if (sodium_init() < 0)
		return -ENOSYS;
	CLEANUP(fclose) FILE *in = fopen(file, "re");
	if (!in)
		return -errno;
	CLEANUP(trusted_keys) struct trusted_keys *keys = trusted_keys_new();
	if (!keys)
		return -ENOMEM;

	CLEANUP(free) char *line = NULL;
	size_t room = 0;
	ssize_t size;
	while ((size = getline(&line, &room, in)) >= 0) {
		int result = read_public_line(keys, line, (size_t)size);
		if (result < 0)
			return result;
	}
	if (ferror(in))
		return errno ? -errno : -EIO;
	if (keys->count == 0)
		return ERROR_MALFORMED;
	*ret = TAKE(keys);
	return 0;
}

int trusted_keys_reload(struct trusted_keys *keys, const char *file)
{
	CLEANUP(trusted_keys) struct trusted_keys *fresh = NULL;
	int result = trusted_keys_load(file, &fresh);
	if (result < 0 || !fresh)
		return result;
	pthread_rwlock_wrlock(&keys->lock);
	keys->count = fresh->count;
	memcpy(keys->key, fresh->key, sizeof(keys->key));
	pthread_rwlock_unlock(&keys->lock);
	return 0;
}

void trusted_keys_free(struct trusted_keys *keys)
{
	if (!keys)
		return;
	pthread_rwlock_destroy(&keys->lock);
	free(keys);
}

int trusted_keys_count(const struct trusted_keys *keys)
{
	return keys->count;
}

const char *trusted_keys_id(const struct trusted_keys *keys, int index)
{
	return index >= 0 && index < keys->count ? keys->key[index].id : NULL;
}

static int find_key(const struct trusted_keys *keys, const char *id, uint8_t ret_public_key[crypto_sign_PUBLICKEYBYTES])
{
	int result = ERROR_UNTRUSTED;
	pthread_rwlock_t *lock = (pthread_rwlock_t *)&keys->lock; /* looking changes nothing that anybody sees */
	pthread_rwlock_rdlock(lock);
	for (int i = 0; i < keys->count && result < 0; i++) {
		if (strcmp(keys->key[i].id, id) == 0) {
			memcpy(ret_public_key, keys->key[i].public_key, crypto_sign_PUBLICKEYBYTES);
			result = 0;
		}
	}
	pthread_rwlock_unlock(lock);
	return result;
}

int trusted_keys_verify(const struct trusted_keys *keys, const char *id, const void *data, size_t size,
                        const uint8_t signature[64])
{
	uint8_t public_key[crypto_sign_PUBLICKEYBYTES];
	int result = find_key(keys, id, public_key);
	if (result < 0)
		return result;
	return crypto_sign_verify_detached(signature, data, size, public_key) == 0 ? 0 : ERROR_UNTRUSTED;
}
