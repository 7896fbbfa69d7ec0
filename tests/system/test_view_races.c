/* SPDX-License-Identifier: MIT */
/*
 * What becomes of a view, and of all that is mounted besides, when its processes are killed at any
 * step of its beginning: what a process is about to do at its Nth system call (by ptrace), or what
 * happens to be going on after some milliseconds. test_view.c has views whose start goes well.
 *
 * All of it happens in a mount namespace of the test's own, whose table of mounts has to be the
 * same after each start, as that of the machine has to be.
 *
 *     test_view_races DESCHED STARTS [SEED]
 *
 * Needs root and FUSE.
 */
#include "fake_agent.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdarg.h>
#include <stdbool.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/utsname.h>

#define SKIPPED	    77
#define MOUNTS_TYPE "fuse.desched"
#define TABLE_MAX   (256 * 1024)
#define PATIENCE_MS 20000
#define TASKS_MAX   64

enum role { CALLER, STARTER, WATCHER, GUARD, SERVER, OTHER, ROLES };
#define BIT(role) (1u << (role))
#define INTERRUPT BIT(ROLES) /* Ctrl-C: all in the caller's group */
static const char *const names[] = {"caller", "starter", "watcher", "guard",
				    "server", "other",	 "ctrl-c"};

static const unsigned victims[] = {
	BIT(SERVER),
	BIT(GUARD),
	BIT(SERVER) | BIT(GUARD),
	BIT(SERVER) | BIT(GUARD),
	BIT(CALLER),
	BIT(SERVER) | BIT(CALLER),
	BIT(GUARD) | BIT(CALLER),
	BIT(SERVER) | BIT(GUARD) | BIT(CALLER),
	BIT(WATCHER),
	BIT(WATCHER) | BIT(SERVER),
	BIT(STARTER),
	BIT(STARTER) | BIT(SERVER) | BIT(GUARD),
	BIT(WATCHER) | BIT(GUARD) | BIT(SERVER),
	INTERRUPT,
};

struct task {
	pid_t pid;
	enum role role;
	unsigned calls; /* stops at system calls: two for each */
};

/* One start. */
struct start {
	bool directory, timed;
	unsigned victims;
	enum role at;  /* whose system call it is */
	unsigned when; /* which one, or ms */
	struct task task[TASKS_MAX];
	int n_tasks;
	unsigned hold; /* ms for which it waits there while the others find out */
	bool pulled;   /* the kills have begun */
	pid_t held;
	uint64_t pulled_ns;
	pid_t stray; /* stopped, and nobody's child so far */
	uint64_t stray_ns;
	int status; /* of the caller; -1: not ended */
	uint64_t begin;
};

static const char *desched, *self;
static struct fake *fake;
static char scratch[] = "/tmp/test-view-races.XXXXXX", directory[64];
static char table_own[TABLE_MAX], table_machine[TABLE_MAX];
static unsigned calls_of[2][ROLES]; /* in a start that goes well, by kind */
/* Beyond, the command reads, and the server answers it. */
static const unsigned calls_max[OTHER] = {450, 50, 100, 100, 150};
static unsigned seed;
static int index_now;

static unsigned random_below(unsigned n)
{
	seed = seed * 1103515245 + 12345;
	return (seed >> 8) % n;
}

static void describe(const struct start *s)
{
	fprintf(stderr, "start %d (%s), killed:", index_now, s->directory ? "--mount" : "command");
	for (int i = 0; i <= ROLES; i++)
		if (s->victims & (1u << i) && i != OTHER)
			fprintf(stderr, " %s", names[i == ROLES ? ROLES : i]);
	if (s->timed)
		fprintf(stderr, ", after %u ms\n", s->when);
	else
		fprintf(stderr, ", at stop %u of the %s, held for %u ms\n", s->when, names[s->at],
			s->hold);
}

