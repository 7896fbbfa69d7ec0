/* SPDX-License-Identifier: MIT */
#include "screen/esxtop.h"

#include "base/text.h"
#include "base/units.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

struct column_set {
	pid_t pid, tid; /* its process, and its first vCPU */
	uint64_t since;
	size_t n_vcpus;
};

struct esxtop {
	char *host;
	bool has_head;
	size_t n_cpus;
	struct column_set *vms; /* [n_vms] */
	size_t n_vms;
	size_t left_out; /* VMs without columns */
	char late[sizeof(((struct host_frame_vm *)NULL)->name)];
	struct proc_cpu *cpus; /* [n_here] at the last row, of this machine */
	size_t n_here;
};

/* What a VM, or one of its vCPUs, had in an interval. */
struct had {
	uint64_t ns[LEDGER_STATES];
	uint64_t overhead;
};

#define OF(state) (1u << LEDGER_##state)

/* In the order of esxtop's columns. */
static const struct counter {
	const char *name;
	unsigned states; /* whose sum it is */
	bool overhead;	 /* that, too */
} counters[] = {
	{"% Used", OF(RUN), true},
	{"% Run", OF(RUN), false},
	{"% System", 0, true},
	{"% Wait", OF(HALT) | OF(WAIT) | OF(SWAPWAIT), false},
	{"% VmWait", OF(WAIT) | OF(SWAPWAIT), false},
	{"% Ready", OF(READY) | OF(LIMITED), false},
	{"% Idle", OF(HALT), false},
	{"% Overlap", 0, false},
	{"% CoStop", OF(COSTOP), false},
	{"% Max Limited", OF(LIMITED), false},
	{"% Swap Wait", OF(SWAPWAIT), false},
};

struct esxtop *esxtop_new(const char *host)
{
	struct esxtop *e = calloc(1, sizeof(*e));

	if (e)
		e->host = strdup(host);
	return e && e->host ? e : esxtop_free(e);
}

struct esxtop *esxtop_free(struct esxtop *e)
{
	if (e) {
		free(e->host);
		free(e->vms);
		free(e->cpus);
	}
	free(e);
	return NULL;
}

/* ---- the head ---- */

/* In a field of CSV, in quotes. */
static void put_text(const char *text, FILE *stream)
{
	char clean[256];

	snprintf(clean, sizeof(clean), "%s", text);
	text_clean(clean);
	for (const char *c = clean; *c; c++) {
		if (*c == '"')
			fputc('"', stream);
		fputc(*c, stream);
	}
}

static void put_path(const struct esxtop *e, const char *object, FILE *stream)
{
	fputs(",\"\\\\", stream);
	put_text(e->host, stream);
	fprintf(stream, "\\%s(", object);
}

static void put_vcpu_name(const struct host_frame_vm *vm, const struct host_frame_vcpu *vcpu,
			  FILE *stream)
{
	fprintf(stream, "%d:", vm->pid);
	put_text(vm->name, stream);
	fprintf(stream, ":%d:vmx-vcpu-%u:", vcpu->tid, vcpu->index);
	put_text(vm->name, stream);
}

static void put_vm_names(const struct esxtop *e, const struct host_frame_vm *vm, const char *object,
			 const char *counter, FILE *stream)
{
	put_path(e, object, stream);
	fprintf(stream, "%d:", vm->pid);
	put_text(vm->name, stream);
	fprintf(stream, ")\\%s\"", counter);
}

static pid_t first_tid(const struct host_frame_vm *vm)
{
	return vm->n_vcpus ? vm->vcpus[0].tid : 0;
}

static void put_vm_head(const struct esxtop *e, const struct host_frame_vm *vm, FILE *stream)
{
	put_vm_names(e, vm, "Group Cpu", "Members", stream);
	for (size_t i = 0; i < ARRAY_SIZE(counters); i++)
		put_vm_names(e, vm, "Group Cpu", counters[i].name, stream);
	for (size_t v = 0; v < vm->n_vcpus; v++) {
		for (size_t i = 0; i < ARRAY_SIZE(counters); i++) {
			put_path(e, "Vcpu", stream);
			put_vcpu_name(vm, &vm->vcpus[v], stream);
			fprintf(stream, ")\\%s\"", counters[i].name);
		}
	}
	put_vm_names(e, vm, "Group Memory", "Memory Consumed Size MBytes", stream);
}

static void put_cpu_head(const struct esxtop *e, const char *cpu, FILE *stream)
{
	static const char *const names[] = {"% Processor Time", "% Util Time"};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		put_path(e, "Physical Cpu", stream);
		fprintf(stream, "%s)\\%s\"", cpu, names[i]);
	}
}

