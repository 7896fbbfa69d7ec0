/* SPDX-License-Identifier: MIT */
/* A scenario in memory: from a file (scenario_parse.c), varied, changed and let go. */
#include "sim/scenario.h"

#include "base/cleanup.h"
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

struct scenario *scenario_free(struct scenario *s)
{
	if (!s)
		return NULL;
	for (uint32_t i = 0; i < s->n_variants; i++)
		free(s->variants[i].settings);
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
	int err = key_set(SECTION_HOST, &s->host, key, value, f);

	if (!err)
		s->host_lines[key_find(SECTION_HOST, key)] = line;
	return err;
}

/* Sets one key by the name of its section: host, run, a VM or a group. */
static int apply(struct scenario *s, const char *section, const char *key, const char *value,
		 int line, struct failure *f)
{
	if (!strcmp(section, "host"))
		return set_host(s, key, value, line, f);
	if (!strcmp(section, "run"))
		return key_set(SECTION_RUN, &s->run, key, value, f);
	if (scenario_find_vm(s, section))
		return key_set(SECTION_VM, scenario_find_vm(s, section), key, value, f);
	if (scenario_find_group(s, section))
		return key_set(SECTION_GROUP, scenario_find_group(s, section), key, value, f);
	return failure_set(f, -ENOENT, "no VM or group is called '%s'", section);
}

static void *copy(const void *from, size_t n, size_t size)
{
	void *to = malloc(n * size + 1);

	return to && n ? memcpy(to, from, n * size) : to;
}

int scenario_vary(const struct scenario *s, uint32_t variant, struct failure *f,
		  struct scenario **ret)
{
	const struct variant *v = &s->variants[variant];
	struct scenario *n = copy(s, 1, sizeof(*s));
	int err = 0;

	if (!n)
		return -ENOMEM;
	n->variants = NULL;
	n->limits = NULL;
	n->n_variants = n->n_limits = 0;
	n->head = NULL;
	n->vms = copy(s->vms, s->n_vms, sizeof(*s->vms));
	n->groups = copy(s->groups, s->n_groups, sizeof(*s->groups));
	if (!n->vms || !n->groups)
		err = -ENOMEM;
	for (uint32_t i = 0; !err && i < v->n_settings; i++) {
		const struct setting *set = &v->settings[i];
		struct failure why;

		err = apply(n, set->section, set->key, set->value, set->line, &why);
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
	err = apply(s, section, key, text + used, 0, &why);
	return err ? failure_set(f, err, "--set %s: %s", text, why.text) : 0;
}

double vm_spec_load(const struct vm_spec *vm)
{
	return vm->demand > 0 ? vm->demand / (vm->active ? vm->active : vm->vcpus) : vm->load;
}

uint32_t scenario_vms_per_host(const struct scenario *s)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < s->n_vms; i++)
		n += s->vms[i].count;
	return n;
}

uint64_t scenario_vcpus_per_host(const struct scenario *s)
{
	uint64_t n = 0;

	for (uint32_t i = 0; i < s->n_vms; i++)
		n += (uint64_t)s->vms[i].count * s->vms[i].vcpus;
	return n;
}
