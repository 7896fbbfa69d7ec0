/* SPDX-License-Identifier: MIT */
/*
 * Canvas, layout, keys and seeking: what the screen looks like for a model whose figures are worked
 * out by hand (screen_frames.h), and that no size, view or name breaks it. What a terminal makes of
 * it is tests/system/screen.sh's affair.
 */
#include "base/text.h"
#include "base/units.h"
#include "screen/guest.h"
#include "screen/layout.h"
#include "screen/layout_bar.h"
#include "screen/player.h"

#include <errno.h>
#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <wchar.h>

#include <cmocka.h>

#include "canvas_text.h"
#include "screen_frames.h"

static struct snapshot first, second;
static const double history[] = {10, 20, 30, 45};

static int begin(void **state)
{
	(void)state;
	setenv("TZ", "UTC", 1);
	tzset();
	if (!setlocale(LC_CTYPE, "C.UTF-8"))
		return -1;
	return frames_parse(FRAME_1, FRAMES_TIME - NS_PER_SEC, &first) ||
	       frames_parse(FRAME_2, FRAMES_TIME, &second);
}

static int end(void **state)
{
	(void)state;
	snapshot_done(&first);
	snapshot_done(&second);
	return 0;
}

static char *draw(const struct ui *ui, const struct model *m, int width, int height, bool unicode,
		  struct layout *ret)
{
	struct scene scene = {.model = m,
			      .ui = ui,
			      .origin = "vmdesched",
			      .history = history,
			      .n_history = ARRAY_SIZE(history),
			      .frame = 1,
			      .n_frames = ui->replay ? ARRAY_SIZE(history) : 0};
	struct canvas canvas;
	char *text;

	assert_int_equal(canvas_new(width, height, unicode, &canvas), 0);
	layout_draw(&scene, &canvas, ret);
	text = canvas_text(&canvas);
	canvas_done(&canvas);
	return text;
}

/*
 * By hand, from the figures in screen_frames.h. A CPU's bar has 80 - 9 - 26 = 45 cells: CPU 0 has
 * run 0.60 * 45 = 27 of them, ready up to 0.90 * 45 = 40.5, rounded to 41; CPU 1 has run 11.25,
 * ready up to 13.5, co-stop 15.75, wait 18. A share has 12 cells for one CPU. The history is 2, 4,
 * 5 and 8 eighths of its peak.
 */
static void the_screen_at_80x24(void **state)
{
	static const char golden[] =
		" desched top   vmdesched, source page   2 CPUs   1.0 s                 12:00:11\n"
		" busy 128.0 % = true 85.0 % + vmdesched 43.0 %            away while idle 2.0 %\n"
		" vmdesched                                                   ,-=#   peak 45.0 %\n"
		" CPU 0  [|||||||||||||||||||||||||||RRRRRRRRRRRRRR    ]  60.0 % ran  30.0 % away\n"
		" CPU 1  [|||||||||||RRRCCWW                           ]  25.0 % ran  15.0 % away\n"
		"         | run   R ready   C co-stop   L limited   S swap   W wait   (idle)\n"
		"    PID USER     %REPORTED   %TRUE %DESCHED SHARE        COMMAND\n"
		"      - -                -    43.0        - RRRRR        vmdesched\n"
		"    100 postgres      75.0    50.0     25.0 ||||||RRR    postgres\n"
		"    200 tomcat        31.0    20.0     11.0 ||RW         java\n"
		"    101 postgres      15.0    10.0      5.0 |R           walwriter\n"
		"    300 root           6.0     4.0      2.0 R            ?[31mred?\n"
		"      - -              1.0     1.0      0.0              (exited)\n"
		"      1 root           0.0     0.0      0.0              systemd\n"
		"\n\n\n\n\n\n\n\n"
		" reported for processes while their CPU was not running             5 processes\n"
		"? Help q Quit Space Pause / Filter s Sort T Tree G Groups H Threads B Busy\n";
	struct ui ui = {.subject = &subject_guest, .delay = NS_PER_SEC};
	struct layout layout;
	struct model m;
	char *text;

	(void)state;
	assert_int_equal(guest_model(&first, &second, &ui.view, &m), 0);
	text = draw(&ui, &m, 80, 24, false, &layout);
	assert_string_equal(text, golden);
	free(text);
	model_done(&m);
}