static int put_head(struct esxtop *e, const struct host_frame *f, const struct esxtop_cpus *cpus,
		    FILE *stream)
{
	char cpu[24];

	e->vms = calloc(f->n_vms + 1, sizeof(*e->vms));
	if (!e->vms)
		return -ENOMEM;
	e->n_cpus = cpus->n;
	fputs("\"(PDH-CSV 4.0) (UTC)(0)\"", stream);
	for (size_t c = 0; c < cpus->n; c++) {
		snprintf(cpu, sizeof(cpu), "%zu", c);
		put_cpu_head(e, cpu, stream);
	}
	put_cpu_head(e, "_Total", stream);
	for (size_t i = 0; i < f->n_vms; i++) {
		const struct host_frame_vm *vm = &f->vms[i];

		put_vm_head(e, vm, stream);
		e->vms[e->n_vms++] = (struct column_set){vm->pid, first_tid(vm), vm->since,
							 vm->n_vcpus};
	}
	fputc('\n', stream);
	e->has_head = true;
	return 0;
}

/* ---- rows ---- */

static void put_percent(double part, double whole, FILE *stream)
{
	fprintf(stream, ",\"%.2f\"", whole > 0 ? 100 * part / whole : 0);
}

static void put_counters(const struct had *h, uint64_t elapsed, FILE *stream)
{
	for (size_t i = 0; i < ARRAY_SIZE(counters); i++) {
		uint64_t sum = counters[i].overhead ? h->overhead : 0;

		for (int s = 0; s < LEDGER_STATES; s++)
			sum += counters[i].states >> s & 1 ? h->ns[s] : 0;
		put_percent((double)sum, (double)elapsed, stream);
	}
}

static struct had had_of(const struct host_frame_vm *before, const struct host_frame_vm *vm,
			 size_t v)
{
	bool was = before && v < before->n_vcpus;
	struct had h = {.overhead = 0};

	for (int s = 0; vm && v < vm->n_vcpus && s < LEDGER_STATES; s++)
		h.ns[s] = u64_sub_floor(vm->vcpus[v].ns[s], was ? before->vcpus[v].ns[s] : 0);
	return h;
}

/* Nobody measured it: neither figures nor zeros. */
static void put_unknown(const struct column_set *columns, FILE *stream)
{
	size_t n = 1 + ARRAY_SIZE(counters) * (1 + columns->n_vcpus) + 1;

	for (size_t i = 0; i < n; i++)
		fputs(",\"\"", stream);
}

/* `vm` NULL: it has ended, and has zeros. */
static void put_vm(const struct column_set *columns, const struct host_frame_vm *before,
		   const struct host_frame_vm *vm, uint64_t elapsed, FILE *stream)
{
	struct had sum = {.overhead = 0};

	for (size_t v = 0; v < columns->n_vcpus; v++) {
		struct had h = had_of(before, vm, v);

		for (int s = 0; s < LEDGER_STATES; s++)
			sum.ns[s] += h.ns[s];
	}
	if (vm)
		sum.overhead = u64_sub_floor(vm->overhead, before ? before->overhead : 0);
	fprintf(stream, ",\"%zu\"", vm ? columns->n_vcpus : 0);
	put_counters(&sum, elapsed, stream);
	for (size_t v = 0; v < columns->n_vcpus; v++) {
		struct had h = had_of(before, vm, v);

		put_counters(&h, elapsed, stream);
	}
	fprintf(stream, ",\"%.2f\"", vm ? (double)vm->rss / (double)MIB : 0);
}

static void put_cpu(const struct proc_cpu *from, const struct proc_cpu *to, FILE *stream)
{
	double busy = (double)u64_sub_floor(to->busy_ns, from->busy_ns);
	double rest = (double)u64_sub_floor(to->idle_ns, from->idle_ns) +
		      (double)u64_sub_floor(to->steal_ns, from->steal_ns);

	put_percent(busy, busy + rest, stream); /* % Processor Time */
	put_percent(busy, busy + rest, stream); /* % Util Time */
}

static void add_cpu(struct proc_cpu *sum, const struct proc_cpu *cpu)
{
	sum->busy_ns += cpu->busy_ns;
	sum->idle_ns += cpu->idle_ns;
	sum->steal_ns += cpu->steal_ns;
}

/* Those of the head, and all that there are. */
static void put_cpus(const struct esxtop *e, const struct esxtop_cpus *cpus, FILE *stream)
{
	struct proc_cpu from = {0}, to = {0}, none = {0};

	for (size_t c = 0; c < e->n_cpus; c++)
		put_cpu(c < cpus->n ? &cpus->from[c] : &none, c < cpus->n ? &cpus->to[c] : &none,
			stream);
	for (size_t c = 0; c < cpus->n; c++) {
		add_cpu(&from, &cpus->from[c]);
		add_cpu(&to, &cpus->to[c]);
	}
	put_cpu(&from, &to, stream);
}

