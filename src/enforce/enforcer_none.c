/* SPDX-License-Identifier: MIT */
/* Nothing is enforced: the kernel's own scheduler decides, and what it ought to do is shown. */
#include "enforce/enforcer.h"

static int probe(const char *root, struct failure *why)
{
	(void)root;
	(void)why;
	return 0;
}

static int open_none(struct failure *f, void **ret)
{
	(void)f;
	*ret = NULL;
	return 0;
}

static int apply(void *state, const struct enforce_orders *orders)
{
	(void)state;
	(void)orders;
	return 0;
}

static int take(void *state, void (*got)(const struct enforce_outcome *o, void *data), void *data)
{
	(void)state;
	(void)got;
	(void)data;
	return 0;
}

static void close_none(void *state)
{
	(void)state;
}

const struct enforcer enforcer_none = {
	.name = "none",
	.guarantees = "nothing: the kernel decides who runs; what each VM is entitled to is shown",
	.cannot = "enforce any setting",
	.probe = probe,
	.open = open_none,
	.apply = apply,
	.take = take,
	.close = close_none,
};
