/* SPDX-License-Identifier: MIT */
/*
 * PID 1 of a lab guest: mounts what is needed, starts the agent, and does what the lab on the host
 * says over the second serial port, one line of JSON each way.
 *
 *	-> {"id":7,"do":"prepare","kinds":["spin"],"unit_ns":0,"snapshot":true}
 *	<- {"id":7,"ok":true,"agent":{"alive":true,...}}
 *
 * prepare parks workers and takes the first readings, start releases them, stop stops them, collect
 * takes the second readings and sends both; run is for tests, which have more to ask. Between
 * prepare's and start's answers the guest is idle, and again between stop's and collect: there the
 * host takes its own readings, so that none of the talking is in what is measured. Each answer has
 * "clock_s" and "ticks", the guest's CLOCK_MONOTONIC and counter when it was done. With "trace" its
 * kernel records all context switches from the first reading to the second (trace.h).
 */
#include "agent.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/proc.h"
#include "base/units.h"
#include "fault.h"
#include "kinds.h"
#include "trace.h"
#include "workers.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#define CONTROL_PORT "/dev/ttyS1"
#define LINE_SIZE    4096
#define OUTPUT_MAX   (256 * KIB)
#define REAP_MS	     1000

struct reading {
	double busy_s;	 /* /proc/stat */
	double steal_s;	 /* the same */
	double others_s; /* the kernel's CPU time of all but workers, agent and init */
	double agent_s;	 /* the agent's, without what its snapshots cost it */
	struct clock_pair clock;
	char *agent; /* the agent's answer as it came, or NULL; owned */
};

#define PAIR_TRIES 16

static int control = -1;
static bool tracing;
static struct reading before;

static void mount_all(void)
{
	static const struct {
		const char *type, *where;
	} rows[] = {
		{"proc", "/proc"},	{"sysfs", "/sys"}, {"devtmpfs", "/dev"},
		{"tmpfs", "/run"},	{"tmpfs", "/tmp"}, {"tracefs", "/sys/kernel/tracing"},
		{"bpf", "/sys/fs/bpf"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		mkdir(rows[i].where, 0755);
		if (mount(rows[i].type, rows[i].where, rows[i].type, 0, NULL) && errno != EBUSY)
			fprintf(stderr, "init: mount %s: %s\n", rows[i].where, strerror(errno));
	}
}

static int is_module(const struct dirent *e)
{
	return e->d_name[0] != '.';
}

/* What a serial port for a stream wants, and then that port; nothing where there are no modules. */
static void load_modules(void)
{
	const struct timespec pause = {.tv_nsec = 10 * NS_PER_MS};
	struct dirent **list = NULL;
	int n = scandir("/modules", &list, is_module, alphasort);
	char path[320];

	for (int i = 0; i < n; i++) {
		_cleanup_(close_fd) int fd = -1;

		snprintf(path, sizeof(path), "/modules/%s", list[i]->d_name);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0 || syscall(SYS_finit_module, fd, "", 0))
			fprintf(stderr, "init: %s: %s\n", path, strerror(errno));
		free(list[i]);
	}
	free(list);
	for (int i = 0; n > 0 && i < 500 && access("/dev/vport0p1", F_OK); i++)
		nanosleep(&pause, NULL);
}

static int open_control(void)
{
	int fd = open(CONTROL_PORT, O_RDWR | O_NOCTTY | O_CLOEXEC);
	struct termios t;

	if (fd < 0 || tcgetattr(fd, &t))
		return -1;
	cfmakeraw(&t);
	cfsetspeed(&t, B115200);
	t.c_cflag |= CLOCAL;
	return tcsetattr(fd, TCSANOW, &t) ? -1 : fd;
}

/* The value of NAME=VALUE on the kernel's command line, or what it is without. */
static void kernel_argument(const char *name, const char *without, char *ret, size_t size)
{
	char line[2048] = "";
	char *save = NULL;

	snprintf(ret, size, "%s", without);
	file_read("/proc/cmdline", line, sizeof(line));
	for (char *word = strtok_r(line, " \n", &save); word; word = strtok_r(NULL, " \n", &save)) {
		size_t n = strlen(name);

		if (!strncmp(word, name, n) && word[n] == '=')
			snprintf(ret, size, "%s", word + n + 1);
	}
}

