/* SPDX-License-Identifier: MIT */
/*
 * Both pictures are made from the same two things: the ledger of each VM (sum over its vCPUs), and
 * for each of the first vCPUs a row of cells, each a slice of the window with the time per state.
 * SVG stacks the states of a cell. A character can show only one: what the others are owed is
 * carried to the cells that follow, so that a row as a whole has each state in proportion.
 */
#include "sim/plot.h"

#include "base/newfile.h"
#include "base/text.h"
#include "base/units.h"
#include "sim/names.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BARS_MAX  24
#define LINES_MAX 16
#define CELLS	  60

struct line {
	uint64_t ns[CELLS][LEDGER_STATES];
	uint64_t at;
	enum ledger_state state;
};

struct plot {
	uint64_t start;
	uint64_t window;
	uint32_t n_lines;
	struct line lines[LINES_MAX];
};

/* A letter, a terminal colour and an SVG colour per state. The SVG colours keep apart for
 * colour-blind readers (Okabe and Ito). */
static const struct {
	char letter;
	const char *terminal, *svg;
} looks[LEDGER_STATES] = {
	[LEDGER_RUN] = {'#', "\033[32m", "#009e73"},
	[LEDGER_READY] = {'r', "\033[31m", "#d55e00"},
	[LEDGER_COSTOP] = {'c', "\033[35m", "#cc79a7"},
	[LEDGER_LIMITED] = {'l', "\033[33m", "#f0e442"},
	[LEDGER_SWAPWAIT] = {'s', "\033[36m", "#56b4e9"},
	[LEDGER_HALT] = {'.', "\033[90m", "#dddddd"},
	[LEDGER_WAIT] = {'w', "\033[34m", "#0072b2"},
};

int plot_new(struct sim *s, uint64_t from, uint64_t window, struct plot **ret)
{
	struct plot *p = calloc(1, sizeof(*p));

	if (!p)
		return -ENOMEM;
	p->start = s->now + from;
	p->window = u64_min(window, u64_sub_floor(s->scenario->run.duration, from));
	p->n_lines = s->n_vcpus < LINES_MAX ? s->n_vcpus : LINES_MAX;
	for (uint32_t i = 0; i < p->n_lines; i++) {
		p->lines[i].at = s->now;
		p->lines[i].state = core_state_of(s->core, i);
	}
	*ret = p;
	return 0;
}

void plot_state(struct plot *p, uint32_t vcpu, uint64_t now, enum ledger_state state)
{
	uint64_t cell = p->window / CELLS + 1, stop = u64_min(now, p->start + p->window), at;
	struct line *l = &p->lines[vcpu];

	if (vcpu >= p->n_lines)
		return;
	for (at = u64_max(l->at, p->start); at < stop;) {
		uint64_t i = (at - p->start) / cell;
		uint64_t end = u64_min(stop, p->start + (i + 1) * cell);

		l->ns[i][l->state] += end - at;
		at = end;
	}
	l->at = now;
	l->state = state;
}

struct plot *plot_free(struct plot *p)
{
	free(p);
	return NULL;
}

static void vm_ledger(const struct sim *s, uint32_t vm, struct ledger *ret)
{
	const struct sim_vm *v = &s->vms[vm];
	struct core_vcpu_figures f;

	ledger_start(ret, s->now, LEDGER_HALT);
	for (uint32_t i = v->first; i < v->first + v->room; i++) {
		core_read_vcpu(s->core, i, &f);
		ledger_merge(ret, f.ledger);
	}
}

static void finish(struct plot *p, struct sim *s)
{
	sim_settle(s);
	for (uint32_t i = 0; i < p->n_lines; i++)
		plot_state(p, i, s->now, p->lines[i].state);
}

static void put_cell(FILE *out, enum ledger_state state, bool colour)
{
	if (colour)
		fputs(looks[state].terminal, out);
	fputc(looks[state].letter, out);
	if (colour)
		fputs("\033[0m", out);
}

/* A bar of CELLS characters in proportion to the states; rounding errors go to the last. */
static void put_bar(FILE *out, const struct ledger *l, bool colour)
{
	uint64_t wall = ledger_wall(l) ? ledger_wall(l) : 1, sum = 0;
	uint32_t drawn = 0;

	for (uint32_t st = 0; st < LEDGER_STATES; st++) {
		sum += l->ns[st];
		while (drawn < (sum * CELLS + wall / 2) / wall) {
			put_cell(out, (enum ledger_state)st, colour);
			drawn++;
		}
	}
}

/* The state that a cell's character shows: of those that occur in it, the one that is owed most.
 * LEDGER_STATES for a cell without time. */
static uint32_t spread(const uint64_t *ns, double *owed)
{
	uint32_t best = LEDGER_STATES;
	uint64_t all = 0;

	for (uint32_t st = 0; st < LEDGER_STATES; st++)
		all += ns[st];
	for (uint32_t st = 0; st < LEDGER_STATES; st++) {
		if (!ns[st])
			continue;
		owed[st] += (double)ns[st] / (double)all;
		if (best == LEDGER_STATES || owed[st] > owed[best] + 1e-9)
			best = st;
	}
	if (best < LEDGER_STATES)
		owed[best] -= 1;
	return best;
}

