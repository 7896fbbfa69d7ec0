/* SPDX-License-Identifier: MIT */
/*
 * Snapshots from anywhere on a screen of any size, with any keys. Lines: the first holds two bytes
 * of size and then keys, each other one a snapshot. Whatever they say, the sums hold, every cell is
 * harmless, and every process has one row.
 */
#include "fuzz.h"
#include "fuzz_canvas.h"

#include "base/units.h"
#include "screen/guest.h"
#include "screen/layout.h"
#include "screen/player.h"

#include <errno.h>
#include <string.h>

struct input {
	const uint8_t *at, *end;
};

/* Up to the newline or the end; false when there is nothing more. */
static bool next_line(struct input *in, const uint8_t **ret, size_t *ret_size)
{
	const uint8_t *newline;

	if (in->at >= in->end)
		return false;
	newline = memchr(in->at, '\n', (size_t)(in->end - in->at));
	*ret = in->at;
	*ret_size = (size_t)((newline ? newline : in->end) - in->at);
	in->at = newline ? newline + 1 : in->end;
	return true;
}

static void check_model(const struct model *m, const struct ui *ui)
{
	size_t processes = 0;

	CHECK(m->n_rows >= 1 && m->rows[0].kind == &row_vmdesched);
	CHECK(m->busy.truth + m->rows[0].own.truth == figures_occupied(&m->busy));
	for (size_t i = 0; i < m->n_rows; i++) {
		processes += m->rows[i].kind == &row_process;
		CHECK(m->rows[i].parent == SIZE_MAX || m->rows[i].parent < i);
	}
	if (!ui->view.n_folded && !ui->view.busy_only && (!ui->view.groups || ui->view.tree))
		CHECK(processes == m->n_matching);
}

static void show(const struct ui *ui, const struct model *m, const uint8_t *size)
{
	const double history[] = {0, 1, 1e300};
	struct scene scene = {.model = m,
			      .ui = ui,
			      .origin = "x",
			      .history = history,
			      .n_history = 3,
			      .n_frames = ui->replay ? 3 : 0};
	struct canvas canvas;
	struct layout layout;

	if (canvas_new(size[0], size[1] % 80, ui->delay & 1, &canvas))
		return;
	layout_draw(&scene, &canvas, &layout);
	check_canvas(&canvas);
	for (int i = 0; i < canvas.height; i++)
		layout_key(&layout, &scene, i, i);
	canvas_done(&canvas);
}

static void press(struct ui *ui, const struct model *m, const uint8_t *keys, size_t n)
{
	const uint64_t times[] = {NS_PER_SEC, 2 * NS_PER_SEC};
	size_t at;

	for (size_t i = 0; i < n; i++) {
		int key = keys[i] < 0xe0   ? keys[i]
			  : keys[i] < 0xec ? UI_KEY_UP + keys[i] - 0xe0
			  : keys[i] < 0xf6 ? UI_KEY_COLUMN + keys[i] - 0xec
					   : UI_KEY_ROW + keys[i] - 0xf6;

		if (ui_key(ui, key, m, i % 30) == UI_SEEK)
			player_find(times, 2, i % 2, ui->text, &at);
	}
}

static void run(struct ui *ui, const struct snapshot *from, const struct snapshot *to,
		const uint8_t *head, size_t head_size)
{
	struct model m;

	CHECK(guest_model(from, to, &ui->view, &m) == 0);
	press(ui, &m, head + 2, head_size - 2);
	model_done(&m);
	CHECK(guest_model(from, to, &ui->view, &m) == 0);
	check_model(&m, ui);
	ui_follow(ui, &m, head[1] % 80);
	show(ui, &m, head);
	model_done(&m);
}

static bool parse(const uint8_t *line, size_t size, struct snapshot *ret)
{
	json_t *o = json_loadb((const char *)line, size, 0, NULL);
	int err = snapshot_decode(o, NULL, ret);

	json_decref(o);
	CHECK(err == 0 || err == -EBADMSG);
	return err == 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = {data, data + size};
	struct ui ui = {
		.subject = &subject_guest, .delay = NS_PER_SEC + size % 2, .replay = size % 3 == 0};
	const uint8_t *head, *line;
	size_t head_size, line_size;
	struct snapshot from, to;
	bool has = false;

	if (!next_line(&in, &head, &head_size) || head_size < 2)
		return 0;
	while (next_line(&in, &line, &line_size)) {
		if (!parse(line, line_size, &to))
			continue;
		run(&ui, has ? &from : NULL, &to, head, head_size);
		if (has)
			snapshot_done(&from);
		from = to;
		has = true;
	}
	if (has)
		snapshot_done(&from);
	return 0;
}
