/* SPDX-License-Identifier: MIT */
/* When jobs start, and who keeps the clock. */
#include "doctor/checks.h"
#include "doctor/schedule.h"

#include "base/cleanup.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FILE_SIZE  65536
#define OFTEN	   288 /* starts a day: jobs of every five minutes coincide with everything */
#define COINCIDING 2

/* ---- cron ---- */

struct day {
	bool any; /* a crontab was there */
	unsigned starts[DAY_MINUTES];
};

static void add_crontab(const struct exam *e, const char *path, struct day *day)
{
	_cleanup_(free_ptr) char *text = malloc(FILE_SIZE);
	char *rest = NULL;

	if (!text || tree_read(e->tree, text, FILE_SIZE, "%s", path) < 0)
		return;
	day->any = true;
	for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
		bool starts[DAY_MINUTES];
		int n = schedule_cron(line, starts);

		for (int i = 0; n > 0 && n < OFTEN && i < DAY_MINUTES; i++)
			day->starts[i] += starts[i];
	}
}

static void add_crontabs(const struct exam *e, const char *dir, struct day *day)
{
	_cleanup_(tree_names_free) struct tree_names files = {.list = NULL};

	if (tree_names(e->tree, dir, &files))
		return;
	for (int i = 0; i < files.n; i++) {
		char path[512];

		snprintf(path, sizeof(path), "%s/%s", dir, files.list[i]->d_name);
		add_crontab(e, path, day);
	}
}

static enum verdict look_cron(struct exam *e)
{
	struct day day = {false};
	int worst = 0;

	add_crontab(e, "/etc/crontab", &day);
	add_crontabs(e, "/etc/cron.d", &day);
	add_crontabs(e, "/var/spool/cron/crontabs", &day);
	add_crontabs(e, "/var/spool/cron", &day);
	if (!day.any)
		return exam_cannot_tell(e, "no crontab");
	for (int i = 1; i < DAY_MINUTES; i++)
		worst = day.starts[i] > day.starts[worst] ? i : worst;
	if (day.starts[worst] < COINCIDING)
		return exam_good(e, "no two jobs start at the same minute");
	return exam_bad(e, "%u jobs start at %02d:%02d", day.starts[worst], worst / 60, worst % 60);
}

/* ---- timers ---- */

/* A unit with its drop-ins, one after the other. False: it cannot be read. */
static bool read_timer(const struct exam *e, const char *name, char *buf, size_t size)
{
	_cleanup_(tree_names_free) struct tree_names dropins = {.list = NULL};
	char dir[400];
	ssize_t n = tree_read(e->tree, buf, size, "/etc/systemd/system/timers.target.wants/%s",
			      name);
	size_t used = n > 0 ? (size_t)n : 0;

	if (n < 0)
		return false;
	snprintf(dir, sizeof(dir), "/etc/systemd/system/%s.d", name);
	if (tree_names(e->tree, dir, &dropins))
		return true;
	for (int i = 0; i < dropins.n && used + 2 < size; i++) {
		buf[used++] = '\n';
		n = tree_read(e->tree, buf + used, size - used, "%s/%s", dir,
			      dropins.list[i]->d_name);
		used += n > 0 ? (size_t)n : 0;
		buf[used] = '\0';
	}
	return true;
}

static enum verdict look_timers(struct exam *e)
{
	_cleanup_(tree_names_free) struct tree_names timers = {.list = NULL};
	_cleanup_(free_ptr) char *text = malloc(FILE_SIZE);
	int seen = 0;

	if (!text || tree_names(e->tree, "/etc/systemd/system/timers.target.wants", &timers))
		return exam_cannot_tell(e, "no /etc/systemd/system/timers.target.wants");
	for (int i = 0; i < timers.n; i++) {
		const char *name = timers.list[i]->d_name;

		if (!read_timer(e, name, text, FILE_SIZE))
			continue;
		seen++;
		if (schedule_timer_fixed(text))
			exam_add(e, "%s", name);
	}
	return e->found[0] ? VERDICT_BAD : exam_good(e, "%d timers, none at a fixed time", seen);
}

