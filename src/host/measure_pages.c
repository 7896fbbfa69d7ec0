/* SPDX-License-Identifier: MIT */
#include "host/measure_pages.h"

#include "host/measure_parts.h"

#define LOOKS_MAX 20 /* of VMs without, at a time */

void measure_pages_note(const struct measurement *m, const struct measured *x, unsigned from)
{
	for (unsigned i = from; i < x->page.n; i++) {
		const struct page_verdict *v = &x->page.verdicts[i];

		if (v->why[0])
			measure_note(m, "VM %s (pid %d): %s%s%s left alone: %s", x->vm.name,
				     x->vm.pid, v->device, v->file[0] ? ", " : "", v->file, v->why);
	}
	if (x->page.more && !from)
		measure_note(m, "VM %s (pid %d): %u more devices left alone", x->vm.name, x->vm.pid,
			     x->page.more);
}

static bool has_page(const struct measured *x)
{
	for (unsigned i = 0; i < x->page.n; i++) {
		if (!x->page.verdicts[i].why[0])
			return true;
	}
	return false;
}

static void adopt(struct measurement *m, struct measured *x)
{
	if (publisher_adopt_page(m->parts->publisher, &x->vm, x->id, &x->page) || !x->page_lost)
		return;
	if (x->page_losses <= MEASURE_LOSSES_SAID)
		measure_note(m, "VM %s (pid %d): its page is written again", x->vm.name, x->vm.pid);
	x->page_lost = NULL;
}

/* Another publisher or VM may have ended, or a device may have been plugged in. */
static void retry_page(struct measurement *m, struct measured *x)
{
	unsigned known = x->page.n;

	if (page_choice_again(&x->page)) {
		adopt(m, x);
		return;
	}
	publisher_adopt_plugged(m->parts->publisher, &x->vm, x->id, &x->page);
	measure_pages_note(m, x, known);
}

void measure_pages_retry(struct measurement *m)
{
	size_t looked = 0;

	for (size_t i = 0; i < m->n && looked < LOOKS_MAX; i++) {
		struct measured *x = m->vms[m->parts->turn++ % m->n];

		if (x->id < 0 || has_page(x))
			continue;
		retry_page(m, x);
		looked++;
	}
}
