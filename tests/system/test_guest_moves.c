/* SPDX-License-Identifier: MIT */
/*
 * A guest that moves: QEMU writes it to a file, as in a live migration whose last part takes two
 * seconds, and another QEMU with another page goes on with it; then a third begins at the same
 * place again, as a snapshot that is reverted to. Each time vmdesched and libvmGuestLib have
 * another session, and the account goes on: nothing negative, nothing that falls, no descheduled
 * time beyond what the host's kernel measured.
 *
 *     test_guest_moves VMDESCHED GUEST-ASK GUEST-SESSION SOURCE-DIR
 */
#include "host/find.h"
#include "near.h"
#include "snapshot_checks.h"
#include "tcg_guest.h"

#include "base/clock.h"
#include "base/proc.h"
#include "base/units.h"
#include "lab/pages.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define DOWN_S 2

static const char *vmdesched, *ask, *session_program, *source_dir;

/* A QEMU, and what its vCPU has had. */
struct place {
	struct tcg_guest guest;
	struct host_vm vm;
	int id;
};

/* The guest as somebody in it sees it. */
struct view {
	json_t *snapshot;
	uint64_t session; /* by libvmGuestLib */
	uint64_t elapsed; /* ms, the same */
	double ready;	  /* s, of the vCPU's thread here */
};

static struct pages *pages;
static struct place places[3];
static struct view before;
static char image[80];

static const char init[] = "export LD_LIBRARY_PATH=$(dirname $(find / -name libvmGuestLib.so.0))\n"
			   "while :; do :; done &\n"
			   "vmdesched --config /bin/work &\n"
			   "until guest_ask version >/dev/null; do sleep 1; done\n"
			   "guest_session &\n"
			   "while sleep 1; do echo \"SHOT $(guest_ask snapshot)\"; done\n";

static const char conf[] = "[vmdesched]\nsource = page\n[gaps]\nthreshold = 0\n";

static void begin_at(struct place *p, const char *const *words)
{
	const char *programs[] = {ask, session_program, NULL};
	struct failure f = {""};

	tcg_start(&p->guest, &(struct tcg_options){.source_dir = source_dir,
						   .vmdesched = vmdesched,
						   .init = init,
						   .conf = conf,
						   .programs = programs,
						   .append = "tsc=reliable",
						   .page_moves = words,
						   .qemu = words});
	if (host_find_qmp_on(p->guest.qmp, p->guest.pid, 10 * NS_PER_SEC, &f, &p->vm))
		fail_msg("%s", f.text);
}

static void publish_at(struct place *p)
{
	struct failure f = {""};

	if (pages_add(pages, &p->vm, p->guest.page, p->guest.page_size, &f, &p->id))
		fail_msg("%s", f.text);
}

static void end_at(struct place *p)
{
	pages_remove(pages, p->id);
	host_vm_done(&p->vm);
	tcg_end(&p->guest);
}

static double ready_at(const struct place *p)
{
	uint64_t run, delay;

	assert_int_equal(proc_read_schedstat(p->vm.pid, p->vm.vcpus[0].tid, &run, &delay), 0);
	return ns_to_s(delay);
}

/* The next snapshot that is complete, and what the API says after it. */
static void look(struct place *p, struct view *ret)
{
	static char line[TCG_LINE];
	struct view v = {.snapshot = NULL};

	do {
		json_decref(v.snapshot);
		tcg_wait(&p->guest, "SHOT {", 60, line);
		v.snapshot = json_loads(line + strlen("SHOT "), 0, NULL);
		assert_non_null(v.snapshot);
	} while (!json_is_true(json_object_get(v.snapshot, "complete")));
	v.ready = ready_at(p);
	tcg_wait(&p->guest, "SESSION", 60, line);
	if (sscanf(line, "SESSION %" SCNu64 " %" SCNu64, &v.session, &v.elapsed) != 2)
		fail_msg("%s", line);
	*ret = v;
}

static uint64_t session_of(const struct view *v)
{
	return strtoull(json_string_value(json_object_get(v->snapshot, "session")), NULL, 10);
}

