/* SPDX-License-Identifier: MIT */
#include "screen/screen.h"

#include "base/clock.h"
#include "base/units.h"
#include "screen/layout.h"
#include "screen/player.h"
#include "screen/recorded.h"
#include "screen/saved.h"
#include "screen/terminal.h"
#include "screen/trails.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define HISTORY_MAX  1024
#define LOOK_NS	     (200 * NS_PER_MS) /* longest time without looking at the terminal */
#define FIRST_NS     NS_PER_SEC	       /* the first interval, which somebody waits for */
#define WORTH_A_LOOK NS_PER_SEC	       /* what an agent has been there for */
#define ANSWER_NS    (3 * NS_PER_SEC)  /* to read what a key came to */

struct session {
	const struct screen_config *config;
	struct ui ui;
	struct frame frames[2]; /* before, and now */
	bool has[2];
	struct model model; /* of these */
	bool has_model;
	double *history;
	size_t n_history;
	struct trails *trails;
	uint64_t *times; /* of a recording's frames */
	size_t at;	 /* of a recording: the frame that is shown */
	uint64_t next;	 /* ns, CLOCK_MONOTONIC: when the next frame is due */
	uint64_t shown;	 /* frames */
	struct failure notice;
	uint64_t notice_until; /* ns: so long it stays at least, as the answer to a key */
	char note[512];
	struct layout layout;
	bool quit, turn;
};

/* ---- frames ---- */

static void drop_frame(struct session *s, int which)
{
	if (s->has[which])
		frame_done(&s->frames[which]);
	s->has[which] = false;
}

static void drop_model(struct session *s)
{
	if (s->has_model)
		model_done(&s->model);
	s->has_model = false;
}

static void make_model(struct session *s)
{
	bool since_start = s->config->recording ||
			   (s->has[1] && frame_elapsed(&s->frames[1]) >= WORTH_A_LOOK);
	int err;

	drop_model(s);
	if (!s->has[1] || (!s->has[0] && !since_start))
		return;
	err = model_make(s->has[0] ? &s->frames[0] : NULL, &s->frames[1], &s->ui.view, &s->model);
	s->has_model = !err;
	if (!err)
		s->model.trails = s->trails;
	if (err == -ESTALE)
		failure_set(&s->notice, err,
			    "another session of the agent or its host: what happened in the "
			    "interval in which it began, nobody knows");
}

/* The frame becomes the one that is shown, and what was shown the one before it. */
static void push_frame(struct session *s, const struct frame *frame)
{
	drop_model(s);
	drop_frame(s, 0);
	s->frames[0] = s->frames[1];
	s->has[0] = s->has[1];
	s->frames[1] = *frame;
	s->has[1] = true;
}

static void remember(struct session *s)
{
	if (!s->has_model || !s->has[0])
		return;
	if (s->n_history == HISTORY_MAX)
		memmove(s->history, s->history + 1, --s->n_history * sizeof(*s->history));
	s->history[s->n_history++] = s->model.subject->past(&s->model);
	if (s->trails)
		s->model.subject->leave_trails(&s->frames[0], &s->frames[1], s->trails);
}

/* The source has told nothing since the frame that is shown: that stays. */
static bool is_silent(struct session *s, const struct frame *frame)
{
	if (!s->has[1] || frame_is_news(&s->frames[1], frame))
		return false;
	failure_set(&s->notice, 0,
		    "waiting: the source has said nothing for %.1f s; this is from before",
		    ns_to_s(frame_lag(frame)));
	return true;
}

static void take_live(struct session *s)
{
	struct failure why = {.text = ""};
	struct frame frame;
	int err = feed_take(s->config->feed, &why, &frame);

	if (clock_mono() >= s->notice_until)
		s->notice.text[0] = '\0';
	if (err) {
		failure_set(&s->notice, err, "waiting: %.400s", why.text);
		return;
	}
	if (is_silent(s, &frame)) {
		frame_done(&frame);
		return;
	}
	push_frame(s, &frame);
	make_model(s);
	remember(s);
	s->shown += s->has_model;
}

/* A frame that cannot be read is stepped over with a notice. */
static void show_recorded(struct session *s, size_t at)
{
	const struct screen_config *c = s->config;
	struct frame frame;

	s->notice.text[0] = '\0';
	s->at = at;
	drop_model(s);
	drop_frame(s, 0);
	drop_frame(s, 1);
	if (at && !recorded_frame(c->recording, c->subject, at - 1, &s->notice, &frame))
		push_frame(s, &frame);
	if (recorded_frame(c->recording, c->subject, at, &s->notice, &frame))
		drop_frame(s, 1);
	else
		push_frame(s, &frame);
	make_model(s);
	s->shown += s->has_model;
}

