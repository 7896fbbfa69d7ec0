/* SPDX-License-Identifier: MIT */
/*
 * What a run is measured by. Amounts of CPU are in CPUs (CPU time over wall time, all vCPUs of a
 * VM together), rates are per second, times are seconds.
 */
#ifndef SIM_METRICS_H
#define SIM_METRICS_H

#include "sim/engine.h"
#include "sim/waits.h"

enum vm_metric {
	METRIC_CPU,
	METRIC_READY,
	METRIC_COSTOP,
	METRIC_LIMITED,
	METRIC_SWAPWAIT,
	METRIC_HALT,
	METRIC_WAIT,
	METRIC_WORK,
	METRIC_WASTED,
	METRIC_OVERHEAD,
	METRIC_OPS,
	METRIC_DELAY,
	METRIC_SKEW,
	METRIC_COSTOPS,
	METRIC_LOCAL,
	METRIC_MOVES,
	METRIC_HOMES,
	METRIC_DOMAIN,
	METRIC_LAG,
	METRIC_BEHIND,
	METRIC_CATCHUP,
	METRIC_BACKLOG,
	METRIC_LOST,
	METRIC_RESYNCS,
	METRIC_READY_P50,
	METRIC_READY_P95,
	METRIC_READY_P99,
	METRIC_READY_MAX,
	METRIC_RESPONSE,
	METRIC_RESPONSE_P50,
	METRIC_RESPONSE_P95,
	METRIC_RESPONSE_P99,
	METRIC_RESPONSE_MAX,
	METRIC_QUEUE,
	METRIC_FAULTS,
	METRIC_PRESENT,
	METRIC_MOVED,
	METRIC_DOWNTIME,
	METRIC_HOST,
	VM_METRICS,
};

/* Of each process of a tick-counting guest, of its idle loop and of VMDesched. */
enum process_metric {
	PROCESS_TRUE,	   /* CPUs: executed; VMDesched: what the vCPU was descheduled */
	PROCESS_CHARGED,   /* CPUs: as the guest's ticks have it */
	PROCESS_ERROR,	   /* charged / true - 1 */
	PROCESS_CORRECTED, /* charged * w / true - 1; w: the VM's run time over all charged */
	PROCESS_METRICS,
};

enum host_metric {
	HOST_CPUS,
	HOST_BUSY,
	HOST_HELD,
	HOST_IDLE,
	HOST_WASTE,
	HOST_IMBALANCE,
	HOST_SWITCHES,
	HOST_OVERHEAD,
	HOST_FAULTS,
	HOST_DISK,
	HOST_DISK_WAIT,
	HOST_MEMORY,
	HOST_MOVING,
	HOST_REFUSED,
	HOST_REFUSALS,
	HOST_VALID,
	HOST_METRICS,
};

struct metric_row {
	const char *name;
	const char *help;
};

extern const struct metric_row vm_metric_rows[VM_METRICS];
extern const struct metric_row process_metric_rows[PROCESS_METRICS];
extern const struct metric_row host_metric_rows[HOST_METRICS];

struct vm_result {
	uint32_t section;
	struct ledger ledger; /* sum over its vCPUs */
	double values[VM_METRICS];
	bool waited, served; /* whether there are waits for a CPU, and requests, to speak of */
	double (*processes)[PROCESS_METRICS]; /* SCENARIO_PROCESSES + 2 rows, or NULL */
};

/* What one host did in one run. */
struct result {
	double host[HOST_METRICS];
	struct vm_result *vms;
	uint32_t n_vms;
	uint64_t events;
	int refused;	  /* -errno of a refusal, 0 if it ran */
	char reason[560]; /* a host's name, and why */
};

/* Ends the waits that were measured. */
int result_take(struct sim *s, struct result *ret);
void result_free(struct result *r);

/*
 * The value of "NAME.METRIC", "NAME.METRIC.AGGREGATE", "NAME.PROCESS.METRIC[.AGGREGATE]",
 * "NAME.count", "NAME.vcpus" or "host.METRIC" over the results of `n` hosts. Aggregates over the
 * VMs of a section: mean (the default), min, max, sum, rms, spread ((max - min) / mean), distinct
 * (how many different values). -ENOENT if there is no such name; METRIC_NO_DATA, with *ret 0, if
 * nothing was measured: the host was refused, for `delay` and `local` nobody wanted to run, for
 * `ready_*` and `response*` nobody waited or was served.
 */
#define METRIC_NO_DATA 1
int metric_value(const struct scenario *sc, const struct result *results, uint32_t n,
		 const char *name, double *ret);

void metrics_list(void);

#endif
