/* SPDX-License-Identifier: MIT */
#include "guest/expected.h"

#include "base/units.h"
#include "guest/stream_page.h"

#include <desched/page.h>

#define LOOK_NS NS_PER_SEC

void expected_open(struct expected *e)
{
	*e = (struct expected){.mapping = {.base = NULL}};
	if (guest_page_map(NULL, NULL, &e->mapping) && stream_page_map(NULL, &e->mapping))
		e->mapping.base = NULL;
}

void expected_close(struct expected *e)
{
	guest_page_unmap(&e->mapping);
}

bool expected_has_come(struct expected *e, uint64_t now)
{
	uint64_t before = e->updates;
	struct page_reader reader;
	struct page_host host;

	if (!e->mapping.base || now < e->next)
		return false;
	e->next = now + LOOK_NS;
	if (e->mapping.line)
		stream_page_has_come(&e->mapping, 0);
	if (page_attach(e->mapping.base, e->mapping.size, &reader) ||
	    page_read_host(&reader, &host))
		return false;
	e->updates = host.updates;
	return before && host.updates != before;
}
