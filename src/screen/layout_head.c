/* SPDX-License-Identifier: MIT */
/* The upper part of the screen: title, totals, history, the CPUs' bars, notes. */
#include "base/units.h"
#include "screen/layout_parts.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define CELL_MIN     40	 /* columns that a CPU's bar needs */
#define HISTORY_LEFT 12	 /* columns of its name */
#define HISTORY_GAP  15	 /* columns of its scale */
#define SCALE_MIN    5.0 /* percent: less than that is drawn small, not as tall as the screen */

const struct layout_state layout_states[MODEL_PARTS] = {
	{LEDGER_RUN, '|', "run", "ran on a physical CPU", STYLE_RUN},
	{LEDGER_READY, 'R', "ready", "wanted to run and had no physical CPU", STYLE_READY},
	{LEDGER_COSTOP, 'C', "co-stop", "was held back for its sibling CPUs", STYLE_COSTOP},
	{LEDGER_LIMITED, 'L', "limited", "was held back by the VM's limit", STYLE_LIMITED},
	{LEDGER_SWAPWAIT, 'S', "swap", "waited for memory that the host had swapped out",
	 STYLE_SWAPWAIT},
	{LEDGER_WAIT, 'W', "wait", "waited for other work of the host", STYLE_WAIT},
	{MODEL_UNKNOWN, '?', "unknown", "nobody knows: the host or hypervisor did not say",
	 STYLE_ALARM},
	{LEDGER_HALT, ' ', "(idle)", "had nothing to do", STYLE_HALT},
};

/* ---- bars ---- */

static int edge(double sum, uint64_t whole, int width)
{
	double at = whole ? round(sum / (double)whole * width) : 0;

	return at > width ? width : (int)at;
}

void layout_bar(struct pen *p, int width, const uint64_t ns[MODEL_PARTS], uint64_t whole)
{
	double sum = 0;
	int drawn = 0;

	for (size_t i = 0; i < ARRAY_SIZE(layout_states); i++) {
		const struct layout_state *s = &layout_states[i];
		int end;

		sum += (double)ns[s->part];
		end = edge(sum, whole, width);
		p->style = s->style;
		pen_char(p, (unsigned char)s->letter, end - drawn);
		drawn = end;
	}
	p->style = STYLE_HALT;
	pen_char(p, ' ', width - drawn);
}

/* How the CPUs are laid out; where not all fit, the first cell is their sum. */
struct grid {
	int columns, lines, shown;
	bool sum;
};

static struct grid make_grid(const struct model *m, int width, int height)
{
	int n = m ? (int)m->n_cpus : 0;
	int most = n > 4 || height < 16 ? width / CELL_MIN : width / (2 * CELL_MIN);
	int room = height / 4;
	struct grid g = {.columns = most < 1 ? 1 : most};

	if (n == 0)
		return g;
	if (g.columns > n)
		g.columns = n;
	g.lines = (n + g.columns - 1) / g.columns;
	room = room < 1 ? 1 : room;
	if (g.lines > room)
		g.lines = room;
	g.sum = g.lines * g.columns < n;
	g.shown = g.sum ? g.lines * g.columns - 1 : n;
	return g;
}

static double part(uint64_t ns, uint64_t whole)
{
	return whole ? 100.0 * (double)ns / (double)whole : 0;
}

static void draw_cpu(struct pen *p, const char *name, const uint64_t ns[MODEL_PARTS],
		     uint64_t whole)
{
	bool wide = p->end - p->x >= 2 * CELL_MIN - 20;
	double run = part(ns[LEDGER_RUN], whole), away = part(model_away(ns), whole);

	p->style = STYLE_LABEL;
	pen_printf(p, " %-7s", name);
	p->style = STYLE_DIM;
	pen_char(p, '[', 1);
	layout_bar(p, p->end - p->x - (wide ? 26 : 14), ns, whole);
	p->style = STYLE_DIM;
	pen_char(p, ']', 1);
	p->style = STYLE_NORMAL;
	pen_printf(p, wide ? " %5.1f %% ran" : " %3.0f %%", run);
	p->style = away >= 0.05 ? STYLE_AWAY : STYLE_DIM;
	pen_printf(p, wide ? " %5.1f %% away" : " %3.0f %%", away);
}

