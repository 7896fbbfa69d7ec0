/* SPDX-License-Identifier: MIT */
/*
 * The bytes of a recording (docs/desched-recording.5): all integers little-endian, whatever the
 * machine; checksums are zlib's CRC-32.
 *
 *     header  0 magic, 8 major, 10 minor, 12 size of this, 16 time, 24 size of a frame's head,
 *             28 sum
 *     frame   0 magic, 4 packed size, 8 JSON size, 12 sum of the packed bytes, 16 time, 24 elapsed,
 *             32 busy, 40 away, 48 session, 52 sum of bytes 0 to 51, then the packed bytes
 */
#ifndef DATA_RECORDING_LAYOUT_H
#define DATA_RECORDING_LAYOUT_H

#include <stddef.h>
#include <stdint.h>
#include <zlib.h>

#define RECORDING_MAGIC	      "DESCHREC"
#define RECORDING_MAJOR	      1u
#define RECORDING_FRAME_MAGIC UINT32_C(0x4d524644) /* "DFRM" */

static inline uint64_t get_le(const uint8_t *b, int bytes)
{
	uint64_t v = 0;

	while (bytes--)
		v = v << 8 | b[bytes];
	return v;
}

static inline unsigned get16(const uint8_t *b)
{
	return (unsigned)get_le(b, 2);
}

static inline uint32_t get32(const uint8_t *b)
{
	return (uint32_t)get_le(b, 4);
}

static inline uint64_t get64(const uint8_t *b)
{
	return get_le(b, 8);
}

static inline void put_le(uint8_t *b, int bytes, uint64_t v)
{
	for (; bytes--; v >>= 8)
		*b++ = (uint8_t)v;
}

static inline uint32_t recording_checksum(const uint8_t *b, size_t size)
{
	return (uint32_t)crc32(crc32(0, NULL, 0), b, (unsigned)size);
}

#endif
