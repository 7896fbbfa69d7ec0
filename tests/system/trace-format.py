#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""trace-format.py DESCHED LIKE_VM: `desched trace` of VMs with hostile names, held to what the Trace Event Format
and desched-trace(1) say, by Python's own reader of JSON: strict JSON, members and their types, a name for each track,
no slices of a track above each other, times within the trace. Needs root and BPF, else exits with 77."""
import json
import os
import subprocess
import sys
import tempfile
import time

HOST = 4194305  # docs/desched-trace.1: above all process ids
NAMES = [b'web "1" \\', b"\xff\xfe\xe2\x80\xae\x1b[31mred", "B\u00fccher\u20ac".encode()]
ROUNDING = 0.0011  # us: times have three digits, and a slice has two of them
STATES = {"run", "ready", "costop", "limited", "swapwait", "halt", "wait"}

desched, like_vm = sys.argv[1:3]


def check(ok, *what):
    if not ok:
        sys.exit("trace-format: " + " ".join(str(w) for w in what))


def pairs(members):
    keys = [key for key, _ in members]
    check(len(keys) == len(set(keys)), "a member twice:", keys)
    return dict(members)


def no_constant(text):
    check(False, "no number of JSON:", text)


def check_event(e, span):
    check(e.get("ph") in ("X", "M", "i"), "kind of event:", e)
    check(type(e.get("pid")) is int and e["pid"] > 0 and type(e.get("tid")) is int and e["tid"] > 0, "ids:", e)
    check(type(e.get("name")) is str and e["name"], "name:", e)
    check(not any(ord(c) < 32 or ord(c) == 0x202e for c in e["name"]), "harmful name:", e)
    if e["ph"] == "M":
        check(e["name"] in ("process_name", "thread_name", "thread_sort_index"), "metadata:", e)
        return
    check(isinstance(e.get("ts"), (int, float)) and 0 <= e["ts"] <= span, "time:", e, span)
    if e["ph"] == "X":
        check(isinstance(e.get("dur"), (int, float)) and e["dur"] >= 0, "duration:", e)
        check(e["ts"] + e["dur"] <= span, "it ends behind the trace:", e, span)


def check_tracks(events):
    tracks = {}
    for e in events:
        if e["ph"] == "X":
            tracks.setdefault((e["pid"], e["tid"]), []).append(e)
    named = {(e["pid"], e["tid"]) for e in events if e["name"] == "thread_name"}
    processes = {e["pid"] for e in events if e["name"] == "process_name"}
    for track, slices in tracks.items():
        check(track in named and track[0] in processes, "a track without a name:", track)
        slices.sort(key=lambda e: e["ts"])
        for a, b in zip(slices, slices[1:]):
            check(a["ts"] + a["dur"] <= b["ts"] + ROUNDING, "slices above each other:", a, b)
        if track[0] != HOST:
            check({e["name"] for e in slices} <= STATES, "states:", {e["name"] for e in slices})
    return tracks


def check_vm(vm, name, events, tracks, span):
    threads = {int(t) for t in os.listdir(f"/proc/{vm.pid}/task")} - {vm.pid}
    mine = {tid: slices for (pid, tid), slices in tracks.items() if pid == vm.pid}
    check(set(mine) == threads, "threads of", vm.pid, "are", threads, "tracks", set(mine))
    for slices in mine.values():  # a vCPU is in one state at any time
        covered = sum(e["dur"] for e in slices)
        check(covered > 0.98 * span, "a vCPU has states for", covered, "of", span, "us")
    said = [e["args"]["name"] for e in events if e["name"] == "process_name" and e["pid"] == vm.pid]
    check(len(said) == 1, "names:", said)
    text = name.decode(errors="replace")
    check("".join(c for c in said[0] if c.isalnum()) == "".join(c for c in text if c.isalnum()), said[0], "for", text)


def await_vcpus(vm):
    """Until it has named its two threads: a VM that grows begins a new ledger."""
    for _ in range(60000):
        names = []
        for thread in os.listdir(f"/proc/{vm.pid}/task"):
            with open(f"/proc/{vm.pid}/task/{thread}/comm", encoding="utf-8", errors="replace") as file:
                names.append(file.read().strip())
        if sum(name.startswith("CPU ") for name in names) == 2:
            return
        time.sleep(0.001)
    check(False, "no vCPUs in", vm.pid)


def trace_all(path, vms):
    """Again where records were lost, since `desched trace` itself found no CPU: then there are holes."""
    for _ in range(5):
        got = subprocess.run(["nice", "-n", "-20", desched, "trace", "-o", path, "2"] + [f"pid={vm.pid}" for vm in vms],
                             stderr=subprocess.PIPE, check=False)
        if got.returncode or b" 0 records lost" in got.stderr:
            return got
    print("skipped: this machine is too busy for a whole trace")
    sys.exit(77)


def main():
    vms = [subprocess.Popen([os.fsencode(like_vm), b"-name", name]) for name in NAMES]
    try:
        for vm in vms:
            await_vcpus(vm)
        with tempfile.TemporaryDirectory() as directory:
            path = os.path.join(directory, "trace.json")
            got = trace_all(path, vms)
            if got.returncode and b"BPF" in got.stderr:
                print("skipped:", got.stderr.decode(errors="replace").strip())
                return 77
            check(got.returncode == 0, got.stderr)
            with open(path, encoding="utf-8", errors="strict") as file:
                trace = json.load(file, object_pairs_hook=pairs, parse_constant=no_constant)
        events = trace["traceEvents"]
        check(trace["displayTimeUnit"] in ("ms", "ns") and len(events) > 100, len(events), "events")
        slices = [e for e in events if e.get("ph") == "X"]
        span = max(e["ts"] + e["dur"] for e in slices)
        check(1.9e6 < span < 60e6, "the trace is", span, "us long")
        for e in events:
            check_event(e, span)
        tracks = check_tracks(events)
        for vm, name in zip(vms, NAMES):
            check_vm(vm, name, events, tracks, span)
    finally:
        for vm in vms:
            vm.kill()
            vm.wait()
    return 0


if __name__ == "__main__":
    sys.exit(main() if os.geteuid() == 0 else 77)
