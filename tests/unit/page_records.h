/* SPDX-License-Identifier: MIT */
/*
 * Records for tests of the page: record number i is made from i alone, in every word of it, so that
 * a record that was read can be told to be whole, and which one it is. i from 1.
 */
#ifndef TESTS_PAGE_RECORDS_H
#define TESTS_PAGE_RECORDS_H

#include <desched/page.h>

#include <stdbool.h>
#include <string.h>

/* The writer counts `updates` itself: record i must be the i-th that is written. */
static inline struct page_host record_host(uint64_t i)
{
	uint64_t words[sizeof(struct page_host) / sizeof(uint64_t)] = {0};
	struct page_host host;

	for (size_t w = 0; w < sizeof(words) / sizeof(words[0]); w++)
		words[w] = i * 1000003 + w;
	memcpy(&host, words, sizeof(host));
	host.updates = i;
	return host;
}

static inline bool record_host_whole(const struct page_host *host)
{
	struct page_host expected = record_host(host->updates);

	return memcmp(host, &expected, sizeof(expected)) == 0;
}

/* A ledger that holds its identity, as the page's reader demands. */
static inline struct page_vcpu record_vcpu(uint64_t i)
{
	struct page_vcpu v = {.start = 5000, .at = 5000, .state = (uint32_t)(i % LEDGER_STATES)};

	for (int s = 0; s < LEDGER_STATES; s++) {
		v.ns[s] = i * (uint64_t)(s + 1);
		v.at += v.ns[s];
	}
	v.gaps_until = i * 11;
	v.gaps_lost = i;
	return v;
}

static inline bool record_vcpu_whole(const struct page_vcpu *v)
{
	struct page_vcpu expected = record_vcpu(v->gaps_lost);

	return memcmp(v, &expected, sizeof(expected)) == 0;
}

/* Gap number i, from 0. */
static inline struct gap record_gap(uint64_t i, uint32_t vcpu)
{
	static const uint32_t states[] = {LEDGER_READY, LEDGER_COSTOP, LEDGER_LIMITED,
					  LEDGER_SWAPWAIT, LEDGER_WAIT};

	return (struct gap){
		.start = 7000 + i * 100,
		.end = 7000 + i * 100 + 1 + i % 99,
		.vcpu = vcpu,
		.state = states[i % (sizeof(states) / sizeof(states[0]))],
	};
}

static inline uint64_t record_gap_number(const struct gap *gap)
{
	return (gap->start - 7000) / 100;
}

static inline bool record_gap_whole(const struct gap *gap)
{
	struct gap expected = record_gap(record_gap_number(gap), gap->vcpu);

	return memcmp(gap, &expected, sizeof(expected)) == 0;
}

#endif
