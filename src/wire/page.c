/* SPDX-License-Identifier: MIT */
#include "wire/snapshot.h"

#include <errno.h>
#include <stdlib.h>

/* JSON's integers have a sign: a ledger beyond them is none that an honest host has. */
static void read_vcpu(const struct page_reader *from, uint32_t vcpu, struct ledger *ret)
{
	struct page_vcpu record;
	struct ledger l;

	if (page_read_vcpu(from, vcpu, &record))
		return;
	page_vcpu_ledger(&record, &l);
	if (ledger_valid(&l) && l.at <= INT64_MAX)
		*ret = l;
}

int snapshot_page_read(const struct page_reader *from, struct snapshot_page **ret)
{
	struct snapshot_page *p;
	struct page_host host;

	if (page_read_host(from, &host)) {
		*ret = NULL;
		return 0;
	}
	p = calloc(1, sizeof(*p));
	if (p)
		p->vcpus = calloc(from->header.vcpus + 1u, sizeof(*p->vcpus));
	if (!p || !p->vcpus) {
		free(p);
		return -ENOMEM;
	}
	p->host = host;
	p->n_vcpus = from->header.vcpus;
	for (uint32_t v = 0; v < from->header.vcpus; v++)
		read_vcpu(from, v, &p->vcpus[v]);
	*ret = p;
	return 0;
}
