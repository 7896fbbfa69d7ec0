/* SPDX-License-Identifier: MIT */
/*
 * What a refresh of `desched top` on a host takes, from reading the ledgers to the last cell that is
 * drawn: with 1,000 vCPUs of processes that look like VMs, each of which wakes 20 times a second.
 *
 *     bench_screen [VMS [VCPUS [REFRESHES]]]
 */
#include "load.h"
#include "screen/feed.h"
#include "screen/host.h"
#include "screen/layout.h"
#include "screen/trails.h"

#include <pthread.h>

#define GOAL_MS 100

static void *vcpu(void *number)
{
	unsigned n = (unsigned)(uintptr_t)number;
	char name[16];

	snprintf(name, sizeof(name), "CPU %u/TCG", n % 1000);
	prctl(PR_SET_NAME, name);
	for (;;) {
		for (uint64_t end = clock_mono() + 10 * NS_PER_US; clock_mono() < end;)
			;
		pause_for(50 * NS_PER_MS);
	}
	return NULL;
}

static void be_vm(unsigned vcpus)
{
	pthread_attr_t small;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	pthread_attr_init(&small);
	pthread_attr_setstacksize(&small, 64 * KIB);
	for (unsigned i = 0; i < vcpus; i++) {
		pthread_t thread;

		if (pthread_create(&thread, &small, vcpu, (void *)(uintptr_t)i))
			die("a vCPU");
	}
	for (;;)
		pause();
}

struct refresh {
	struct frame frames[2];
	struct trails *trails;
	struct ui ui;
	struct canvas canvas;
	size_t vcpus;
};

/* All that screen.c does between two waits, but for the terminal itself. */
static void refresh(struct refresh *r, struct feed *feed)
{
	struct scene scene = {.ui = &r->ui, .origin = "bench"};
	struct failure f = {""};
	struct layout layout;
	struct model m;

	frame_done(&r->frames[0]);
	r->frames[0] = r->frames[1];
	if (feed_take(feed, &f, &r->frames[1]))
		die(f.text);
	if (model_make(&r->frames[0], &r->frames[1], &r->ui.view, &m))
		die("a model");
	m.trails = r->trails;
	host_leave_trails(&r->frames[0].host, &r->frames[1].host, r->trails);
	scene.model = &m;
	ui_follow(&r->ui, &m, layout_page(&scene, r->canvas.width, r->canvas.height));
	layout_draw(&scene, &r->canvas, &layout);
	r->vcpus = m.n_vcpus;
	model_done(&m);
}

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void report(const char *what, double *ms, size_t n)
{
	qsort(ms, n, sizeof(*ms), by_size);
	printf("%-36s median %6.1f ms   most %6.1f ms\n", what, ms[n / 2], ms[n - 1]);
}

static bool measure(struct feed *feed, size_t n)
{
	struct refresh r = {.ui = {.subject = &subject_host, .view = {.threads = true}}};
	double *elapsed = calloc(n, sizeof(*elapsed)), *cpu = calloc(n, sizeof(*cpu));
	volatile sig_atomic_t stop = 0;
	struct failure f = {""};
	bool met;

	r.trails = trails_new();
	if (!elapsed || !cpu || !r.trails || canvas_new(200, 60, true, &r.canvas))
		die("memory");
	feed_wait(feed, clock_mono() + 3 * NS_PER_SEC, -1, &stop);
	if (feed_take(feed, &f, &r.frames[1]))
		die(f.text);
	for (size_t i = 0; i < n; i++) {
		struct timespec before, after;
		uint64_t begin;

		feed_wait(feed, clock_mono() + NS_PER_SEC / 2, -1, &stop);
		begin = clock_mono();
		clock_gettime(CLOCK_THREAD_CPUTIME_ID, &before);
		refresh(&r, feed);
		clock_gettime(CLOCK_THREAD_CPUTIME_ID, &after);
		elapsed[i] = (double)(clock_mono() - begin) / 1e6;
		cpu[i] = (double)(after.tv_sec - before.tv_sec) * 1e3 +
			 (double)(after.tv_nsec - before.tv_nsec) / 1e6;
	}
	printf("%zu vCPUs, source %s\n", r.vcpus, r.frames[1].host.source);
	report("a refresh", elapsed, n);
	report("its CPU time", cpu, n);
	met = cpu[n / 2] <= GOAL_MS && elapsed[n / 2] <= GOAL_MS;
	printf("goal: %d ms: %s\n", GOAL_MS, met ? "met" : "not met");
	frame_done(&r.frames[0]);
	frame_done(&r.frames[1]);
	canvas_done(&r.canvas);
	trails_free(r.trails);
	free(elapsed);
	free(cpu);
	return met;
}

int main(int argc, char **argv)
{
	unsigned vms = argc > 1 ? (unsigned)atoi(argv[1]) : 250;
	unsigned vcpus = argc > 2 ? (unsigned)atoi(argv[2]) : 4;
	size_t refreshes = argc > 3 ? (size_t)atoi(argv[3]) : 20;
	const struct asked any = {"auto", NULL, NULL};
	struct failure f = {""};
	struct feed feed;
	bool met;

	for (unsigned i = 0; i < vms; i++) {
		pid_t pid = fork();

		if (pid < 0)
			die("fork");
		if (!pid)
			be_vm(vcpus);
	}
	pause_for(NS_PER_SEC);
	if (feed_open(&subject_host, &any, &f, &feed))
		die(f.text);
	met = measure(&feed, refreshes);
	feed_close(&feed);
	return !met;
}
