/* SPDX-License-Identifier: MIT */
#include "sim/scenario_changes.h"

#include "base/cpulist.h"
#include "base/quantity.h"
#include "base/units.h"
#include "sim/scenario_keys.h"
#include "sim/workload.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define CHANGES_MAX   1000
#define CHANGE_LATEST (1000000 * NS_PER_SEC)

/* What can change while a guest runs. */
static const char *const vm_keys[] = {"count",	     "vcpus",  "group",	 "shares",
				      "reservation", "limit",  "budget", "cosched",
				      "load",	     "demand", "burst"};
static const char *const group_keys[] = {"parent", "shares", "reservation", "limit"};
static const char *const host_keys[] = {"offline"};

static bool is_in(const char *key, const char *const *keys, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (!strcmp(key, keys[i]))
			return true;
	}
	return false;
}

int scenario_add_change(struct scenario *s, const char *text, int line, struct failure *f)
{
	struct change *c;
	uint64_t at;

	if (strlen(text) >= sizeof(c->set.name) || quantity_time(text, 0, NULL, &at) || !at ||
	    at > CHANGE_LATEST)
		return failure_set(
			f, -EINVAL,
			"[at %.40s]: expected a time above 0 and up to 1000000s, such as "
			"[at 20s]",
			text);
	if (s->n_changes && at <= s->changes[s->n_changes - 1].at)
		return failure_set(f, at == s->changes[s->n_changes - 1].at ? -EEXIST : -EINVAL,
				   "[at %s] comes after [at %s] in line %d; changes stand in the "
				   "order of their times",
				   text, s->changes[s->n_changes - 1].set.name,
				   s->changes[s->n_changes - 1].set.line);
	c = s->n_changes < CHANGES_MAX
		    ? realloc(s->changes, (s->n_changes + 1) * sizeof(*s->changes))
		    : NULL;
	if (!c)
		return failure_set(f, -E2BIG, "more than %d changes", CHANGES_MAX);
	s->changes = c;
	c += s->n_changes++;
	*c = (struct change){.at = at, .set.line = line};
	strcpy(c->set.name, text);
	return 0;
}

struct change *scenario_find_change(struct scenario *s, const char *text)
{
	for (uint32_t i = 0; i < s->n_changes; i++) {
		if (!strcmp(s->changes[i].set.name, text))
			return &s->changes[i];
	}
	return NULL;
}

/* Whether a change may be about this key, by the kind of its section. */
static int check_key(struct scenario *s, const struct setting *set, struct failure *f)
{
	const char *section = set->section, *key = set->key;
	bool may;

	if (!strcmp(section, "host") || scenario_find_host(s, section))
		may = is_in(key, host_keys, ARRAY_SIZE(host_keys));
	else if (scenario_find_group(s, section))
		may = is_in(key, group_keys, ARRAY_SIZE(group_keys));
	else if (scenario_find_vm(s, section))
		may = is_in(key, vm_keys, ARRAY_SIZE(vm_keys));
	else /* of others that aren't there, scenario_apply() says so */
		may = strcmp(section, "run") && strcmp(section, "cluster");
	if (may)
		return 0;
	return failure_set(f, -EINVAL,
			   "%s.%s cannot change while the host runs; of a VM its count, vcpus, "
			   "group, shares, reservation, limit, budget, cosched, load, demand and "
			   "burst can, of a group its parent, shares, reservation and limit, of a "
			   "host what is offline",
			   section, key);
}

/* A change of another host's keys is none of this one's business, nor is one of all hosts' where it
 * has its own. */
static bool is_elsewhere(struct scenario *s, const char *section, const char *key)
{
	const struct named_host *own = s->on_host[0] ? scenario_find_host(s, s->on_host) : NULL;

	if (!own)
		return false;
	if (strcmp(section, "host"))
		return scenario_find_host(s, section) && strcmp(section, s->on_host);
	for (uint32_t i = 0; i < own->n_settings; i++) {
		if (!strcmp(own->settings[i].key, key))
			return true;
	}
	return false;
}

/* A named host's own key is the host's, and stays its own. */
static int apply_own(struct scenario *n, const struct setting *set, struct failure *f)
{
	struct named_host *own = scenario_find_host(n, n->on_host);
	int err = scenario_set_host(n, own, set->key, set->value, set->line, f);

	return err ? err : scenario_apply(n, "host", set->key, set->value, set->line, f);
}

