/* SPDX-License-Identifier: MIT */
/*
 * What guardians are sent and what they believe: sets of orders of any size arrive whole, and one
 * that makes no sense is refused as a whole; a record of dispatched threads that leads elsewhere is
 * left where it is, and nothing is undone by it.
 */
#include "enforce/dispatch_place.h"
#include "enforce/guard_wire.h"

#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

struct ends {
	int daemon, guardian;
	struct guard_inbox inbox;
};

static int set_up(void **state)
{
	struct ends *e = calloc(1, sizeof(*e));
	int fds[2], size = 1 << 20;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, fds))
		return -1;
	setsockopt(fds[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	e->daemon = fds[0];
	e->guardian = fds[1];
	*state = e;
	return guard_inbox_new(&e->inbox);
}

static int tear_down(void **state)
{
	struct ends *e = *state;

	close(e->daemon);
	close(e->guardian);
	free(e->inbox.bytes);
	free(e);
	return 0;
}

static int receive(struct ends *e, struct enforce_orders *ret)
{
	int got;

	do
		got = guard_receive(&e->inbox, e->guardian, ret);
	while (!got);
	return got;
}

/* From nobody to as many as a guardian takes, which are many datagrams. */
static void sets_arrive_whole(void **state)
{
	static struct enforce_order vms[GUARD_VMS];
	static struct host_vcpu vcpus[GUARD_VMS];
	struct enforce_group group = {0, 500, 0.5, 0};
	struct ends *e = *state;

	for (uint32_t i = 0; i < GUARD_VMS; i++) {
		vms[i] = (struct enforce_order){
			.pid = 2 + (pid_t)i, .group = i % 2, .first_vcpu = i, .n_vcpus = 1};
		vcpus[i] = (struct host_vcpu){3 + (pid_t)i, 0};
	}
	for (size_t n = 0; n <= 600; n += 200) {
		struct enforce_orders o = {vms, vcpus, &group, n, n, 1}, got;

		assert_int_equal(guard_send(e->daemon, &o), 0);
		assert_int_equal(receive(e, &got), 1);
		assert_int_equal(got.n, n);
		assert_int_equal(got.n_vcpus, n);
		assert_true(got.groups[0].shares == 500);
		for (size_t i = 0; i < n; i++) {
			assert_memory_equal(&got.vms[i], &vms[i], sizeof(vms[i]));
			assert_int_equal(got.vcpus[i].tid, vcpus[i].tid);
		}
	}
	assert_int_equal(guard_send(e->daemon, &(struct enforce_orders){.n = GUARD_VMS + 1}),
			 -E2BIG);
	assert_int_equal(guard_send_end(e->daemon), 0);
	assert_int_equal(receive(e, &(struct enforce_orders){.n = 0}), -EPIPE);
}

static void refused(struct ends *e, const struct enforce_order *vm, const struct enforce_group *g)
{
	struct host_vcpu vcpu = {5, 0};
	struct enforce_orders o = {vm, &vcpu, g, 1, 1, 1}, got = {.n = 77};

	assert_int_equal(guard_send(e->daemon, &o), 0);
	assert_int_equal(receive(e, &got), -EBADMSG);
	assert_int_equal(got.n, 77);
}

static void what_makes_no_sense(void **state)
{
	static const struct enforce_group good = {0, 1, 0, 0}, itself = {1, 1, 0, 0},
					  worthless = {0, NAN, 0, 0};
	const struct enforce_order vms[] = {
		{.pid = 1},
		{.pid = -5},
		{.pid = 5, .group = 2},
		{.pid = 5, .first_vcpu = 2},
		{.pid = 5, .first_vcpu = 1, .n_vcpus = 1},
		{.pid = 5, .n_vcpus = UINT32_MAX},
		{.pid = 5, .limit = NAN},
		{.pid = 5, .own_limit = -1},
		{.pid = 5, .rate = NAN},
		{.pid = 5, .reservation = NAN},
	};

	for (size_t i = 0; i < sizeof(vms) / sizeof(vms[0]); i++)
		refused(*state, &vms[i], &good);
	refused(*state, &(struct enforce_order){.pid = 5}, &itself);
	refused(*state, &(struct enforce_order){.pid = 5}, &worthless);
}

/* A part that is too short, one without a first, bytes at random. */
static void garbage(void **state)
{
	static struct guard_part part;
	struct ends *e = *state;
	struct enforce_orders got;
	unsigned seed = 7;

	part = (struct guard_part){.last = true, .n = 8};
	assert_int_equal(send(e->daemon, &part, sizeof(part), 0), sizeof(part));
	assert_int_equal(receive(e, &got), -EBADMSG);
	part = (struct guard_part){.first = true, .last = true, .n = 100};
	assert_int_equal(send(e->daemon, &part, offsetof(struct guard_part, bytes) + 50, 0),
			 offsetof(struct guard_part, bytes) + 50);
	assert_int_equal(receive(e, &got), -EBADMSG);
	for (int i = 0; i < 20000; i++) {
		size_t n = (size_t)rand_r(&seed) % 400 + 1;

		part.first = rand_r(&seed) % 2;
		part.last = rand_r(&seed) % 2;
		part.end = false;
		part.n = rand_r(&seed) % 4 ? (uint32_t)(n) : (uint32_t)rand_r(&seed);
		for (size_t b = 0; b < n; b++)
			part.bytes[b] = (unsigned char)(rand_r(&seed) % 8 ? 0 : rand_r(&seed));
		assert_true(send(e->daemon, &part, offsetof(struct guard_part, bytes) + n, 0) > 0);
		guard_receive(&e->inbox, e->guardian, &got);
	}
}

static void hear(const char *line, void *data)
{
	snprintf(data, 256, "%s", line);
}

static void a_record_that_leads_elsewhere(void **state)
{
	const struct dispatch_entry good = {.pid = 99999999,
					    .tid = 99999999,
					    .leader = true,
					    .top = "desched-none",
					    .cpu = "/",
					    .hold = "/"};
	struct dispatch_host h = {.cpu = {.version = 1, .mount = "/nowhere"},
				  .hold = {.version = 2, .mount = "/nowhere"}};
	char file[] = "/tmp/test_enforce_guardXXXXXX", line[256];

	(void)state;
	close(mkstemp(file));
	for (int i = 0; i < 6; i++) {
		struct dispatch_entry e = good;

		snprintf(e.top, sizeof(e.top), "%s", i == 0 ? "../etc" : i == 1 ? "" : good.top);
		snprintf(e.cpu, sizeof(e.cpu), "%s", i == 2 ? "/../x" : good.cpu);
		e.leader = i != 3;
		e.pid = i == 4 ? 1 : good.pid;
		assert_int_equal(dispatch_record(file, &e, 1), 0);
		line[0] = '\0';
		assert_int_equal(dispatch_undo_record(&h, file, hear, line), i == 5);
		assert_int_equal(access(file, F_OK), i == 5 ? -1 : 0);
		assert_true((strstr(line, "can't be used") != NULL) == (i < 5));
	}
	assert_int_equal(dispatch_undo_record(&h, file, hear, line), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	static const struct CMUnitTest tests[] = {
		TEST(sets_arrive_whole),
		TEST(what_makes_no_sense),
		TEST(garbage),
		cmocka_unit_test(a_record_that_leads_elsewhere),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
