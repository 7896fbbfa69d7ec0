/* SPDX-License-Identifier: MIT */
/*
 * A daemon, but for what it is there for. What all of them do alike is here: settings from a file
 * that SIGHUP reads again, a loop, a socket for requests of one line, Prometheus' metrics there and
 * in a textfile, what systemd is told, the log on standard error, the privileges given up before
 * the first request, and an orderly end by SIGTERM or SIGINT. What one of them does is its `struct
 * service_ops`: rows, and a few functions that all get its `data`.
 *
 *     settings_read()  fills its settings, for service_open() and for options such as --check
 *     service_open()   opens all that wants privilege
 *     service_run()    gives privileges up, serves until it is told to end
 *     service_close()  in any case
 *
 * A new one begins as a copy of tests/unit/small_daemon.h and links `service` of src/meson.build. Its
 * struct of settings begins with struct service_settings, whose rows are among its sections
 * (settings_common, SETTINGS_SOCKET, settings_metrics): without them it has no user and no filter
 * of system calls. All callbacks come from the one thread of the loop: a slow one holds everybody.
 */
#ifndef SERVICE_SERVICE_H
#define SERVICE_SERVICE_H

#include "service/confine.h"
#include "service/loop.h"
#include "service/requests.h"
#include "service/server.h"
#include "service/settings.h"

#include <stdbool.h>

#define SERVICE_LINE 256

struct service;

struct service_timer {
	uint64_t interval; /* ns; due at the beginning, and then in these rounds */
	void (*fire)(uint64_t now, void *data);
};

#define SERVICE_TIMERS 8 /* at most, of a daemon */

/* A name and settings are needed; all else may be NULL. */
struct service_ops {
	const char *name;		       /* what lines of the log begin with */
	const struct settings_table *settings; /* the struct begins with struct service_settings */
	const struct request_row *requests;    /* beside "metrics" and "version" */
	size_t n_requests;
	const struct service_timer *timers;
	size_t n_timers;

	/* Opens what the daemon needs, with all privileges; the loop is there. */
	int (*open)(struct service *s, void *data, struct failure *f);
	/* What it keeps of them: capabilities, and the system calls that it makes from now on beside
	 * those of confine.c, which fail with EPERM otherwise. */
	void (*keep)(const void *data, struct confine *ret);
	/* SIGHUP has read the settings, and those that it applies may have changed. */
	void (*apply)(void *data);
	/* What the journal begins with, behind "answering on PATH". */
	void (*hello)(const void *data, char ret[SERVICE_LINE]);
	/* For `systemctl status`, and the last line of the log. */
	void (*status)(const void *data, char ret[SERVICE_LINE]);
	/* Writes the daemon's metrics, by service/prometheus.h, as often as they are asked for. -errno. */
	int (*metrics)(FILE *to, void *data);
};

/* Whether user and group of settings are there; what else a file can't say stands in their rows. */
int service_check(const struct service_settings *s, struct failure *f);

/* `settings` has been read (settings_read()) and is the daemon's; SIGHUP reads `source` again. All
 * arguments outlive the service. On failure nothing is open; what ops->open() has opened is the
 * daemon's to close in any case. */
int service_open(const struct service_ops *ops, void *data, void *settings,
		 const struct settings_source *source, struct failure *f, struct service **ret);

/* Until SIGTERM or SIGINT. */
int service_run(struct service *s, struct failure *f);
struct service *service_close(struct service *s); /* NULL accepted; returns NULL */

/* For watches and timers of its own. */
struct loop *service_loop(struct service *s);

/* A line of the log; of what may happen again and again only so many (service/quota.h). Neither ever
 * waits: a line that can't be written now is counted. */
void service_say(struct service *s, const char *text);
void service_say_event(struct service *s, const char *text);

#endif
