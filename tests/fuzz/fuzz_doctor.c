/* SPDX-License-Identifier: MIT */
/*
 * The checks of desched doctor over hostile files. The first two bytes choose a fixture of
 * tests/doctor/fixtures.h; the rest, cut at bytes 0x1e, takes the place of its files' content, one
 * piece a file. A fixture without a piece for it keeps what it has.
 */
#include "fuzz.h"

#include "../doctor/fixtures.h"
#include "../doctor/root.h"

#include "doctor/schedule.h"

/* `text` is terminated. */
static void make(const char *root, const struct fixture *x, char *text, size_t size)
{
	for (int i = 0; i < FIXTURE_FILES && x->files[i].path; i++) {
		const struct fixture_file *f = &x->files[i];
		char *end = memchr(text, 0x1e, size);
		size_t n = end ? (size_t)(end - text) : size;

		if (end)
			*end = '\0';
		if (!size || !f->content)
			fixture_write(root, f, f->content, f->content ? strlen(f->content) : 0);
		else
			fixture_write(root, f, text, n);
		n += end ? 1 : 0;
		text += n;
		size -= n;
	}
}

static void look(const char *root, const char *id)
{
	const struct check *check = doctor_find(id);
	struct tree tree;
	struct exam e;

	CHECK(check && !tree_open(root, NULL, &tree));
	doctor_look(check, &tree, &e);
	tree_close(&tree);
	CHECK(e.verdict < VERDICTS);
	CHECK(e.found[0] && strnlen(e.found, sizeof(e.found)) < sizeof(e.found));
	for (const char *c = e.found; *c; c++)
		CHECK(*c >= ' ' && *c <= '~');
}

static void parse(const char *text)
{
	bool starts[DAY_MINUTES] = {false};
	int n = schedule_cron(text, starts), seen = 0;

	CHECK(n >= -EBADMSG && n <= DAY_MINUTES);
	for (int i = 0; i < DAY_MINUTES; i++)
		seen += starts[i];
	CHECK(seen == (n > 0 ? n : 0));
	schedule_timer_fixed(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct fixture *x;
	char root[ROOT_SIZE], *text;

	if (size < 2)
		return 0;
	x = &fixtures[(data[0] | data[1] << 8) % N_FIXTURES];
	text = malloc(size - 1); /* exactly: beyond it ASan sees */
	CHECK(text);
	memcpy(text, data + 2, size - 2);
	text[size - 2] = '\0';
	parse(text);
	root_make(root);
	make(root, x, text, size - 2);
	look(root, x->id);
	root_remove(root);
	free(text);
	return 0;
}
