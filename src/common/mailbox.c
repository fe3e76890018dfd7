/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "common/mailbox.h"
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include "common/cleanup.h"

struct mailbox {
	pthread_mutex_t lock;
	pthread_cond_t room;
	void **ring;
	unsigned capacity, first, count;
	bool closed;
	int wake_fd;
	sd_event_source *source;
	mailbox_handler handler;
	void *userdata;
};

static void *take_first(struct mailbox *mailbox)
{
	void *message = NULL;
	pthread_mutex_lock(&mailbox->lock);
	if (mailbox->count > 0) {
		message = mailbox->ring[mailbox->first];
		mailbox->first = (mailbox->first + 1) % mailbox->capacity;
		mailbox->count--;
		pthread_cond_signal(&mailbox->room);
	}
	pthread_mutex_unlock(&mailbox->lock);
	return message;
}

static void wake(struct mailbox *mailbox)
{
	const uint64_t one = 1;
	ssize_t written = write(mailbox->wake_fd, &one, sizeof(one));
	(void)written; /* fails only when the counter is full, and then the loop is awake */
}

static int on_wake(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
	struct mailbox *mailbox = userdata;
	uint64_t counter;
	(void)source;
	(void)events;
	ssize_t n = read(fd, &counter, sizeof(counter));
	(void)n;
	/* A bounded round, so that posters who are faster than the handler do not starve timers and signals. */
	for (unsigned i = 0; i < mailbox->capacity; i++) {
		void *message = take_first(mailbox);
		if (!message)
			return 0;
		mailbox->handler(message, mailbox->userdata);
	}
	wake(mailbox);
	return 0;
}

int mailbox_new(sd_event *loop, unsigned capacity, mailbox_handler handler, void *userdata, struct mailbox **ret)
{
	struct mailbox *mailbox = calloc(1, sizeof(*mailbox));
	if (!mailbox || capacity == 0) {
		free(mailbox);
		return capacity == 0 ? -EINVAL : -ENOMEM;
	}
	pthread_mutex_init(&mailbox->lock, NULL);
	pthread_cond_init(&mailbox->room, NULL);
	mailbox->capacity = capacity;
	mailbox->handler = handler;
	mailbox->userdata = userdata;
	mailbox->ring = calloc(capacity, sizeof(*mailbox->ring));
	mailbox->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	int error = !mailbox->ring ? -ENOMEM : mailbox->wake_fd < 0 ? -errno : 0;
	if (error == 0)
		error = sd_event_add_io(loop, &mailbox->source, mailbox->wake_fd, EPOLLIN, on_wake, mailbox);
	if (error < 0) {
		mailbox_free(mailbox, NULL);
		return error;
	}
	*ret = mailbox;
	return 0;
}

int mailbox_post(struct mailbox *mailbox, void *message)
{
	int error = 0;
	pthread_mutex_lock(&mailbox->lock);
	while (mailbox->count == mailbox->capacity && !mailbox->closed)
		pthread_cond_wait(&mailbox->room, &mailbox->lock);
	if (mailbox->closed) {
		error = -ECANCELED;
	} else {
		mailbox->ring[(mailbox->first + mailbox->count++) % mailbox->capacity] = message;
		/* Under the lock: after mailbox_close no poster touches the mailbox's descriptor any more. */
		if (mailbox->count == 1)
			wake(mailbox);
	}
	pthread_mutex_unlock(&mailbox->lock);
	return error;
}

void mailbox_close(struct mailbox *mailbox)
{
	pthread_mutex_lock(&mailbox->lock);
	mailbox->closed = true;
	pthread_cond_broadcast(&mailbox->room);
	pthread_mutex_unlock(&mailbox->lock);
}

void mailbox_free(struct mailbox *mailbox, void (*drop)(void *message))
{
	if (!mailbox)
		return;
	void *message;
	while (mailbox->ring && (message = take_first(mailbox)) != NULL) {
		if (drop)
			drop(message);
	}
	sd_event_source_disable_unref(mailbox->source);
	if (mailbox->wake_fd >= 0)
		close(mailbox->wake_fd);
	pthread_cond_destroy(&mailbox->room);
	pthread_mutex_destroy(&mailbox->lock);
	free(mailbox->ring);
	free(mailbox);
}