static void sum_cpus(const struct model *m, uint64_t ret_ns[MODEL_PARTS])
{
	memset(ret_ns, 0, MODEL_PARTS * sizeof(*ret_ns));
	for (size_t i = 0; i < m->n_cpus; i++)
		for (int s = 0; s < MODEL_PARTS; s++)
			ret_ns[s] += m->cpus[i].ns[s];
}

static void draw_cell(const struct scene *s, struct canvas *c, const struct grid *g, int y, int at)
{
	int width = c->width / g->columns;
	struct pen p = pen_at(c, y + at / g->columns, at % g->columns * width, width, STYLE_NORMAL);
	const struct model *m = s->model;
	uint64_t ns[MODEL_PARTS];
	char name[16];

	if (g->sum && at == 0) {
		sum_cpus(m, ns);
		snprintf(name, sizeof(name), "all %zu", m->n_cpus);
		draw_cpu(&p, name, ns, m->elapsed * m->n_cpus);
		return;
	}
	at -= g->sum;
	snprintf(name, sizeof(name), "CPU %u", m->cpus[at].cpu);
	draw_cpu(&p, name, m->cpus[at].ns, m->elapsed);
}

bool layout_has_unknown(const struct model *m)
{
	uint64_t ns[MODEL_PARTS];

	sum_cpus(m, ns);
	return model_percent(m, ns[MODEL_UNKNOWN]) >= 0.05 ||
	       model_percent(m, m->busy.unaccounted) >= 0.05;
}

static void draw_legend(const struct scene *s, struct canvas *c, int y)
{
	struct pen p = pen_at(c, y, 9, c->width - 9, STYLE_NORMAL);

	for (size_t i = 0; i < ARRAY_SIZE(layout_states); i++) {
		const struct layout_state *state = &layout_states[i];

		if (state->part == MODEL_UNKNOWN && !layout_has_unknown(s->model))
			continue;
		p.style = state->style;
		if (state->letter != ' ')
			pen_printf(&p, "%c", state->letter);
		p.style = STYLE_DIM;
		pen_printf(&p, state->letter == ' ' ? "%s" : " %s   ", state->legend);
	}
}

static int bars_height(const struct scene *s, int width, int height)
{
	int lines = make_grid(s->model, width, height).lines;

	return lines ? lines + 1 : 0;
}

static void draw_bars(const struct scene *s, struct canvas *c, int y)
{
	struct grid g = make_grid(s->model, c->width, c->height);

	for (int i = 0; i < g.shown + g.sum; i++)
		draw_cell(s, c, &g, y, i);
	if (g.lines)
		draw_legend(s, c, y + g.lines);
}

/* ---- history ---- */

static int history_height(int height)
{
	return height >= 48 ? 4 : height >= 36 ? 3 : height >= 30 ? 2 : 1;
}

/* The intervals that column `x` stands for, [*ret_first, *ret_end): a recording is stretched or
 * pressed over all columns, otherwise the last one is the newest. False for none. */
static bool column_span(const struct scene *s, int x, int width, size_t *ret_first, size_t *ret_end)
{
	size_t n = s->n_history, first, end;

	if (s->ui->replay) {
		first = (size_t)x * n / (size_t)width;
		end = ((size_t)x + 1) * n / (size_t)width;
	} else {
		if (n + (size_t)x < (size_t)width)
			return false;
		first = end = n + (size_t)x - (size_t)width;
	}
	*ret_first = first;
	*ret_end = end > first ? end : first + 1;
	return first < n;
}

/* The largest value in the column, -1 for none. */
static double column_value(const struct scene *s, int x, int width)
{
	size_t first, end;
	double most = -1;

	if (!column_span(s, x, width, &first, &end))
		return -1;
	for (size_t i = first; i < end && i < s->n_history; i++)
		most = fmax(most, s->history[i]);
	return most;
}

static bool column_is_now(const struct scene *s, int x, int width)
{
	size_t first, end;

	return s->ui->replay && column_span(s, x, width, &first, &end) && s->frame >= first &&
	       s->frame < end;
}

static uint32_t block(const struct canvas *c, double eighths)
{
	int level = eighths >= 8 ? 8 : eighths < 0 ? 0 : (int)eighths;

	if (c->unicode)
		return level ? 0x2580u + (uint32_t)level : ' ';
	return (uint32_t) " .,:-=+*#"[level];
}

