/* SPDX-License-Identifier: MIT */
/*
 * When jobs start. A day is 1440 minutes; days of the week and of the month are left out: two jobs
 * of the same minute on different days count as coinciding.
 */
#ifndef DOCTOR_SCHEDULE_H
#define DOCTOR_SCHEDULE_H

#include <stdbool.h>

#define DAY_MINUTES 1440

/* The minutes at which a line of a crontab starts its job. Returns how many, 0 for a line that is
 * no job (a comment, a variable, @reboot), -EBADMSG for what cron would not understand. */
int schedule_cron(const char *line, bool ret_starts[DAY_MINUTES]);

/* Whether a systemd timer's text has a time of day and nothing that spreads it: neither
 * RandomizedDelaySec= nor an AccuracySec= of ten minutes or more. */
bool schedule_timer_fixed(const char *text);

#endif
