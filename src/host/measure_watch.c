/* SPDX-License-Identifier: MIT */
#include "host/measure_watch.h"

#include "base/clock.h"
#include "base/proc.h"
#include "base/units.h"
#include "host/find.h"
#include "host/find_monitor.h"
#include "host/measure_bound.h"
#include "host/measure_names.h"
#include "host/measure_parts.h"
#include "host/measure_vms.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define YOUNG_NS NS_PER_SEC /* a VM that grows at that age is still starting */

static bool has_thread(const struct measured *x, const struct host_vcpu *vcpu)
{
	for (uint32_t v = 0; v < x->vm.n_vcpus; v++) {
		if (x->vm.vcpus[v].tid == vcpu->tid && x->vm.vcpus[v].index == vcpu->index)
			return true;
	}
	return false;
}

static bool is_known(const struct measured *x, const struct host_vm *vm)
{
	if (x->vm.start_ns != vm->start_ns)
		return false;
	for (uint32_t v = 0; v < vm->n_vcpus; v++) {
		if (!has_thread(x, &vm->vcpus[v]))
			return false;
	}
	return true;
}

/* A VM with more vCPUs than before begins a new ledger, and a new session of its page: what was
 * measured of it until now is reported as that of one which has ended. */
static void supersede(struct measurement *m, struct measured *x)
{
	bool young = clock_mono() - x->since < YOUNG_NS;

	measure_vms_end(m, x);
	for (size_t i = 0; young && i < m->n; i++) {
		if (m->vms[i] != x)
			continue;
		measure_vms_remove(m, i);
		m->came--;
		return;
	}
	measure_note(m, "VM %s (pid %d): it has other vCPUs now; its ledger begins again",
		     x->vm.name, x->vm.pid);
}

static void forget_refused(const struct measurement *m, pid_t pid)
{
	struct measure_parts *p = m->parts;

	for (size_t i = 0; i < p->n_refused; i++)
		if (p->refused[i] == pid)
			p->refused[i--] = p->refused[--p->n_refused];
}

/* It is tried again when a VM has ended, which may have had what it lacked. */
static void refuse(struct measurement *m, pid_t pid, int err, const struct failure *f)
{
	struct measure_parts *p = m->parts;
	bool *said = err == -EDQUOT ? &p->bound : &p->full;
	pid_t *refused = reallocarray(p->refused, p->n_refused + 1, sizeof(*refused));

	if (!*said)
		measure_note(m, "not measured: %s; further ones are counted", f->text);
	*said = true;
	snprintf(p->refused_why, sizeof(p->refused_why), "%s",
		 err == -ENOSPC ? "the ledger is full" : f->text);
	m->not_entered += err != -EDQUOT;
	m->beyond += err == -EDQUOT;
	if (!refused)
		return;
	p->refused = refused;
	p->refused[p->n_refused++] = pid;
}

void measure_watch_try_refused(struct measurement *m)
{
	struct measure_parts *p = m->parts;
	size_t n = p->room ? p->n_refused : 0;

	p->room = false;
	if (n)
		p->n_refused = 0;
	for (size_t i = 0; i < n; i++)
		watch_again(p->watch, p->refused[i]);
}

/* -EDQUOT where its user has too many, and then the VM is refused. */
static int add_within_bound(struct measurement *m, struct host_vm *vm, struct failure *f)
{
	uid_t uid[4] = {0};
	int err = proc_read_uids(vm->pid, uid);

	if (!err)
		err = measure_bound_check(m, uid[0], vm->n_vcpus, f);
	if (err) {
		host_vm_done(vm);
		return err == -EDQUOT ? err : -ESRCH;
	}
	err = measure_vms_add(m, vm, f);
	if (!err)
		m->vms[m->n - 1]->uid = uid[0];
	return err;
}

