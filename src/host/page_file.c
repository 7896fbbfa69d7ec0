/* SPDX-License-Identifier: MIT */
#include "host/page_file.h"

#include "base/cleanup.h"
#include "base/proc.h"
#include "base/units.h"

#include <desched/page.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#define COMMAND_MAX (64 * KIB)
#define FILES_MAX   1024

/* For the handler: what is mapped, 0 where nothing is. */
static struct {
	volatile uintptr_t from, to;
} mapped[FILES_MAX];

/* A file was cut short under us: memory of our own from now on, so that nobody ends us. */
static void on_bus(int number, siginfo_t *info, void *context)
{
	uintptr_t at = (uintptr_t)info->si_addr;

	(void)context;
	for (size_t i = 0; i < FILES_MAX; i++) {
		uintptr_t from = mapped[i].from, size = mapped[i].to - from;
		void *ours = MAP_FAILED;

		if (at - from < size)
			ours = mmap((void *)from, size, PROT_READ | PROT_WRITE,
				    MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (ours != MAP_FAILED)
			return;
	}
	signal(number, SIG_DFL);
}

static int remember(const struct page_file *p)
{
	struct sigaction a = {.sa_sigaction = on_bus, .sa_flags = SA_SIGINFO};

	for (size_t i = 0; i < FILES_MAX; i++) {
		if (mapped[i].from)
			continue;
		mapped[i].to = (uintptr_t)p->base + p->size;
		mapped[i].from = (uintptr_t)p->base;
		return sigaction(SIGBUS, &a, NULL) ? -errno : 0;
	}
	return -ENOSPC;
}

static void forget(const struct page_file *p)
{
	for (size_t i = 0; i < FILES_MAX; i++) {
		if (mapped[i].from == (uintptr_t)p->base)
			mapped[i].from = mapped[i].to = 0;
	}
}

const char *page_file_option(const char *words, size_t size)
{
	static const char option[] = "--page=";
	const size_t n = sizeof(option) - 1;
	size_t at = size ? strlen(words) + 1 : 0;

	if (at >= size || strcmp(words + at, "vm") != 0)
		return NULL;
	for (at += 3; at < size; at += strlen(words + at) + 1) {
		const char *w = words + at, *next = w + strlen(w) + 1;

		if (!strncmp(w, option, n))
			return w + n;
		if (!strncmp(w, option, n - 1) && !w[n - 1])
			return next < words + size ? next : NULL;
	}
	return NULL;
}

/* The file that stands behind --page, as we get to it. */
static int read_option(pid_t pid, char *ret, size_t size)
{
	_cleanup_(free_ptr) char *words = malloc(COMMAND_MAX);
	const char *file = NULL;
	char path[64];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/cmdline", pid);
	n = words ? file_read(path, words, COMMAND_MAX) : -ENOMEM;
	if (n > 0)
		file = page_file_option(words, (size_t)n);
	if (!file)
		return -ENOENT;
	snprintf(ret, size, "/proc/%d/%s/%s", pid, *file == '/' ? "root" : "cwd", file);
	return 0;
}

struct search {
	pid_t pid;
	struct stat file;
	int fd; /* in that process */
};

static int look_at(pid_t fd, void *data)
{
	struct search *s = data;
	struct stat st;
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/fd/%d", s->pid, fd);
	if (stat(path, &st) || st.st_dev != s->file.st_dev || st.st_ino != s->file.st_ino)
		return 0;
	s->fd = fd;
	return 1;
}

/* The descriptor itself: what is done with it is done with the right that its owner has. */
static int take(pid_t pid, int fd)
{
	_cleanup_(close_fd) int process = (int)syscall(SYS_pidfd_open, pid, 0);
	int got = process < 0 ? -1 : (int)syscall(SYS_pidfd_getfd, process, fd, 0);

	return got < 0 ? -errno : got;
}

/* A lock of ours, on the second byte; the VM has one on the first. */
static int lock(int fd)
{
	struct flock l = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 1, .l_len = 1};

	return fcntl(fd, F_SETLK, &l) ? (errno == EAGAIN || errno == EACCES ? -EBUSY : -errno) : 0;
}

static int check(const struct search *s, const struct page_file *p, size_t need)
{
	uint64_t magic = 0;
	struct stat st;

	if (fstat(p->fd, &st) || st.st_dev != s->file.st_dev || st.st_ino != s->file.st_ino)
		return -ESTALE;
	if (!S_ISREG(st.st_mode) || (uint64_t)st.st_size < need ||
	    pread(p->fd, &magic, sizeof(magic), 0) != sizeof(magic) ||
	    (magic && magic != PAGE_MAGIC))
		return -EINVAL;
	return lock(p->fd);
}

static int map(const struct search *s, size_t need, struct page_file *p)
{
	int err;

	p->fd = take(s->pid, s->fd);
	if (p->fd < 0)
		return p->fd;
	err = check(s, p, need);
	if (!err) {
		p->size = need;
		p->base = mmap(NULL, need, PROT_READ | PROT_WRITE, MAP_SHARED, p->fd, 0);
		err = p->base == MAP_FAILED ? (errno == EACCES ? -EBADF : -errno) : remember(p);
	}
	if (err) {
		if (p->base && p->base != MAP_FAILED)
			munmap(p->base, p->size);
		close_fd(&p->fd);
	}
	return err;
}

int page_file_open(const struct host_vm *vm, size_t need, struct failure *f, struct page_file *ret)
{
	struct search s = {.pid = vm->pid, .fd = -1};
	struct page_file p = {.fd = -1};
	char path[4200];
	int err = read_option(vm->pid, path, sizeof(path));

	if (err)
		return err;
	err = stat(path, &s.file) ? -errno : 0;
	if (!err) {
		snprintf(path, sizeof(path), "/proc/%d/fd", vm->pid);
		proc_each_id(path, look_at, &s);
		err = s.fd < 0 ? -EBADF : map(&s, need, &p);
	}
	if (err == -EINVAL)
		return failure_set(f, err, "VM %s: its page is none, or smaller than %zu bytes",
				   vm->name, need);
	if (err == -EBUSY)
		return failure_set(f, err, "VM %s: another process publishes its page", vm->name);
	if (err)
		return failure_errno(f, err, "VM %s: its page", vm->name);
	*ret = p;
	return 0;
}

void page_file_close(struct page_file *p)
{
	if (!p->base)
		return;
	forget(p);
	munmap(p->base, p->size);
	close_fd(&p->fd);
	p->base = NULL;
}
