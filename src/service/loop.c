/* SPDX-License-Identifier: MIT */
#include "service/loop.h"

#include "base/clock.h"
#include "base/units.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#define PLACES_FIRST 16

struct loop {
	struct loop_watch **watches; /* NULL: removed in this turn */
	struct pollfd *fds;
	size_t n, size;
	struct loop_timer *timers, *next_timer; /* the next in this turn */
	bool stopping, signalled;
	struct loop_watch signals;
	void (*take)(int number, void *data);
	void *take_data;
	sigset_t before;
};

int loop_new(struct loop **ret)
{
	struct loop *l = calloc(1, sizeof(*l));

	if (!l)
		return -ENOMEM;
	l->signals.fd = -1;
	*ret = l;
	return 0;
}

/* Those that have come; `take` may be NULL. */
static void read_signals(struct loop *l, void (*take)(int number, void *data))
{
	struct signalfd_siginfo infos[8];
	ssize_t n = read(l->signals.fd, infos, sizeof(infos));

	for (size_t i = 0; n > 0 && i < (size_t)n / sizeof(infos[0]); i++) {
		l->signalled = true;
		if (take)
			take((int)infos[i].ssi_signo, l->take_data);
	}
}

static void on_signals(short events, void *data)
{
	struct loop *l = data;

	(void)events;
	read_signals(l, l->take);
}

struct loop *loop_free(struct loop *l)
{
	if (!l)
		return NULL;
	if (l->signals.fd >= 0) {
		read_signals(l, NULL);
		close(l->signals.fd);
		if (!l->signalled)
			sigprocmask(SIG_SETMASK, &l->before, NULL);
	}
	free(l->watches);
	free(l->fds);
	free(l);
	return NULL;
}

static int grow(struct loop *l)
{
	size_t size = l->size ? 2 * l->size : PLACES_FIRST;
	struct loop_watch **watches;
	struct pollfd *fds;

	if (l->n < l->size)
		return 0;
	watches = realloc(l->watches, size * sizeof(struct loop_watch *));
	if (!watches)
		return -ENOMEM;
	l->watches = watches;
	fds = realloc(l->fds, size * sizeof(*fds));
	if (!fds)
		return -ENOMEM;
	l->fds = fds;
	l->size = size;
	return 0;
}

int loop_watch(struct loop *l, struct loop_watch *w)
{
	int err = grow(l);

	if (err)
		return err;
	w->place = l->n++;
	l->watches[w->place] = w;
	l->fds[w->place] = (struct pollfd){.fd = w->fd}; /* no event in this turn */
	return 0;
}

void loop_unwatch(struct loop *l, struct loop_watch *w)
{
	l->watches[w->place] = NULL; /* the place is taken away before the next wait */
}

void loop_timer_add(struct loop *l, struct loop_timer *t)
{
	t->next = l->timers;
	l->timers = t;
}

void loop_timer_remove(struct loop *l, struct loop_timer *t)
{
	struct loop_timer **at = &l->timers;

	while (*at && *at != t)
		at = &(*at)->next;
	if (*at)
		*at = t->next;
	if (l->next_timer == t)
		l->next_timer = t->next;
}

int loop_signals(struct loop *l, const int *numbers, size_t n, void (*take)(int number, void *data),
		 void *data)
{
	sigset_t set;
	int err;

	sigemptyset(&set);
	for (size_t i = 0; i < n; i++)
		sigaddset(&set, numbers[i]);
	l->signals.fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (l->signals.fd < 0)
		return -errno;
	l->signals.events = POLLIN;
	l->signals.ready = on_signals;
	l->signals.data = l;
	l->take = take;
	l->take_data = data;
	err = loop_watch(l, &l->signals);
	if (!err && sigprocmask(SIG_BLOCK, &set, &l->before)) {
		err = -errno;
		loop_unwatch(l, &l->signals);
	}
	if (err) {
		close(l->signals.fd);
		l->signals.fd = -1;
	}
	return err;
}

static void prepare(struct loop *l)
{
	size_t n = 0;

	for (size_t i = 0; i < l->n; i++) {
		struct loop_watch *w = l->watches[i];

		if (!w)
			continue;
		w->place = n;
		l->watches[n] = w;
		l->fds[n++] = (struct pollfd){.fd = w->fd, .events = w->events};
	}
	l->n = n;
}

static uint64_t first_due(const struct loop *l)
{
	uint64_t due = LOOP_NEVER;

	for (const struct loop_timer *t = l->timers; t; t = t->next)
		due = u64_min(due, t->due);
	return due;
}

static int wait_for_events(struct loop *l, uint64_t patience)
{
	uint64_t due = first_due(l);
	uint64_t left = due == LOOP_NEVER ? patience
					  : u64_min(patience, u64_sub_floor(due, clock_mono()));
	struct timespec timeout = {.tv_sec = (time_t)(left / NS_PER_SEC),
				   .tv_nsec = (long)(left % NS_PER_SEC)};
	int n = ppoll(l->fds, l->n, left == LOOP_NEVER ? NULL : &timeout, NULL);

	return n < 0 ? -errno : n;
}

static void call_watches(struct loop *l)
{
	size_t n = l->n; /* those that are added now have their turn next time */

	for (size_t i = 0; i < n && !l->stopping; i++)
		if (l->watches[i] && l->fds[i].revents)
			l->watches[i]->ready(l->fds[i].revents, l->watches[i]->data);
}

static uint64_t next_due(const struct loop_timer *t, uint64_t now)
{
	if (!t->interval)
		return LOOP_NEVER;
	return now - t->due < t->interval ? t->due + t->interval : now + t->interval;
}

static void call_timers(struct loop *l)
{
	uint64_t now = clock_mono();

	for (struct loop_timer *t = l->timers; t && !l->stopping; t = l->next_timer) {
		l->next_timer = t->next;
		if (t->due > now)
			continue;
		t->due = next_due(t, now);
		t->fire(now, t->data);
	}
	l->next_timer = NULL;
}

int loop_turn(struct loop *l, uint64_t patience)
{
	int n;

	prepare(l);
	n = wait_for_events(l, patience);
	if (n < 0 && n != -EINTR && n != -ENOMEM)
		return n;
	if (n > 0)
		call_watches(l);
	call_timers(l);
	return 0;
}

int loop_run(struct loop *l)
{
	int err = 0;

	while (!err && !l->stopping)
		err = loop_turn(l, LOOP_NEVER);
	return err;
}

void loop_stop(struct loop *l)
{
	l->stopping = true;
}
