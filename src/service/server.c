/* SPDX-License-Identifier: MIT */
#include "service/server.h"

#include "base/clock.h"
#include "base/units.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define ROUND	  (100 * NS_PER_MS) /* of looking at deadlines */
#define SPARE_FDS 8		    /* descriptors that clients leave to the rest of the process */
#define NO_UID	  ((uid_t)-1)

/* A client reads (`in` has no whole line, `out` is empty), waits for its turn (`queued`), or is
 * written to (`out`). Only the first is idle, even in the middle of a line. */
struct client {
	struct server *server;
	struct loop_watch watch;
	struct client *next, *next_queued;
	uid_t uid;
	bool queued;
	uint64_t last;	 /* the server's count of events when it last asked or took something */
	uint64_t rounds; /* for which this request or answer has been under way */
	char *out;	 /* NULL: none */
	size_t out_size, sent;
	size_t used;
	char in[];
};

struct server {
	struct loop *loop;
	struct loop_watch listener;
	struct loop_timer work, round;
	struct server_limits limits;
	struct server_counters counters;
	server_answer_fn answer;
	void *data;
	struct client *clients, *first, *last; /* all; those who wait for their turn */
	unsigned n;
	uint64_t events;
	size_t unsent;
};

/* Rounds are made while there is something to count. */
static void need_rounds(struct server *s)
{
	if (s->round.due == LOOP_NEVER)
		s->round.due = clock_mono() + ROUND;
}

static bool idle(const struct client *c)
{
	return !c->queued && !c->out;
}

static void dequeue(struct server *s, struct client *c)
{
	struct client **at = &s->first, *before = NULL;

	while (*at && *at != c) {
		before = *at;
		at = &before->next_queued;
	}
	if (!*at)
		return;
	*at = c->next_queued;
	if (s->last == c)
		s->last = before;
	c->queued = false;
}

static void enqueue(struct server *s, struct client *c)
{
	c->next_queued = NULL;
	c->queued = true;
	c->watch.events = 0;
	if (s->first)
		s->last->next_queued = c;
	else
		s->first = c;
	s->last = c;
	s->work.due = 0;
}

static void forget_answer(struct server *s, struct client *c)
{
	s->unsent -= c->out_size;
	free(c->out);
	c->out = NULL;
	c->out_size = c->sent = 0;
}

static void drop(struct client *c, uint64_t *counter)
{
	struct server *s = c->server;
	struct client **at = &s->clients;

	while (*at != c)
		at = &(*at)->next;
	*at = c->next;
	s->n--;
	dequeue(s, c);
	forget_answer(s, c);
	loop_unwatch(s->loop, &c->watch);
	close(c->watch.fd);
	free(c);
	if (counter)
		++*counter;
}

/* What comes next for a client who waits for nothing: its next line, if all of it is here. */
static void next_request(struct client *c)
{
	struct server *s = c->server;

	c->rounds = 0;
	c->last = ++s->events;
	c->watch.events = POLLIN;
	if (memchr(c->in, '\n', c->used))
		enqueue(s, c);
	else if (c->used)
		need_rounds(s);
}

static void receive(struct client *c)
{
	struct server *s = c->server;
	ssize_t n = recv(c->watch.fd, c->in + c->used, s->limits.line - c->used, MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		drop(c, NULL);
		return;
	}
	if (!c->used)
		c->rounds = 0;
	c->used += (size_t)n;
	c->last = ++s->events;
	if (memchr(c->in + c->used - n, '\n', (size_t)n))
		enqueue(s, c);
	else if (c->used == s->limits.line)
		drop(c, &s->counters.dropped_long);
	else
		need_rounds(s);
}

static void transmit(struct client *c)
{
	struct server *s = c->server;
	ssize_t n = send(c->watch.fd, c->out + c->sent, c->out_size - c->sent,
			 MSG_NOSIGNAL | MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
		c->watch.events = POLLOUT;
		return;
	}
	if (n <= 0) {
		drop(c, NULL);
		return;
	}
	c->sent += (size_t)n;
	c->watch.events = POLLOUT;
	if (c->sent < c->out_size)
		return;
	s->counters.answered++;
	forget_answer(s, c);
	next_request(c);
}

