/* SPDX-License-Identifier: MIT */
/*
 * What a scenario says, as the keys of its file have it (desched-scenario(5)): the host, groups, VMs,
 * the run, variants, changes and limits. scenario.h reads and changes it.
 */
#ifndef SIM_SPEC_H
#define SIM_SPEC_H

#include "policy/core.h"
#include "policy/tick.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SCENARIO_NAME	   32
#define SCENARIO_PROCESSES 4
#define SCENARIO_KEYS	   64 /* of a section, at most */
#define SCENARIO_TEXT	   160
#define DAY_PARTS	   24
#define DISK_WIDTH	   64
#define SCENARIO_FILE_MAX  (1024 * 1024)

enum cells_mode {
	CELLS_OFF,
	CELLS_HARD,
	CELLS_PREFER,
};

struct host_spec {
	uint32_t hosts;
	uint32_t cpus;
	uint32_t nodes;
	uint32_t cell;	/* CPUs of a cell or cache; 0: all */
	uint32_t cells; /* enum cells_mode */
	uint32_t smt;
	uint32_t rebalance;
	uint32_t cosched; /* of VMs that do not say */
	struct core_config core;
	uint64_t switch_cost; /* ns of CPU, each */
	uint64_t exit_cost;
	char calibration[SCENARIO_TEXT]; /* "": none (calibration.h) */
	uint64_t refill_cost;		 /* after a move to another CPU */
	uint64_t refill_far;		 /* ... in another cache */
	uint32_t standby;
	uint64_t memory;	     /* bytes for VMs; 0: no bound */
	char offline[SCENARIO_TEXT]; /* CPUs that are not there (scenario_changes.h) */
	uint64_t disk_time;	     /* ns: mean, of a request */
	uint64_t disk_rate;	     /* bytes a second; 0: no bound */
	uint32_t disk_width;	     /* requests served at once */
};

struct setting {
	char section[SCENARIO_NAME];
	char key[SCENARIO_NAME];
	char value[SCENARIO_TEXT];
	int line;
};

/* A host that isn't like the others: [host] with these keys changed. */
struct named_host {
	char name[SCENARIO_NAME];
	int line;
	struct setting *settings;
	uint32_t n_settings;
};

struct group_spec {
	char name[SCENARIO_NAME];
	char parent[SCENARIO_NAME];
	double shares;
	double reservation;
	double limit;
	int line;
};

struct process_spec {
	char name[SCENARIO_NAME];
	double load;
};

/* Factors of a demand by the time of day. */
struct day_spec {
	uint32_t n; /* 0: none */
	bool wave;  /* a cosine between low and high, with the high at hours[0] */
	double low, high;
	double hours[DAY_PARTS]; /* from each on, up to the next */
	double factors[DAY_PARTS];
};

enum trace_unit {
	TRACE_CPUS,
	TRACE_PERCENT,	/* of all vCPUs */
	TRACE_RECORDED, /* the file has units: src/data reads it */
	TRACE_UNITS,
};

enum trace_end {
	TRACE_REPEAT,
	TRACE_STRETCH, /* it is as long as the run */
	TRACE_IDLE,
};

enum device {
	DEVICE_OWN,
	DEVICE_HOST,
};

struct vm_spec {
	char name[SCENARIO_NAME];
	char group[SCENARIO_NAME];
	char host[SCENARIO_NAME]; /* the only host that has it; "": every host has */
	int line;
	uint32_t count;
	uint32_t vcpus;
	uint32_t most, room; /* of these, at any time (scenario_changes.h) */
	bool barred;	     /* in the scenario of a host that cannot have it */
	double shares;	     /* of the VM; negative: -shares per vCPU */
	double reservation;
	double limit;
	uint64_t quota;
	uint64_t period;
	uint32_t cosched; /* COSCHED_ROWS: the host's */

	uint32_t workload;
	uint32_t fixed; /* durations are not random */
	uint64_t start; /* ns */
	uint64_t burst;
	double load;   /* of a vCPU */
	double demand; /* of all together; 0: as load has it */
	double correlation;
	uint32_t block; /* enum ledger_state while idle */
	uint64_t arrival;
	uint64_t service;
	uint32_t streams;
	uint64_t hold;
	uint64_t spin;
	uint32_t active; /* vCPUs that have work; 0: all */

	struct day_spec day;
	char trace[SCENARIO_TEXT]; /* "": none */
	char trace_column[SCENARIO_TEXT];
	uint32_t trace_unit; /* enum trace_unit; TRACE_UNITS: not said */
	uint32_t trace_end;  /* enum trace_end */
	uint64_t trace_step; /* ns */
	double trace_scale;
	const struct demand *wants; /* of these; NULL: the same always (sim/demand.h) */
	uint32_t n_wants;	    /* 1, or as many as there are VMs: each its own */

	uint64_t memory; /* bytes */
	uint64_t working_set;
	uint64_t memory_reserved;
	double touches; /* pages in a CPU second */
	uint64_t dirty; /* bytes in a CPU second */
	uint32_t device;
	uint64_t io_size;

	char calibrated[SCENARIO_TEXT]; /* "", or the name of a VM in the host's calibration */
	uint32_t tick_hz;
	uint64_t tick_cost;
	uint32_t tick_broadcast;
	uint32_t tick_policy;
	uint64_t tick_ack;
	uint32_t tick_by_run;
	struct process_spec processes[SCENARIO_PROCESSES];
	uint32_t n_processes;
};

struct run_spec {
	uint64_t duration;
	uint64_t warmup;
	uint32_t seeds;
	double compress; /* seconds of days and traces in one of the run */
	double hour;
};

/* What hosts with names have in common. */
struct cluster_spec {
	uint32_t place;
	uint64_t rebalance; /* ns; 0: never */
	double threshold;
	double busy;
	uint64_t link;	    /* bytes a second */
	uint64_t move_cost; /* ns of CPU a GiB, on each of both */
	uint64_t downtime;  /* ns, at most, where the pre-copy converges */
};

struct variant {
	char name[SCENARIO_NAME];
	int line;
	struct setting *settings;
	uint32_t n_settings;
};

/* A section [at TIME]: settings from then on; the name is the time as it is written. */
struct change {
	uint64_t at; /* ns */
	struct variant set;
};

struct limit {
	char label[64];
	char condition[192];
	int line;
};

struct scenario {
	char path[256];
	char name[64];
	char *head; /* the paragraph at the top of the file */
	struct host_spec host;
	int host_lines[SCENARIO_KEYS]; /* of its keys, by row; 0: not in the file */
	struct named_host *hosts;
	struct run_spec run;
	struct cluster_spec cluster;
	int cluster_line; /* 0: no such section */
	struct group_spec *groups;
	struct vm_spec *vms;
	struct variant *variants;
	struct limit *limits;
	struct change *changes; /* in the order of their times */
	uint32_t n_changes;
	bool moment;		     /* it is what a change leaves: VMs may be missing */
	char on_host[SCENARIO_NAME]; /* the host as which scenario_on_host() has it, or "" */
	const bool *present; /* of one host's VMs, which are there now; NULL: all (sim/cluster.h) */
	struct demand *demands; /* of VMs by trace or day, from demand_load() on */
	uint32_t n_demands;
	uint32_t n_hosts, n_groups, n_vms, n_variants, n_limits;
};

/* What each vCPU that has work wants, in CPUs (workload duty). */
double vm_spec_load(const struct vm_spec *vm);
/* vCPUs that have work. */
uint32_t vm_spec_active(const struct vm_spec *vm);

#endif
