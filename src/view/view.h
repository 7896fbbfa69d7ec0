/* SPDX-License-Identifier: MIT */
/* What is behind the files of a view: texts from the real /proc, figures, their correction. */
#ifndef VIEW_VIEW_H
#define VIEW_VIEW_H

#include "view/caller.h"
#include "view/kept.h"
#include "view/shape.h"
#include "view/teller.h"

#define VIEW_READERS 16

/* Who reads, one file after the other. */
struct view_reader {
	pid_t pid;
	uint64_t began, last; /* ns: his present round; when he read last */
};

/* What was done, and what could not be. */
struct view_counters {
	uint64_t corrected;	  /* texts */
	uint64_t untold;	  /* that went on as the kernel's do: nobody told of the task */
	uint64_t uncorrected;	  /* that were shown as they are */
	uint64_t fetched, failed; /* figures */
};

struct view {
	struct view_counters counters;
	struct shape *shape;
	struct teller *teller; /* NULL: figures are not corrected */
	struct kept *kept;
	struct view_reader readers[VIEW_READERS]; /* the latest */
	uint64_t round;				  /* the latest, of all readers' */
	uint64_t system_read;			  /* in which a file of the machine was read last */
	uint64_t fresh_until;			  /* ns: no need to fetch figures again before */
	uint64_t credited;			  /* ns: until then `credit` has been given */
	int64_t credit;				  /* ns that fetching may take */
	char *buffer;				  /* a text of the real /proc */
	size_t buffer_size;
};

/* The text of a corrected file as the caller may see it, or that of the counters, malloc'ed; its
 * size, or -errno. */
ssize_t view_text(struct view *view, const struct node *node, const struct caller *caller,
		  char **ret);

/* The text of a symbolic link. */
int view_link(struct view *view, const struct node *node, const struct caller *caller, char *ret,
	      size_t size);

#endif
