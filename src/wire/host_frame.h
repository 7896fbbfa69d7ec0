/* SPDX-License-Identifier: MIT */
/*
 * A host at one instant: its VMs and their vCPUs, with what each has in its ledger since it was
 * first seen, and who ran while it waited. One that has ended is in one more frame, with its last
 * reading. What a frame holds is its own: host_frame_done().
 *
 * All amounts of time are ns since the VM was first seen and never fall, so that what happened
 * between two frames is their difference, whoever took them; only `longest` is of the interval that
 * the frame ends.
 */
#ifndef WIRE_HOST_FRAME_H
#define WIRE_HOST_FRAME_H

#include "base/failure.h"

#include <desched/ledger.h>
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define HOST_FRAME_SCHEMA     "desched-host/1"
#define HOST_FRAME_VMS_MAX    2048
#define HOST_FRAME_VCPUS_MAX  1024 /* of one VM */
#define HOST_FRAME_BLAMES_MAX 4096 /* of one VM */
#define HOST_FRAME_EXITS_MAX  (32 * HOST_FRAME_VCPUS_MAX)

struct host_frame_vcpu {
	unsigned index; /* the guest's number of it */
	pid_t tid;
	bool ended;
	uint32_t state; /* enum ledger_state, at the reading */
	uint64_t ns[LEDGER_STATES];
	uint64_t gaps_lost;
	/* ns: the longest single gap, READY to SWAPWAIT, that ended in this frame's interval or goes on
	 * at its end; 0 where nobody records gaps */
	uint64_t longest;
	char name[24]; /* "vCPU 0" */
	uint64_t busy; /* ns: how long it has not been idle */
	/* ns: of these, the last in which it left the guest for nothing but interrupts and timers; 0
	 * where exits are not counted or not reported */
	uint64_t quiet;
	bool runaway; /* `quiet`, or where it isn't known `busy`, is beyond who measures' limit */
};

/* Who ran on a CPU on which a vCPU waited. */
enum host_culprit {
	CULPRIT_VM,	   /* another VM's thread, or another thread of this one */
	CULPRIT_PROCESS,   /* any other process of the host */
	CULPRIT_KERNEL,	   /* a kernel thread */
	CULPRIT_INTERRUPT, /* interrupts and softirqs */
	CULPRIT_IDLE,	   /* nobody: the CPU was on its way out of idle */
	CULPRIT_UNKNOWN,   /* not recorded */
	CULPRITS
};

struct host_frame_blame {
	enum host_culprit kind;
	pid_t pid; /* of VM and process; 0 otherwise */
	char name[64];
	uint64_t ns;	  /* of the VM's vCPUs' ready time */
	uint64_t longest; /* ns: the most in one single wait that ended in this frame's interval */
};

/* What a vCPU left its guest for, of one class: exits into the host's kernel, and of these the trips to
 * the monitor. Times are CPU time; a trip's isn't in an exit's. */
struct host_frame_exit {
	unsigned vcpu;	/* the guest's number of it */
	char class[16]; /* "halt", "port", ... */
	uint64_t n, ns;
	uint64_t trips, trips_ns;
};

/* A device that may hold the VM's page. */
struct host_frame_page {
	char device[64];
	char file[128];
	char why[160]; /* why it isn't written; "" while it is */
};

/* So many delays were less than that, and not less than half of it. */
struct host_frame_delay {
	uint64_t below; /* ns; INT64_MAX for the last */
	uint64_t n;
};

/* How long interrupts of devices waited until a vCPU of the VM, for which they were, ran. */
struct host_frame_interrupts {
	bool recorded;
	uint64_t taken;			 /* how many */
	uint64_t ns;			 /* their delays together */
	uint64_t at_once;		 /* of the taken: the vCPU was on a CPU */
	uint64_t merged;		 /* besides: another one waited for the same vCPU already */
	uint64_t longest;		 /* ns, ever */
	struct host_frame_delay *delays; /* of the taken, shortest first; owned */
	size_t n_delays;
};

