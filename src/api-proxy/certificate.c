/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "api-proxy/certificate.h"
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <gnutls/crypto.h>
#include <gnutls/x509.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <sys/stat.h>
#include "common/cleanup.h"
#include "common/error.h"

#define VALID_S (730 * 86400)
#define RENEW_S (30 * 86400)
#define FILE_MAX (1 << 20)

static inline void cleanup_crt(gnutls_x509_crt_t *crt) { if (*crt) gnutls_x509_crt_deinit(*crt); }
static inline void cleanup_key(gnutls_x509_privkey_t *key) { if (*key) gnutls_x509_privkey_deinit(*key); }
static inline void cleanup_datum(gnutls_datum_t *datum) { gnutls_free(datum->data); }
DEFINE_CLEANUP(certificate, struct certificate *, certificate_free)

static int refuse(int error, const char *what, const char *why, char **ret_reason)
{
	char *text = NULL;
	*ret_reason = asprintf(&text, "%s: %s", what, why) < 0 ? NULL : text;
	return error;
}

static int refuse_tls(int code, const char *what, char **ret_reason)
{
	return refuse(code == GNUTLS_E_MEMORY_ERROR ? -ENOMEM : ERROR_MALFORMED, what, gnutls_strerror(code), ret_reason);
}

/* The text of a file, malloc'ed; NULL with *ret_error. */
static char *read_file(const char *path, int *ret_error)
{
	CLEANUP(fclose) FILE *file = fopen(path, "re");
	CLEANUP(free) char *text = file ? malloc(FILE_MAX + 1) : NULL;
	if (!text) {
		*ret_error = file ? -ENOMEM : -errno;
		return NULL;
	}
	size_t size = fread(text, 1, FILE_MAX, file);
	if (ferror(file)) {
		*ret_error = -EIO;
		return NULL;
	}
	text[size] = '\0';
	return TAKE(text);
}

static gnutls_datum_t datum_of(const char *text)
{
	return (gnutls_datum_t){ (unsigned char *)text, (unsigned)strlen(text) };
}

/* What the first certificate says: until when it is valid, and whether the key is its key. */
static int check_leaf(const gnutls_datum_t *pem, const gnutls_datum_t *key_pem, uint64_t *ret_expires_us)
{
	CLEANUP(crt) gnutls_x509_crt_t crt = NULL;
	CLEANUP(key) gnutls_x509_privkey_t key = NULL;
	unsigned char of_crt[32], of_key[32];
	size_t crt_size = sizeof(of_crt), key_size = sizeof(of_key);
	int code = gnutls_x509_crt_init(&crt);
	if (code == 0)
		code = gnutls_x509_crt_import(crt, pem, GNUTLS_X509_FMT_PEM);
	if (code == 0)
		code = gnutls_x509_privkey_init(&key);
	if (code == 0)
		code = gnutls_x509_privkey_import2(key, key_pem, GNUTLS_X509_FMT_PEM, NULL, 0);
	if (code == 0)
		code = gnutls_x509_crt_get_key_id(crt, GNUTLS_KEYID_USE_SHA256, of_crt, &crt_size);
	if (code == 0)
		code = gnutls_x509_privkey_get_key_id(key, GNUTLS_KEYID_USE_SHA256, of_key, &key_size);
	if (code < 0)
		return code;
	if (crt_size != key_size || memcmp(of_crt, of_key, crt_size) != 0)
		return GNUTLS_E_CERTIFICATE_KEY_MISMATCH;
	*ret_expires_us = (uint64_t)gnutls_x509_crt_get_expiration_time(crt) * 1000000;
	return 0;
}

int certificate_read(const char *file, const char *key_pem, struct certificate **ret, char **ret_reason)
{
	int error = 0;
	CLEANUP(free) char *text = read_file(file, &error);
	if (!text)
		return refuse(error, file, error_text(error), ret_reason);
	CLEANUP(certificate) struct certificate *certificate = calloc(1, sizeof(*certificate));
	if (!certificate)
		return -ENOMEM;
	certificate->holders = 1;
	gnutls_datum_t chain = datum_of(text), key = datum_of(key_pem);
	int code = check_leaf(&chain, &key, &certificate->expires_us);
	if (code == 0)
		code = gnutls_certificate_allocate_credentials(&certificate->credentials);
	if (code == 0)
		code = gnutls_certificate_set_x509_key_mem(certificate->credentials, &chain, &key, GNUTLS_X509_FMT_PEM);
	if (code < 0)
		return refuse_tls(code, file, ret_reason);
	*ret = TAKE(certificate);
	return 0;
}

