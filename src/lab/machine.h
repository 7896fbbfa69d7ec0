/* SPDX-License-Identifier: MIT */
/*
 * One QEMU and the guest in it.
 *
 * All that connects it to the lab is inherited descriptors: the guest's page (a memfd), its
 * console, its control channel and QEMU's monitor (socket pairs). Nothing has a name in a file
 * system, so nothing can be left behind; and the kernel kills QEMU when the thread that started it
 * ends. Of other kinds are machines whose page a daemon of this host writes: there the page is a
 * file (host_page.h), and for libvirt all else, too (machine_libvirt.h).
 */
#ifndef LAB_MACHINE_H
#define LAB_MACHINE_H

#include "base/failure.h"
#include "host/host_vm.h"
#include "lab/control.h"

#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define MACHINE_MEMORY_MIB  256
#define MACHINE_TAIL	    4096
#define MACHINE_SHARED_PATH 96 /* machine_shared_path() */

struct machine_setup {
	const char *kernel, *image;
	const char *dir;    /* of host_page.h; NULL where no kind of machine needs it */
	const char *accel;  /* "tcg", "kvm" */
	const char *source; /* for the agent */
	cpu_set_t boot_cpus;
	char *const *more; /* words for QEMU, of which the last for an option counts; or NULL */
};

/* The guest read its clocks between two readings of ours: the tightest of all its answers. */
struct machine_clock {
	uint64_t before, after; /* ns, our CLOCK_MONOTONIC; after is 0: there was none yet */
	struct control_clock guest;
};

struct machine;

/* How machines come about: what differs between kinds of them. */
struct machine_kind {
	const char *name;
	bool host_page; /* a daemon of this host writes its page */
	bool libvirt;	/* it needs virsh */
	/* As machine_start(), machine_find(), machine_continue(). */
	int (*start)(struct machine *m, const struct machine_setup *s, struct failure *f);
	int (*find)(struct machine *m, struct failure *f);
	int (*resume)(struct machine *m, struct failure *f);
	/* QEMU has closed its ends: waits for it, and returns its status as of waitpid(). */
	int (*reap)(struct machine *m);
	void (*kill)(struct machine *m); /* which may not run */
};

extern const struct machine_kind machine_own, machine_qemu;

struct machine {
	const struct machine_kind *kind;
	char name[16];
	const char *fault; /* for the guest's init, NULL for none */
	unsigned vcpus;	   /* 1 unless somebody says more */
	int boots;	   /* starts so far */
	pid_t pid;	   /* 0: not running */
	int console, control, monitor;
	int stream; /* -1: it has the page */
	/* of libvirt's: its name there, the virsh that it depends on, and QEMU */
	char domain[MACHINE_SHARED_PATH];
	pid_t virsh;
	int virsh_end, pidfd;
	int page_fd, trace_fd;
	const void *trace; /* TRACE_AREA_BYTES that the guest writes */
	void *page;
	size_t page_size;
	int page_id;		 /* in struct pages, -1 for none */
	struct host_vm vm;	 /* valid when n_vcpus is not 0 */
	char tail[MACHINE_TAIL]; /* the end of what the console said, with a 0 behind it */
	size_t tail_used;
	FILE *log; /* of the console, or NULL; owned */
	struct control_in in;
	uint64_t asked;	   /* id of the last command */
	uint64_t asked_at; /* ns, CLOCK_MONOTONIC */
	struct machine_clock clock;
	bool answered; /* `answer` and `line` are that command's */
	json_t *line;  /* owned */
	struct control_answer answer;
	char failure[256]; /* "" while all is well */
};

void machine_init(struct machine *m, int number);

/* A file in /dev/shm that no other machine has: its name has the end of the directory's. A page's
 * has "desched" in it, so that it is found; that of a trace hasn't. */
#define MACHINE_PAGE  "desched-page"
#define MACHINE_TRACE "lab-trace"
void machine_shared_path(const struct machine *m, const char *dir, const char *what,
			 char ret[MACHINE_SHARED_PATH]);
#define MACHINE_SHARED_NAME(path) ((path) + sizeof("/dev/shm/") - 1)

/* Starts QEMU with the guest halted at its first instruction. */
int machine_start(struct machine *m, const struct machine_setup *s, struct failure *f);

/* Finds the vCPU threads, by the monitor where it is ours; fills m->vm. */
int machine_find(struct machine *m, struct failure *f);

/* The words on the guest's kernel command line. */
void machine_kernel_words(const struct machine *m, const struct machine_setup *s, char *ret,
			  size_t size);

/* Whether guests with this source have a serial port for it in place of the page. */
bool machine_streams(const char *source);

/* Lets the guest begin. */
int machine_continue(struct machine *m, struct failure *f);

/* Puts all threads on the CPUs. */
int machine_pin(const struct machine *m, const cpu_set_t *cpus, struct failure *f);

/* Puts the machine before everything else on its CPUs, or among the others again. Best effort:
 * without privilege nothing happens. */
void machine_favour(const struct machine *m, bool yes);

/* Sends a command: takes over `command`, adds its "id". */
int machine_ask(struct machine *m, json_t *command);

/*
 * Takes what has come in on one of the descriptors; never blocks. A complaint ends up in
 * m->failure: a line that is none, an answer that was not asked for, the end of QEMU.
 */
void machine_read_console(struct machine *m);
void machine_read_control(struct machine *m);

/* CPU time of the vCPUs' threads and their time of waiting for one. */
int machine_schedstat(const struct machine *m, uint64_t *ret_run, uint64_t *ret_delay);

/* CPU time of the whole process, exited threads included. */
int machine_cpu_time(const struct machine *m, uint64_t *ret_ns);

/* Sets m->failure unless one is there already. */
void machine_fail(struct machine *m, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The console's last lines, cleaned for a terminal, at most `lines`. */
void machine_last_lines(const struct machine *m, int lines, char *ret, size_t size);

/* Kills QEMU if it runs and closes all; the machine may be started again. */
void machine_stop(struct machine *m);

/* machine_stop() and the console's log. */
void machine_done(struct machine *m);

#endif
