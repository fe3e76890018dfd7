/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What is written out of the option tables: sample file, --help, the values in force. */
#include <inttypes.h>
#include "common/cleanup.h"
#include "common/option.h"

static const char *type_name(const struct option *option)
{
	switch (option->type) {
	case OPTION_STRING: return "text";
	case OPTION_INTEGER: return "number";
	case OPTION_DURATION: return "duration";
	case OPTION_SIZE: return "size";
	case OPTION_BOOLEAN: return "yes or no";
	case OPTION_CHOICE: return "choice";
	case OPTION_SECRET: return "file with a secret, or credential:NAME";
	}
	return "";
}

/* "number from 1 to 64, default 4, reloadable" */
static void print_facts(const struct option *option, FILE *out)
{
	if (option->type == OPTION_CHOICE) {
		for (size_t i = 0; option->choices[i]; i++)
			fprintf(out, "%s%s", i ? " | " : "", option->choices[i]);
	} else {
		fputs(type_name(option), out);
	}
	if (option->minimum != 0 || option->maximum != 0) {
		char low[32], high[32];
		option_format_number(option, option->minimum, low, sizeof(low));
		option_format_number(option, option->maximum, high, sizeof(high));
		fprintf(out, " from %s", low);
		if (option->maximum != INT64_MAX)
			fprintf(out, " to %s", high);
	}
	if (option->default_text)
		fprintf(out, ", default %s", option->default_text);
	if (option->flags & OPTION_REQUIRED)
		fputs(", required", out);
	if (option->flags & OPTION_RELOAD)
		fputs(", reloadable", out);
}

void option_print_sample(option_set set, FILE *out)
{
	for (; *set; set++) {
		for (const struct option *option = *set; option->name; option++) {
			fprintf(out, "# %s\n# (", option->help);
			print_facts(option, out);
			fprintf(out, ")\n;%s = %s\n\n", option->name, option->default_text ? option->default_text : "");
		}
	}
}

void option_print_help(option_set set, FILE *out)
{
	for (; *set; set++) {
		for (const struct option *option = *set; option->name; option++) {
			fprintf(out, "  %s\n      %s\n      (", option->name, option->help);
			print_facts(option, out);
			fputs(")\n", out);
		}
	}
}

static void print_value(const struct option *option, const void *configuration, FILE *out)
{
	const void *target = (const char *)configuration + option->offset;
	const char *text;
	char number[32];
	switch (option->type) {
	case OPTION_STRING:
		text = *(const char *const *)target;
		fputs(text ? text : "", out);
		break;
	case OPTION_SECRET:
		fputs(*(const char *const *)target ? "(set)" : "(not set)", out);
		break;
	case OPTION_BOOLEAN:
		fputs(*(const bool *)target ? "yes" : "no", out);
		break;
	case OPTION_CHOICE:
		fputs(option->choices[*(const int64_t *)target], out);
		break;
	case OPTION_INTEGER:
	case OPTION_DURATION:
	case OPTION_SIZE:
		option_format_number(option, *(const int64_t *)target, number, sizeof(number));
		fputs(number, out);
		break;
	}
}

void option_print_values(option_set set, const void *configuration, FILE *out)
{
	for (; *set; set++) {
		for (const struct option *option = *set; option->name; option++) {
			fprintf(out, "%s = ", option->name);
			print_value(option, configuration, out);
			fputc('\n', out);
		}
	}
}
