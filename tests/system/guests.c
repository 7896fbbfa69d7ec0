/* SPDX-License-Identifier: MIT */
#include "guests.h"

#include "base/clock.h"
#include "base/units.h"
#include "lab/cpus.h"
#include "lab/phases.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define WORDS_MAX 16
#define BOOTS	  3
#define ANSWER_NS (120 * NS_PER_SEC) /* a machine in a machine may be very slow */

void guests_die(const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vfprintf(stderr, format, ap);
	va_end(ap);
	fputc('\n', stderr);
	exit(1); /* the guests end with us */
}

static const char *environment(const char *name)
{
	const char *value = getenv(name);

	if (!value)
		guests_die("no %s: to be run by with-guest.sh", name);
	return value;
}

const char *guests_kind(void)
{
	return environment("GUEST_KIND");
}

static void check(const struct guests *g, int err, const struct failure *f)
{
	char lines[1024];

	if (!err)
		return;
	for (int i = 0; i < g->session.n; i++) {
		machine_last_lines(&g->session.machines[i], 8, lines, sizeof(lines));
		fprintf(stderr, "%s\n", lines);
	}
	guests_die("%s: %s", g->session.phase, f->text);
}

static void check_guest(struct guests *g, int guest)
{
	const struct machine *m = &g->session.machines[guest];
	char lines[1024];

	if (!m->failure[0])
		return;
	machine_last_lines(m, 8, lines, sizeof(lines));
	guests_die("%s: %s\n%s", m->name, m->failure, lines);
}

static char *const *more_words(void)
{
	static char *words[WORDS_MAX + 1], text[1024];
	char *save = NULL;
	int n = 0;

	snprintf(text, sizeof(text), "%s", environment("GUEST_MORE"));

	for (char *w = strtok_r(text, "\n", &save); w && n < WORDS_MAX;
	     w = strtok_r(NULL, "\n", &save))
		words[n++] = w;
	return words;
}

static void set_up(struct guests *g, int n)
{
	static cpu_set_t all;
	struct session *s = &g->session;
	struct failure f;

	s->phase = "setting up";
	s->options = &g->options;
	s->result = &g->result;
	s->signals = -1;
	if (!CPU_COUNT(&all)) /* before we leave one to the guests */
		cpus_allowed(&all);
	s->allowed = all;
	cpus_last(&s->allowed, &s->shared);
	CPU_XOR(&s->other, &s->allowed, &s->shared);
	if (CPU_COUNT(&s->other))
		sched_setaffinity(0, sizeof(s->other), &s->other);
	check(g, pages_open(&f, &s->pages), &f);
	s->machines = calloc((size_t)n, sizeof(*s->machines));
	g->result.vms = calloc((size_t)n, sizeof(*g->result.vms));
	if (!s->machines || !g->result.vms)
		guests_die("no memory");
	s->n = g->result.n_vms = n;
	for (int i = 0; i < n; i++)
		machine_init(&s->machines[i], i);
}

static int boot(struct guests *g, int n, struct failure *f)
{
	bool kvm = !strcmp(guests_kind(), "kvm"), tcg = !strcmp(guests_kind(), "tcg");
	struct session *s = &g->session;

	*g = (struct guests){.session = {.n = 0}};
	set_up(g, n);
	s->setup = (struct machine_setup){
		.kernel = environment("GUEST_KERNEL"),
		.image = environment("GUEST_IMAGE"),
		.accel = kvm ? "kvm" : "tcg",
		.source = tcg ? "page" : "steal",
		.boot_cpus = s->allowed,
		.more = more_words(),
	};
	if (tcg && !pages_have_gaps(s->pages)) {
		printf("skipped: no gaps from this host (needs root and BPF)\n");
		exit(77);
	}
	s->phase = "booting";
	return phase_boot(s, f);
}

/* A machine that is very busy may not publish a page for too long: that is no test of ours. */
void guests_begin(struct guests *g, int n)
{
	struct failure f;
	int err = boot(g, n, &f);

	for (int i = 1; err && i < BOOTS; i++) {
		fprintf(stderr, "once more: %s\n", f.text);
		guests_end(g);
		err = boot(g, n, &f);
	}
	check(g, err, &f);
	check(g, phase_pin(&g->session, &f), &f);
	g->session.phase = "running";
	for (int i = 0; i < n; i++)
		guests_run(g, i, "/bin/busybox --install -s /bin");
}

void guests_end(struct guests *g)
{
	struct session *s = &g->session;

	s->pages = pages_close(s->pages);
	for (int i = 0; i < s->n; i++)
		machine_done(&s->machines[i]);
	free(s->machines);
	lab_result_done(&g->result);
}

static const json_t *ask(struct guests *g, int guest, json_t *request, const char *what)
{
	struct machine *m = &g->session.machines[guest];

	if (machine_ask(m, request))
		guests_die("%s cannot be asked", m->name);
	for (uint64_t end = clock_mono() + ANSWER_NS;
	     !m->answered && !m->failure[0] && clock_mono() < end;)
		session_pump(&g->session, NS_PER_SEC);
	check_guest(g, guest);
	if (!m->answered)
		guests_die("%s does not answer '%s'", m->name, what);
	return m->line;
}

void guests_prepare(struct guests *g, int guest, const char *const *kinds, const int *cpus, int n)
{
	json_t *names = json_array(), *numbers = json_array();

	for (int i = 0; i < n; i++) {
		json_array_append_new(names, json_string(kinds[i]));
		if (cpus)
			json_array_append_new(numbers, json_integer(cpus[i]));
	}
	ask(g, guest,
	    json_pack("{s:s, s:o, s:o, s:I, s:b}", "do", "prepare", "kinds", names, "cpus", numbers,
		      "unit_ns", (json_int_t)g->session.unit_ns, "snapshot", true),
	    "prepare");
}

const json_t *guests_order(struct guests *g, int guest, const char *order)
{
	return ask(g, guest, json_pack("{s:s}", "do", order), order);
}

const char *guests_run(struct guests *g, int guest, const char *format, ...)
{
	char command[2048];
	const char *text;
	va_list ap;

	va_start(ap, format);
	vsnprintf(command, sizeof(command), format, ap);
	va_end(ap);
	text = json_string_value(json_object_get(
		ask(g, guest, json_pack("{s:s, s:s}", "do", "run", "command", command), command),
		"output"));
	return text ? text : "";
}

void guests_sleep(struct guests *g, double seconds)
{
	session_sleep(&g->session, (uint64_t)(seconds * NS_PER_SEC));
	for (int i = 0; i < g->session.n; i++)
		check_guest(g, i);
}
