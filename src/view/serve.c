/* SPDX-License-Identifier: MIT */
#define FUSE_USE_VERSION 312
#include "view/serve.h"

#include "base/cleanup.h"
#include "base/hash.h"
#include "base/units.h"
#include "view/view.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fuse_lowlevel.h>
#include <limits.h>
#include <linux/fuse.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

/* For how long the kernel may take a process for alive and its owner for the same. What is in a
 * process's directory does not change. */
#define CACHE_SECONDS	0.25
#define FOREVER_SECONDS 3600.0

/* An open file, once it has been read. */
struct handle {
	uint64_t number;
	char *text;
	size_t size;
	UT_hash_handle hh;
};

struct serve {
	struct view view;
	struct fuse_session *session;
	struct serve_memory *memory;
	struct handle *handles; /* by number */
	uint64_t next_handle;
	double cache; /* seconds */
	bool hidden;  /* /proc hides processes from some */
};

static struct caller caller_of(fuse_req_t req)
{
	const struct fuse_ctx *c = fuse_req_ctx(req);

	return (struct caller){c->pid, c->uid, c->gid};
}

/* Where /proc hides processes, names are looked up with the caller's rights. */
static bool assume_if_hidden(const struct serve *s, fuse_req_t req)
{
	struct caller caller = caller_of(req);

	return s->hidden && caller_assume(&caller);
}

static void fill_entry(const struct serve *s, const struct node *n, const struct stat *st,
		       struct fuse_entry_param *ret)
{
	bool mortal = n->kind == NODE_PROCESS || n->kind == NODE_THREAD;

	*ret = (struct fuse_entry_param){.ino = node_pack(n),
					 .attr = *st,
					 .attr_timeout = s->cache,
					 .entry_timeout = mortal || s->hidden ? s->cache
									      : FOREVER_SECONDS};
}

static void op_init(void *data, struct fuse_conn_info *conn)
{
	(void)data;
	/* Attributes come with every name: who lists processes looks at all of them. */
	conn->want &= ~(unsigned)FUSE_CAP_READDIRPLUS_AUTO;
}

static void op_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct serve *s = fuse_req_userdata(req);
	struct fuse_entry_param entry;
	struct node dir, n;
	struct stat st;
	int err = node_unpack(parent, &dir);
	bool assumed = assume_if_hidden(s, req);

	if (!err)
		err = shape_lookup(s->view.shape, &dir, name, &n, &st);
	caller_restore(assumed);
	if (err) {
		fuse_reply_err(req, -err);
		return;
	}
	fill_entry(s, &n, &st, &entry);
	fuse_reply_entry(req, &entry);
}

static void op_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct serve *s = fuse_req_userdata(req);
	struct node n;
	struct stat st;
	int err = node_unpack(ino, &n);
	bool assumed = assume_if_hidden(s, req);

	(void)fi;
	if (!err)
		err = shape_stat(s->view.shape, &n, &st);
	caller_restore(assumed);
	if (err)
		fuse_reply_err(req, -err);
	else
		fuse_reply_attr(req, &st, s->cache);
}

static void op_readlink(fuse_req_t req, fuse_ino_t ino)
{
	struct serve *s = fuse_req_userdata(req);
	struct caller caller = caller_of(req);
	char text[PATH_MAX];
	struct node n;
	int err = node_unpack(ino, &n);

	if (!err)
		err = view_link(&s->view, &n, &caller, text, sizeof(text));
	if (err)
		fuse_reply_err(req, -err);
	else
		fuse_reply_readlink(req, text);
}

/* ---- directories: each piece is read anew, from where the real directory says that it goes on */

struct real_entry {
	uint64_t ino;
	int64_t off;
	unsigned short length;
	unsigned char type;
	char name[];
};

struct listing {
	struct serve *server;
	fuse_req_t req;
	const struct node *dir;
	bool plus;
	char *out;
	size_t used, size;
};

static size_t add_name(struct listing *l, const struct real_entry *e,
		       const struct fuse_entry_param *entry)
{
	char *at = l->out + l->used;
	size_t left = l->size - l->used;

	if (l->plus)
		return fuse_add_direntry_plus(l->req, at, left, e->name, entry, e->off);
	return fuse_add_direntry(l->req, at, left, e->name, &entry->attr, e->off);
}

