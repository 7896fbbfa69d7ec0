/* SPDX-License-Identifier: MIT */
#include "vmdesched/timekeeper.h"

#include "base/clock.h"
#include "base/rows.h"
#include "base/units.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/timex.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define CHRONY_AGAIN_NS (10 * NS_PER_SEC)
#define SUSPEND_NS	(10 * NS_PER_MS)  /* less is the noise of two readings */
#define SET_NS		(500 * NS_PER_MS) /* chronyd may slew by a tenth of the time */
#define CHRONY_MAGIC	0x534f434b

/* refclock_sock.c of chrony: the layout is that of the machine. */
struct chrony_sample {
	struct timeval tv; /* of the system's clock */
	double offset;	   /* seconds: the reference's time less the system's */
	int pulse;
	int leap;
	int padding;
	int magic;
};

static const struct {
	const char *name;
	enum clock_mode mode;
} modes[] = {
	{"off", CLOCK_WATCH}, {"watch", CLOCK_WATCH}, {"feed", CLOCK_FEED}, {"set", CLOCK_SET}};

const char *timekeeper_mode_name(size_t i)
{
	return i < ARRAY_SIZE(modes) ? modes[i].name : NULL;
}

bool timekeeper_sets_clock(const char *mode)
{
	return !strcmp(mode, "set");
}

static void find_chrony(struct timekeeper *t)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	uint64_t now = clock_mono();

	if (t->chrony >= 0 || t->policy.mode == CLOCK_WATCH ||
	    (t->last_chrony && now - t->last_chrony < CHRONY_AGAIN_NS))
		return;
	t->last_chrony = now;
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", t->chrony_path);
	t->chrony = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (t->chrony >= 0 && connect(t->chrony, (struct sockaddr *)&address, sizeof(address))) {
		close(t->chrony);
		t->chrony = -1;
	}
}

int timekeeper_open(struct timekeeper *t, const char *mode, const char *chrony_path,
		    const char *page_path, struct failure *f)
{
	struct failure why;
	int found = names_find(timekeeper_mode_name, "clock mode", mode, f);

	if (found < 0)
		return found;
	*t = (struct timekeeper){.chrony = -1, .chrony_path = chrony_path};
	t->policy.mode = modes[found].mode;
	if (strcmp(mode, "off") != 0)
		hosttime_open(page_path, &why, &t->host);
	if (t->host.ops)
		find_chrony(t);
	return 0;
}

void timekeeper_close(struct timekeeper *t)
{
	hosttime_close(&t->host);
	if (t->chrony >= 0)
		close(t->chrony);
	t->chrony = -1;
}

static bool disciplined(void)
{
	struct timex tx = {.modes = 0};

	return clock_adjtime(CLOCK_REALTIME, &tx) >= 0 && !(tx.status & STA_UNSYNC);
}

static int feed(struct timekeeper *t, const struct hosttime_reading *r)
{
	const struct chrony_sample sample = {
		.tv = {(time_t)(r->real / NS_PER_SEC),
		       (suseconds_t)(r->real % NS_PER_SEC / NS_PER_US)},
		/* The sample's time is cut to a microsecond, its offset is not. */
		.offset = (double)r->offset / 1e9,
		.magic = CHRONY_MAGIC,
	};

	ssize_t n = send(t->chrony, &sample, sizeof(sample), MSG_NOSIGNAL | MSG_DONTWAIT);
	int err = n < 0 ? -errno : 0;

	if (err) {
		close(t->chrony); /* it was ended, or started again: find_chrony() looks for it */
		t->chrony = -1;
	}
	return err;
}

/* The kernel turns the clock by 500 ppm until it is done; a new slew replaces the old one. */
static int slew(int64_t offset)
{
	const int64_t most = 500 * (int64_t)NS_PER_MS; /* what the kernel takes at once */
	int64_t ns = offset > most ? most : offset < -most ? -most : offset;
	struct timex tx = {.modes = ADJ_OFFSET_SINGLESHOT, .offset = (long)(ns / 1000)};

	return clock_adjtime(CLOCK_REALTIME, &tx) < 0 ? -errno : 0;
}

static int step(int64_t offset)
{
	uint64_t to = clock_real() + (uint64_t)offset;
	struct timespec t = {(time_t)(to / NS_PER_SEC), (long)(to % NS_PER_SEC)};

	return clock_settime(CLOCK_REALTIME, &t) ? -errno : 0;
}

