/* SPDX-License-Identifier: MIT */
/*
 * Frames of a host that say anything, on a screen of any size, with any keys, as tables and as a file
 * of esxtop's. The sums hold, every cell is harmless, every VM has one row, and all lines of the file
 * have as many columns. Bytes: width, height, flags, how many keys, the keys; then VMs of the first
 * frame up to one of pid 0, and those of the second.
 */
#include "fuzz.h"
#include "fuzz_canvas.h"

#include "base/units.h"
#include "screen/esxtop.h"
#include "screen/host.h"
#include "screen/layout.h"
#include "screen/table.h"
#include "screen/trails.h"

#include <string.h>

#define VMS_MAX 16

struct input {
	const uint8_t *at, *end;
};

static uint8_t next(struct input *in)
{
	return in->at < in->end ? *in->at++ : 0;
}

/* Any size of number: one byte, shifted by another. */
static uint64_t number(struct input *in)
{
	uint64_t n = next(in);

	return n << next(in) % 64;
}

static void text(struct input *in, char *ret, size_t size)
{
	size_t n = next(in) % size;

	for (size_t i = 0; i < n; i++)
		ret[i] = (char)next(in);
	ret[n] = '\0';
}

static void take_blames(struct input *in, struct host_frame_vm *vm)
{
	vm->n_blames = next(in) % 4;
	vm->blames = calloc(vm->n_blames + 1, sizeof(*vm->blames));
	for (size_t i = 0; i < vm->n_blames; i++) {
		struct host_frame_blame *b = &vm->blames[i];

		b->kind = next(in) % CULPRITS;
		text(in, b->name, sizeof(b->name));
		b->ns = number(in);
	}
}

static void take_vm(struct input *in, struct host_frame *f, pid_t pid)
{
	struct host_frame_vm *vm = host_frame_add(f, next(in) % 5);

	vm->pid = pid;
	vm->since = next(in) % 2;
	vm->ended = next(in) % 2;
	vm->cpu_limit = (double)number(in);
	vm->overhead = number(in);
	vm->rss = number(in);
	text(in, vm->name, sizeof(vm->name));
	text(in, vm->uuid, sizeof(vm->uuid));
	for (size_t v = 0; v < vm->n_vcpus; v++) {
		vm->vcpus[v].tid = pid + 1 + (pid_t)v;
		vm->vcpus[v].longest = number(in);
		text(in, vm->vcpus[v].name, sizeof(vm->vcpus[v].name));
		for (int s = 0; s < LEDGER_STATES; s++)
			vm->vcpus[v].ns[s] = number(in);
	}
	take_blames(in, vm);
}

static void take_frame(struct input *in, struct host_frame *f)
{
	*f = (struct host_frame){.source = "bpf", .vms = calloc(VMS_MAX, sizeof(*f->vms))};
	f->cpus = next(in);
	f->has_gaps = f->cpus % 2;
	f->elapsed = number(in);
	f->time = number(in);
	f->n_unseen = next(in) % 2;
	text(in, f->unseen, sizeof(f->unseen));
	while (f->n_vms < VMS_MAX) {
		pid_t pid = 10 * next(in);

		if (!pid)
			break;
		take_vm(in, f, pid);
	}
}

/* ---- what holds ---- */

static void check_rows(const struct model *m)
{
	size_t vms = 0;

	for (size_t i = 0; i < m->n_rows; i++) {
		const struct model_row *row = &m->rows[i];

		vms += row->kind == &row_vm;
		CHECK(row->parent == SIZE_MAX || row->parent < i);
		CHECK(row->kind == &row_vm || m->rows[row->parent].kind == &row_vm);
		CHECK(!row->hidden || i + 1 == m->n_rows || m->rows[i + 1].kind == &row_vm);
	}
	if (!m->view.busy_only)
		CHECK(vms == m->n_matching);
}

