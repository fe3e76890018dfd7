/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once
#include <stdbool.h>
#include <jansson.h>
#include "common/bus.h"
/*
 * Request and reply between members: PREFIX.ask.<service>.<id>.<verb>, JSON both ways. An answer is an object; a failure is
 * {"error":"…"}. <id> may be "any": one member of the service answers (queue group).
 */
/* Asks; blocking. ret_answer is a new reference. ERROR_NO_RESPONDER, -ETIMEDOUT, ERROR_MALFORMED; ERROR_CONFLICT when the answer
   is an error, with *ret_reason malloc'ed. */
int ask(struct bus *bus, const char *prefix, const char *service, const char *id, const char *verb, const json_t *question,
        int64_t timeout_us, json_t **ret_answer, char **ret_reason);

/* Serves one's own verbs: subscribes PREFIX.ask.<service>.<id>.* and, when `any` is true, PREFIX.ask.<service>.any.* as queue group.
   on_question runs on a foreign thread (with `any` on two, also at the same time); question may be an empty object, never NULL, borrowed; returns the answer (new reference) or NULL
   for an unknown verb. */
struct ask_server;
int ask_serve(struct bus *bus, const char *prefix, const char *service, const char *id, bool any,
              json_t *(*on_question)(const char *verb, const json_t *question, void *userdata), void *userdata, struct ask_server **ret);
void ask_server_stop(struct ask_server *server);
/* {"error": text} */
json_t *ask_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
