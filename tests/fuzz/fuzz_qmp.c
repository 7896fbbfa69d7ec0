/* SPDX-License-Identifier: MIT */
/*
 * The QMP client, with a peer that says whatever the input holds and then hangs up. The first byte
 * chooses how far the conversation has come: 0 nothing yet; otherwise the greeting is over and the
 * input answers query-cpus-fast, with id 1.
 */
#include "../../src/host/qmp.c" /* for next_id: otherwise no answer would ever be the awaited one */

#include "fuzz.h"

#include "host/find.h"

#include <fcntl.h>

#define TIMEOUT (10 * NS_PER_SEC) /* never reached: the peer hangs up */

/* What fits into the socket at once; no more is read by the client than what came. */
static void put_bytes(int fd, const uint8_t *data, size_t size)
{
	while (size) {
		ssize_t n = send(fd, data, size, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n <= 0)
			break;
		data += n;
		size -= (size_t)n;
	}
	shutdown(fd, SHUT_WR);
}

static void check_vm(const struct host_vm *vm)
{
	CHECK(vm->pid == getpid() && vm->n_vcpus > 0 && vm->n_vcpus <= HOST_VCPUS_MAX);
	for (uint32_t i = 0; i < vm->n_vcpus; i++) {
		CHECK(vm->vcpus[i].tid > 0 && vm->vcpus[i].index < HOST_VCPUS_MAX);
		CHECK(!i || vm->vcpus[i - 1].index < vm->vcpus[i].index);
	}
}

static void fuzz_open(int fd)
{
	struct failure f = {""};
	struct qmp *q = NULL;
	int err = qmp_open(fd, TIMEOUT, &f, &q);

	/* Nobody can guess the id of qmp_capabilities: no input opens the connection. */
	CHECK(err && err != -ETIMEDOUT && !q);
	CHECK(f.text[0] && !strpbrk(f.text, "\n\x1b"));
}

static void fuzz_cpus(int fd)
{
	struct failure f = {""};
	struct host_vm vm;
	struct qmp *q;
	int err;

	if (qmp_resume(fd, &q))
		return;
	q->next_id = 0;
	err = host_find_qmp_on(q, getpid(), TIMEOUT, &f, &vm);
	CHECK(err <= 0 && err != -ETIMEDOUT);
	CHECK(!err || (f.text[0] && !strpbrk(f.text, "\n\x1b")));
	if (!err) {
		check_vm(&vm);
		host_vm_done(&vm);
	}
	qmp_close(q);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int fds[2];

	if (!size || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds))
		return 0;
	put_bytes(fds[1], data + 1, size - 1);
	(data[0] ? fuzz_cpus : fuzz_open)(fds[0]);
	close(fds[0]);
	close(fds[1]);
	return 0;
}