static void put_line(FILE *out, const struct line *l, bool colour)
{
	double owed[LEDGER_STATES] = {0};

	for (int c = 0; c < CELLS; c++) {
		uint32_t state = spread(l->ns[c], owed);

		if (state == LEDGER_STATES)
			fputc(' ', out);
		else
			put_cell(out, (enum ledger_state)state, colour);
	}
	fputc('\n', out);
}

static uint32_t n_bars(const struct sim *s)
{
	return s->n_vms < BARS_MAX ? s->n_vms : BARS_MAX;
}

static void bar_label(const struct sim *s, uint32_t vm, char *ret, size_t size)
{
	snprintf(ret, size, "%s %u", s->vms[vm].spec->name, vm);
}

static void line_label(const struct sim *s, uint32_t vcpu, char *ret, size_t size)
{
	uint32_t vm = s->guests[vcpu].vm;

	snprintf(ret, size, "%s %u.%u", guest_spec(s, vcpu)->name, vm, vcpu - s->vms[vm].first);
}

/* Of the longest label, which is at most a terminal wide with its bar. */
static int label_width(const struct plot *p, const struct sim *s, int columns)
{
	char label[64];
	int width = 0;

	for (uint32_t i = 0; i < n_bars(s); i++) {
		bar_label(s, i, label, sizeof(label));
		width = names_widen(width, label);
	}
	for (uint32_t i = 0; i < p->n_lines; i++) {
		line_label(s, i, label, sizeof(label));
		width = names_widen(width, label);
	}
	if (columns && width + 1 + CELLS > columns)
		width = columns - 1 - CELLS > NAMES_LEAST ? columns - 1 - CELLS : NAMES_LEAST;
	return width;
}

static void put_bars(const struct sim *s, FILE *out, int width, bool colour)
{
	struct ledger l;
	char label[64];

	for (uint32_t i = 0; i < n_bars(s); i++) {
		bar_label(s, i, label, sizeof(label));
		names_put(out, label, width);
		vm_ledger(s, i, &l);
		put_bar(out, &l, colour);
		fputc('\n', out);
	}
	if (s->n_vms > BARS_MAX)
		fprintf(out, "(%u more VMs)\n", s->n_vms - BARS_MAX);
}

void plot_terminal(struct plot *p, struct sim *s, FILE *out)
{
	bool colour = isatty(fileno(out)) && !getenv("NO_COLOR");
	int width = label_width(p, s, names_terminal(out));
	char label[64];

	finish(p, s);
	for (int st = 0; st < LEDGER_STATES; st++) {
		put_cell(out, (enum ledger_state)st, colour);
		fprintf(out, " %s  ", ledger_state_name((uint32_t)st));
	}
	fputc('\n', out);
	put_bars(s, out, width, colour);
	fprintf(out, "from %.9g s to %.9g s, %.4g ms a character\n", ns_to_s(p->start),
		ns_to_s(p->start + p->window), (double)p->window / CELLS / 1e6);
	for (uint32_t i = 0; i < p->n_lines; i++) {
		line_label(s, i, label, sizeof(label));
		names_put(out, label, width);
		put_line(out, &p->lines[i], colour);
	}
}

/* ---- SVG ---- */

#define ROW   18.0  /* from one bar to the next */
#define HIGH  14.0  /* a bar */
#define WIDE  600.0 /* a bar of all time */
#define TICKS 8	    /* of an axis, at most */

struct svg {
	FILE *out;
	double left; /* where the bars begin */
};

static void svg_text(const struct svg *g, double x, double y, const char *more, const char *text)
{
	char clean[512];

	snprintf(clean, sizeof(clean), "%s", text);
	text_clean(clean);
	fprintf(g->out, "<text x=\"%.1f\" y=\"%.1f\"%s>", x, y, more);
	for (const char *at = clean; *at; at++) {
		if (strchr("&<>\"", *at))
			fprintf(g->out, "&#%d;", *at);
		else
			fputc(*at, g->out);
	}
	fputs("</text>\n", g->out);
}

static void svg_box(const struct svg *g, double x, double y, double width, double height,
		    enum ledger_state state)
{
	fprintf(g->out,
		"<rect x=\"%.2f\" y=\"%.2f\" width=\"%.2f\" height=\"%.2f\" fill=\"%s\"><title>%s"
		"</title></rect>\n",
		x, y, width, height, looks[state].svg, ledger_state_name(state));
}

