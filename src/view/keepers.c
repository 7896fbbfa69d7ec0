/* SPDX-License-Identifier: MIT */
#include "view/keepers.h"

#include "base/cleanup.h"
#include "base/proc.h"
#include "base/units.h"
#include "view/serve.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/fuse.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

/* Linux 6.9: the requests that nobody has answered are sent again. */
#define NOTIFY_RESEND 7

#define WATCHER "unmount-view"

/* A namespace whose processes are all about to end may be missed at first. */
#define LEFT_OVER_MS  5000
#define SWEEPS	      20
#define SWEEP_WAIT_US 100000

/* The name of the memory that the keepers of a view on a directory share: by it other views in the
 * namespace know them. Those of a command's view live as long as the command, and count as it. */
#define MEMORY "desched-view-on-directory"

struct run {
	const struct keepers *keepers;
	struct serve_memory *shared;
	int report[2]; /* the server says that it is ready, or why not; hangs up when it ends */
	int life[2];   /* hangs up when server and guard have ended; a byte: in good order */
};

struct report {
	int err;
	struct failure failure;
};

static void sweep(const struct keepers *k)
{
	signal(SIGCHLD, SIG_IGN);
	for (int i = 0; i < SWEEPS && mounts_sweep(k->proc, k->label, k->home); i++)
		usleep(SWEEP_WAIT_US);
}

/* ---- the server ---- */

static _Noreturn void serve(struct run *r)
{
	const struct keepers *k = r->keepers;
	struct report report = {0};
	struct serve *server;

	report.err = serve_new(k->fuse, k->shape, k->teller, r->shared, &report.failure, &server);
	if (write(r->report[1], &report, sizeof(report)) != sizeof(report) || report.err)
		_exit(0);
	_exit(serve_run(server, false) ? 1 : 0);
}

/* ---- the guard ---- */

/* In a process of its own, which may wait for paths that lead anywhere. */
static void start_sweep(const struct run *r)
{
	if (fork())
		return;
	close(r->keepers->fuse);
	close(r->life[1]);
	sweep(r->keepers);
	_exit(0);
}

/* What the dead server had begun. False where the kernel cannot ask again. */
static bool ask_again(const struct run *r)
{
	const struct fuse_out_header resend = {.len = sizeof(resend), .error = NOTIFY_RESEND};

	return write(r->keepers->fuse, &resend, sizeof(resend)) == sizeof(resend) ||
	       !atomic_load(&r->shared->working);
}

/* Without the descriptor's last holder, what waits for an answer fails instead of waiting on. */
static void recover(struct run *r)
{
	const struct keepers *k = r->keepers;
	struct serve *server;

	start_sweep(r);
	if (!atomic_load(&r->shared->opened) || !ask_again(r) ||
	    serve_new(k->fuse, k->shape, NULL, r->shared, NULL, &server))
		return;
	serve_run(server, true);
	serve_free(server);
}

static _Noreturn void guard(struct run *r)
{
	pid_t server;
	int status = 0;

	server = fork();
	if (server == 0)
		serve(r);
	close(r->report[1]);
	r->report[1] = -1;
	while (server > 0 && waitpid(server, &status, 0) < 0 && errno == EINTR)
		;
	if (status)
		recover(r);
	else if (write(r->life[1], "", 1) < 0)
		_exit(1);
	_exit(0);
}

/* ---- the watcher ---- */

/* What ps(1) shows, too: the kernel reads it from where the arguments are. */
static void rename_process(int proc)
{
	char text[1024];
	unsigned long begin = 0, end = 0;
	int fd = openat(proc, "self/stat", O_RDONLY | O_CLOEXEC);
	char *at = fd >= 0 && file_read_fd(fd, text, sizeof(text)) > 0 ? strrchr(text, ')') : NULL;

	if (fd >= 0)
		close(fd);
	prctl(PR_SET_NAME, WATCHER);
	/* Fields 48 and 49; the one behind the name is the third. */
	for (int field = 2; at && field < 48; field++)
		at = strchr(at + 1, ' ');
	if (!at || sscanf(at, " %lu %lu", &begin, &end) != 2 || end - begin < sizeof(WATCHER))
		return;
	memset((char *)begin, 0, end - begin);
	memcpy((char *)begin, WATCHER, sizeof(WATCHER));
	prctl(PR_SET_MM, PR_SET_MM_ARG_END, begin + sizeof(WATCHER), 0, 0);
}

static void spare(int proc)
{
	_cleanup_(close_fd) int fd = openat(proc, "self/oom_score_adj", O_WRONLY | O_CLOEXEC);

	if (fd >= 0 && write(fd, "-1000", 5) < 0)
		return; /* it is as any other then */
}

/* A process of this view, or of another one on a directory: it would have gone, too. */
static bool is_keeper(int proc, pid_t pid)
{
	_cleanup_(close_file) FILE *f = NULL;
	_cleanup_(free_ptr) char *line = NULL;
	size_t size = 0;
	char path[32];
	bool found = false;
	int fd;

	snprintf(path, sizeof(path), "%d/maps", pid);
	fd = openat(proc, path, O_RDONLY | O_CLOEXEC);
	f = fd < 0 ? NULL : fdopen(fd, "r");
	if (fd >= 0 && !f)
		close(fd);
	while (f && !found && getline(&line, &size, f) > 0)
		found = strstr(line, "/memfd:" MEMORY);
	return found;
}

