/* SPDX-License-Identifier: MIT */
/*
 * The server of a view: answers what the kernel asks on a FUSE descriptor, one request at a time.
 * It must not run where the view covers /proc.
 *
 * A server that dies leaves open files behind that only the descriptor's holder can serve. Another
 * server may take over with the same descriptor and memory: it shows what the kernel says, as it
 * is.
 */
#ifndef VIEW_SERVE_H
#define VIEW_SERVE_H

#include "base/failure.h"
#include "view/shape.h"
#include "view/teller.h"

#include <stdatomic.h>
#include <stdbool.h>

/* In memory that outlives the server. Begins with zeros. */
struct serve_memory {
	atomic_bool working;  /* a request was taken and not answered */
	atomic_size_t opened; /* bytes of `opening`, 0 before it has come */
	char opening[256];    /* the kernel's first request */
};

struct serve;

/* Prepares a server; `shape` and `memory` outlive it. `teller` NULL: figures are not corrected. */
int serve_new(int fuse, struct shape *shape, const struct asked *teller,
	      struct serve_memory *memory, struct failure *f, struct serve **ret);

/* Serves until the view is unmounted: returns 0 then. Closes `fuse`. */
int serve_run(struct serve *s, bool take_over);
struct serve *serve_free(struct serve *s);

#endif
