/* SPDX-License-Identifier: MIT */
#include "tickos.h"

void print(const char *text)
{
	for (; *text; text++)
		out8(SERIAL, (uint8_t)*text);
}

void print_number(uint64_t n)
{
	char text[21];
	char *p = text + sizeof(text) - 1;

	*p = '\0';
	do {
		*--p = (char)('0' + n % 10);
		n /= 10;
	} while (n);
	print(p);
}

void print_field(const char *name, uint64_t n)
{
	print(" ");
	print(name);
	print("=");
	print_number(n);
}

/* One line: the clock, what the host says, and charge/work of each process. */
void report(void)
{
	print("tickos: report");
	print_field("clock", clock_ticks);
	print_field("taken", page.taken);
	print_field("backlog", page.backlog);
	print_field("resyncs", page.resyncs);
	print_field("period_ns", page.period);
	print_field("real_ns", page.real_ns);
	print_field("run_ns", page.run_ns);
	print_field("away_ns", page.away_ns);
	print_field("vmdesched_ns", page.vmdesched_ns);
	for (int i = 0; i < PROCESSES; i++) {
		print_field(processes[i].name, processes[i].charged);
		print("/");
		print_number(*processes[i].units);
	}
	print("\n");
	ledger_report();
}
