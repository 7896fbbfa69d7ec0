/* SPDX-License-Identifier: MIT */
#include "screen/layout_bar.h"

#include "base/units.h"

#include <math.h>

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

uint32_t layout_block(const struct canvas *c, double eighths)
{
	int level = eighths >= 8 ? 8 : eighths < 0 ? 0 : (int)eighths;

	if (c->unicode)
		return level ? 0x2580u + (uint32_t)level : ' ';
	return (uint32_t) " .,:-=+*#"[level];
}

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