struct certificate *certificate_hold(struct certificate *certificate)
{
	atomic_fetch_add(&certificate->holders, 1);
	return certificate;
}

void certificate_free(struct certificate *certificate)
{
	if (!certificate || atomic_fetch_sub(&certificate->holders, 1) > 1)
		return;
	if (certificate->credentials)
		gnutls_certificate_free_credentials(certificate->credentials);
	free(certificate);
}

/* A certificate of our own */

static int write_file(const char *path, const void *data, size_t size)
{
	CLEANUP(free) char *fresh = NULL;
	if (asprintf(&fresh, "%s.new", path) < 0)
		return -ENOMEM;
	CLEANUP(close) int fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return -errno;
	ssize_t n = write(fd, data, size);
	if (n != (ssize_t)size || fsync(fd) < 0 || rename(fresh, path) < 0) {
		int error = n >= 0 && n != (ssize_t)size ? -ENOSPC : -errno;
		(void)unlink(fresh);
		return error;
	}
	return 0;
}

static int add_dns(gnutls_x509_crt_t crt, const char *name)
{
	return gnutls_x509_crt_set_subject_alt_name(crt, GNUTLS_SAN_DNSNAME, name, (unsigned)strlen(name), GNUTLS_FSAN_APPEND);
}

static int add_address(gnutls_x509_crt_t crt, const struct sockaddr *address)
{
	if (address->sa_family == AF_INET)
		return gnutls_x509_crt_set_subject_alt_name(crt, GNUTLS_SAN_IPADDRESS, &((const struct sockaddr_in *)address)->sin_addr, 4,
		                                            GNUTLS_FSAN_APPEND);
	const struct in6_addr *six = &((const struct sockaddr_in6 *)address)->sin6_addr;
	if (address->sa_family != AF_INET6 || IN6_IS_ADDR_LINKLOCAL(six))
		return 0;
	return gnutls_x509_crt_set_subject_alt_name(crt, GNUTLS_SAN_IPADDRESS, six, 16, GNUTLS_FSAN_APPEND);
}

/* The names and addresses under which clients may come; the DNS is not asked. */
static int add_names(gnutls_x509_crt_t crt)
{
	char host[65] = "";
	struct ifaddrs *list = NULL;
	if (gethostname(host, sizeof(host) - 1) < 0 || !*host)
		strcpy(host, "localhost");
	int code = gnutls_x509_crt_set_dn_by_oid(crt, GNUTLS_OID_X520_COMMON_NAME, 0, host, (unsigned)strlen(host));
	if (code == 0 && strcmp(host, "localhost") != 0)
		code = add_dns(crt, host);
	char *dot = strchr(host, '.');
	if (dot)
		*dot = '\0';
	if (code == 0 && dot && *host)
		code = add_dns(crt, host);
	if (code == 0)
		code = add_dns(crt, "localhost");
	if (getifaddrs(&list) < 0)
		list = NULL;
	for (const struct ifaddrs *one = list; one && code == 0; one = one->ifa_next)
		if (one->ifa_addr)
			code = add_address(crt, one->ifa_addr);
	freeifaddrs(list);
	return code;
}

