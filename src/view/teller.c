/* SPDX-License-Identifier: MIT */
#include "view/teller.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/units.h"
#include "guest/agent.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define PATIENCE_NS NS_PER_SEC
#define ANSWER_MAX  (64 * MIB)

/* Our own agent works in a thread of its own; who takes a snapshot holds the lock meanwhile. */
struct teller {
	const struct teller_config *config;
	struct agent *agent; /* NULL: there is a vmdesched */
	pthread_mutex_t lock;
	pthread_t thread;
	bool stop;
};

/* ---- vmdesched ---- */

static int dial(const char *path, pid_t *ret_peer)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct ucred peer = {0};
	socklen_t size = sizeof(peer);
	int err = 0;

	if (fd < 0)
		return -errno;
	if (strlen(path) >= sizeof(address.sun_path))
		err = -ENAMETOOLONG;
	else
		strcpy(address.sun_path, path);
	if (!err && (connect(fd, (struct sockaddr *)&address, sizeof(address)) ||
		     getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size)))
		err = -errno;
	if (err) {
		close(fd);
		return err;
	}
	*ret_peer = peer.pid;
	return fd;
}

struct answer {
	char *text;
	size_t used, size;
};

static void answer_done(struct answer *a)
{
	free(a->text);
}

/* Takes what is there. 1 when the line is whole. */
static int take(int fd, struct answer *a)
{
	ssize_t n;

	if (a->size - a->used < 64 * KIB) {
		size_t size = 2 * a->size + 256 * KIB;
		char *text = size <= ANSWER_MAX ? realloc(a->text, size) : NULL;

		if (!text)
			return -EMSGSIZE;
		a->text = text;
		a->size = size;
	}
	n = recv(fd, a->text + a->used, a->size - a->used, 0);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	a->used += (size_t)n;
	if (n == 0)
		return -ECONNRESET;
	return a->text[a->used - 1] == '\n';
}

static int ask(int fd, struct answer *a)
{
	static const char request[] = "{\"get\":\"snapshot\"}\n";
	uint64_t end = clock_mono() + PATIENCE_NS;
	int done = 0;

	if (send(fd, request, sizeof(request) - 1, MSG_NOSIGNAL) != sizeof(request) - 1)
		return -EPIPE;
	while (!done) {
		struct pollfd p = {.fd = fd, .events = POLLIN};
		uint64_t left = u64_sub_floor(end, clock_mono());

		if (!left || poll(&p, 1, (int)(left / NS_PER_MS) + 1) == 0)
			return -ETIMEDOUT;
		done = take(fd, a);
	}
	return done < 0 ? done : 0;
}

static int from_socket(const char *path, json_t **ret, pid_t *ret_holder)
{
	_cleanup_(answer_done) struct answer a = {0};
	pid_t peer = 0;
	_cleanup_(close_fd) int fd = dial(path, &peer);
	json_t *o;
	int err;

	if (fd < 0)
		return fd;
	err = ask(fd, &a);
	if (err)
		return err;
	o = json_loadb(a.text, a.used, JSON_REJECT_DUPLICATES, NULL);
	if (!o)
		return -EBADMSG;
	*ret = o;
	*ret_holder = peer;
	return 0;
}

/* ---- our own agent ---- */

static void *work(void *data)
{
	struct teller *teller = data;
	bool stop = false;

	pthread_setname_np(pthread_self(), "vmdesched-agent");
	while (!stop) {
		struct pollfd p = {.fd = agent_fd(teller->agent), .events = POLLIN};

		poll(&p, 1, (int)(AGENT_POLL_NS / NS_PER_MS));
		pthread_mutex_lock(&teller->lock);
		agent_poll(teller->agent);
		stop = teller->stop;
		pthread_mutex_unlock(&teller->lock);
	}
	return NULL;
}

static int from_agent(struct teller *teller, json_t **ret, pid_t *ret_holder)
{
	struct snapshot s;
	int err;

	pthread_mutex_lock(&teller->lock);
	err = agent_snapshot(teller->agent, &s);
	pthread_mutex_unlock(&teller->lock);
	if (err)
		return err;
	*ret = snapshot_json(&s);
	*ret_holder = getpid();
	snapshot_done(&s);
	return *ret ? 0 : -ENOMEM;
}

static int start_agent(struct teller *teller, struct failure *f)
{
	const struct agent_config config = {teller->config->source,
					    {.page_path = teller->config->page}};
	int err = agent_open(&config, f, &teller->agent);

	if (err)
		return err;
	err = -pthread_create(&teller->thread, NULL, work, teller);
	if (err) {
		teller->agent = agent_close(teller->agent);
		return failure_errno(f, err, "the agent's thread");
	}
	prctl(PR_SET_NAME, "vmdesched"); /* the process that shows what nobody had */
	return 0;
}

/* ---- either ---- */

int teller_open(const struct teller_config *config, struct failure *f, struct teller **ret)
{
	struct teller *teller = calloc(1, sizeof(*teller));
	pid_t peer;
	int fd, err = 0;

	if (!teller)
		return failure_errno(f, -ENOMEM, "figures");
	teller->config = config;
	pthread_mutex_init(&teller->lock, NULL);
	fd = dial(config->socket, &peer);
	if (fd >= 0)
		close(fd);
	else
		err = start_agent(teller, f);
	if (err) {
		free(teller);
		return err;
	}
	*ret = teller;
	return 0;
}

struct teller *teller_close(struct teller *teller)
{
	if (!teller)
		return NULL;
	if (teller->agent) {
		pthread_mutex_lock(&teller->lock);
		teller->stop = true;
		pthread_mutex_unlock(&teller->lock);
		pthread_join(teller->thread, NULL);
		agent_close(teller->agent);
	}
	pthread_mutex_destroy(&teller->lock);
	free(teller);
	return NULL;
}

int teller_snapshot(struct teller *teller, json_t **ret, pid_t *ret_holder)
{
	if (teller->agent)
		return from_agent(teller, ret, ret_holder);
	return from_socket(teller->config->socket, ret, ret_holder);
}
