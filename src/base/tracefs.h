/* SPDX-License-Identifier: MIT */
/* The kernel's tracepoints as tracefs describes them, whether it is mounted or not. */
#ifndef BASE_TRACEFS_H
#define BASE_TRACEFS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A tracefs that is mounted nowhere: it ends with its descriptor, which is the caller's. -errno. */
int tracefs_open(void);

/* The format of an event such as "kvm/kvm_exit", cut at size - 1. 0, or -errno: -ENOENT where the
 * kernel doesn't have it. */
int tracefs_format(int dir, const char *event, char *ret, size_t size);

/* The event's number, by its format. */
bool tracefs_id(const char *format, uint32_t *ret);

/* Where a field such as "pid_t prev_pid" is in the event's record. */
bool tracefs_field(const char *format, const char *field, uint32_t *ret_offset);

#endif
