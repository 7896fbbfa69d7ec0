/* SPDX-License-Identifier: MIT */
/*
 * libdesched: what vmdesched knows, for programs.
 *
 * A program inside a virtual machine connects to vmdesched(8) and takes snapshots: what every
 * process, thread and CPU was billed, what of it was true, and what the host tells of the machine.
 * All figures count from the daemon's start, so that a rate is the difference of two snapshots of
 * the same session.
 *
 * Times are nanoseconds (to within a microsecond, and to 12 digits), memory is bytes, CPU is
 * millionths of one CPU (ppm). Functions return 0 or -errno and leave ret_ parameters as they are
 * on failure; they never print, exit, or raise a signal. Names are those that processes gave
 * themselves: any bytes, to be escaped before they go to a terminal.
 *
 * What a pointer points to belongs to the snapshot it came from, and ends with it. Structures are
 * made by the library only and may grow at their end without another soname. A connection or a
 * snapshot may be used by one thread at a time; different ones by different threads.
 */
#ifndef DESCHED_DESCHED_H
#define DESCHED_DESCHED_H

#include <desched/ledger.h>
#include <desched/page.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define DESCHED_SOCKET	  "/run/vmdesched.sock"
#define DESCHED_NAME_SIZE 64

struct desched;		 /* a connection */
struct desched_snapshot; /* one answer */

/* Where the daemon answers: the environment variable DESCHED_SOCKET, or the macro of that name. A
 * program with raised privileges ignores the variable. */
const char *desched_socket(void);

/*
 * Connects to the daemon at `path`; NULL: desched_socket().
 *
 * -ENOENT or -ECONNREFUSED where no daemon answers, -EACCES without the right to ask it,
 * -ENAMETOOLONG, -ENOMEM, -ETIMEDOUT.
 */
int desched_connect(const char *path, struct desched **ret);
struct desched *desched_close(struct desched *connection); /* returns NULL; takes NULL */

/*
 * Takes a snapshot. A daemon that was restarted since is connected to again. As desched_connect(),
 * and -ETIMEDOUT when the answer is not there within DESCHED_TIMEOUT_MS, -EPROTO when it is no
 * snapshot that this version understands, -EREMOTEIO when the daemon says that it failed.
 */
#define DESCHED_TIMEOUT_MS 5000
int desched_read(struct desched *connection, struct desched_snapshot **ret);
struct desched_snapshot *desched_snapshot_free(struct desched_snapshot *s); /* as desched_close() */

/* ns. reported = true + descheduled + wait + unaccounted, unless the kernel subtracts steal itself:
 * there reported = true + unaccounted. */
struct desched_amounts {
	uint64_t reported;    /* CPU time by the kernel's word */
	uint64_t true_time;   /* in which the vCPU ran */
	uint64_t descheduled; /* in which it wanted to run and did not */
	uint64_t wait;	      /* in which it was blocked on other work of its host */
	uint64_t unaccounted; /* of which nobody knows: the host didn't say, or began again */
};

struct desched_summary {
	uint64_t session;	 /* never 0. Another one: the daemon or the host began again */
	const char *source;	 /* "steal", "page", "self": who tells of descheduled time */
	const char *steal_clock; /* which of the hypervisor's clocks is read, "" for none */
	bool kernel_subtracts;	 /* the kernel's own figures are true already */
	bool complete;		 /* false: the source has not told all up to `elapsed` yet */
	bool stale;		 /* true: the source has stopped telling */
	bool estimated;		 /* figures are estimates; low and high are a 90 % interval */
	uint64_t elapsed;	 /* ns from the daemon's start up to where its source has told */
	struct desched_amounts busy; /* of all processes; its descheduled + wait is `vmdesched` */
	struct desched_amounts
		exited;		   /* part of it: processes that are gone, as are their parents */
	uint64_t idle_descheduled; /* ns, all CPUs, while the idle task had them */
	uint64_t idle_wait;
	uint64_t low, high;	/* ns, of busy.descheduled + busy.wait; 0 unless estimated */
	uint64_t lost_switches; /* context switches that were not seen */
	uint64_t lost_time;	/* ns, part of busy, whose process is not known for that reason */
	uint64_t unseen;	/* ns descheduled that belong to no process and are not in `busy` */
	uint64_t idle_unaccounted;
	uint64_t late; /* ns descheduled that were told when their time was unaccounted already */
	uint64_t lag;  /* ns from `elapsed` to when the snapshot was taken */
};
const struct desched_summary *desched_summary(const struct desched_snapshot *s);

