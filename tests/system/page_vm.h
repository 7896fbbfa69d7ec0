/* SPDX-License-Identifier: MIT */
/*
 * Processes that look like VMs with one vCPU and memory for a ledger page: the test program itself,
 * run with words such as QEMU's (become_vm()).
 */
#ifndef PAGE_VM_H
#define PAGE_VM_H

#include "base/clock.h"
#include "base/proc.h"
#include "base/units.h"

#include <desched/page.h>

#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define PATIENCE_NS (60 * NS_PER_SEC)
#define PAGE_BYTES  (256 * KIB)

static char directory[] = "/dev/shm/desched-test.XXXXXX"; /* of the files; made by the test */

/* All of them together are little work. They are not nicer than others: the kernel makes who reaps a
 * process spin until its last thread has left /proc, and one that gets no CPU then doesn't. */
static inline void *vcpu(void *name)
{
	if (name)
		prctl(PR_SET_NAME, name);
	for (;;) {
		for (uint64_t end = clock_mono() + NS_PER_MS; clock_mono() < end;)
			;
		usleep(50000);
	}
	return NULL;
}

static inline void on_hup(int number)
{
	(void)number;
}

static inline int run_vm(int argc, char **argv)
{
	int fd = open(argv[7], O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	struct sigaction a = {.sa_handler = on_hup};
	pthread_t t;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	sigaction(SIGHUP, &a, NULL);
	if (fd < 0 || ftruncate(fd, PAGE_BYTES))
		return 1;
	pthread_create(&t, NULL, vcpu, argv[8][0] ? argv[8] : NULL);
	pause();
	if (argc > 9)
		pthread_create(&t, NULL, vcpu, argv[9]);
	for (;;)
		pause();
}

/* VM [-id ID] -name NAME -object OBJECT -device DEVICE FILE THREAD [THREAD-AT-A-SIGNAL] */
static inline int become_vm(int argc, char **argv)
{
	if (!strcmp(argv[1], "-id"))
		return become_vm(argc - 2, argv + 2);
	return run_vm(argc, argv);
}

struct vm {
	pid_t pid;
	char name[32], file[64];
	bool seen;
	uint64_t delay; /* ns: from the start of its vCPU to its first report */
	bool ended;	/* and its end was reported */
	bool mute;	/* its vCPU has no name */
	double wall;	/* s, the sum over reports */
};

/* A name, or a pattern of names, that another run of this test on this machine doesn't use. */
static inline const char *own(const char *name)
{
	static char names[4][32];
	static unsigned turn;
	char *ret = names[turn++ % ARRAY_SIZE(names)];

	snprintf(ret, sizeof(names[0]), "%s%s", name, strrchr(directory, '.'));
	return ret;
}

/* `program` is what the process is called; NULL for this one's own name. */
static inline void start_vm(struct vm *v, const char *program, const char *name, const char *thread,
			    const char *later)
{
	static int number;
	char object[160];

	*v = (struct vm){.mute = !thread[0]};
	snprintf(v->name, sizeof(v->name), "%s", name);
	snprintf(v->file, sizeof(v->file), "%s/%d", directory, number++);
	snprintf(object, sizeof(object), "memory-backend-file,id=m,share=on,mem-path=%s", v->file);
	v->pid = fork();
	if (v->pid)
		return;
	execl(program ? program : "/proc/self/exe", "qemu", "-name", name, "-object", object,
	      "-device", "ivshmem-plain,memdev=m", v->file, thread, later, NULL);
	_exit(127);
}

static inline int find_thread(pid_t tid, void *data)
{
	char path[64], name[PROC_COMM_SIZE];
	const struct vm *v = data;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/comm", v->pid, tid);
	return tid != v->pid && file_read(path, name, sizeof(name)) > 0 &&
	       (v->mute || !strncmp(name, "CPU ", 4));
}

/* Until it has its vCPU. */
static inline void wait_for_vcpu(struct vm *v)
{
	uint64_t end = clock_mono() + PATIENCE_NS;
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/task", v->pid);
	while (proc_each_id(path, find_thread, v) != 1) {
		usleep(5000);
		if (clock_mono() > end)
			fail_msg("VM %s has no vCPU", v->name);
	}
}

static inline void end_vm(struct vm *v)
{
	kill(v->pid, SIGKILL);
	waitpid(v->pid, NULL, 0);
	unlink(v->file);
}

/* Times that the page was written; 0 where there is none. */
static inline uint64_t updates_of(const struct vm *v)
{
	int fd = open(v->file, O_RDONLY);
	struct page_reader page;
	struct page_host host = {.updates = 0};
	struct stat st = {.st_size = 0};
	void *base = MAP_FAILED;

	if (!fstat(fd, &st) && st.st_size >= (off_t)PAGE_BYTES) /* it may just be made */
		base = mmap(NULL, PAGE_BYTES, PROT_READ, MAP_SHARED, fd, 0);

	if (base != MAP_FAILED) {
		if (!page_attach(base, PAGE_BYTES, &page))
			page_read_host(&page, &host);
		munmap(base, PAGE_BYTES);
	}
	close(fd);
	return host.updates;
}

#endif
