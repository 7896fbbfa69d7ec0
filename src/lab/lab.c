/* SPDX-License-Identifier: MIT */
#include "lab/lab.h"

#include "base/cleanup.h"
#include "base/units.h"
#include "lab/cpus.h"
#include "lab/host_page.h"
#include "lab/kvm_probe.h"
#include "lab/machine_libvirt.h"
#include "lab/parts.h"
#include "lab/phases.h"
#include "lab/session.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

static const char *const accels[] = {"auto", "kvm", "tcg", NULL};
static const char *const truths[] = {"auto", "trace", "units", NULL};

static const struct machine_kind *const kinds[] = {&machine_own, &machine_qemu, &machine_libvirt,
						   NULL};

/* The rows of lab/guest/fault.c. */
static const char *const faults[] = {"boot-panic", "first-boot-panic", "boot-silent", "panic",
				     "agent",	   "silent",	       "garbage",     NULL};

const char *lab_accel_name(size_t i)
{
	return accels[i];
}

const char *lab_truth_name(size_t i)
{
	return truths[i];
}

const char *lab_fault_name(size_t i)
{
	return faults[i];
}

const char *lab_machines_name(size_t i)
{
	return kinds[i] ? kinds[i]->name : NULL;
}

/* The number at `number` of a list that begins again at its end. */
static int vcpus_of(const char *list, int number, unsigned *ret)
{
	unsigned vcpus[LAB_VMS_MAX];
	int n = 0, used;

	for (const char *at = list;; at += used + 1) {
		if (n == LAB_VMS_MAX || sscanf(at, "%2u%n", &vcpus[n], &used) != 1 || at[0] < '1' ||
		    at[0] > '9' || vcpus[n] > LAB_VCPUS_MAX || (at[used] && at[used] != ','))
			return -EINVAL;
		n++;
		if (!at[used])
			break;
	}
	*ret = vcpus[number % n];
	return 0;
}

static int check_vcpus(const char *list, struct failure *f)
{
	unsigned vcpus;

	if (!vcpus_of(list, 0, &vcpus))
		return 0;
	return failure_set(f, -EINVAL,
			   "--vcpus: '%s' given, expected numbers from 1 to %d, as 1,2,4", list,
			   LAB_VCPUS_MAX);
}

static int choose_cpus(struct session *s, struct failure *f)
{
	int err = cpus_allowed(&s->allowed);

	if (err)
		return failure_errno(f, err, "the CPUs of this process");
	if (!s->options->cpus)
		cpus_last(&s->allowed, &s->shared);
	else
		err = cpus_parse(s->options->cpus, &s->allowed, f, &s->shared);
	if (err)
		return err;
	CPU_XOR(&s->other, &s->allowed, &s->shared);
	cpus_text(&s->shared, s->result->cpus, sizeof(s->result->cpus));
	return 0;
}

/* KVM where it runs a stock kernel; why or why not is in the result. */
static void choose_accel(struct session *s)
{
	struct lab_result *r = s->result;
	const char *asked = s->options->accel;
	bool kvm;

	if (strcmp(asked, "auto") != 0) {
		snprintf(r->accel, sizeof(r->accel), "%s", asked);
		snprintf(r->accel_why, sizeof(r->accel_why), "--accel %s", asked);
		return;
	}
	kvm = kvm_probe(r->accel_why, sizeof(r->accel_why));
	snprintf(r->accel, sizeof(r->accel), "%s", kvm ? "kvm" : "tcg");
}

static const struct machine_kind *kind_of(const struct lab_options *o)
{
	size_t i = 0;

	while (o->machines && kinds[i] && strcmp(kinds[i]->name, o->machines) != 0)
		i++;
	return kinds[i] ? kinds[i] : kinds[0];
}

