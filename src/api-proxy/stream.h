/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include "api-proxy/certificate.h"
/*
 * The octets of one client's connection, plain or over TLS, with an end to all waiting. Deadlines are of the monotonic clock.
 * One thread, but for stream_shut.
 */
struct stream;
/* fd: connected and not blocking, the stream's own from then on. certificate: NULL for plain; held as long as the stream. */
int stream_new(int fd, struct certificate *certificate, struct stream **ret);
void stream_free(struct stream *stream);
/* The handshake, if there is one. -ETIMEDOUT, -EPIPE; -EPROTO: the client speaks plain HTTP, and so does the stream from then on. */
int stream_open(struct stream *stream, uint64_t deadline_us);
/* At least one octet; 0: the client has sent its last one. -ETIMEDOUT, -EPIPE. */
ssize_t stream_read(struct stream *stream, void *buffer, size_t size, uint64_t deadline_us);
/* All of it, or fails: -ETIMEDOUT, -EPIPE. */
int stream_write(struct stream *stream, const void *data, size_t size, uint64_t deadline_us);
/* Tells the client that nothing more comes, and waits until it has taken everything: a reset could overtake the last words. */
void stream_end(struct stream *stream, uint64_t deadline_us);
/* Has stream_free break the connection off, so that a client cannot take for whole what is not. */
void stream_abort(struct stream *stream);
/* Ends all reading, and writing too if wanted, from another thread. */
void stream_shut(struct stream *stream, bool writing_too);
