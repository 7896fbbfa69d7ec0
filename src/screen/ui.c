/* SPDX-License-Identifier: MIT */
#include "screen/ui.h"

#include "base/units.h"

#include <stdio.h>
#include <string.h>

#define DELAY_MIN (NS_PER_SEC / 4)
#define DELAY_MAX (60 * NS_PER_SEC)

/* ---- what keys do ---- */

static enum ui_action quit(struct ui *ui)
{
	(void)ui;
	return UI_QUIT;
}

static enum ui_action toggle_help(struct ui *ui)
{
	ui->help = !ui->help;
	return UI_NOTHING;
}

static enum ui_action ask(struct ui *ui, enum ui_prompt prompt, const char *text)
{
	ui->prompt = prompt;
	snprintf(ui->text, sizeof(ui->text), "%s", text);
	return UI_NOTHING;
}

static enum ui_action ask_filter(struct ui *ui)
{
	memcpy(ui->filter_before, ui->view.filter, sizeof(ui->filter_before));
	return ask(ui, PROMPT_FILTER, ui->view.filter);
}

static enum ui_action ask_seek(struct ui *ui)
{
	return ask(ui, PROMPT_SEEK, "");
}

static enum ui_action drop_filter(struct ui *ui)
{
	ui->view.filter[0] = '\0';
	return UI_NOTHING;
}

/* The same key once more turns the order round. */
static enum ui_action sort_by(struct ui *ui, enum model_sort sort)
{
	ui->view.reverse = ui->view.sort == sort && !ui->view.reverse;
	ui->view.sort = sort;
	return UI_NOTHING;
}

static enum ui_action sort_reported(struct ui *ui)
{
	return sort_by(ui, SORT_REPORTED);
}

static enum ui_action sort_true(struct ui *ui)
{
	return sort_by(ui, SORT_TRUE);
}

static enum ui_action sort_descheduled(struct ui *ui)
{
	return sort_by(ui, SORT_DESCHEDULED);
}

static enum ui_action sort_pid(struct ui *ui)
{
	return sort_by(ui, SORT_PID);
}

static enum ui_action sort_user(struct ui *ui)
{
	return sort_by(ui, SORT_USER);
}

static enum ui_action sort_name(struct ui *ui)
{
	return sort_by(ui, SORT_NAME);
}

static enum ui_action sort_next(struct ui *ui)
{
	ui->view.reverse = false;
	ui->view.sort = (ui->view.sort + 1) % MODEL_SORTS;
	return UI_NOTHING;
}

static enum ui_action toggle(bool *what)
{
	*what = !*what;
	return UI_NOTHING;
}

static enum ui_action toggle_tree(struct ui *ui)
{
	return toggle(&ui->view.tree);
}

static enum ui_action toggle_groups(struct ui *ui)
{
	return toggle(&ui->view.groups);
}

static enum ui_action toggle_threads(struct ui *ui)
{
	return toggle(&ui->view.threads);
}

static enum ui_action toggle_busy(struct ui *ui)
{
	return toggle(&ui->view.busy_only);
}

static enum ui_action toggle_command(struct ui *ui)
{
	return toggle(&ui->view.command);
}

static enum ui_action save(struct ui *ui)
{
	(void)ui;
	return UI_SAVE;
}

static enum ui_action toggle_pause(struct ui *ui)
{
	return toggle(&ui->paused);
}

static enum ui_action slower(struct ui *ui)
{
	ui->delay = u64_min(2 * ui->delay, DELAY_MAX);
	return UI_NOTHING;
}

static enum ui_action faster(struct ui *ui)
{
	ui->delay = u64_max(ui->delay / 2, DELAY_MIN);
	return UI_NOTHING;
}

static enum ui_action step(struct ui *ui, long frames)
{
	ui->paused = true;
	ui->step = frames;
	return UI_STEP;
}

static enum ui_action step_on(struct ui *ui)
{
	return step(ui, 1);
}

static enum ui_action step_back(struct ui *ui)
{
	return step(ui, -1);
}

