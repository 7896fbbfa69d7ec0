/* SPDX-License-Identifier: MIT */
/*
 * desched doctor: whether this virtual machine or host, or a tree of its files, is set up well. All checks
 * look first; what they found is then shown worst first, or as JSON (schema desched-doctor/1).
 */
#include "doctor/doctor.h"
#include "base/cleanup.h"
#include "base/json_out.h"
#include "base/text.h"
#include "base/units.h"
#include "cmd/commands.h"
#include "doctor/facts.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define WIDTH	 80
#define ID_AT	 9
#define FOUND_AT 32

static const char *check_id(size_t i)
{
	const struct check *c = doctor_check(i);

	return c ? c->id : NULL;
}

static struct {
	const char *root;
	struct option_choice check, explain;
	bool json, list, verbose, host, guest;
} options = {.root = "/", .check = {NULL, check_id}, .explain = {NULL, check_id}};

static const struct option_row rows[] = {
	{'v', "verbose", NULL, OPTION_FLAG, &options.verbose, 0, 0,
	 "show the checks that are well, or cannot tell, too"},
	{0, "check", "ID", OPTION_CHOICE, &options.check, 0, 0,
	 "make this check only; --list shows the IDs"},
	{0, "explain", "ID", OPTION_CHOICE, &options.explain, 0, 0,
	 "say what a check is about, and what to do"},
	{0, "list", NULL, OPTION_FLAG, &options.list, 0, 0, "list the checks"},
	{0, "host", NULL, OPTION_FLAG, &options.host, 0, 0,
	 "look as at a host of VMs, whether any run or not"},
	{0, "guest", NULL, OPTION_FLAG, &options.guest, 0, 0, "look as at a guest"},
	{0, "root", "DIR", OPTION_STRING, &options.root, 0, 0,
	 "look at the files below DIR, not at this machine's"},
	{0, "json", NULL, OPTION_FLAG, &options.json, 0, 0, "print JSON (schema desched-doctor/1)"},
};

static int run(char **operands, int n, struct failure *f);

const struct command command_doctor = {
	.name = "doctor",
	.operands = "",
	.summary = "Checks whether this virtual machine, or host of some, is set up well.",
	.examples =
		"  desched doctor\n"
		"  desched doctor --explain swap-balloon\n"
		"  desched doctor --root /mnt/guest --json | jq '.checks[] | select(.verdict == "
		"\"bad\")'\n",
	.rows = rows,
	.n_rows = ARRAY_SIZE(rows),
	.run = run,
};

/* What all the checks said. */
struct diagnosis {
	struct exam *exams;
	size_t n, counts[VERDICTS], bad[SEVERITIES];
	enum hypervisor hypervisor;
	unsigned sides; /* enum doctor_side */
};

static void diagnosis_done(struct diagnosis *d)
{
	free(d->exams);
}

static int diagnose(const struct tree *t, struct diagnosis *d)
{
	unsigned sides = (options.host ? DOCTOR_HOST : 0u) | (options.guest ? DOCTOR_GUEST : 0u);
	const struct check *check;

	if (!sides)
		sides = doctor_sides(t);
	d->sides = sides;
	d->exams = calloc(doctor_count(), sizeof(*d->exams));
	if (!d->exams)
		return -ENOMEM;
	fact_hypervisor(t, &d->hypervisor);
	for (size_t i = 0; (check = doctor_check(i)); i++) {
		struct exam *e = &d->exams[d->n];

		if (options.check.value && strcmp(options.check.value, check->id) != 0)
			continue;
		doctor_look(check, t, sides, e);
		d->n++;
		d->counts[e->verdict]++;
		d->bad[check->severity] += e->verdict == VERDICT_BAD;
	}
	return 0;
}

/* 0: nothing above a note; 3: a warning; 4: something serious. */
static int exit_status(const struct diagnosis *d)
{
	return d->bad[SEVERITY_SERIOUS] ? 4 : d->bad[SEVERITY_WARNING] ? 3 : 0;
}

/* ---- for people ---- */

static bool in_colour(void)
{
	const char *no = getenv("NO_COLOR");

	return isatty(STDOUT_FILENO) && !(no && no[0]);
}

static const char *colour(enum severity s)
{
	return s == SEVERITY_SERIOUS ? "1;31" : s == SEVERITY_WARNING ? "33" : "36";
}

/* The word in front, padded before it is coloured. */
static void print_word(const struct exam *e)
{
	static const char *const words[VERDICTS] = {"ok", "", "?", "-"};

	if (e->verdict != VERDICT_BAD)
		printf("%-*s", ID_AT, words[e->verdict]);
	else if (in_colour())
		printf("\033[%sm%-*s\033[0m", colour(e->check->severity), ID_AT,
		       severity_name(e->check->severity));
	else
		printf("%-*s", ID_AT, severity_name(e->check->severity));
}

static void print_exam(const struct exam *e)
{
	print_word(e);
	printf("%-*s ", FOUND_AT - ID_AT - 1, e->check->id);
	text_wrap(e->found, FOUND_AT, WIDTH, stdout);
	if (e->verdict == VERDICT_BAD && e->check->remedy)
		printf("%*s-> %s\n", ID_AT, "", e->check->remedy);
}

