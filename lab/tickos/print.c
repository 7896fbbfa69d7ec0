/* SPDX-License-Identifier: MIT */
/* Text on the serial port. */
#include "tickos.h"

void print(const char *text)
{
	for (; *text; text++)
		out8(SERIAL, (uint8_t)*text);
}

void print_number(uint64_t n)
{
	char text[21];
	char *p = text + sizeof(text) - 1;

	*p = '\0';
	do {
		*--p = (char)('0' + n % 10);
		n /= 10;
	} while (n);
	print(p);
}

void print_field(const char *name, uint64_t n)
{
	print(" ");
	print(name);
	print("=");
	print_number(n);
}