/* All that can be refused before anything is started. */
static int check_parts(struct session *s, struct failure *f)
{
	const struct lab_options *o = s->options;
	const struct machine_kind *kind = kind_of(o);
	int err = choose_cpus(s, f);

	s->phase = "prepare";
	if (!err && kind->host_page && machine_streams(o->source))
		err = failure_set(f, -EINVAL,
				  "--machines %s: these have a page; --source stream is for "
				  "--machines own",
				  kind->name);
	if (!err)
		err = check_vcpus(o->vcpus, f);
	if (!err)
		err = parts_check_memory(o->vms, MACHINE_MEMORY_MIB * MIB, f);
	if (!err && o->kernel) /* what was asked for comes before what is installed */
		err = parts_check_kernel(o->kernel, f);
	if (!err)
		err = parts_check_program(LAB_QEMU, "qemu-system-x86", f);
	if (!err && kind->libvirt)
		err = parts_check_program(LAB_VIRSH, "libvirt-clients", f);
	if (!err)
		err = parts_image(f, s->image, sizeof(s->image));
	if (!err && !o->kernel) /* seconds, and minutes for a download */
		session_say(s, "looking for a kernel; --kernel names one");
	if (!err)
		err = parts_kernel(o->kernel, f, s->kernel, sizeof(s->kernel));
	if (!err && machine_streams(o->source) && !o->kernel) {
		s->image_fd = parts_add_modules(f, s->image, sizeof(s->image));
		err = s->image_fd < 0 ? s->image_fd : 0;
	}
	if (!err && o->keep)
		err = parts_claim_directory(o->keep, f);
	return err;
}

/* The host ledger, best effort unless the page was asked for by name. */
static int open_pages(struct session *s, struct failure *f)
{
	struct lab_result *r = s->result;
	struct failure why = {""};
	int err = pages_open(&why, &s->pages);

	if (!err)
		snprintf(r->host_source, sizeof(r->host_source), "%s", pages_source(s->pages));
	r->host_gaps = !err && pages_have_gaps(s->pages);
	if (r->host_gaps)
		return 0;
	if (!strcmp(s->options->source, "page") || machine_streams(s->options->source))
		return failure_set(f, err ? err : -EOPNOTSUPP,
				   "--source %s wants gaps from this host; %.300s; or take "
				   "--source self",
				   s->options->source, why.text);
	snprintf(r->note, sizeof(r->note), "no gaps from this host, so pages are coarse; %.180s",
		 why.text);
	return 0;
}

static void open_log(struct machine *m, const char *keep)
{
	char path[512];

	snprintf(path, sizeof(path), "%s/%s.console", keep, m->name);
	unlink(path); /* a new file, whatever was there */
	m->log = fopen(path, "wxe");
}

static int make_machines(struct session *s, struct failure *f)
{
	struct lab_result *r = s->result;
	int n = (int)s->options->vms;

	s->machines = calloc((size_t)n, sizeof(*s->machines));
	r->vms = calloc((size_t)n, sizeof(*r->vms));
	if (!s->machines || !r->vms)
		return failure_errno(f, -ENOMEM, "%d VMs", n);
	s->n = n;
	r->n_vms = n;
	for (int i = 0; i < n; i++) {
		machine_init(&s->machines[i], i);
		s->machines[i].kind = kind_of(s->options);
		vcpus_of(s->options->vcpus, i, &s->machines[i].vcpus);
		r->vms[i].vcpus = s->machines[i].vcpus;
		memcpy(r->vms[i].name, s->machines[i].name, sizeof(r->vms[i].name));
		if (s->options->keep)
			open_log(&s->machines[i], s->options->keep);
	}
	s->machines[n - 1].fault = s->options->fault;
	for (int i = 0; i < n; i++)
		r->summary.overcommit += (double)s->machines[i].vcpus / CPU_COUNT(&s->shared);
	return 0;
}

/* Libvirt's QEMU may not see what is ours. */
static int copy_parts(struct session *s, struct failure *f)
{
	char kernel[48], image[48];
	int err;

	snprintf(kernel, sizeof(kernel), "%s/kernel", s->dir);
	snprintf(image, sizeof(image), "%s/image", s->dir);
	err = parts_copy(s->kernel, kernel, f);
	return err ? err : parts_copy(s->image, image, f);
}

