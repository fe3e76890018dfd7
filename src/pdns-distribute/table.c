/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "pdns-distribute/table.h"
#include <stdarg.h>
#include "common/cleanup.h"

#define COLUMNS_MAX 12

struct table {
	const char *titles[COLUMNS_MAX];
	size_t columns;
	size_t widths[COLUMNS_MAX];
	char **cells; /* row by row */
	size_t count, room;
};

/* Octets that begin a character: people's terminals speak UTF-8. */
static size_t width(const char *text)
{
	size_t characters = 0;

	for (; *text; text++)
		characters += ((unsigned char)*text & 0xc0) != 0x80;
	return characters;
}

static const char *title(const struct table *table, size_t column)
{
	return table->titles[column] + (table->titles[column][0] == '>');
}

struct table *table_new(const char *const *titles)
{
	struct table *table = calloc(1, sizeof(*table));

	if (!table)
		return NULL;
	for (; titles[table->columns] && table->columns < COLUMNS_MAX; table->columns++) {
		table->titles[table->columns] = titles[table->columns];
		table->widths[table->columns] = width(title(table, table->columns));
	}
	return table;
}

void table_free(struct table *table)
{
	if (!table)
		return;
	for (size_t i = 0; i < table->count; i++)
		free(table->cells[i]);
	free(table->cells);
	free(table);
}

void table_cell(struct table *table, const char *format, ...)
{
	va_list arguments;
	char *text;
	int length;

	if (table->count == table->room) {
		size_t room = table->room ? table->room * 2 : 64;
		char **cells = realloc(table->cells, room * sizeof(*cells));
		if (!cells)
			return;
		table->cells = cells;
		table->room = room;
	}
	va_start(arguments, format);
	length = vasprintf(&text, format, arguments);
	va_end(arguments);
	if (length < 0)
		return;
	/* Reasons and names come from elsewhere: they must not steer the terminal. */
	for (char *c = text; *c; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			*c = '?';
	if (width(text) > table->widths[table->count % table->columns])
		table->widths[table->count % table->columns] = width(text);
	table->cells[table->count++] = text;
}

static void print_cell(const struct table *table, size_t column, const char *text, FILE *out)
{
	int padding = (int)(table->widths[column] - width(text));

	if (table->titles[column][0] == '>')
		(void)fprintf(out, "%*s%s", padding, "", text);
	else if (column + 1 < table->columns)
		(void)fprintf(out, "%s%*s", text, padding, "");
	else
		(void)fputs(text, out);
	(void)fputs(column + 1 < table->columns ? "  " : "\n", out);
}

void table_print(const struct table *table, FILE *out)
{
	if (table->count == 0 || table->columns == 0)
		return;
	for (size_t column = 0; column < table->columns; column++)
		print_cell(table, column, title(table, column), out);
	for (size_t i = 0; i < table->count; i++)
		print_cell(table, i % table->columns, table->cells[i], out);
}
