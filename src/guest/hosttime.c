/* SPDX-License-Identifier: MIT */
#include "guest/hosttime.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/proc.h"
#include "base/units.h"
#include "guest/guest_page.h"
#include "guest/hostclock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define STALE_NS (2 * NS_PER_SEC)
#define TRIES	 8 /* readings, of which the tightest counts */

struct page_clock_reader {
	struct guest_page mapping;
	struct page_reader reader;
	struct hostclock clock;
	struct page_clock stamp; /* the last one */
};

/* Another session may be another host's, with another counter; a suspension may set ours anew. */
static int keep_up(struct page_clock_reader *p)
{
	bool other = page_session_changed(&p->reader);
	struct page_host host;
	int err;

	if (other && page_attach(p->mapping.base, p->mapping.size, &p->reader))
		return -EAGAIN;
	if (other || hostclock_has_slept(&p->clock))
		hostclock_synchronize(&p->clock);
	hostclock_follow(&p->clock);
	err = hostclock_look(&p->clock, &host);
	if (!err)
		p->stamp = host.clock;
	return err;
}

static void page_clock_close(void *of)
{
	struct page_clock_reader *p = of;

	hostclock_close(&p->clock);
	guest_page_unmap(&p->mapping);
	free(p);
}

static int page_clock_open(const char *path, struct failure *f, void **ret)
{
	struct page_clock_reader *p = calloc(1, sizeof(*p));
	int err = p ? guest_page_map(path, f, &p->mapping) : -ENOMEM;

	if (!err && (err = page_attach(p->mapping.base, p->mapping.size, &p->reader)))
		failure_set(f, err, "host time: there is no ledger page in that memory");
	if (!err)
		err = hostclock_open(&p->clock, &p->reader, 1);
	if (err) {
		if (p)
			page_clock_close(p);
		return err;
	}
	hostclock_synchronize(&p->clock);
	*ret = p;
	return 0;
}

static int page_clock_read(void *of, struct hosttime_reading *ret)
{
	struct page_clock_reader *p = of;
	struct clock_pair pair;
	uint64_t real, mono, age, error;
	int err = keep_up(p);

	if (err)
		return err;
	error = hostclock_error(&p->clock, 0);
	if (error == CLOCKMAP_UNKNOWN || !p->stamp.ticks)
		return -EAGAIN;
	mono = clock_mono();
	real = clock_real();
	clock_read_pair(TRIES, &pair);
	real += pair.mono - mono; /* both clocks run on between the readings */
	age = u64_sub_floor(pair.mono, clockmap_to_guest(&p->clock.map, p->stamp.mono));
	if (age > STALE_NS)
		return -EAGAIN;
	*ret = (struct hosttime_reading){
		.mono = pair.mono,
		.real = real,
		.offset = (int64_t)(p->stamp.real + age - real),
		.error = error + clock_mono() - mono,
	};
	return 0;
}

const struct hosttime_ops hosttime_page = {"page", page_clock_open, page_clock_close,
					   page_clock_read};

/* A PTP clock's descriptor as a clock id, as clock_gettime(2) has it (FD_TO_CLOCKID). */
#define PTP_CLOCK(fd) ((clockid_t)((~(unsigned)(fd) << 3) | 3))
#define PTP_MAX	      8

static bool of_the_hypervisor(int i)
{
	char path[64], name[64];

	snprintf(path, sizeof(path), "/sys/class/ptp/ptp%d/clock_name", i);
	return file_read(path, name, sizeof(name)) > 0 && !strncmp(name, "KVM virtual PTP", 15);
}

static int ptp_open(const char *page_path, struct failure *f, void **ret)
{
	char path[32];
	int i = 0, fd;

	(void)page_path;
	while (i < PTP_MAX && !of_the_hypervisor(i))
		i++;
	if (i == PTP_MAX)
		return failure_set(f, -ENODEV, "host time: no PTP clock of KVM (modprobe ptp_kvm)");
	snprintf(path, sizeof(path), "/dev/ptp%d", i);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return failure_errno(f, -errno, "host time: %s", path);
	*ret = (void *)(intptr_t)fd;
	return 0;
}

static void ptp_close(void *of)
{
	close((int)(intptr_t)of);
}

static uint64_t to_ns(const struct timespec *t)
{
	return (uint64_t)t->tv_sec * NS_PER_SEC + (uint64_t)t->tv_nsec;
}

/* Ours, the host's, ours: the tightest bracket of some. */
static int ptp_read(void *of, struct hosttime_reading *ret)
{
	struct hosttime_reading best = {.error = UINT64_MAX};

	for (int i = 0; i < TRIES; i++) {
		uint64_t before = clock_real(), after;
		struct timespec t;

		if (clock_gettime(PTP_CLOCK((int)(intptr_t)of), &t))
			return -errno;
		after = clock_real();
		if (after < before || after - before >= best.error)
			continue;
		best.error = after - before;
		best.real = before + best.error / 2;
		best.offset = (int64_t)(to_ns(&t) - best.real);
		best.mono = clock_mono();
	}
	if (best.error == UINT64_MAX)
		return -EAGAIN;
	*ret = best;
	return 0;
}

const struct hosttime_ops hosttime_ptp = {"ptp", ptp_open, ptp_close, ptp_read};

static const struct hosttime_ops *const hosttime_rows[] = {&hosttime_page, &hosttime_ptp};

int hosttime_open(const char *page_path, struct failure *f, struct hosttime *ret)
{
	int err = -ENODEV;

	for (size_t i = 0; i < ARRAY_SIZE(hosttime_rows); i++) {
		void *of;

		err = hosttime_rows[i]->open(page_path, f, &of);
		if (err)
			continue;
		*ret = (struct hosttime){hosttime_rows[i], of};
		return 0;
	}
	return err;
}

int hosttime_read(const struct hosttime *h, struct hosttime_reading *ret)
{
	return h->ops ? h->ops->read(h->of, ret) : -ENODEV;
}

void hosttime_close(struct hosttime *h)
{
	if (h->ops)
		h->ops->close(h->of);
	h->ops = NULL;
}