/* ---- the clock ---- */

static const char *const daemons[] = {"chronyd",  "ntpd",   "systemd-timesyn",
				      "openntpd", "ntpsec", NULL};

static enum verdict look_sync(struct exam *e)
{
	unsigned n;

	if (fact_processes(e->tree, daemons, &n))
		return exam_cannot_tell(e, "no processes in /proc");
	return exam_judge(e, n, n ? "a time daemon runs" : "no time daemon runs");
}

static enum verdict look_sync_twice(struct exam *e)
{
	unsigned running = 0, n;

	for (size_t i = 0; daemons[i]; i++) {
		const char *const one[] = {daemons[i], NULL};

		if (fact_processes(e->tree, one, &n))
			return exam_cannot_tell(e, "no processes in /proc");
		running += n > 0;
	}
	if (!running)
		return exam_not_here(e, "no time daemon runs");
	return exam_judge(e, running == 1, "%u time daemon%s", running, running == 1 ? "" : "s");
}

/* The configurations of chrony, one after the other. -ENOENT: there is none. */
static int read_chrony(const struct exam *e, char *buf, size_t size)
{
	static const char *const files[] = {"/etc/chrony/chrony.conf", "/etc/chrony.conf"};
	_cleanup_(tree_names_free) struct tree_names more = {.list = NULL};
	ssize_t n = -ENOENT;
	size_t used;

	for (size_t i = 0; n < 0 && i < ARRAY_SIZE(files); i++)
		n = tree_read(e->tree, buf, size, "%s", files[i]);
	if (n < 0)
		return -ENOENT;
	used = (size_t)n;
	if (tree_names(e->tree, "/etc/chrony/conf.d", &more))
		return 0;
	for (int i = 0; i < more.n && used + 2 < size; i++) {
		buf[used++] = '\n';
		n = tree_read(e->tree, buf + used, size - used, "/etc/chrony/conf.d/%s",
			      more.list[i]->d_name);
		used += n > 0 ? (size_t)n : 0;
		buf[used] = '\0';
	}
	return 0;
}

/* Whether a line begins with this word; its rest is *ret_rest. */
static bool has_directive(const char *text, const char *word, const char **ret_rest)
{
	for (const char *line = text; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		line += strspn(line, " \t");
		if (strncmp(line, word, strlen(word)) != 0)
			continue;
		*ret_rest = line + strlen(word);
		return true;
	}
	return false;
}

static enum verdict look_chrony_step(struct exam *e)
{
	char text[8192];
	const char *rest;

	if (!tree_has(e->tree, "/etc"))
		return exam_cannot_tell(e, "no /etc");
	if (read_chrony(e, text, sizeof(text)))
		return exam_not_here(e, "no chrony.conf");
	if (!has_directive(text, "makestep ", &rest))
		return exam_bad(e, "no makestep in chrony.conf");
	return exam_good(e, "makestep%.*s", (int)strcspn(rest, "\n"), rest - 1);
}

static enum verdict look_chrony_ptp(struct exam *e)
{
	_cleanup_(tree_names_free) struct tree_names clocks = {.list = NULL};
	char text[8192], name[64];
	const char *rest;

	if (!tree_has(e->tree, "/etc") || !tree_has(e->tree, "/sys/class"))
		return exam_cannot_tell(e, "no /etc or no /sys/class");
	if (read_chrony(e, text, sizeof(text)))
		return exam_not_here(e, "no chrony.conf");
	if (has_directive(text, "refclock PHC ", &rest))
		return exam_good(e, "chrony reads%.*s", (int)strcspn(rest, " \n") + 1, rest - 1);
	if (tree_names(e->tree, "/sys/class/ptp", &clocks))
		return exam_not_here(e, "no PTP clock");
	for (int i = 0; i < clocks.n; i++) {
		const char *clock = clocks.list[i]->d_name;

		if (!tree_line(e->tree, name, sizeof(name), "/sys/class/ptp/%s/clock_name",
			       clock) &&
		    (strstr(name, "KVM") || strstr(name, "hyperv")))
			return exam_bad(e, "/dev/%s (%s) is not used", clock, name);
	}
	return exam_not_here(e, "no PTP clock of the hypervisor");
}

