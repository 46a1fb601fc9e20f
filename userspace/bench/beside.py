# SPDX-License-Identifier: GPL-2.0-only OR MIT
"""make bench-beside: all allocators in one process, turn about, see beside.c."""

import argparse
import os
import sys

import peers
import runner

WORKLOADS = "; ".join(
    [f"batch size={size} live={live} order={order}" for size, live, order in (
        (64, 20, 0), (64, 100, 2), (16, 1000, 0), (64, 1000, 0), (64, 1000, 2), (256, 1000, 0),
        (256, 1000, 2), (512, 1000, 2), (64, 100000, 2), (256, 100000, 2))] +
    ["random live=1000 min=64 max=64", "random live=1000", "random live=20000", "random live=200000"])


def arguments():
    p = argparse.ArgumentParser(
        prog="beside.py", description="Fast paths of poolalloc and others, in one process: differences of a "
        "few percent on a noisy machine.")
    p.add_argument("--peers", default="", help="more shared objects to compare with")
    p.add_argument("--workloads", default="", help="with semicolons between; the default is " + WORKLOADS)
    return p.parse_args()


def main():
    args = arguments()
    all_peers = list(peers.ours()) + [peers.floor()] + list(peers.debian()) + list(peers.extra(args.peers))
    if not all_peers[0].so or "floor" in all_peers[0].name:
        runner.die("the library is not built: make userspace")
    libraries = ",".join(f"{p.name}={p.so}" if p.so else p.name for p in all_peers)
    workloads = [w.strip() for w in (args.workloads or WORKLOADS).split(";") if w.strip()]
    sys.stdout.flush()
    os.execv(runner.built("beside"), ["beside", libraries] + workloads)


main()