void timekeeper_watch(struct timekeeper *t, uint64_t mono, uint64_t slept, uint64_t real,
		      char line[128])
{
	int64_t ahead = (int64_t)(real - mono - slept), moved = ahead - t->ahead;
	uint64_t suspended = u64_sub_floor(slept, t->slept);

	if (t->watched && suspended > SUSPEND_NS) {
		t->suspends++;
		t->suspend_ns += suspended;
		snprintf(line, 128, "suspended for %.3f s", ns_to_s(suspended));
	}
	if (t->watched && (uint64_t)llabs(moved) > SET_NS) {
		t->sets++;
		t->set_ns += (uint64_t)llabs(moved);
		snprintf(line, 128, "clock: set %s by %.3f s, not by vmdesched",
			 moved < 0 ? "back" : "forward", (double)llabs(moved) / 1e9);
	}
	t->watched = true;
	t->slept = slept;
	t->ahead = ahead;
}

/* All clocks at one instant; where a gap lies between the readings, the next second will do. */
static void watch(struct timekeeper *t, char line[128])
{
	uint64_t slept = clock_slept(), mono = clock_mono(), real = clock_real();

	if (clock_mono() - mono < SUSPEND_NS && u64_sub_floor(clock_slept(), slept) < SUSPEND_NS)
		timekeeper_watch(t, mono, slept, real, line);
}

static void act(struct timekeeper *t, enum clock_action action, char line[128])
{
	const struct hosttime_reading *r = &t->reading;
	int err = 0;

	switch (action) {
	case CLOCK_DO_NOTHING:
		return;
	case CLOCK_DO_FEED:
		err = feed(t, r);
		t->fed += !err;
		break;
	case CLOCK_DO_SLEW:
		err = slew(r->offset);
		t->slews += !err;
		break;
	case CLOCK_DO_STEP:
		err = step(r->offset);
		t->steps += !err;
		t->ahead += err ? 0 : r->offset;
		snprintf(line, 128, "clock: %.3f s behind the host, %s%s", (double)r->offset / 1e9,
			 err ? "not stepped: " : "stepped forward", err ? strerror(-err) : "");
		break;
	}
	t->failures += err != 0;
}

void timekeeper_called(struct timekeeper *t, uint64_t interval)
{
	uint64_t now = clock_mono();
	uint64_t late = u64_sub_floor(now - t->last_call, interval);

	if (t->last_call && late > TIMEKEEPER_PAUSE_NS) {
		t->pauses++;
		t->pause_ns += late;
		t->longest_pause_ns = u64_max(t->longest_pause_ns, late);
	}
	t->last_call = now;
}

void timekeeper_tick(struct timekeeper *t, char line[128])
{
	line[0] = '\0';
	watch(t, line);
	t->known = !hosttime_read(&t->host, &t->reading);
	if (!t->known)
		return;
	find_chrony(t);
	act(t,
	    clock_decide(&t->policy, &(struct clock_observation){.mono = t->reading.mono,
								 .offset = t->reading.offset,
								 .error = t->reading.error,
								 .chrony = t->chrony >= 0,
								 .disciplined = disciplined()}),
	    line);
}

json_t *timekeeper_json(const struct timekeeper *t)
{
	json_t *o = json_pack(
		"{s:s, s:b, s:b, s:I, s:f, s:I, s:f, s:f, s:I, s:I, s:I, s:I, s:I, s:f, "
		"s:I, s:f}",
		"source", t->host.ops ? t->host.ops->name : "none", "catching_up",
		t->policy.catching_up, "chrony", t->chrony >= 0, "jumps",
		(json_int_t)t->policy.jumps, "jump_s", ns_to_s(t->policy.jump_ns), "pauses",
		(json_int_t)t->pauses, "pause_s", ns_to_s(t->pause_ns), "longest_pause_s",
		ns_to_s(t->longest_pause_ns), "fed", (json_int_t)t->fed, "slews",
		(json_int_t)t->slews, "steps", (json_int_t)t->steps, "failures",
		(json_int_t)t->failures, "suspends", (json_int_t)t->suspends, "suspend_s",
		ns_to_s(t->suspend_ns), "sets", (json_int_t)t->sets, "set_s", ns_to_s(t->set_ns));

	if (t->known) {
		json_object_set_new(o, "lag_s", json_real((double)t->reading.offset / 1e9));
		json_object_set_new(o, "error_s", json_real(ns_to_s(t->reading.error)));
	}
	return o;
}
