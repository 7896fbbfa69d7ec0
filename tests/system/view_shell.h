/* SPDX-License-Identifier: MIT */
/* What the tests of a view share: commands in one, in a mount namespace of the test's own, with an
 * agent whose figures are known. */
#ifndef TESTS_VIEW_SHELL_H
#define TESTS_VIEW_SHELL_H

#include "fake_agent.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <sys/mount.h>
#include <time.h>

#include <cmocka.h>

#define SKIPPED 77

#define TICK_S 0.01

static const char *desched;
static struct fake *fake;
static pid_t worker; /* has spun for a while, and sleeps */

static inline void sleep_ms(unsigned ms)
{
	usleep(ms * 1000);
}

/* What a shell command prints, and its exit status. The text is valid until the next two calls. */
static inline const char *shell(int *ret_status, const char *format, ...)
{
	static char texts[2][256 * 1024];
	static int turn;
	char *text = texts[turn ^= 1], command[4096];
	size_t n;
	va_list args;
	FILE *f;
	int status;

	va_start(args, format);
	vsnprintf(command, sizeof(command), format, args);
	va_end(args);
	f = popen(command, "r");
	assert_non_null(f);
	n = fread(text, 1, sizeof(texts[0]) - 1, f);
	text[n] = '\0';
	status = pclose(f);
	if (ret_status)
		*ret_status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
	return text;
}

#define NATIVE(...) shell(NULL, __VA_ARGS__)
#define VIEW(format, ...)                                                                          \
	shell(NULL, "%s view --socket %s -- " format, desched, fake->path, ##__VA_ARGS__)

static inline bool installed(const char *tool)
{
	int status;

	shell(&status, "command -v %s", tool);
	return status == 0;
}

static inline bool is_gone(pid_t pid)
{
	for (int i = 0; i < 1000; i++) {
		if (kill(pid, 0) && errno == ESRCH)
			return true;
		sleep_ms(10);
	}
	return false;
}

static inline int count(const char *text, const char *word)
{
	int n = 0;

	for (; (text = strstr(text, word)); text++)
		n++;
	return n;
}

static inline double cpu_seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* A process that spins for so many CPU seconds, then sleeps. */
static inline pid_t start_spinning(double seconds)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	prctl(PR_SET_NAME, "a) R 1\n(b");
	while (cpu_seconds() < seconds)
		;
	for (;;)
		pause();
}

static inline void end(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static inline void figures(double less, double share, double vmdesched)
{
	fake->less = less;
	fake->share = share;
	fake->vmdesched = vmdesched;
	fake->children = 0;
}

static inline double total_s(const struct proc_stat *s)
{
	return ns_to_s(s->utime_ns + s->stime_ns);
}

/* Each of two numbers is cut to a tick, before and after. */
static inline void is_about(double value, double expected)
{
	if (fabs(value - expected) > 2 * TICK_S + 1e-9)
		fail_msg("%.3f s, expected %.3f s", value, expected);
}

static inline void parse(const char *text, struct proc_stat *ret)
{
	assert_int_equal(proc_parse_stat(text, ret), 0);
}

static inline int begin_all(void **state)
{
	(void)state;
	fake = fake_new("test-view");
	worker = start_spinning(0.6);
	fake->task = worker;
	fake_start(fake);
	for (int i = 0; i < 2000; i++) {
		struct proc_stat s;

		if (!proc_read_stat(worker, 0, &s) && s.state == 'S')
			return 0;
		sleep_ms(10);
	}
	return -1;
}

static inline int end_all(void **state)
{
	(void)state;
	fake_stop(fake);
	end(worker);
	return 0;
}

/* What fails here harms no mount of the machine's. Otherwise an exit status. */
static inline int view_begin(int argc, char **argv)
{
	int fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);

	if (argc < 2)
		return 2;
	desched = argv[1];
	if (fd >= 0)
		close(fd);
	if (fd >= 0 && geteuid() == 0 && !unshare(CLONE_NEWNS) &&
	    !mount("", "/", NULL, MS_REC | MS_PRIVATE, NULL))
		return 0;
	printf("skipped: needs root and /dev/fuse\n");
	return SKIPPED;
}

#endif
