/* SPDX-License-Identifier: MIT */
/*
 * A netlink message is a header, a generic netlink header, and attributes; the answer about a task
 * is an attribute that holds two, of which one is the struct.
 */
#include "taskstats.h"

#include "base/cleanup.h"

#include <linux/genetlink.h>
#include <linux/netlink.h>
#include <linux/taskstats.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct message {
	struct nlmsghdr head;
	struct genlmsghdr generic;
	_Alignas(NLA_ALIGNTO) char attributes[2048];
};

#define HEADS offsetof(struct message, attributes)

/* The first attribute of this type among `size` bytes, and how long its value is. */
static const void *find(const char *at, size_t size, uint16_t type, size_t *ret_size)
{
	while (size >= NLA_HDRLEN) {
		struct nlattr a;
		size_t step;

		memcpy(&a, at, sizeof(a));
		if (a.nla_len < NLA_HDRLEN || a.nla_len > size)
			break;
		if ((a.nla_type & NLA_TYPE_MASK) == type) {
			*ret_size = a.nla_len - (size_t)NLA_HDRLEN;
			return at + NLA_HDRLEN;
		}
		step = NLA_ALIGN((size_t)a.nla_len);
		if (step > size)
			break;
		at += step;
		size -= step;
	}
	return NULL;
}

/* One attribute there, the whole answer back: the size of its attributes, 0 for none. */
static size_t ask(int fd, uint16_t family, uint8_t command, uint16_t type, const void *value,
		  size_t size, struct message *m)
{
	struct nlattr a = {(uint16_t)(NLA_HDRLEN + size), type};
	ssize_t n;

	*m = (struct message){.head = {.nlmsg_len = (uint32_t)(HEADS + NLA_ALIGN(a.nla_len)),
				       .nlmsg_type = family,
				       .nlmsg_flags = NLM_F_REQUEST},
			      .generic = {.cmd = command, .version = 1}};
	memcpy(m->attributes, &a, sizeof(a));
	memcpy(m->attributes + NLA_HDRLEN, value, size);
	if (send(fd, m, m->head.nlmsg_len, 0) < 0)
		return 0;
	n = recv(fd, m, sizeof(*m), 0);
	if (n < (ssize_t)HEADS || m->head.nlmsg_type == NLMSG_ERROR)
		return 0;
	return (size_t)n - HEADS;
}

static uint16_t family_of(int fd, struct message *m)
{
	size_t n = ask(fd, GENL_ID_CTRL, CTRL_CMD_GETFAMILY, CTRL_ATTR_FAMILY_NAME,
		       TASKSTATS_GENL_NAME, sizeof(TASKSTATS_GENL_NAME), m);
	const void *id = find(m->attributes, n, CTRL_ATTR_FAMILY_ID, &n);
	uint16_t family = 0;

	if (id && n == sizeof(family))
		memcpy(&family, id, n);
	return family;
}

uint64_t taskstats_ticks_ns(pid_t tid)
{
	_cleanup_(close_fd) int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_GENERIC);
	struct taskstats stats = {.cpu_run_real_total = 0};
	uint32_t id = (uint32_t)tid;
	struct message m;
	uint16_t family = fd < 0 ? 0 : family_of(fd, &m);
	const char *both, *one;
	size_t n;

	if (!family)
		return 0;
	n = ask(fd, family, TASKSTATS_CMD_GET, TASKSTATS_CMD_ATTR_PID, &id, sizeof(id), &m);
	both = find(m.attributes, n, TASKSTATS_TYPE_AGGR_PID, &n);
	one = both ? find(both, n, TASKSTATS_TYPE_STATS, &n) : NULL;
	if (one)
		memcpy(&stats, one, n < sizeof(stats) ? n : sizeof(stats));
	return stats.cpu_run_real_total;
}
