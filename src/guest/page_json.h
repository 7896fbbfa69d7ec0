/* SPDX-License-Identifier: MIT */
/* What the host's page holds, as JSON: the member `page` of a snapshot, vmdesched(8). */
#ifndef GUEST_PAGE_JSON_H
#define GUEST_PAGE_JSON_H

#include "guest/hostclock.h"

#include <desched/page.h>
#include <jansson.h>

/* Integers under the names of desched-page(5); what the host does not know is not there. NULL when
 * the page cannot be read now, or without memory. */
json_t *page_json(const struct page_reader *page);

/* The map of the host's clock: the way that it takes, a time on both clocks in ns, and its errors.
 */
json_t *page_clock_json(const struct hostclock *c);

#endif
