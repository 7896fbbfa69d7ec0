/* SPDX-License-Identifier: MIT */
#include "ticks/ticks_vm.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/units.h"
#include "wire/ask.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#define PATIENCE (30 * NS_PER_SEC) /* for what takes milliseconds */
#define SELF	 "/proc/self/exe"
#define GREETING "tickos: "

static void child(const struct ticks_vm *v, const char *policy, uint64_t hz, int cpu, int in,
		  int out)
{
	char append[32];
	cpu_set_t set;

	prctl(PR_SET_PDEATHSIG, SIGKILL); /* it may be stopped */
	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	snprintf(append, sizeof(append), "hz=%u", (unsigned)hz);
	if (sched_setaffinity(0, sizeof(set), &set) || dup2(in, STDIN_FILENO) < 0 ||
	    dup2(out, STDOUT_FILENO) < 0)
		_exit(126);
	execl(SELF, "desched", "vm", "--name", v->name, "--memory", "4", "--append", append,
	      "--tick-policy", policy, "--control", v->socket, NULL);
	_exit(127);
}

static int spawn(struct ticks_vm *v, const char *policy, uint64_t hz, int cpu)
{
	int in[2], out[2];

	if (pipe2(in, O_CLOEXEC))
		return -errno;
	v->to = in[1];
	if (pipe2(out, O_CLOEXEC)) {
		close(in[0]);
		return -errno;
	}
	v->from = out[0];
	v->pid = fork();
	if (v->pid == 0)
		child(v, policy, hz, cpu, in[0], out[1]);
	close(in[0]);
	close(out[1]);
	return v->pid < 0 ? -errno : 0;
}

/* Waits until `fd` has something. */
static int wait_for(int fd, uint64_t deadline)
{
	struct pollfd p = {fd, POLLIN, 0};
	uint64_t now = clock_mono();
	int n;

	do {
		n = poll(&p, 1, (int)(u64_sub_floor(deadline, now) / NS_PER_MS));
		now = clock_mono();
	} while (n < 0 && errno == EINTR && now < deadline);
	return n > 0 ? 0 : n < 0 ? -errno : -ETIMEDOUT;
}

/* The next whole line, without its end. */
static int read_line(struct ticks_vm *v, char *ret, size_t size)
{
	uint64_t deadline = clock_mono() + PATIENCE;
	char *end;

	while (!(end = memchr(v->line, '\n', v->used))) {
		ssize_t n;
		int err = v->used == sizeof(v->line) ? -EBADMSG : wait_for(v->from, deadline);

		if (err)
			return err;
		n = read(v->from, v->line + v->used, sizeof(v->line) - v->used);
		if (n <= 0)
			return n ? -errno : -EPIPE;
		v->used += (size_t)n;
	}
	snprintf(ret, size, "%.*s", (int)(end - v->line), v->line);
	v->used -= (size_t)(end - v->line) + 1;
	memmove(v->line, end + 1, v->used);
	return 0;
}

static int serial_line(struct ticks_vm *v, struct failure *f, char *ret, size_t size)
{
	int err = read_line(v, ret, size);

	if (err == -EPIPE)
		return failure_set(f, err, "%s ended; its monitor may have said why above",
				   v->name);
	if (err)
		return failure_errno(f, err, "%s said nothing on its serial line", v->name);
	return 0;
}

static int wait_for_boot(struct ticks_vm *v, struct failure *f)
{
	char line[128];
	int err = serial_line(v, f, line, sizeof(line));

	if (!err && strncmp(line, GREETING, strlen(GREETING)) != 0)
		err = failure_set(f, -EBADMSG, "%s did not boot the test guest", v->name);
	return err;
}

static int connect_control(struct ticks_vm *v, struct failure *f)
{
	int err = ask_dial(v->socket, clock_mono() + PATIENCE, &v->control);

	return err ? failure_errno(f, err, "%s", v->socket) : 0;
}

/* Up to when it is there and we are connected. */
static int bring_up(struct ticks_vm *v, const char *policy, uint64_t hz, int cpu, struct failure *f)
{
	int err = spawn(v, policy, hz, cpu);

	if (err)
		return failure_errno(f, err, "%s could not be started", v->name);
	err = wait_for_boot(v, f);
	return err ? err : connect_control(v, f);
}

int ticks_vm_start(struct ticks_vm *v, const char *name, const char *policy, uint64_t hz, int cpu,
		   struct failure *f)
{
	char directory[] = "/tmp/desched-ticks.XXXXXX";
	int err;

	*v = (struct ticks_vm){.to = -1, .from = -1, .control = -1};
	snprintf(v->name, sizeof(v->name), "%s", name);
	if (!mkdtemp(directory))
		return failure_errno(f, -errno, "%s", directory);
	snprintf(v->socket, sizeof(v->socket), "%s/socket", directory);
	err = bring_up(v, policy, hz, cpu, f);
	unlink(v->socket); /* connected, or of no use */
	rmdir(directory);
	return err;
}

void ticks_vm_stop(struct ticks_vm *v)
{
	if (v->pid > 0) {
		kill(v->pid, SIGTERM);
		kill(v->pid, SIGCONT);
		while (waitpid(v->pid, NULL, 0) < 0 && errno == EINTR)
			;
		close_fd(&v->to);
		close_fd(&v->from);
		close_fd(&v->control);
	}
	*v = (struct ticks_vm){.to = -1, .from = -1, .control = -1};
}

int ticks_vm_ask(struct ticks_vm *v, struct failure *f)
{
	return write(v->to, "r", 1) == 1 ? 0 : failure_errno(f, -errno, "%s", v->name);
}

int ticks_vm_answer(struct ticks_vm *v, struct failure *f, struct ticks_report *ret)
{
	char line[1024];
	int err = serial_line(v, f, line, sizeof(line));

	if (!err && ticks_report_parse(line, ret))
		err = failure_set(f, -EBADMSG, "%s said something else than a report", v->name);
	return err;
}

int ticks_vm_request(struct ticks_vm *v, const char *request, struct failure *f, json_t **ret)
{
	_cleanup_(free_ptr) char *text = NULL;
	char line[256];
	size_t size;
	json_t *json;
	int err;

	snprintf(line, sizeof(line), "%s\n", request);
	err = ask_line(v->control, line, clock_mono() + PATIENCE, &text, &size);
	if (err)
		return failure_errno(f, err, "%s does not answer on its control socket", v->name);
	json = json_loadb(text, size, 0, NULL);
	if (!json)
		return failure_set(f, -EBADMSG, "%s: control socket: no JSON", v->name);
	*ret = json;
	return 0;
}
