/* SPDX-License-Identifier: MIT */
/* What a group of checks is made of: rows, and functions that look. */
#ifndef DOCTOR_CHECKS_H
#define DOCTOR_CHECKS_H

#include "base/units.h"
#include "doctor/doctor.h"
#include "doctor/facts.h"

struct check_group {
	const char *name;
	const struct check *rows;
	size_t n;
};

extern const struct check_group checks_tools, checks_kernel, checks_cpu, checks_memory, checks_disk,
	checks_net, checks_clone, checks_time;

#define PRINTS __attribute__((format(printf, 2, 3)))

/* Write what was found, and return the verdict of that name. */
enum verdict good(struct exam *e, const char *format, ...) PRINTS;
enum verdict bad(struct exam *e, const char *format, ...) PRINTS;
enum verdict cannot_tell(struct exam *e, const char *format, ...) PRINTS;
enum verdict not_here(struct exam *e, const char *format, ...) PRINTS;
enum verdict judge(struct exam *e, bool ok, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* Adds an item to a list of what was found, behind a comma. */
void add_found(struct exam *e, const char *format, ...) PRINTS;

/* ---- functions that serve many rows ---- */

/* The file `where` holds a number, called `what`, which should lie within [min, max]. */
enum verdict look_number(struct exam *e);

/* The kernel's command line should have none of the words of `what`, which are separated by blanks
 * and match as prefixes where they end in '='. */
enum verdict look_parameters(struct exam *e);

/* x86 only: the CPU should have all the flags of `what`. */
enum verdict look_flags(struct exam *e);

#endif
