/* SPDX-License-Identifier: MIT */
/* What people ask of it: setting, unsetting, and what is in force and why. */
#include "enforce/enforce_internal.h"

#include "base/cleanup.h"
#include "base/json_out.h"
#include "policy/entitle.h"
#include "service/requests.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* ---- words ---- */

/* The word of a request; NULL and why it is none. */
static const char *word_of(const json_t *request, struct failure *f)
{
	const char *word = json_string_value(json_object_get(request, "vm"));

	if (word && word[0] && strlen(word) < INIFILE_NAME)
		return word;
	failure_set(f, -EINVAL,
		    "which VM? \"vm\" is a name, a pattern, a UUID or pid=N, of at "
		    "most %d bytes",
		    INIFILE_NAME - 1);
	return NULL;
}

static json_t *names_that_fit(const struct enforce *e, const char *word)
{
	json_t *names = json_array();

	for (size_t i = 0; i < e->n; i++)
		if (rules_fits(word, &e->vms[i].vm))
			json_array_append_new(names, json_out_name(e->vms[i].vm.name));
	return names;
}

static void add_note(json_t *notes, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void add_note(json_t *notes, const char *format, ...)
{
	char text[400];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	json_array_append_new(notes, json_out_name(text));
}

/* Keys of the mask that the enforcer doesn't bring about. */
static void note_keys(const struct enforce *e, uint64_t mask, json_t *notes)
{
	if (e->row == &enforcer_none) {
		add_note(notes, "nothing is enforced: enforcer = none");
		return;
	}
	for (size_t i = 0; i < VM_KEYS; i++)
		if (mask >> i & 1 && !(e->row->keys >> i & 1))
			add_note(notes, "%s isn't enforced: '%s' can't", vm_key_rows[i].name,
				 e->row->name);
}

static json_t *answer_for(const struct enforce *e, const char *word, uint64_t mask)
{
	json_t *fits = names_that_fit(e, word), *notes = json_array();

	if (!json_array_size(fits))
		add_note(notes, "no VM that is there now is called '%s'", word);
	note_keys(e, mask, notes);
	return json_pack("{s:s, s:o, s:o, s:s, s:o}", "schema", SET_SCHEMA, "vm",
			 json_out_name(word), "fits", fits, "enforcer", e->row->name, "notes",
			 notes);
}

/* ---- setting ---- */

static int read_settings(const json_t *request, struct vm_given *ret, struct failure *f)
{
	json_t *settings = json_object_get(request, "settings"), *value;
	const char *key;
	int err = 0;

	memset(ret, 0, sizeof(*ret));
	rows_default(vm_key_rows, VM_KEYS, ret);
	if (!json_object_size(settings))
		return failure_set(f, -EINVAL,
				   "\"settings\" is an object such as {\"shares\":\"2000\"}");
	json_object_foreach(settings, key, value)
	{
		const char *text = json_string_value(value);

		err = text ? settings_give(vm_key_rows, VM_KEYS, &ret->named, key, text, f)
			   : failure_set(f, -EINVAL, "%s: a value is a string, as it is typed",
					 key);
		if (err)
			break;
	}
	return err;
}

/* What can be said without knowing VMs. */
static int check_given(const struct enforce *e, const struct vm_given *g, struct failure *f)
{
	if (g->limit < g->reservation)
		return failure_set(f, -EINVAL, "the limit (%.12g) is below the reservation (%.12g)",
				   g->limit, g->reservation);
	if (enforce_group(e->setup.settings, g->group) < 0)
		return failure_set(f, -ENOENT,
				   "there is no group '%s'; groups are sections [group NAME] of "
				   "the configuration",
				   g->group);
	return 0;
}

static double overdrawn(const struct entitlement_refusal *r)
{
	return r->wanted - r->available;
}

static int refuse(const struct enforce *e, const struct entitlement_refusal *r, struct failure *f)
{
	if (r->vm != SIZE_MAX)
		return failure_set(f, -EINVAL,
				   "%s: the limit (%.12g) is below the reservation (%.12g)",
				   e->vms[r->vm].vm.name, r->available, r->wanted);
	return failure_set(f, -ENOSPC, "%.12g CPUs would be reserved in all, and %s%s has %.12g",
			   r->wanted, r->group ? "group " : "the host",
			   r->group ? e->setup.settings->groups[r->group - 1].named.name : "",
			   r->available);
}

/* Whether all VMs that are there can have what these rules say. -ENOSPC, -EINVAL, -ENOMEM. */
static int fits_all(const struct enforce *e, const struct rules *rules,
		    struct entitlement_refusal *ret)
{
	_cleanup_(enforce_tree_done) struct enforce_tree t = {.vms = NULL};
	int err = enforce_tree(e, rules, &t);

	return err ? err : entitlement_admit(t.vms, e->n, &t.host, ret);
}

/* Where they couldn't before either, it mustn't get worse. */
static int admit(const struct enforce *e, const struct rules *rules, struct failure *f)
{
	struct entitlement_refusal why = {0}, before = {0};
	int err = fits_all(e, rules, &why);

	if (err == -ENOMEM)
		return failure_errno(f, err, "settings");
	if (err == -ENOSPC && fits_all(e, &e->rules, &before) == -ENOSPC &&
	    overdrawn(&why) <= overdrawn(&before))
		return 0;
	return err ? refuse(e, &why, f) : 0;
}

static int set(struct enforce *e, const char *word, const struct vm_given *given, struct failure *f)
{
	struct rules rules;
	int err = check_given(e, given, f);

	if (err)
		return err;
	if (rules_copy(&e->rules, &rules))
		return failure_errno(f, -ENOMEM, "settings");
	err = rules_set(&rules, word, given, f);
	if (!err)
		err = admit(e, &rules, f);
	if (err) {
		rules_done(&rules);
		return err;
	}
	rules_done(&e->rules);
	e->rules = rules;
	e->changed = true;
	enforce_decide(e);
	return 0;
}

json_t *enforce_set(struct enforce *e, const json_t *request)
{
	struct failure f = {""};
	const char *word = word_of(request, &f);
	struct vm_given given;

	if (!word || read_settings(request, &given, &f) || set(e, word, &given, &f))
		return requests_error(f.text);
	return answer_for(e, word, given.named.given);
}

/* ---- unsetting ---- */

static int read_keys(const json_t *request, uint64_t *ret, struct failure *f)
{
	const json_t *keys = json_object_get(request, "keys"), *key;
	uint64_t mask = 0;
	size_t i;

	if (!keys) {
		*ret = UINT64_MAX;
		return 0;
	}
	json_array_foreach(keys, i, key)
	{
		const char *name = json_string_value(key);
		const struct row *row = name ? rows_find(vm_key_rows, VM_KEYS, name) : NULL;

		if (!row)
			return failure_set(f, -ENOENT, "there is no '%.64s'", name ? name : "?");
		mask |= UINT64_C(1) << (row - vm_key_rows);
	}
	*ret = mask;
	return mask ? 0 : failure_set(f, -EINVAL, "\"keys\" is a list of names");
}

static int nothing_set(const struct enforce *e, const char *word, struct failure *f)
{
	char list[256] = "";
	size_t used = 0;

	for (size_t i = 0; i < e->rules.n_set && used < sizeof(list); i++)
		used += (size_t)snprintf(list + used, sizeof(list) - used, "%s%s", i ? ", " : "",
					 e->rules.set[i].named.name);
	return failure_set(f, -ENOENT, "nothing of that is set for '%s'; %s%s", word,
			   list[0] ? "there are settings for "
				   : "no VM has settings but by the "
				     "configuration",
			   list);
}

json_t *enforce_unset(struct enforce *e, const json_t *request)
{
	struct failure f = {""};
	const char *word = word_of(request, &f);
	const struct vm_given *of;
	uint64_t mask = 0;

	if (!word || read_keys(request, &mask, &f))
		return requests_error(f.text);
	of = rules_find(&e->rules, word);
	if (!of || !(of->named.given & mask)) {
		nothing_set(e, word, &f);
		return requests_error(f.text);
	}
	rules_unset(&e->rules, word, mask);
	e->changed = true;
	enforce_decide(e);
	return answer_for(e, word, 0);
}

/* ---- what is in force ---- */

static json_t *amount(double cpus)
{
	return cpus < ENTITLE_UNLIMITED ? json_real(cpus) : json_null();
}

/* {"value":"2000","from":"set","word":"web*"} */
static json_t *setting(const struct resolved *r, size_t i)
{
	static const char *const origins[] = {[ORIGIN_DEFAULT] = "default",
					      [ORIGIN_CGROUP] = "cgroup",
					      [ORIGIN_FILE] = "file",
					      [ORIGIN_SET] = "set"};
	char value[SETTINGS_STRING];
	json_t *o;

	vm_key_rows[i].type->show(&vm_key_rows[i], (const char *)&r->to + vm_key_rows[i].offset,
				  value, sizeof(value));
	o = json_pack("{s:o, s:s}", "value", json_out_name(value), "from", origins[r->from[i]]);
	if (r->word[i])
		json_object_set_new(o, "word", json_out_name(r->word[i]));
	return o;
}

static void note_vm(const struct enforce *e, const struct enforced_vm *vm, json_t *notes)
{
	for (size_t i = 0; i < VM_KEYS; i++)
		if (vm->rules.from[i] != ORIGIN_DEFAULT && !(e->row->keys >> i & 1))
			add_note(notes, "%s isn't enforced: '%s' can't", vm_key_rows[i].name,
				 e->row->name);
	if (vm->outcome.why[0])
		add_note(notes, "%s", vm->outcome.why);
}

static json_t *vm_json(const struct enforce *e, const struct enforced_vm *vm)
{
	json_t *settings = json_object(), *notes = json_array(), *o;

	for (size_t i = 0; i < VM_KEYS; i++)
		json_object_set_new(settings, vm_key_rows[i].name, setting(&vm->rules, i));
	note_vm(e, vm, notes);
	o = json_pack("{s:o, s:i, s:o, s:i, s:o, s:f, s:f, s:f, s:f, s:b, s:o}", "name",
		      json_out_name(vm->vm.name), "pid", (int)vm->vm.pid, "uuid",
		      json_out_name(vm->vm.uuid), "vcpus", (int)vm->n_vcpus, "settings", settings,
		      "wanted_cpus", vm->wanted, "used_cpus", vm->used, "entitled_cpus",
		      vm->entitled, "rate_cpus", vm->rate, "enforced", (int)vm->outcome.enforced,
		      "notes", notes);
	if (o && vm->outcome.where[0])
		json_object_set_new(o, "where", json_out_name(vm->outcome.where));
	if (o && vm->outcome.how[0])
		json_object_set_new(o, "how", json_out_name(vm->outcome.how));
	return o;
}

static json_t *groups_json(const struct enforce_settings *s)
{
	json_t *groups = json_array();

	for (size_t i = 0; i < s->n_groups; i++) {
		const struct group_given *g = &s->groups[i];

		json_array_append_new(groups, json_pack("{s:o, s:o, s:f, s:f, s:o}", "name",
							json_out_name(g->named.name), "parent",
							json_out_name(g->parent), "shares",
							g->shares, "reservation", g->reservation,
							"limit", amount(g->limit)));
	}
	return groups;
}

/* Reservations that came together with their VMs, whom nobody could refuse. */
static void note_admission(const struct enforce *e, json_t *notes)
{
	struct entitlement_refusal why = {0};
	struct failure f = {""};
	int err = fits_all(e, &e->rules, &why);

	if (err != -ENOSPC && err != -EINVAL)
		return;
	refuse(e, &why, &f);
	add_note(notes, err == -ENOSPC ? "%s: each gets its part" : "%s", f.text);
}

json_t *enforce_policy(const struct enforce *e)
{
	json_t *vms = json_array(), *notes = json_array();

	if (e->broken)
		add_note(notes, "the enforcer has ended: nothing is enforced until a restart");
	note_admission(e, notes);
	for (size_t i = 0; i < e->n; i++)
		json_array_append_new(vms, vm_json(e, &e->vms[i]));
	return json_pack("{s:s, s:s, s:s, s:s, s:f, s:o, s:o, s:o, s:{s:I, s:I, s:I}}", "schema",
			 POLICY_SCHEMA, "enforcer", e->row->name, "guarantees", e->row->guarantees,
			 "cannot", e->row->cannot, "cpus", e->cpus, "notes", notes, "groups",
			 groups_json(e->setup.settings), "vms", vms, "counters", "steps",
			 (json_int_t)e->steps, "busy", (json_int_t)e->busy, "no_memory",
			 (json_int_t)e->no_memory);
}
