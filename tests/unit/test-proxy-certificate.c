/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <ftw.h>
#include <sys/stat.h>
#include "api-proxy/certificate.h"
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/error.h"

#define DAY_US UINT64_C(86400000000)

static char folder[64], other[80];

static int set_up(void **state)
{
	(void)state;
	(void)strcpy(folder, "/tmp/test-proxy-certificate-XXXXXX");
	if (!mkdtemp(folder))
		return -1;
	snprintf(other, sizeof(other), "%s/other", folder);
	return 0;
}

static int remove_one(const char *path, const struct stat *facts, int type, struct FTW *walk)
{
	(void)facts, (void)type, (void)walk;
	return remove(path);
}

static int tear_down(void **state)
{
	(void)state;
	return nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static struct certificate *own(const char *where, uint64_t now_us)
{
	struct certificate *certificate = NULL;
	CLEANUP(free) char *reason = NULL;
	if (certificate_own(where, now_us, &certificate, &reason) < 0)
		fail_msg("%s", reason);
	return certificate;
}

static char *text_of(const char *where, const char *name)
{
	char path[128];
	char *text = calloc(1, 65536);
	snprintf(path, sizeof(path), "%s/%s", where, name);
	CLEANUP(fclose) FILE *file = fopen(path, "r");
	assert_non_null(file);
	assert_true(fread(text, 1, 65535, file) > 0);
	return text;
}

/* Goal: made once, kept, renewed with the same key 30 days before it ends, made again when it is damaged. */
static void test_own(void **state)
{
	uint64_t now = clock_realtime_us();
	struct stat facts;
	char path[128];
	(void)state;
	struct certificate *certificate = own(folder, now);
	uint64_t expires = certificate->expires_us;
	assert_true(expires > now + 700 * DAY_US);
	certificate_free(certificate);
	snprintf(path, sizeof(path), "%s/key.pem", folder);
	assert_int_equal(stat(path, &facts), 0);
	assert_int_equal(facts.st_mode & 0777, 0600);
	CLEANUP(free) char *key = text_of(folder, "key.pem"), *first = text_of(folder, "certificate.pem");

	certificate_free(own(folder, expires - 31 * DAY_US));
	CLEANUP(free) char *kept = text_of(folder, "certificate.pem");
	assert_string_equal(kept, first);

	certificate = own(folder, expires - 29 * DAY_US);
	assert_true(certificate->expires_us > expires);
	certificate_free(certificate);
	CLEANUP(free) char *same_key = text_of(folder, "key.pem"), *second = text_of(folder, "certificate.pem");
	assert_string_equal(same_key, key);
	assert_string_not_equal(second, first);

	assert_int_equal(truncate(path, 10), 0);
	certificate_free(own(folder, now));
	CLEANUP(free) char *new_key = text_of(folder, "key.pem");
	assert_string_not_equal(new_key, key);
}

/* Goal: what does not fit together is refused with a reason. */
static void test_read(void **state)
{
	struct certificate *certificate = NULL;
	char path[128];
	(void)state;
	certificate_free(own(folder, clock_realtime_us()));
	certificate_free(own(other, clock_realtime_us()));
	CLEANUP(free) char *key = text_of(folder, "key.pem"), *wrong = text_of(other, "key.pem");
	snprintf(path, sizeof(path), "%s/certificate.pem", folder);
	CLEANUP(free) char *mismatch = NULL, *garbage = NULL, *missing = NULL, *no_certificate = NULL;
	assert_int_equal(certificate_read(path, wrong, &certificate, &mismatch), ERROR_MALFORMED);
	assert_non_null(mismatch);
	assert_int_equal(certificate_read(path, "garbage", &certificate, &garbage), ERROR_MALFORMED);
	assert_non_null(garbage);
	assert_int_equal(certificate_read("/nonexistent", key, &certificate, &missing), -ENOENT);
	assert_non_null(missing);
	snprintf(path, sizeof(path), "%s/key.pem", folder);
	assert_int_equal(certificate_read(path, key, &certificate, &no_certificate), ERROR_MALFORMED);
	assert_null(certificate);
	snprintf(path, sizeof(path), "%s/certificate.pem", folder);
	key[strlen(key) - 1] = '\0'; /* as options are read: without the final newline */
	CLEANUP(free) char *reason = NULL;
	assert_int_equal(certificate_read(path, key, &certificate, &reason), 0);
	certificate_free(certificate);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_own), cmocka_unit_test(test_read) };
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