static void write_all(const char *data, size_t n)
{
	while (n) {
		ssize_t done = write(control, data, n);

		if (done < 0 && errno != EINTR)
			return;
		if (done > 0) {
			data += done;
			n -= (size_t)done;
		}
	}
}

/* Sends the object, a line, and lets go of it. */
static void say(json_t *object)
{
	_cleanup_(free_ptr) char *text = json_dumps(object, JSON_COMPACT);

	json_decref(object);
	if (!text)
		return;
	fault_point(FAULT_ANSWER, control);
	write_all(text, strlen(text));
	write_all("\n", 1);
}

static void read_kernel(struct reading *r)
{
	struct proc_cpu cpu = {0};

	clock_read_pair(PAIR_TRIES, &r->clock);
	proc_read_cpu(-1, &cpu);
	r->busy_s = ns_to_s(cpu.busy_ns);
	r->steal_s = ns_to_s(cpu.steal_ns);
	r->others_s = ns_to_s(workers_others_ns(agent_process()));
}

/* The first reading ends with the snapshot, the second begins with it: what lies between the two
 * snapshots is the workers' doing and hardly anything else. */
static void read_before(struct reading *r, bool snapshot)
{
	read_kernel(r);
	if (snapshot)
		r->agent = agent_snapshot();
	r->agent_s = ns_to_s(agent_cpu_ns());
}

static void read_after(struct reading *r, bool snapshot)
{
	r->agent_s = ns_to_s(agent_cpu_ns());
	if (snapshot)
		r->agent = agent_snapshot();
	read_kernel(r);
}

static void put_clock(json_t *o, const struct clock_pair *pair)
{
	json_object_set_new(o, "clock_s", json_real(ns_to_s(pair->mono)));
	json_object_set_new(o, "ticks", json_integer((json_int_t)pair->ticks));
}

static json_t *reading_json(const struct reading *r)
{
	json_t *o = json_pack("{s:f, s:f, s:f}", "busy_s", r->busy_s, "steal_s", r->steal_s,
			      "others_s", r->others_s + r->agent_s);

	put_clock(o, &r->clock);
	if (r->agent)
		json_object_set_new(o, "agent", agent_parse(r->agent));
	return o;
}

/* The commands. Each fills `answer` and returns NULL, or says what is wrong. */
static const char *do_status(const json_t *request, json_t *answer)
{
	json_t *lists[] = {
		[WORK_USUAL] = json_array(),
		[WORK_TRACED] = json_array(),
		[WORK_BY_NAME] = json_array(),
	};

	(void)request;
	for (int i = 0; i < n_work_kinds; i++)
		json_array_append_new(lists[work_kinds[i].use], json_string(work_kinds[i].name));
	json_object_set_new(answer, "kinds", lists[WORK_USUAL]);
	json_object_set_new(answer, "traced_kinds", lists[WORK_TRACED]);
	json_decref(lists[WORK_BY_NAME]);
	return NULL;
}

static const char *do_prepare(const json_t *request, json_t *answer)
{
	json_int_t unit_ns = json_integer_value(json_object_get(request, "unit_ns"));
	const char *wrong = workers_prepare(json_object_get(request, "kinds"),
					    json_object_get(request, "cpus"),
					    unit_ns > 0 ? (uint64_t)unit_ns : 0);

	(void)answer;
	if (wrong)
		return wrong;
	tracing = json_is_true(json_object_get(request, "trace"));
	if (tracing && (wrong = trace_start()))
		return wrong;
	free(before.agent);
	before = (struct reading){0};
	read_before(&before, json_is_true(json_object_get(request, "snapshot")));
	return NULL;
}

static const char *do_start(const json_t *request, json_t *answer)
{
	(void)request;
	(void)answer;
	workers_start();
	fault_point(FAULT_RUN, control);
	return NULL;
}

