/* SPDX-License-Identifier: MIT */
#include "vmm/output.h"

#include <errno.h>
#include <poll.h>
#include <unistd.h>

/* Another process that shares standard output may have made it non-blocking. */
static int wait_to_write(const struct machine *m)
{
	struct pollfd p = {m->output, POLLOUT, 0};

	return ppoll(&p, 1, NULL, NULL) < 0 && errno != EINTR ? -errno : 0;
}

/* How many bytes were written, before a failure (*ret_err) or the end of the machine. */
static size_t write_out(const struct machine *m, const uint8_t *text, size_t size, int *ret_err)
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
		if (machine_has_ended(m))
			break;
	}
	*ret_err = err;
	return done;
}

void output_flush(struct machine *m, bool all)
{
	struct serial *s = &m->board.serial;
	size_t used = s->out_used, done;
	uint8_t text[sizeof(s->out)];
	int err;

	if (!used || (!all && used < sizeof(s->out) / 2 && s->out[used - 1] != '\n'))
		return;
	machine_unlock(m);
	pthread_mutex_lock(&m->output_lock); /* what is copied first is written first */
	machine_lock(m);
	used = s->out_used;
	memcpy(text, s->out, used);
	s->out_used = 0;
	machine_unlock(m);
	done = write_out(m, text, used, &err);
	pthread_mutex_unlock(&m->output_lock);
	machine_lock(m);
	m->output_lost += used - done;
	m->output_error = m->output_error ? m->output_error : err;
}