static void show(const struct ui *ui, const struct model *m, int width, int height)
{
	struct scene scene = {.model = m, .ui = ui, .origin = "x", .choice = "y"};
	struct canvas canvas;
	struct layout layout;

	if (canvas_new(width, height, ui->delay & 1, &canvas))
		return;
	layout_draw(&scene, &canvas, &layout);
	check_canvas(&canvas);
	for (int i = 0; i < canvas.height; i++)
		layout_key(&layout, &scene, i, i);
	canvas_done(&canvas);
}

static void check_printed(const char *printed, size_t size)
{
	for (size_t i = 0; i < size; i++) {
		unsigned char c = (unsigned char)printed[i];

		CHECK((c >= ' ' || c == '\n') && c != 0x7f);
	}
}

/* Fields of a line, all of which are in quotes. */
static size_t count_fields(const char **at)
{
	size_t n = 0;

	for (; **at != '\n'; n++) {
		*at += **at == ',';
		CHECK(*(*at)++ == '"');
		while (**at != '"' || (*at)[1] == '"')
			*at += **at == '"' ? 2 : 1;
		++*at;
	}
	++*at;
	return n;
}

static void check_file(const char *file)
{
	const char *at = file;
	size_t n = count_fields(&at);

	CHECK(count_fields(&at) == n);
	CHECK(count_fields(&at) == n);
	CHECK(!*at);
}

static void print(const struct model *m, const struct host_frame *from, const struct host_frame *to)
{
	const struct proc_cpu cpu[2] = {{.busy_ns = 1}, {.idle_ns = UINT64_MAX}};
	const struct esxtop_cpus cpus = {cpu, cpu + 1, 1};
	struct esxtop *e = esxtop_new("h\"");
	struct failure f;
	char *printed = NULL;
	size_t size, left_out;
	FILE *stream = open_memstream(&printed, &size);

	table_print(m, "", stream);
	table_json(m, stream, "x", &f);
	fclose(stream);
	check_printed(printed, size);
	free(printed);
	stream = open_memstream(&printed, &size);
	CHECK(esxtop_write(e, from, to, &cpus, stream) == 0);
	CHECK(esxtop_write(e, to, from, &cpus, stream) == 0);
	esxtop_left_out(e, &left_out);
	CHECK(left_out <= VMS_MAX);
	fclose(stream);
	check_printed(printed, size);
	check_file(printed);
	free(printed);
	esxtop_free(e);
}

static int press(struct ui *ui, struct model *m, uint8_t byte, const struct host_frame *from,
		 const struct host_frame *to)
{
	int key = byte < 0xe0	? byte
		  : byte < 0xec ? UI_KEY_UP + byte - 0xe0
		  : byte < 0xf6 ? UI_KEY_COLUMN + byte - 0xec
				: UI_KEY_ROW + byte - 0xf6;

	ui_follow(ui, m, 10);
	ui_key(ui, key, m, 10);
	model_done(m);
	return host_model(from, to, &ui->view, m);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = {data, data + size};
	int width = next(&in), height = next(&in) % 80;
	uint8_t flags = next(&in), n_keys = next(&in) % 32, keys[32];
	struct ui ui = {.subject = &subject_host, .view = {.threads = flags & 1}, .delay = flags};
	struct host_frame from, to;
	struct trails *trails = trails_new();
	struct model m;

	for (int i = 0; i < n_keys; i++)
		keys[i] = next(&in);
	take_frame(&in, &from);
	take_frame(&in, &to);
	CHECK(host_model(flags & 2 ? &from : NULL, &to, &ui.view, &m) == 0);
	for (int i = 0; i < n_keys; i++)
		CHECK(press(&ui, &m, keys[i], &from, &to) == 0);
	host_leave_trails(&from, &to, trails);
	m.trails = trails;
	check_rows(&m);
	ui_follow(&ui, &m, 10);
	show(&ui, &m, width, height);
	print(&m, &from, &to);
	model_done(&m);
	trails_free(trails);
	host_frame_done(&from);
	host_frame_done(&to);
	return 0;
}
