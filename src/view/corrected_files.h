/* SPDX-License-Identifier: MIT */
/* The files of /proc whose text a view corrects, a row each, by the functions of rewrite.h. */
#ifndef VIEW_CORRECTED_FILES_H
#define VIEW_CORRECTED_FILES_H

#include "view/rewrite.h"

struct corrected_file {
	const char *name;
	/* One of the two: a file of the root, or of a process and its threads. */
	int (*system)(const char *text, const struct system_figures *figures,
		      struct system_shown *shown, FILE *out);
	int (*task)(const char *text, const struct task_figures *figures, struct task_shown *shown,
		    FILE *out);
};

extern const struct corrected_file corrected_files[];
extern const unsigned n_corrected_files;

#endif
