/* SPDX-License-Identifier: MIT */
#include "view/guard.h"

#include "base/cleanup.h"
#include "base/units.h"
#include "view/serve.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/fuse.h>
#include <linux/magic.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/pidfd.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

/* Linux 6.9: the requests that nobody has answered are sent again. */
#define NOTIFY_RESEND 7

#define COPY_TREE (OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE)

struct guard {
	const char *target;
	bool private;
	const struct teller_config *teller;
	int fuse;
	int proc;      /* the real /proc */
	int caller;    /* pidfd; a namespace's descriptor would keep it alive */
	int report[2]; /* the server says that it is ready, or why not */
	int go[2];     /* the caller says that it has mounted */
	struct shape *shape;
	struct serve_memory *memory;
};

struct report {
	int err;
	struct failure failure;
};

/* A copy of a mount tree, or a failed one with its errno, onto `to`. */
static int move_copy(int tree, const char *to)
{
	int err = tree < 0 || move_mount(tree, "", AT_FDCWD, to, MOVE_MOUNT_F_EMPTY_PATH) ? -errno
											  : 0;

	if (tree >= 0)
		close(tree);
	return err;
}

/* ---- the server ---- */

static _Noreturn void serve(struct guard *g, struct shape *shape)
{
	struct report r = {0};
	struct serve *server;
	char go;

	r.err = serve_new(g->fuse, shape, g->teller, g->memory, &r.failure, &server);
	if (write(g->report[1], &r, sizeof(r)) != sizeof(r) || r.err)
		_exit(0);
	close(g->report[1]);
	if (read(g->go[0], &go, 1) != 1)
		_exit(0); /* never mounted */
	_exit(serve_run(server, false) ? 1 : 0);
}

/* ---- the guard ---- */

/* A directory gets the real /proc, which is what is there under a view in its place. */
static void uncover(const struct guard *g)
{
	int proc;

	umount2(g->target, MNT_DETACH);
	if (g->private)
		return;
	proc = open_tree(AT_FDCWD, "/proc", COPY_TREE);
	move_copy(proc, g->target);
}

static void unmount(const struct guard *g)
{
	pid_t pid = fork();

	if (pid) {
		waitpid(pid, NULL, 0);
		return;
	}
	/* In a process of its own: whoever is in the namespace keeps it alive. */
	if (!g->private || !setns(g->caller, CLONE_NEWNS))
		uncover(g);
	_exit(0);
}

/* What the dead server had begun. False where the kernel cannot ask again. */
static bool ask_again(const struct guard *g)
{
	const struct fuse_out_header resend = {.len = sizeof(resend), .error = NOTIFY_RESEND};

	return write(g->fuse, &resend, sizeof(resend)) == sizeof(resend) ||
	       !atomic_load(&g->memory->working);
}

/* Without the descriptor's last holder, what waits for an answer fails instead of waiting on. */
static void recover(struct guard *g)
{
	struct serve *server;

	unmount(g);
	if (!atomic_load(&g->memory->opened) || !ask_again(g) ||
	    serve_new(g->fuse, g->shape, NULL, g->memory, NULL, &server))
		return;
	serve_run(server, true);
	serve_free(server);
}

static void close_others(const struct guard *g)
{
	const int keep[] = {g->fuse, g->proc, g->caller, g->report[1], g->go[0]};

	for (unsigned fd = 3; fd < 1024; fd++) {
		bool ours = false;

		for (size_t i = 0; i < ARRAY_SIZE(keep); i++)
			ours = ours || keep[i] == (int)fd;
		if (!ours)
			close((int)fd);
	}
	close_range(1024, ~0u, 0);
}

/* Nobody's terminal, and no end of a pipe that somebody reads to its end. */
static void detach(const struct guard *g)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	setsid();
	for (int fd = 0; fd <= 2; fd++)
		dup2(null, fd);
	close_others(g);
	if (chdir("/"))
		return;
	for (int signal = 1; signal < NSIG; signal++)
		if (signal == SIGINT || signal == SIGTERM || signal == SIGHUP ||
		    signal == SIGQUIT || signal == SIGPIPE)
			sigaction(signal, &(struct sigaction){.sa_handler = SIG_IGN}, NULL);
}

static _Noreturn void guard(struct guard *g)
{
	int status = 0;
	pid_t server;

	detach(g);
	server = fork();
	if (server == 0)
		serve(g, g->shape);
	close(g->report[1]);
	close(g->go[0]);
	while (server > 0 && waitpid(server, &status, 0) < 0 && errno == EINTR)
		;
	if (status)
		recover(g);
	_exit(0);
}

/* ---- the caller ---- */

/* Reparented at once: the command that the caller becomes has no children that it did not start. */
static int start_guard(struct guard *g, struct failure *f)
{
	pid_t pid = fork();

	if (pid < 0)
		return failure_errno(f, -errno, "fork");
	if (pid)
		return waitpid(pid, NULL, 0) == pid ? 0 : failure_errno(f, -errno, "fork");
	if (fork() == 0)
		guard(g);
	_exit(0);
}

