/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once
#include <stdio.h>
/*
 * Plain aligned tables for people: columns as wide as their widest cell, two spaces in between, no lines drawn.
 */
struct table;

/* Titles of the columns, NULL-terminated; a title that starts with '>' (not shown) makes its column right-aligned. NULL: out of memory. */
struct table *table_new(const char *const *titles);
void table_free(struct table *table);
/* Adds a cell to the last row, beginning a new row when the last one is full. The text is copied; control characters become '?'. */
void table_cell(struct table *table, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Writes it; nothing at all when there are no rows. */
void table_print(const struct table *table, FILE *out);