static _Noreturn void fail(const struct start *s, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
static _Noreturn void fail(const struct start *s, const char *format, ...)
{
	va_list args;
	char command[96];

	describe(s);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	for (int i = 0; i < s->n_tasks; i++) {
		fprintf(stderr, "%s ", names[s->task[i].role]);
		snprintf(command, sizeof(command), "ps -o pid,stat,wchan:20,args -p %d h >&2",
			 s->task[i].pid);
		if (system(command))
			fputc('\n', stderr);
	}
	fake_stop(fake);
	exit(1);
}

static void read_table(const char *path, char *ret)
{
	if (file_read(path, ret, TABLE_MAX) <= 0) {
		fprintf(stderr, "cannot read %s\n", path);
		exit(1);
	}
}

static bool has_line(const char *type)
{
	static char text[TABLE_MAX];
	char wanted[128];

	snprintf(wanted, sizeof(wanted), " %s %s ", directory, type);
	return file_read("/proc/self/mounts", text, sizeof(text)) > 0 && strstr(text, wanted);
}

/* ---- the command that sees the view ---- */

static int try_file(const char *path)
{
	char text[256];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text));

	if (fd >= 0)
		close(fd);
	return n > 0 ? 0 : -1;
}

static int try_all(int dir)
{
	static const char *const paths[] = {"/proc/self/stat", "/proc/stat", "/proc/loadavg",
					    "/proc/sys/kernel/pid_max", "/proc/1/status"};
	int failed = 0, fd;

	for (size_t i = 0; i < ARRAY_SIZE(paths); i++)
		failed += try_file(paths[i]) != 0;
	fd = dir < 0 ? -1 : openat(dir, "loadavg", O_RDONLY | O_CLOEXEC);
	failed += fd < 0;
	if (fd >= 0)
		close(fd);
	return failed;
}

/* Reads until the test closes its pipe, and in the end until all is well. Exit status: 0, 2 after
 * errors, 1 when they do not end. */
static int be_reader(int until)
{
	int dir = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC), errors = dir < 0;
	uint64_t end;

	alarm(PATIENCE_MS / 1000);
	fcntl(until, F_SETFL, O_NONBLOCK);
	for (char c; read(until, &c, 1) < 0; usleep(1000))
		errors += try_all(dir);
	end = clock_mono() + 5 * NS_PER_SEC;
	while (try_all(dir)) {
		errors++;
		if (clock_mono() > end)
			return 1;
		/* its directory's view may be gone */
		if (dir >= 0 && try_file("/proc/loadavg") == 0) {
			close(dir);
			dir = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		}
		usleep(5000);
	}
	return errors ? 2 : 0;
}

/* ---- tracing ---- */

static struct task *task_of(struct start *s, pid_t pid)
{
	for (int i = 0; i < s->n_tasks; i++)
		if (s->task[i].pid == pid)
			return &s->task[i];
	return NULL;
}

static bool has_role(const struct start *s, enum role role)
{
	for (int i = 0; i < s->n_tasks; i++)
		if (s->task[i].role == role)
			return true;
	return false;
}

/* The starter's first child is the watcher, its second the guard, whose first is the server. */
static enum role role_of_child(const struct start *s, enum role parent, int born)
{
	static const struct {
		enum role parent;
		int born;
		enum role child;
	} rows[] = {{CALLER, 1, STARTER},
		    {STARTER, 2, WATCHER},
		    {STARTER, 3, GUARD},
		    {GUARD, 4, SERVER}};

	(void)s;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (rows[i].parent == parent && rows[i].born == born)
			return rows[i].child;
	return OTHER;
}

static void add_task(struct start *s, pid_t pid, enum role role)
{
	if (s->n_tasks == TASKS_MAX)
		fail(s, "too many processes");
	s->task[s->n_tasks++] = (struct task){.pid = pid, .role = role};
	if (s->pulled && role < OTHER && s->victims & BIT(role))
		kill(pid, SIGKILL);
}

static void drop_task(struct start *s, struct task *t, int status)
{
	if (t->role == CALLER)
		s->status = status;
	*t = s->task[--s->n_tasks];
}