static int apply_change(struct scenario *n, const struct change *c, struct failure *f)
{
	int err = 0;

	for (uint32_t i = 0; i < c->set.n_settings && !err; i++) {
		const struct setting *set = &c->set.settings[i];
		struct failure why;

		if (is_elsewhere(n, set->section, set->key))
			continue;
		err = check_key(n, set, &why);
		if (!err && n->on_host[0] && !strcmp(set->section, n->on_host))
			err = apply_own(n, set, &why);
		else if (!err)
			err = scenario_apply(n, set->section, set->key, set->value, set->line,
					     &why);
		if (err)
			failure_set(f, err, "%s:%d: [at %s] %s", n->path, set->line, c->set.name,
				    why.text);
	}
	return err;
}

int scenario_before(const struct scenario *s, struct scenario **ret)
{
	struct scenario *copy = NULL;
	int err = scenario_copy(s, &copy);

	if (err)
		return err;
	scenario_forget_changes(copy);
	copy->moment = true;
	*ret = copy;
	return 0;
}

int scenario_after(const struct scenario *before, const struct change *c, struct failure *f,
		   struct scenario **ret)
{
	struct scenario *copy;
	int err = scenario_copy(before, &copy);

	if (err)
		return err;
	err = apply_change(copy, c, f);
	if (err) {
		scenario_free(copy);
		return err;
	}
	for (uint32_t i = 0; i < copy->n_vms; i++) {
		if (copy->vms[i].barred)
			copy->vms[i].count = 0;
	}
	*ret = copy;
	return 0;
}

/* What the scenario's check says, without its file and line. */
static const char *bare(const char *text, const char *path)
{
	size_t len = strlen(path);

	if (strncmp(text, path, len) || text[len] != ':')
		return text;
	text += len + 1;
	if (isdigit((unsigned char)*text))
		text += strspn(text, "0123456789") + 1;
	return text + strspn(text, " ");
}

/* Threads that wait for each other cannot lose one. */
static int check_guest(const struct scenario *s, const struct change *c, const struct vm_spec *was,
		       const struct vm_spec *is, struct failure *f)
{
	const struct workload_row *row = workload_rows[is->workload];

	if (is->count && was->count && is->vcpus < was->vcpus && row != &workload_busy &&
	    row != &workload_duty && row != &workload_idle)
		return failure_set(f, -EINVAL,
				   "%s:%d: [at %s] vm %s: only guests that are busy, duty or idle "
				   "can lose vCPUs",
				   s->path, c->set.line, c->set.name, is->name);
	if ((is->trace[0] || is->day.n) && (is->load != was->load || is->demand != was->demand))
		return failure_set(f, -EINVAL,
				   "%s:%d: [at %s] vm %s: its day or trace says its demand",
				   s->path, c->set.line, c->set.name, is->name);
	return 0;
}

static void make_room(struct vm_spec *vm, const struct vm_spec *is)
{
	if (is->count > vm->most)
		vm->most = is->count;
	if (is->vcpus > vm->room)
		vm->room = is->vcpus;
}

static int check_change(struct scenario *s, uint32_t i, const struct scenario *before,
			struct scenario *after, struct failure *f)
{
	const struct change *c = &s->changes[i];
	struct failure why;
	int err;

	if (c->at >= s->run.warmup + s->run.duration)
		return failure_set(f, -EINVAL, "%s:%d: [at %s] comes after the end of the run",
				   s->path, c->set.line, c->set.name);
	err = scenario_check(after, &why);
	if (err)
		return failure_set(f, err, "%s:%d: [at %s] %s", s->path, c->set.line, c->set.name,
				   bare(why.text, s->path));
	for (uint32_t k = 0; k < s->n_vms && !err; k++) {
		err = check_guest(s, c, &before->vms[k], &after->vms[k], f);
		make_room(&s->vms[k], &after->vms[k]);
	}
	return err;
}

int scenario_check_changes(struct scenario *s, struct failure *f)
{
	struct scenario *before = NULL, *after = NULL;
	int err = 0;

	for (uint32_t k = 0; k < s->n_vms; k++) {
		s->vms[k].most = s->vms[k].count;
		s->vms[k].room = s->vms[k].vcpus;
	}
	if (s->n_changes)
		err = scenario_before(s, &before);
	for (uint32_t i = 0; i < s->n_changes && !err; i++) {
		err = scenario_after(before, &s->changes[i], f, &after);
		if (err)
			break;
		err = check_change(s, i, before, after, f);
		scenario_free(before);
		before = after;
	}
	scenario_free(before);
	return err;
}

bool scenario_cpu_in(const char *list, uint32_t cpu)
{
	uint32_t first, last;

	while (cpulist_next(&list, &first, &last) > 0)
		if (cpu >= first && cpu <= last)
			return true;
	return false;
}

bool scenario_cpus_valid(const char *list, uint32_t cpus)
{
	uint32_t first, last;
	int more;

	if (!strcmp(list, "none"))
		return true;
	while ((more = cpulist_next(&list, &first, &last)) > 0)
		if (last >= cpus)
			return false;
	return !more;
}