static void on_came(struct host_vm *vm, void *data)
{
	struct measurement *m = data;
	struct measured *x = measure_vms_live(m, vm->pid);
	struct failure f = {""};
	pid_t pid = vm->pid;
	int err;

	if (x ? is_known(x, vm) : !choice_wants(&m->parts->choice, vm)) {
		host_vm_done(vm);
		return;
	}
	if (x)
		supersede(m, x);
	forget_refused(m, pid);
	err = add_within_bound(m, vm, &f);
	if (err == -ESRCH && m->parts->watch)
		watch_again(m->parts->watch, pid); /* it is on its way, up or down */
	else if (err)
		refuse(m, pid, err, &f);
	else
		m->parts->full = false;
}

static void on_went(pid_t pid, void *data)
{
	struct measurement *m = data;
	struct measured *x = measure_vms_live(m, pid);

	if (x)
		measure_vms_end(m, x);
	forget_refused(m, pid);
	for (unsigned i = 0; i < m->n_unseen; i++) {
		if (m->unseen[i].pid == pid)
			m->unseen[i--] = m->unseen[--m->n_unseen];
	}
}

static void on_unseen(const struct host_vm *vm, const char *why, void *data)
{
	struct measurement *m = data;
	struct measure_unseen *u;

	if (!choice_wants(&m->parts->choice, vm))
		return;
	measure_note(m, "not measured: VM %s (pid %d): %s", vm->name, vm->pid, why);
	if (m->n_unseen == MEASURE_UNSEEN_MAX) {
		m->more_unseen++;
		return;
	}
	u = &m->unseen[m->n_unseen++];
	u->pid = vm->pid;
	snprintf(u->name, sizeof(u->name), "%s", vm->name);
	snprintf(u->why, sizeof(u->why), "%s", why);
}

static int add_process(struct measurement *m, pid_t pid, struct failure *f)
{
	struct host_vm vm;
	int err;

	if (measure_vms_live(m, pid))
		return 0; /* given twice, or found by its name */
	err = host_find_pid(pid, f, &vm);
	if (err == -ENOENT && !host_find_monitor(pid, NULL, &vm))
		err = 0;
	return err ? err : measure_vms_add(m, &vm, f);
}

void measure_watch_grown(struct measurement *m)
{
	const struct choice *c = &m->parts->choice;

	for (int i = 0; i < c->n && !m->parts->watch; i++) {
		struct measured *x = measure_vms_live(m, c->wishes[i].pid);
		struct failure f = {""};
		struct host_vm vm;

		if (x && !host_find_pid(x->vm.pid, &f, &vm))
			on_came(&vm, m);
	}
}

/* The VMs that there are, for somebody who asked for another one. */
static void list_names(struct failure *f, const char *pattern)
{
	struct host_vm *vms = NULL;
	size_t n = 0;

	failure_set(f, -ENOENT, "no VM is called '%s'", pattern);
	if (host_find_all(&vms, &n))
		return;
	for (size_t i = 0; i < n; i++)
		failure_list(f, vms[i].name);
	if (!n)
		failure_set(f, -ENOENT, "no VM is called '%s': no VM is running", pattern);
	host_vms_free(vms, n);
}

static int look_for_all(struct measurement *m, struct failure *f)
{
	const struct watch_events events = {on_came, on_went, on_unseen, m};
	const char *missing;
	int err = watch_new(&events, &m->parts->watch);

	if (!err)
		err = watch_look(m->parts->watch, 0);
	if (err < 0)
		return failure_errno(f, err, "looking for VMs in /proc");
	missing = choice_missing(&m->parts->choice);
	if (!missing)
		return 0;
	list_names(f, missing);
	return -ENOENT;
}

int measure_watch_find(struct measurement *m, struct failure *f)
{
	const struct choice *c = &m->parts->choice;
	int err = 0;

	for (int i = 0; i < c->n && !err; i++) {
		if (c->wishes[i].pid)
			err = add_process(m, c->wishes[i].pid, f);
	}
	if (!err && choice_is_open(c))
		err = look_for_all(m, f);
	if (!err && measure_names_settle_all(m))
		err = failure_errno(f, -ENOMEM, "the list of VMs");
	return err;
}
