/* SPDX-License-Identifier: MIT */
/* The VMs that are measured: their beginning, their readings, their end. */
#ifndef HOST_MEASURE_VMS_H
#define HOST_MEASURE_VMS_H

#include "host/measured.h"

/* Takes `vm` over in any case. Errors are those of host_ledger_add(). */
int measure_vms_add(struct measurement *m, struct host_vm *vm, struct failure *f);

/* The one in process `pid` that has not ended; NULL. */
struct measured *measure_vms_live(const struct measurement *m, pid_t pid);

/* Takes a reading. One that cannot be read keeps its last one. */
void measure_vms_read(struct measurement *m, struct measured *x);

/* The last reading becomes that of `to`. */
void measure_vms_keep(struct measured *x, enum measure_reading to);

/* Books all waits up to the readings just taken. */
void measure_vms_settle(const struct measurement *m);

/* Reads its limit again, which is several files. */
void measure_vms_limit(struct measured *x);

/* Ends the ledgers of vCPUs whose threads are gone without a word, which is looked up where one has
 * not been switched for a while. */
void measure_vms_threads(struct measurement *m, struct measured *x);

/* Takes its last reading, and gives up what it has of ours. A gap that ended by then is handed out
 * before. */
void measure_vms_end(struct measurement *m, struct measured *x);

/* Leaves nothing of the VM at position `i`. */
void measure_vms_remove(struct measurement *m, size_t i);

/* Folds the oldest of those that ended, and are `over` or not, into the sum of such, if there are
 * more than `most`. */
void measure_vms_fold(struct measurement *m, bool over, size_t most);

#endif
