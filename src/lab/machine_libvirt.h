/* SPDX-License-Identifier: MIT */
/*
 * A machine that is a domain of libvirt, made by the `virsh` in PATH on the connection that it
 * takes by itself (LIBVIRT_DEFAULT_URI). It is transient and made with --autodestroy: libvirt ends
 * it when that virsh ends, which the kernel sees to when the lab ends.
 */
#ifndef LAB_MACHINE_LIBVIRT_H
#define LAB_MACHINE_LIBVIRT_H

#include "lab/machine.h"

extern const struct machine_kind machine_libvirt;

#endif
