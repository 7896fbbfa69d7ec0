/* SPDX-License-Identifier: MIT */
#include "daemon/daemon.h"

#include "base/clock.h"
#include "base/units.h"
#include "daemon/confine.h"
#include "daemon/gaplog.h"
#include "daemon/history.h"
#include "daemon/metrics.h"
#include "daemon/notify.h"
#include "daemon/timekeeper.h"
#include "guest/agent.h"
#include "guest/protocol.h"
#include "guest/server.h"

#include <errno.h>
#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define LARGE_ANSWER (256 * KIB)

struct daemon {
	struct settings settings;
	const char *config;
	struct notify notify;
	struct agent *agent;
	struct server *server;
	struct history *history;
	struct gaplog gaps;
	struct silence silence;
	struct timekeeper clock;
	uint64_t poll_due, sample_due, textfile_due; /* ns, CLOCK_MONOTONIC */
	uint64_t textfile_failures;
	bool textfile_failing;
};

static volatile sig_atomic_t stop, reload;

static void on_signal(int signal)
{
	if (signal == SIGHUP)
		reload = 1;
	else
		stop = 1;
}

static void say(const char *text)
{
	fprintf(stderr, "vmdesched: %s\n", text);
}

static void on_gap(const struct source_gap *gap, void *data)
{
	struct daemon *d = data;
	char line[GAPLOG_LINE_MAX];

	if (!gaplog_add(&d->gaps, gap, clock_mono(), clock_real()))
		return;
	gaplog_line(&d->gaps, line);
	say(line);
}

/* Takes over `o`, which is ten times as large as the text: of thousands of threads, too much to
 * keep. */
static int json_line(json_t *o, char **ret)
{
	*ret = o ? json_dumps(o, JSON_COMPACT | JSON_REAL_PRECISION(12)) : NULL;
	json_decref(o);
	if (*ret && strlen(*ret) > LARGE_ANSWER)
		malloc_trim(0);
	return *ret ? 0 : -ENOMEM;
}

static json_t *error_json(const char *why)
{
	return json_pack("{s:s}", "error", why);
}

static json_t *daemon_snapshot_json(struct daemon *d)
{
	struct snapshot snapshot;
	json_t *o;

	if (agent_snapshot(d->agent, &snapshot))
		return error_json("the snapshot failed");
	o = snapshot_json(&snapshot);
	snapshot_done(&snapshot);
	json_object_set_new(o, "host_clock", timekeeper_json(&d->clock));
	return o;
}

static int metrics(struct daemon *d, char **ret)
{
	struct snapshot snapshot;
	struct metrics_input in = {.snapshot = &snapshot,
				   .gaps = &d->gaps,
				   .clock = &d->clock,
				   .processes = d->settings.processes,
				   .textfile_failures = d->textfile_failures};
	int err = agent_snapshot(d->agent, &snapshot);

	if (err)
		return err;
	err = metrics_text(&in, ret);
	snapshot_done(&snapshot);
	return err;
}

static json_t *metrics_json(struct daemon *d)
{
	char *text;
	json_t *o;

	if (metrics(d, &text))
		return error_json("the snapshot failed");
	o = json_pack("{s:s}", "metrics", text);
	free(text);
	return o;
}

static int answer(const char *line, size_t size, void *data, char **ret)
{
	enum protocol_request request;
	struct daemon *d = data;
	const char *why;

	if (protocol_parse(line, size, &request, &why))
		return json_line(error_json(why), ret);
	switch (request) {
	case PROTOCOL_SNAPSHOT:
		return json_line(daemon_snapshot_json(d), ret);
	case PROTOCOL_HISTORY:
		return json_line(history_json(d->history), ret);
	case PROTOCOL_GAPS:
		return json_line(gaplog_json(&d->gaps), ret);
	case PROTOCOL_METRICS:
		return json_line(metrics_json(d), ret);
	case PROTOCOL_VERSION:
		break;
	}
	return json_line(json_pack("{s:s}", "version", DESCHED_VERSION), ret);
}

static void write_textfile(struct daemon *d)
{
	char *text = NULL, line[SETTINGS_STRING + 100];
	int err = metrics(d, &text);

	if (!err)
		err = metrics_write_file(d->settings.textfile, text);
	free(text);
	d->textfile_failures += err != 0;
	if (err && !d->textfile_failing) {
		snprintf(line, sizeof(line),
			 "%s: %s; is the directory there, and ours to write to?",
			 d->settings.textfile, strerror(-err));
		say(line);
	}
	d->textfile_failing = err != 0;
}

static bool due(uint64_t *when, uint64_t now, uint64_t interval)
{
	if (now < *when)
		return false;
	/* Late rounds are left out, not made up for. */
	*when = now - *when < interval ? *when + interval : now + interval;
	return true;
}

static void keep_time(struct daemon *d)
{
	char line[128];

	timekeeper_tick(&d->clock, line);
	if (line[0])
		say(line);
}

static void sample(struct daemon *d)
{
	const struct account *a = agent_account(d->agent);
	char line[SILENCE_LINE_MAX];
	uint64_t time, real;

	agent_settle(d->agent);
	time = agent_time(d->agent);
	real = clock_real() - u64_sub_floor(clock_mono(), time);
	history_add(d->history, a, time, real);
	if (silence_note(&d->silence, a, real, line))
		say(line);
}

