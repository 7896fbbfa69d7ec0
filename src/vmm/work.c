/* SPDX-License-Identifier: MIT */
/*
 * What a vCPU's thread does for its guest without the board's lock, since it may take any time: the
 * jobs of virtio devices, a step after the other, and the serial port's output. Between two steps
 * it sees whether the machine has ended. So the lock is never held for longer than a step of
 * computation takes, and the thread that serves the user gets it, whatever a guest asks for and
 * however slow a disk is.
 */
#include "vmm/board.h"

#include "base/units.h"

#include <errno.h>
#include <poll.h>
#include <unistd.h>

static bool has_ended(const struct board *m)
{
	return __atomic_load_n(&m->end, __ATOMIC_RELAXED);
}

void board_nap(struct board *m)
{
	struct timespec moment = {.tv_nsec = (long)NS_PER_MS};

	board_unlock(m);
	ppoll(NULL, 0, &moment, NULL);
	board_lock(m);
}

/* The lock is not held. What virtio_step() returned last. */
static int run_job(const struct board *m, struct virtio *d, struct virtio_job *j)
{
	int outcome;

	do {
		outcome = virtio_step(d, j);
	} while (outcome > 0 && !has_ended(m) && !__atomic_load_n(&d->hurry, __ATOMIC_RELAXED));
	return outcome;
}

void vcpu_work(struct vcpu *v)
{
	struct board *m = v->board;
	struct virtio_job j;

	for (unsigned i = 0; i < BOARD_PLACES; i++) {
		struct virtio *d = board_virtio(m, i);

		while (d && !m->end && virtio_take(d, &j)) {
			int outcome;

			board_unlock(m);
			outcome = run_job(m, d, &j);
			board_lock(m);
			virtio_put(d, &j, outcome);
			vcpu_tell(v);
		}
	}
}

/* Another process that shares standard output may have made it non-blocking. */
static int wait_to_write(const struct board *m)
{
	struct pollfd p = {m->output, POLLOUT, 0};

	return ppoll(&p, 1, NULL, NULL) < 0 && errno != EINTR ? -errno : 0;
}

/* How many bytes were written, before a failure (*ret_err) or the end of the machine. */
static size_t write_out(const struct board *m, const uint8_t *text, size_t size, int *ret_err)
{
	size_t done = 0;
	int err = 0;

	while (done < size && !err) {
		ssize_t n = write(m->output, text + done, size - done);

		if (n >= 0)
			done += (size_t)n;
		else if (errno == EAGAIN)
			err = wait_to_write(m);
		else if (errno != EINTR)
			err = -errno;
		if (has_ended(m))
			break;
	}
	*ret_err = err;
	return done;
}

void board_flush(struct board *m, bool all)
{
	struct serial *s = &m->serial;
	size_t used = s->out_used, done;
	uint8_t text[sizeof(s->out)];
	int err;

	if (!used || (!all && used < sizeof(s->out) / 2 && s->out[used - 1] != '\n'))
		return;
	board_unlock(m);
	pthread_mutex_lock(&m->output_lock); /* what is copied first is written first */
	board_lock(m);
	used = s->out_used;
	memcpy(text, s->out, used);
	s->out_used = 0;
	board_unlock(m);
	done = write_out(m, text, used, &err);
	pthread_mutex_unlock(&m->output_lock);
	board_lock(m);
	m->output_lost += used - done;
	m->output_error = m->output_error ? m->output_error : err;
}
