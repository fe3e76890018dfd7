/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include "api-proxy/journal.h"
#include "common/cleanup.h"

#define SLOT_SIZE 512

static char folder[64], file[80];
static struct journal *journal;

struct found {
	unsigned count;
	unsigned slots[JOURNAL_SLOTS];
	char keys[JOURNAL_SLOTS][JOURNAL_NOTE_MAX + 1], values[JOURNAL_SLOTS][JOURNAL_NOTE_MAX + 1];
};
static struct found found;

static void visit(struct journal *of, unsigned slot, const void *key, size_t key_size, const void *value, size_t value_size, void *userdata)
{
	struct found *all = userdata;
	(void)of;
	memcpy(all->keys[all->count], key, key_size);
	all->keys[all->count][key_size] = '\0';
	memcpy(all->values[all->count], value, value_size);
	all->values[all->count][value_size] = '\0';
	all->slots[all->count++] = slot;
}

static void reopen(void)
{
	journal_close(journal);
	found.count = 0;
	assert_int_equal(journal_open(folder, visit, &found, &journal), 0);
}

static int remove_one(const char *path, const struct stat *facts, int type, struct FTW *walk)
{
	(void)facts, (void)type, (void)walk;
	return remove(path);
}

static int set_up(void **state)
{
	(void)state;
	(void)strcpy(folder, "/tmp/test-proxy-journal-XXXXXX");
	if (!mkdtemp(folder))
		return -1;
	snprintf(file, sizeof(file), "%s/journal", folder);
	journal = NULL;
	reopen();
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	journal_close(journal);
	return nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static int add_text(const char *key, const char *value, unsigned *ret_slot)
{
	return journal_add(journal, key, strlen(key), value, strlen(value), ret_slot);
}

static unsigned add(const char *key, const char *value)
{
	unsigned slot = JOURNAL_SLOTS;
	assert_int_equal(add_text(key, value, &slot), 0);
	assert_true(slot < JOURNAL_SLOTS);
	return slot;
}

static void assert_found(unsigned at, unsigned slot, const char *key, const char *value)
{
	assert_true(at < found.count);
	assert_int_equal(found.slots[at], slot);
	assert_string_equal(found.keys[at], key);
	assert_string_equal(found.values[at], value);
}

static off_t file_size(void)
{
	struct stat facts;
	assert_int_equal(stat(file, &facts), 0);
	return facts.st_size;
}

/* Writes into the file, as a damaged disk would. */
static void damage(off_t at, const void *data, size_t size)
{
	CLEANUP(close) int fd = open(file, O_WRONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, data, size, at), size);
}

static void notes_come_back(void **state)
{
	(void)state;
	assert_int_equal(found.count, 0);
	unsigned a = add("a", "1"), b = add("b", "2"), c = add("c", "");
	assert_int_equal(journal_replace(journal, b, "b", 1, "three", 5), 0);
	assert_int_equal(journal_sync(journal), 0);
	journal_remove(journal, a);
	reopen();
	assert_int_equal(found.count, 2);
	assert_found(0, b, "b", "three");
	assert_found(1, c, "c", "");
	/* What was found keeps its slot, what was removed is free. */
	assert_int_equal(add("d", "4"), a);
	reopen();
	assert_int_equal(found.count, 3);
	assert_int_equal(file_size(), 3 * SLOT_SIZE);
}

static void sizes(void **state)
{
	static char most[JOURNAL_NOTE_MAX + 2];
	unsigned slot = 7;
	(void)state;
	memset(most, 'x', JOURNAL_NOTE_MAX + 1);
	assert_int_equal(add_text(most, "", &slot), -EINVAL);
	assert_int_equal(add_text("", most, &slot), -EINVAL);
	assert_int_equal(journal_add(journal, most, SIZE_MAX, "", 0, &slot), -EINVAL);
	assert_int_equal(slot, 7);
	most[JOURNAL_NOTE_MAX] = '\0';
	assert_int_equal(add_text(most, "y", &slot), -EINVAL);
	assert_int_equal(add(most, ""), 0);
	assert_int_equal(add("", most), 1);
	reopen();
	assert_int_equal(found.count, 2);
	assert_found(0, 0, most, "");
	assert_found(1, 1, "", most);
}

