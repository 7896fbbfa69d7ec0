/* SPDX-License-Identifier: MIT */
/*
 * A whole daemon in a few dozen lines: what src/service/ leaves to one. It counts beats, logs every
 * beat as a gap of a VM called "web", and answers {"get":"beats","times":N} with N times as many.
 */
#ifndef SMALL_DAEMON_H
#define SMALL_DAEMON_H

#include "base/clock.h"
#include "base/units.h"
#include "service/gaplog.h"
#include "service/prometheus.h"
#include "service/service.h"

struct small {
	struct small_settings {
		struct service_settings service;
		uint64_t gap;
	} settings;
	struct service *service;
	uint64_t beats, applied;
	struct gaplog gaps;
};

static const struct row small_main[] = {
	SETTINGS_SOCKET(struct small_settings, service.socket, "/nowhere"),
};
static const struct row small_gaps[] = {
	{"gap", &row_seconds, offsetof(struct small_settings, gap), NS_PER_MS, NS_PER_SEC, "0.25",
	 "how long a beat's gap is", NULL, 0},
};
static const struct row_section small_sections[] = {
	{"small", settings_common, SETTINGS_COMMON_N, 0, false},
	{"small", small_main, ARRAY_SIZE(small_main), 0, false},
	{"gaps", small_gaps, ARRAY_SIZE(small_gaps), 0, true},
	{"metrics", settings_metrics, SETTINGS_METRICS_N, 0, true},
};
static const struct settings_table small_table = {small_sections,
						  ARRAY_SIZE(small_sections),
						  sizeof(struct small_settings),
						  "small(8)",
						  NULL,
						  0,
						  NULL};

static void small_beat(uint64_t now, void *data)
{
	struct small *s = data;
	const struct gaplog_gap gap = {
		"web",		2, LEDGER_READY, now, s->settings.gap, s->settings.gap,
		GAPLOG_PROCESS, 7, "other"};
	char line[GAPLOG_LINE_MAX];

	s->beats++;
	if (!gaplog_add(&s->gaps, &gap, now, clock_real()))
		return;
	gaplog_line(&s->gaps, "beats", line);
	service_say(s->service, line);
}
static const struct service_timer small_timers[] = {{20 * NS_PER_MS, small_beat}};

static json_t *small_answer_beats(const json_t *request, void *data)
{
	json_int_t times = json_integer_value(json_object_get(request, "times"));

	return json_pack("{s:I}", "beats", (json_int_t)((struct small *)data)->beats * times);
}
static json_t *small_answer_gaps(const json_t *request, void *data)
{
	(void)request;
	return gaplog_json(&((struct small *)data)->gaps);
}
static const struct request_row small_requests[] = {{"beats", small_answer_beats, false},
						    {"gaps", small_answer_gaps, false}};

static double small_applied(const void *of)
{
	return (double)((const struct small *)of)->applied;
}
static const struct prometheus_row small_singles[] = {
	{"small_applied_total", "counter", "times that settings were applied", small_applied}};

static int small_metrics(FILE *to, void *data)
{
	prometheus_rows(to, small_singles, ARRAY_SIZE(small_singles), data);
	return 0;
}
static void small_apply(void *data)
{
	((struct small *)data)->applied++;
}
static void small_hello(const void *data, char ret[SERVICE_LINE])
{
	(void)data;
	snprintf(ret, SERVICE_LINE, "it beats");
}
static void small_status(const void *data, char ret[SERVICE_LINE])
{
	snprintf(ret, SERVICE_LINE, "beaten %s",
		 ((const struct small *)data)->beats ? "often" : "never");
}

static const struct service_ops small_ops = {
	.name = "small",
	.settings = &small_table,
	.requests = small_requests,
	.n_requests = ARRAY_SIZE(small_requests),
	.timers = small_timers,
	.n_timers = ARRAY_SIZE(small_timers),
	.apply = small_apply,
	.hello = small_hello,
	.status = small_status,
	.metrics = small_metrics,
};

/* Until it is told to end. */
static int small_main_loop(const struct service_ops *ops, const struct settings_source *source,
			   struct failure *f)
{
	struct small s = {0};
	int err = settings_read(&small_table, source, f, &s.settings);

	if (!err)
		err = service_open(ops, &s, &s.settings, source, f, &s.service);
	if (!err)
		err = service_run(s.service, f);
	service_close(s.service);
	return err;
}

#endif