/* ns. busy + idle = elapsed, once the CPU has had its first switch of tasks. */
struct desched_cpu {
	unsigned cpu;
	uint64_t busy, idle;		      /* a task, or the idle task, had the CPU */
	uint64_t descheduled, wait;	      /* part of busy */
	uint64_t idle_descheduled, idle_wait; /* part of idle */
	uint64_t unaccounted;		      /* part of busy */
	uint64_t idle_unaccounted;	      /* part of idle */
};
size_t desched_cpus(const struct desched_snapshot *s);
const struct desched_cpu *desched_cpu(const struct desched_snapshot *s, size_t i);

struct desched_thread {
	int tid;
	char name[DESCHED_NAME_SIZE];
	struct desched_amounts amounts;
};

struct desched_process {
	int pid;     /* 0: no process, but time whose owner is not known; the name says why */
	uint64_t id; /* tells processes apart that have had the same pid; 0: not known */
	char name[DESCHED_NAME_SIZE];
	struct desched_amounts own;	 /* all its threads, exited ones too */
	struct desched_amounts children; /* exited descendants */
	size_t n_threads;		 /* 0 where it has only one */
};
size_t desched_processes(const struct desched_snapshot *s);
const struct desched_process *desched_process(const struct desched_snapshot *s, size_t i);
const struct desched_process *desched_process_find(const struct desched_snapshot *s, int pid);
const struct desched_thread *desched_thread(const struct desched_snapshot *s,
					    const struct desched_process *process, size_t i);

/*
 * What the host's page tells, <desched/page.h>: the record, of which `updates`, `clock.ticks_hz`
 * and the figures with a `valid` bit are filled in, and the ledger of one vCPU. NULL or -ENODATA
 * where the daemon has no page; -EINVAL for a vCPU that it does not have.
 */
const struct page_host *desched_page(const struct desched_snapshot *s);
size_t desched_page_vcpus(const struct desched_snapshot *s);
int desched_page_ledger(const struct desched_snapshot *s, size_t vcpu, struct ledger *ret);

/* The machine as a whole: one number each. */
enum desched_figure {
	DESCHED_ELAPSED_NS,	     /* wall time since the daemon's start */
	DESCHED_CPUS,		     /* CPUs of this machine */
	DESCHED_CPU_USED_NS,	     /* sum over CPUs: busy and running */
	DESCHED_CPU_STOLEN_NS,	     /* sum over CPUs: descheduled, while busy or idle */
	DESCHED_CPU_WAIT_NS,	     /* sum over CPUs: blocked on host work, while busy or idle */
	DESCHED_CPU_IDLE_NS,	     /* sum over CPUs: idle, and neither of the two above */
	DESCHED_CPU_SPEED_HZ,	     /* rate of the processor's counter: its nominal speed */
	DESCHED_CPU_SHARES,	     /* of the host's CPUs, relative to other machines */
	DESCHED_CPU_RESERVATION_PPM, /* guaranteed */
	DESCHED_CPU_LIMIT_PPM,	     /* never exceeded */
	DESCHED_CPU_RESERVATION_HZ,  /* the same, times the speed */
	DESCHED_CPU_LIMIT_HZ,
	DESCHED_CPU_OVERHEAD_NS,    /* the machine's host threads other than vCPUs */
	DESCHED_MEM_SIZE,	    /* bytes, configured */
	DESCHED_MEM_BALLOONED,	    /* bytes, taken back by the balloon */
	DESCHED_MEM_SHARED,	    /* bytes, shared with equal pages */
	DESCHED_MEM_SWAPPED,	    /* bytes, swapped out by the host */
	DESCHED_MEM_RESERVATION,    /* bytes, guaranteed */
	DESCHED_MEM_USED,	    /* bytes of host memory behind the guest's */
	DESCHED_SESSION,	    /* as in struct desched_summary */
	DESCHED_CPU_UNACCOUNTED_NS, /* sum over CPUs: not known, while busy or idle */
};

/* used + stolen + wait + idle + unaccounted = elapsed * cpus, as far as the daemon knows who had
 * the CPUs.
 * -ENODATA for what is not known here, mostly since the host does not tell; -EINVAL for no such
 * figure. */
int desched_figure(const struct desched_snapshot *s, enum desched_figure which, uint64_t *ret);

/* The library's own version, "0.1.0". */
const char *desched_version(void);

#ifdef __cplusplus
}
#endif

#endif
