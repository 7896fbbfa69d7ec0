/* SPDX-License-Identifier: MIT */
#include "sim/trace.h"

#include "base/newfile.h"
#include "base/units.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

struct trace {
	struct newfile file;
	FILE *out; /* the file's */
	const struct sim *sim;
	uint64_t from, to; /* ns: what is kept */
	struct {
		uint64_t since;
		enum ledger_state state;
	} * vcpus;
};

static void name_all(struct trace *t, const struct sim *s)
{
	for (uint32_t i = 0; i < s->n_vms; i++) {
		const struct sim_vm *vm = &s->vms[i];

		fprintf(t->out,
			"{\"name\":\"process_name\",\"ph\":\"M\",\"pid\":%u,\"args\":{\"name\":\"%"
			"s "
			"%u\"}},\n",
			i + 1, s->vms[i].spec->name, i);
		for (uint32_t v = 0; v < vm->room; v++)
			fprintf(t->out,
				"{\"name\":\"thread_name\",\"ph\":\"M\",\"pid\":%u,\"tid\":%u,"
				"\"args\":{"
				"\"name\":\"vcpu%u\"}},\n",
				i + 1, vm->first + v + 1, v);
	}
}

int trace_open(struct sim *s, const char *path, uint64_t from, uint64_t window, struct failure *f,
	       struct trace **ret)
{
	struct trace *t = calloc(1, sizeof(*t));
	int err;

	if (!t)
		return -ENOMEM;
	t->sim = s;
	t->from = s->now + from;
	t->to = window < UINT64_MAX - t->from ? t->from + window : UINT64_MAX;
	t->vcpus = calloc(s->n_vcpus, sizeof(*t->vcpus));
	err = t->vcpus ? newfile_open(path, 0, NEWFILE_STREAMS, &t->file) : -ENOMEM;
	if (err) {
		free(t->vcpus);
		free(t);
		return failure_errno(f, err, "%s: cannot write the trace", path);
	}
	for (uint32_t i = 0; i < s->n_vcpus; i++) {
		t->vcpus[i].since = s->now;
		t->vcpus[i].state = core_state_of(s->core, i);
	}
	t->out = t->file.to;
	fputs("{\"displayTimeUnit\":\"ns\",\"traceEvents\":[\n", t->out);
	name_all(t, s);
	*ret = t;
	return 0;
}

void trace_state(struct trace *t, uint32_t vcpu, uint64_t now, enum ledger_state state)
{
	uint64_t since = u64_max(t->vcpus[vcpu].since, t->from), until = u64_min(now, t->to);
	struct core_vcpu_figures v;

	core_read_vcpu(t->sim->core, vcpu, &v);
	if (until > since)
		fprintf(t->out,
			"{\"name\":\"%s\",\"ph\":\"X\",\"pid\":%u,\"tid\":%u,\"ts\":%" PRIu64
			".%03" PRIu64 ",\"dur\":%" PRIu64 ".%03" PRIu64
			",\"args\":{\"cpu\":%u}},\n",
			ledger_state_name(t->vcpus[vcpu].state), t->sim->guests[vcpu].vm + 1,
			vcpu + 1, since / 1000, since % 1000, (until - since) / 1000,
			(until - since) % 1000, v.cpu);
	t->vcpus[vcpu].since = now;
	t->vcpus[vcpu].state = state;
}

int trace_close(struct trace *t, struct sim *s, struct failure *f)
{
	int err;

	for (uint32_t i = 0; i < t->sim->n_vcpus; i++)
		trace_state(t, i, s->now, t->vcpus[i].state);
	fputs("{\"name\":\"end\",\"ph\":\"M\",\"pid\":0}\n]}\n", t->out);
	err = newfile_commit(&t->file);
	free(t->vcpus);
	free(t);
	return err ? failure_errno(f, err, "the trace could not be written in full") : 0;
}
