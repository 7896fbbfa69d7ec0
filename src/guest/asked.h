/* SPDX-License-Identifier: MIT */
/*
 * Whose figures a command line asks for: those of the vmdesched at a socket, or those of an agent
 * of the command's own, with a source and a page. What is named is used or refused; only where
 * nothing is named do programs choose.
 */
#ifndef GUEST_ASKED_H
#define GUEST_ASKED_H

#include "base/failure.h"

/* Each NULL where it isn't named; source "auto" doesn't name one. */
struct asked {
	const char *source; /* as in struct agent_config */
	const char *page;   /* as in struct source_config */
	const char *socket; /* vmdesched's */
};

enum asked_whose { ASKED_ANY, ASKED_VMDESCHED, ASKED_OWN };

/* -EINVAL for a command line that names both. */
int asked_whose(const struct asked *asked, struct failure *f, enum asked_whose *ret);

/* The source's name, NULL for the best that works here: a page is for source `page`. -EINVAL for a
 * page and a source that has none. */
int asked_source(const char *source, const char *page, struct failure *f, const char **ret);

/* Where vmdesched answers. */
const char *asked_socket(const struct asked *asked);

#endif