static const char *do_stop(const json_t *request, json_t *answer)
{
	(void)request;
	(void)answer;
	return workers_stop();
}

static const char *do_collect(const json_t *request, json_t *answer)
{
	struct reading after = {0};
	const char *wrong;

	(void)request;
	read_after(&after, before.agent != NULL);
	wrong = tracing ? trace_stop() : NULL;
	tracing = false;
	json_object_set_new(answer, "workers", workers_read(before.agent != NULL));
	json_object_set_new(answer, "before", reading_json(&before));
	json_object_set_new(answer, "after", reading_json(&after));
	free(after.agent);
	workers_end();
	return wrong;
}

/* A command for the shell; what it prints is the answer. */
static const char *do_run(const json_t *request, json_t *answer)
{
	static char text[OUTPUT_MAX];
	const char *command = json_string_value(json_object_get(request, "command"));
	FILE *f = command ? popen(command, "re") : NULL;
	size_t n;

	if (!f)
		return "no command that can be run";
	n = fread(text, 1, sizeof(text), f);
	json_object_set_new(answer, "status", json_integer(pclose(f)));
	return json_object_set_new(answer, "output", json_stringn(text, n))
		       ? "its output is no text"
		       : NULL;
}

static const char *do_poweroff(const json_t *request, json_t *answer)
{
	(void)request;
	(void)answer;
	reboot(RB_POWER_OFF);
	return "cannot power off";
}

static const struct command_row {
	const char *name;
	const char *(*run)(const json_t *request, json_t *answer);
} command_rows[] = {
	{"status", do_status},	   {"prepare", do_prepare}, {"start", do_start},
	{"stop", do_stop},	   {"collect", do_collect}, {"run", do_run},
	{"poweroff", do_poweroff},
};

static const char *run_command(const json_t *request, json_t *answer)
{
	const char *name = json_string_value(json_object_get(request, "do"));

	for (size_t i = 0; name && i < ARRAY_SIZE(command_rows); i++) {
		if (!strcmp(command_rows[i].name, name))
			return command_rows[i].run(request, answer);
	}
	return "no such command";
}

static void handle_line(const char *line, size_t n)
{
	json_t *request = json_loadb(line, n, 0, NULL);
	json_t *answer = json_object();
	const char *wrong = run_command(request, answer);
	struct clock_pair now;

	json_object_set(answer, "id", json_object_get(request, "id"));
	json_object_set_new(answer, "ok", json_boolean(!wrong));
	if (wrong)
		json_object_set_new(answer, "error", json_string(wrong));
	json_object_set_new(answer, "agent", agent_status());
	clock_read_pair(PAIR_TRIES, &now);
	put_clock(answer, &now);
	json_decref(request);
	say(answer);
}

static void reap(void)
{
	pid_t pid;
	int status;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		agent_reaped(pid, status);
		workers_reaped(pid);
	}
}

static void serve(void)
{
	static char line[LINE_SIZE];
	size_t used = 0;

	for (;;) {
		struct pollfd p = {.fd = control, .events = POLLIN};
		char *end;

		if (poll(&p, 1, REAP_MS) > 0) {
			ssize_t n = read(control, line + used, sizeof(line) - used);

			used += n > 0 ? (size_t)n : 0;
		}
		reap();
		while ((end = memchr(line, '\n', used))) {
			handle_line(line, (size_t)(end - line));
			used -= (size_t)(end + 1 - line);
			memmove(line, end + 1, used);
		}
		if (used == sizeof(line))
			used = 0;
	}
}

int main(void)
{
	char source[32], fault[32];

	mount_all();
	kernel_argument("lab.source", "auto", source, sizeof(source));
	kernel_argument("lab.fault", "", fault, sizeof(fault));
	fault_choose(fault);
	control = open_control();
	if (control < 0) {
		fprintf(stderr, "init: " CONTROL_PORT ": %s\n", strerror(errno));
		return 1;
	}
	load_modules();
	agent_start(source);
	fault_point(FAULT_BOOT, control);
	handle_line("{\"do\":\"status\"}", strlen("{\"do\":\"status\"}"));
	serve();
}
