/* SPDX-License-Identifier: MIT */
/* A scenario in memory: from a file (scenario_parse.c), varied, changed and let go. */
#include "sim/scenario.h"

#include "base/cleanup.h"
#include "sim/demand.h"
#include "sim/scenario_keys.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct vm_spec *scenario_find_vm(struct scenario *s, const char *name)
{
	for (uint32_t i = 0; i < s->n_vms; i++) {
		if (!strcmp(s->vms[i].name, name))
			return &s->vms[i];
	}
	return NULL;
}

struct group_spec *scenario_find_group(struct scenario *s, const char *name)
{
	for (uint32_t i = 0; i < s->n_groups; i++) {
		if (!strcmp(s->groups[i].name, name))
			return &s->groups[i];
	}
	return NULL;
}

int scenario_load(const char *path, struct failure *f, struct scenario **ret)
{
	_cleanup_(close_file) FILE *file = fopen(path, "re");
	_cleanup_(free_ptr) char *text = malloc(SCENARIO_FILE_MAX + 1);
	size_t size;

	if (!file)
		return failure_errno(f, -errno, "%s: cannot open", path);
	if (!text)
		return -ENOMEM;
	size = fread(text, 1, SCENARIO_FILE_MAX + 1, file);
	if (ferror(file))
		return failure_set(f, -EIO, "%s: cannot be read; expected a scenario file", path);
	return scenario_parse(text, size, path, f, ret);
}

void scenario_forget_changes(struct scenario *s)
{
	for (uint32_t i = 0; i < s->n_changes; i++)
		free(s->changes[i].set.settings);
	free(s->changes);
	s->changes = NULL;
	s->n_changes = 0;
}

struct scenario *scenario_free(struct scenario *s)
{
	if (!s)
		return NULL;
	for (uint32_t i = 0; i < s->n_variants; i++)
		free(s->variants[i].settings);
	for (uint32_t i = 0; i < s->n_hosts; i++)
		free(s->hosts[i].settings);
	demand_unload(s);
	scenario_forget_changes(s);
	free(s->hosts);
	free(s->variants);
	free(s->groups);
	free(s->vms);
	free(s->limits);
	free(s->head);
	free(s);
	return NULL;
}

/* Sets a key of the host, whose line is `line` now; 0: it isn't from the file. */
static int set_host(struct scenario *s, const char *key, const char *value, int line,
		    struct failure *f)
{
	int err = scenario_key_set(SECTION_HOST, &s->host, key, value, f);

	if (!err)
		s->host_lines[scenario_key_find(SECTION_HOST, key)] = line;
	return err;
}

int scenario_apply(struct scenario *s, const char *section, const char *key, const char *value,
		   int line, struct failure *f)
{
	if (!strcmp(section, "host"))
		return set_host(s, key, value, line, f);
	if (!strcmp(section, "run"))
		return scenario_key_set(SECTION_RUN, &s->run, key, value, f);
	if (!strcmp(section, "cluster"))
		return scenario_key_set(SECTION_CLUSTER, &s->cluster, key, value, f);
	if (scenario_find_vm(s, section))
		return scenario_key_set(SECTION_VM, scenario_find_vm(s, section), key, value, f);
	if (scenario_find_host(s, section))
		return scenario_set_host(s, scenario_find_host(s, section), key, value, line, f);
	if (scenario_find_group(s, section))
		return scenario_key_set(SECTION_GROUP, scenario_find_group(s, section), key, value,
					f);
	return failure_set(f, -ENOENT, "no VM, group or host is called '%s'", section);
}

struct named_host *scenario_find_host(struct scenario *s, const char *name)
{
	for (uint32_t i = 0; i < s->n_hosts; i++) {
		if (!strcmp(s->hosts[i].name, name))
			return &s->hosts[i];
	}
	return NULL;
}

static void *copy(const void *from, size_t n, size_t size)
{
	void *to = malloc(n * size + 1);

	return to && n ? memcpy(to, from, n * size) : to;
}

static int copy_changes(const struct scenario *s, struct scenario *to)
{
	to->n_changes = 0;
	to->changes = copy(s->changes, s->n_changes, sizeof(*s->changes));
	if (!to->changes)
		return -ENOMEM;
	for (uint32_t i = 0; i < s->n_changes; i++) {
		struct variant *set = &to->changes[i].set;

		set->settings = copy(set->settings, set->n_settings, sizeof(*set->settings));
		if (!set->settings)
			return -ENOMEM;
		to->n_changes++;
	}
	return 0;
}

