/* SPDX-License-Identifier: MIT */
#include "base/units.h"
#include "lab/lab_report.h"

#include <math.h>
#include <string.h>

#define BOLD  "\033[1m"
#define RED   "\033[31m"
#define GREEN "\033[32m"
#define PLAIN "\033[0m"
#define WRONG 0.10 /* an error from here on is red */

struct page_of {
	FILE *out;
	bool colour;
};

static const char *paint(const struct page_of *p, const char *colour)
{
	return p->colour ? colour : "";
}

static void seconds(const struct page_of *p, bool known, double s)
{
	if (known)
		fprintf(p->out, "%10.2f", s);
	else
		fprintf(p->out, "%10s", "-");
}

static void error(const struct page_of *p, int width, double e)
{
	if (isnan(e))
		fprintf(p->out, "%*s", width, "-");
	else
		fprintf(p->out, "%s%+*.1f %%%s", fabs(e) >= WRONG ? paint(p, RED) : paint(p, GREEN),
			width - 2, 100 * e, paint(p, PLAIN));
}

static void process_line(const struct page_of *p, const char *vm, const struct lab_process *s)
{
	fprintf(p->out, "%-6s %-9s", vm, s->kind);
	seconds(p, s->alive, ns_to_s(s->reported));
	seconds(p, s->has_agent, (double)s->true_ns / 1e9);
	seconds(p, true, ns_to_s(s->truth));
	error(p, 12, s->error_reported);
	error(p, 15, s->error_true);
	fputc('\n', p->out);
}

static void vm_lines(const struct page_of *p, const struct lab_vm *vm)
{
	const struct lab_guest *g = &vm->guest;

	if (!vm->measured) {
		fprintf(p->out, "%-6s not measured: %s\n\n", vm->name,
			vm->failure[0] ? vm->failure : "the lab ended before");
		return;
	}
	for (int i = 0; i < vm->n_processes; i++)
		process_line(p, i ? "" : vm->name, &vm->processes[i]);
	fprintf(p->out, "       descheduled: ");
	if (g->has_agent)
		fprintf(p->out, "found in the guest %.2f, ", (double)g->descheduled / 1e9);
	fprintf(p->out, "measured by the host %.2f", ns_to_s(lab_vm_ready(vm)));
	if (!isnan(vm->error_descheduled))
		fprintf(p->out, " (%+.1f %%)", 100 * vm->error_descheduled);
	if (g->has_agent && g->has_interval)
		fprintf(p->out, "\n       which the guest puts between %.2f and %.2f",
			(double)g->low / 1e9, (double)g->high / 1e9);
	fprintf(p->out, "\n       on a CPU: %.2f; busy in the guest's /proc/stat: %.2f\n",
		ns_to_s(lab_vm_run(vm)), (double)g->busy / 1e9);
	if (vm->failure[0])
		fprintf(p->out, "       failed: %s\n", vm->failure);
	fputc('\n', p->out);
}

static void limit_line(const struct page_of *p, const struct lab_limit *l,
		       const struct lab_result *r)
{
	double figure = l->figure(&r->summary);

	if (!lab_limit_applies(l, r))
		return;
	if (isnan(figure))
		fprintf(p->out, "  %-20s not measured   (at most %g %%)\n", l->name,
			100 * l->limit);
	else if (lab_limit_kept(l, r))
		fprintf(p->out, "  %-20s %6.2f %%   (at most %g %%)\n", l->name, 100 * figure,
			100 * l->limit);
	else
		fprintf(p->out, "  %s%-20s %6.2f %%   (at most %g %%): missed%s\n", paint(p, RED),
			l->name, 100 * figure, 100 * l->limit, paint(p, PLAIN));
}

static void verdict(const struct page_of *p, const struct lab_result *r)
{
	const struct lab_summary *s = &r->summary;

	if (isnan(s->max_error_reported)) {
		fprintf(p->out, "Verdict: none, no process has enough CPU time to be judged.\n");
	} else {
		fprintf(p->out, "%sVerdict: top is off by up to %.0f %%", paint(p, BOLD),
			100 * s->max_error_reported);
		if (!isnan(s->max_error_true))
			fprintf(p->out, ", desched by up to %.1f %%", 100 * s->max_error_true);
		fprintf(p->out, ",%s\nfor %s.\n", paint(p, PLAIN),
			r->traced ? "processes with at least a second of CPU time"
				  : "spinning and duty-cycled processes");
	}
	if (s->limits)
		fprintf(p->out, "Source %s, largest errors:\n", r->source);
	for (int i = 0; i < n_lab_limits; i++)
		limit_line(p, &lab_limits[i], r);
}

static void remarks(const struct page_of *p, const struct lab_result *r)
{
	for (int i = 0; i < r->n_vms; i++) {
		if (r->vms[i].boots > 1)
			fprintf(p->out, "%s died while booting and was started %d times.\n",
				r->vms[i].name, r->vms[i].boots);
	}
	if ((double)r->steal > 0.002 * (double)r->seconds)
		fprintf(p->out,
			"This host itself was descheduled for %.2f s; its figures are that "
			"uncertain.\n",
			ns_to_s(r->steal));
	if (r->note[0])
		fprintf(p->out, "Note: %s\n", r->note);
}

void lab_report_table(const struct lab_result *r, bool colour, FILE *out)
{
	struct page_of p = {out, colour};

	fprintf(out, "%d VM%s on CPU %s for %g s (%s, source %s); CPU time in seconds\n\n",
		r->n_vms, r->n_vms == 1 ? "" : "s", r->cpus, ns_to_s(r->seconds), r->accel,
		r->source);
	fprintf(out, "%s%-6s %-9s%10s%10s%10s%12s%15s%s\n", paint(&p, BOLD), "VM", "process",
		"top says", "desched", "truth", "top error", "desched error", paint(&p, PLAIN));
	for (int i = 0; i < r->n_vms; i++)
		vm_lines(&p, &r->vms[i]);
	verdict(&p, r);
	remarks(&p, r);
}
