/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "common/json_wire.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>
#include <time.h>

#include "common/error.h"

int json_wire_load(const void *payload, size_t size, size_t limit, int version, json_t **ret)
{
	if (!payload || size == 0 || size > limit)
		return ERROR_MALFORMED;

	CLEANUP(json) json_t *object = json_loadb(payload, size, JSON_REJECT_DUPLICATES, NULL);
	const json_t *number = json_object_get(object, "v");

	if (!json_is_integer(number))
		return ERROR_MALFORMED;
	if (json_integer_value(number) != version)
		return ERROR_VERSION;
	*ret = TAKE(object);
	return 0;
}

int json_wire_text(const json_t *object, const char *name, char *ret, size_t size)
{
	const json_t *value = json_object_get(object, name);
	const char *text = json_string_value(value);
	size_t length = json_string_length(value);

	if (!text || length >= size)
		return ERROR_MALFORMED;
	for (size_t i = 0; i < length; i++)
		if ((unsigned char)text[i] < ' ' || text[i] == 0x7f)
			return ERROR_MALFORMED;
	memcpy(ret, text, length + 1);
	return 0;
}

int json_wire_number(const json_t *object, const char *name, uint64_t max, uint64_t *ret)
{
	const json_t *value = json_object_get(object, name);
	json_int_t number = json_integer_value(value);

	if (!json_is_integer(value) || number < 0 || (uint64_t)number > max)
		return ERROR_MALFORMED;
	*ret = (uint64_t)number;
	return 0;
}

int json_wire_real(const json_t *object, const char *name, double *ret)
{
	const json_t *value = json_object_get(object, name);
	double number = json_number_value(value);

	if (!json_is_number(value) || !isfinite(number) || number < 0)
		return ERROR_MALFORMED;
	*ret = number;
	return 0;
}

static bool digits(const char *text, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (text[i] < '0' || text[i] > '9')
			return false;
	return true;
}

int json_wire_time(const json_t *object, const char *name, uint64_t *ret_us)
{
	char text[40];
	struct tm tm = { 0 }, again;
	uint64_t us = 0, unit = 100000;

	if (json_wire_text(object, name, text, sizeof(text)) < 0)
		return ERROR_MALFORMED;

	/* strptime alone would take spaces and short numbers. */
	if (strlen(text) < 20 || !digits(text, 4) || !digits(text + 5, 2) || !digits(text + 8, 2) || !digits(text + 11, 2) ||
	    !digits(text + 14, 2) || !digits(text + 17, 2))
		return ERROR_MALFORMED;

	const char *rest = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);

	if (!rest || rest != text + 19)
		return ERROR_MALFORMED;
	if (*rest == '.') {
		for (rest++; digits(rest, 1); rest++, unit /= 10)
			us += (uint64_t)(*rest - '0') * unit;
		if (rest[-1] == '.')
			return ERROR_MALFORMED;
	}
	if (strcmp(rest, "Z") != 0)
		return ERROR_MALFORMED;

	/* timegm turns the 31st of June into the 1st of July; the way back shows it. */
	again = tm;

	time_t seconds = timegm(&again);

	if (seconds < 0 || again.tm_mday != tm.tm_mday || again.tm_mon != tm.tm_mon || again.tm_sec != tm.tm_sec)
		return ERROR_MALFORMED;
	*ret_us = (uint64_t)seconds * 1000000 + us;
	return 0;
}