/* ---- moving ---- */

static void wait_for_migration(struct place *p)
{
	for (int i = 0; i < 600; i++) {
		json_t *o = tcg_command(&p->guest, "query-migrate", NULL);
		const char *status = json_string_value(json_object_get(o, "status"));
		bool done = status && !strcmp(status, "completed");

		json_decref(o);
		if (done)
			return;
		usleep(100000);
	}
	fail_msg("the guest does not get on its way");
}

static void write_out(struct place *p)
{
	char uri[128];

	json_decref(tcg_command(&p->guest, "stop", NULL));
	sleep(DOWN_S);
	snprintf(uri, sizeof(uri), "exec:cat >%s", image);
	json_decref(tcg_command(&p->guest, "migrate", json_pack("{s:s}", "uri", uri)));
	wait_for_migration(p);
}

/* The page comes along, as it was; the daemon of the new place lays it out anew. */
static void go_on_at(struct place *p)
{
	static const char *const words[] = {"-S", "-incoming", "defer", NULL};
	char uri[128];

	begin_at(p, words);
	snprintf(uri, sizeof(uri), "exec:cat %s", image);
	json_decref(tcg_command(&p->guest, "migrate-incoming", json_pack("{s:s}", "uri", uri)));
	wait_for_migration(p);
	publish_at(p);
	json_decref(tcg_command(&p->guest, "cont", NULL));
}

/* `ready`: of the places where it has been since `before`, seconds. */
static void check(const struct view *now, double ready)
{
	double found = away(now->snapshot) - away(before.snapshot);

	check_snapshots(before.snapshot, now->snapshot);
	print_message("session %" PRIx64 ", by the guest API %" PRIx64
		      "; descheduled %.3f s found, "
		      "%.3f s by the host's schedstat; clock %.1f s behind\n",
		      session_of(now), now->session, found, ready,
		      json_number_value(json_object_get(
			      json_object_get(now->snapshot, "host_clock"), "lag_s")));
	assert_true(found <= 1.05 * ready + 0.5);
	assert_int_not_equal(session_of(now), session_of(&before));
	assert_int_equal(now->session, session_of(now));
	assert_true(now->elapsed >= before.elapsed);
}

static void moved(void **state)
{
	struct view now;
	double left;

	(void)state;
	look(&places[0], &before);
	assert_int_equal(before.session, session_of(&before));
	write_out(&places[0]);
	left = ready_at(&places[0]);
	go_on_at(&places[1]);
	look(&places[1], &now); /* may be of the old session still */
	json_decref(now.snapshot);
	look(&places[1], &now);
	check(&now, left - before.ready + now.ready);
	assert_true(number(now.snapshot, "host_clock", "lag_s") > DOWN_S - 1);
	json_decref(now.snapshot);
}

static void reverted(void **state)
{
	struct view now;

	(void)state;
	go_on_at(&places[2]);
	look(&places[2], &now);
	json_decref(now.snapshot);
	look(&places[2], &now);
	check(&now, ready_at(&places[0]) - before.ready + now.ready);
	json_decref(now.snapshot);
}

static int start(void **state)
{
	struct failure f = {""};

	(void)state;
	snprintf(image, sizeof(image), "/tmp/test-guest-moves.%d", getpid());
	if (pages_open(&f, &pages))
		fail_msg("%s", f.text);
	begin_at(&places[0], NULL);
	publish_at(&places[0]);
	return 0;
}

static int end(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(places); i++)
		if (places[i].guest.pid)
			end_at(&places[i]);
	json_decref(before.snapshot);
	pages_close(pages);
	unlink(image);
	return 0;
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(moved),
		cmocka_unit_test(reverted),
	};

	if (argc != 5)
		return 2;
	if (geteuid() != 0)
		return 77;
	vmdesched = argv[1];
	ask = argv[2];
	session_program = argv[3];
	source_dir = argv[4];
	return cmocka_run_group_tests(tests, start, end);
}
