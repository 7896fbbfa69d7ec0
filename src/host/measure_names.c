/* SPDX-License-Identifier: MIT */
#include "host/measure_names.h"

#include "host/measure_parts.h"
#include "host/vm_name.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct taken {
	const struct measurement *m;
	const struct measured *but; /* not by this one */
};

static bool is_taken(const char *name, void *data)
{
	const struct taken *t = data;

	for (size_t i = 0; i < t->m->n; i++) {
		const struct measured *x = t->m->vms[i];

		if (x != t->but && x->id >= 0 && !strcmp(x->vm.name, name))
			return true;
	}
	return false;
}

void measure_names_settle(const struct measurement *m, struct measured *x)
{
	struct taken t = {m, x};

	vm_name_settle(&x->vm, is_taken, &t);
}

int measure_names_settle_all(struct measurement *m)
{
	struct host_vm **vms = calloc(m->n + 1, sizeof(*vms));

	if (!vms)
		return -ENOMEM;
	for (size_t i = 0; i < m->n; i++)
		vms[i] = &m->vms[i]->vm;
	vm_name_settle_all(vms, m->n);
	free(vms);
	m->parts->open = true;
	return 0;
}
