/* SPDX-License-Identifier: MIT */
/* base/newfile.h: whole or not at all, whatever is in the directory. */
#include "base/newfile.h"

#include "base/json_out.h"
#include "base/proc.h"
#include "scratch.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static int enter(void **state)
{
	char dir[] = "t.XXXXXX";

	(void)state;
	assert_int_equal(chdir(scratch_dir("test-newfile")), 0);
	assert_non_null(mkdtemp(dir));
	umask(022);
	return chdir(dir);
}

static void put(const char *path, const char *text)
{
	FILE *f = fopen(path, "we");

	assert_non_null(f);
	fputs(text, f);
	assert_int_equal(fclose(f), 0);
}

static void assert_text(const char *path, const char *text)
{
	char found[64];

	assert_true(file_read(path, found, sizeof(found)) >= 0);
	assert_string_equal(found, text);
}

static int entries(void)
{
	DIR *d = opendir(".");
	int n = 0;

	while (readdir(d))
		n++;
	closedir(d);
	return n - 2;
}

static int replace(const char *path, unsigned flags)
{
	return newfile_write(path, "new\n", 4, 0, flags);
}

static void readers_see_the_old_text_until_the_new_is_complete(void **state)
{
	struct newfile n;

	(void)state;
	put("a", "old\n");
	assert_int_equal(newfile_open("a", 0, NEWFILE_SYNC, &n), 0);
	fputs("new", n.to);
	fflush(n.to);
	assert_text("a", "old\n");
	fputs("er\n", n.to);
	assert_int_equal(newfile_commit(&n), 0);
	assert_text("a", "newer\n");
	assert_int_equal(entries(), 1);
	assert_int_equal(newfile_open("a", 0, 0, &n), 0);
	fputs("never", n.to);
	newfile_abandon(&n);
	newfile_abandon(&n);
	assert_text("a", "newer\n");
	assert_int_equal(entries(), 1);
}