static enum verdict look_ntpd_panic(struct exam *e)
{
	static const char *const files[] = {"/etc/ntp.conf", "/etc/ntpsec/ntp.conf"};
	char text[8192];
	const char *rest;
	ssize_t n = -ENOENT;

	if (!tree_has(e->tree, "/etc"))
		return exam_cannot_tell(e, "no /etc");
	for (size_t i = 0; n < 0 && i < ARRAY_SIZE(files); i++)
		n = tree_read(e->tree, text, sizeof(text), "%s", files[i]);
	if (n < 0)
		return exam_not_here(e, "no ntp.conf");
	return exam_judge(e, has_directive(text, "tinker panic 0", &rest), "%s",
			  has_directive(text, "tinker panic 0", &rest) ? "tinker panic 0"
								       : "no 'tinker panic 0'");
}

static const struct check rows[] = {
	{.id = "cron-coincide",
	 .title = "Cron jobs do not start together",
	 .severity = SEVERITY_NOTE,
	 .look = look_cron,
	 .why = "Jobs of one minute contend with each other, and with those of every clone of this "
		"machine on the same host. Days are not looked at.",
	 .source = "linux-manual; crontab(5)",
	 .remedy = "sed -i 's/^0 0 /17 3 /' /etc/cron.d/NAME   # a minute of its own"},
	{.id = "timers-coincide",
	 .title = "Timers are spread",
	 .severity = SEVERITY_NOTE,
	 .look = look_timers,
	 .why = "A timer with a fixed time starts at the same instant in every guest of the host: "
		"peaks that do not overlap fold much better.",
	 .source = "linux-manual; friedman-cmg06; systemd.timer(5)",
	 .remedy = "systemctl edit NAME.timer   # [Timer] RandomizedDelaySec=1h"},
	{.id = "time-sync",
	 .title = "Somebody keeps the clock",
	 .severity = SEVERITY_WARNING,
	 .look = look_sync,
	 .why = "A guest that was paused or descheduled for long has a clock that lags.",
	 .source = "vmdesched",
	 .remedy = "apt-get install chrony"},
	{.id = "time-sync-twice",
	 .title = "Nobody else keeps the clock, too",
	 .severity = SEVERITY_WARNING,
	 .look = look_sync_twice,
	 .why = "Two daemons that correct one clock correct each other.",
	 .source = "vmdesched",
	 .remedy = "systemctl disable --now systemd-timesyncd"},
	{.id = "chrony-step",
	 .title = "chrony may step the clock",
	 .severity = SEVERITY_WARNING,
	 .look = look_chrony_step,
	 .why = "After a resume the clock may be hours behind, and slewing over an hour takes "
		"half a day.",
	 .source = "vmdesched; chrony.conf(5)",
	 .remedy = "echo makestep 1 -1 >/etc/chrony/conf.d/step.conf && systemctl restart chrony"},
	{.id = "chrony-ptp",
	 .title = "chrony reads the host's clock directly",
	 .severity = SEVERITY_NOTE,
	 .look = look_chrony_ptp,
	 .why = "The hypervisor's PTP clock is exact to a microsecond and needs no network.",
	 .source = "kernel: Documentation/virt/kvm/x86/hypercalls.rst; chrony.conf(5)",
	 .remedy = "echo refclock PHC /dev/ptp0 poll 2 >/etc/chrony/conf.d/ptp.conf && systemctl "
		   "restart chrony"},
	{.id = "ntpd-panic",
	 .title = "ntpd does not give up after a long pause",
	 .severity = SEVERITY_WARNING,
	 .look = look_ntpd_panic,
	 .why = "ntpd ends when the clock is off by more than 1000 s, as it is after a resume.",
	 .source = "linux-manual; ntp.conf(5)",
	 .remedy = "sed -i '1i tinker panic 0' /etc/ntpsec/ntp.conf && systemctl restart ntpsec"},
};

const struct check_group checks_time = {"time", rows, ARRAY_SIZE(rows), false};