/* A line from `from` to `to` with marks at round values of it, which are labelled. */
static void svg_axis(const struct svg *g, double y, double from, double to, const char *unit)
{
	static const double more[] = {2, 2.5, 2};
	double step = pow(10, floor(log10((to - from) / TICKS)));
	char text[64];

	for (size_t i = 0; i < ARRAY_SIZE(more) && (to - from) / step > TICKS; i++)
		step *= more[i];
	fprintf(g->out, "<path d=\"M%.1f %.1fh%.1f\" stroke=\"#444\"/>\n", g->left, y, WIDE);
	for (double k = ceil(from / step - 1e-9); k * step <= to + step * 1e-9; k++) {
		double x = g->left + WIDE * (k * step - from) / (to - from);

		fprintf(g->out, "<path d=\"M%.1f %.1fv4\" stroke=\"#444\"/>\n", x, y);
		snprintf(text, sizeof(text), "%.9g %s", k * step, unit);
		svg_text(g, x, y + 15, " text-anchor=\"middle\"", text);
	}
}

static void svg_bar(const struct svg *g, const struct ledger *l, double y)
{
	double x = g->left, all = (double)u64_max(1, ledger_wall(l));

	for (uint32_t st = 0; st < LEDGER_STATES; st++) {
		double width = WIDE * (double)l->ns[st] / all;

		if (l->ns[st])
			svg_box(g, x, y, width, HIGH, (enum ledger_state)st);
		x += width;
	}
}

static double svg_bars(const struct svg *g, const struct sim *s, double y)
{
	char label[64];

	for (uint32_t i = 0; i < n_bars(s); i++, y += ROW) {
		struct ledger l;

		bar_label(s, i, label, sizeof(label));
		svg_text(g, 4, y + 11, "", label);
		vm_ledger(s, i, &l);
		svg_bar(g, &l, y);
	}
	svg_axis(g, y, 0, 100, "%");
	return y;
}

/* The states of a cell on each other, run at the bottom. */
static void svg_cell(const struct svg *g, const uint64_t *ns, double x, double y, double width)
{
	double bottom = y + HIGH;
	uint64_t all = 0;

	for (int st = 0; st < LEDGER_STATES; st++)
		all += ns[st];
	for (uint32_t st = 0; st < LEDGER_STATES; st++) {
		double height = all ? HIGH * (double)ns[st] / (double)all : 0;

		bottom -= height;
		if (ns[st])
			svg_box(g, x, bottom, width, height, (enum ledger_state)st);
	}
}

static void svg_lines(const struct svg *g, const struct plot *p, const struct sim *s, double y)
{
	bool ms = p->window < NS_PER_SEC;
	double unit = ms ? 1e6 : 1e9;
	char label[64];

	for (uint32_t i = 0; i < p->n_lines; i++, y += ROW) {
		line_label(s, i, label, sizeof(label));
		svg_text(g, 4, y + 11, "", label);
		for (int c = 0; c < CELLS; c++)
			svg_cell(g, p->lines[i].ns[c], g->left + c * WIDE / CELLS, y, WIDE / CELLS);
	}
	svg_axis(g, y, (double)p->start / unit, (double)(p->start + p->window) / unit,
		 ms ? "ms" : "s");
}

static void svg_legend(const struct svg *g, double y)
{
	for (int st = 0; st < LEDGER_STATES; st++) {
		svg_box(g, 4 + st * 90, y, 12, HIGH, (enum ledger_state)st);
		svg_text(g, 20 + st * 90, y + 11, "", ledger_state_name((uint32_t)st));
	}
}

static void draw(const struct svg *g, const struct plot *p, const struct sim *s, const char *title)
{
	double y = 54, height = y + ROW * (n_bars(s) + p->n_lines + 6);
	char text[96];

	fprintf(g->out,
		"<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%.0f\" height=\"%.0f\" "
		"font-family=\"sans-serif\" font-size=\"11\">\n",
		g->left + WIDE + 40, height);
	fputs("<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n", g->out);
	svg_text(g, 4, 18, " font-size=\"14\"", title);
	svg_legend(g, 28);
	snprintf(text, sizeof(text), "VMs, share of %.9g s", ns_to_s(s->now - s->start));
	svg_text(g, 4, y + 11, "", text);
	y = svg_bars(g, s, y + ROW) + 2 * ROW;
	snprintf(text, sizeof(text), "vCPUs over time%s",
		 s->n_vcpus > p->n_lines ? " (the first)" : "");
	svg_text(g, 4, y + 11, "", text);
	svg_lines(g, p, s, y + ROW);
	fputs("</svg>\n", g->out);
}

int plot_svg(struct plot *p, struct sim *s, const char *title, const char *path, struct failure *f)
{
	struct newfile file;
	int err = newfile_open(path, 0, NEWFILE_STREAMS, &file);

	if (err)
		return failure_errno(f, err, "%s: cannot write the picture", path);
	finish(p, s);
	draw(&(struct svg){file.to, 10 + 7.0 * label_width(p, s, 0)}, p, s, title);
	err = newfile_commit(&file);
	return err ? failure_errno(f, err, "%s: cannot write the picture", path) : 0;
}