struct host_frame_vm {
	pid_t pid;
	pid_t process;	/* whose thread `pid` is, of a frame of vCPUs; 0: `pid` is the process */
	uint64_t since; /* ns: when it was first seen; with pid, its identity */
	bool ended;
	char name[64], uuid[40];
	char found_by[16]; /* "kvm-fd" */
	uint64_t overhead; /* ns: CPU time of its other threads */
	uint64_t rss;	   /* bytes; 0: not known */
	struct host_frame_vcpu *vcpus;
	size_t n_vcpus;
	struct host_frame_blame *blames; /* most first; owned; none where nobody records it */
	size_t n_blames;
	struct host_frame_page *pages; /* owned */
	size_t n_pages;
	char called[64]; /* by its owner; `name` is the same unless another VM has it */
	char id[32];	 /* another name that its manager has for it, such as Proxmox's VMID; may be
			  * empty */
	char manager[24]; /* "libvirt", "proxmox", "qemu", ...; may be empty */
	bool streamed;	  /* its guest takes a stream; what came of it: */
	struct host_frame_stream {
		uint64_t frames;    /* sent */
		uint64_t pings;	    /* heard */
		uint64_t lost_gaps; /* that it was too slow for */
		uint64_t blocked;   /* times that it took nothing */
		uint64_t garbage;   /* bytes from it that were no ping */
	} stream;
	struct host_frame_interrupts interrupts;
	struct host_frame_exit *exits; /* owned; none where they are not counted or not reported */
	size_t n_exits;
	bool has_entitled; /* someone divides this host among its VMs (deschedd) */
	double entitled;   /* CPUs, by settings and what it wanted, in the last second */
	double cpu_limit;  /* CPUs that its vCPUs may use at once, by their cgroups; 0: no limit */
};

/* A VM that can't be measured. */
struct host_frame_unseen {
	pid_t pid;
	char name[64];
	char why[160];
};

/* How measuring itself fares, since it began. */
struct host_frame_counters {
	uint64_t came;	    /* VMs that were seen */
	uint64_t gaps;	    /* that were recorded */
	uint64_t kvm_exits; /* of the vCPUs, where the kernel has KVM's tracepoints */
	uint64_t runs_lost; /* records of who ran that were not taken in time */
	uint64_t missed; /* switches that the kernel did not report, runs of programs it skipped */
	uint64_t bpf_runs;    /* of the BPF programs, where statistics are on, */
	uint64_t bpf;	      /* ns: and their time */
	uint64_t no_memory;   /* looks for VMs that failed for want of it */
	uint64_t not_entered; /* VMs for which there was no room in the ledger */
	uint64_t beyond;      /* VMs of users who have too many */
};

struct host_frame {
	uint64_t time;	     /* ns, CLOCK_REALTIME */
	uint64_t elapsed;    /* ns since measuring began */
	uint64_t session;    /* of who measures: a number that no other has */
	char source[16];     /* "bpf" */
	uint64_t gaps_lost;  /* since measuring began */
	uint64_t n_unseen;   /* VMs that cannot be measured now; the first of them: */
	char unseen[64 + 8]; /* its name, */
	char why[160];	     /* and why */
	struct host_frame_unseen *unmeasured; /* of these as many as are known one by one; owned */
	size_t n_unmeasured;
	struct host_frame_counters counters;
	struct host_frame_vm *vms;
	size_t n_vms;
	unsigned cpus;	/* of the host that are online; 0: not known */
	bool has_gaps;	/* the source records them */
	bool has_exits; /* they are counted, where KVM reports them */
};

/* Makes room for `n_vcpus` vCPUs in a new VM at the end of `f->vms`, which has room. NULL without
 * memory. */
struct host_frame_vm *host_frame_add(struct host_frame *f, size_t n_vcpus);

/* The VM `now` of a later frame in this one (NULL: none), NULL where it wasn't there. VMs keep their
 * order from frame to frame: *hint, 0 before the first call for a frame, says where to look. */
const struct host_frame_vm *host_frame_find(const struct host_frame *f,
					    const struct host_frame_vm *now, size_t *hint);

void host_frame_done(struct host_frame *f);

/* Adds the names of the VMs that live, or that there is none, to what went wrong. */
void host_frame_list(const struct host_frame *f, struct failure *ret);

/* Whether two rows are the same culprit's. */
bool host_frame_same_blame(const struct host_frame_blame *a, const struct host_frame_blame *b);

/* Whether a page of the VM's is written. */
bool host_frame_has_page(const struct host_frame_vm *vm);

/* The VM in memory of its own. -ENOMEM. */
int host_frame_vm_copy(const struct host_frame_vm *from, struct host_frame_vm *ret);

/* Moves the VMs that have ended in `from` to the end of `to`. -ENOMEM. */
int host_frame_carry(struct host_frame *from, struct host_frame *to);

/* What the VM holds, which is not among those of a frame. */
void host_frame_vm_done(struct host_frame_vm *vm);

/* Schema desched-host/1, by the rows of host_schema.c. NULL without memory. */
json_t *host_frame_json(const struct host_frame *f);

/* Of JSON from anybody: what is missing is 0, what makes no sense makes all of it bad. -EBADMSG,
 * -ENOMEM. */
int host_frame_decode(const json_t *o, struct failure *f, struct host_frame *ret);

#endif
