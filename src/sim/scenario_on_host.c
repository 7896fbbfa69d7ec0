/* SPDX-License-Identifier: MIT */
/* A scenario as one of its hosts has it. */
#include "sim/scenario.h"

#include "sim/scenario_changes.h"

#include <string.h>

void scenario_bar(struct vm_spec *vm)
{
	vm->barred = true;
	vm->count = 0;
}

int scenario_on_host(const struct scenario *s, uint32_t host, struct failure *f,
		     struct scenario **ret)
{
	const struct named_host *h = s->n_hosts ? &s->hosts[host] : NULL;
	struct scenario *n;
	int err = scenario_copy(s, &n);

	if (err)
		return err;
	for (uint32_t i = 0; h && i < h->n_settings && !err; i++)
		err = scenario_apply(n, "host", h->settings[i].key, h->settings[i].value,
				     h->settings[i].line, f);
	if (h)
		strcpy(n->on_host, h->name);
	for (uint32_t i = 0; h && i < n->n_vms; i++) {
		if (n->vms[i].host[0] && strcmp(n->vms[i].host, h->name))
			scenario_bar(&n->vms[i]);
	}
	if (!err)
		err = scenario_check_changes(n, f);
	if (err) {
		scenario_free(n);
		return err;
	}
	*ret = n;
	return 0;
}