static void assert_has(const char *text, const char *line)
{
	if (!strstr(text, line))
		fail_msg("no '%s' in\n%s", line, text);
}

/* More room: a history of two lines, so 4, 7, 11 and 16 eighths, and the cgroup behind a command
 * that has (110 - 65 - 2) / 2 = 21 columns, memory and state before the share. */
static void the_screen_at_110x30(void **state)
{
	struct ui ui = {.subject = &subject_guest, .delay = NS_PER_SEC};
	struct layout layout;
	struct model m;
	char *text;

	(void)state;
	second.processes[3].rss = 340 * MIB;
	second.processes[3].state = 'R';
	assert_int_equal(second.processes[3].pid, 100);
	assert_int_equal(guest_model(&first, &second, &ui.view, &m), 0);
	text = draw(&ui, &m, 110, 30, false, &layout);
	assert_has(text, " :#   peak 45.0 %\n");
	assert_has(text, " -*##\n");
	assert_has(text, "   MEM S SHARE        COMMAND               CGROUP\n");
	assert_has(text, "  340M R ||||||RRR    postgres              /db\n");
	assert_has(text, "     -   R            ?[31mred?             -\n");
	free(text);
	model_done(&m);
	/* Its command line in place of its name. */
	second.processes[3].command = "postgres -D \x1b[2Jdata";
	ui.view.command = true;
	assert_int_equal(guest_model(&first, &second, &ui.view, &m), 0);
	text = draw(&ui, &m, 110, 30, false, &layout);
	assert_has(text, "  340M R ||||||RRR    postgres -D ?[2Jdata  /db\n");
	free(text);
	model_done(&m);
	second.processes[3].command = NULL;
	second.processes[3].rss = 0;
	second.processes[3].state = 0;
}

static void the_tree_with_threads(void **state)
{
	struct ui ui = {.subject = &subject_guest, .view = {.tree = true, .threads = true}};
	struct layout layout;
	struct model m;
	char *text;

	(void)state;
	assert_int_equal(guest_model(&first, &second, &ui.view, &m), 0);
	text = draw(&ui, &m, 80, 24, true, &layout);
	assert_has(text, " systemd\n");
	assert_has(text, " ├─postgres\n");
	assert_has(text, " │ └─walwriter\n");
	assert_has(text, " ├─java\n");
	assert_has(text, "    201 tomcat        25.0    15.0     10.0 ||W          │ ├─GC\n");
	assert_has(text, " └─?[31mred?\n");
	free(text);
	ui.view.threads = false;
	model_done(&m);
	ui.view.groups = true;
	assert_int_equal(guest_model(&first, &second, &ui.view, &m), 0);
	text = draw(&ui, &m, 120, 24, false, &layout);
	assert_has(text,
		   "  PROCS USER     %REPORTED   %TRUE %DESCHED   MEM   SHARE        CGROUP\n");
	assert_has(text, "      2               90.0    60.0     30.0     -   |||||||RRRR  /db\n");
	assert_has(text, " |-postgres\n");
	assert_has(text, " `-walwriter\n");
	free(text);
	model_done(&m);
}

/* On the screen of a recording the history is all of it, and says where this frame is. */
static void a_recording(void **state)
{
	struct ui ui = {.subject = &subject_guest, .replay = true, .paused = true};
	struct scene scene = {.ui = &ui, .n_history = 4, .n_frames = 4};
	struct layout layout;
	struct model m;
	char *text;

	(void)state;
	assert_int_equal(guest_model(&first, &second, &ui.view, &m), 0);
	text = draw(&ui, &m, 80, 24, false, &layout);
	assert_has(text, "#2 of 4  12:00:11\n");
	/* 53 columns for 4 frames: 13.25 for each */
	assert_has(text,
		   " vmdesched  ,,,,,,,,,,,,,,^^^^^^^^^^^^^=============#############   peak");
	free(text);
	scene.model = &m;
	assert_int_equal(layout_key(&layout, &scene, 2, 12), UI_KEY_FRAME);
	assert_int_equal(layout_key(&layout, &scene, 2, 64), UI_KEY_FRAME + 3);
	assert_int_equal(layout_key(&layout, &scene, 2, 65), UI_KEY_NONE);
	model_done(&m);
}

