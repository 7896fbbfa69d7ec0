/* SPDX-License-Identifier: MIT */
#include "lab/session.h"

#include "base/clock.h"
#include "base/units.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdarg.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#define DRAIN_NS	 (NS_PER_SEC / 2)
#define ANSWER_NS	 (20 * NS_PER_SEC)
#define ANSWER_NS_PER_VM (2 * NS_PER_SEC) /* they share a CPU */

void session_say(const struct session *s, const char *format, ...)
{
	char text[128];
	va_list ap;

	if (!s->watch)
		return;
	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	s->watch->say(s->watch->data, s->phase, text);
}

static int take_signal(struct session *s)
{
	struct signalfd_siginfo info;

	if (read(s->signals, &info, sizeof(info)) == (ssize_t)sizeof(info))
		s->signal = (int)info.ssi_signo;
	return s->signal ? -EINTR : 0;
}

/* However long a guest is waited for, this host's trace is not overrun meanwhile. */
static void drain_trace(struct session *s)
{
	uint64_t now = clock_mono();

	if (!s->offcpu || now < s->drained + DRAIN_NS)
		return;
	s->drained = now;
	offcpu_drain(s->offcpu);
}

int session_pump(struct session *s, uint64_t timeout_ns)
{
	uint64_t wait = s->offcpu ? u64_min(timeout_ns, DRAIN_NS) : timeout_ns;
	struct timespec t = {(time_t)(wait / NS_PER_SEC), (long)(wait % NS_PER_SEC)};
	struct pollfd fds[1 + 2 * LAB_VMS_MAX];

	drain_trace(s);
	fds[0] = (struct pollfd){.fd = s->signals, .events = POLLIN};
	for (int i = 0; i < s->n; i++) {
		const struct machine *m = &s->machines[i];
		bool dead = !m->pid; /* its descriptors would say so for ever */

		fds[1 + 2 * i] = (struct pollfd){.fd = dead ? -1 : m->console, .events = POLLIN};
		fds[2 + 2 * i] = (struct pollfd){.fd = dead || m->failure[0] ? -1 : m->control,
						 .events = POLLIN};
	}
	if (ppoll(fds, (nfds_t)(1 + 2 * s->n), &t, NULL) <= 0)
		return 0;
	for (int i = 0; i < s->n; i++) {
		if (fds[1 + 2 * i].revents)
			machine_read_console(&s->machines[i]);
		if (fds[2 + 2 * i].revents)
			machine_read_control(&s->machines[i]);
	}
	return fds[0].revents ? take_signal(s) : 0;
}

static bool failed(const struct session *s)
{
	for (int i = 0; i < s->n; i++) {
		if (s->machines[i].failure[0])
			return true;
	}
	return false;
}

int session_sleep(struct session *s, uint64_t ns)
{
	uint64_t end = clock_mono() + ns;

	while (clock_mono() < end) {
		int err = session_pump(s, u64_sub_floor(end, clock_mono()));

		if (err)
			return err;
		if (failed(s))
			return 1;
	}
	return 0;
}

static void ask_one(struct machine *m, const char *command)
{
	int err;

	if (m->failure[0])
		return;
	err = machine_ask(m, json_pack("{s:s}", "do", command));
	if (err)
		machine_fail(m, "'%s' could not be sent: %s", command, strerror(-err));
}

void session_ask(struct session *s, struct machine *one, const char *command)
{
	if (one) {
		ask_one(one, command);
		return;
	}
	for (int i = 0; i < s->n; i++)
		ask_one(&s->machines[i], command);
}

static bool still_waiting(const struct machine *m)
{
	return !m->answered && !m->failure[0];
}

static bool any_waiting(const struct session *s, const struct machine *one)
{
	if (one)
		return still_waiting(one);
	for (int i = 0; i < s->n; i++) {
		if (still_waiting(&s->machines[i]))
			return true;
	}
	return false;
}

int session_await(struct session *s, struct machine *one, const char *command)
{
	uint64_t limit = ANSWER_NS + (uint64_t)s->n * ANSWER_NS_PER_VM;
	uint64_t end = clock_mono() + limit;

	while (any_waiting(s, one) && clock_mono() < end) {
		int err = session_pump(s, u64_sub_floor(end, clock_mono()));

		if (err)
			return err;
	}
	for (int i = 0; i < s->n; i++) {
		struct machine *m = &s->machines[i];

		if ((!one || one == m) && still_waiting(m))
			machine_fail(m, "the guest did not answer '%s' within %" PRIu64 " s",
				     command, limit / NS_PER_SEC);
	}
	return 0;
}