static void work(struct daemon *d, uint64_t now)
{
	if (due(&d->poll_due, now, AGENT_POLL_NS)) {
		timekeeper_called(&d->clock, AGENT_POLL_NS);
		agent_poll(d->agent);
	}
	if (due(&d->sample_due, now, HISTORY_INTERVAL)) {
		sample(d);
		keep_time(d);
	}
	if (d->settings.textfile[0] && due(&d->textfile_due, now, d->settings.interval))
		write_textfile(d);
}

/* A file that cannot be used leaves everything as it is. */
static void read_again(struct daemon *d)
{
	struct failure f = {.text = "configuration read again"};
	struct settings new;
	int differ;

	reload = 0;
	settings_default(&new);
	notify_send(&d->notify, "RELOADING=1\nMONOTONIC_USEC=%llu",
		    (unsigned long long)(clock_mono() / NS_PER_US));
	if (!d->config) {
		failure_set(&f, 0, "there is no configuration to read again");
	} else if (!settings_load(d->config, &f, &new)) {
		differ = settings_reload(&d->settings, &new);
		agent_set_gap(d->agent, d->settings.gap_ns);
		d->textfile_due = 0;
		if (differ)
			failure_set(&f, 0,
				    "configuration read again; %d keys that differ from what "
				    "runs want a restart",
				    differ);
	}
	say(f.text);
	notify_send(&d->notify, "READY=1");
}

static void serve(struct daemon *d)
{
	struct pollfd fds[SERVER_CLIENTS_MAX + 2];

	while (!stop) {
		int n = server_pollfds(d->server, fds);
		uint64_t now = clock_mono();

		if (reload)
			read_again(d);
		work(d, now);
		fds[n] = (struct pollfd){.fd = agent_fd(d->agent), .events = POLLIN};
		if (poll(fds, (nfds_t)n + 1,
			 (int)(u64_sub_floor(d->poll_due, clock_mono()) / NS_PER_MS) + 1) <= 0)
			continue;
		if (fds[n].revents)
			agent_poll(d->agent);
		server_handle(d->server, fds, n);
	}
}

static void catch_signals(void)
{
	const struct sigaction catch = {.sa_handler = on_signal};

	sigaction(SIGTERM, &catch, NULL);
	sigaction(SIGINT, &catch, NULL);
	sigaction(SIGHUP, &catch, NULL);
}

/* Who may ask: the socket's owner and group. To be born in a group takes less privilege than to be
 * given to it. */
static int open_socket(struct daemon *d, struct failure *f)
{
	const struct settings *s = &d->settings;
	gid_t before = getegid(), group = before;
	int err = s->group[0] ? confine_find_group(s->group, f, &group) : 0;

	if (!err && setegid(group))
		err = failure_errno(f, -errno, "socket %s: group %s", s->socket, s->group);
	if (err)
		return err;
	err = server_open(s->socket, answer, d, f, &d->server);
	if (setegid(before) && !err)
		err = failure_errno(f, -errno, "socket %s: group", s->socket);
	return err;
}

static int open_parts(struct daemon *d, struct failure *f)
{
	const struct settings *s = &d->settings;
	const struct agent_config config = {
		.source = s->source,
		.source_config = {.page_path = s->page[0] ? s->page : NULL,
				  .gap_ns = s->gap_ns,
				  .gap = on_gap,
				  .gap_data = d},
	};
	int err = agent_open(&config, f, &d->agent);

	if (!err && history_new(agent_account(d->agent)->n_cpus, &d->history))
		err = failure_errno(f, -ENOMEM, "history");
	if (!err)
		err = timekeeper_open(&d->clock, s->clock, s->chrony,
				      config.source_config.page_path, f);
	return err ? err : open_socket(d, f);
}

int daemon_open(const struct settings *settings, const char *config, struct failure *f,
		struct daemon **ret)
{
	struct daemon *d = calloc(1, sizeof(*d));
	int err;

	if (!d)
		return failure_errno(f, -ENOMEM, "vmdesched");
	d->settings = *settings;
	d->config = config;
	d->clock.chrony = -1;
	catch_signals();
	tzset(); /* while its file can be read */
	notify_open(&d->notify);
	err = open_parts(d, f);
	if (err) {
		daemon_close(d);
		return err;
	}
	*ret = d;
	return 0;
}

int daemon_run(struct daemon *d, struct failure *f)
{
	bool set_clock = timekeeper_sets_clock(d->settings.clock);
	int err = confine_privileges(d->settings.user, set_clock, f);

	if (!err && d->settings.seccomp)
		err = confine_system_calls(set_clock, f);
	if (err)
		return err;
	malloc_trim(0); /* libbpf has read the kernel's BTF */
	d->poll_due = d->sample_due = d->textfile_due = clock_mono();
	notify_send(&d->notify, "READY=1\nSTATUS=answering on %.255s", d->settings.socket);
	serve(d);
	notify_send(&d->notify, "STOPPING=1");
	return 0;
}

void daemon_close(struct daemon *d)
{
	if (!d)
		return;
	server_close(d->server);
	agent_close(d->agent);
	history_free(d->history);
	timekeeper_close(&d->clock);
	notify_close(&d->notify);
	free(d);
}