static enum ui_action leap_on(struct ui *ui)
{
	return step(ui, 10);
}

static enum ui_action leap_back(struct ui *ui)
{
	return step(ui, -10);
}

const struct ui_binding ui_bindings[] = {
	{'?', "?", "Help", NULL, IN_BOTH, toggle_help},
	{'q', "q", "Quit", NULL, IN_BOTH, quit},
	{' ', "Space", "Play", "play, or stop", IN_REPLAY, toggle_pause},
	{' ', "Space", "Pause", "hold the screen as it is, or go on", IN_LIVE, toggle_pause},
	{UI_KEY_LEFT, "<-", NULL, "one frame back, or on with ->; ten with [ and ]; or click above",
	 IN_REPLAY, step_back},
	{UI_KEY_RIGHT, "->", "Step", NULL, IN_REPLAY, step_on},
	{'[', "[", NULL, NULL, IN_REPLAY, leap_back},
	{']', "]", NULL, NULL, IN_REPLAY, leap_on},
	{'g', "g", "Go to", "go to a time (12:01:07), by seconds (+30, -30), to a frame (#12)",
	 IN_REPLAY, ask_seek},
	{'/', "/", "Filter", "show what has this in name, user, cgroup or pid; Esc drops it",
	 IN_BOTH, ask_filter},
	{UI_KEY_ESCAPE, "Esc", NULL, NULL, IN_BOTH, drop_filter},
	{'s', "s", "Sort", "sort by the next column; or click on a column's name", IN_BOTH,
	 sort_next},
	{'r', "r t d", NULL, "sort by reported, true, descheduled time; again: turned round",
	 IN_BOTH, sort_reported},
	{'t', "t", NULL, NULL, IN_BOTH, sort_true},
	{'d', "d", NULL, NULL, IN_BOTH, sort_descheduled},
	{'p', "p u n", NULL, "sort by process id, user, name", IN_BOTH, sort_pid},
	{'u', "u", NULL, NULL, IN_BOTH, sort_user},
	{'n', "n", NULL, NULL, IN_BOTH, sort_name},
	{'T', "T", "Tree", "processes below their parents, or below their cgroups (G)", IN_BOTH,
	 toggle_tree},
	{'G', "G", "Groups", NULL, IN_BOTH, toggle_groups},
	{'H', "H", "Threads", "threads below their processes", IN_BOTH, toggle_threads},
	{'c', "c W", NULL, "command lines in place of names; W keeps it all for the next time",
	 IN_BOTH, toggle_command},
	{'W', "W", NULL, NULL, IN_BOTH, save},
	{'B', "B", "Busy", "leave out who used no CPU", IN_BOTH, toggle_busy},
	{'+', "+ -", NULL, "twice or half as long between frames", IN_BOTH, slower},
	{'-', "-", NULL, NULL, IN_BOTH, faster},
};
const size_t n_ui_bindings = ARRAY_SIZE(ui_bindings);

/* ---- choosing a row ---- */

static void set_mark(struct ui *ui, const struct model *m)
{
	const struct model_row *row;

	if (!m || ui->selected >= m->n_rows)
		return;
	row = &m->rows[ui->selected];
	ui->mark = (struct ui_mark){.kind = row->kind, .pid = row->pid, .tid = row->tid};
	snprintf(ui->mark.name, sizeof(ui->mark.name), "%s", row->name);
}

static bool is_marked(const struct ui *ui, const struct model_row *row)
{
	const struct ui_mark *mark = &ui->mark;

	if (row->kind != mark->kind || row->pid != mark->pid || row->tid != mark->tid)
		return false;
	return row->pid || !strncmp(row->name, mark->name, sizeof(mark->name) - 1);
}

static void scroll(struct ui *ui, size_t n_rows, size_t page)
{
	page = page ? page : 1;
	if (ui->selected >= n_rows)
		ui->selected = n_rows ? n_rows - 1 : 0;
	if (ui->top > ui->selected)
		ui->top = ui->selected;
	if (ui->selected - ui->top >= page)
		ui->top = ui->selected - page + 1;
	if (ui->top + page > n_rows)
		ui->top = n_rows > page ? n_rows - page : 0;
}

