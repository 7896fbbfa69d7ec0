/* SPDX-License-Identifier: MIT */
#include "enforce/guard_wire.h"

#include "base/cleanup.h"
#include "base/units.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

struct head {
	uint64_t n, n_vcpus, n_groups;
};

#define INBOX                                                                                      \
	(sizeof(struct head) + GUARD_VMS * sizeof(struct enforce_order) +                          \
	 GUARD_VCPUS * sizeof(struct host_vcpu) + GUARD_GROUPS * sizeof(struct enforce_group))

/* ---- the daemon's side ---- */

static int sent(ssize_t n)
{
	if (n >= 0)
		return 0;
	return errno == EAGAIN || errno == ENOBUFS ? -EAGAIN : -EPIPE;
}

static int send_part(int fd, const struct guard_part *p)
{
	size_t size = offsetof(struct guard_part, bytes) + p->n;

	return sent(send(fd, p, size, MSG_DONTWAIT | MSG_NOSIGNAL));
}

static size_t append(unsigned char *to, size_t at, const void *from, size_t size)
{
	if (size)
		memcpy(to + at, from, size);
	return at + size;
}

int guard_send(int fd, const struct enforce_orders *o)
{
	_cleanup_(free_ptr) unsigned char *all = NULL;
	const struct head head = {o->n, o->n_vcpus, o->n_groups};
	struct guard_part p = {.first = true};
	size_t size, done = 0;
	int err;

	if (o->n > GUARD_VMS || o->n_vcpus > GUARD_VCPUS || o->n_groups > GUARD_GROUPS)
		return -E2BIG;
	all = malloc(INBOX);
	if (!all)
		return -ENOMEM;
	size = append(all, 0, &head, sizeof(head));
	size = append(all, size, o->vms, o->n * sizeof(*o->vms));
	size = append(all, size, o->groups, o->n_groups * sizeof(*o->groups));
	size = append(all, size, o->vcpus, o->n_vcpus * sizeof(*o->vcpus));
	do {
		p.n = (uint32_t)u64_min(size - done, GUARD_PART);
		memcpy(p.bytes, all + done, p.n);
		done += p.n;
		p.last = done == size;
		err = send_part(fd, &p);
		p.first = false;
	} while (!err && !p.last);
	return err;
}

int guard_send_end(int fd)
{
	const struct guard_part bye = {.end = true};

	return sent(send(fd, &bye, offsetof(struct guard_part, bytes), MSG_NOSIGNAL));
}

/* ---- the guardian's side ---- */

int guard_inbox_new(struct guard_inbox *ret)
{
	struct guard_inbox in = {.bytes = malloc(INBOX)};

	if (!in.bytes)
		return -ENOMEM;
	*ret = in;
	return 0;
}

static bool is_good(const struct enforce_orders *o)
{
	for (size_t i = 0; i < o->n; i++) {
		const struct enforce_order *vm = &o->vms[i];

		if (vm->pid <= 1 || vm->group > o->n_groups || vm->first_vcpu > o->n_vcpus ||
		    vm->n_vcpus > o->n_vcpus - vm->first_vcpu || !(vm->rate >= 0) ||
		    !(vm->limit >= 0) || !(vm->own_limit >= 0) || !(vm->reservation >= 0))
			return false;
	}
	for (size_t i = 0; i < o->n_groups; i++)
		if (o->groups[i].parent > i || !(o->groups[i].shares > 0) ||
		    !(o->groups[i].reservation >= 0) || !(o->groups[i].limit >= 0))
			return false;
	return true;
}

static bool unpack(const struct guard_inbox *in, struct enforce_orders *ret)
{
	const unsigned char *at = in->bytes + sizeof(struct head);
	struct enforce_orders o;
	struct head head;

	if (!in->whole || in->n < sizeof(head))
		return false;
	memcpy(&head, in->bytes, sizeof(head));
	if (head.n > GUARD_VMS || head.n_vcpus > GUARD_VCPUS || head.n_groups > GUARD_GROUPS)
		return false;
	o = (struct enforce_orders){
		.n = head.n, .n_vcpus = head.n_vcpus, .n_groups = head.n_groups};
	o.vms = (const void *)at;
	at += o.n * sizeof(*o.vms);
	o.groups = (const void *)at;
	at += o.n_groups * sizeof(*o.groups);
	o.vcpus = (const void *)at;
	at += o.n_vcpus * sizeof(*o.vcpus);
	if ((size_t)(at - in->bytes) != in->n || !is_good(&o))
		return false;
	*ret = o;
	return true;
}

static bool take(struct guard_inbox *in, const struct guard_part *p, size_t size)
{
	if (p->first) {
		in->n = 0;
		in->whole = true;
	}
	in->whole &= size == offsetof(struct guard_part, bytes) + p->n && p->n <= INBOX - in->n;
	if (!in->whole)
		return p->last;
	memcpy(in->bytes + in->n, p->bytes, p->n);
	in->n += p->n;
	return p->last;
}

int guard_receive(struct guard_inbox *in, int fd, struct enforce_orders *ret)
{
	struct guard_part p;
	ssize_t n = recv(fd, &p, sizeof(p), 0);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return -EAGAIN;
	if (n <= 0)
		return -EPIPE;
	if ((size_t)n < offsetof(struct guard_part, bytes))
		return 0;
	if (p.end)
		return -EPIPE;
	if (!take(in, &p, (size_t)n))
		return 0;
	return unpack(in, ret) ? 1 : -EBADMSG;
}

static int send_outcomes(int fd, const struct guard_outcomes *m)
{
	return sent(send(fd, m, sizeof(*m), MSG_DONTWAIT | MSG_NOSIGNAL));
}

void guard_conclude(struct guard_told *of, const struct enforce_outcome *outcome)
{
	const struct enforce_outcome *was = &of->outcome;

	if (was->pid == outcome->pid && was->enforced == outcome->enforced &&
	    !strcmp(was->where, outcome->where) && !strcmp(was->how, outcome->how) &&
	    !strcmp(was->why, outcome->why))
		return;
	of->outcome = *outcome;
	of->told = false;
}

void guard_tell(int fd, struct guard_told *(*at)(void *data, size_t i), void *data, size_t n)
{
	struct guard_outcomes m = {.n = 0};
	size_t first = 0;

	for (size_t i = 0; i <= n; i++) {
		if (m.n == GUARD_OUTCOMES || (i == n && m.n)) {
			if (send_outcomes(fd, &m))
				return;
			for (; first < i; first++)
				at(data, first)->told = true;
			m.n = 0;
		}
		if (i < n && !at(data, i)->told)
			m.outcomes[m.n++] = at(data, i)->outcome;
	}
}