static void a_full_journal(void **state)
{
	unsigned slot;
	(void)state;
	for (unsigned i = 0; i < JOURNAL_SLOTS; i++)
		assert_int_equal(add("k", "v"), i);
	assert_int_equal(add_text("k", "v", &slot), -ENOBUFS);
	assert_int_equal(file_size(), JOURNAL_SLOTS * SLOT_SIZE);
	reopen();
	assert_int_equal(found.count, JOURNAL_SLOTS);
	assert_int_equal(add_text("k", "v", &slot), -ENOBUFS);
	journal_remove(journal, 1000);
	assert_int_equal(add("k", "v"), 1000);
}

/* Whatever octet is damaged, wherever a note ends too early: it is not taken for one, and those beside it are not lost. */
static void torn_notes(void **state)
{
	char slot[SLOT_SIZE], bad;
	(void)state;
	(void)add("one", "first"), (void)add("two", "second"), (void)add("three", "third");
	CLEANUP(close) int fd = open(file, O_RDONLY | O_CLOEXEC);
	assert_int_equal(pread(fd, slot, SLOT_SIZE, SLOT_SIZE), SLOT_SIZE);
	for (int i = 0; i < SLOT_SIZE; i++) {
		bad = (char)(slot[i] ^ (1 << i % 8));
		damage(SLOT_SIZE + i, &bad, 1);
		reopen();
		assert_int_equal(found.count, 2);
		assert_found(0, 0, "one", "first");
		assert_found(1, 2, "three", "third");
		damage(SLOT_SIZE + i, &slot[i], 1);
	}
	reopen();
	assert_int_equal(found.count, 3);
	bad = '?';
	damage(SLOT_SIZE + 20, &bad, 1);
	reopen();
	assert_int_equal(add("four", "fourth"), 1);
	for (off_t size = 3 * SLOT_SIZE - 1; size >= 0; size--) {
		assert_int_equal(truncate(file, size), 0);
		reopen();
		assert_int_equal(found.count, size / SLOT_SIZE);
	}
}

static void a_foreign_file(void **state)
{
	static char noise[64 * 1024];
	unsigned seed = 1;
	(void)state;
	for (size_t i = 0; i < sizeof(noise); i++)
		noise[i] = (char)rand_r(&seed);
	damage(0, noise, sizeof(noise));
	reopen();
	assert_int_equal(found.count, 0);
	assert_int_equal(add("a", "1"), 0);
	reopen();
	assert_int_equal(found.count, 1);
}

/* Nothing after the last slot is read. */
static void a_file_that_is_too_large(void **state)
{
	(void)state;
	unsigned slot = add("a", "1");
	char octets[SLOT_SIZE];
	CLEANUP(close) int fd = open(file, O_RDONLY | O_CLOEXEC);
	assert_int_equal(pread(fd, octets, SLOT_SIZE, 0), SLOT_SIZE);
	damage((off_t)JOURNAL_SLOTS * SLOT_SIZE, octets, SLOT_SIZE);
	reopen();
	assert_int_equal(found.count, 1);
	assert_found(0, slot, "a", "1");
}

static void no_folder(void **state)
{
	struct journal *other = NULL;
	(void)state;
	assert_int_equal(journal_open("/tmp/test-proxy-journal-missing", visit, &found, &other), -ENOENT);
	assert_null(other);
}

static void a_full_disk(void **state)
{
	struct rlimit limit = { SLOT_SIZE + 100, RLIM_INFINITY };
	unsigned slot = 7;
	(void)state;
	(void)add("a", "1");
	(void)signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
	int result = add_text("b", "2", &slot);
	limit.rlim_cur = RLIM_INFINITY;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
	assert_int_equal(result, -EFBIG);
	assert_int_equal(slot, 7);
	/* Half of it is there. */
	assert_int_equal(file_size(), SLOT_SIZE + 100);
	reopen();
	assert_int_equal(found.count, 1);
	assert_int_equal(add("b", "2"), 1);
	reopen();
	assert_int_equal(found.count, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(notes_come_back, set_up, tear_down),
		cmocka_unit_test_setup_teardown(sizes, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_full_journal, set_up, tear_down),
		cmocka_unit_test_setup_teardown(torn_notes, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_foreign_file, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_file_that_is_too_large, set_up, tear_down),
		cmocka_unit_test_setup_teardown(no_folder, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_full_disk, set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