/* The bad ones are ranked by severity, the others are behind them. */
static int rank(const struct exam *e)
{
	return e->verdict == VERDICT_BAD ? (int)e->check->severity : -(int)e->verdict - 1;
}

/* A whole side that does not apply is not listed. */
static bool is_shown(const struct diagnosis *d, const struct exam *e)
{
	unsigned side = doctor_of_host(e->check) ? DOCTOR_HOST : DOCTOR_GUEST;

	return options.check.value || d->sides & side;
}

/* What was looked at: "KVM", "host", "host in KVM". */
static const char *machine(const struct diagnosis *d, char *ret, size_t size)
{
	const char *hypervisor = hypervisor_name(d->hypervisor);

	if (!(d->sides & DOCTOR_HOST))
		return hypervisor;
	if (d->hypervisor == HYPERVISOR_NONE)
		return "host";
	snprintf(ret, size, "host in %s", hypervisor);
	return ret;
}

static void print_table(const struct diagnosis *d)
{
	size_t bad = d->counts[VERDICT_BAD];
	char name[64];
	int last = options.verbose || options.check.value ? -VERDICTS : 0;

	for (int r = SEVERITIES; r >= last; r--) {
		for (size_t i = 0; i < d->n; i++)
			if (rank(&d->exams[i]) == r && is_shown(d, &d->exams[i]))
				print_exam(&d->exams[i]);
	}
	if (options.check.value)
		return;
	printf("%s%s: %zu serious, %zu warnings, %zu notes; %zu ok, %zu cannot tell, %zu do not "
	       "apply\n",
	       bad || options.verbose ? "\n" : "", machine(d, name, sizeof(name)),
	       d->bad[SEVERITY_SERIOUS], d->bad[SEVERITY_WARNING], d->bad[SEVERITY_NOTE],
	       d->counts[VERDICT_OK], d->counts[VERDICT_CANNOT_TELL], d->counts[VERDICT_NOT_HERE]);
	if (bad)
		printf("'desched doctor --explain ID' says why, -v shows all.\n");
}

static void explain(const struct check *c)
{
	printf("%s (%s, %s)\n%s.\n\n", c->id, doctor_group(c), severity_name(c->severity),
	       c->title);
	text_wrap(c->why, 0, WIDTH, stdout);
	printf("Source: ");
	text_wrap(c->source, (int)strlen("Source: "), WIDTH, stdout);
	if (c->remedy)
		printf("\n    %s\n", c->remedy);
}

static void list(void)
{
	const struct check *c;

	for (size_t i = 0; (c = doctor_check(i)); i++)
		printf("%-8s %-22s %s\n", severity_name(c->severity), c->id, c->title);
}

/* ---- JSON ---- */

static json_t *json_exam(const struct exam *e)
{
	const struct check *c = e->check;

	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s?}", "id", c->id, "group",
			 doctor_group(c), "title", c->title, "severity", severity_name(c->severity),
			 "verdict", verdict_name(e->verdict), "found", e->found, "why", c->why,
			 "source", c->source, "remedy", c->remedy);
}

static int print_json(const struct diagnosis *d, struct failure *f)
{
	json_t *checks = json_array(), *root = json_string(options.root), *o;

	for (size_t i = 0; i < d->n; i++)
		json_array_append_new(checks, json_exam(&d->exams[i]));
	o = json_pack("{s:s, s:o, s:s, s:b, s:b, s:i, s:i, s:i, s:i, s:i, s:i, s:o}", "schema",
		      "desched-doctor/1", "root", root ? root : json_null(), "hypervisor",
		      hypervisor_name(d->hypervisor), "guest", d->sides & DOCTOR_GUEST ? 1 : 0,
		      "host", d->sides & DOCTOR_HOST ? 1 : 0, "serious",
		      (int)d->bad[SEVERITY_SERIOUS], "warnings", (int)d->bad[SEVERITY_WARNING],
		      "notes", (int)d->bad[SEVERITY_NOTE], "ok", (int)d->counts[VERDICT_OK],
		      "cannot_tell", (int)d->counts[VERDICT_CANNOT_TELL], "not_here",
		      (int)d->counts[VERDICT_NOT_HERE], "checks", checks);
	return json_out_print(o, JSON_INDENT(1), stdout, "standard output", f);
}

/* ---- the command ---- */

static int examine(struct failure *f)
{
	_cleanup_(diagnosis_done) struct diagnosis d = {.exams = NULL};
	_cleanup_(tree_close) struct tree tree = {.root = -1};
	int err = tree_open(options.root, f, &tree);

	if (!err && diagnose(&tree, &d))
		err = failure_errno(f, -ENOMEM, "the list of checks");
	if (err)
		return err;
	if (options.json)
		err = print_json(&d, f);
	else
		print_table(&d);
	if (!err)
		err = command_flush(f); /* a verdict that nobody can read is no verdict */
	return err ? err : exit_status(&d);
}

static int run(char **operands, int n, struct failure *f)
{
	(void)operands;
	(void)n;
	if (options.explain.value)
		explain(doctor_find(options.explain.value));
	else if (options.list)
		list();
	else
		return examine(f);
	return 0;
}
