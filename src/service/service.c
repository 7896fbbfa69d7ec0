/* SPDX-License-Identifier: MIT */
#include "service/service.h"

#include "base/clock.h"
#include "base/json_out.h"
#include "base/units.h"
#include "service/listener.h"
#include "service/notify.h"
#include "service/prometheus.h"
#include "service/quota.h"

#include <assert.h>
#include <errno.h>
#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define LARGE_ANSWER	(256 * KIB)
#define STATUS_INTERVAL (10 * NS_PER_SEC)

/* What vmdesched(8) says of clients. */
static const struct server_limits limits = {
	.clients = 64,
	.per_uid = 32,
	.line = REQUESTS_LINE_MAX,
	.unsent = 4 * MIB,
	.request_ns = 5 * NS_PER_SEC,
	.answer_ns = 10 * NS_PER_SEC,
};

struct service {
	const struct service_ops *ops;
	void *data;
	struct service_settings *settings; /* the beginning of the daemon's */
	const struct settings_source *source;
	struct notify notify;
	struct loop *loop;
	struct listener listener;
	uid_t owner; /* of the socket */
	struct server *server;
	struct loop_timer timers[SERVICE_TIMERS]; /* the daemon's */
	struct loop_timer textfile, status, watchdog;
	struct quota events; /* lines of what recurs */
	uint64_t textfile_failures, lost_lines;
	bool textfile_failing;
};

/* Who reads the log may have stopped, or gone: that must hold nobody. One line fits wherever there
 * is room at all. */
static void put_line(struct service *s, const char *text, const char *more)
{
	struct pollfd log = {.fd = fileno(stderr), .events = POLLOUT};

	if (poll(&log, 1, 0) != 1 || !(log.revents & POLLOUT) ||
	    fprintf(stderr, "%s: %s%s\n", s->ops->name, text, more) < 0)
		s->lost_lines++;
}

void service_say(struct service *s, const char *text)
{
	put_line(s, text, "");
}

void service_say_event(struct service *s, const char *text)
{
	char left_out[QUOTA_TEXT_MAX];
	uint64_t before;

	if (quota_take(&s->events, clock_mono(), &before))
		put_line(s, text, quota_text(before, left_out));
}

struct loop *service_loop(struct service *s)
{
	return s->loop;
}

/* ---- metrics ---- */

static const struct {
	const char *event;
	size_t offset; /* in struct server_counters */
} client_events[] = {
	{"accepted", offsetof(struct server_counters, accepted)},
	{"answered", offsetof(struct server_counters, answered)},
	{"refused", offsetof(struct server_counters, refused)},
	{"dropped_idle", offsetof(struct server_counters, dropped_idle)},
	{"dropped_late", offsetof(struct server_counters, dropped_late)},
	{"dropped_slow", offsetof(struct server_counters, dropped_slow)},
	{"dropped_long", offsetof(struct server_counters, dropped_long)},
	{"failed", offsetof(struct server_counters, failed)},
	{"paused", offsetof(struct server_counters, pauses)},
};

static double textfile_failures(const void *of)
{
	return (double)((const struct service *)of)->textfile_failures;
}

static double lost_lines(const void *of)
{
	return (double)((const struct service *)of)->lost_lines;
}

static const struct prometheus_row singles[] = {
	{"desched_log_lines_lost_total", "counter", "lines of the log that could not be written",
	 lost_lines},
	{"desched_textfile_failures_total", "counter", "writings of the textfile that failed",
	 textfile_failures},
};

static int put_metrics(FILE *to, void *data)
{
	static const char name[] = "desched_client_events_total";
	struct service *s = data;
	const struct server_counters *c = server_counters(s->server);
	int err = s->ops->metrics ? s->ops->metrics(to, s->data) : 0;

	prometheus_rows(to, singles, ARRAY_SIZE(singles), s);
	prometheus_head(to, name, "counter", "what clients of the socket did, or had done to them");
	for (size_t i = 0; i < ARRAY_SIZE(client_events); i++) {
		const void *at = (const char *)c + client_events[i].offset;
		const struct prometheus_label label = {"event", client_events[i].event};

		prometheus_sample(to, name, &label, 1, 17, (double)*(const uint64_t *)at);
	}
	return err;
}

static void write_textfile(struct service *s)
{
	const char *path = s->settings->textfile;
	char *text = NULL, line[SETTINGS_STRING + 100];
	int err = prometheus_text(put_metrics, s, &text);

	if (!err)
		err = prometheus_write_file(path, text);
	free(text);
	s->textfile_failures += err != 0;
	if (err && !s->textfile_failing) {
		snprintf(line, sizeof(line),
			 "%s: %s; is the directory there, and ours to write to?", path,
			 strerror(-err));
		service_say(s, line);
	}
	s->textfile_failing = err != 0;
}