static int fill(gnutls_x509_crt_t crt, gnutls_x509_privkey_t key, uint64_t now_s)
{
	unsigned char serial[16], id[32];
	size_t id_size = sizeof(id);
	int code = gnutls_rnd(GNUTLS_RND_NONCE, serial, sizeof(serial));
	serial[0] = (serial[0] & 0x7f) | 1; /* positive, and of full length */
	if (code == 0)
		code = gnutls_x509_crt_set_version(crt, 3);
	if (code == 0)
		code = gnutls_x509_crt_set_serial(crt, serial, sizeof(serial));
	if (code == 0)
		code = gnutls_x509_crt_set_activation_time(crt, (time_t)now_s - 3600);
	if (code == 0)
		code = gnutls_x509_crt_set_expiration_time(crt, (time_t)now_s + VALID_S);
	if (code == 0)
		code = gnutls_x509_crt_set_key(crt, key);
	if (code == 0)
		code = add_names(crt);
	if (code == 0)
		code = gnutls_x509_crt_set_basic_constraints(crt, 0, -1);
	if (code == 0)
		code = gnutls_x509_crt_set_key_usage(crt, GNUTLS_KEY_DIGITAL_SIGNATURE);
	if (code == 0)
		code = gnutls_x509_crt_set_key_purpose_oid(crt, GNUTLS_KP_TLS_WWW_SERVER, 0);
	if (code == 0)
		code = gnutls_x509_crt_get_key_id(crt, 0, id, &id_size);
	if (code == 0)
		code = gnutls_x509_crt_set_subject_key_id(crt, id, id_size);
	return code == 0 ? gnutls_x509_crt_sign2(crt, crt, key, GNUTLS_DIG_SHA256, 0) : code;
}

/* Takes the key that is there, so that who trusts the key need not learn a new one. */
static int take_or_make_key(const char *path, gnutls_x509_privkey_t key, char **ret_reason)
{
	int error = 0;
	CLEANUP(free) char *text = read_file(path, &error);
	CLEANUP(datum) gnutls_datum_t pem = { 0 };
	if (text) {
		gnutls_datum_t old = datum_of(text);
		if (gnutls_x509_privkey_import2(key, &old, GNUTLS_X509_FMT_PEM, NULL, 0) == 0)
			return 0;
	}
	int code = gnutls_x509_privkey_generate(key, GNUTLS_PK_ECDSA, GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0);
	if (code == 0)
		code = gnutls_x509_privkey_export2(key, GNUTLS_X509_FMT_PEM, &pem);
	if (code < 0)
		return refuse_tls(code, path, ret_reason);
	int result = write_file(path, pem.data, pem.size);
	return result < 0 ? refuse(result, path, error_text(result), ret_reason) : 0;
}

static int make(const char *certificate_path, const char *key_path, uint64_t now_us, char **ret_reason)
{
	CLEANUP(crt) gnutls_x509_crt_t crt = NULL;
	CLEANUP(key) gnutls_x509_privkey_t key = NULL;
	CLEANUP(datum) gnutls_datum_t pem = { 0 };
	if (gnutls_x509_privkey_init(&key) < 0 || gnutls_x509_crt_init(&crt) < 0)
		return -ENOMEM;
	int result = take_or_make_key(key_path, key, ret_reason);
	if (result < 0)
		return result;
	int code = fill(crt, key, now_us / 1000000);
	if (code == 0)
		code = gnutls_x509_crt_export2(crt, GNUTLS_X509_FMT_PEM, &pem);
	if (code < 0)
		return refuse_tls(code, certificate_path, ret_reason);
	result = write_file(certificate_path, pem.data, pem.size);
	return result < 0 ? refuse(result, certificate_path, error_text(result), ret_reason) : 0;
}

static int read_own(const char *certificate_path, const char *key_path, struct certificate **ret, char **ret_reason)
{
	int error = 0;
	CLEANUP(free) char *key = read_file(key_path, &error);
	if (!key)
		return refuse(error, key_path, error_text(error), ret_reason);
	return certificate_read(certificate_path, key, ret, ret_reason);
}

int certificate_own(const char *folder, uint64_t now_us, struct certificate **ret, char **ret_reason)
{
	CLEANUP(free) char *certificate_path = NULL;
	CLEANUP(free) char *key_path = NULL;
	CLEANUP(certificate) struct certificate *old = NULL;
	CLEANUP(free) char *ignored = NULL;
	if (mkdir(folder, 0700) < 0 && errno != EEXIST)
		return refuse(-errno, folder, strerrordesc_np(errno), ret_reason);
	if (asprintf(&certificate_path, "%s/certificate.pem", folder) < 0 || asprintf(&key_path, "%s/key.pem", folder) < 0)
		return -ENOMEM;
	if (read_own(certificate_path, key_path, &old, &ignored) == 0 && old && old->expires_us > now_us + UINT64_C(1000000) * RENEW_S) {
		*ret = TAKE(old);
		return 0;
	}
	int result = make(certificate_path, key_path, now_us, ret_reason);
	return result < 0 ? result : read_own(certificate_path, key_path, ret, ret_reason);
}
