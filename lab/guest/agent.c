/* SPDX-License-Identifier: MIT */
#include "agent.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/proc.h"
#include "base/units.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define AGENT_PATH    "/bin/vmdesched"
#define AGENT_SOCKET  "/run/vmdesched.sock"
#define AGENT_LOG     "/run/vmdesched.log"
#define REQUEST	      "{\"get\":\"snapshot\"}\n"
#define ANSWER_MAX    (1 * MIB)
#define ANSWER_NS     (10 * NS_PER_SEC)
#define START_NS      (20 * NS_PER_SEC)
#define START_POLL_NS (50 * NS_PER_MS)

static pid_t agent_pid;
static char agent_end[64];

static void exec_agent(const char *source)
{
	int log = open(AGENT_LOG, O_WRONLY | O_CREAT | O_APPEND, 0600);

	if (log >= 0) {
		dup2(log, STDOUT_FILENO);
		dup2(log, STDERR_FILENO);
	}
	execl(AGENT_PATH, "vmdesched", "--source", source, "--socket", AGENT_SOCKET, (char *)NULL);
	fprintf(stderr, "%s: %s\n", AGENT_PATH, strerror(errno));
	_exit(127);
}

void agent_reaped(pid_t pid, int status)
{
	if (pid != agent_pid)
		return;
	agent_pid = 0;
	if (WIFSIGNALED(status))
		snprintf(agent_end, sizeof(agent_end), "killed by signal %d", WTERMSIG(status));
	else
		snprintf(agent_end, sizeof(agent_end), "exit status %d", WEXITSTATUS(status));
}

/* Reaps the agent if it has ended. */
static void agent_check(void)
{
	int status;

	if (agent_pid && waitpid(agent_pid, &status, WNOHANG) == agent_pid)
		agent_reaped(agent_pid, status);
}

static int agent_connect(void)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX, .sun_path = AGENT_SOCKET};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	if (connect(fd, (struct sockaddr *)&a, sizeof(a))) {
		int err = -errno;

		close(fd);
		return err;
	}
	return fd;
}

void agent_start(const char *source)
{
	uint64_t end = clock_mono() + START_NS;
	struct timespec pause = {.tv_nsec = START_POLL_NS};

	agent_pid = fork();
	if (agent_pid == 0)
		exec_agent(source);
	for (agent_check(); agent_pid > 0 && clock_mono() < end; agent_check()) {
		_cleanup_(close_fd) int fd = agent_connect();

		if (fd >= 0)
			return;
		nanosleep(&pause, NULL);
	}
}

/* The last line that is not empty. */
static json_t *last_line(char *text)
{
	size_t n = strlen(text);
	char *start;

	while (n && text[n - 1] == '\n')
		text[--n] = '\0';
	start = strrchr(text, '\n');
	return json_string(start ? start + 1 : text);
}

json_t *agent_status(void)
{
	char log[8192] = "";
	json_t *said;

	agent_check();
	file_read(AGENT_LOG, log, sizeof(log));
	said = last_line(log);
	return json_pack("{s:b, s:s, s:o}", "alive", agent_pid > 0, "ended", agent_end, "said",
			 said ? said : json_string("(not text)"));
}

/* Reads up to a newline into buf. Returns the length, or -errno. */
static ssize_t read_answer(int fd, char *buf, size_t size)
{
	uint64_t end = clock_mono() + ANSWER_NS;
	size_t used = 0;

	while (used < size) {
		struct pollfd p = {.fd = fd, .events = POLLIN};
		uint64_t left = u64_sub_floor(end, clock_mono());
		ssize_t n;

		if (!left || poll(&p, 1, (int)(left / NS_PER_MS) + 1) <= 0)
			return -ETIMEDOUT;
		n = read(fd, buf + used, size - used);
		if (n <= 0)
			return n < 0 ? -errno : -EPIPE;
		used += (size_t)n;
		if (buf[used - 1] == '\n')
			return (ssize_t)used;
	}
	return -EMSGSIZE;
}

static char *agent_error(int err)
{
	char *text;

	return asprintf(&text, "{\"error\":\"%s\"}", strerror(-err)) < 0 ? NULL : text;
}

char *agent_snapshot(void)
{
	static char buf[ANSWER_MAX];
	_cleanup_(close_fd) int fd = agent_connect();
	ssize_t n;

	if (fd < 0)
		return agent_error(fd);
	if (send(fd, REQUEST, strlen(REQUEST), MSG_NOSIGNAL) < 0)
		return agent_error(-errno);
	n = read_answer(fd, buf, sizeof(buf));
	return n < 0 ? agent_error((int)n) : strndup(buf, (size_t)n);
}

json_t *agent_parse(const char *answer)
{
	json_t *o = json_loads(answer, 0, NULL);

	return o ? o : json_pack("{s:s}", "error", "its answer is not JSON");
}

uint64_t agent_cpu_ns(void)
{
	uint64_t run = 0, delay;

	if (agent_pid > 0)
		proc_read_schedstat(agent_pid, 0, &run, &delay);
	return run;
}

pid_t agent_process(void)
{
	return agent_pid;
}

void agent_kill(void)
{
	if (agent_pid > 0)
		kill(agent_pid, SIGKILL);
}