static int await_server(struct guard *g, struct failure *f)
{
	struct report r;
	ssize_t n;

	close(g->report[1]);
	g->report[1] = -1;
	do {
		n = read(g->report[0], &r, sizeof(r));
	} while (n < 0 && errno == EINTR);
	if (n != sizeof(r))
		return failure_set(f, -ECHILD, "the view's server died before it was ready");
	if (r.err && f)
		*f = r.failure;
	return r.err;
}

static int mount_place(const char *name, void *data)
{
	const struct guard *g = data;
	char from[PATH_MAX], to[PATH_MAX];

	snprintf(from, sizeof(from), "%s/" SHAPE_REAL "/%s", g->target, name);
	snprintf(to, sizeof(to), "%s/%s", g->target, name);
	return move_copy(open_tree(AT_FDCWD, from, COPY_TREE), to);
}

/* The server answers from here on, since these paths lead through the view. */
static int mount_parts(struct guard *g, int proc)
{
	char real[PATH_MAX];
	int err = write(g->go[1], "", 1) == 1 ? 0 : -errno;

	snprintf(real, sizeof(real), "%s/" SHAPE_REAL, g->target);
	if (!err)
		err = move_copy(proc, real);
	return err ? err : shape_each_place(g->shape, mount_place, g);
}

static int mount_over(struct guard *g, struct failure *f)
{
	int err, proc = open_tree(AT_FDCWD, "/proc", COPY_TREE);
	char options[128];

	if (proc < 0)
		return failure_errno(f, -errno, "a copy of the mount of /proc");
	snprintf(options, sizeof(options), "fd=%d,rootmode=40555,user_id=0,group_id=0,allow_other",
		 g->fuse);
	if (mount("desched", g->target, "fuse.desched",
		  MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_RDONLY, options)) {
		close(proc);
		return failure_errno(f, -errno, "mounting the view on %s", g->target);
	}
	err = mount_parts(g, proc);
	if (!err)
		return 0;
	umount2(g->target, MNT_DETACH);
	return failure_errno(f, err, "mounting the parts of /proc that are as they are");
}

/* Another view, for one, has figures that are corrected already. */
static bool is_real(int proc)
{
	struct statfs s;

	return !fstatfs(proc, &s) && s.f_type == PROC_SUPER_MAGIC;
}

static int open_all(struct guard *g, struct failure *f)
{
	g->fuse = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	if (g->fuse < 0)
		return failure_errno(f, -errno, "/dev/fuse: needs root, and 'modprobe fuse'");
	g->proc = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	g->caller = pidfd_open(getpid(), 0);
	if (g->proc < 0 || g->caller < 0 || pipe2(g->report, O_CLOEXEC) || pipe2(g->go, O_CLOEXEC))
		return failure_errno(f, -errno, "starting the view");
	if (!is_real(g->proc))
		return failure_set(f, -EXDEV,
				   "/proc is not the kernel's but a view already, or the like");
	g->memory = mmap(NULL, sizeof(*g->memory), PROT_READ | PROT_WRITE,
			 // cppcheck-suppress invalidFunctionArg
			 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (g->memory == MAP_FAILED || shape_new(g->proc, &g->shape))
		return failure_errno(f, -ENOMEM, "starting the view");
	return 0;
}

static void close_all(struct guard *g)
{
	const int fds[] = {g->fuse,	 g->proc,  g->caller, g->report[0],
			   g->report[1], g->go[0], g->go[1]};

	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		if (fds[i] >= 0)
			close(fds[i]);
	if (g->memory && g->memory != MAP_FAILED)
		munmap(g->memory, sizeof(*g->memory));
	shape_free(g->shape);
}

/* In a chroot / need not be a mount; /proc is one, and all that we mount is on it. */
static int keep_mounts_here(void)
{
	if (!mount("", "/", NULL, MS_REC | MS_SLAVE, NULL))
		return 0;
	return errno == EINVAL ? mount("", "/proc", NULL, MS_REC | MS_SLAVE, NULL) : -1;
}

static int make(const char *target, bool private, const struct teller_config *teller,
		struct failure *f)
{
	_cleanup_(close_all) struct guard g = {.target = target,
					       .private = private,
					       .teller = teller,
					       .fuse = -1,
					       .proc = -1,
					       .caller = -1,
					       .report = {-1, -1},
					       .go = {-1, -1}};
	int err = open_all(&g, f);

	if (!err)
		err = start_guard(&g, f);
	if (!err)
		err = await_server(&g, f);
	if (err)
		return err;
	if (private && (unshare(CLONE_NEWNS) || keep_mounts_here()))
		return failure_errno(f, -errno, "a mount namespace of its own; needs root");
	return mount_over(&g, f);
}

int guard_enter(const struct teller_config *teller, struct failure *f)
{
	return make("/proc", true, teller, f);
}

int guard_mount(const char *directory, const struct teller_config *teller, struct failure *f)
{
	_cleanup_(free_ptr) char *path = realpath(directory, NULL);

	if (!path)
		return failure_errno(f, -errno, "directory %s", directory);
	if (strlen(path) > PATH_MAX - 300)
		return failure_errno(f, -ENAMETOOLONG, "directory %s", directory);
	return make(path, false, teller, f);
}
