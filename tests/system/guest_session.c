/* SPDX-License-Identifier: MIT */
/* guest_session: a program for VMware's guest API in a guest. "SESSION id elapsed stolen" a
 * second. */
#include "../unit/vmGuestLib.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

int main(void)
{
	VMGuestLibHandle handle;

	if (VMGuestLib_OpenHandle(&handle))
		return 1;
	for (;; sleep(1)) {
		VMSessionId session;
		uint64_t elapsed, stolen;
		VMGuestLibError err = VMGuestLib_UpdateInfo(handle);

		if (!err)
			err = VMGuestLib_GetSessionId(handle, &session);
		if (!err)
			err = VMGuestLib_GetElapsedMs(handle, &elapsed);
		if (!err)
			err = VMGuestLib_GetCpuStolenMs(handle, &stolen);
		if (err)
			printf("SESSION %s\n", VMGuestLib_GetErrorText(err));
		else
			printf("SESSION %" PRIu64 " %" PRIu64 " %" PRIu64 "\n", (uint64_t)session,
			       elapsed, stolen);
		fflush(stdout);
	}
}
