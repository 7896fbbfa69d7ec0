/* SPDX-License-Identifier: MIT */
/* What deschedd keeps of its privileges while it runs (service/confine.h). */
#ifndef DESCHEDD_HOST_ALLOWED_H
#define DESCHEDD_HOST_ALLOWED_H

#include "service/confine.h"

/* CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH, as far as it has them: to see which threads of another
 * user's process are vCPUs, and to take the file of a page from it. */
void host_allowed(struct confine *ret);

#endif
