/* SPDX-License-Identifier: MIT */
/*
 * The host's clock in a guest with two vCPUs under QEMU TCG, on several CPUs of this machine, whose
 * counter may gain on the host's with every reading: what vmdesched believes of it, held to a truth
 * that shares nothing with it. That is had by questions and answers (clock_pong.c), which bound the
 * difference of the two clocks from both sides, whatever runs in between. Not every machine makes
 * the counter gain: GAIN millionths are taken from the host's in the page.
 *
 *     test_clock_smp VMDESCHED GUEST-ASK CLOCK-PONG SOURCE-DIR SECONDS GAIN
 */
#include "clock_pong.h"
#include "tcg_guest.h"

#include "base/clock.h"
#include "base/units.h"

#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define PONGS_MAX 20000
#define FAR_NS	  (500 * NS_PER_MS) /* answers that far apart say nothing of what was in between */
#define WIDE_NS	  (200 * NS_PER_US) /* nor do those that took as long */

static const char *vmdesched, *guest_ask, *clock_pong, *source_dir;
static int seconds;
static unsigned gain_ppm;

struct answer {
	uint64_t guest, host, width; /* ns */
};

static struct {
	struct tcg_guest guest;
	char path[64];
	struct pong *pong;
	pthread_t server;
	atomic_bool stop;
	struct answer answers[PONGS_MAX];
	int n;
	struct answer belief; /* `width`: the stated error; UINT64_MAX: none */
	bool waits;	      /* for an answer behind it */
	int judged, covered, stale;
	double worst, stated, first_offset, last_offset; /* ns */
	char form[16];
} t;

/* The host's part of clock_pong. */
static void *serve(void *data)
{
	(void)data;
	while (!t.stop) {
		uint64_t asked = t.pong->ask;

		if (asked != t.pong->answer) {
			t.pong->mono = clock_mono();
			t.pong->answer = asked;
		} else if (!t.pong->calling) {
			usleep(1000);
		}
	}
	return NULL;
}

static void make_memory(void)
{
	int fd;

	snprintf(t.path, sizeof(t.path), "/tmp/clock-pong.%d", getpid());
	fd = open(t.path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, PONG_BYTES), 0);
	t.pong = mmap(NULL, PONG_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_true(t.pong != MAP_FAILED);
	close(fd);
	assert_int_equal(pthread_create(&t.server, NULL, serve, NULL), 0);
}

/* The guest's clock at an instant of the host's, by the answers around it. False: not known. */
static bool truth_at(uint64_t host, double *ret_guest, double *ret_width)
{
	for (int i = t.n - 1; i > 0; i--) {
		const struct answer *a = &t.answers[i - 1], *b = &t.answers[i];
		double part;

		if (a->host > host || b->host <= host)
			continue;
		if (b->host - a->host > FAR_NS || a->width > WIDE_NS || b->width > WIDE_NS)
			return false;
		part = (double)(host - a->host) / (double)(b->host - a->host);
		*ret_guest = (double)a->guest + part * (double)(b->guest - a->guest);
		*ret_width = (double)(a->width > b->width ? a->width : b->width) / 2;
		return true;
	}
	return false;
}

static void judge(void)
{
	double guest, width, off;

	t.waits = false;
	if (!truth_at(t.belief.host, &guest, &width))
		return;
	if (t.belief.width == UINT64_MAX) {
		t.stale++;
		return;
	}
	off = fabs((double)t.belief.guest - guest);
	t.judged++;
	t.covered += off <= (double)t.belief.width + width;
	t.worst = fmax(t.worst, off);
	t.stated += (double)t.belief.width;
	t.last_offset = guest - (double)t.belief.host;
	if (t.judged == 1)
		t.first_offset = t.last_offset;
}

