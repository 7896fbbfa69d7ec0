/* SPDX-License-Identifier: MIT */
/*
 * A host's recording as a file of figures: what its VMs and vCPUs had between two frames, worked out
 * by hand for those of host_frames.h, and a VM's demand in the simulator by it. Other files of hosts:
 * test_data_hosts.c; the recording itself: test_recording.c.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "data/data.h"
#include "data/recording.h"
#include "host_frames.h"
#include "scratch.h"
#include "sim/demand.h"

#define ENTITIES 16

static char path[96];

static void write_frames(bool later)
{
	struct recording_writer *w;
	struct failure f = {""};

	unlink(path);
	begin_frames();
	if (later) { /* the measuring began again meanwhile */
		second.session = 7;
		second.elapsed = 1;
		second.time += 4 * NS_PER_SEC;
	}
	assert_int_equal(recording_create(path, TIME, &f, &w), 0);
	for (int i = 0; i < 2; i++) {
		const struct host_frame *frame = i ? &second : &first;
		const struct recording_mark mark = {.time = frame->time, .elapsed = frame->elapsed};
		json_t *o = host_frame_json(frame);

		assert_non_null(o);
		assert_int_equal(recording_write(w, &mark, o, &f), 0);
		json_decref(o);
	}
	assert_int_equal(recording_finish(w, &f), 0);
	end_frames();
}

static struct {
	char name[80];
	double sums[DATA_QUANTITIES], from, to;
	int n;
} seen[ENTITIES];

static int on_entity(void *of, uint32_t number, const struct data_entity *e)
{
	char owner[sizeof(seen[0].name)] = "";

	(void)of;
	assert_true(number < ENTITIES);
	memset(&seen[number], 0, sizeof(seen[number]));
	if (e->owner != DATA_NONE)
		strcpy(owner, seen[e->owner].name);
	snprintf(seen[number].name, sizeof(seen[number].name), "%.39s%s%.39s", owner,
		 owner[0] ? "/" : "", e->name);
	return 1;
}

static int on_sample(void *of, const struct data_sample *s)
{
	(void)of;
	seen[s->entity].sums[s->quantity] += s->value;
	seen[s->entity].from = s->from;
	seen[s->entity].to = s->to;
	seen[s->entity].n++;
	return 0;
}

static int read_it(enum data_side side, struct failure *f)
{
	const struct data_options options = {.side = side};
	const struct data_sink sink = {
		.quantities = DATA_ALL, .entity = on_entity, .sample = on_sample};
	struct data_file file;

	memset(seen, 0, sizeof(seen));
	return data_read(path, &options, &sink, f, &file);
}

static void expect(const char *name, double cpu, double ready, double costop, double limited)
{
	for (int i = 0; i < ENTITIES; i++) {
		if (strcmp(seen[i].name, name) != 0)
			continue;
		assert_true(fabs(seen[i].sums[DATA_CPU] - cpu) < 1e-9);
		assert_true(fabs(seen[i].sums[DATA_READY] - ready) < 1e-9);
		assert_true(fabs(seen[i].sums[DATA_COSTOP] - costop) < 1e-9);
		assert_true(fabs(seen[i].sums[DATA_LIMITED] - limited) < 1e-9);
		return;
	}
	fail_msg("nothing of %s", name);
}

static void figures(void **state)
{
	struct failure f = {""};

	(void)state;
	write_frames(false);
	assert_int_equal(read_it(DATA_HOST, &f), 0);
	expect("web1", 0.85, 0.35, 0.05, 0);
	expect("web1/0", 0.6, 0.3, 0, 0);
	expect("web1/1", 0.25, 0.05, 0.05, 0);
	expect("db", 0.1, 0, 0, 0);
	expect("old", 0.2, 0, 0, 0.05);
	expect("other", 0, 0, 0, 0); /* another process by then */
	assert_true(seen[0].from == 1795176011.0 && seen[0].to == 1795176012.0);

	write_frames(true); /* by the dates */
	assert_int_equal(read_it(DATA_ANY, &f), 0);
	assert_true(seen[0].from == 1795176011.0 && seen[0].to == 1795176015.0);

	assert_true(read_it(DATA_GUEST, &f) < 0);
	assert_non_null(strstr(f.text, "desched record --host"));
}

/* 0.85 ran, 0.35 were ready and 0.05 co-stopped. */
static void demand(void **state)
{
	struct failure f = {""};
	float *values;
	uint32_t n;

	(void)state;
	write_frames(false);
	assert_int_equal(demand_read_recorded(path, "web1", 1, 1, 2, 10, &f, &values, &n), 0);
	assert_int_equal(n, 1);
	assert_true(fabs((double)values[0] - 1.25) < 1e-6);
	free(values);
	assert_int_equal(demand_read_recorded(path, "6f1d-uuid", 0.25, 1, 2, 10, &f, &values, &n),
			 0);
	assert_int_equal(n, 4);
	assert_true(fabs((double)values[3] - 1.25) < 1e-6);
	free(values);
}

static int set_up(void **state)
{
	(void)state;
	snprintf(path, sizeof(path), "%s/host.rec", scratch_dir("test-recorded-host"));
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(figures), cmocka_unit_test(demand)};

	return cmocka_run_group_tests(tests, set_up, NULL);
}