static void clicks_are_keys(void **state)
{
	struct ui ui = {.subject = &subject_guest, .delay = NS_PER_SEC};
	struct scene scene = {.ui = &ui};
	struct layout layout;
	struct model m;

	(void)state;
	assert_int_equal(guest_model(&first, &second, &ui.view, &m), 0);
	scene.model = &m;
	free(draw(&ui, &m, 80, 24, false, &layout));
	assert_int_equal(layout_key(&layout, &scene, 6, 4), UI_KEY_COLUMN);	 /* PID */
	assert_int_equal(layout_key(&layout, &scene, 6, 36), UI_KEY_COLUMN + 4); /* %DESCHED */
	assert_int_equal(layout_key(&layout, &scene, 6, 46), UI_KEY_NONE);
	assert_int_equal(layout_key(&layout, &scene, 23, 9), 'q'); /* in the key bar */
	assert_int_equal(layout_key(&layout, &scene, 23, 50), 'G');
	assert_int_equal(layout_key(&layout, &scene, 8, 30), UI_KEY_ROW + 1);
	assert_int_equal(layout_key(&layout, &scene, 20, 30), UI_KEY_NONE); /* below the rows */
	assert_int_equal(layout_key(&layout, &scene, 0, 0), UI_KEY_NONE);
	assert_int_equal(layout_key(&layout, &scene, -1, 500), UI_KEY_NONE);
	model_done(&m);
}

static void notes_and_what_is_not_known(void **state)
{
	struct ui ui = {.subject = &subject_guest, .delay = NS_PER_SEC};
	struct snapshot old = first, new = second;
	struct layout layout;
	struct model m;
	char *text;

	(void)state;
	old.split = new.split = false;
	new.stale = new.clock.stale = true;
	new.clock.error = 250 * NS_PER_US; /* both at a time don't happen */
	new.lag = 4100 * NS_PER_MS;
	new.counters.lost_switches = 12;
	new.counters.lost_run = NS_PER_SEC / 2;
	assert_int_equal(guest_model(&old, &new, &ui.view, &m), 0);
	text = draw(&ui, &m, 80, 24, false, &layout);
	assert_has(text, "\n the host has said nothing for 4.1 s: the figures end there\n"
			 " stale clock: away time waits and is unaccounted after 10 s\n"
			 " clock +-250 us: gaps begin and end that uncertainly\n"
			 " 12 switches were lost: 0.500 s have no owner, see (lost)\n"
			 "    PID USER ");
	assert_has(text, "    101 postgres      15.0       ?        ? ");
	assert_null(strstr(text, "(exited)"));
	free(text);
	model_done(&m);
	text = draw(&ui, NULL, 80, 24, false, &layout);
	assert_has(text, "measuring ...");
	free(text);
}

/* 0.2 s of CPU 1 and of postgres: in the totals, a bar, a column and a note, and nowhere where it
 * is not. */