/* ---- requests ---- */

static json_t *answer_metrics(const json_t *request, void *data)
{
	char *text;
	json_t *o;

	(void)request;
	if (prometheus_text(put_metrics, data, &text))
		return requests_error("the metrics could not be made");
	o = json_pack("{s:s}", "metrics", text);
	free(text);
	return o;
}

static json_t *answer_version(const json_t *request, void *data)
{
	(void)request;
	(void)data;
	return json_pack("{s:s}", "version", DESCHED_VERSION);
}

static const struct request_row common[] = {
	{"metrics", answer_metrics, false},
	{"version", answer_version, false},
};

/* Takes over `o`, which is ten times as large as the text: of thousands of threads, too much to
 * keep. */
static int json_line(json_t *o, char **ret, size_t *ret_size)
{
	char *text = json_out_text(o, JSON_COMPACT | JSON_REAL_PRECISION(12));

	json_decref(o);
	if (!text)
		return -ENOMEM;
	*ret = text;
	*ret_size = strlen(text);
	if (*ret_size > LARGE_ANSWER)
		malloc_trim(0);
	return 0;
}

/* Who changes things: root, and who this runs for. The socket is the user's who opened it. */
static int answer(uid_t peer, const char *line, size_t size, void *data, char **ret,
		  size_t *ret_size)
{
	struct service *s = data;
	const struct requests lists[] = {
		{s->ops->requests, s->ops->n_requests, s->data},
		{common, ARRAY_SIZE(common), s},
	};

	return json_line(requests_answer(lists, ARRAY_SIZE(lists), peer == 0 || peer == s->owner,
					 line, size),
			 ret, ret_size);
}

/* ---- what time brings, and signals ---- */

static void on_textfile(uint64_t now, void *data)
{
	struct service *s = data;

	(void)now;
	if (s->settings->textfile[0])
		write_textfile(s);
}

/* "" for a daemon that has none. */
static const char *status_of(const struct service *s, char ret[SERVICE_LINE])
{
	ret[0] = '\0';
	if (s->ops->status)
		s->ops->status(s->data, ret);
	return ret;
}

static void on_status(uint64_t now, void *data)
{
	struct service *s = data;
	char text[SERVICE_LINE];

	(void)now;
	notify_send(&s->notify, "STATUS=%s", status_of(s, text));
}

static void on_watchdog(uint64_t now, void *data)
{
	struct service *s = data;

	(void)now;
	notify_send(&s->notify, "WATCHDOG=1");
}

/* A file that cannot be used leaves everything as it is. */
static int read_settings(struct service *s, struct failure *f)
{
	const struct settings_table *table = s->ops->settings;
	struct settings_source source = *s->source;
	void *new = malloc(table->size);
	int err, differ;

	if (!new)
		return failure_errno(f, -ENOMEM, "configuration");
	source.optional = false;
	err = settings_read(table, &source, f, new);
	differ = err ? 0 : settings_reload(table, s->settings, new);
	free(new);
	if (err)
		return err;
	if (s->ops->apply)
		s->ops->apply(s->data);
	s->textfile.due = 0;
	s->textfile.interval = s->settings->interval;
	s->textfile_failing = false; /* say it again: the path may be another */
	if (differ)
		failure_set(f, 0, "configuration read again; %d changed key%s for a restart",
			    differ, differ == 1 ? " waits" : "s wait");
	return 0;
}

static void read_again(struct service *s)
{
	struct failure f = {.text = "configuration read again"};

	notify_send(&s->notify, "RELOADING=1\nMONOTONIC_USEC=%llu",
		    (unsigned long long)(clock_mono() / NS_PER_US));
	read_settings(s, &f);
	service_say(s, f.text);
	notify_send(&s->notify, "READY=1");
}

static void on_signal(int number, void *data)
{
	struct service *s = data;

	if (number == SIGHUP)
		read_again(s);
	else
		loop_stop(s->loop);
}

/* ---- the beginning ---- */

static int open_loop(struct service *s, struct failure *f)
{
	static const int numbers[] = {SIGTERM, SIGINT, SIGHUP};
	int err = loop_new(&s->loop);

	if (!err)
		err = loop_signals(s->loop, numbers, ARRAY_SIZE(numbers), on_signal, s);
	return err ? failure_errno(f, err, "%s", s->ops->name) : 0;
}