static void put_time(uint64_t time, FILE *stream)
{
	time_t seconds = (time_t)(time / NS_PER_SEC);
	char text[64] = "";
	struct tm tm;

	if (gmtime_r(&seconds, &tm))
		strftime(text, sizeof(text), "%m/%d/%Y %H:%M:%S", &tm);
	fprintf(stream, "\"%s\"", text);
}

/* The VM of these columns. Frames and columns have the same order: *hint says where to look. */
static const struct host_frame_vm *find(const struct host_frame *f, const struct column_set *c,
					size_t *hint)
{
	const struct host_frame_vm like = {.pid = c->pid, .since = c->since};

	return host_frame_find(f, &like, hint);
}

static bool has_columns(const struct esxtop *e, const struct host_frame_vm *vm)
{
	for (size_t i = 0; i < e->n_vms; i++)
		if (e->vms[i].pid == vm->pid && e->vms[i].since == vm->since)
			return true;
	return false;
}

/* Another session has seen the machines for the first time, yet they are the same. */
static void adopt(struct esxtop *e, const struct host_frame *f)
{
	for (size_t i = 0; i < e->n_vms; i++) {
		struct column_set *c = &e->vms[i];

		for (size_t j = 0; j < f->n_vms; j++) {
			const struct host_frame_vm *vm = &f->vms[j];

			if (vm->pid == c->pid && first_tid(vm) == c->tid &&
			    vm->n_vcpus == c->n_vcpus)
				c->since = vm->since;
		}
	}
}

/* A session has numbers of its own for when it saw a machine. */
static bool was_there(const struct host_frame *from, const struct host_frame *to,
		      const struct host_frame_vm *vm, size_t *hint)
{
	if (from->session == to->session)
		return host_frame_find(from, vm, hint);
	for (size_t i = 0; i < from->n_vms; i++)
		if (from->vms[i].pid == vm->pid && first_tid(&from->vms[i]) == first_tid(vm))
			return true;
	return false;
}

/* Those of the frame that were not in the one before have no columns. */
static void count_late(struct esxtop *e, const struct host_frame *from, const struct host_frame *to)
{
	size_t hint = 0;

	e->late[0] = '\0';
	for (size_t i = 0; i < to->n_vms; i++) {
		if (was_there(from, to, &to->vms[i], &hint) || has_columns(e, &to->vms[i]))
			continue;
		e->left_out++;
		snprintf(e->late, sizeof(e->late), "%s", to->vms[i].name);
	}
}

int esxtop_write(struct esxtop *e, const struct host_frame *from, const struct host_frame *to,
		 const struct esxtop_cpus *cpus, FILE *stream)
{
	uint64_t elapsed = u64_sub_floor(to->elapsed, from->elapsed);
	bool goes_on = from->session == to->session;
	size_t now = 0, before = 0;

	if (!e->has_head && put_head(e, to, cpus, stream))
		return -ENOMEM;
	if (!goes_on)
		adopt(e, to);
	count_late(e, from, to);
	put_time(to->time, stream);
	put_cpus(e, cpus, stream);
	for (size_t i = 0; i < e->n_vms; i++) {
		if (goes_on)
			put_vm(&e->vms[i], find(from, &e->vms[i], &before),
			       find(to, &e->vms[i], &now), elapsed, stream);
		else
			put_unknown(&e->vms[i], stream);
	}
	fputc('\n', stream);
	return 0;
}

const char *esxtop_left_out(const struct esxtop *e, size_t *ret_n)
{
	*ret_n = e->left_out;
	return e->late[0] ? e->late : NULL;
}

/* ---- this machine ---- */

int esxtop_here(struct esxtop **ret)
{
	char host[256] = "";
	struct esxtop *e;
	int err;

	gethostname(host, sizeof(host) - 1);
	e = esxtop_new(host[0] ? host : "localhost");
	if (!e)
		return -ENOMEM;
	err = proc_read_cpus(&e->cpus, &e->n_here);
	if (err)
		esxtop_free(e);
	else
		*ret = e;
	return err;
}

int esxtop_write_here(struct esxtop *e, const struct host_frame *from, const struct host_frame *to,
		      FILE *stream)
{
	struct proc_cpu *before = e->cpus;
	struct esxtop_cpus cpus;
	size_t n;
	int err = proc_read_cpus(&e->cpus, &n);

	if (err)
		return err;
	cpus = (struct esxtop_cpus){before, e->cpus, u64_min(n, e->n_here)};
	err = esxtop_write(e, from, to, &cpus, stream);
	e->n_here = n;
	free(before);
	return err;
}
