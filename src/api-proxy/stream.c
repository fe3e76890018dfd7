/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "api-proxy/stream.h"
#include <errno.h>
#include <gnutls/gnutls.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
#include "common/clock.h"

#define TLS_PRIORITIES "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2"
#define TLS_HANDSHAKE 22 /* the first octet of whoever speaks TLS, RFC 8446 5.1 */

struct stream {
	int fd;
	struct certificate *certificate;
	gnutls_session_t session; /* NULL: plain */
};

static int start_session(struct stream *stream)
{
	if (gnutls_init(&stream->session, GNUTLS_SERVER | GNUTLS_NONBLOCK | GNUTLS_NO_SIGNAL) < 0)
		return -ENOMEM;
	if (gnutls_priority_set_direct(stream->session, TLS_PRIORITIES, NULL) < 0 ||
	    gnutls_credentials_set(stream->session, GNUTLS_CRD_CERTIFICATE, stream->certificate->credentials) < 0)
		return -ENOMEM;
	gnutls_transport_set_int(stream->session, stream->fd);
	return 0;
}

static void end_session(struct stream *stream)
{
	if (stream->session)
		gnutls_deinit(stream->session);
	stream->session = NULL;
}

int stream_new(int fd, struct certificate *certificate, struct stream **ret)
{
	struct stream *stream = calloc(1, sizeof(*stream));
	if (!stream) {
		(void)close(fd);
		return -ENOMEM;
	}
	stream->fd = fd;
	stream->certificate = certificate ? certificate_hold(certificate) : NULL;
	if (certificate && start_session(stream) < 0) {
		stream_free(stream);
		return -ENOMEM;
	}
	*ret = stream;
	return 0;
}

void stream_free(struct stream *stream)
{
	if (!stream)
		return;
	end_session(stream);
	certificate_free(stream->certificate);
	(void)close(stream->fd);
	free(stream);
}

static int wait_for(const struct stream *stream, short events, uint64_t deadline_us)
{
	for (;;) {
		uint64_t now = clock_monotonic_us();
		struct pollfd one = { .fd = stream->fd, .events = events };
		int wait_ms = now >= deadline_us ? 0 : (int)((deadline_us - now + 999) / 1000);
		int n = poll(&one, 1, wait_ms);
		if (n > 0)
			return 0;
		if (n < 0 && errno != EINTR)
			return -EPIPE;
		if (n == 0 && clock_monotonic_us() >= deadline_us)
			return -ETIMEDOUT;
	}
}

/* What to do about a gnutls call that did not succeed: waits if it only needs that. */
static int wait_for_session(const struct stream *stream, ssize_t code, uint64_t deadline_us)
{
	if (code == GNUTLS_E_INTERRUPTED || code == GNUTLS_E_WARNING_ALERT_RECEIVED || code == GNUTLS_E_REHANDSHAKE)
		return clock_monotonic_us() < deadline_us ? 0 : -ETIMEDOUT;
	if (code != GNUTLS_E_AGAIN)
		return -EPIPE;
	return wait_for(stream, gnutls_record_get_direction(stream->session) ? POLLOUT : POLLIN, deadline_us);
}

int stream_open(struct stream *stream, uint64_t deadline_us)
{
	unsigned char first;
	if (!stream->session)
		return 0;
	int result = wait_for(stream, POLLIN, deadline_us);
	if (result < 0)
		return result;
	if (recv(stream->fd, &first, 1, MSG_PEEK) == 1 && first != TLS_HANDSHAKE) {
		end_session(stream);
		return -EPROTO;
	}
	int code;
	while ((code = gnutls_handshake(stream->session)) < 0) {
		result = wait_for_session(stream, code, deadline_us);
		if (result < 0)
			return result;
	}
	return 0;
}

ssize_t stream_read(struct stream *stream, void *buffer, size_t size, uint64_t deadline_us)
{
	for (;;) {
		ssize_t n = stream->session ? gnutls_record_recv(stream->session, buffer, size) : recv(stream->fd, buffer, size, 0);
		if (n >= 0)
			return n;
		int result;
		if (stream->session)
			result = wait_for_session(stream, n, deadline_us);
		else
			result = errno == EAGAIN || errno == EINTR ? wait_for(stream, POLLIN, deadline_us) : -EPIPE;
		if (result < 0)
			return result;
	}
}

int stream_write(struct stream *stream, const void *data, size_t size, uint64_t deadline_us)
{
	for (const char *at = data; size > 0;) {
		ssize_t n = stream->session ? gnutls_record_send(stream->session, at, size) : send(stream->fd, at, size, MSG_NOSIGNAL);
		if (n > 0) {
			at += n;
			size -= (size_t)n;
			continue;
		}
		int result;
		if (stream->session)
			result = wait_for_session(stream, n, deadline_us);
		else
			result = errno == EAGAIN || errno == EINTR ? wait_for(stream, POLLOUT, deadline_us) : -EPIPE;
		if (result < 0)
			return result;
	}
	return 0;
}

void stream_end(struct stream *stream, uint64_t deadline_us)
{
	char rest[4096];
	if (stream->session)
		(void)gnutls_bye(stream->session, GNUTLS_SHUT_WR);
	if (shutdown(stream->fd, SHUT_WR) < 0)
		return;
	for (;;) {
		ssize_t n = recv(stream->fd, rest, sizeof(rest), 0);
		if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
			return;
		if (clock_monotonic_us() >= deadline_us || (n < 0 && wait_for(stream, POLLIN, deadline_us) < 0))
			return;
	}
}

void stream_abort(struct stream *stream)
{
	static const struct linger at_once = { .l_onoff = 1, .l_linger = 0 };
	(void)setsockopt(stream->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
}

void stream_shut(struct stream *stream, bool writing_too)
{
	(void)shutdown(stream->fd, writing_too ? SHUT_RDWR : SHUT_RD);
}
