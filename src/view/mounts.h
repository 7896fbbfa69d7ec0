/* SPDX-License-Identifier: MIT */
/*
 * The mounts of a view: made apart from every namespace, attached as a whole, taken away without
 * harm to any other.
 *
 * A view has a *label*, a random word that the mount table shows as the source of each of its
 * mounts and of no other, wherever they were copied or moved to. What is to be unmounted is looked
 * up by label, opened, and held to its mount id; the kernel then looks for a mount to take away
 * from the root of that one upwards, so that what lies below it, as the real /proc does, cannot be
 * hit.
 *
 * Nobody holds a descriptor of a mount, nor of the directory below it: that would make umount(8)
 * say "busy", for the view, which ends when it is unmounted, or for the file system around it.
 */
#ifndef VIEW_MOUNTS_H
#define VIEW_MOUNTS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define MOUNTS_TYPE "fuse.desched"

struct mounts_label {
	char text[32];
};

/* A line of /proc/PID/mountinfo; the strings point into the text that was parsed. */
struct mounts_line {
	unsigned long id;
	char *place; /* where it is mounted */
	bool shared; /* what is mounted on it appears in other namespaces */
	const char *type, *source;
};

/* Changes the text. -EBADMSG for what is no line of that file. */
int mounts_parse(char *text, struct mounts_line *ret);

/* Calls fn for every line of PID/mountinfo (pid 0: of this process) below the directory `proc`; a
 * non-zero result ends that and is returned. */
int mounts_each(int proc, pid_t pid, int (*fn)(const struct mounts_line *, void *), void *data);

/* The mount that a descriptor is on, without asking its file system. */
int mounts_id(int fd, unsigned long *ret);

/* By which namespace a process (0: this one) finds its files. */
int mounts_namespace(int proc, pid_t pid, ino_t *ret);

int mounts_label_new(struct mounts_label *ret);

/* A mount of what is served on the descriptor of /dev/fuse, in no namespace yet: when the
 * descriptor is closed before it is attached, it is gone. */
int mounts_new(int fuse, const struct mounts_label *label, int *ret);

/* Puts a mount that is in no namespace onto a directory. */
int mounts_attach(int mount, int directory, const char *name);

/* A copy of the mount of a directory and of all below, in no namespace. */
int mounts_copy(int directory, const char *name, int *ret);

/* Takes the mount away that the descriptor is on. `proc`: the real /proc. */
int mounts_detach(int proc, int mount);

/* A directory on which a view was mounted: what is to be there when it has been taken away. */
struct mounts_home {
	const char *path; /* its name in `space`; NULL: nothing is to be mounted */
	ino_t space;
	struct mounts_place {
		unsigned long mount;
		dev_t device;
		ino_t inode;
	} place; /* which tells it from another of that name */
};

/* What the descriptor is on, without asking its file system where it need not. */
int mounts_place(int fd, struct mounts_place *ret);

/* Takes away every mount with the label in every namespace that a process lives in, each by a
 * process of its own that ends after seconds whatever happens. Where one of them was the home's,
 * the real /proc is mounted. Waits for none of them; returns the number of namespaces that have
 * such a mount. */
int mounts_sweep(int proc, const struct mounts_label *label, const struct mounts_home *home);

#endif