static void take_answer(const char *line)
{
	struct answer *a = &t.answers[t.n];

	if (t.n == PONGS_MAX || sscanf(line, "PONG %" SCNu64 " %" SCNu64 " %" SCNu64, &a->guest,
				       &a->host, &a->width) != 3)
		return;
	t.n++;
	if (t.waits && a->host > t.belief.host)
		judge();
}

/* "form":"constant",...,"cpus":[...] */
static void take_belief(const char *line)
{
	const char *host = strstr(line, "\"host\":"), *guest = strstr(line, "\"guest\":");
	const char *error = strstr(line, "\"error_s\":");
	double stated;

	if (!host || !guest || !error)
		return;
	t.belief.host = strtoull(host + strlen("\"host\":"), NULL, 10);
	t.belief.guest = strtoull(guest + strlen("\"guest\":"), NULL, 10);
	t.belief.width = sscanf(error, "\"error_s\":%lf", &stated) == 1 ? (uint64_t)(stated * 1e9)
									: UINT64_MAX;
	sscanf(line, "\"form\":\"%15[a-z]", t.form);
	t.waits = true;
}

static const char init[] =
	"echo '[vmdesched]' >/c\n"
	"echo 'source = page' >>/c\n"
	"vmdesched --config /c &\n"
	"while ! guest_ask snapshot >/dev/null 2>&1; do sleep 1; done\n"
	"clock_pong 2 &\n"
	"while sleep 0.5; do\n"
	"	guest_ask snapshot | tr -d ' ' | grep -o '\"form\":.*' | head -c 400\n"
	"	echo\n"
	"done\n";

static void the_error_covers_the_truth(void **state)
{
	char memory[160], line[TCG_LINE];
	const char *const programs[] = {guest_ask, clock_pong, NULL};
	const char *const qemu[] = {"-object", memory, "-device", "ivshmem-plain,memdev=pong",
				    NULL};
	const struct tcg_options o = {.source_dir = source_dir,
				      .vmdesched = vmdesched,
				      .init = init,
				      .conf = "",
				      .programs = programs,
				      .qemu = qemu,
				      .cpus = 2,
				      .gain_ppm = gain_ppm};
	uint64_t end;

	(void)state;
	make_memory();
	snprintf(memory, sizeof(memory), "memory-backend-file,id=pong,mem-path=%s,size=%u,share=on",
		 t.path, PONG_BYTES);
	tcg_start(&t.guest, &o);
	tcg_publish(&t.guest);
	tcg_wait(&t.guest, "PONG", 240, line);
	end = clock_mono() + (uint64_t)seconds * NS_PER_SEC;
	/* As many as that takes on a busy machine, too. */
	while (clock_mono() < end || t.judged + t.stale < seconds / 2) {
		tcg_line(&t.guest, 60, line);
		if (!strncmp(line, "PONG", 4))
			take_answer(line);
		else if (!strncmp(line, "\"form\"", 6))
			take_belief(line);
		else if (*line)
			print_message("guest: %s\n", line);
	}
	tcg_end(&t.guest);
	t.stop = true;
	pthread_join(t.server, NULL);
	unlink(t.path);
	print_message("gain %u: %d instants, %d stale, %d covered; stated %.1f us in the mean, off "
		      "by %.1f us "
		      "at most; %s; the offset moved by %.1f us in %d answers\n",
		      gain_ppm, t.judged + t.stale, t.stale, t.covered, t.stated / t.judged / 1e3,
		      t.worst / 1e3, t.form, (t.last_offset - t.first_offset) / 1e3, t.n);
	assert_true(t.covered >= 0.95 * t.judged);
	assert_true(!gain_ppm || !strcmp(t.form, "following"));
	assert_true(t.stale <= 0.1 * (t.judged + t.stale));
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(the_error_covers_the_truth)};

	if (argc != 7)
		return 2;
	vmdesched = argv[1];
	guest_ask = argv[2];
	clock_pong = argv[3];
	source_dir = argv[4];
	seconds = atoi(argv[5]);
	gain_ppm = (unsigned)atoi(argv[6]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
