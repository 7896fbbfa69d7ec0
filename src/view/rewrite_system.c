/* SPDX-License-Identifier: MIT */
/*
 * The files of the machine. The kernel's own columns of /proc/stat are samples, one a tick, and
 * lose what was lost: of them only the proportions are used, user to system, idle to iowait. How
 * much there is of both, and of steal, is what the figures say, so that the columns advance by the
 * time that passes and the processes add up to them.
 */
#include "base/units.h"
#include "view/rewrite_internal.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

enum { USER, NICE, SYSTEM, IDLE, IOWAIT, IRQ, SOFTIRQ, STEAL, GUEST, GUEST_NICE, COLUMNS };

static const int busy_columns[] = {USER, NICE, SYSTEM, IRQ, SOFTIRQ};
static const int idle_columns[] = {IDLE, IOWAIT};

/* A line "cpu ..." or "cpuN ..." at `line`: what it stands for. */
struct cpu_line {
	const struct cpu_figures *figures;
	struct cpu_shown *shown;
	const char *values; /* the blank behind its name */
};

/* False for other lines, and for CPUs of which there are no figures. */
static bool find_cpu(const char *line, const struct system_figures *figures,
		     struct system_shown *shown, struct cpu_line *ret)
{
	size_t digits;
	unsigned cpu = 0;

	if (strncmp(line, "cpu", 3) != 0)
		return false;
	digits = strspn(line + 3, "0123456789");
	if (digits > 4 || line[3 + digits] != ' ')
		return false;
	for (size_t i = 0; i < digits; i++)
		cpu = 10 * cpu + (unsigned)(line[3 + i] - '0');
	if (digits && cpu >= figures->n_cpus)
		return false;
	ret->figures = digits ? &figures->cpu[cpu] : &figures->all;
	ret->shown = digits ? &shown->cpu[cpu] : &shown->all;
	ret->values = line + 3 + digits;
	return true;
}

static void gather(const uint64_t *columns, const int *which, int n, uint64_t *ret)
{
	for (int i = 0; i < n; i++)
		ret[i] = columns[which[i]];
}

/* Forward by `add` ns, or as the kernel goes where the figures have no say; puts what is shown into
 * the columns. */
static void advance(struct spread *s, const int *which, int n, bool use_add, uint64_t add,
		    uint64_t *columns)
{
	uint64_t raw[SPREAD_MAX], kernel = 0;

	gather(columns, which, n, raw);
	for (int i = 0; i < n; i++)
		kernel += u64_sub_floor(raw[i], s->raw[i]);
	spread_add(s, n, raw, use_add ? add : kernel);
	for (int i = 0; i < n; i++)
		columns[which[i]] = s->shown[i];
}

static void show_cpu(const struct system_figures *f, const struct cpu_line *l, uint64_t *columns)
{
	static const int steal[] = {STEAL};
	const struct cpu_figures *now = l->figures;
	struct cpu_shown *s = l->shown;
	bool known = s->begun && f->live && s->epoch == f->epoch;

	advance(&s->busy, busy_columns, 5, known, u64_sub_floor(now->busy, s->last.busy), columns);
	advance(&s->idle, idle_columns, 2, known, u64_sub_floor(now->idle, s->last.idle), columns);
	advance(&s->away, steal, 1, known, u64_sub_floor(now->away, s->last.away), columns);
	/* Those of a guest of this guest are in user and nice, and never more than them. */
	columns[GUEST] = u64_min(columns[GUEST], columns[USER]);
	columns[GUEST_NICE] = u64_min(columns[GUEST_NICE], columns[NICE]);
	s->begun = true;
	s->last = *now;
	s->epoch = f->live ? f->epoch : 0;
}

/* Reads the columns as ns. Old kernels have fewer than COLUMNS, none has fewer than 8. */
static int parse_columns(const char **at, uint64_t *ret)
{
	uint64_t tick = tick_ns();
	int n = 0;

	while (n < COLUMNS && !number_take(at, UINT64_MAX / tick / 16, &ret[n])) {
		ret[n] *= tick;
		n++;
	}
	return n >= 8 && (**at == '\n' || **at == ' ') ? n : -EBADMSG;
}

/* Writes the beginning of a line; returns where the rest of it begins, NULL for a line that is
 * shown as it is. */
typedef const char *line_fn(const char *line, const struct system_figures *figures,
			    struct system_shown *shown, FILE *out);

static const char *show_stat(const char *line, const struct system_figures *figures,
			     struct system_shown *shown, FILE *out)
{
	uint64_t columns[COLUMNS] = {0}, tick = tick_ns();
	struct cpu_line l;
	const char *at;
	int n;

	if (!find_cpu(line, figures, shown, &l))
		return NULL;
	at = l.values;
	n = parse_columns(&at, columns);
	if (n < 0)
		return NULL;
	show_cpu(figures, &l, columns);
	fprintf(out, "%.*s", (int)(l.values - line), line);
	if (l.values[1] == ' ') /* the sum's line has two */
		fputc(' ', out);
	for (int i = 0; i < n; i++)
		fprintf(out, " %" PRIu64, columns[i] / tick);
	return at;
}

/* "cpuN" and nine numbers, of which the seventh is the time, in ns, that tasks had on it. The
 * kernel takes it from a clock that counts stolen time even where it subtracts that elsewhere. */
static const char *show_schedstat(const char *line, const struct system_figures *figures,
				  struct system_shown *shown, FILE *out)
{
	const char *at, *begin = NULL;
	struct cpu_line l;
	uint64_t value;

	if (!find_cpu(line, figures, shown, &l) || l.shown == &shown->all)
		return NULL;
	at = l.values;
	for (int i = 0; i < 7; i++) {
		begin = at;
		if (number_take(&at, UINT64_MAX, &value))
			return NULL;
	}
	value = counter_show(&l.shown->schedstat, value,
			     u64_sub_floor(value, l.figures->busy_away + l.figures->ended_away));
	fprintf(out, "%.*s %" PRIu64, (int)(begin - line), line, value);
	return at;
}

/* A line that the function leaves alone, or the rest of one that it has begun, is copied. */
static void rewrite_lines(const char *text, line_fn *rewrite, const struct system_figures *figures,
			  struct system_shown *shown, FILE *out)
{
	while (*text) {
		const char *rest = rewrite(text, figures, shown, out);
		size_t n;

		text = rest ? rest : text;
		n = strcspn(text, "\n");
		n += text[n] == '\n';
		fwrite(text, 1, n, out);
		text += n;
	}
}

int rewrite_system_stat(const char *text, const struct system_figures *figures,
			struct system_shown *shown, FILE *out)
{
	if (strncmp(text, "cpu ", 4) != 0)
		return -EBADMSG;
	if (figures->kernel_subtracts)
		fputs(text, out);
	else
		rewrite_lines(text, show_stat, figures, shown, out);
	return 0;
}

int rewrite_system_schedstat(const char *text, const struct system_figures *figures,
			     struct system_shown *shown, FILE *out)
{
	if (strncmp(text, "version ", 8) != 0)
		return -EBADMSG;
	rewrite_lines(text, show_schedstat, figures, shown, out);
	return 0;
}
