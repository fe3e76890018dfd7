/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Reading of configuration files. The lines are split here and not by inih: as built for distributions it cuts
 * lines at 200 octets, which a list of NATS URLs reaches, and does not say in which line a refused value stands.
 */
#include <dirent.h>
#include <errno.h>
#include "common/cleanup.h"
#include "common/option.h"

struct reader {
	option_set set, others;
	void *configuration;
	const char *file;
	unsigned line;
	/* Or nothing is read, but the last line that sets this one is looked for. */
	const char *sought;
	char *place;
};

static int refuse_line(const struct reader *reader, const char *name, const char *why, char **ret_reason)
{
	char *text;
	if (asprintf(&text, "%s:%u: %s%s%s", reader->file, reader->line, name, *name ? ": " : "", why) < 0)
		return -ENOMEM;
	*ret_reason = text;
	return -EINVAL;
}

static char *trim(char *text)
{
	text += strspn(text, " \t");
	size_t length = strlen(text);
	while (length > 0 && strchr(" \t\r\n", text[length - 1]))
		length--;
	text[length] = '\0';
	return text;
}

/* A comment begins a line or follows a blank, so that a value may hold ; and # elsewhere. */
static void cut_comment(char *line)
{
	for (char *c = line; *c; c++) {
		if ((*c == ';' || *c == '#') && (c == line || c[-1] == ' ' || c[-1] == '\t')) {
			*c = '\0';
			return;
		}
	}
}

static int note_place(struct reader *reader, const char *name)
{
	char *place;
	if (strcmp(name, reader->sought) != 0)
		return 0;
	if (asprintf(&place, "%s:%u", reader->file, reader->line) < 0)
		return -ENOMEM;
	free(reader->place);
	reader->place = place;
	return 0;
}

static int read_line(struct reader *reader, char *line, char **ret_reason)
{
	cut_comment(line);
	line = trim(line);
	if (!*line)
		return 0;
	char *value = strchr(line, '=');
	if (!value)
		return refuse_line(reader, "", "must read \"name = value\"", ret_reason);
	*value++ = '\0';
	const char *name = trim(line);
	value = trim(value);
	if (reader->sought)
		return note_place(reader, name);

	const struct option *option = option_find(reader->set, name);
	if (!option && option_find(reader->others, name))
		return 0;
	if (!option)
		return refuse_line(reader, name, "unknown option", ret_reason);
	CLEANUP(free) char *why = NULL;
	int error = option_set_text(option, reader->configuration, value, &why);
	return error < 0 && why ? refuse_line(reader, name, why, ret_reason) : error;
}

static int read_one(struct reader *reader, const char *file, char **ret_reason)
{
	CLEANUP(fclose) FILE *stream = fopen(file, "re");
	if (!stream && errno == ENOENT)
		return -ENOENT;
	reader->file = file;
	reader->line = 0;
	if (!stream)
		return refuse_line(reader, "", strerrordesc_np(errno), ret_reason);

	CLEANUP(free) char *line = NULL;
	size_t size = 0;
	ssize_t length;
	errno = 0;
	while ((length = getline(&line, &size, stream)) >= 0) {
		reader->line++;
		if (memchr(line, '\0', (size_t)length))
			return refuse_line(reader, "", "holds a NUL octet", ret_reason);
		int error = read_line(reader, line, ret_reason);
		if (error < 0)
			return error;
		errno = 0;
	}
	return ferror(stream) || errno ? refuse_line(reader, "", strerrordesc_np(errno), ret_reason) : 0;
}

static int is_conf(const struct dirent *entry)
{
	size_t length = strlen(entry->d_name);
	return entry->d_name[0] != '.' && length > 5 && strcmp(entry->d_name + length - 5, ".conf") == 0;
}

/* Not alphasort, which follows the locale. */
static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static int read_folder(struct reader *reader, const char *file, char **ret_reason)
{
	CLEANUP(free) char *folder = NULL;
	if (asprintf(&folder, "%s.d", file) < 0) {
		folder = NULL;
		return -ENOMEM;
	}
	struct dirent **entries;
	int count = scandir(folder, &entries, is_conf, by_name), error = 0;
	if (count < 0) {
		if (errno == ENOENT)
			return 0;
		reader->file = folder;
		reader->line = 0;
		return refuse_line(reader, "", strerrordesc_np(errno), ret_reason);
	}
	for (int i = 0; i < count; i++) {
		CLEANUP(free) char *path = NULL;
		if (error == 0 && asprintf(&path, "%s/%s", folder, entries[i]->d_name) < 0) {
			path = NULL;
			error = -ENOMEM;
		}
		if (error == 0)
			error = read_one(reader, path, ret_reason);
		free(entries[i]);
	}
	free(entries);
	return error;
}

/* The folder counts without the file, too. */
static int read_both(struct reader *reader, const char *file, char **ret_reason)
{
	int error = read_one(reader, file, ret_reason);
	if (error < 0 && error != -ENOENT)
		return error;
	int folder_error = read_folder(reader, file, ret_reason);
	return folder_error < 0 && folder_error != -ENOENT ? folder_error : error;
}

int option_read_file(option_set set, option_set others, void *configuration, const char *file, char **ret_reason)
{
	struct reader reader = { .set = set, .others = others, .configuration = configuration };
	return read_both(&reader, file, ret_reason);
}

int option_find_line(const char *file, const char *name, char **ret_place)
{
	CLEANUP(free) char *reason = NULL;
	struct reader reader = { .sought = name };
	int error = read_both(&reader, file, &reason);
	if (!reader.place)
		return error < 0 ? error : -ENOENT;
	*ret_place = reader.place;
	return 0;
}
