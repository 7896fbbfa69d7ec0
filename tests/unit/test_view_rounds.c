/* SPDX-License-Identifier: MIT */
/*
 * view/view.h: when figures are fetched, and what is counted, over a /proc of two files, an agent
 * and a clock that are the test's. What becomes of the texts is test_view_rewrite.c.
 */
#include "base/clock.h"
#include "base/units.h"
#include "view/view.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

static uint64_t time_now, cost; /* ns: the clock; what a fetch takes */
static int fetches, answer;

static uint64_t fake_clock(void)
{
	return time_now;
}

static int fake_snapshot(struct teller *teller, struct snapshot *ret, pid_t *ret_holder)
{
	struct snapshot_process *p;

	(void)teller;
	time_now += cost;
	fetches++;
	if (answer)
		return answer;
	snapshot_init(ret);
	ret->elapsed = time_now;
	ret->processes = p = calloc(1, sizeof(*p));
	assert_non_null(p);
	ret->n_processes = 1;
	*p = (struct snapshot_process){.pid = 11,
				       .own = {.reported = NS_PER_SEC, .truth = 400 * NS_PER_MS}};
	*ret_holder = 0;
	return 0;
}

#define clock_mono	       fake_clock
#define teller_snapshot	       fake_snapshot
#define caller_assume(caller)  ((void)(caller), false)
#define caller_restore(assume) ((void)(assume))
#include "view/view.c" // NOLINT(bugprone-suspicious-include): its statics, with the test's clock

#define TOP	1000 /* readers */
#define ANOTHER 1001

struct world {
	char dir[32];
	int proc;
	struct view view;
};

static void write_stat(const struct world *w, const char *path, const char *text)
{
	int fd = openat(w->proc, path, O_WRONLY | O_CREAT | O_TRUNC, 0644);

	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

static void write_process(const struct world *w, int pid, const char *comm)
{
	char path[32], text[512];

	snprintf(path, sizeof(path), "%d", pid);
	mkdirat(w->proc, path, 0755);
	snprintf(path, sizeof(path), "%d/stat", pid);
	snprintf(text, sizeof(text), "%d (%s) S 1 1 1 0 -1 0 0 0 0 0 60 40 0 0 20 0 1 0 50 0 0\n",
		 pid, comm);
	write_stat(w, path, text);
}

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	strcpy(w->dir, "/tmp/test-rounds.XXXXXX");
	assert_non_null(mkdtemp(w->dir));
	w->proc = open(w->dir, O_RDONLY | O_DIRECTORY);
	write_process(w, 11, "known");
	write_process(w, 12, "unknown");
	assert_int_equal(shape_new(w->proc, true, &w->view.shape), 0);
	w->view.kept = kept_new();
	w->view.teller = (struct teller *)w; /* not looked into */
	time_now = 1000 * NS_PER_SEC;
	cost = NS_PER_MS;
	fetches = answer = 0;
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	static const char *const files[] = {"11/stat", "12/stat", "11", "12"};
	struct world *w = *state;

	for (size_t i = 0; i < ARRAY_SIZE(files); i++)
		unlinkat(w->proc, files[i], i < 2 ? 0 : AT_REMOVEDIR);
	close(w->proc);
	rmdir(w->dir);
	shape_free(w->view.shape);
	kept_free(w->view.kept);
	free(w->view.buffer);
	free(w);
	return 0;
}

static void look(struct world *w, int reader, int pid)
{
	const struct node node = {.kind = NODE_FILE, .name = 2, .pid = pid};
	const struct caller caller = {.pid = reader};
	char *text = NULL;

	assert_true(view_text(&w->view, &node, &caller, &text) > 0);
	free(text);
}

/* As top does: one file after the other. */
static void look_at_all(struct world *w, int reader, uint64_t pause)
{
	for (int pid = 11; pid <= 12; pid++) {
		look(w, reader, pid);
		time_now += pause;
	}
}

static void a_round_has_figures_of_one_instant(void **state)
{
	struct world *w = *state;

	for (int i = 1; i <= 5; i++) {
		look_at_all(w, TOP, 70 * NS_PER_MS);
		assert_int_equal(fetches, i);
	}
	/* Two rounds behind each other, as top begins with. */
	look_at_all(w, TOP, 40 * NS_PER_MS);
	look_at_all(w, TOP, 40 * NS_PER_MS);
	assert_int_equal(fetches, 7);
}

static void a_round_ends_with_a_pause_or_another_reader(void **state)
{
	struct world *w = *state;

	look(w, TOP, 11);
	time_now += 2 * NS_PER_SEC;
	look(w, TOP, 12);
	assert_int_equal(fetches, 2);
	time_now += 50 * NS_PER_MS;
	look(w, ANOTHER, 11);
	assert_int_equal(fetches, 3);
	/* Many readers with one file each: none has figures of long ago. */
	for (int i = 0; i < 100; i++) {
		time_now += 100 * NS_PER_MS;
		look(w, 2000 + i, 12);
	}
	assert_int_equal(fetches, 103);
}

/* top reads the machine's file once more before the pause between its first two looks, which makes
 * a round without new figures: those of before the pause are not shown behind it. */
static void the_second_look_of_top_has_figures_of_its_own(void **state)
{
	struct world *w = *state;

	look(w, TOP, 11);
	look(w, TOP, 12);
	look(w, TOP, 12);
	assert_int_equal(fetches, 1);
	time_now += 150 * NS_PER_MS;
	look(w, TOP, 11);
	assert_int_equal(fetches, 2);
}

/* Six seconds' worth at once, and a sixth of the time in the long run. */
static void fetching_takes_a_sixth_of_the_time_at_most(void **state)
{
	struct world *w = *state;
	uint64_t begin = time_now;

	cost = 100 * NS_PER_MS;
	while (time_now < begin + 60 * NS_PER_SEC) {
		look(w, TOP, 11);
		time_now += 25 * NS_PER_MS;
	}
	assert_in_range(fetches, 90, 111); /* 60 s / 6 / 0.1 s, and 1 s beside that */
}

static void expect(struct world *w, const char *what)
{
	const struct node node = {.kind = NODE_COUNTERS};
	const struct caller caller = {.pid = TOP};
	char *text = NULL;

	assert_true(view_text(&w->view, &node, &caller, &text) > 0);
	if (!strstr(text, what))
		fail_msg("no '%s' in:\n%s", what, text);
	free(text);
}

static void what_is_not_corrected_is_counted(void **state)
{
	struct world *w = *state;

	look_at_all(w, TOP, 0);
	expect(w, "corrected 1\nuntold 1\nuncorrected 0\nfetched 1\nfailed 0\n");
	write_stat(w, "11/stat", "11 (known) no numbers\n");
	look(w, ANOTHER, 11);
	expect(w, "corrected 1\nuntold 1\nuncorrected 1\n");
	write_process(w, 11, "known");
	answer = -ECONNREFUSED;
	time_now += 10 * NS_PER_SEC;
	look(w, TOP, 11);
	expect(w, "corrected 1\nuntold 2\nuncorrected 1\n");
	expect(w, "failed 1\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_round_has_figures_of_one_instant, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_round_ends_with_a_pause_or_another_reader, setup,
						teardown),
		cmocka_unit_test_setup_teardown(the_second_look_of_top_has_figures_of_its_own,
						setup, teardown),
		cmocka_unit_test_setup_teardown(fetching_takes_a_sixth_of_the_time_at_most, setup,
						teardown),
		cmocka_unit_test_setup_teardown(what_is_not_corrected_is_counted, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