static double history_peak(const struct scene *s, int width)
{
	double peak = 0;

	for (int x = 0; x < width; x++)
		peak = fmax(peak, column_value(s, x, width));
	return peak;
}

static void draw_column(const struct scene *s, struct canvas *c, int y, int lines, int x, int width,
			double scale)
{
	double value = column_value(s, x, width);
	/* Something is never drawn as nothing. */
	double eighths = value > 0 ? fmax(1, round(value / scale * 8 * lines)) : 0;

	for (int line = 0; line < lines; line++) {
		bool now = column_is_now(s, x, width);
		struct pen p = pen_at(c, y + line, HISTORY_LEFT + x, 1,
				      now ? STYLE_HEAD_KEY : STYLE_AWAY);
		double above = 8.0 * (lines - 1 - line);

		pen_char(&p, value < 0 ? ' ' : block(c, eighths - above), 1);
		if (line == lines - 1 && value >= 0 && eighths < 1) {
			p = pen_at(c, y + line, HISTORY_LEFT + x, 1,
				   now ? STYLE_HEAD_KEY : STYLE_DIM);
			pen_char(&p, '_', 1);
		}
		if (now && line == lines - 1) {
			p.x = HISTORY_LEFT + x;
			pen_char(&p, '^', 1);
		}
	}
}

static void draw_history(const struct scene *s, struct canvas *c, int y, struct layout *l)
{
	int width = c->width - HISTORY_LEFT - HISTORY_GAP, lines = history_height(c->height);
	struct pen p = pen_at(c, y, 1, HISTORY_LEFT - 1, STYLE_LABEL);
	double peak;

	pen_text(&p, "vmdesched");
	if (width < 1)
		return;
	peak = history_peak(s, width);
	for (int x = 0; x < width; x++)
		draw_column(s, c, y, lines, x, width, fmax(peak, SCALE_MIN));
	p = pen_at(c, y, c->width - HISTORY_GAP, HISTORY_GAP - 1, STYLE_DIM);
	pen_right(&p, "peak %.1f %%", peak);
	if (s->ui->replay)
		l->timeline = (struct hit){y, HISTORY_LEFT, lines, width, UI_KEY_FRAME};
}

/* ---- text ---- */

/* The time of the frame that is shown, and in a recording its place; returns their width. */
static int draw_time(const struct scene *s, struct canvas *c)
{
	const struct ui *ui = s->ui;
	time_t seconds = (time_t)(s->model ? s->model->frame->time / NS_PER_SEC : 0);
	struct pen p = pen_at(c, 0, 0, c->width, STYLE_TITLE);
	const char *form = ui->replay && c->width >= 100 ? "%F %T" : "%T";
	char clock[32] = "", text[128];
	struct tm tm;
	int n;

	if (seconds && localtime_r(&seconds, &tm))
		strftime(clock, sizeof(clock), form, &tm);
	if (ui->replay)
		n = snprintf(text, sizeof(text), "%s  #%zu of %zu  %s ",
			     ui->paused ? "" : "playing", s->frame + 1, s->n_frames, clock);
	else
		n = snprintf(text, sizeof(text), "%s  %s ", ui->paused ? "paused" : "", clock);
	pen_char(&p, ' ', c->width);
	p.x = c->width > n ? c->width - n : 0;
	pen_text(&p, text);
	return n;
}

static void draw_title(const struct scene *s, struct canvas *c)
{
	struct pen p = pen_at(c, 0, 0, c->width - draw_time(s, c), STYLE_TITLE);
	const struct model *m = s->model;

	pen_text(&p, " desched top   ");
	pen_text(&p, s->origin);
	if (m)
		pen_printf(&p, ", source %s   %zu CPU%s   %.1f s", m->frame->source, m->n_cpus,
			   m->n_cpus == 1 ? "" : "s", ns_to_s(m->elapsed));
	else if (!s->ui->replay)
		pen_text(&p, "   measuring ...");
}

