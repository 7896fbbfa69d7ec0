/* SPDX-License-Identifier: MIT */
/*
 * The binary interface of VMware's guest API, as its public programming guide tells it: names,
 * types and numbers of errors. Programs come with their own header; this one is for vmguestlib.c
 * alone.
 */
#ifndef API_VMGUESTLIB_H
#define API_VMGUESTLIB_H

#include <desched/desched.h>

typedef int VMGuestLibError;			    /* an enum there */
typedef struct vmguestlib_handle *VMGuestLibHandle; /* opaque there */
typedef uint64_t VMSessionId;

enum vmguestlib_error {
	VMGUESTLIB_ERROR_SUCCESS,
	VMGUESTLIB_ERROR_OTHER,
	VMGUESTLIB_ERROR_NOT_RUNNING_IN_VM,
	VMGUESTLIB_ERROR_NOT_ENABLED,
	VMGUESTLIB_ERROR_NOT_AVAILABLE,
	VMGUESTLIB_ERROR_NO_INFO,
	VMGUESTLIB_ERROR_MEMORY,
	VMGUESTLIB_ERROR_BUFFER_TOO_SMALL,
	VMGUESTLIB_ERROR_INVALID_HANDLE,
	VMGUESTLIB_ERROR_INVALID_ARG,
	VMGUESTLIB_ERROR_UNSUPPORTED_VERSION,
	VMGUESTLIB_ERRORS,
};

#define VMGUESTLIB_MB  (UINT64_C(1) << 20)
#define VMGUESTLIB_MHZ UINT64_C(1000000)
#define VMGUESTLIB_MS  UINT64_C(1000000) /* ns */

/* What desched can tell: the function's name behind VMGuestLib_Get, its type, figure and unit. */
#define VMGUESTLIB_FIGURES(ROW)                                                                    \
	ROW(CpuReservationMHz, uint32_t, DESCHED_CPU_RESERVATION_HZ, VMGUESTLIB_MHZ)               \
	ROW(CpuLimitMHz, uint32_t, DESCHED_CPU_LIMIT_HZ, VMGUESTLIB_MHZ)                           \
	ROW(CpuShares, uint32_t, DESCHED_CPU_SHARES, 1)                                            \
	ROW(CpuUsedMs, uint64_t, DESCHED_CPU_USED_NS, VMGUESTLIB_MS)                               \
	ROW(CpuStolenMs, uint64_t, DESCHED_CPU_STOLEN_NS, VMGUESTLIB_MS)                           \
	ROW(ElapsedMs, uint64_t, DESCHED_ELAPSED_NS, VMGUESTLIB_MS)                                \
	ROW(HostProcessorSpeed, uint32_t, DESCHED_CPU_SPEED_HZ, VMGUESTLIB_MHZ)                    \
	ROW(MemReservationMB, uint32_t, DESCHED_MEM_RESERVATION, VMGUESTLIB_MB)                    \
	ROW(MemBalloonedMB, uint32_t, DESCHED_MEM_BALLOONED, VMGUESTLIB_MB)                        \
	ROW(MemSwappedMB, uint32_t, DESCHED_MEM_SWAPPED, VMGUESTLIB_MB)                            \
	ROW(MemSharedMB, uint32_t, DESCHED_MEM_SHARED, VMGUESTLIB_MB)                              \
	ROW(MemUsedMB, uint32_t, DESCHED_MEM_USED, VMGUESTLIB_MB)

/* What no host tells through desched: UNSUPPORTED_VERSION, "not supported by this host". */
#define VMGUESTLIB_UNKNOWN(ROW)                                                                    \
	ROW(MemLimitMB, uint32_t)                                                                  \
	ROW(MemShares, uint32_t)                                                                   \
	ROW(MemShares64, uint64_t)                                                                 \
	ROW(MemMappedMB, uint32_t)                                                                 \
	ROW(MemActiveMB, uint32_t)                                                                 \
	ROW(MemOverheadMB, uint32_t)                                                               \
	ROW(MemSharedSavedMB, uint32_t)                                                            \
	ROW(MemTargetSizeMB, uint64_t)                                                             \
	ROW(HostNumCpuCores, uint32_t)                                                             \
	ROW(HostCpuUsedMs, uint64_t)                                                               \
	ROW(HostMemSwappedMB, uint64_t)                                                            \
	ROW(HostMemSharedMB, uint64_t)                                                             \
	ROW(HostMemUsedMB, uint64_t)                                                               \
	ROW(HostMemPhysMB, uint64_t)                                                               \
	ROW(HostMemPhysFreeMB, uint64_t)                                                           \
	ROW(HostMemKernOvhdMB, uint64_t)                                                           \
	ROW(HostMemMappedMB, uint64_t)                                                             \
	ROW(HostMemUnmappedMB, uint64_t)

#define VMGUESTLIB_DECLARE(name, type, ...)                                                        \
	VMGuestLibError VMGuestLib_Get##name(VMGuestLibHandle handle, type *ret);

VMGuestLibError VMGuestLib_OpenHandle(VMGuestLibHandle *ret);
VMGuestLibError VMGuestLib_CloseHandle(VMGuestLibHandle handle);
VMGuestLibError VMGuestLib_UpdateInfo(VMGuestLibHandle handle);
VMGuestLibError VMGuestLib_GetSessionId(VMGuestLibHandle handle, VMSessionId *ret);
VMGuestLibError VMGuestLib_GetResourcePoolPath(VMGuestLibHandle handle, size_t *size, char *path);
const char *VMGuestLib_GetErrorText(VMGuestLibError error);
VMGUESTLIB_FIGURES(VMGUESTLIB_DECLARE)
VMGUESTLIB_UNKNOWN(VMGUESTLIB_DECLARE)

#endif