static void pull(struct start *s)
{
	s->pulled = true;
	s->pulled_ns = clock_mono();
	for (int i = 0; i < s->n_tasks; i++) {
		const struct task *t = &s->task[i];

		if (t->role < OTHER && s->victims & BIT(t->role))
			kill(t->pid, SIGKILL);
		else if (s->victims & INTERRUPT && t->role == CALLER)
			kill(-t->pid, SIGINT);
	}
}

static void go_on(const struct start *s, pid_t pid, int signal)
{
	bool step = !s->timed && !s->pulled;

	ptrace(step ? PTRACE_SYSCALL : PTRACE_CONT, pid, 0, (void *)(intptr_t)signal);
}

static void at_fork(struct start *s, const struct task *parent, int *born)
{
	unsigned long child;

	if (ptrace(PTRACE_GETEVENTMSG, parent->pid, 0, &child))
		return;
	++*born;
	if (!task_of(s, (pid_t)child))
		add_task(s, (pid_t)child, role_of_child(s, parent->role, *born));
}

static void at_call(struct start *s, struct task *t)
{
	t->calls++;
	if (!s->pulled && t->role == s->at && t->calls == s->when) {
		pull(s);
		s->held = t->pid;
	}
	if (s->victims == 0 && t->role < OTHER && t->calls > calls_of[s->directory][t->role] &&
	    t->calls < calls_max[t->role])
		calls_of[s->directory][t->role] = t->calls;
}

static void at_stop(struct start *s, struct task *t, int status, int *born)
{
	pid_t pid = t->pid;
	int signal = WSTOPSIG(status), event = status >> 16, pass = 0;

	if (event == PTRACE_EVENT_FORK || event == PTRACE_EVENT_VFORK ||
	    event == PTRACE_EVENT_CLONE)
		at_fork(s, t, born);
	else if (signal == (SIGTRAP | 0x80))
		at_call(s, t);
	else if (!event && signal != SIGSTOP && signal != SIGTRAP)
		pass = signal;
	if (pid != s->held)
		go_on(s, pid, pass);
}

static uint64_t ms_since(uint64_t begin)
{
	return (clock_mono() - begin) / NS_PER_MS;
}

/* A child stops before or after its parent's event says whose it is; when the parent was killed
 * before that, there is none. */
static void adopt(struct start *s)
{
	siginfo_t info = {.si_pid = 0};

	if (waitid(P_ALL, 0, &info, WSTOPPED | WNOHANG | WNOWAIT | __WALL) || !info.si_pid ||
	    task_of(s, info.si_pid))
		return;
	if (info.si_pid != s->stray) {
		s->stray = info.si_pid;
		s->stray_ns = clock_mono();
	} else if (ms_since(s->stray_ns) > 50) {
		add_task(s, info.si_pid, OTHER);
	}
}

static bool handle_one(struct start *s, int *born)
{
	for (int i = 0; i < s->n_tasks; i++) {
		struct task *t = &s->task[i];
		int status;

		if (waitpid(t->pid, &status, WNOHANG | __WALL) != t->pid)
			continue;
		if (WIFSTOPPED(status))
			at_stop(s, t, status, born);
		else
			drop_task(s, t, status);
		return true;
	}
	return false;
}

static void pump(struct start *s, int *born)
{
	if (s->timed && !s->pulled && ms_since(s->begin) >= s->when)
		pull(s);
	if (s->held && ms_since(s->pulled_ns) >= s->hold) {
		go_on(s, s->held, 0);
		s->held = 0;
	}
	if (!handle_one(s, born)) {
		adopt(s);
		usleep(100);
	}
}

/* ---- a start ---- */

