/* SPDX-License-Identifier: MIT */
/* The figures of struct page_host that a host may not know, by name: a row each. */
#ifndef LEDGER_PAGE_FIELDS_H
#define LEDGER_PAGE_FIELDS_H

#include <stddef.h>
#include <stdint.h>

struct page_field {
	const char *name; /* the member's, as in desched-page(5) */
	uint64_t valid;	  /* its enum page_valid bit */
	size_t offset;	  /* of a uint64_t in struct page_host */
};

#define PAGE_FIELDS 10
extern const struct page_field page_fields[PAGE_FIELDS];

#endif
