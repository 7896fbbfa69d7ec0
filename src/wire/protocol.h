/* SPDX-License-Identifier: MIT */
/*
 * What vmdesched answers on its socket: a request is one line of JSON, so is the answer.
 *
 *     {"get":"snapshot"}   -> a snapshot, schema desched-agent/2
 *     {"get":"history"}    -> the last ten minutes, schema desched-history/2
 *     {"get":"gaps"}       -> the last long gaps, schema desched-gaps/1
 *     {"get":"metrics"}    -> {"metrics":"..."}, Prometheus' text format
 *     {"get":"version"}    -> {"version":"..."}
 *     anything else        -> {"error":"..."}
 *
 * service/requests.h reads requests, for vmdesched/daemon.c to answer.
 */
#ifndef WIRE_PROTOCOL_H
#define WIRE_PROTOCOL_H

#define PROTOCOL_SOCKET "/run/vmdesched.sock"

/*
 * What deschedd answers on a host's, likewise:
 *
 *     {"get":"frame"}      -> the host now, schema desched-host/1 (host_frame.h). With the members
 *                             "session" and "since_ns", those and `elapsed_ns` of an earlier frame:
 *                             VMs that have ended since are in it, and `longest_ns` is since then
 *     {"get":"history","vm":"NAME"}, "gaps", "metrics", "version"
 *     {"get":"policy"}     -> what VMs are entitled to and why, schema desched-policy/1
 *     {"do":"set","vm":"WORD","settings":{"KEY":"VALUE",...}}, {"do":"unset","vm":"WORD",
 *     "keys":["KEY",...]}  -> schema desched-set/1, to root and the owner of the socket
 */
#define PROTOCOL_HOST_SOCKET "/run/deschedd.sock"

#endif