/* False when there is no room left. Attributes of all but processes and threads are left out. */
static bool list_entry(struct listing *l, const struct real_entry *e)
{
	struct fuse_entry_param entry = {0};
	struct node n;
	struct stat st;
	size_t size;

	if (!strcmp(e->name, ".") || !strcmp(e->name, "..")) {
		entry.attr.st_mode = S_IFDIR;
	} else if (shape_lookup(l->server->view.shape, l->dir, e->name, &n, &st)) {
		return true; /* gone by now */
	} else {
		fill_entry(l->server, &n, &st, &entry);
		if (!S_ISDIR(st.st_mode))
			entry.ino = 0;
	}
	entry.attr.st_ino = entry.attr.st_ino ? entry.attr.st_ino : 1;
	size = add_name(l, e, &entry);
	if (size > l->size - l->used)
		return false;
	l->used += size;
	return true;
}

static int list(struct listing *l, int fd, off_t offset)
{
	_Alignas(8) char in[16 * 1024];

	if (lseek(fd, offset, SEEK_SET) < 0)
		return -errno;
	for (;;) {
		long n = syscall(SYS_getdents64, fd, in, sizeof(in));

		if (n <= 0)
			return n < 0 ? -errno : 0;
		for (long at = 0; at < n;) {
			const struct real_entry *e = (const struct real_entry *)(in + at);

			if (!list_entry(l, e))
				return 0;
			at += e->length;
		}
	}
}

static void read_directory(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset, bool plus)
{
	struct serve *s = fuse_req_userdata(req);
	bool assumed = assume_if_hidden(s, req);
	_cleanup_(free_ptr) char *out = malloc(size);
	_cleanup_(close_fd) int fd = -1;
	struct listing l = {.server = s, .req = req, .plus = plus, .out = out, .size = size};
	char path[SHAPE_PATH];
	struct node n;
	int err = node_unpack(ino, &n);

	l.dir = &n;
	if (!err)
		err = shape_path(s->view.shape, &n, path, sizeof(path));
	if (!err) {
		fd = openat(shape_proc(s->view.shape), path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		err = fd < 0 ? -errno : !out ? -ENOMEM : list(&l, fd, offset);
	}
	caller_restore(assumed);
	if (err)
		fuse_reply_err(req, -err);
	else
		fuse_reply_buf(req, out, l.used);
}

static void op_readdir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset,
		       struct fuse_file_info *fi)
{
	(void)fi;
	read_directory(req, ino, size, offset, false);
}

static void op_readdirplus(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset,
			   struct fuse_file_info *fi)
{
	(void)fi;
	read_directory(req, ino, size, offset, true);
}

/* ---- corrected files: made when they are read from their beginning ---- */

static void op_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct serve *s = fuse_req_userdata(req);

	(void)ino;
	fi->fh = ++s->next_handle;
	fi->direct_io = 1; /* no size is known beforehand, and no two readings are the same */
	fi->noflush = 1;
	fuse_reply_open(req, fi);
}

static struct handle *handle_of(struct serve *s, uint64_t number)
{
	struct handle *h;

	HASH_FIND(hh, s->handles, &number, sizeof(number), h);
	if (h)
		return h;
	h = calloc(1, sizeof(*h));
	if (!h)
		return NULL;
	h->number = number;
	HASH_ADD(hh, s->handles, number, sizeof(h->number), h);
	if (h->hh.tbl)
		return h;
	free(h);
	return NULL;
}

static void drop(struct serve *s, struct handle *h)
{
	HASH_DEL(s->handles, h);
	free(h->text);
	free(h);
}

static int fill_handle(struct serve *s, struct handle *h, const struct node *n,
		       const struct caller *caller)
{
	char *text;
	ssize_t size = view_text(&s->view, n, caller, &text);

	if (size < 0)
		return (int)size;
	free(h->text);
	h->text = text;
	h->size = (size_t)size;
	return 0;
}

static void op_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset,
		    struct fuse_file_info *fi)
{
	struct serve *s = fuse_req_userdata(req);
	struct handle *h = handle_of(s, fi->fh);
	struct caller caller = caller_of(req);
	size_t at = (size_t)offset;
	struct node n;
	int err = node_unpack(ino, &n);

	if (!err && !h)
		err = -ENOMEM;
	if (!err && (!offset || !h->text))
		err = fill_handle(s, h, &n, &caller);
	if (err) {
		fuse_reply_err(req, -err);
		return;
	}
	at = at < h->size ? at : h->size;
	fuse_reply_buf(req, h->text + at, u64_min(size, h->size - at));
}