static void play(struct session *s)
{
	size_t n = recording_frames(s->config->recording);

	if (s->ui.paused)
		return;
	if (s->at + 1 < n)
		show_recorded(s, s->at + 1);
	s->ui.paused = s->at + 1 >= n;
}

/* ---- drawing ---- */

static struct scene make_scene(const struct session *s)
{
	const struct screen_config *c = s->config;

	return (struct scene){
		.model = s->has_model ? &s->model : NULL,
		.ui = &s->ui,
		.origin = c->recording ? c->name : c->feed->ops->name,
		.notice = s->notice.text[0] ? s->notice.text : NULL,
		.standing_note = s->note[0] ? s->note : NULL,
		.choice = c->choice,
		.history = s->history,
		.n_history = s->n_history,
		.frame = s->at,
		.n_frames = c->recording ? recording_frames(c->recording) : 0,
	};
}

static void draw(struct session *s)
{
	struct scene scene = make_scene(s);
	struct canvas canvas;
	int width, height;

	terminal_size(&width, &height);
	if (s->has_model)
		ui_follow(&s->ui, &s->model, layout_page(&scene, width, height));
	if (canvas_new(width, height, terminal_unicode(), &canvas))
		return;
	layout_draw(&scene, &canvas, &s->layout);
	terminal_show(&canvas);
	canvas_done(&canvas);
}

/* ---- keys ---- */

static void seek(struct session *s)
{
	size_t to;

	if (player_find(s->times, s->n_history, s->at, s->ui.text, &to)) {
		failure_set(&s->notice, -EINVAL,
			    "'%s' is no place: give 12:01:07, +30 or -30 seconds, or #12",
			    s->ui.text);
		return;
	}
	s->ui.paused = true;
	show_recorded(s, to);
}

static void save(struct session *s)
{
	const struct saved saved = {s->ui.view, s->ui.delay};
	const char *path = s->config->settings;

	if (!saved_store(path ? path : "", s->config->subject, &saved, &s->notice))
		failure_set(&s->notice, 0, "kept in %.400s", path);
	s->notice_until = clock_mono() + ANSWER_NS;
}

static void run_action(struct session *s, enum ui_action action)
{
	switch (action) {
	case UI_QUIT:
		s->quit = true;
		break;
	case UI_SEEK:
		seek(s);
		break;
	case UI_STEP:
		show_recorded(s, player_step(s->at, s->ui.step, s->n_history));
		break;
	case UI_GOTO:
		show_recorded(s, player_step((size_t)s->ui.step, 0, s->n_history));
		break;
	case UI_TURN:
		s->turn = s->quit = true;
		break;
	case UI_SAVE:
		save(s);
		break;
	case UI_NOTHING:
		break;
	}
}

static bool handle_events(struct session *s)
{
	struct terminal_event event;
	bool any = false;

	while (!s->quit && terminal_event(&event)) {
		struct scene scene = make_scene(s);
		uint64_t delay = s->ui.delay;
		int key = event.click ? layout_key(&s->layout, &scene, event.y, event.x)
				      : event.key;

		any = true;
		run_action(s, ui_key(&s->ui, key, scene.model, s->layout.page));
		make_model(s);
		if (s->ui.delay != delay)
			s->next = u64_min(s->next, clock_mono() + s->ui.delay);
	}
	return any;
}

/* ---- the whole ---- */

static void wait_a_moment(struct session *s)
{
	feed_wait(s->config->feed, u64_min(s->next, clock_mono() + LOOK_NS), STDIN_FILENO,
		  s->config->stop);
}

static bool advance(struct session *s)
{
	uint64_t now = clock_mono();

	if (now < s->next)
		return false;
	s->next = now + (s->shown || s->has[0] ? s->ui.delay : u64_min(FIRST_NS, s->ui.delay));
	if (s->config->recording)
		play(s);
	else if (!s->ui.paused)
		take_live(s);
	return true;
}

static bool done(const struct session *s)
{
	uint64_t most = s->config->iterations;

	return s->quit || *s->config->stop || terminal_gone() || (most && s->shown >= most);
}

