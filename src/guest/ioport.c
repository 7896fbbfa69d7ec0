/* SPDX-License-Identifier: MIT */
#include "guest/ioport.h"

#include "base/cleanup.h"
#include "base/proc.h"

#include <desched/vmdesched.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_MAX 65536 /* bytes of /proc/ioports that are looked at */

#ifdef __x86_64__
#include <sys/io.h>
#else
static int ioperm(unsigned long from, unsigned long n, int on)
{
	(void)from, (void)n, (void)on;
	return errno = ENODEV, -1;
}
static uint8_t inb(uint16_t port)
{
	return (uint8_t)(port | UINT8_MAX);
}
static uint32_t inl(uint16_t port)
{
	return port | UINT32_MAX;
}
#endif

bool ioport_is_free(const char *ioports)
{
	for (const char *line = ioports; line && *line; line = strchr(line, '\n')) {
		unsigned first, last;
		char name[16] = "";

		line += *line == '\n';
		if (sscanf(line, " %x-%x : %15[^\n]", &first, &last, name) >= 2 &&
		    first < VMDESCHED_PORT + VMDESCHED_PORTS && last >= VMDESCHED_PORT &&
		    strncmp(name, "PCI Bus", 7) != 0)
			return false;
	}
	return true;
}

bool ioport_is_free_in(const char *root)
{
	_cleanup_(free_ptr) char *text = malloc(TEXT_MAX);
	char path[512];

	snprintf(path, sizeof(path), "%s/proc/ioports", root);
	return text && file_read(path, text, TEXT_MAX) >= 0 && ioport_is_free(text);
}

int ioport_open(void)
{
	if (ioperm(VMDESCHED_PORT, VMDESCHED_PORTS, 1))
		return -errno;
	if (inl(VMDESCHED_PORT) == VMDESCHED_MAGIC)
		return 0;
	ioport_close();
	return -ENODEV;
}

void ioport_close(void)
{
	ioperm(VMDESCHED_PORT, VMDESCHED_PORTS, 0);
}

uint8_t ioport_read_byte(uint16_t port)
{
	return inb(port);
}

uint32_t ioport_read(uint16_t port)
{
	return inl(port);
}
