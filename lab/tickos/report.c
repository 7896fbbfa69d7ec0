/* SPDX-License-Identifier: MIT */
#include "tickos.h"

/* One line: a CPU's clock, what the host says to it, and charge/work of each of its processes. */
void report(const struct cpu *c)
{
	const struct vmdesched_page *page = &c->page;

	print("tickos: report");
	print_field("cpu", c->id);
	print_field("clock", c->clock);
	print_field("taken", page->taken);
	print_field("backlog", page->backlog);
	print_field("resyncs", page->resyncs);
	print_field("period_ns", page->period);
	print_field("real_ns", page->real_ns);
	print_field("run_ns", page->run_ns);
	print_field("away_ns", page->away_ns);
	print_field("vmdesched_ns", page->vmdesched_ns);
	for (int i = 0; i < PROCESSES; i++) {
		print_field(c->processes[i].name, c->processes[i].charged);
		print("/");
		print_number(*c->processes[i].units);
	}
	print("\n");
	ledger_report(c);
}
