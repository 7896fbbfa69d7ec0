/* SPDX-License-Identifier: MIT */
/*
 * VMDesched's port (vmdesched(7)), as a program in a guest gets it: where nobody else has it, with
 * CAP_SYS_RAWIO, and only if it answers as it should. Elsewhere than on x86-64 there is none.
 */
#ifndef GUEST_IOPORT_H
#define GUEST_IOPORT_H

#include <stdbool.h>
#include <stdint.h>

/* Nobody has it, by the text of /proc/ioports. Windows of a PCI bus hold ports that nobody has to
 * have. */
bool ioport_is_free(const char *ioports);

/* The same by the file below `root`; false if it cannot be read. */
bool ioport_is_free_in(const char *root);

/* Call when it is free. -ENODEV: it is none of VMDesched's; -EPERM and the like. */
int ioport_open(void);
void ioport_close(void);

/* While it is open. */
uint8_t ioport_read_byte(uint16_t port);
uint32_t ioport_read(uint16_t port);

#endif