static pid_t spawn(const struct start *s, int until)
{
	char fd[16];
	char *const command[] = {(char *)(uintptr_t)desched, "view",   "--socket", fake->path, "--",
				 (char *)(uintptr_t)self,    "reader", fd,	   NULL};
	char *const mount[] = {(char *)(uintptr_t)desched,
			       "view",
			       "--socket",
			       fake->path,
			       "--mount",
			       directory,
			       NULL};
	pid_t pid;

	snprintf(fd, sizeof(fd), "%d", until);
	pid = fork();
	if (pid)
		return pid;
	setpgid(0, 0);
	setenv("ASAN_OPTIONS", "detect_leaks=0", 1); /* which cannot be looked for under ptrace */
	if (freopen("/dev/null", "w", stderr))
		ptrace(PTRACE_TRACEME, 0, 0, 0);
	execv(desched, s->directory ? mount : command);
	_exit(127);
}

static void begin(struct start *s, int until)
{
	int status;
	pid_t pid = spawn(s, until);

	s->status = -1;
	add_task(s, pid, CALLER);
	if (waitpid(pid, &status, 0) != pid || !WIFSTOPPED(status))
		fail(s, "cannot be traced");
	ptrace(PTRACE_SETOPTIONS, pid, 0,
	       PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK |
		       PTRACE_O_TRACECLONE | PTRACE_O_EXITKILL);
	s->begin = clock_mono();
	go_on(s, pid, 0);
}

/* A view on the directory answers, is the real /proc by now, or gone; umount takes it. */
static void clean_directory(struct start *s, int *born)
{
	bool all_dead = s->victims & BIT(SERVER) && s->victims & BIT(GUARD) &&
			s->victims & BIT(WATCHER);
	uint64_t since = clock_mono();
	int status;
	pid_t pid = fork();

	if (pid == 0) { /* a read may wait for who is stopped by us */
		char path[96];

		alarm(5);
		snprintf(path, sizeof(path), "%s/stat", directory);
		while (!all_dead && (has_line(MOUNTS_TYPE) || has_line("proc")) && try_file(path))
			usleep(1000);
		_exit(0);
	}
	while (waitpid(pid, &status, WNOHANG) == 0)
		pump(s, born);
	if (!WIFEXITED(status))
		fail(s, "the view on the directory does not answer");
	while (has_line(MOUNTS_TYPE) || has_line("proc")) {
		if (umount2(directory, UMOUNT_NOFOLLOW) && ms_since(since) > PATIENCE_MS)
			fail(s, "umount %s: %s", directory, strerror(errno));
		pump(s, born);
	}
}

/* Of the machine's mounts, those on /proc, of FUSE and below our directory: the rest is others'
 * business, who may mount while we run. */
static void read_machine(char *ret)
{
	static char table[TABLE_MAX];
	char *rest = table, *line;

	read_table("/proc/1/mountinfo", table);
	*ret = '\0';
	while ((line = strsep(&rest, "\n")))
		if (strstr(line, " /proc") || strstr(line, "fuse") || strstr(line, scratch)) {
			strcat(ret, line);
			strcat(ret, "\n");
		}
}

static void judge(const struct start *s)
{
	static char now[TABLE_MAX];
	struct stat st;
	char file[96];
	int code = WIFEXITED(s->status) ? WEXITSTATUS(s->status) : -1;
	unsigned dead = s->victims & (BIT(SERVER) | BIT(GUARD) | BIT(WATCHER));

	read_table("/proc/self/mountinfo", now);
	if (strcmp(now, table_own) != 0)
		fail(s, "the mount table was\n%s\nand is\n%s", table_own, now);
	read_machine(now);
	if (strcmp(now, table_machine) != 0)
		fail(s, "the machine's mounts on /proc and of views were\n%s\nand are\n%s",
		     table_machine, now);
	snprintf(file, sizeof(file), "%s/file", directory);
	if (stat(file, &st) || stat("/proc/1", &st))
		fail(s, "%s or /proc/1 is gone", file);
	if (!s->victims && code != 0)
		fail(s, "a start that nothing befell: exit status %d", code);
	if (s->directory || s->victims & (BIT(CALLER) | INTERRUPT))
		return;
	/* 1 is the exit status of a view that could not be made, too: then nobody read. */
	if (code < 0)
		fail(s, "the command was ended by signal %d", WTERMSIG(s->status));
	if (dead == BIT(SERVER) && code == 2)
		fail(s, "a reader got an error, though the guard lives");
}