static void draw_totals(const struct scene *s, struct canvas *c, int y)
{
	struct pen p = pen_at(c, y, 1, c->width - 2, STYLE_NORMAL);
	const struct model *m = s->model;

	if (!m)
		return;
	pen_printf(&p, "busy %.1f %% = true ", model_percent(m, figures_occupied(&m->busy)));
	p.style = STYLE_RUN;
	pen_printf(&p, "%.1f %%", model_percent(m, m->busy.truth));
	p.style = STYLE_NORMAL;
	pen_text(&p, " + vmdesched ");
	p.style = STYLE_AWAY;
	pen_printf(&p, "%.1f %%", model_percent(m, figures_away(&m->busy)));
	if (layout_has_unknown(m)) {
		p.style = STYLE_NORMAL;
		pen_text(&p, " + ");
		p.style = STYLE_ALARM;
		pen_printf(&p, "unaccounted %.1f %%", model_percent(m, m->busy.unaccounted));
	}
	p.style = STYLE_DIM;
	pen_text(&p, "   ");
	pen_right(&p, "away while idle %.1f %%", model_percent(m, figures_away(&m->idle)));
}

#define CLOCK_SHOWN_NS (100 * NS_PER_US) /* an error that begins to matter */

struct notes {
	char text[LAYOUT_NOTES_MAX][256];
	enum style style[LAYOUT_NOTES_MAX];
	int n;
};

__attribute__((format(printf, 3, 4))) static void note(struct notes *n, enum style style,
						       const char *format, ...)
{
	va_list ap;

	if (n->n == LAYOUT_NOTES_MAX)
		return;
	va_start(ap, format);
	vsnprintf(n->text[n->n], sizeof(n->text[0]), format, ap);
	va_end(ap);
	n->style[n->n++] = style;
}

static void note_frame(const struct snapshot *f, struct notes *n)
{
	if (f->stale || !f->complete)
		note(n, STYLE_ALARM,
		     f->stale ? "the host has said nothing for %.1f s: the figures end there"
			      : "the last %.1f s are not told yet: the figures end there",
		     ns_to_s(f->lag));
	if (f->clock.stale)
		note(n, STYLE_ALARM, "stale clock: away time waits and is unaccounted after 10 s");
	if (f->clock.error >= CLOCK_SHOWN_NS)
		note(n, STYLE_DIM, "clock +-%llu us: gaps begin and end that uncertainly",
		     (unsigned long long)(f->clock.error / NS_PER_US));
	if (f->counters.lost_switches)
		note(n, STYLE_ALARM, "%llu switches were lost: %.3f s have no owner, see (lost)",
		     (unsigned long long)f->counters.lost_switches, ns_to_s(f->counters.lost_run));
	if (f->counters.no_room)
		note(n, STYLE_ALARM, "more tasks than there is room for: some are in (other)");
	if (f->estimated && f->elapsed)
		note(n, STYLE_DIM,
		     "estimated: vmdesched is between %.1f and %.1f %% since the start",
		     100 * ns_to_s(f->low) / ns_to_s(f->elapsed),
		     100 * ns_to_s(f->high) / ns_to_s(f->elapsed));
	if (f->kernel_subtracts)
		note(n, STYLE_DIM,
		     "this kernel subtracts steal itself: what it reports is true already");
}

/* What the interval can't tell. */
static void note_model(const struct model *m, struct notes *n)
{
	if (m->other)
		note(n, STYLE_ALARM, "another session of the agent or its host began in between");
	if (layout_has_unknown(m))
		note(n, STYLE_ALARM,
		     "%.2f s of busy CPU time are unaccounted, neither true nor away",
		     ns_to_s(m->busy.unaccounted));
}

static struct notes make_notes(const struct scene *s)
{
	struct notes n = {.n = 0};

	if (s->notice)
		note(&n, STYLE_ALARM, "%s", s->notice);
	if (s->standing_note)
		note(&n, STYLE_DIM, "%s", s->standing_note);
	if (s->model) {
		note_model(s->model, &n);
		note_frame(s->model->frame, &n);
	}
	return n;
}

int layout_head_height(const struct scene *s, int width, int height)
{
	return 2 + history_height(height) + bars_height(s, width, height) + make_notes(s).n;
}

void layout_head(const struct scene *s, struct canvas *c, struct layout *l)
{
	int lines = history_height(c->height), bars = bars_height(s, c->width, c->height);
	struct notes n = make_notes(s);

	draw_title(s, c);
	draw_totals(s, c, 1);
	draw_history(s, c, 2, l);
	draw_bars(s, c, 2 + lines);
	for (int i = 0; i < n.n; i++) {
		struct pen p = pen_at(c, 2 + lines + bars + i, 1, c->width - 2, n.style[i]);

		pen_text(&p, n.text[i]);
	}
}
