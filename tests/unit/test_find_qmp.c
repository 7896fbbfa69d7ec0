/* SPDX-License-Identifier: MIT */
/*
 * host_find_qmp(): what it makes of the monitor's list of vCPUs. The protocol is test_qmp.c, the
 * other finders are in test_host.c.
 */
#include "host/find.h"
#include "qmp_peer.h"

#include <errno.h>

static char cpus[65536]; /* what query-cpus-fast answers */

static void script_cpus(int fd)
{
	greet(fd);
	answer(fd, hear(fd, "query-cpus-fast"), cpus);
}

static int find(struct host_vm *ret)
{
	struct peer p;
	int err;

	begin(&p, script_cpus);
	err = host_find_qmp(p.fd, getpid(), PATIENCE, NULL, ret);
	end(&p);
	return err;
}

static void threads_come_in_order_of_index(void **state)
{
	struct host_vm vm;
	struct peer other;

	(void)state;
	begin(&other, script_silent);
	while (!__atomic_load_n(&other.tid, __ATOMIC_SEQ_CST))
		usleep(1000);
	snprintf(cpus, sizeof(cpus),
		 "[{\"cpu-index\": 3, \"thread-id\": %d, \"qom-path\": \"x\"},"
		 " {\"cpu-index\": 0, \"thread-id\": %d}]",
		 gettid(), other.tid);
	assert_int_equal(find(&vm), 0);
	assert_int_equal(vm.n_vcpus, 2);
	assert_int_equal(vm.vcpus[0].tid, other.tid);
	assert_int_equal(vm.vcpus[0].index, 0);
	assert_int_equal(vm.vcpus[1].tid, gettid());
	assert_int_equal(vm.vcpus[1].index, 3);
	assert_string_equal(vm.found_by, "qmp");
	assert_int_equal(vm.pid, getpid());
	host_vm_done(&vm);
	end(&other);
}

static void round_robin_is_one_thread(void **state)
{
	struct host_vm vm;

	(void)state;
	snprintf(cpus, sizeof(cpus),
		 "[{\"cpu-index\": 0, \"thread-id\": %d}, {\"cpu-index\": 1, \"thread-id\": %d}]",
		 gettid(), gettid());
	assert_int_equal(find(&vm), 0);
	assert_int_equal(vm.n_vcpus, 1);
	assert_int_equal(vm.vcpus[0].tid, gettid());
	host_vm_done(&vm);
}

static void lists_that_make_no_sense_are_refused(void **state)
{
	static const struct {
		const char *answer;
		int err;
	} rows[] = {
		{"{}", -EBADMSG},
		{"[]", -ENOENT},
		{"[1, 2]", -EBADMSG},
		{"[{\"cpu-index\": -1, \"thread-id\": 1}]", -EBADMSG},
		{"[{\"cpu-index\": 1024, \"thread-id\": 1}]", -EBADMSG},
		{"[{\"cpu-index\": 0, \"thread-id\": 99999999999}]", -EBADMSG},
		{"[{\"cpu-index\": 0, \"thread-id\": -5}]", -EBADMSG},
		{"[{\"cpu-index\": 0}]", -EBADMSG},
		{"[{\"cpu-index\": 0, \"thread-id\": 1}]", -ESRCH}, /* another's thread */
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct host_vm vm;

		snprintf(cpus, sizeof(cpus), "%s", rows[i].answer);
		assert_int_equal(find(&vm), rows[i].err);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(threads_come_in_order_of_index),
		cmocka_unit_test(round_robin_is_one_thread),
		cmocka_unit_test(lists_that_make_no_sense_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
