/* SPDX-License-Identifier: MIT */
/*
 * src/enforce on trees of files that look like /proc and cgroups of either version: where a VM is,
 * which values it gets in which order, what is put back after a crash between any two writes and
 * what is left since it is somebody else's. Real cgroups: system/test_enforce.c.
 */
#include "enforce/cgroup.h"
#include "enforce/record.h"

#include "base/proc.h"
#include "base/units.h"
#include "scratch.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char root[100];
static struct cgroup_host host;

static void make_directories(char *path)
{
	for (char *slash = path + 1; (slash = strchr(slash, '/')); slash++) {
		*slash = '\0';
		mkdir(path, 0755);
		*slash = '/';
	}
}

static void put(const char *path, const char *text)
{
	char full[700];
	int fd;

	snprintf(full, sizeof(full), "%s%s", root, path);
	make_directories(full);
	fd = open(full, O_WRONLY | O_CREAT | O_TRUNC, 0644);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

static void group(const char *path, const char *procs)
{
	static const char *const files[2][5][2] = {
		{{"cpu.shares", "1024\n"},
		 {"cpu.cfs_quota_us", "-1\n"},
		 {"cpu.cfs_period_us", "100000\n"},
		 {"cpu.cfs_burst_us", "0\n"},
		 {"tasks", ""}},
		{{"cpu.weight", "100\n"},
		 {"cpu.max", "max 100000\n"},
		 {"cpu.max.burst", "0\n"},
		 {"cgroup.controllers", "cpuset cpu io\n"},
		 {"cgroup.subtree_control", "cpu io\n"}},
	};
	const char *mount = host.version == 1 ? "/sys/fs/cgroup/cpu" : "/sys/fs/cgroup";
	char file[600];

	for (size_t i = 0; i < 5; i++) {
		snprintf(file, sizeof(file), "%s%s/%s", mount, path, files[host.version - 1][i][0]);
		put(file, files[host.version - 1][i][1]);
	}
	snprintf(file, sizeof(file), "%s%s/cgroup.procs", mount, path);
	put(file, procs);
}

static void task(int pid, int tid, const char *path)
{
	char file[100], text[700];

	snprintf(file, sizeof(file), "/proc/%d/task/%d/cgroup", pid, tid);
	snprintf(text, sizeof(text), "%s%s\n",
		 host.version == 1 ? "5:memory:/m\n1:cpu:" : "0::", path);
	put(file, text);
}

static void begin(int version)
{
	struct failure f = {""};

	snprintf(root, sizeof(root), "%s/XXXXXX", scratch_dir("test-enforce"));
	assert_non_null(mkdtemp(root));
	host.version = version;
	group("", "1\n");
	if (cgroup_host(root, &f, &host))
		fail_msg("%s", f.text);
	assert_int_equal(host.version, version);
}

static void finish(void)
{
	char command[200];

	snprintf(command, sizeof(command), "rm -rf %s", root);
	assert_int_equal(system(command), 0);
}

static void is_in(int pid, const char *path, bool own)
{
	char found[CGROUP_PATH];
	bool is;

	assert_int_equal(cgroup_of(&host, pid, found, &is), 0);
	assert_string_equal(found, path);
	assert_int_equal(is, own);
}

/* ---- where a VM is ---- */

#define SCOPE "/machine.slice/machine-qemu\\x2d1\\x2dweb.scope"

/* libvirt's layouts of both versions, its helper swtpm among them; VMs by hand; units of systemd. */
static void places(int version)
{
	begin(version);
	group("/machine.slice", "");
	group(SCOPE, "");
	group(SCOPE "/libvirt", "");
	group(SCOPE "/libvirt/emulator", "100\n109\n");
	group(SCOPE "/libvirt/vcpu0", version == 1 ? "100\n" : "");
	task(100, 100, SCOPE "/libvirt/emulator");
	task(100, 101, SCOPE "/libvirt/vcpu0");
	is_in(100, SCOPE, true);
	/* a QEMU in a shell's scope, and one of its own in the same slice */
	group("/user.slice/session-3.scope", "200\n201\n");
	task(201, 201, "/user.slice/session-3.scope");
	task(201, 202, "/user.slice/session-3.scope");
	is_in(201, "/user.slice/session-3.scope", false);
	group("/qemu.slice/101.scope", "300\n");
	task(300, 300, "/qemu.slice/101.scope");
	is_in(300, "/qemu.slice/101.scope", true);
	/* in none; and in one without a unit */
	task(400, 400, "/");
	is_in(400, "/", false);
	group("/vms/db", "500\n");
	task(500, 500, "/vms/db");
	is_in(500, "/vms/db", true);
	/* names that only begin alike */
	group("/vms/web", "600\n");
	group("/vms/web2", "601\n");
	task(601, 601, "/vms/web2");
	task(601, 602, "/vms/web");
	is_in(601, "/vms", false);
	/* another VM below a unit's own cgroup */
	group("/box.service", "700\n");
	group("/box.service/inner", "701\n");
	task(700, 700, "/box.service");
	is_in(700, "/box.service", false);
	finish();
}

static void places_of_version_1(void **state)
{
	(void)state;
	places(1);
}

static void places_of_version_2(void **state)
{
	(void)state;
	places(2);
}

static void a_cgroup_for_one(void **state)
{
	char path[CGROUP_PATH], deep[CGROUP_PATH];
	struct failure f = {""};

	(void)state;
	begin(1);
	assert_int_equal(cgroup_path_for(&host, "/a", 7, 5000 * NS_PER_MS, &f, path), 0);
	assert_string_equal(path, "/a/desched-7-1388");
	memset(deep, 'x', sizeof(deep) - 1);
	deep[0] = '/';
	deep[sizeof(deep) - 1] = '\0';
	assert_int_equal(cgroup_path_for(&host, deep, 7, 1, &f, path), -ENAMETOOLONG);
	finish();
	begin(2);
	assert_int_equal(cgroup_path_for(&host, "/", 7, 5000 * NS_PER_MS, &f, path), 0);
	assert_string_equal(path, "/desched-7-1388");
	assert_int_equal(cgroup_path_for(&host, "/a.scope", 7, 1, &f, path), -EOPNOTSUPP);
	assert_non_null(strstr(f.text, "systemd-run --scope"));
	put("/sys/fs/cgroup/cgroup.subtree_control", "io\n");
	assert_int_equal(cgroup_path_for(&host, "/", 7, 1, &f, path), -EOPNOTSUPP);
	finish();
}

/* ---- values ---- */

static void bounds(void **state)
{
	const struct cgroup_host one = {.version = 1}, two = {.version = 2};
	struct cgroup_values v = {.burst_us = 0};

	(void)state;
	assert_int_equal(cgroup_weight(&one, 1), 1024);
	assert_int_equal(cgroup_weight(&one, 0), 2);
	assert_int_equal(cgroup_weight(&one, 1e6), 262144);
	assert_int_equal(cgroup_weight(&two, 0.5), 50);
	assert_int_equal(cgroup_weight(&two, 0), 1);
	assert_int_equal(cgroup_weight(&two, 1e6), 10000);
	cgroup_limit(0.3, 10 * NS_PER_MS, 0, &v);
	assert_true(v.quota_us == 3000 && v.period_us == 10000 && v.burst_us == 0);
	cgroup_limit(1.5, 10 * NS_PER_MS, 5 * NS_PER_MS, &v);
	assert_true(v.quota_us == 15000 && v.period_us == 10000 && v.burst_us == 5000);
	cgroup_limit(1.5, 10 * NS_PER_MS, NS_PER_SEC, &v); /* the kernel takes no more */
	assert_true(v.burst_us == 15000);
	/* quotas of less than a millisecond aren't taken: the period grows, up to a second */
	cgroup_limit(0.03, 10 * NS_PER_MS, 0, &v);
	assert_true(v.quota_us == 1000 && v.period_us == 33334);
	cgroup_limit(0.001, 10 * NS_PER_MS, 0, &v);
	assert_true(v.quota_us == 1000 && v.period_us == 1000000);
	v.burst_us = -1; /* a kernel without */
	cgroup_limit(1, 10 * NS_PER_MS, NS_PER_MS, &v);
	assert_int_equal(v.burst_us, -1);
}

static void write_and_read(int version)
{
	struct cgroup_values first, to, is;
	struct failure f = {""};

	begin(version);
	group("/vm", "7\n");
	assert_int_equal(cgroup_read(&host, "/vm", &first), 0);
	assert_true(first.weight == (version == 1 ? 1024 : 100) && first.quota_us == -1 &&
		    first.period_us == 100000 && first.burst_us == 0);
	to = (struct cgroup_values){512, 3000, 10000, 1000};
	assert_int_equal(cgroup_write(&host, "/vm", &first, &to, &f), 0);
	assert_int_equal(cgroup_read(&host, "/vm", &is), 0);
	assert_memory_equal(&is, &to, sizeof(is));
	assert_int_equal(cgroup_write(&host, "/vm", &to, &first, &f), 0);
	assert_int_equal(cgroup_read(&host, "/vm", &is), 0);
	assert_memory_equal(&is, &first, sizeof(is));
	assert_int_equal(cgroup_read(&host, "/nobody", &is), -ENOENT);
	finish();
}

static void values_of_both_versions(void **state)
{
	(void)state;
	write_and_read(1);
	write_and_read(2);
}

/* ---- after a crash ---- */

static const struct record_entry entry = {
	.pid = 7,
	.path = "/vm",
	.old = {2048, -1, 100000, 0},
	.before = {900, 3000, 10000, 0},
	.now = {700, 500000, 50000, 1000},
};

/* Undoes from these values, and says what is then there. */
static struct cgroup_values undo(const struct cgroup_values *from, struct failure *left)
{
	struct cgroup_values is;

	assert_int_equal(cgroup_read(&host, "/vm", &is), 0);
	assert_int_equal(cgroup_write(&host, "/vm", &is, from, NULL), 0);
	record_undo(&host, &entry, left);
	assert_int_equal(cgroup_read(&host, "/vm", &is), 0);
	return is;
}

/* Whatever of the last change was done: each file by itself has its value from before or after it,
 * or the one in between. */
static void any_part_of_a_change_is_undone(void **state)
{
	static const int64_t weights[] = {2048, 900, 700}, quotas[] = {-1, 3000, 500000},
			     periods[] = {10000, 50000}, bursts[] = {0, 1000};
	struct failure left;

	(void)state;
	for (int version = 1; version <= 2; version++) {
		begin(version);
		group("/vm", "7\n");
		for (size_t i = 0; i < 36; i++) {
			const struct cgroup_values from = {weights[i % 3], quotas[i / 3 % 3],
							   periods[i / 9 % 2], bursts[i / 18]};
			struct cgroup_values is = undo(&from, &left);

			assert_string_equal(left.text, "");
			assert_memory_equal(&is, &entry.old, sizeof(is));
		}
		finish();
	}
}

static void what_is_not_ours_stays(void **state)
{
	const struct cgroup_values weight = {555, 3000, 10000, 0}, quota = {700, 7000, 10000, 0},
				   period = {700, 500000, 20000, 0};
	struct cgroup_values is;
	struct failure left;

	(void)state;
	begin(1);
	group("/vm", "7\n");
	is = undo(&weight, &left);
	assert_true(is.weight == 555 && is.quota_us == -1 && is.period_us == 100000);
	assert_string_equal(left.text, "/vm: its weight is 555, which isn't ours: left as it is");
	is = undo(&quota, &left);
	assert_true(is.weight == 2048 && is.quota_us == 7000 && is.period_us == 10000);
	assert_non_null(strstr(left.text, "its quota is 7000 of 10000 us"));
	is = undo(&period, &left);
	assert_true(is.weight == 2048 && is.period_us == 20000);
	finish();
}

/* ---- the record ---- */

static char lines[1024];

static void hear(const char *line, void *data)
{
	size_t used = strlen(lines);

	(void)data;
	snprintf(lines + used, sizeof(lines) - used, "%s\n", line);
}

static void the_record(void **state)
{
	struct record_entry *entries;
	struct cgroup_values is;
	char file[200], other[200];
	pid_t owner, writer;
	size_t n;

	(void)state;
	begin(1);
	group("/vm", "7\n");
	snprintf(file, sizeof(file), "%s/record", root);
	snprintf(other, sizeof(other), "%s/link", root);
	assert_int_equal(record_read(file, &entries, &n, &owner), -ENOENT);
	assert_int_equal(record_write(file, &entry, 1), 0);
	assert_int_equal(record_read(file, &entries, &n, &owner), 0);
	assert_int_equal(n, 1);
	assert_memory_equal(entries, &entry, sizeof(entry));
	assert_int_equal(owner, 0); /* ours */
	free(entries);
	assert_int_equal(symlink(file, other),
			 0); /* only a file is believed, and only its owner's */
	assert_int_equal(record_read(other, &entries, &n, &owner), -ELOOP);
	assert_int_equal(chmod(file, 0666), 0);
	assert_int_equal(record_read(file, &entries, &n, &owner), -EBADMSG);
	assert_int_equal(chmod(file, 0600), 0);
	is = entry.now;
	assert_int_equal(cgroup_write(&host, "/vm", &entry.old, &is, NULL), 0);
	assert_int_equal(record_undo_all(&host, file, hear, NULL), 1);
	assert_string_equal(lines, "");
	assert_int_equal(cgroup_read(&host, "/vm", &is), 0);
	assert_memory_equal(&is, &entry.old, sizeof(is));
	assert_int_equal(access(file, F_OK), -1);
	assert_int_equal(record_undo_all(&host, file, hear, NULL), 0);
	/* somebody else's is left alone while that process is there */
	writer = fork();
	if (writer == 0) {
		record_write(file, &entry, 1);
		for (;;)
			pause();
	}
	while (access(file, F_OK))
		usleep(1000);
	assert_int_equal(record_owner(file), writer);
	assert_int_equal(record_undo_all(&host, file, hear, NULL), 0);
	assert_int_equal(access(file, F_OK), 0);
	kill(writer, SIGKILL);
	waitpid(writer, NULL, 0);
	assert_int_equal(record_owner(file), 0);
	assert_int_equal(record_undo_all(&host, file, hear, NULL), 1);
	finish();
}

/* Cut anywhere, or with paths that lead elsewhere: it is left alone, and said. */
static void broken_records(void **state)
{
	static const char *const paths[] = {"vm", "/../etc", "/a/../../b", ""};
	struct record_entry bad = entry, *entries;
	char file[200], text[4096];
	struct stat st;
	pid_t owner;
	size_t n;

	(void)state;
	begin(1);
	snprintf(file, sizeof(file), "%s/record", root);
	assert_int_equal(record_write(file, &entry, 1), 0);
	assert_int_equal(stat(file, &st), 0);
	for (off_t size = st.st_size - 1; size >= 0; size -= 97) {
		assert_int_equal(truncate(file, size), 0);
		assert_int_equal(record_read(file, &entries, &n, &owner), -EBADMSG);
	}
	for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
		snprintf(bad.path, sizeof(bad.path), "%s", paths[i]);
		assert_int_equal(record_write(file, &bad, 1), 0);
		assert_int_equal(record_read(file, &entries, &n, &owner), -EBADMSG);
	}
	memset(bad.path, '/', sizeof(bad.path)); /* without an end */
	assert_int_equal(record_write(file, &bad, 1), 0);
	assert_int_equal(record_read(file, &entries, &n, &owner), -EBADMSG);
	lines[0] = '\0';
	record_undo_all(&host, file, hear, NULL);
	snprintf(text, sizeof(text), "%s can't be used, and stays there", file);
	assert_non_null(strstr(lines, text));
	assert_int_equal(access(file, F_OK), 0);
	finish();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(places_of_version_1),
		cmocka_unit_test(places_of_version_2),
		cmocka_unit_test(a_cgroup_for_one),
		cmocka_unit_test(bounds),
		cmocka_unit_test(values_of_both_versions),
		cmocka_unit_test(any_part_of_a_change_is_undone),
		cmocka_unit_test(what_is_not_ours_stays),
		cmocka_unit_test(the_record),
		cmocka_unit_test(broken_records),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