static void what_is_unaccounted_is_seen(void **state)
{
	struct snapshot_process processes[16];
	struct ui ui = {.subject = &subject_guest, .delay = NS_PER_SEC};
	struct snapshot new = second;
	struct snapshot_cpu cpus[2];
	struct layout layout;
	struct model m;
	char *text;

	(void)state;
	memcpy(cpus, second.cpus, sizeof(cpus));
	memcpy(processes, second.processes, second.n_processes * sizeof(*processes));
	for (size_t i = 0; i < second.n_processes; i++)
		if (processes[i].pid == 100)
			processes[i].own.unaccounted = 200 * NS_PER_MS;
	cpus[1].unaccounted = 200 * NS_PER_MS;
	new.cpus = cpus;
	new.processes = processes;
	new.busy.unaccounted = 200 * NS_PER_MS;
	assert_int_equal(guest_model(&first, &new, &ui.view, &m), 0);
	text = draw(&ui, &m, 100, 24, false, &layout);
	assert_has(text, "busy 148.0 % = true 85.0 % + vmdesched 43.0 % + unaccounted 20.0 %");
	assert_has(text, "|||RRRRCCCWWW?????????????"); /* 9 and less each, 13 of 65 cells */
	assert_has(text, "? unknown");
	assert_has(text, " 0.20 s of busy CPU time are unaccounted, neither true nor away\n");
	assert_has(text, "%REPORTED   %TRUE %DESCHED %UNKNOWN   MEM S SHARE");
	assert_has(text, "100 postgres      95.0    50.0     25.0     20.0     -   ||||||RRR??");
	assert_has(text, "200 tomcat        31.0    20.0     11.0      0.0     -   ||RW");
	free(text);
	model_done(&m);
}

/* At 80x24 all of the help is seen: of each subject every column with a line, every key. */
static void the_help_has_room(void **state)
{
	(void)state;
	for (size_t i = 0; i < 2 * n_subjects; i++) {
		const struct subject *subject = subjects[i / 2];
		struct ui ui = {.subject = subject, .help = true, .replay = i % 2};
		struct layout layout;
		char *text = draw(&ui, NULL, 80, 24, false, &layout);

		assert_has(text, "wanted to run and had no physical CPU\n");
		for (size_t k = 0; k < n_ui_bindings; k++) {
			const struct ui_binding *b = &ui_bindings[k];

			if (b->help && ui_is_bound(&ui, b))
				assert_has(text, b->help);
		}
		for (size_t c = 0; c < subject->n_columns; c++) {
			const struct column *column = &subject->columns[c];

			if (column->help)
				assert_has(text, column->help);
			if (column->key)
				assert_has(strstr(text, "sort by"), column->name);
		}
		free(text);
	}
}

/* ---- any size, any view ---- */

static int width_of_line(const char *line, size_t bytes)
{
	int width = 0;
	const char *to = line + bytes;

	while (line < to) {
		uint32_t ch = utf8_next(&line);
		int w = ch < 0x80 ? 1 : wcwidth((wchar_t)ch);

		assert_true(ch >= ' ' && ch != 0x7f && !(ch >= 0x80 && ch < 0xa0) && w > 0);
		width += w;
	}
	return width;
}

static void check_lines(const char *text, int width, int height)
{
	int lines = 0;

	for (const char *next; *text; text = next + 1, lines++) {
		next = strchr(text, '\n');
		assert_non_null(next);
		assert_true(width_of_line(text, (size_t)(next - text)) <= width);
	}
	assert_int_equal(lines, height);
}

static void check_hits(const struct layout *l, int width, int height)
{
	for (int i = 0; i < l->n_hits; i++) {
		const struct hit *h = &l->hits[i];

		assert_true(h->x >= 0 && h->x + h->width <= width && h->y >= 0 && h->y < height);
	}
}

static void any_size_and_view(void **state)
{
	static const char *const names[] = {"\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e", "\xe2\x80\xae!",
					    "\xc3(", "\x1b]0;x\a", "plain"};
	struct snapshot new = second;

	(void)state;
	srandom(11);
	for (int i = 0; i < 5000; i++) {
		struct ui ui = {.subject = &subject_guest,
				.replay = random() % 2,
				.help = random() % 16 == 0};
		int width = (int)(random() % 220), height = (int)(random() % 70);
		bool unicode = random() % 2;
		struct layout layout;
		struct model m;
		char *text;

		for (size_t p = 0; p < new.n_processes; p++)
			new.processes[p].name = new.processes[p].cgroup = names[random() % 5];
		ui.view = (struct model_view){
			.tree = random() % 2, .groups = random() % 2, .threads = random() % 2};
		ui.prompt = random() % 4 ? PROMPT_NONE : PROMPT_FILTER;
		assert_int_equal(guest_model(&first, &new, &ui.view, &m), 0);
		ui.selected = (size_t)random() % m.n_rows;
		ui.top = (size_t)random() % m.n_rows;
		text = draw(&ui, &m, width, height, unicode, &layout);
		width = width ? width : 1;
		height = height ? height : 1;
		check_lines(text, width, height);
		check_hits(&layout, width, height);
		free(text);
		model_done(&m);
	}
}

