/* SPDX-License-Identifier: MIT */
#include "host/page_file.h"

#include "base/cleanup.h"
#include "base/units.h"
#include "host/finder.h"
#include "host/open_file.h"
#include "host/page_plugged.h"

#include <desched/page.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#define FILES_MAX 1024
#define CHUNK	  (64 * KIB)

/* What is mapped; from and to are 0 where nothing is. The handler reads it, and sets `cut`. */
static struct {
	volatile uintptr_t from, to;
	volatile sig_atomic_t cut;
	bool unlocked;
	int fd;
	dev_t dev;
	ino_t ino;
} mapped[FILES_MAX];

/* Pages given up so far: each may have been one that another VM has, too. */
static uint64_t closed;

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
		if (ours != MAP_FAILED) {
			mapped[i].cut = 1;
			return;
		}
	}
	signal(number, SIG_DFL);
}

static int remember(const struct page_file *p, const struct stat *st)
{
	struct sigaction a = {.sa_sigaction = on_bus, .sa_flags = SA_SIGINFO};

	for (size_t i = 0; i < FILES_MAX; i++) {
		if (mapped[i].from)
			continue;
		mapped[i].cut = 0;
		mapped[i].unlocked = false;
		mapped[i].fd = p->fd;
		mapped[i].dev = st->st_dev;
		mapped[i].ino = st->st_ino;
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

/* ---- judging a file ---- */

/* Why a file is left alone, as numbers that no system call gives. */
enum { NOT_EMPTY = 1000, TOO_LARGE, SHARED };

/*
 * True for the header of a page whose writer ended while it laid one out: `magic` is 0, and each of
 * the other words is an earlier page's, this version's, or not written yet.
 */
static bool is_begun(const struct page_header *h)
{
	bool whole = h->header_size == sizeof(*h) && h->abi_major == PAGE_ABI_MAJOR;

	return !h->magic && (whole || (!h->header_size && !h->abi_major)) &&
	       (!h->host_offset || h->host_offset == sizeof(*h)) &&
	       (!h->host_size || h->host_size == sizeof(struct page_host)) &&
	       (!h->vcpu_size || h->vcpu_size == sizeof(struct page_vcpu)) &&
	       (!h->gap_size || h->gap_size == sizeof(struct page_gap)) &&
	       (whole || (!h->size && !h->session && !h->vcpus && !h->vcpu_offset));
}

static bool is_zero(const uint8_t *bytes, size_t n)
{
	return !n || (!bytes[0] && !memcmp(bytes, bytes + 1, n - 1));
}

static int check_empty(int fd, size_t size)
{
	_cleanup_(free_ptr) uint8_t *bytes = malloc(CHUNK);

	if (!bytes)
		return -ENOMEM;
	for (size_t at = 0; at < size;) {
		ssize_t n = pread(fd, bytes, CHUNK, (off_t)at);

		if (n < 0)
			return -errno;
		if (n == 0)
			return 0; /* cut short meanwhile */
		if (!is_zero(bytes, (size_t)n))
			return -NOT_EMPTY;
		at += (size_t)n;
	}
	return 0;
}

static bool is_called_ours(const struct page_device *d)
{
	return strstr(d->file, "desched") || strstr(d->name, "desched");
}

static int check_content(int fd, size_t size, const struct page_device *d)
{
	struct page_header h = {.magic = 0};

	if (pread(fd, &h, sizeof(h), 0) != sizeof(h))
		return -EINVAL;
	if (h.magic == PAGE_MAGIC)
		return 0;
	if (!is_zero((const uint8_t *)&h, sizeof(h)))
		return is_begun(&h) ? 0 : -NOT_EMPTY;
	if (size > PAGE_EMPTY_MAX && !is_called_ours(d))
		return -TOO_LARGE;
	return check_empty(fd, size);
}

/* A lock of ours, on the second byte; the VM has one on the first. It is the process's, so that one
 * that is taken along with a descriptor is no trouble. */
static int lock(int fd)
{
	struct flock l = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 1, .l_len = 1};

	return fcntl(fd, F_SETLK, &l) ? (errno == EAGAIN || errno == EACCES ? -EBUSY : -errno) : 0;
}

/* Closing any descriptor of a file gives up the process's lock on it, also when another VM's page
 * is that file: it is taken again at once, and somebody else who was faster has the page. */
static bool is_others(const struct stat *st, int *fd)
{
	for (size_t i = 0; i < FILES_MAX; i++) {
		if (!mapped[i].from || mapped[i].dev != st->st_dev || mapped[i].ino != st->st_ino)
			continue;
		close(*fd);
		*fd = -1;
		mapped[i].unlocked = lock(mapped[i].fd);
		return true;
	}
	return false;
}

/* ---- mapping it ---- */

static int map(struct page_file *p, const struct stat *st)
{
	int err;

	p->base = mmap(NULL, p->size, PROT_READ | PROT_WRITE, MAP_SHARED, p->fd, 0);
	if (p->base == MAP_FAILED)
		return -errno;
	err = remember(p, st);
	if (err)
		munmap(p->base, p->size);
	return err;
}

static int judge_and_map(const struct page_device *d, size_t need, size_t want, struct page_file *p)
{
	struct stat st;
	int err;

	if (fstat(p->fd, &st))
		return -errno;
	if (is_others(&st, &p->fd))
		return -SHARED;
	if ((uint64_t)st.st_size < need)
		return -EINVAL;
	err = check_content(p->fd, (size_t)st.st_size, d);
	if (!err)
		err = lock(p->fd);
	if (err)
		return err;
	for (p->size = want; p->size > (size_t)st.st_size;)
		p->size /= 2;
	return map(p, &st);
}

static int open_device(pid_t pid, const struct page_device *d, size_t need, size_t want,
		       struct page_file *ret)
{
	struct page_file p = {.fd = -1};
	int err = open_file_take(pid, d->file, &p.fd);

	if (!err)
		err = judge_and_map(d, need, want, &p);
	if (err)
		close_fd(&p.fd);
	else
		*ret = p;
	return err;
}

/* ---- the VM's files ---- */

static void explain(int err, size_t need, char *ret, size_t size)
{
	static const struct {
		int err;
		const char *why;
	} rows[] = {
		{-ENOENT, "its process has no such file open; a symbolic link is not followed"},
		{-ENOTUNIQ, "its process has several files of that name open"},
		{-EMEDIUMTYPE, "it is on no file system of memory or a disk here; use /dev/shm"},
		{-EBADF, "its process may not write it, and it is not its user's"},
		{-EBUSY, "another process publishes there"},
		{-ESTALE, "its process has replaced it"},
		{-NOT_EMPTY, "it holds something else than a page"},
		{-SHARED, "another VM has it, too"},
	};

	snprintf(ret, size, "%s", err > -1000 ? strerror(-err) : "");
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		if (rows[i].err == err)
			snprintf(ret, size, "%s", rows[i].why);
	}
	if (err == -EINVAL)
		snprintf(ret, size, "it is no file of at least %zu bytes", need);
	if (err == -TOO_LARGE)
		snprintf(ret, size,
			 "it is empty, but of more than %llu MiB; if it is for a page, call it or "
			 "its device desched",
			 PAGE_EMPTY_MAX / MIB);
}