static void run(struct session *s)
{
	if (s->config->recording)
		show_recorded(s, 0);
	else
		take_live(s);
	if (s->config->notice)
		failure_set(&s->notice, 0, "%.400s", s->config->notice);
	s->notice_until = s->config->notice ? clock_mono() + ANSWER_NS : 0;
	s->next = clock_mono() + u64_min(FIRST_NS, s->ui.delay);
	draw(s);
	while (!done(s)) {
		bool changed;

		wait_a_moment(s);
		changed = handle_events(s);
		changed |= advance(s);
		if (changed && !s->quit)
			draw(s);
	}
}

/* The history of a recording is all there from the beginning, one value a frame. */
static int prepare_recording(struct session *s, struct failure *f)
{
	const struct recording *r = s->config->recording;
	size_t n = recording_frames(r);

	if (!n)
		return failure_set(f, -ENODATA, "%s: no whole frame is in it%s%s", s->config->name,
				   recording_damage(r) ? ": " : "",
				   recording_damage(r) ? recording_damage(r) : "");
	s->times = calloc(n, sizeof(*s->times));
	s->history = calloc(n, sizeof(*s->history));
	if (!s->times || !s->history)
		return failure_errno(f, -ENOMEM, "%s", s->config->name);
	for (s->n_history = 0; s->n_history < n; s->n_history++) {
		const struct recording_mark *now = recording_mark(r, s->n_history);
		struct recording_mark before = {0};

		if (s->n_history)
			before = *recording_mark(r, s->n_history - 1);
		if (before.elapsed > now->elapsed)
			before = (struct recording_mark){0};
		else if (before.session && before.session != now->session)
			before = *now; /* what is new of it, nobody knows */
		s->times[s->n_history] = now->time;
		if (now->elapsed > before.elapsed)
			s->history[s->n_history] = 100.0 *
						   (double)u64_sub_floor(now->away, before.away) /
						   (double)(now->elapsed - before.elapsed);
	}
	if (recording_damage(r))
		snprintf(s->note, sizeof(s->note), "%s", recording_damage(r));
	return 0;
}

/* Samples of a second, put together to intervals as they will come. */
static void take_samples(struct session *s, const json_t *o)
{
	const json_t *seconds = json_object_get(o, "seconds");
	const json_t *away = json_object_get(o, "vmdesched_s");
	double length = 0, sum = 0;

	for (size_t i = 0; i < json_array_size(seconds) && s->n_history < HISTORY_MAX; i++) {
		length += json_number_value(json_array_get(seconds, i));
		sum += json_number_value(json_array_get(away, i));
		if (length <= 0 || length < ns_to_s(s->ui.delay) * 0.9)
			continue;
		s->history[s->n_history++] = 100 * sum / length;
		length = sum = 0;
	}
}

/* What vmdesched remembers is there from the beginning. */
static void take_history(struct session *s)
{
	struct feed *feed = s->config->feed;
	struct failure why;
	json_t *o = NULL;

	if (!feed->ops->history || feed->ops->history(feed->feed, &why, &o))
		return;
	take_samples(s, o);
	json_decref(o);
}

static int prepare(struct session *s, struct failure *f)
{
	s->ui = (struct ui){.subject = s->config->subject,
			    .replay = s->config->recording,
			    .view = s->config->view};
	s->ui.delay = s->config->delay;
	s->ui.paused = s->ui.replay;
	if (s->config->recording)
		return prepare_recording(s, f);
	s->history = calloc(HISTORY_MAX, sizeof(*s->history));
	s->trails = s->config->subject->leave_trails ? trails_new() : NULL;
	if (!s->history || (s->config->subject->leave_trails && !s->trails))
		return failure_errno(f, -ENOMEM, "history");
	take_history(s);
	if (s->config->feed->missing)
		snprintf(s->note, sizeof(s->note), "%s", s->config->feed->missing);
	else if (s->config->feed->ops == &feed_proc)
		snprintf(s->note, sizeof(s->note),
			 "%%TRUE is not known: run as root, or start vmdesched (%.400s)",
			 s->config->feed->why);
	else if (s->config->feed->ops->limits)
		snprintf(s->note, sizeof(s->note), "%.500s", s->config->feed->why);
	return 0;
}

int screen_run(const struct screen_config *config, struct failure *f, bool *ret_turn)
{
	struct session s = {.config = config};
	int err = prepare(&s, f);

	if (!err)
		err = terminal_open(f);
	if (!err)
		run(&s);
	terminal_close();
	drop_model(&s);
	drop_frame(&s, 0);
	drop_frame(&s, 1);
	free(s.history);
	free(s.times);
	trails_free(s.trails);
	if (!err)
		*ret_turn = s.turn;
	return err;
}
