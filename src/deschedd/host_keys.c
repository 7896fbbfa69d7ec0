/* SPDX-License-Identifier: MIT */
#include "deschedd/host_keys.h"

#include "base/units.h"
#include "deschedd/stream_socket.h"
#include "host/host_ledger.h"
#include "wire/protocol.h"

#define AT(field) offsetof(struct host_settings, field)

const char *host_settings_source(size_t i)
{
	return i ? host_source_name(i - 1) : "auto";
}

/* By enum interrupts_of. */
static const char *whose_interrupts(size_t i)
{
	static const char *const names[] = {[INTERRUPTS_OF_NONE] = "no",
					    [INTERRUPTS_OF_KVM] = "kvm",
					    [INTERRUPTS_OF_ALL] = "all"};

	return i < ARRAY_SIZE(names) ? names[i] : NULL;
}

static const struct row main_rows[] = {
	{"source", &row_one_of, AT(source), 0, 0, "auto", "how ledgers are kept",
	 host_settings_source, SETTINGS_STRING},
	{"pages", &row_flag, AT(pages), 0, 0, "yes", "write the pages that VMs have brought", NULL,
	 0},
	SETTINGS_PATH("stream", struct host_settings, stream, STREAM_SOCKET,
		      "where VMs connect that want their ledger as a stream; empty: nowhere"),
	{"interrupts", &row_name, AT(interrupts), 0, 0, "no",
	 "record how long devices' interrupts wait for their vCPU; all: without KVM, too",
	 whose_interrupts, 0},
	{"exits", &row_flag, AT(exits), 0, 0, "no",
	 "count what vCPUs leave their guests for, to tell loops from work", NULL, 0},
	{"usermax", &row_count, AT(user_vms), 1, 1024, "256",
	 "measure so many VMs of one user without privilege, and four times as many vCPUs", NULL,
	 0},
	{"runaway", &row_seconds, AT(runaway_ns), 0, 86400 * NS_PER_SEC, "300",
	 "log a vCPU that has not halted for so long and shows no sign of work; 0: none", NULL, 0},
	SETTINGS_SOCKET(struct host_settings, service.socket, PROTOCOL_HOST_SOCKET),
};

static const struct row gaps_rows[] = {
	{"threshold", &row_seconds, AT(gap_ns), 0, 3600 * NS_PER_SEC, "0.1",
	 "log every wait of so long and more; 0: none", NULL, 0},
};

static const struct row series_rows[] = {
	{"vcpus", &row_flag, AT(vcpus), 0, 0, "yes",
	 "each vCPU has metrics of its own; no: a VM's vCPUs together", NULL, 0},
};

static const struct row_section sections[] = {
	{"deschedd", settings_common, SETTINGS_COMMON_N, AT(service), false},
	{"deschedd", main_rows, ARRAY_SIZE(main_rows), 0, false},
	{"gaps", gaps_rows, ARRAY_SIZE(gaps_rows), 0, true},
	{"metrics", settings_metrics, SETTINGS_METRICS_N, AT(service), true},
	{"metrics", series_rows, ARRAY_SIZE(series_rows), 0, true},
	{"enforce", enforce_rows, ENFORCE_KEYS, AT(enforce), true},
};

static const struct settings_many many[] = {ENFORCE_MANY(struct host_settings, enforce)};

static int check(const void *s, struct failure *f)
{
	return enforce_check(&((const struct host_settings *)s)->enforce, f);
}

const struct settings_table deschedd_settings = {sections,
						 ARRAY_SIZE(sections),
						 sizeof(struct host_settings),
						 "deschedd(8)",
						 many,
						 ARRAY_SIZE(many),
						 check};
