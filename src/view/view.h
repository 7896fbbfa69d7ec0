/* SPDX-License-Identifier: MIT */
/* What is behind the files of a view: texts from the real /proc, figures, their correction. */
#ifndef VIEW_VIEW_H
#define VIEW_VIEW_H

#include "view/caller.h"
#include "view/figures.h"
#include "view/shape.h"
#include "view/teller.h"

struct view {
	struct shape *shape;
	struct teller *teller; /* NULL: figures are not corrected */
	struct figures *figures;
	uint64_t fetched;     /* how often figures were */
	uint64_t fresh_until; /* ns: no need to fetch them again before */
	uint64_t old_at;      /* ns: need to fetch them again, whatever is read */
	uint64_t system_read; /* `fetched` when a file of the machine was read last */
	char *buffer;	      /* a text of the real /proc */
	size_t buffer_size;
};

/* The text of a corrected file as the caller may see it, malloc'ed; its size, or -errno. */
ssize_t view_text(struct view *view, const struct node *node, const struct caller *caller,
		  char **ret);

/* The text of a symbolic link. */
int view_link(struct view *view, const struct node *node, const struct caller *caller, char *ret,
	      size_t size);

#endif
