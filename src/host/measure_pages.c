/* SPDX-License-Identifier: MIT */
#include "host/measure_pages.h"

#include "host/measure_parts.h"

#include <errno.h>
#include <stdlib.h>

#define LOOKS_MAX    20 /* of VMs without, at a time, */
#define LOOKS_ROUNDS 3	/* each of them in one of so many rounds, where they are few */

int measure_pages_keep(struct measured *x, const struct page_choice *c)
{
	struct page_choice *kept;

	if (!c->n && !c->more && !x->page)
		return 0;
	kept = x->page ? x->page : malloc(sizeof(*kept));
	if (!kept)
		return -ENOMEM;
	*kept = *c;
	x->page = kept;
	return 0;
}

void measure_pages_note(const struct measurement *m, const struct measured *x, unsigned from)
{
	const struct page_choice *c = x->page;

	for (unsigned i = from; c && i < c->n; i++) {
		const struct page_verdict *v = &c->verdicts[i];

		if (v->why[0])
			measure_note(m, "VM %s (pid %d): %s%s%s left alone: %s", x->vm.name,
				     x->vm.pid, v->device, v->file[0] ? ", " : "", v->file, v->why);
	}
	if (c && c->more && !from)
		measure_note(m, "VM %s (pid %d): %u more devices left alone", x->vm.name, x->vm.pid,
			     c->more);
}

static bool has_page(const struct measured *x)
{
	for (unsigned i = 0; x->page && i < x->page->n; i++) {
		if (!x->page->verdicts[i].why[0])
			return true;
	}
	return false;
}

static void note_again(const struct measurement *m, struct measured *x)
{
	if (x->page_lost && x->page_losses <= MEASURE_LOSSES_SAID)
		measure_note(m, "VM %s (pid %d): its page is written again", x->vm.name, x->vm.pid);
	x->page_lost = NULL;
}

/* Another publisher or VM may have ended, or a device may have been plugged in. */
static void retry_page(struct measurement *m, struct measured *x)
{
	struct page_choice c = {.n = 0};
	unsigned known = x->page ? x->page->n : 0;
	bool again;

	if (x->page)
		c = *x->page;
	again = page_choice_again(&c);
	if (again && !publisher_adopt_page(m->parts->publisher, &x->vm, x->id, &c))
		note_again(m, x);
	else if (!again)
		publisher_adopt_plugged(m->parts->publisher, &x->vm, x->id, &c);
	if (!measure_pages_keep(x, &c) && !again)
		measure_pages_note(m, x, known);
}

void measure_pages_retry(struct measurement *m)
{
	size_t looked = 0, looks = (m->n + m->parts->retries++ % LOOKS_ROUNDS) / LOOKS_ROUNDS;

	looks = looks < LOOKS_MAX ? looks : LOOKS_MAX;
	for (size_t i = 0; i < m->n && looked < looks; i++) {
		struct measured *x = m->vms[m->parts->turn++ % m->n];

		if (x->id < 0 || has_page(x))
			continue;
		retry_page(m, x);
		looked++;
	}
}
