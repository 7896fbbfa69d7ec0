/* SPDX-License-Identifier: MIT */
/* Prototypes of VMware's guest API as its programming guide describes them, for the test alone:
 * what a program was compiled against that has never heard of desched. */
#ifndef TESTS_VMGUESTLIB_H
#define TESTS_VMGUESTLIB_H

#include <stddef.h>
#include <stdint.h>

typedef enum {
	VMGUESTLIB_ERROR_SUCCESS = 0,
	VMGUESTLIB_ERROR_OTHER = 1,
	VMGUESTLIB_ERROR_NOT_RUNNING_IN_VM = 2,
	VMGUESTLIB_ERROR_NOT_ENABLED = 3,
	VMGUESTLIB_ERROR_NOT_AVAILABLE = 4,
	VMGUESTLIB_ERROR_NO_INFO = 5,
	VMGUESTLIB_ERROR_MEMORY = 6,
	VMGUESTLIB_ERROR_BUFFER_TOO_SMALL = 7,
	VMGUESTLIB_ERROR_INVALID_HANDLE = 8,
	VMGUESTLIB_ERROR_INVALID_ARG = 9,
	VMGUESTLIB_ERROR_UNSUPPORTED_VERSION = 10,
} VMGuestLibError;

typedef uint64_t VMSessionId;
typedef void *VMGuestLibHandle;

const char *VMGuestLib_GetErrorText(VMGuestLibError error);
VMGuestLibError VMGuestLib_OpenHandle(VMGuestLibHandle *handle);
VMGuestLibError VMGuestLib_CloseHandle(VMGuestLibHandle handle);
VMGuestLibError VMGuestLib_UpdateInfo(VMGuestLibHandle handle);
VMGuestLibError VMGuestLib_GetSessionId(VMGuestLibHandle handle, VMSessionId *id);
VMGuestLibError VMGuestLib_GetCpuReservationMHz(VMGuestLibHandle handle, uint32_t *mhz);
VMGuestLibError VMGuestLib_GetCpuLimitMHz(VMGuestLibHandle handle, uint32_t *mhz);
VMGuestLibError VMGuestLib_GetCpuShares(VMGuestLibHandle handle, uint32_t *shares);
VMGuestLibError VMGuestLib_GetCpuUsedMs(VMGuestLibHandle handle, uint64_t *ms);
VMGuestLibError VMGuestLib_GetCpuStolenMs(VMGuestLibHandle handle, uint64_t *ms);
VMGuestLibError VMGuestLib_GetElapsedMs(VMGuestLibHandle handle, uint64_t *ms);
VMGuestLibError VMGuestLib_GetHostProcessorSpeed(VMGuestLibHandle handle, uint32_t *mhz);
VMGuestLibError VMGuestLib_GetMemReservationMB(VMGuestLibHandle handle, uint32_t *mb);
VMGuestLibError VMGuestLib_GetMemLimitMB(VMGuestLibHandle handle, uint32_t *mb);
VMGuestLibError VMGuestLib_GetMemShares(VMGuestLibHandle handle, uint32_t *shares);
VMGuestLibError VMGuestLib_GetMemShares64(VMGuestLibHandle handle, uint64_t *shares);
VMGuestLibError VMGuestLib_GetMemMappedMB(VMGuestLibHandle handle, uint32_t *mb);
VMGuestLibError VMGuestLib_GetMemActiveMB(VMGuestLibHandle handle, uint32_t *mb);
VMGuestLibError VMGuestLib_GetMemOverheadMB(VMGuestLibHandle handle, uint32_t *mb);
VMGuestLibError VMGuestLib_GetMemBalloonedMB(VMGuestLibHandle handle, uint32_t *mb);
VMGuestLibError VMGuestLib_GetMemSwappedMB(VMGuestLibHandle handle, uint32_t *mb);
VMGuestLibError VMGuestLib_GetMemSharedMB(VMGuestLibHandle handle, uint32_t *mb);
VMGuestLibError VMGuestLib_GetMemSharedSavedMB(VMGuestLibHandle handle, uint32_t *mb);
VMGuestLibError VMGuestLib_GetMemUsedMB(VMGuestLibHandle handle, uint32_t *mb);
VMGuestLibError VMGuestLib_GetMemTargetSizeMB(VMGuestLibHandle handle, uint64_t *mb);
VMGuestLibError VMGuestLib_GetResourcePoolPath(VMGuestLibHandle handle, size_t *size, char *path);
VMGuestLibError VMGuestLib_GetHostNumCpuCores(VMGuestLibHandle handle, uint32_t *cores);
VMGuestLibError VMGuestLib_GetHostCpuUsedMs(VMGuestLibHandle handle, uint64_t *ms);
VMGuestLibError VMGuestLib_GetHostMemSwappedMB(VMGuestLibHandle handle, uint64_t *mb);
VMGuestLibError VMGuestLib_GetHostMemSharedMB(VMGuestLibHandle handle, uint64_t *mb);
VMGuestLibError VMGuestLib_GetHostMemUsedMB(VMGuestLibHandle handle, uint64_t *mb);
VMGuestLibError VMGuestLib_GetHostMemPhysMB(VMGuestLibHandle handle, uint64_t *mb);
VMGuestLibError VMGuestLib_GetHostMemPhysFreeMB(VMGuestLibHandle handle, uint64_t *mb);
VMGuestLibError VMGuestLib_GetHostMemKernOvhdMB(VMGuestLibHandle handle, uint64_t *mb);
VMGuestLibError VMGuestLib_GetHostMemMappedMB(VMGuestLibHandle handle, uint64_t *mb);
VMGuestLibError VMGuestLib_GetHostMemUnmappedMB(VMGuestLibHandle handle, uint64_t *mb);

#endif
