/* SPDX-License-Identifier: MIT */
#include "view/teller.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/units.h"
#include "guest/agent.h"
#include "wire/ask.h"
#include "wire/client.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define PATIENCE_NS NS_PER_SEC

/* Our own agent works in a thread of its own; who takes a snapshot holds the lock meanwhile. */
struct teller {
	const struct asked *config;
	struct agent *agent; /* NULL: there is a vmdesched */
	pthread_mutex_t lock;
	pthread_t thread;
	bool stop;
};

/* ---- vmdesched ---- */

static int from_socket(const char *path, struct snapshot *ret, pid_t *ret_holder)
{
	uint64_t deadline = clock_mono() + PATIENCE_NS;
	_cleanup_(close_fd) int fd = -1;
	struct ucred peer = {0};
	socklen_t peer_size = sizeof(peer);
	int err = ask_dial(path, deadline, &fd);

	if (!err && getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &peer_size))
		err = -errno;
	if (!err)
		err = client_snapshot(fd, deadline, NULL, ret);
	if (!err)
		*ret_holder = peer.pid;
	return err;
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

static int from_agent(struct teller *teller, struct snapshot *ret, pid_t *ret_holder)
{
	int err;

	pthread_mutex_lock(&teller->lock);
	err = agent_snapshot(teller->agent, ret);
	pthread_mutex_unlock(&teller->lock);
	if (!err)
		*ret_holder = getpid();
	return err;
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

/* The vmdesched that answers, unless an agent is asked for, or where one may be had instead. */
static int choose(struct teller *teller, struct failure *f)
{
	const char *socket = asked_socket(teller->config);
	enum asked_whose whose;
	int err = asked_whose(teller->config, f, &whose), fd;

	if (err)
		return err;
	if (whose == ASKED_OWN)
		return start_agent(teller, f);
	err = ask_dial(socket, clock_mono() + PATIENCE_NS, &fd);
	if (!err)
		close(fd);
	else if (whose == ASKED_ANY)
		err = start_agent(teller, f);
	else
		failure_errno(f, err, "vmdesched at %s", socket);
	return err;
}

int teller_open(const struct asked *config, struct failure *f, struct teller **ret)
{
	struct teller *teller = calloc(1, sizeof(*teller));
	int err;

	if (!teller)
		return failure_errno(f, -ENOMEM, "figures");
	teller->config = config;
	pthread_mutex_init(&teller->lock, NULL);
	err = choose(teller, f);
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

int teller_snapshot(struct teller *teller, struct snapshot *ret, pid_t *ret_holder)
{
	if (teller->agent)
		return from_agent(teller, ret, ret_holder);
	return from_socket(asked_socket(teller->config), ret, ret_holder);
}
