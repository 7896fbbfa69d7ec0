/* SPDX-License-Identifier: MIT */
#include "screen/here.h"

#include "base/cpu.h"
#include "base/units.h"
#include "host/find.h"
#include "wire/protocol.h"

#include <unistd.h>

/* Of whom there is one only where VMs are run. */
static const char *const signs[] = {
	PROTOCOL_HOST_SOCKET,
	"/run/libvirt/libvirt-sock",
	"/run/libvirt/virtqemud-sock",
	"/etc/pve",
};

void here_look(struct here *ret)
{
	struct here h = {.has_vms = false};
	struct host_vm *vms = NULL;
	char signature[12];
	size_t n = 0;

	if (!host_find_all(&vms, &n)) {
		h.has_vms = n > 0;
		host_vms_free(vms, n);
	}
	for (size_t i = 0; i < ARRAY_SIZE(signs); i++)
		h.runs_vms |= !access(signs[i], F_OK);
	h.is_vm = cpu_hypervisor(signature) || !access("/sys/hypervisor/type", F_OK) ||
		  !access("/proc/device-tree/hypervisor", F_OK);
	*ret = h;
}

const struct subject *here_subject(const struct here *h)
{
	return h->has_vms || (h->runs_vms && !h->is_vm) ? &subject_host : &subject_guest;
}

const char *here_note(const struct here *h, bool screen)
{
	if (here_subject(h) != &subject_host)
		return NULL;
	if (!screen)
		return "this machine runs VMs: figures are of these; --guest: of its own processes";
	return h->is_vm ? "this machine runs VMs, and is one itself: V or --guest shows its own "
			  "processes"
			: NULL;
}