static void run(struct start *s)
{
	int pipes[2], born = 0;
	uint64_t pulled = 0;

	if (pipe(pipes))
		fail(s, "pipe");
	fcntl(pipes[1], F_SETFD, FD_CLOEXEC);
	begin(s, pipes[0]);
	close(pipes[0]);
	while (s->n_tasks) {
		pump(s, &born);
		if (!pulled && (s->pulled || (s->status == -1 && ms_since(s->begin) > 400)))
			pulled = clock_mono();
		if (pulled && pipes[1] >= 0 && ms_since(pulled) > 50 + s->hold) {
			close(pipes[1]);
			pipes[1] = -1;
		}
		if (s->directory && s->status != -1 && (s->pulled || !has_role(s, SERVER)))
			clean_directory(s, &born);
		else if (s->directory && s->status != -1 && ms_since(s->begin) > 400)
			clean_directory(s, &born);
		if (ms_since(s->begin) > PATIENCE_MS)
			fail(s, "processes are left");
	}
	if (pipes[1] >= 0)
		close(pipes[1]);
	if (s->directory)
		clean_directory(s, &born);
	judge(s);
}

/* ---- all of them ---- */

static struct start any_start(void)
{
	struct start s = {.directory = random_below(3) == 0,
			  .timed = random_below(3) == 0,
			  .victims = victims[random_below(ARRAY_SIZE(victims))],
			  .at = random_below(OTHER),
			  .hold = random_below(2) ? 30 : 0};

	s.when = s.timed ? random_below(80) : 1 + random_below(calls_of[s.directory][s.at] + 1);
	return s;
}

static void prepare(void)
{
	char file[96];
	FILE *f;

	if (unshare(CLONE_NEWNS) || mount("", "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    !mkdtemp(scratch))
		exit(1);
	snprintf(directory, sizeof(directory), "%s/dir", scratch);
	if (mkdir(directory, 0755) || mount("before", directory, "tmpfs", 0, "size=64k"))
		exit(1);
	snprintf(file, sizeof(file), "%s/file", directory);
	f = fopen(file, "w");
	if (!f || fclose(f))
		exit(1);
	read_table("/proc/self/mountinfo", table_own);
	read_machine(table_machine);
	if (!*table_machine || strstr(table_machine, scratch))
		exit(1); /* it's the machine's own namespace that we are in */
	fake = fake_new("test-view-races");
	fake->task = getpid();
	fake_start(fake);
}

static void finish(void)
{
	fake_stop(fake);
	umount2(directory, MNT_DETACH);
	rmdir(directory);
	rmdir(scratch);
}

int main(int argc, char **argv)
{
	uint64_t begin_ns = clock_mono();
	int starts, fd;

	if (argc == 3 && !strcmp(argv[1], "reader"))
		return be_reader(atoi(argv[2]));
	if (argc < 3)
		return 2;
	fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	if (fd < 0 || geteuid() != 0) {
		printf("skipped: needs root and /dev/fuse\n");
		return SKIPPED;
	}
	close(fd);
	self = realpath(argv[0], NULL);
	desched = argv[1];
	starts = atoi(argv[2]);
	seed = argc > 3 ? (unsigned)atoi(argv[3]) : 1;
	prepare();
	for (int i = 0; i < 2; i++) { /* what there is to choose from */
		struct start s = {.directory = i};

		run(&s);
	}
	for (index_now = 1; index_now <= starts; index_now++) {
		struct start s = any_start();

		run(&s);
	}
	finish();
	printf("%d starts in %.0f s\n", starts, ns_to_s(clock_mono() - begin_ns));
	return 0;
}