void ui_follow(struct ui *ui, const struct model *m, size_t page)
{
	for (size_t i = 0; i < m->n_rows; i++) {
		if (!is_marked(ui, &m->rows[i]))
			continue;
		ui->selected = i;
		break;
	}
	scroll(ui, m->n_rows, page);
	set_mark(ui, m);
}

static size_t moved(size_t at, long by, size_t n)
{
	if (by < 0)
		return at > (size_t)-by ? at - (size_t)-by : 0;
	return at + (size_t)by < n ? at + (size_t)by : n - 1;
}

static bool move(struct ui *ui, int key, const struct model *m, size_t page)
{
	long by = key == UI_KEY_UP	    ? -1
		  : key == UI_KEY_DOWN	    ? 1
		  : key == UI_KEY_PAGE_UP   ? -(long)page
		  : key == UI_KEY_PAGE_DOWN ? (long)page
		  : key == UI_KEY_HOME	    ? -INT32_MAX
		  : key == UI_KEY_END	    ? INT32_MAX
					    : 0;

	if (!by || !m || !m->n_rows)
		return false;
	ui->selected = moved(ui->selected, by, m->n_rows);
	scroll(ui, m->n_rows, page);
	set_mark(ui, m);
	return true;
}

/* ---- typing ---- */

static enum ui_action end_prompt(struct ui *ui, bool accepted)
{
	enum ui_prompt prompt = ui->prompt;

	ui->prompt = PROMPT_NONE;
	if (prompt == PROMPT_FILTER && !accepted)
		memcpy(ui->view.filter, ui->filter_before, sizeof(ui->view.filter));
	return prompt == PROMPT_SEEK && accepted ? UI_SEEK : UI_NOTHING;
}

/* Plain ASCII: what is looked for by hand. */
static enum ui_action type(struct ui *ui, int key)
{
	size_t n = strlen(ui->text);

	if (key == UI_KEY_ENTER || key == UI_KEY_ESCAPE)
		return end_prompt(ui, key == UI_KEY_ENTER);
	if (key == UI_KEY_BACKSPACE && n)
		ui->text[n - 1] = '\0';
	else if (key >= ' ' && key < 0x7f && n < sizeof(ui->text) - 1)
		ui->text[n] = (char)key, ui->text[n + 1] = '\0';
	if (ui->prompt == PROMPT_FILTER)
		memcpy(ui->view.filter, ui->text, sizeof(ui->view.filter));
	return UI_NOTHING;
}

static enum ui_action run_binding(struct ui *ui, int key)
{
	for (size_t i = 0; i < n_ui_bindings; i++) {
		const struct ui_binding *b = &ui_bindings[i];

		if (b->key == key && b->when != (ui->replay ? IN_LIVE : IN_REPLAY))
			return b->run(ui);
	}
	return UI_NOTHING;
}

static enum ui_action click(struct ui *ui, int key, const struct model *m, size_t page)
{
	if (key >= UI_KEY_FRAME) {
		ui->paused = true;
		ui->step = key - UI_KEY_FRAME;
		return UI_GOTO;
	}
	if (m && (size_t)(key - UI_KEY_ROW) < m->n_rows) {
		ui->selected = (size_t)(key - UI_KEY_ROW);
		scroll(ui, m->n_rows, page);
		set_mark(ui, m);
	}
	return UI_NOTHING;
}

enum ui_action ui_key(struct ui *ui, int key, const struct model *m, size_t page)
{
	if (key == UI_KEY_NONE)
		return UI_NOTHING;
	if (ui->help) {
		ui->help = false;
		return key == 'q' ? UI_QUIT : UI_NOTHING;
	}
	if (key >= UI_KEY_ROW)
		return click(ui, key, m, page);
	if (ui->prompt)
		return type(ui, key);
	if (move(ui, key, m, page))
		return UI_NOTHING;
	return run_binding(ui, key);
}
