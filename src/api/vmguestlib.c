/* SPDX-License-Identifier: MIT */
/*
 * libvmGuestLib.so.0: VMware's guest API, answered by vmdesched.
 *
 * A program opens a handle, calls UpdateInfo, which takes one snapshot, and asks for single figures
 * of it. A figure that this host does not tell is NOT_AVAILABLE, one that desched never has is
 * UNSUPPORTED_VERSION; none is made up. CPU times are sums over the vCPUs since the daemon's start,
 * and the session id changes whenever they begin anew or the host is another.
 */
#include "api/vmguestlib.h"

#include "base/cpu.h"

#include <errno.h>
#include <stdlib.h>

#define HANDLE_MAGIC UINT64_C(0x64736368676c6962)

struct vmguestlib_handle {
	uint64_t magic;
	struct desched *connection;	   /* NULL: none yet */
	struct desched_snapshot *snapshot; /* NULL: no info */
};

static bool valid(VMGuestLibHandle h)
{
	return h && h->magic == HANDLE_MAGIC;
}

/* Is there anything that could ever answer? Without a daemon the CPU is asked. */
static bool in_vm(void)
{
	struct desched *connection;
	char signature[12];

	if (cpu_hypervisor(signature))
		return true;
	if (desched_connect(NULL, &connection))
		return false;
	desched_close(connection);
	return true;
}

VMGuestLibError VMGuestLib_OpenHandle(VMGuestLibHandle *ret)
{
	VMGuestLibHandle h;

	if (!ret)
		return VMGUESTLIB_ERROR_INVALID_ARG;
	if (!in_vm())
		return VMGUESTLIB_ERROR_NOT_RUNNING_IN_VM;
	h = calloc(1, sizeof(*h));
	if (!h)
		return VMGUESTLIB_ERROR_MEMORY;
	h->magic = HANDLE_MAGIC;
	*ret = h;
	return VMGUESTLIB_ERROR_SUCCESS;
}

VMGuestLibError VMGuestLib_CloseHandle(VMGuestLibHandle h)
{
	if (!valid(h))
		return VMGUESTLIB_ERROR_INVALID_HANDLE;
	desched_snapshot_free(h->snapshot);
	desched_close(h->connection);
	h->magic = 0;
	free(h);
	return VMGUESTLIB_ERROR_SUCCESS;
}

static VMGuestLibError update_error(int err)
{
	switch (err) {
	case 0:
		return VMGUESTLIB_ERROR_SUCCESS;
	case -ENOMEM:
		return VMGUESTLIB_ERROR_MEMORY;
	case -ENOENT:
	case -ECONNREFUSED:
	case -EACCES:
		return VMGUESTLIB_ERROR_NOT_ENABLED; /* no daemon, or not for us */
	case -EPROTO:
		return VMGUESTLIB_ERROR_UNSUPPORTED_VERSION;
	default:
		return VMGUESTLIB_ERROR_OTHER;
	}
}

/* On failure there is no info: yesterday's figures are not taken for today's. */
VMGuestLibError VMGuestLib_UpdateInfo(VMGuestLibHandle h)
{
	int err = 0;

	if (!valid(h))
		return VMGUESTLIB_ERROR_INVALID_HANDLE;
	h->snapshot = desched_snapshot_free(h->snapshot);
	if (!h->connection)
		err = desched_connect(NULL, &h->connection);
	if (!err)
		err = desched_read(h->connection, &h->snapshot);
	return update_error(err);
}

static VMGuestLibError check(VMGuestLibHandle h, const void *ret)
{
	if (!valid(h))
		return VMGUESTLIB_ERROR_INVALID_HANDLE;
	if (!ret)
		return VMGUESTLIB_ERROR_INVALID_ARG;
	return h->snapshot ? VMGUESTLIB_ERROR_SUCCESS : VMGUESTLIB_ERROR_NO_INFO;
}

/* A figure that does not fit its type is not available rather than cut. */
static VMGuestLibError get(VMGuestLibHandle h, const void *ret, enum desched_figure which,
			   uint64_t unit, uint64_t max, uint64_t *ret_figure)
{
	VMGuestLibError error = check(h, ret);
	uint64_t figure;

	if (error)
		return error;
	if (desched_figure(h->snapshot, which, &figure) || figure / unit > max)
		return VMGUESTLIB_ERROR_NOT_AVAILABLE;
	*ret_figure = figure / unit;
	return VMGUESTLIB_ERROR_SUCCESS;
}

#define DEFINE_FIGURE(name, type, which, unit)                                                     \
	VMGuestLibError VMGuestLib_Get##name(VMGuestLibHandle h, type *ret)                        \
	{                                                                                          \
		uint64_t figure;                                                                   \
		VMGuestLibError error = get(h, ret, which, unit, (type)-1, &figure);               \
                                                                                                   \
		if (!error)                                                                        \
			*ret = (type)figure;                                                       \
		return error;                                                                      \
	}
VMGUESTLIB_FIGURES(DEFINE_FIGURE)

#define DEFINE_UNKNOWN(name, type)                                                                 \
	VMGuestLibError VMGuestLib_Get##name(VMGuestLibHandle h, type *ret)                        \
	{                                                                                          \
		VMGuestLibError error = check(h, ret);                                             \
                                                                                                   \
		return error ? error : VMGUESTLIB_ERROR_UNSUPPORTED_VERSION;                       \
	}
VMGUESTLIB_UNKNOWN(DEFINE_UNKNOWN)

VMGuestLibError VMGuestLib_GetSessionId(VMGuestLibHandle h, VMSessionId *ret)
{
	uint64_t session;
	VMGuestLibError error = get(h, ret, DESCHED_SESSION, 1, UINT64_MAX, &session);

	if (!error)
		*ret = session;
	return error;
}

VMGuestLibError VMGuestLib_GetResourcePoolPath(VMGuestLibHandle h, size_t *size, char *path)
{
	VMGuestLibError error = check(h, size);

	(void)path;
	return error ? error : VMGUESTLIB_ERROR_UNSUPPORTED_VERSION;
}

const char *VMGuestLib_GetErrorText(VMGuestLibError error)
{
	static const char *const texts[VMGUESTLIB_ERRORS] = {
		[VMGUESTLIB_ERROR_SUCCESS] = "No error",
		[VMGUESTLIB_ERROR_OTHER] = "Other error",
		[VMGUESTLIB_ERROR_NOT_RUNNING_IN_VM] = "Not running in a virtual machine",
		[VMGUESTLIB_ERROR_NOT_ENABLED] = "Not enabled: vmdesched does not answer",
		[VMGUESTLIB_ERROR_NOT_AVAILABLE] = "Not told by this host",
		[VMGUESTLIB_ERROR_NO_INFO] = "No information yet: call VMGuestLib_UpdateInfo",
		[VMGUESTLIB_ERROR_MEMORY] = "Not enough memory",
		[VMGUESTLIB_ERROR_BUFFER_TOO_SMALL] = "Buffer too small",
		[VMGUESTLIB_ERROR_INVALID_HANDLE] = "Invalid handle",
		[VMGUESTLIB_ERROR_INVALID_ARG] = "Invalid argument",
		[VMGUESTLIB_ERROR_UNSUPPORTED_VERSION] = "Not supported by this version",
	};

	return error >= 0 && error < VMGUESTLIB_ERRORS ? texts[error] : "Unknown error";
}
