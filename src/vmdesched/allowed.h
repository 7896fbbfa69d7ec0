/* SPDX-License-Identifier: MIT */
/* What vmdesched keeps of its privileges while it runs (service/confine.h). */
#ifndef VMDESCHED_ALLOWED_H
#define VMDESCHED_ALLOWED_H

#include "service/confine.h"

#include <stdbool.h>

/* `set_clock` keeps CAP_SYS_TIME, and nothing else is ever kept. */
void allowed_daemon(bool set_clock, struct confine *ret);

/* The same for a process that does no more than backlog_run(). */
void allowed_backlog(bool set_clock, struct confine *ret);

#endif