static void on_client(short events, void *data)
{
	struct client *c = data;

	if (idle(c))
		receive(c);
	else if (events & (POLLHUP | POLLERR))
		drop(c, NULL); /* no reader is left */
	else if (c->out)
		transmit(c);
}

/* The client that has had an answer to take for longest, but for `except`; NULL: none. */
static struct client *slowest(struct server *s, const struct client *except)
{
	struct client *found = NULL;

	for (struct client *c = s->clients; c; c = c->next)
		if (c->out && c != except && (!found || c->last < found->last))
			found = c;
	return found;
}

static void start_answer(struct client *c, char *text, size_t size)
{
	struct server *s = c->server;
	struct client *slow;

	text[size] = '\n'; /* where the terminator was */
	c->out = text;
	c->out_size = size + 1;
	c->sent = 0;
	c->rounds = 0;
	c->last = ++s->events;
	s->unsent += c->out_size;
	need_rounds(s);
	while (s->unsent > s->limits.unsent && (slow = slowest(s, c)))
		drop(slow, &s->counters.dropped_slow);
	transmit(c);
}

/* One answer to the client who has waited for longest. */
static void on_work(uint64_t now, void *data)
{
	struct server *s = data;
	struct client *c = s->first;
	char *text = NULL, *newline;
	size_t size = 0, line;

	(void)now;
	if (!c)
		return;
	dequeue(s, c);
	if (s->first)
		s->work.due = 0;
	newline = memchr(c->in, '\n', c->used);
	line = (size_t)(newline - c->in);
	if (s->answer(c->uid, c->in, line, s->data, &text, &size)) {
		drop(c, &s->counters.failed);
		return;
	}
	c->used -= line + 1;
	memmove(c->in, newline + 1, c->used);
	start_answer(c, text, size);
}

static bool under_way(const struct client *c)
{
	return c->out || (c->used && !c->queued);
}

static void count_round(struct client *c)
{
	struct server *s = c->server;
	uint64_t limit = c->out ? s->limits.answer_ns : s->limits.request_ns;

	if (++c->rounds * ROUND >= limit)
		drop(c, c->out ? &s->counters.dropped_slow : &s->counters.dropped_late);
	else
		need_rounds(s);
}

static void on_round(uint64_t now, void *data)
{
	struct server *s = data;
	struct client *next;

	(void)now;
	s->listener.events = POLLIN;
	for (struct client *c = s->clients; c; c = next) {
		next = c->next;
		if (under_way(c))
			count_round(c);
	}
}

static unsigned clients_of(const struct server *s, uid_t uid)
{
	unsigned n = 0;

	for (const struct client *c = s->clients; c; c = c->next)
		n += c->uid == uid;
	return n;
}

/* Of this user (NO_UID: of any): the one who has asked for nothing for longest. */
static struct client *oldest_idle(const struct server *s, uid_t uid)
{
	struct client *found = NULL;

	for (struct client *c = s->clients; c; c = c->next)
		if (idle(c) && (uid == NO_UID || c->uid == uid) &&
		    (!found || c->last < found->last))
			found = c;
	return found;
}

static uid_t greediest(const struct server *s)
{
	uid_t found = NO_UID;
	unsigned most = 0;

	for (const struct client *c = s->clients; c; c = c->next) {
		unsigned n = clients_of(s, c->uid);

		if (n > most) {
			most = n;
			found = c->uid;
		}
	}
	return found;
}

/* Returns whether a client went. */
static bool make_place(struct server *s, uid_t uid)
{
	struct client *c = oldest_idle(s, uid == NO_UID ? greediest(s) : uid);

	if (!c && uid == NO_UID)
		c = oldest_idle(s, NO_UID);
	if (c)
		drop(c, &s->counters.dropped_idle);
	return c;
}