/* What its owner may put right while the VM runs. */
static bool may_change(int err)
{
	return err == -EBUSY || err == -NOT_EMPTY || err == -EINVAL || err == -ESTALE;
}

static bool try_device(pid_t pid, const struct page_device *d, size_t need, size_t want,
		       struct page_choice *c, struct page_file *ret)
{
	struct page_verdict *v = &c->verdicts[c->n++];
	int err;

	strcpy(v->device, d->name);
	host_printable(d->file, v->file, sizeof(v->file));
	snprintf(v->why, sizeof(v->why), "%s", d->why);
	if (v->why[0])
		return false;
	err = open_device(pid, d, need, want, ret);
	if (err)
		explain(err, need, v->why, sizeof(v->why));
	c->again |= may_change(err);
	c->shared |= err == -SHARED;
	c->closed = closed;
	return !err;
}

static const char left_over[] = "the VM has a page already";

int page_file_open(const struct host_vm *vm, size_t need, size_t want,
		   struct page_choice *ret_choice, struct page_file *ret)
{
	_cleanup_(words_done) struct words words = {.text = NULL};
	_cleanup_(free_ptr) struct page_device *devices = NULL;
	int n, err = words_read(vm->pid, &words);
	struct page_choice c = {.n = 0};
	bool taken = false;

	if (err)
		return err;
	n = page_devices(&words, &devices, &c.more);
	if (n < 0)
		return n;
	for (int i = 0; i < n; i++) {
		if (taken && !devices[i].why[0])
			strcpy(devices[i].why, left_over);
		taken |= try_device(vm->pid, &devices[i], need, want, &c, ret);
	}
	if (!taken)
		taken = !page_file_plugged(vm, need, want, &c, ret);
	*ret_choice = c;
	return taken ? 0 : -ENOENT;
}

/* A look takes a descriptor, which gives up the lock on the page for an instant (is_others()): so
 * only when one was closed since. */
bool page_choice_again(const struct page_choice *c)
{
	return c->again || (c->shared && c->closed != closed);
}

/* A verdict is said once. */
static bool is_judged(const struct page_choice *c, const struct page_device *d)
{
	char shown[sizeof(c->verdicts[0].file)];

	host_printable(d->file, shown, sizeof(shown));
	for (unsigned i = 0; i < c->n; i++) {
		if (!strcmp(c->verdicts[i].file, shown))
			return true;
	}
	return false;
}

int page_file_plugged(const struct host_vm *vm, size_t need, size_t want, struct page_choice *c,
		      struct page_file *ret)
{
	_cleanup_(free_ptr) struct page_device *devices = malloc(PAGE_PLUGGED_MAX *
								 sizeof(*devices));
	int n = devices ? page_plugged(vm->pid, devices) : -ENOMEM;

	for (int i = 0; i < n && c->n < PAGE_DEVICES_MAX; i++) {
		if (!is_judged(c, &devices[i]) &&
		    try_device(vm->pid, &devices[i], need, want, c, ret))
			return 0;
	}
	return n < 0 ? n : -ENOENT;
}

/* Cut short and made longer again, for instance. */
static bool is_emptied(const struct page_file *p)
{
	return !*(const volatile uint64_t *)p->base;
}

bool page_file_again(const struct page_file *p)
{
	if (is_emptied(p))
		return true;
	for (size_t i = 0; i < FILES_MAX; i++) {
		if (mapped[i].from == (uintptr_t)p->base)
			return mapped[i].cut || mapped[i].unlocked;
	}
	return false;
}

const char *page_file_lost(const struct page_file *p)
{
	/* This may find out that it was cut. */
	bool whole = *(const volatile uint64_t *)p->base == PAGE_MAGIC;

	for (size_t i = 0; i < FILES_MAX; i++) {
		if (mapped[i].from != (uintptr_t)p->base)
			continue;
		if (mapped[i].cut)
			return "it was cut short";
		if (mapped[i].unlocked)
			return "another process publishes there";
	}
	if (whole)
		return NULL;
	return is_emptied(p) ? "it was emptied" : "something else was written over it";
}

void page_file_close(struct page_file *p)
{
	if (!p->base)
		return;
	forget(p);
	munmap(p->base, p->size);
	close(p->fd);
	p->base = NULL;
	closed++;
}
