/* SPDX-License-Identifier: MIT */
/*
 * A VM's page as a stream (ledger/stream_frame.h): for guests that have no shared memory, but a
 * serial port whose other end has connected to us. What is sent is read from a page in memory of
 * our own, whose rings hold the gaps while the peer doesn't take them; when they overflow, the
 * oldest gaps are lost, and their numbers say so.
 *
 * The peer is the guest's, and hostile: it may flood, or never read. A tick costs two system calls
 * at most, and memory is bounded. Nothing is taken from it but the number of its last ping.
 */
#ifndef HOST_STREAM_H
#define HOST_STREAM_H

#include <stddef.h>
#include <stdint.h>

#define STREAM_INTERVAL_NS (100 * 1000 * 1000ull) /* from record to record, without pings */

struct stream;

struct stream_counters {
	uint64_t frames;    /* sent */
	uint64_t pings;	    /* heard */
	uint64_t lost_gaps; /* that the peer was too slow for */
	uint64_t blocked;   /* times that it took nothing */
	uint64_t garbage;   /* bytes from it that were no ping */
};

/* `fd` is a connected stream socket, and the stream's from now on, also on failure. The page is in
 * memory of ours, and outlives the stream; `tick` is the distance of stream_tick()s. -EINVAL for no
 * page, -ENOMEM. */
int stream_new(int fd, const void *page, size_t size, uint64_t tick, struct stream **ret);
struct stream *stream_free(struct stream *s); /* NULL accepted; returns NULL */

/* To be called when the page has been written. Never waits. -EPIPE when the peer has gone. */
int stream_tick(struct stream *s);

void stream_read_counters(const struct stream *s, struct stream_counters *ret);

#endif