static int copy_hosts(const struct scenario *s, struct scenario *to)
{
	to->n_hosts = 0;
	to->hosts = copy(s->hosts, s->n_hosts, sizeof(*s->hosts));
	if (!to->hosts)
		return -ENOMEM;
	for (uint32_t i = 0; i < s->n_hosts; i++) {
		struct named_host *h = &to->hosts[i];

		h->settings = copy(h->settings, h->n_settings, sizeof(*h->settings));
		if (!h->settings)
			return -ENOMEM;
		to->n_hosts++;
	}
	return 0;
}

int scenario_copy(const struct scenario *s, struct scenario **ret)
{
	struct scenario *n = copy(s, 1, sizeof(*s));

	if (!n)
		return -ENOMEM;
	n->variants = NULL;
	n->limits = NULL;
	n->hosts = NULL;
	n->changes = NULL;
	n->n_variants = n->n_limits = n->n_hosts = n->n_changes = 0;
	n->demands = NULL; /* the VMs' are the original's, which must live as long */
	n->n_demands = 0;
	n->head = NULL;
	n->vms = copy(s->vms, s->n_vms, sizeof(*s->vms));
	n->groups = copy(s->groups, s->n_groups, sizeof(*s->groups));
	if (copy_hosts(s, n) || copy_changes(s, n) || !n->vms || !n->groups) {
		scenario_free(n);
		return -ENOMEM;
	}
	*ret = n;
	return 0;
}

int scenario_set_host(struct scenario *s, struct named_host *h, const char *key, const char *value,
		      int line, struct failure *f)
{
	struct host_spec scratch = s->host;
	int err = scenario_key_set(SECTION_HOST, &scratch, key, value, f);
	struct setting *set = NULL;

	if (err)
		return err;
	if (!strcmp(key, "hosts"))
		return failure_set(f, -EINVAL, "hosts: [host %s] is one host", h->name);
	if (!strcmp(key, "calibration"))
		return failure_set(f, -EINVAL,
				   "calibration belongs into [host]; [host %s] has its costs, or "
				   "its own",
				   h->name);
	if (strlen(value) >= sizeof(set->value))
		return failure_set(f, -EINVAL, "%s: too long", key);
	for (uint32_t i = 0; i < h->n_settings; i++)
		set = strcmp(h->settings[i].key, key) ? set : &h->settings[i];
	if (!set) {
		set = realloc(h->settings, (h->n_settings + 1) * sizeof(*set));
		if (!set)
			return failure_errno(f, -ENOMEM, "%s", key);
		h->settings = set;
		set += h->n_settings++;
	}
	*set = (struct setting){.line = line};
	strcpy(set->key, key);
	strcpy(set->value, value);
	return 0;
}

uint32_t scenario_hosts(const struct scenario *s)
{
	return s->n_hosts ? s->n_hosts : s->host.hosts;
}

int scenario_vary(const struct scenario *s, uint32_t variant, struct failure *f,
		  struct scenario **ret)
{
	const struct variant *v = &s->variants[variant];
	struct scenario *n;
	int err = scenario_copy(s, &n);

	if (err)
		return err;
	for (uint32_t i = 0; !err && i < v->n_settings; i++) {
		const struct setting *set = &v->settings[i];
		struct failure why;

		err = scenario_apply(n, set->section, set->key, set->value, set->line, &why);
		if (err)
			failure_set(f, err, "%s:%d: %s", s->path, set->line, why.text);
	}
	if (!err)
		err = scenario_check(n, f);
	if (err) {
		scenario_free(n);
		return err;
	}
	*ret = n;
	return 0;
}

int scenario_set(struct scenario *s, const char *text, struct failure *f)
{
	char section[SCENARIO_NAME], key[SCENARIO_NAME];
	struct failure why;
	int used = 0, err;

	if (sscanf(text, "%31[^.=].%31[^=]=%n", section, key, &used) != 2 || !used)
		return failure_set(f, -EINVAL,
				   "--set %s: expected SECTION.KEY=VALUE, such as host.cpus=4",
				   text);
	err = scenario_apply(s, section, key, text + used, 0, &why);
	return err ? failure_set(f, err, "--set %s: %s", text, why.text) : 0;
}

uint32_t scenario_vms_per_host(const struct scenario *s)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < s->n_vms; i++)
		n += s->vms[i].most;
	return n;
}

uint64_t scenario_vcpus_per_host(const struct scenario *s)
{
	uint64_t n = 0;

	for (uint32_t i = 0; i < s->n_vms; i++)
		n += (uint64_t)s->vms[i].most * s->vms[i].room;
	return n;
}
