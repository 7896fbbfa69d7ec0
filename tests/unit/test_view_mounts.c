/* SPDX-License-Identifier: MIT */
/*
 * view/mounts.h: lines of the mount table, as proc_pid_mountinfo(5) has them, and as nobody should;
 * view/shape.h: what leads out of a view where nothing is mounted in it. How mounts come and go is
 * tests/system/test_view_ends.c.
 */
#include "view/mounts.h"
#include "view/shape.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* ---- the mount table ---- */

static struct mounts_line parse(const char *text)
{
	static char copy[512];
	struct mounts_line line;

	snprintf(copy, sizeof(copy), "%s", text);
	assert_int_equal(mounts_parse(copy, &line), 0);
	return line;
}

static void a_line_has_its_parts(void **state)
{
	/* the example of the man page */
	struct mounts_line l = parse("36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root "
				     "rw,errors=continue\n");

	(void)state;
	assert_int_equal(l.id, 36);
	assert_string_equal(l.place, "/mnt2");
	assert_string_equal(l.type, "ext3");
	assert_string_equal(l.source, "/dev/root");
	assert_false(l.shared);
	l = parse("4 1 0:4 / /proc rw shared:5 master:2 - proc proc rw\n");
	assert_true(l.shared);
	l = parse("4 1 0:4 / /proc rw - fuse.desched desched:0123456789abcdef ro\n");
	assert_false(l.shared);
	assert_string_equal(l.source, "desched:0123456789abcdef");
}

/* A directory may be called as another line's end. */
static void names_are_no_structure(void **state)
{
	struct mounts_line l = parse("9 1 0:4 / /a\\040-\\040fuse.desched\\011b\\134c\\012 rw - "
				     "tmpfs shared:1 rw\n");

	(void)state;
	assert_string_equal(l.place, "/a - fuse.desched\tb\\c\n");
	assert_string_equal(l.type, "tmpfs");
	assert_string_equal(l.source, "shared:1");
	assert_false(l.shared);
	l = parse("9 1 0:4 / - rw - tmpfs  rw\n"); /* without a source */
	assert_string_equal(l.place, "-");
	assert_string_equal(l.source, "");
	l = parse("9 1 0:4 / /\\9\\04 rw - tmpfs none rw\n");
	assert_string_equal(l.place, "/\\9\\04");
}

static void what_is_no_line_is_refused(void **state)
{
	static const char *const texts[] = {"",
					    "\n",
					    "36",
					    "36 35 98:0 /mnt1 /mnt2 rw",
					    "36 35 98:0 /mnt1 /mnt2 rw master:1",
					    "36 35 98:0 /mnt1 /mnt2 rw -",
					    "36 35 98:0 /mnt1 /mnt2 rw - ext3",
					    "x 35 98:0 /mnt1 /mnt2 rw - ext3 /dev/root rw",
					    " 35 98:0 /mnt1 /mnt2 rw - ext3 /dev/root rw"};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		struct mounts_line line = {.id = 77};
		char copy[128];

		snprintf(copy, sizeof(copy), "%s", texts[i]);
		assert_int_equal(mounts_parse(copy, &line), -EBADMSG);
		assert_int_equal(line.id, 77);
	}
}

static int find_root(const struct mounts_line *line, void *data)
{
	unsigned long id = *(const unsigned long *)data;

	return line->id == id ? 1 + line->shared : 0;
}

/* Two ways to ask the kernel come to the same. */
static void the_mount_of_a_descriptor_is_in_the_table(void **state)
{
	int proc = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	unsigned long id;

	(void)state;
	assert_int_equal(mounts_id(proc, &id), 0);
	assert_true(mounts_each(proc, 0, find_root, &id) > 0);
	id = 999999999;
	assert_int_equal(mounts_each(proc, 0, find_root, &id), 0);
	close(proc);
}

/* ---- out of the view ---- */

static void make(const char *dir, const char *name)
{
	char path[96];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "w");
	assert_non_null(f);
	fclose(f);
}

/* A name in `parent`, and where it leads; node number and back. */
static struct node look_up(struct shape *t, const struct node *parent, const char *name,
			   const char *leads_to)
{
	struct node n, again;
	struct stat st;
	char text[SHAPE_PATH];

	assert_int_equal(shape_lookup(t, parent, name, &n, &st), 0);
	assert_int_equal(node_unpack(node_pack(&n), &again), 0);
	assert_memory_equal(&n, &again, sizeof(n));
	if (!leads_to)
		return n;
	assert_true(S_ISLNK(st.st_mode));
	assert_int_equal(shape_redirect(t, &n, text, sizeof(text)), 0);
	assert_string_equal(text, leads_to);
	assert_int_equal(st.st_size, strlen(text));
	return n;
}

static void names_lead_to_the_readers_own_proc(void **state)
{
	char dir[] = "/tmp/test-view-shape.XXXXXX", command[256];
	const struct node root = {.kind = NODE_ROOT};
	struct node real, place, n;
	struct shape *t;
	struct stat st;
	int proc;

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(command, sizeof(command), "mkdir %s/sys %s/12 %s/sys/kernel", dir, dir, dir);
	assert_int_equal(system(command), 0);
	make(dir, "loadavg");
	make(dir, "12/status");
	make(dir, "sys/7");
	proc = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(shape_new(proc, true, &t), 0);
	real = look_up(t, &root, SHAPE_REAL, NULL);
	look_up(t, &real, "loadavg", "/proc/loadavg");
	look_up(t, &real, "12", "/proc/12");
	assert_int_equal(shape_lookup(t, &real, "13", &n, &st), -ENOENT);
	place = look_up(t, &root, "sys", NULL);
	assert_int_equal(place.kind, NODE_PLACE);
	look_up(t, &place, "kernel", "/proc/sys/kernel");
	look_up(t, &place, "7", "/proc/sys/7");
	look_up(t, &root, "loadavg", ".real/loadavg");
	shape_free(t);

	assert_int_equal(shape_new(proc, false, &t), 0);
	n = look_up(t, &root, "12", NULL);
	look_up(t, &n, "status", "../.real/12/status");
	look_up(t, &root, "sys", ".real/sys");
	shape_free(t);
	close(proc);
	snprintf(command, sizeof(command), "rm -r %s", dir);
	assert_int_equal(system(command), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_line_has_its_parts),
		cmocka_unit_test(names_are_no_structure),
		cmocka_unit_test(what_is_no_line_is_refused),
		cmocka_unit_test(the_mount_of_a_descriptor_is_in_the_table),
		cmocka_unit_test(names_lead_to_the_readers_own_proc),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