static void add_timer(struct service *s, struct loop_timer *t, uint64_t interval,
		      void (*fire)(uint64_t now, void *data), void *data)
{
	*t = (struct loop_timer){.interval = interval, .fire = fire, .data = data};
	loop_timer_add(s->loop, t);
}

/* Each is due at once, and then in its own rounds. */
static void add_timers(struct service *s)
{
	for (size_t i = 0; i < s->ops->n_timers; i++)
		add_timer(s, &s->timers[i], s->ops->timers[i].interval, s->ops->timers[i].fire,
			  s->data);
	add_timer(s, &s->textfile, s->settings->interval, on_textfile, s);
	add_timer(s, &s->status, STATUS_INTERVAL, on_status, s);
	if (s->notify.watchdog)
		add_timer(s, &s->watchdog, s->notify.watchdog / 2, on_watchdog, s);
}

int service_check(const struct service_settings *s, struct failure *f)
{
	uid_t uid;
	gid_t gid;
	int err = s->user[0] ? confine_find_user(s->user, f, &uid, &gid) : 0;

	return !err && s->group[0] ? confine_find_group(s->group, f, &gid) : err;
}

/* Who may ask: the socket's owner and group. To be born in a group takes less privilege than to be
 * given to it. */
static int open_socket(struct service *s, struct failure *f)
{
	const struct service_settings *set = s->settings;
	gid_t before = getegid(), group = before;
	int err = set->group[0] ? confine_find_group(set->group, f, &group) : 0;

	if (!err && setegid(group))
		err = failure_errno(f, -errno, "socket %s: group %s", set->socket, set->group);
	if (err)
		return err;
	s->owner = geteuid();
	err = listener_open(set->socket, 0660, f, &s->listener);
	if (setegid(before) && !err)
		err = failure_errno(f, -errno, "socket %s: group", set->socket);
	if (err)
		return err;
	err = server_new(s->loop, s->listener.fd, &limits, answer, s, &s->server);
	return err ? failure_errno(f, err, "socket %s", set->socket) : 0;
}

int service_open(const struct service_ops *ops, void *data, void *settings,
		 const struct settings_source *source, struct failure *f, struct service **ret)
{
	struct service *s = calloc(1, sizeof(*s));
	int err;

	assert(ops->n_timers <= SERVICE_TIMERS);
	if (!s)
		return failure_errno(f, -ENOMEM, "%s", ops->name);
	s->ops = ops;
	s->data = data;
	s->settings = settings;
	s->source = source;
	s->listener.fd = -1;
	tzset(); /* while its file can be read */
	signal(SIGPIPE, SIG_IGN);
	notify_open(&s->notify);
	err = open_loop(s, f);
	if (!err && ops->open)
		err = ops->open(s, data, f);
	if (!err)
		err = open_socket(s, f);
	if (err) {
		service_close(s);
		return err;
	}
	add_timers(s);
	*ret = s;
	return 0;
}

/* What the journal begins with. */
static void say_hello(struct service *s)
{
	char line[SERVICE_LINE + SETTINGS_STRING], own[SERVICE_LINE] = "";
	char status[SERVICE_LINE];

	if (s->ops->hello)
		s->ops->hello(s->data, own);
	snprintf(line, sizeof(line), "answering on %.107s%s%s", s->settings->socket,
		 own[0] ? "; " : "", own);
	service_say(s, line);
	notify_send(&s->notify, "READY=1\nSTATUS=%s", status_of(s, status));
}

int service_run(struct service *s, struct failure *f)
{
	char status[SERVICE_LINE];
	struct confine keep = {0};
	int err;

	if (s->ops->keep)
		s->ops->keep(s->data, &keep);
	err = confine_daemon(s->settings->user, s->settings->seccomp, &keep, f);
	if (err)
		return err;
	malloc_trim(0); /* what was read to begin, such as the kernel's BTF */
	for (size_t i = 0; i < s->ops->n_timers; i++)
		s->timers[i].due = clock_mono();
	s->status.due = clock_mono() + STATUS_INTERVAL;
	say_hello(s);
	err = loop_run(s->loop);
	notify_send(&s->notify, "STOPPING=1");
	if (s->ops->status)
		service_say(s, status_of(s, status));
	return err ? failure_errno(f, err, "%s", s->ops->name) : 0;
}

struct service *service_close(struct service *s)
{
	if (!s)
		return NULL;
	server_free(s->server);
	listener_close(&s->listener);
	loop_free(s->loop);
	notify_close(&s->notify);
	free(s);
	return NULL;
}