static int set_up(struct session *s, struct failure *f)
{
	const struct machine_kind *kind = kind_of(s->options);
	struct lab_result *r = s->result;
	int err = kind->host_page ? host_page_begin(s, f) : 0;

	if (!err && kind->libvirt)
		err = copy_parts(s, f);
	if (err)
		return err;

	snprintf(r->kernel, sizeof(r->kernel), "%s", s->kernel);
	s->setup = (struct machine_setup){
		.kernel = s->kernel,
		.image = s->image,
		.dir = s->dir,
		.accel = r->accel,
		.source = s->options->source,
		.boot_cpus = s->allowed,
	};
	return 0;
}

static const struct {
	const char *name;
	int (*run)(struct session *s, struct failure *f);
} phases[] = {
	{"boot", phase_boot}, {"pin", phase_pin}, {"calibrate", phase_calibrate},
	{"run", phase_run},   {"off", phase_off},
};

static int run_phases(struct session *s, struct failure *f)
{
	for (size_t i = 0; i < ARRAY_SIZE(phases); i++) {
		int err;

		s->phase = phases[i].name;
		err = phases[i].run(s, f);
		if (err)
			return err;
	}
	return 0;
}

/* From here on a signal is an event like others, and what is there is taken down in order. */
static int hear_signals(struct session *s, struct failure *f)
{
	sigset_t heard;

	sigemptyset(&heard);
	sigaddset(&heard, SIGINT);
	sigaddset(&heard, SIGTERM);
	sigaddset(&heard, SIGHUP);
	sigprocmask(SIG_BLOCK, &heard, NULL);
	s->signals = signalfd(-1, &heard, SFD_CLOEXEC | SFD_NONBLOCK);
	return s->signals < 0 ? failure_errno(f, -errno, "signalfd") : 0;
}

static int prepare_and_run(struct session *s, struct failure *f)
{
	int err = check_parts(s, f);

	if (err)
		return err;
	session_say(s, "what this host can do, and its ledger");
	choose_accel(s);
	err = hear_signals(s, f);
	if (err)
		return err;
	if (CPU_COUNT(&s->other)) /* the lab and its publisher stay out of the way */
		sched_setaffinity(0, sizeof(s->other), &s->other);
	err = open_pages(s, f);
	if (!err)
		err = make_machines(s, f);
	if (!err)
		err = set_up(s, f);
	return err ? err : run_phases(s, f);
}

static void clean_up(struct session *s)
{
	if (s->pages)
		pages_counters(s->pages, &s->result->counters);
	s->pages = pages_close(s->pages); /* before the pages' memory goes */
	s->offcpu = offcpu_close(s->offcpu);
	for (int i = 0; i < s->n; i++)
		machine_done(&s->machines[i]);
	host_page_end(s);
	free(s->machines);
	close_fd(&s->signals);
	if (s->image_fd > 0)
		close(s->image_fd);
}

/* What the agents used, where one has said so. */
static void name_source(const struct lab_options *o, struct lab_result *r)
{
	snprintf(r->source, sizeof(r->source), "%s", o->source);
	for (int i = 0; i < r->n_vms; i++) {
		if (r->vms[i].guest.has_agent && r->vms[i].guest.source[0])
			memcpy(r->source, r->vms[i].guest.source, sizeof(r->source));
	}
}

int lab_run(const struct lab_options *o, const struct lab_watch *watch, struct failure *f,
	    struct lab_result *result, int *ret_signal)
{
	struct session s = {.options = o, .watch = watch, .result = result, .signals = -1};
	sigset_t old;
	int err;

	memset(result, 0, sizeof(*result));
	result->seconds = o->seconds;
	result->machines = kind_of(o)->name;
	sigprocmask(SIG_BLOCK, NULL, &old);
	cpus_allowed(&s.allowed);
	err = prepare_and_run(&s, f);
	clean_up(&s);
	sched_setaffinity(0, sizeof(s.allowed), &s.allowed);
	sigprocmask(SIG_SETMASK, &old, NULL);
	name_source(o, result);
	lab_summarize(result);
	*ret_signal = s.signal;
	return err;
}
