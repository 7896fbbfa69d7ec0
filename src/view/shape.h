/* SPDX-License-Identifier: MIT */
/*
 * The shape of the view, beside the real /proc (the mount at `.real` in its root):
 *
 *     PID, PID/task, PID/task/TID   directories, as they are there
 *     stat, sched, schedstat        files with corrected text: the rows of corrected_files.c
 *     self, thread-self, and the
 *     links of a process (exe ...)  symbolic links with the text that the caller would see there
 *     .counters                     what the view did, and what it could not
 *     other directories of the root places on which the real ones are mounted
 *     all else                      a symbolic link to it in .real
 *
 * Where nothing is mounted on .real, and on those places, what is in them are symbolic links to the
 * same in the reader's own /proc: so it is in a view on a directory, which has no places, and for
 * who has a directory of a view open that was unmounted.
 *
 * So whoever opens what is not corrected opens the real file, with his own rights. A node is told
 * apart by a number that holds all there is to know of it, and there is no table of nodes: a server
 * that takes over from a dead one knows what the kernel means.
 */
#ifndef VIEW_SHAPE_H
#define VIEW_SHAPE_H

#include "view/corrected_files.h"

#include <stddef.h>
#include <sys/stat.h>
#include <sys/types.h>

#define SHAPE_ROOT     1 /* the number of the root */
#define SHAPE_REAL     ".real"
#define SHAPE_COUNTERS ".counters"
#define SHAPE_PATH     512

enum node_kind {
	NODE_ROOT,
	NODE_PROCESS, /* PID */
	NODE_TASKS,   /* PID/task */
	NODE_THREAD,  /* PID/task/TID */
	NODE_REAL,    /* where the real /proc is mounted */
	NODE_SELF,
	NODE_THREAD_SELF,
	NODE_COUNTERS, /* a file of the view's own */
	NODE_PLACE,    /* where a directory of the real root is mounted */
	NODE_FILE,     /* `name` is its row */
	NODE_LINK,     /* has the text of the real link */
	NODE_REDIRECT, /* leads into .real */
	NODE_OUTSIDE,  /* in .real or a place: leads to the reader's own /proc */
};

struct node {
	enum node_kind kind;
	unsigned name; /* for the last five */
	pid_t pid;     /* 0: in the root. NODE_OUTSIDE: that is its name, 0: by `name` */
	pid_t tid;     /* 0: of the process. NODE_OUTSIDE: 1 and the name of its place */
};

/* NULL for a node that is no corrected file. */
const struct corrected_file *shape_file(const struct node *node);

struct shape;

/* `proc` is a directory descriptor of the real /proc, and stays the caller's. Without `places` its
 * directories are symbolic links as all else. */
int shape_new(int proc, bool places, struct shape **ret);
struct shape *shape_free(struct shape *t);
int shape_proc(const struct shape *t);

/* Calls fn with the name of every NODE_PLACE; a non-zero result ends that and is returned. */
int shape_each_place(const struct shape *t, int (*fn)(const char *name, void *data), void *data);

uint64_t node_pack(const struct node *node);
int node_unpack(uint64_t number, struct node *ret); /* -ESTALE for no number of ours */

/* Where the node's like is, relative to the real /proc. */
int shape_path(const struct shape *t, const struct node *node, char *ret, size_t size);

/* The text of a NODE_REDIRECT or NODE_OUTSIDE. */
int shape_redirect(const struct shape *t, const struct node *node, char *ret, size_t size);

/* An entry of a directory, and its attributes. -ENOENT, or what the real /proc says. */
int shape_lookup(struct shape *t, const struct node *parent, const char *name, struct node *ret,
		 struct stat *ret_st);
int shape_stat(const struct shape *t, const struct node *node, struct stat *ret);

#endif