static void a_text_that_does_not_fit_leaves_the_old_one(void **state)
{
	static char much[100000];
	struct rlimit before, small;

	(void)state;
	put("a", "old\n");
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	small = (struct rlimit){.rlim_cur = 50000, .rlim_max = before.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	assert_int_equal(newfile_write("a", much, sizeof(much), 0, 0), -EFBIG);
	assert_int_equal(newfile_write("b", much, sizeof(much), 0, 0), -EFBIG);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	assert_text("a", "old\n");
	assert_int_equal(entries(), 1);
}

static void other_names_and_links_keep_what_they_have(void **state)
{
	struct stat st;

	(void)state;
	put("precious", "precious\n");
	assert_int_equal(link("precious", "hard"), 0);
	assert_int_equal(symlink("precious", "soft"), 0);
	assert_int_equal(symlink("nowhere", "dangling"), 0);
	assert_int_equal(replace("hard", NEWFILE_STREAMS), 0);
	assert_int_equal(replace("soft", 0), 0);
	assert_int_equal(replace("dangling", 0), 0);
	assert_text("precious", "precious\n");
	assert_text("hard", "new\n");
	assert_int_equal(lstat("soft", &st), 0);
	assert_true(S_ISREG(st.st_mode));
	assert_text("dangling", "new\n");
	assert_int_not_equal(access("nowhere", F_OK), 0);
	assert_int_equal(entries(), 4);
}

/* A user who names a link means what it leads to: that is new, and the link as it was. */
static void a_link_that_a_user_names_is_followed(void **state)
{
	struct stat st;

	(void)state;
	put("target", "old\n");
	assert_int_equal(mkdir("elsewhere", 0755), 0);
	assert_int_equal(symlink("../target", "elsewhere/link"), 0);
	assert_int_equal(symlink("elsewhere/link", "link"), 0);
	assert_int_equal(symlink("nowhere", "dangling"), 0);
	assert_int_equal(replace("link", NEWFILE_STREAMS), 0);
	assert_text("target", "new\n");
	assert_int_equal(lstat("link", &st), 0);
	assert_true(S_ISLNK(st.st_mode));
	assert_int_equal(replace("dangling", NEWFILE_STREAMS), -ENOENT);
	assert_int_equal(lstat("dangling", &st), 0);
	assert_true(S_ISLNK(st.st_mode));
}

/* alarm(2) ends a test that waits for a reader. */
static void nothing_is_waited_for(void **state)
{
	struct stat st;

	(void)state;
	alarm(20);
	assert_int_equal(mkfifo("fifo", 0666), 0);
	assert_int_equal(mkfifo("fifo.new", 0666), 0);
	assert_int_equal(replace("fifo", NEWFILE_STREAMS), -ENXIO);
	assert_int_equal(replace("fifo", 0), 0);
	assert_int_equal(lstat("fifo", &st), 0);
	assert_true(S_ISREG(st.st_mode));
	assert_int_equal(mkdir("dir", 0755), 0);
	assert_int_equal(replace("dir", NEWFILE_STREAMS), -EISDIR);
	assert_int_equal(replace("dir/", 0), -EISDIR);
	assert_int_equal(replace("missing/a", 0), -ENOENT);
	assert_int_equal(replace("fifo/a", 0), -ENOTDIR);
	assert_int_equal(replace("", 0), -EISDIR);
	alarm(0);
}

static void streams_are_written_as_they_are(void **state)
{
	struct failure f = {""};
	char got[16] = "";
	int out, before, reader;

	(void)state;
	assert_int_equal(replace("/dev/null", NEWFILE_STREAMS), 0);
	assert_int_equal(replace("/dev/null", 0), -EINVAL);
	assert_int_equal(replace("/dev/full", NEWFILE_STREAMS), -ENOSPC);
	assert_int_equal(json_out_write(json_integer(1), JSON_ENCODE_ANY, "/dev/full", &f),
			 -ENOSPC);
	assert_string_equal(f.text, "/dev/full: No space left on device");
	assert_int_equal(mkfifo("fifo", 0600), 0);
	reader = open("fifo", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	assert_int_equal(replace("fifo", NEWFILE_STREAMS), 0);
	assert_int_equal(read(reader, got, sizeof(got)), 4);
	close(reader);
	before = dup(STDOUT_FILENO);
	out = open("out", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	fflush(stdout);
	assert_true(dup2(out, STDOUT_FILENO) >= 0);
	assert_int_equal(write(STDOUT_FILENO, "before ", 7), 7);
	assert_int_equal(replace("/dev/stdout", NEWFILE_STREAMS), 0);
	assert_int_equal(replace("-", NEWFILE_STREAMS), 0);
	assert_int_equal(write(STDOUT_FILENO, "after\n", 6), 6);
	close(out);
	out = open("/dev/null", O_RDONLY | O_CLOEXEC); /* as a command has it that was given none */
	assert_true(dup2(out, STDOUT_FILENO) >= 0);
	assert_int_equal(replace("-", NEWFILE_STREAMS), -EBADF);
	assert_true(dup2(before, STDOUT_FILENO) >= 0);
	assert_text("out", "before new\nnew\nafter\n");
	close(out);
	close(before);
}

static mode_t mode_of(const char *path)
{
	struct stat st;

	assert_int_equal(stat(path, &st), 0);
	return st.st_mode & 07777;
}

static void modes_are_kept_or_as_asked_for(void **state)
{
	(void)state;
	umask(077);
	assert_int_equal(newfile_write("a", "", 0, 0644, 0), 0);
	assert_int_equal(mode_of("a"), 0644);
	assert_int_equal(replace("b", 0), 0);
	assert_int_equal(mode_of("b"), 0600);
	umask(022);
	assert_int_equal(replace("b", 0), 0);
	assert_int_equal(mode_of("b"), 0600);
	assert_int_equal(replace("c", 0), 0);
	assert_int_equal(mode_of("c"), 0644);
}

static void a_writer_that_is_killed_leaves_the_old_text(void **state)
{
	struct newfile n;
	int left;
	pid_t pid;

	(void)state;
	put("a", "old\n");
	assert_int_equal(newfile_open("a", 0, 0, &n), 0);
	left = n.named; /* where the file system has no files without a name */
	newfile_abandon(&n);
	pid = fork();
	if (!pid) {
		if (!newfile_open("a", 0, 0, &n) && fputs("half", n.to) >= 0 && !fflush(n.to))
			raise(SIGKILL);
		_exit(1);
	}
	assert_int_equal(waitpid(pid, &(int){0}, 0), pid);
	assert_text("a", "old\n");
	assert_int_equal(entries(), 1 + left);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(readers_see_the_old_text_until_the_new_is_complete, enter),
		cmocka_unit_test_setup(a_text_that_does_not_fit_leaves_the_old_one, enter),
		cmocka_unit_test_setup(other_names_and_links_keep_what_they_have, enter),
		cmocka_unit_test_setup(a_link_that_a_user_names_is_followed, enter),
		cmocka_unit_test_setup(nothing_is_waited_for, enter),
		cmocka_unit_test_setup(streams_are_written_as_they_are, enter),
		cmocka_unit_test_setup(modes_are_kept_or_as_asked_for, enter),
		cmocka_unit_test_setup(a_writer_that_is_killed_leaves_the_old_text, enter),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
