/* SPDX-License-Identifier: MIT */
/*
 * Both pictures are made from the same two things: the ledger of each VM (sum over its vCPUs), and
 * for each of the first vCPUs a row of cells, each a slice of the window with the time per state. A
 * cell is drawn as the state that took most of it.
 */
#include "sim/plot.h"

#include "base/newfile.h"
#include "base/units.h"

#include <errno.h>
#include <stdlib.h>
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

int plot_new(struct sim *s, uint64_t window, struct plot **ret)
{
	struct plot *p = calloc(1, sizeof(*p));

	if (!p)
		return -ENOMEM;
	p->start = s->now;
	p->window = window;
	p->n_lines = s->core->n_vcpus < LINES_MAX ? s->core->n_vcpus : LINES_MAX;
	for (uint32_t i = 0; i < p->n_lines; i++) {
		p->lines[i].at = s->now;
		p->lines[i].state = (enum ledger_state)s->core->vcpus[i].ledger.state;
	}
	*ret = p;
	return 0;
}

void plot_state(struct plot *p, uint32_t vcpu, uint64_t now, enum ledger_state state)
{
	struct line *l = &p->lines[vcpu];
	uint64_t cell = p->window / CELLS + 1;

	if (vcpu >= p->n_lines)
		return;
	while (l->at < now && l->at - p->start < p->window) {
		uint64_t i = (l->at - p->start) / cell;
		uint64_t end = u64_min(now, p->start + (i + 1) * cell);

		l->ns[i][l->state] += end - l->at;
		l->at = end;
	}
	l->at = now;
	l->state = state;
}

struct plot *plot_free(struct plot *p)
{
	free(p);
	return NULL;
}

static enum ledger_state most_of(const uint64_t *ns)
{
	int best = 0;

	for (int i = 1; i < LEDGER_STATES; i++)
		best = ns[i] > ns[best] ? i : best;
	return (enum ledger_state)best;
}

static void vm_ledger(const struct sim *s, uint32_t vm, struct ledger *ret)
{
	const struct core_vm *v = &s->core->vms[vm];

	ledger_start(ret, s->now, LEDGER_HALT);
	for (uint32_t i = v->first; i < v->first + v->n; i++)
		ledger_merge(ret, &s->core->vcpus[i].ledger);
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

void plot_terminal(struct plot *p, struct sim *s, FILE *out)
{
	bool colour = isatty(fileno(out)) && !getenv("NO_COLOR");
	struct ledger l;

	finish(p, s);
	for (int st = 0; st < LEDGER_STATES; st++) {
		put_cell(out, (enum ledger_state)st, colour);
		fprintf(out, " %s  ", ledger_state_name((uint32_t)st));
	}
	fputc('\n', out);
	for (uint32_t i = 0; i < s->core->n_vms && i < BARS_MAX; i++) {
		vm_ledger(s, i, &l);
		fprintf(out, "%-10.10s %3u ", s->vms[i].spec->name, i);
		put_bar(out, &l, colour);
		fputc('\n', out);
	}
	if (s->core->n_vms > BARS_MAX)
		fprintf(out, "(%u more VMs)\n", s->core->n_vms - BARS_MAX);
	fprintf(out, "the first %g s, %g ms a character\n", ns_to_s(p->window),
		(double)p->window / CELLS / 1e6);
	for (uint32_t i = 0; i < p->n_lines; i++) {
		const struct core_vm *vm = &s->core->vms[s->core->vcpus[i].vm];

		fprintf(out, "%-8.8s %2u.%u  ", guest_spec(s, i)->name, s->core->vcpus[i].vm,
			i - vm->first);
		for (int c = 0; c < CELLS; c++)
			put_cell(out, most_of(p->lines[i].ns[c]), colour);
		fputc('\n', out);
	}
}

static void svg_box(FILE *out, double x, double y, double width, enum ledger_state state)
{
	fprintf(out,
		"<rect x=\"%.2f\" y=\"%.1f\" width=\"%.2f\" height=\"14\" fill=\"%s\"><title>%s"
		"</title></rect>\n",
		x, y, width, looks[state].svg, ledger_state_name(state));
}

static double svg_bars(FILE *out, struct sim *s, double y)
{
	for (uint32_t i = 0; i < s->core->n_vms && i < BARS_MAX; i++, y += 18) {
		struct ledger l;
		double x = 120;

		vm_ledger(s, i, &l);
		fprintf(out, "<text x=\"4\" y=\"%.1f\">%s %u</text>\n", y + 11,
			s->vms[i].spec->name, i);
		for (uint32_t st = 0; st < LEDGER_STATES; st++) {
			double width = 600 * (double)l.ns[st] / (double)u64_max(1, ledger_wall(&l));

			if (l.ns[st])
				svg_box(out, x, y, width, (enum ledger_state)st);
			x += width;
		}
	}
	return y;
}

static double svg_lines(FILE *out, const struct plot *p, const struct sim *s, double y)
{
	double width = 600.0 / CELLS;

	for (uint32_t i = 0; i < p->n_lines; i++, y += 18) {
		fprintf(out, "<text x=\"4\" y=\"%.1f\">%s vcpu%u</text>\n", y + 11,
			guest_spec(s, i)->name, i);
		for (int c = 0; c < CELLS; c++)
			svg_box(out, 120 + c * width, y, width, most_of(p->lines[i].ns[c]));
	}
	return y;
}

int plot_svg(struct plot *p, struct sim *s, const char *path, struct failure *f)
{
	struct newfile file;
	int err = newfile_open(path, 0, NEWFILE_STREAMS, &file);
	double y = 30;
	FILE *out;

	if (err)
		return failure_errno(f, err, "%s: cannot write the picture", path);
	out = file.to;
	finish(p, s);
	fprintf(out,
		"<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"740\" height=\"%u\" "
		"font-family=\"sans-serif\" font-size=\"11\">\n",
		100 + 18 * ((s->core->n_vms < BARS_MAX ? s->core->n_vms : BARS_MAX) + p->n_lines));
	for (int st = 0; st < LEDGER_STATES; st++) {
		svg_box(out, 4 + st * 90, 6, 12, (enum ledger_state)st);
		fprintf(out, "<text x=\"%d\" y=\"17\">%s</text>\n", 20 + st * 90,
			ledger_state_name((uint32_t)st));
	}
	y = svg_bars(out, s, y);
	fprintf(out, "<text x=\"4\" y=\"%.1f\">the first %g s</text>\n", y + 20,
		ns_to_s(p->window));
	svg_lines(out, p, s, y + 28);
	fputs("</svg>\n", out);
	err = newfile_commit(&file);
	return err ? failure_errno(f, err, "%s: cannot write the picture", path) : 0;
}
