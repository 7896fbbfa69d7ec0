/* SPDX-License-Identifier: MIT */
/*
 * The checks of desched doctor over hostile files. The first line is the id of a check, whose first
 * fixture in tests/doctor/fixtures.h is taken (any other line stands for some fixture); the rest,
 * cut at bytes 0x1e, takes the place of its files' content, one piece a file. A file without a
 * piece for it keeps what it has.
 */
#include "fuzz.h"

#include "../doctor/fixtures.h"
#include "../doctor/root.h"

#include "doctor/schedule.h"

static const struct fixture *choose(const char *id, size_t len)
{
	size_t sum = 0;

	for (size_t i = 0; i < N_FIXTURES; i++)
		if (strlen(fixtures[i].id) == len && !memcmp(fixtures[i].id, id, len))
			return &fixtures[i];
	for (size_t i = 0; i < len; i++)
		sum = 31 * sum + (unsigned char)id[i];
	return &fixtures[sum % N_FIXTURES];
}

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
	CHECK(doctor_sides(&tree));
	doctor_look(check, &tree, DOCTOR_GUEST | DOCTOR_HOST, &e);
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
	const uint8_t *line_end = size ? memchr(data, '\n', size) : NULL;
	const struct fixture *x;
	char root[ROOT_SIZE], *text;

	if (!line_end)
		return 0;
	x = choose((const char *)data, (size_t)(line_end - data));
	size -= (size_t)(line_end - data) + 1;
	text = malloc(size + 1); /* exactly: beyond it ASan sees */
	CHECK(text);
	memcpy(text, line_end + 1, size);
	text[size] = '\0';
	parse(text);
	root_make(root);
	make(root, x, text, size);
	look(root, x->id);
	root_remove(root);
	free(text);
	return 0;
}
