/* SPDX-License-Identifier: MIT */
#include "screen/ui.h"

#include "base/units.h"

#include <stddef.h>
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

/* The same order once more is turned round. */
static enum ui_action sort_by(struct ui *ui, const struct column *c)
{
	const struct column *before = subject_sort(ui->subject, &ui->view);

	ui->view.reverse = before == c && !ui->view.reverse;
	ui->view.sort = c;
	return UI_NOTHING;
}

static enum ui_action sort_next(struct ui *ui)
{
	const struct column *first = ui->subject->columns;
	size_t at = (size_t)(subject_sort(ui->subject, &ui->view) - first);

	do
		at = (at + 1) % ui->subject->n_columns;
	while (!column_is_order(&first[at]));
	ui->view.reverse = false;
	ui->view.sort = &first[at];
	return UI_NOTHING;
}

/* The row that is chosen, or what is below it, is hidden or shown. */
static enum ui_action fold(struct ui *ui)
{
	struct model_view *view = &ui->view;

	if (ui->mark.kind && ui->mark.kind->above)
		ui->mark = (struct model_mark){.kind = ui->mark.kind->above, .pid = ui->mark.pid};
	for (size_t i = 0; i < view->n_folded; i++) {
		if (!model_same_mark(&view->folded[i], &ui->mark))
			continue;
		view->folded[i] = view->folded[--view->n_folded];
		return UI_NOTHING;
	}
	if (view->n_folded == MODEL_FOLDED_MAX) /* the oldest one is unfolded */
		memmove(view->folded, view->folded + 1, --view->n_folded * sizeof(*view->folded));
	if (ui->mark.kind)
		view->folded[view->n_folded++] = ui->mark;
	return UI_NOTHING;
}

static enum ui_action save(struct ui *ui)
{
	(void)ui;
	return UI_SAVE;
}

static enum ui_action turn(struct ui *ui)
{
	(void)ui;
	return UI_TURN;
}

static enum ui_action toggle_pause(struct ui *ui)
{
	ui->paused = !ui->paused;
	return UI_NOTHING;
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

#define VIEW(member) offsetof(struct model_view, member)

const struct ui_binding ui_bindings[] = {
	{'?', "?", "Help", .run = toggle_help},
	{'q', "q", "Quit", .run = quit},
	{' ', "Space", "Play", "play, or stop", .when = IN_REPLAY, .run = toggle_pause},
	{' ', "Space", "Pause", "hold the screen as it is, or go on", .when = IN_LIVE,
	 .run = toggle_pause},
	{UI_KEY_LEFT, "<-", NULL, "one frame back, or on with ->; ten with [ and ]; or click above",
	 .when = IN_REPLAY, .run = step_back},
	{UI_KEY_RIGHT, "->", "Step", .when = IN_REPLAY, .run = step_on},
	{'[', "[", .when = IN_REPLAY, .run = leap_back},
	{']', "]", .when = IN_REPLAY, .run = leap_on},
	{'g', "g", "Go to", "go to a time (12:01:07), by seconds (+30, -30), to a frame (#12)",
	 .when = IN_REPLAY, .run = ask_seek},
	{'/', "/", "Filter", "show what has this in name, user, cgroup, UUID, pid; Esc drops it",
	 .run = ask_filter},
	{UI_KEY_ESCAPE, "Esc", .run = drop_filter},
	{'s', "s", "Sort", "sort by the next column, or click on one; again turns it round",
	 .run = sort_next},
	{'T', "T", "Tree", "processes below their parents, or below their cgroups (G)",
	 .turns = {"tree", VIEW(tree), false}, .only = &subject_guest},
	{'G', "G", "Groups", .turns = {"groups", VIEW(groups), false}, .only = &subject_guest},
	{'H', "H", "Threads", "threads below their processes",
	 .turns = {"threads", VIEW(threads), false}, .only = &subject_guest},
	{'H', "H", "vCPUs", "unfold all VMs into their vCPUs, or fold them; Enter: one of them",
	 .turns = {"vcpus", VIEW(threads), true}, .only = &subject_host},
	{UI_KEY_ENTER, "Enter", NULL, "hide what is below a row, or show it again", .run = fold,
	 .only = &subject_guest},
	{UI_KEY_ENTER, "Enter", .run = fold, .only = &subject_host},
	{'c', "c W", NULL, "command lines in place of names; W keeps it all for the next time",
	 .turns = {"command", VIEW(command), false}, .only = &subject_guest},
	{'W', "W", NULL, "keep order, delay and switches for the next time", .run = save,
	 .only = &subject_host},
	{'W', "W", .run = save},
	{'B', "B", "Busy", "leave out who used no CPU", .turns = {"busy", VIEW(busy_only), false}},
	{'V', "V", "VMs", "the VMs that run on this machine", .when = IN_LIVE, .run = turn,
	 .only = &subject_guest},
	{'V', "V", "Procs", "this machine's own processes", .when = IN_LIVE, .run = turn,
	 .only = &subject_host},
	{'+', "+ -", NULL, "twice or half as long between frames", .run = slower},
	{'-', "-", .run = faster},
};
const size_t n_ui_bindings = ARRAY_SIZE(ui_bindings);

bool ui_is_bound(const struct ui *ui, const struct ui_binding *b)
{
	return b->when != (ui->replay ? IN_LIVE : IN_REPLAY) &&
	       (!b->only || b->only == ui->subject);
}

static bool *switch_of(struct ui *ui, const struct ui_binding *b)
{
	return (bool *)((char *)&ui->view + b->turns.at);
}

bool ui_is_on(const struct ui *ui, const struct ui_binding *b)
{
	if (!b->run)
		return *(const bool *)((const char *)&ui->view + b->turns.at);
	return (b->run == ask_filter && ui->view.filter[0]) ||
	       (b->run == toggle_pause && ui->paused && !ui->replay);
}

/* ---- choosing a row ---- */

static void set_mark(struct ui *ui, const struct model *m)
{
	if (m && ui->selected < m->n_rows)
		ui->mark = model_mark_of(&m->rows[ui->selected]);
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
		if (!model_is_marked(&ui->mark, &m->rows[i]))
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

		if (b->key != key || !ui_is_bound(ui, b))
			continue;
		if (b->run)
			return b->run(ui);
		*switch_of(ui, b) = !*switch_of(ui, b);
		if (b->turns.all)
			ui->view.n_folded = 0;
		return UI_NOTHING;
	}
	for (size_t i = 0; i < ui->subject->n_columns; i++)
		if (ui->subject->columns[i].key == key)
			return sort_by(ui, &ui->subject->columns[i]);
	return UI_NOTHING;
}

static enum ui_action click(struct ui *ui, int key, const struct model *m, size_t page)
{
	if (key >= UI_KEY_FRAME) {
		ui->paused = true;
		ui->step = key - UI_KEY_FRAME;
		return UI_GOTO;
	}
	if (key < UI_KEY_ROW) {
		size_t column = (size_t)(key - UI_KEY_COLUMN);

		return column < ui->subject->n_columns &&
				       column_is_order(&ui->subject->columns[column])
			       ? sort_by(ui, &ui->subject->columns[column])
			       : UI_NOTHING;
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
	if (key >= UI_KEY_COLUMN)
		return click(ui, key, m, page);
	if (ui->prompt)
		return type(ui, key);
	if (move(ui, key, m, page))
		return UI_NOTHING;
	return run_binding(ui, key);
}