/* A process that is in the namespace, or may be, for its own sake. */
static bool is_other(const struct run *r, pid_t pid)
{
	const struct keepers *k = r->keepers;
	ino_t space;
	int err;

	if (pid <= 1)
		return false;
	err = mounts_namespace(k->proc, pid, &space);
	if (err == -ENOENT || (!err && space != k->home->space))
		return false;
	return err || !is_keeper(k->proc, pid);
}

/* Without the keepers of views the namespace would be gone, and the views on directories in it. In
 * the machine's there are the kernel's threads, at least. */
static bool is_left_over(const struct run *r)
{
	int fd = openat(r->keepers->proc, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *e;
	bool others = !d;

	while (!others && (e = readdir(d)))
		others = is_other(r, atoi(e->d_name));
	if (d)
		closedir(d);
	else if (fd >= 0)
		close(fd);
	return !others;
}

static _Noreturn void watch(struct run *r)
{
	const struct keepers *k = r->keepers;
	struct pollfd p = {.fd = r->life[0], .events = POLLIN};
	bool looking = k->home->path;
	char byte;

	rename_process(k->proc);
	spare(k->proc);
	while (poll(&p, 1, looking ? LEFT_OVER_MS : -1) <= 0)
		if (looking && is_left_over(r)) {
			looking = false;
			sweep(k);
		}
	if (read(r->life[0], &byte, 1) == 0)
		sweep(k);
	_exit(0);
}

/* ---- starting them ---- */

/* The least of them that is not below `from`. */
static int next_kept(const int *keep, size_t n, int from)
{
	int next = INT_MAX;

	for (size_t i = 0; i < n; i++)
		if (keep[i] >= from && keep[i] < next)
			next = keep[i];
	return next;
}

static void close_but(const int *keep, size_t n)
{
	int from = STDERR_FILENO + 1;

	while (from < INT_MAX) {
		int next = next_kept(keep, n, from);

		if (next > from)
			close_range((unsigned)from, (unsigned)next - 1, 0);
		from = next == INT_MAX ? next : next + 1;
	}
}

/* Nobody's terminal, and no end of a pipe that somebody reads to its end. */
static void detach(const int *keep, size_t n)
{
	static const int ignored[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE};
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	setsid();
	for (int fd = 0; fd <= 2; fd++)
		dup2(null, fd);
	close_but(keep, n);
	if (chdir("/"))
		_exit(1);
	for (size_t i = 0; i < ARRAY_SIZE(ignored); i++)
		signal(ignored[i], SIG_IGN);
}

static void unblock(void)
{
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

static void start_watcher(struct run *r)
{
	const struct keepers *k = r->keepers;
	const int keep[] = {k->proc, r->life[0]};

	if (fork())
		return;
	detach(keep, ARRAY_SIZE(keep));
	unblock();
	watch(r);
}

static void start_guard(struct run *r)
{
	const struct keepers *k = r->keepers;
	const int keep[] = {k->fuse, k->proc, r->report[1], r->life[1]};

	if (fork())
		return;
	detach(keep, ARRAY_SIZE(keep));
	unblock();
	guard(r);
}

/* Reparented at once: the command that the caller becomes has no children that it did not start. No
 * signal that is meant for the caller, such as that of Ctrl-C, hits them before they ignore it. */
static int start_all(struct run *r, struct failure *f)
{
	sigset_t all, before;
	pid_t pid;
	int err = 0;

	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &before);
	pid = fork();
	if (pid == 0) {
		start_watcher(r);
		start_guard(r);
		_exit(0);
	}
	if (pid < 0 || waitpid(pid, NULL, 0) != pid)
		err = failure_errno(f, -errno, "fork");
	sigprocmask(SIG_SETMASK, &before, NULL);
	return err;
}

static int await_server(int from, struct failure *f)
{
	struct report r;
	ssize_t n;

	do {
		n = read(from, &r, sizeof(r));
	} while (n < 0 && errno == EINTR);
	if (n != sizeof(r))
		return failure_set(f, -ECHILD, "the view's server died before it was ready");
	if (r.err && f)
		*f = r.failure;
	return r.err;
}

static void run_done(struct run *r)
{
	const int fds[] = {r->report[0], r->report[1], r->life[0], r->life[1]};

	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		if (fds[i] >= 0)
			close(fds[i]);
	if (r->shared != MAP_FAILED)
		munmap(r->shared, sizeof(*r->shared));
}

/* Shared by what is forked from here. */
static struct serve_memory *map_memory(const struct mounts_home *home)
{
	const char *name = home->path ? MEMORY : "desched-view";
	_cleanup_(close_fd) int fd = memfd_create(name, MFD_CLOEXEC);

	if (fd < 0 || ftruncate(fd, sizeof(struct serve_memory)))
		return MAP_FAILED;
	return mmap(NULL, sizeof(struct serve_memory), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
}

int keepers_start(const struct keepers *keepers, struct failure *f, int *ret_alive)
{
	_cleanup_(run_done) struct run r = {.keepers = keepers,
					    .shared = map_memory(keepers->home),
					    .report = {-1, -1},
					    .life = {-1, -1}};
	int err;

	if (r.shared == MAP_FAILED || pipe2(r.report, O_CLOEXEC) || pipe2(r.life, O_CLOEXEC))
		return failure_errno(f, -errno, "starting the view");
	err = start_all(&r, f);
	close(r.report[1]);
	r.report[1] = -1;
	if (!err)
		err = await_server(r.report[0], f);
	if (err)
		return err;
	*ret_alive = r.report[0];
	r.report[0] = -1;
	return 0;
}

bool keepers_alive(int alive)
{
	struct pollfd p = {.fd = alive};

	return poll(&p, 1, 0) == 0;
}
