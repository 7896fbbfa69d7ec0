/* SPDX-License-Identifier: MIT */
/*
 * The host's time of day, from whoever has it: rows of hosttime_rows[], best first.
 *
 *     page  the ledger page's stamps, moved by the counter that both sides see (clockmap.h)
 *     ptp   the hypervisor's PTP clock (ptp_kvm), a device that is read like any clock
 */
#ifndef GUEST_HOSTTIME_H
#define GUEST_HOSTTIME_H

#include "base/failure.h"

#include <stdint.h>

struct hosttime_reading {
	uint64_t mono;	/* ns, guest's CLOCK_MONOTONIC: when */
	uint64_t real;	/* ns, guest's CLOCK_REALTIME then */
	int64_t offset; /* ns: host's CLOCK_REALTIME less the guest's; positive: the guest lags */
	uint64_t error; /* ns by which that may be wrong */
};

struct hosttime_ops {
	const char *name;
	int (*open)(const char *page_path, struct failure *f, void **ret);
	void (*close)(void *of);
	/* -EAGAIN: the host has not said anything new. */
	int (*read)(void *of, struct hosttime_reading *ret);
};

struct hosttime {
	const struct hosttime_ops *ops;
	void *of;
};

extern const struct hosttime_ops hosttime_page, hosttime_ptp;

/* The first row that is there. `page_path`: as in struct source_config. -ENODEV and why not. */
int hosttime_open(const char *page_path, struct failure *f, struct hosttime *ret);
int hosttime_read(const struct hosttime *h, struct hosttime_reading *ret);
void hosttime_close(struct hosttime *h);

#endif
