/* SPDX-License-Identifier: MIT */
#include "wire/snapshot.h"

#include "base/units.h"

#include <stdlib.h>
#include <string.h>

/* ---- texts ---- */

#define BLOCK_SIZE (16 * KIB)

struct snapshot_text {
	struct snapshot_text *next;
	size_t used, size;
	char bytes[];
};

static bool make_room(struct snapshot *s, size_t n)
{
	size_t size = u64_max(n, s->texts ? BLOCK_SIZE : 256);
	struct snapshot_text *block;

	if (s->texts && s->texts->size - s->texts->used >= n)
		return true;
	block = malloc(sizeof(*block) + size);
	if (!block)
		return false;
	*block = (struct snapshot_text){.next = s->texts, .size = size};
	s->texts = block;
	return true;
}

/* Characters stay whole. */
static size_t cut(const char *text)
{
	size_t n = strnlen(text, SNAPSHOT_TEXT_MAX + 1);

	if (n <= SNAPSHOT_TEXT_MAX)
		return n;
	for (n = SNAPSHOT_TEXT_MAX; n > SNAPSHOT_TEXT_MAX - 4 && (text[n] & 0xc0) == 0x80;)
		n--;
	return n;
}

const char *snapshot_text(struct snapshot *s, const char *text)
{
	size_t n = cut(text);
	char *to;

	if (!make_room(s, n + 1))
		return NULL;
	to = s->texts->bytes + s->texts->used;
	memcpy(to, text, n);
	to[n] = '\0';
	s->texts->used += n + 1;
	return to;
}

/* ---- the whole ---- */

void snapshot_init(struct snapshot *s)
{
	*s = (struct snapshot){.source = "?", .steal_clock = "", .split = true, .complete = true};
}

static void page_done(struct snapshot_page *p)
{
	if (!p)
		return;
	json_decref(p->more);
	free(p->vcpus);
	free(p);
}

static void drop_more(struct snapshot *s)
{
	for (size_t i = 0; i < s->n_cpus; i++)
		json_decref(s->cpus[i].more);
	for (size_t i = 0; i < s->n_processes; i++)
		json_decref(s->processes[i].more);
	for (size_t i = 0; i < s->n_threads; i++)
		json_decref(s->threads[i].more);
	for (size_t i = 0; i < s->n_cgroups; i++)
		json_decref(s->cgroups[i].more);
	json_decref(s->counters.more);
	json_decref(s->clock.more);
	json_decref(s->totals_more);
	json_decref(s->more);
}

void snapshot_done(struct snapshot *s)
{
	struct snapshot_text *next;

	drop_more(s);
	page_done(s->page);
	free(s->cpus);
	free(s->processes);
	free(s->threads);
	free(s->cgroups);
	for (struct snapshot_text *block = s->texts; block; block = next) {
		next = block->next;
		free(block);
	}
	*s = (struct snapshot){0};
}

bool snapshot_goes_on(uint64_t session, uint64_t elapsed, const struct snapshot *to)
{
	if (to->elapsed < elapsed)
		return false;
	if (!session || !to->session || session == to->session)
		return true;
	for (size_t i = 0; i < to->n_sessions; i++)
		if (to->sessions[i].id == session)
			return true;
	return false;
}

uint64_t snapshot_reported(const struct snapshot *s, const struct figures *f)
{
	return s->kernel_subtracts ? f->truth + f->unaccounted : figures_occupied(f);
}