/* The cells of a bar are the states' shares, each within one cell. */
static void bars_add_up(void **state)
{
	(void)state;
	srandom(5);
	for (int i = 0; i < 2000; i++) {
		uint64_t ns[MODEL_PARTS], whole = 0;
		int width = 1 + (int)(random() % 150), cells[MODEL_PARTS] = {0};
		struct canvas c;
		struct pen p;

		for (int s = 0; s < MODEL_PARTS; s++)
			whole += ns[s] = (uint64_t)random() % 1000;
		assert_int_equal(canvas_new(width + 5, 1, false, &c), 0);
		p = pen_at(&c, 0, 0, width + 5, STYLE_NORMAL);
		layout_bar(&p, width, ns, whole);
		assert_int_equal(p.x, width);
		for (int x = 0; x < width; x++)
			for (int s = 0; s < MODEL_PARTS; s++)
				if ((uint32_t)layout_states[s].letter == canvas_at(&c, 0, x)->ch)
					cells[layout_states[s].part]++;
		for (int s = 0; s < LEDGER_STATES; s++) {
			double exact = (double)ns[s] / (double)whole * width;

			assert_true(cells[s] >= exact - 1 && cells[s] <= exact + 1);
		}
		canvas_done(&c);
	}
}

/* ---- keys ---- */

static void keys_change_the_view(void **state)
{
	struct ui ui = {.subject = &subject_guest, .delay = NS_PER_SEC};
	struct model m;

	(void)state;
	assert_int_equal(guest_model(&first, &second, &ui.view, &m), 0);
	assert_int_equal(ui_key(&ui, 'd', &m, 5), UI_NOTHING);
	assert_ptr_equal(ui.view.sort, subject_column(&subject_guest, "descheduled"));
	assert_false(ui.view.reverse);
	ui_key(&ui, 'd', &m, 5);
	assert_true(ui.view.reverse);
	ui_key(&ui, 's', &m, 5); /* the next one on the screen that can be sorted by */
	assert_string_equal(ui.view.sort->name, "unaccounted");
	ui_key(&ui, 's', &m, 5);
	assert_string_equal(ui.view.sort->name, "memory");
	ui_key(&ui, 's', &m, 5);
	assert_string_equal(ui.view.sort->name, "name");
	assert_false(ui.view.reverse);
	ui_key(&ui, 'T', &m, 5);
	assert_true(ui.view.tree);
	for (const char *c = "/ja\n"; *c; c++)
		ui_key(&ui, *c, &m, 5);
	assert_string_equal(ui.view.filter, "ja");
	for (const char *c = "/vaq\x1b"; *c; c++) /* typed, and thought better of it */
		ui_key(&ui, *c, &m, 5);
	assert_string_equal(ui.view.filter, "ja");
	ui_key(&ui, UI_KEY_ESCAPE, &m, 5);
	assert_string_equal(ui.view.filter, "");
	ui_key(&ui, '+', &m, 5);
	assert_int_equal(ui.delay, 2 * NS_PER_SEC);
	ui_key(&ui, '?', &m, 5);
	assert_true(ui.help);
	ui_key(&ui, 'x', &m, 5);
	assert_false(ui.help);
	assert_int_equal(ui_key(&ui, UI_KEY_LEFT, &m, 5), UI_NOTHING); /* no recording */
	assert_int_equal(ui_key(&ui, 'q', &m, 5), UI_QUIT);
	ui.replay = true;
	assert_int_equal(ui_key(&ui, ']', &m, 5), UI_STEP);
	assert_int_equal(ui.step, 10);
	model_done(&m);
}