static void op_release(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct serve *s = fuse_req_userdata(req);
	uint64_t number = fi->fh;
	struct handle *h;

	(void)ino;
	HASH_FIND(hh, s->handles, &number, sizeof(number), h);
	if (h)
		drop(s, h);
	fuse_reply_err(req, 0);
}

static const struct fuse_lowlevel_ops operations = {
	.init = op_init,
	.lookup = op_lookup,
	.getattr = op_getattr,
	.readlink = op_readlink,
	.readdir = op_readdir,
	.readdirplus = op_readdirplus,
	.open = op_open,
	.read = op_read,
	.release = op_release,
};

/* ---- the server ---- */

/* hidepid= in the options of the real /proc. */
static bool hides_processes(void)
{
	_cleanup_(close_file) FILE *f = fopen("/proc/self/mounts", "re");
	char line[4096];
	bool hides = false;

	while (f && fgets(line, sizeof(line), f))
		if (strstr(line, " /proc proc "))
			hides = strstr(line, "hidepid=") != NULL;
	return hides;
}

static int open_session(struct serve *s, int fuse, struct failure *f)
{
	char *argv[] = {"desched", NULL}, place[32];
	struct fuse_args args = FUSE_ARGS_INIT(1, argv);

	snprintf(place, sizeof(place), "/dev/fd/%d", fuse);
	s->session = fuse_session_new(&args, &operations, sizeof(operations), s);
	fuse_opt_free_args(&args);
	if (!s->session || fuse_session_mount(s->session, place))
		return failure_set(f, -EIO, "libfuse does not take the descriptor of /dev/fuse");
	return 0;
}

int serve_new(int fuse, struct shape *shape, const struct asked *teller,
	      struct serve_memory *memory, struct failure *f, struct serve **ret)
{
	struct serve *s = calloc(1, sizeof(*s));
	int err;

	if (!s)
		return failure_errno(f, -ENOMEM, "view");
	s->memory = memory;
	s->view.shape = shape;
	s->hidden = hides_processes();
	s->cache = s->hidden ? 0 : CACHE_SECONDS;
	s->next_handle = (uint64_t)getpid() << 32; /* not those of a server before this one */
	s->view.kept = kept_new();
	err = s->view.kept ? 0 : failure_errno(f, -ENOMEM, "view");
	if (!err && (err = caller_begin()))
		failure_errno(f, err, "the rights of this process; a view needs root");
	if (!err)
		err = open_session(s, fuse, f);
	if (!err && teller)
		err = teller_open(teller, f, &s->view.teller);
	if (err) {
		serve_free(s);
		return err;
	}
	*ret = s;
	return 0;
}

/* libfuse wants to hear the kernel's first request; the answer to it goes to nobody. */
static void repeat_opening(struct serve *s)
{
	struct serve_memory *m = s->memory;
	struct fuse_buf buf = {.mem = m->opening, .size = atomic_load(&m->opened)};

	((struct fuse_in_header *)m->opening)->unique = UINT64_C(1) << 62;
	fuse_session_process_buf(s->session, &buf);
}

static void remember_opening(struct serve_memory *m, const struct fuse_buf *buf)
{
	size_t size = u64_min(buf->size, sizeof(m->opening));

	memcpy(m->opening, buf->mem, size);
	atomic_store(&m->opened, size);
}

int serve_run(struct serve *s, bool take_over)
{
	struct serve_memory *m = s->memory;
	struct fuse_buf buf = {.mem = NULL};
	int n = 0;

	if (take_over)
		repeat_opening(s);
	while (!fuse_session_exited(s->session)) {
		n = fuse_session_receive_buf(s->session, &buf);
		if (n == -EINTR || n == -EAGAIN)
			continue;
		if (n <= 0)
			break;
		atomic_store(&m->working, true);
		if (!atomic_load(&m->opened))
			remember_opening(m, &buf);
		fuse_session_process_buf(s->session, &buf);
		atomic_store(&m->working, false);
	}
	free(buf.mem);
	return n < 0 ? n : 0;
}

struct serve *serve_free(struct serve *s)
{
	struct handle *h, *next;

	if (!s)
		return NULL;
	HASH_ITER (hh, s->handles, h, next)
		drop(s, h);
	teller_close(s->view.teller);
	kept_free(s->view.kept);
	free(s->view.buffer);
	if (s->session)
		fuse_session_destroy(s->session);
	free(s);
	return NULL;
}
