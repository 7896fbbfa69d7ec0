/* SPDX-License-Identifier: MIT */
/*
 * Bytes of a file as text: UTF-8 without NUL and without a byte order mark. UTF-16 is recognized by
 * its mark or, without one, by the zeros in every other byte; what isn't UTF-8 otherwise is taken
 * byte by byte as Latin-1, which is right for the dates and figures of every 8-bit code page.
 */
#ifndef DATA_ENCODING_H
#define DATA_ENCODING_H

#include <stddef.h>

/* *ret is terminated and the caller's to free. -ENOMEM. */
int encoding_decode(const char *bytes, size_t size, char **ret, size_t *ret_size);

#endif
