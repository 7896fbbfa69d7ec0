/* SPDX-License-Identifier: MIT */
#include "exporter/fetch.h"

#include "base/ask.h"
#include "base/clock.h"
#include "base/units.h"

#include <errno.h>
#include <jansson.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PATIENCE   (FETCH_PATIENCE_S * NS_PER_SEC)
#define AGAIN	   (20 * NS_PER_MS) /* its queue was full */
#define FIRST_SIZE (64 * KIB)
#define ANSWER_MAX (16 * MIB)

static const char question[] = "{\"get\":\"metrics\"}\n";

struct fetch {
	struct loop *loop;
	const char *socket;
	fetch_fn done;
	void *data;
	struct loop_watch watch; /* fd -1: not connected */
	struct loop_timer dial, deadline;
	bool busy;
	char *text;
	size_t used, size;
};

static void hang_up(struct fetch *f)
{
	if (f->watch.fd >= 0) {
		loop_unwatch(f->loop, &f->watch);
		close(f->watch.fd);
	}
	f->watch.fd = -1;
	f->dial.due = f->deadline.due = LOOP_NEVER;
	f->busy = false;
	f->used = 0;
}

static void fail(struct fetch *f)
{
	hang_up(f);
	f->done(NULL, f->data);
}

/* The line is here, without its newline. */
static void finish(struct fetch *f, size_t size)
{
	json_t *o = json_loadb(f->text, size, 0, NULL);
	const char *text = json_string_value(json_object_get(o, "metrics"));

	hang_up(f);
	f->done(text, f->data);
	json_decref(o);
}

static bool grow(struct fetch *f)
{
	size_t more = f->size ? 2 * f->size : FIRST_SIZE;
	char *larger = f->used < f->size   ? f->text
		       : more > ANSWER_MAX ? NULL
					   : realloc(f->text, more);

	if (!larger)
		return false;
	f->size = f->used < f->size ? f->size : more;
	f->text = larger;
	return true;
}

static void on_answer(short events, void *data)
{
	struct fetch *f = data;
	const char *newline;
	ssize_t n;

	(void)events;
	if (!grow(f)) {
		fail(f);
		return;
	}
	n = recv(f->watch.fd, f->text + f->used, f->size - f->used, MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		fail(f);
		return;
	}
	newline = memchr(f->text + f->used, '\n', (size_t)n);
	f->used += (size_t)n;
	if (newline)
		finish(f, (size_t)(newline - f->text));
}

/* One try; while the socket's queue is full, another in a moment. */
static void on_dial(uint64_t now, void *data)
{
	struct fetch *f = data;
	int err = ask_dial(f->socket, 0, &f->watch.fd);

	if (err == -ETIMEDOUT) {
		f->dial.due = now + AGAIN;
		return;
	}
	if (!err && loop_watch(f->loop, &f->watch)) {
		close(f->watch.fd);
		f->watch.fd = -1;
		err = -ENOMEM;
	}
	if (err || send(f->watch.fd, question, strlen(question), MSG_NOSIGNAL) !=
			   (ssize_t)strlen(question))
		fail(f);
}

static void on_deadline(uint64_t now, void *data)
{
	(void)now;
	fail(data);
}

int fetch_new(struct loop *loop, const char *socket, fetch_fn done, void *data, struct fetch **ret)
{
	struct fetch *f = calloc(1, sizeof(*f));

	if (!f)
		return -ENOMEM;
	*f = (struct fetch){.loop = loop, .socket = socket, .done = done, .data = data};
	f->watch = (struct loop_watch){.fd = -1, .events = POLLIN, .ready = on_answer, .data = f};
	f->dial = (struct loop_timer){.due = LOOP_NEVER, .fire = on_dial, .data = f};
	f->deadline = (struct loop_timer){.due = LOOP_NEVER, .fire = on_deadline, .data = f};
	loop_timer_add(loop, &f->dial);
	loop_timer_add(loop, &f->deadline);
	*ret = f;
	return 0;
}

struct fetch *fetch_free(struct fetch *f)
{
	if (!f)
		return NULL;
	hang_up(f);
	loop_timer_remove(f->loop, &f->dial);
	loop_timer_remove(f->loop, &f->deadline);
	free(f->text);
	free(f);
	return NULL;
}

void fetch_start(struct fetch *f)
{
	if (f->busy)
		return;
	f->busy = true;
	f->dial.due = 0;
	f->deadline.due = clock_mono() + PATIENCE;
}
