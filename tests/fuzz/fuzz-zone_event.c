/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "common/zone_event.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Whatever comes, it is refused or it can be written again and read as the same. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bus_message *message, *again;
	struct zone_event event, back;

	if (bus_message_new("pdns.event.org.example", data, size, &message) < 0)
		return 0;
	if (zone_event_decode(message, "pdns", &event) == 0) {
		if (zone_event_encode(&event, "pdns", &again) < 0)
			__builtin_trap();
		if (zone_event_decode(again, "pdns", &back) < 0 || strcmp(back.zone, event.zone) != 0 || back.change != event.change)
			__builtin_trap();
		bus_message_free(again);
	}
	bus_message_free(message);
	return 0;
}
