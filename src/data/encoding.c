/* SPDX-License-Identifier: MIT */
#include "data/encoding.h"

#include "base/text.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define SNIFF 512 /* bytes that tell UTF-16 without a mark */

enum order { ORDER_NONE, ORDER_LITTLE, ORDER_BIG };

/* ---- UTF-16 ---- */

/* Text of this kind is mostly ASCII: nearly every second byte is 0, and hardly any other. */
static enum order guess(const unsigned char *b, size_t size)
{
	size_t zeros[2] = {0, 0}, n = (size < SNIFF ? size : SNIFF) / 2;

	for (size_t i = 0; i < 2 * n; i++)
		zeros[i % 2] += !b[i];
	if (n < 4)
		return ORDER_NONE;
	if (zeros[1] * 4 >= n * 3 && !zeros[0])
		return ORDER_LITTLE;
	return zeros[0] * 4 >= n * 3 && !zeros[1] ? ORDER_BIG : ORDER_NONE;
}

static enum order order_of(const unsigned char *b, size_t size)
{
	if (size >= 2 && b[0] == 0xff && b[1] == 0xfe)
		return ORDER_LITTLE;
	if (size >= 2 && b[0] == 0xfe && b[1] == 0xff)
		return ORDER_BIG;
	return guess(b, size);
}

static uint32_t unit(const unsigned char *b, enum order order)
{
	return order == ORDER_LITTLE ? b[0] | (uint32_t)b[1] << 8 : b[1] | (uint32_t)b[0] << 8;
}

static size_t decode_utf16(const unsigned char *b, size_t size, enum order order, char *to)
{
	size_t used = 0;

	for (size_t i = 0; i + 1 < size; i += 2) {
		uint32_t ch = unit(b + i, order), low;

		if (ch >= 0xd800 && ch < 0xe000) {
			low = i + 3 < size ? unit(b + i + 2, order) : 0;
			if (ch < 0xdc00 && low >= 0xdc00 && low < 0xe000) {
				ch = 0x10000 + ((ch & 0x3ff) << 10) + (low & 0x3ff);
				i += 2;
			} else {
				ch = '?';
			}
		}
		if (ch != 0xfeff)
			used += utf8_put(ch, to + used);
	}
	return used;
}

/* ---- bytes ---- */

/* The length of the UTF-8 character that begins at `p`, of at most `n` bytes; 0: none does. */
static size_t character(const unsigned char *p, size_t n)
{
	size_t length = p[0] < 0x80 ? 1 : p[0] < 0xc2 ? 0 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;

	if (!length || length > n || p[0] > 0xf4)
		return 0;
	for (size_t i = 1; i < length; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	/* Longer than need be, surrogates, beyond the last. */
	if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] >= 0xa0) ||
	    (p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] >= 0x90))
		return 0;
	return length;
}

static size_t decode_bytes(const unsigned char *b, size_t size, char *to)
{
	size_t used = 0, i = size >= 3 && !memcmp(b, "\xef\xbb\xbf", 3) ? 3 : 0;

	while (i < size) {
		size_t n = character(b + i, size - i);

		if (n > 1) {
			memcpy(to + used, b + i, n);
			used += n;
		} else {
			used += utf8_put(b[i], to + used);
		}
		i += n ? n : 1;
	}
	return used;
}

int encoding_decode(const char *bytes, size_t size, char **ret, size_t *ret_size)
{
	const unsigned char *b = (const unsigned char *)bytes;
	enum order order = order_of(b, size);
	char *text = malloc(2 * size + 4); /* no byte of either kind takes more than two */
	size_t used;

	if (!text)
		return -ENOMEM;
	used = order ? decode_utf16(b, size, order, text) : decode_bytes(b, size, text);
	text[used] = '\0';
	*ret = text;
	*ret_size = used;
	return 0;
}
