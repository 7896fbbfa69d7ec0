/* SPDX-License-Identifier: MIT */
/*
 * A guest under QEMU TCG for tests: the lab's image with an init of the test's own, which prints
 * lines on the console; its page; its monitor. Whatever fails ends the test.
 */
#ifndef TCG_GUEST_H
#define TCG_GUEST_H

#include "host/anchor.h"
#include "host/publish.h"
#include "host/qmp.h"
#include "ledger/page_writer.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/types.h>

#define TCG_LINE (256 * 1024) /* longer ones come in pieces */

struct tcg_options {
	const char *source_dir;	     /* where lab/ and scripts/ are */
	const char *vmdesched;	     /* the program */
	const char *init;	     /* a shell script, behind what mounts the file systems */
	const char *conf;	     /* vmdesched.conf, /bin/work in the guest */
	const char *const *programs; /* more of them, NULL at the end; may be NULL */
	const char *append;	     /* to the kernel's command line */
	const char *const *qemu;     /* more words for QEMU, NULL at the end; may be NULL */
	bool no_page;		     /* no device for it */
	bool modules;		     /* in /modules what a serial port wants, in order */
	bool page_moves;	     /* a migration writes the page, too */
	bool shares_ram;	     /* its memory is `ram`, too */
	unsigned cpus;		     /* 0: one */
	unsigned gain_ppm;	     /* the guest's counter gains on the one in the page */
};

struct tcg_guest {
	char dir[64];
	pid_t pid;
	int console; /* what is read from it is in `buf` first */
	char buf[TCG_LINE];
	size_t used;
	int monitor;
	struct qmp *qmp;
	void *page;
	size_t page_size;
	void *ram; /* NULL unless asked for */
	size_t ram_size;
	struct page_writer writer;
	uint64_t session;
	unsigned cpus, gain_ppm;
	pthread_t publisher;
	atomic_bool stop;
	bool publishing;
};

/* Lays out the page, and starts QEMU. It, and all that the test does from now on, run before others
 * on this machine. */
void tcg_start(struct tcg_guest *g, const struct tcg_options *o);
void tcg_end(struct tcg_guest *g);

/* The next line of the console, within so many seconds, without its end. */
void tcg_line(struct tcg_guest *g, unsigned seconds, char line[TCG_LINE]);

/* As that, until one begins with `prefix`; what vmdesched says is shown. */
void tcg_wait(struct tcg_guest *g, const char *prefix, unsigned seconds, char line[TCG_LINE]);

/* A command for the monitor; the caller's reference to its answer. */
json_t *tcg_command(struct tcg_guest *g, const char *name, json_t *arguments);

/* A page whose clock goes on and whose vCPUs run all the time, until it is told to stop. */
void tcg_publish(struct tcg_guest *g);
void tcg_publish_stop(struct tcg_guest *g);

/* Lays the page out anew, as another host would. */
void tcg_new_session(struct tcg_guest *g, uint64_t session);

#endif