/* A chosen row stays chosen when another order moves it, and is always on the screen. */
static void the_chosen_row_is_followed(void **state)
{
	struct ui ui = {.subject = &subject_guest, .delay = NS_PER_SEC};
	struct model m;

	(void)state;
	assert_int_equal(guest_model(&first, &second, &ui.view, &m), 0);
	ui_follow(&ui, &m, 3);
	ui_key(&ui, UI_KEY_DOWN, &m, 3);
	ui_key(&ui, UI_KEY_DOWN, &m, 3);
	assert_int_equal(m.rows[ui.selected].pid, 200);
	model_done(&m);
	ui.view.sort = subject_column(&subject_guest, "pid");
	assert_int_equal(guest_model(&first, &second, &ui.view, &m), 0);
	ui_follow(&ui, &m, 3);
	assert_int_equal(ui.selected, 5); /* (exited) has no process id, and is before them */
	assert_int_equal(m.rows[5].pid, 200);
	assert_int_equal(ui.top, 3);
	ui_key(&ui, UI_KEY_END, &m, 3);
	assert_int_equal(ui.selected, m.n_rows - 1);
	ui_key(&ui, UI_KEY_HOME, &m, 3);
	assert_int_equal(ui.selected, 0);
	assert_int_equal(ui.top, 0);
	ui_key(&ui, UI_KEY_UP, &m, 3);
	assert_int_equal(ui.selected, 0);
	model_done(&m);
}

/* ---- seeking ---- */

#define AT(s) ((FRAMES_TIME / NS_PER_SEC + (s)) * NS_PER_SEC)

static void places_in_a_recording(void **state)
{
	/* 12:00:11, :14, :17.5, 12:01:11, and on the next day 11:00:11 */
	const uint64_t times[] = {AT(0), AT(3), AT(6) + NS_PER_SEC / 2, AT(60), AT(23 * 3600)};
	static const struct {
		const char *text;
		size_t at, to;
	} good[] = {
		{"#1", 3, 0},	    {"#5", 0, 4},	{"#99", 0, 4},	     {"+3", 0, 1},
		{"+2.9", 0, 0},	    {"-1", 1, 0},	{"-9999", 4, 3},     {"-99999", 4, 0},
		{"12:00:17", 0, 2}, {"12:00:16", 0, 1}, {"12:01", 0, 2},     {"12:01:11", 0, 3},
		{"11:00:11", 0, 4}, {"11:00:10", 0, 3}, {"+99999999", 0, 4}, {"+1h", 0, 3},
	};
	static const char *const bad[] = {"",	   "#0",    "#",       "#x",   "+",  "12",
					  "25:00", "12:61", "12:00:x", "noon", "+1x"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		size_t to = 77;

		assert_int_equal(player_find(times, 5, good[i].at, good[i].text, &to), 0);
		if (to != good[i].to)
			fail_msg("%s: frame %zu", good[i].text, to);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		size_t to = 77;

		assert_int_equal(player_find(times, 5, 0, bad[i], &to), -EINVAL);
		assert_int_equal(to, 77);
	}
	assert_int_equal(player_step(3, -10, 5), 0);
	assert_int_equal(player_step(3, 10, 5), 4);
	assert_int_equal(player_step(3, 1, 5), 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_screen_at_80x24),
		cmocka_unit_test(the_screen_at_110x30),
		cmocka_unit_test(the_tree_with_threads),
		cmocka_unit_test(a_recording),
		cmocka_unit_test(clicks_are_keys),
		cmocka_unit_test(notes_and_what_is_not_known),
		cmocka_unit_test(what_is_unaccounted_is_seen),
		cmocka_unit_test(the_help_has_room),
		cmocka_unit_test(any_size_and_view),
		cmocka_unit_test(bars_add_up),
		cmocka_unit_test(keys_change_the_view),
		cmocka_unit_test(the_chosen_row_is_followed),
		cmocka_unit_test(places_in_a_recording),
	};

	return cmocka_run_group_tests(tests, begin, end);
}