static int add_client(struct server *s, int fd, uid_t uid)
{
	struct client *c = malloc(sizeof(*c) + s->limits.line);
	int err;

	if (!c)
		return -ENOMEM;
	*c = (struct client){
		.server = s,
		.watch = {.fd = fd, .events = POLLIN, .ready = on_client, .data = c},
		.uid = uid,
		.last = ++s->events,
	};
	err = loop_watch(s->loop, &c->watch);
	if (err) {
		free(c);
		return err;
	}
	c->next = s->clients;
	s->clients = c;
	s->n++;
	return 0;
}

static bool has_place(struct server *s, uid_t uid)
{
	if (clients_of(s, uid) >= s->limits.per_uid)
		return make_place(s, uid);
	if (s->n >= s->limits.clients)
		return make_place(s, NO_UID);
	return true;
}

static void admit(struct server *s, int fd)
{
	struct ucred peer = {.uid = NO_UID};
	socklen_t size = sizeof(peer);

	getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size);
	if (!has_place(s, peer.uid)) {
		s->counters.refused++;
		close(fd);
	} else if (add_client(s, fd, peer.uid)) {
		s->counters.failed++;
		close(fd);
	} else {
		s->counters.accepted++;
	}
}

/* One connection a turn. Without a descriptor for it the connection would be there again at once:
 * an idle client gives its own, or the listener rests for a round. */
static void on_listener(short events, void *data)
{
	struct server *s = data;
	int fd = accept4(s->listener.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	(void)events;
	if (fd >= 0) {
		admit(s, fd);
		return;
	}
	if (errno == EAGAIN || errno == EINTR || errno == ECONNABORTED)
		return;
	if (!make_place(s, NO_UID)) {
		s->counters.pauses++;
		s->listener.events = 0;
		need_rounds(s);
	}
}

/* Descriptors are given out from the lowest on: `next` is what the first client would get. Of few,
 * most are left to the rest of the process. */
static unsigned places(unsigned wanted, uint64_t next)
{
	struct rlimit files;
	uint64_t free_fds;

	if (getrlimit(RLIMIT_NOFILE, &files))
		return wanted;
	free_fds = u64_sub_floor(files.rlim_cur, next);
	free_fds -= u64_min(SPARE_FDS, free_fds - free_fds / 4);
	return (unsigned)u64_max(1, u64_min(wanted, free_fds));
}

static uint64_t next_fd(int fd)
{
	int next = fcntl(fd, F_DUPFD_CLOEXEC, 0);

	if (next < 0)
		return UINT64_MAX;
	close(next);
	return (uint64_t)(next > fd ? next : fd + 1);
}

int server_new(struct loop *loop, int fd, const struct server_limits *limits,
	       server_answer_fn answer, void *data, struct server **ret)
{
	struct server *s = calloc(1, sizeof(*s));
	int err;

	if (!s)
		return -ENOMEM;
	s->loop = loop;
	s->limits = *limits;
	s->limits.clients = places(limits->clients, next_fd(fd));
	s->answer = answer;
	s->data = data;
	s->listener = (struct loop_watch){
		.fd = fd, .events = POLLIN, .ready = on_listener, .data = s};
	s->work = (struct loop_timer){.due = LOOP_NEVER, .fire = on_work, .data = s};
	s->round = (struct loop_timer){.due = LOOP_NEVER, .fire = on_round, .data = s};
	err = loop_watch(loop, &s->listener);
	if (err) {
		free(s);
		return err;
	}
	loop_timer_add(loop, &s->work);
	loop_timer_add(loop, &s->round);
	*ret = s;
	return 0;
}

struct server *server_free(struct server *s)
{
	if (!s)
		return NULL;
	while (s->clients)
		drop(s->clients, NULL);
	loop_unwatch(s->loop, &s->listener);
	loop_timer_remove(s->loop, &s->work);
	loop_timer_remove(s->loop, &s->round);
	free(s);
	return NULL;
}

const struct server_counters *server_counters(const struct server *s)
{
	return &s->counters;
}

unsigned server_clients(const struct server *s)
{
	return s->n;
}
