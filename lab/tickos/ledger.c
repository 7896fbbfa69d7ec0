/* SPDX-License-Identifier: MIT */
/* The ledger page, where VMDesched's port says that it is; read by the reader that all guests
 * have. */
#include "tickos.h"

#include <desched/page.h>

static uint64_t at, size; /* 0: there is none */
static int scribbles;

void ledger_find(int scribble)
{
	scribbles = scribble;
	at = in32(VMDESCHED_LEDGER);
	size = in32(VMDESCHED_LEDGER_SIZE);
	if (at)
		cpu_map(at, size);
}

/* What the host says that we waited, beside what VMDesched was charged for it. */
void ledger_report(const struct cpu *c)
{
	struct page_reader reader;
	struct page_vcpu v;

	if (!at)
		return;
	if (scribbles)
		*(volatile uint64_t *)at = 0;
	if (page_attach((const void *)at, size, &reader) || page_read_vcpu(&reader, c->id, &v)) {
		print("tickos: ledger empty\n");
		return;
	}
	print("tickos: ledger");
	print_field("at_ns", v.at);
	print_field("run_ns", v.ns[LEDGER_RUN]);
	print_field("ready_ns", v.ns[LEDGER_READY]);
	print_field("vmdesched_ns", c->processes[PROCESS_VMDESCHED].charged * c->page.period);
	print("\n");
}
