/* SPDX-License-Identifier: MIT */
#include "lab/pages.h"

#include "base/clock.h"
#include "base/units.h"
#include "host/publish.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

struct pages {
	struct host_ledger *ledger;
	struct publisher *publisher;
	pthread_mutex_t lock; /* of both: one thread at a time may use them */
	pthread_t thread;
	atomic_bool stop;
};

static void *publish(void *data)
{
	struct pages *p = data;
	uint64_t next = clock_mono();

	while (!atomic_load(&p->stop)) {
		struct timespec t;

		pthread_mutex_lock(&p->lock);
		publisher_tick(p->publisher);
		pthread_mutex_unlock(&p->lock);
		next = u64_max(next + PUBLISH_INTERVAL_NS,
			       clock_mono()); /* what is late is not made up */
		t.tv_sec = (time_t)(next / NS_PER_SEC);
		t.tv_nsec = (long)(next % NS_PER_SEC);
		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);
	}
	return NULL;
}

static int start(struct pages *p, struct failure *f)
{
	int err = host_ledger_open(NULL, f, &p->ledger);

	if (err)
		return err;
	err = publisher_new(p->ledger, &p->publisher);
	if (err)
		return failure_errno(f, err, "publishing pages");
	err = pthread_create(&p->thread, NULL, publish, p);
	if (err)
		return failure_errno(f, -err, "a thread to publish pages");
	return 0;
}

int pages_open(struct failure *f, struct pages **ret)
{
	struct pages *p = calloc(1, sizeof(*p));
	int err;

	if (!p)
		return -ENOMEM;
	pthread_mutex_init(&p->lock, NULL);
	err = start(p, f);
	if (err) {
		publisher_free(p->publisher);
		host_ledger_close(p->ledger);
		free(p);
		return err;
	}
	*ret = p;
	return 0;
}

struct pages *pages_close(struct pages *p)
{
	if (!p)
		return NULL;
	atomic_store(&p->stop, true);
	pthread_join(p->thread, NULL);
	publisher_free(p->publisher);
	host_ledger_close(p->ledger);
	pthread_mutex_destroy(&p->lock);
	free(p);
	return NULL;
}

const char *pages_source(const struct pages *p)
{
	return host_ledger_source(p->ledger);
}

bool pages_have_gaps(const struct pages *p)
{
	return host_ledger_has_gaps(p->ledger);
}

size_t pages_size(unsigned vcpus)
{
	struct host_vm vm = {.n_vcpus = vcpus};

	return publisher_page_size(&vm);
}

int pages_add(struct pages *p, const struct host_vm *vm, void *base, size_t size, struct failure *f,
	      int *ret_id)
{
	int err;

	pthread_mutex_lock(&p->lock);
	err = publisher_add(p->publisher, vm, base, size, f, ret_id);
	pthread_mutex_unlock(&p->lock);
	return err;
}

int pages_stream(struct pages *p, int id, const struct host_vm *vm, int fd)
{
	int err;

	pthread_mutex_lock(&p->lock);
	err = publisher_stream(p->publisher, vm, id, fd);
	pthread_mutex_unlock(&p->lock);
	return err;
}

void pages_remove(struct pages *p, int id)
{
	pthread_mutex_lock(&p->lock);
	publisher_remove(p->publisher, id);
	pthread_mutex_unlock(&p->lock);
}

int pages_ledger(struct pages *p, int id, uint32_t vcpu, struct ledger *ret)
{
	int err;

	pthread_mutex_lock(&p->lock);
	err = host_ledger_read(p->ledger, id, vcpu, ret);
	pthread_mutex_unlock(&p->lock);
	return err;
}

void pages_counters(struct pages *p, struct host_ledger_counters *ret)
{
	pthread_mutex_lock(&p->lock);
	host_ledger_counters(p->ledger, ret);
	pthread_mutex_unlock(&p->lock);
}
