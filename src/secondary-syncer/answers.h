/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once
#include <jansson.h>
#include "secondary-syncer/applied_book.h"
/*
 * What a syncer answers about its book when it is asked: verbs zone, buckets, bucket (docs/wire.md). Any thread.
 * NULL: not one of these verbs.
 */
json_t *answers_about_book(struct applied_book *book, const char *verb, const json_t *question);
