# SPDX-License-Identifier: GPL-2.0-only OR MIT
"""compare.sh: a few workloads, a few shared objects, one small table."""

import argparse
import fnmatch
import os

import runner
import stats
import workloads

KEY_SET = ("pair-64,batch-fifo-64-1k,batch-rand-64-1k,batch-rand-16-100k,batch-rand-64-100k,"
           "batch-rand-256-100k,batch-rand-512-100k,random-1k-touched,random-20k-touched,"
           "random-200k-touched,random-200k-untouched")


def arguments():
    p = argparse.ArgumentParser(
        prog="compare.sh", description="Compare allocators: CPU ns per malloc+free, medians of "
        "interleaved rounds, and ratios to the first one named.")
    p.add_argument("-n", type=int, default=15, help="rounds (default 15)")
    p.add_argument("-w", default=KEY_SET, help="workloads, separated by commas; 'all', a name, "
                   "a pattern, or pabench's own arguments ('random live=5000')")
    p.add_argument("-s", type=float, default=1.0, help="scale the number of operations")
    p.add_argument("-m", action="store_true", help="peak resident memory instead of time")
    p.add_argument("-l", action="store_true", help="list the workloads")
    p.add_argument("so", nargs="*", help="shared objects; 'glibc' is the C library's malloc, "
                   "'native' is pabench linked with libpoolalloc, 'floor' the bench's floor.so")
    return p.parse_args()


def choose(names):
    known = list(workloads.micro())
    for name in names.split(","):
        chosen = [w for w in known if name in ("all", w.name) or
                  (fnmatch.fnmatch(w.name, name))]
        if not chosen and (" " in name or "-" not in name):
            chosen = [workloads.Workload(name, name)]
        if not chosen:
            runner.die(f"no workload called {name} (-l lists them)")
        yield from chosen


def peer_of(so):
    if so == "glibc":
        return runner.Peer("glibc", None)
    if so == "native":
        return runner.Peer("native", None, "pabench-native")
    path = runner.built("floor.so") if so == "floor" else os.path.abspath(so)
    if not os.path.exists(path):
        runner.die(f"{so}: no such file")
    name = os.path.basename(path).removeprefix("lib").split(".so")[0]
    return runner.Peer(name[:14], path)


def unique(peers):
    """Numbers peers whose files have the same name."""
    seen = {}
    for p in peers:
        n = seen[p.name] = seen.get(p.name, 0) + 1
        yield p if n == 1 else p._replace(name=f"{p.name[:12]}#{n}")


def cell(peer, w, scale):
    return lambda: runner.run_micro(peer, w.args, scale)


def main():
    args = arguments()
    if args.l:
        for w in workloads.micro():
            print(f"{w.name:24} pabench {w.args}")
        return
    if not args.so:
        runner.die("name at least one shared object, or glibc, floor, native (see --help)")
    peers = list(unique(peer_of(s) for s in args.so))
    chosen = list(choose(args.w))
    field = "peak" if args.m else "cpu"
    print(f"{'KiB peak' if args.m else 'ns per op'}; (ratio to {peers[0].name}; "
          f"= is a tie)\n{'':22}" + "".join(f"{p.name:>18}" for p in peers))
    total = {p.name: [] for p in peers}
    for w in chosen:
        rounds = runner.Rounds()
        rounds.interleave({(w.name, p.name): cell(p, w, args.s) for p in peers},
                          args.n, args.n, 0)
        base = rounds.figures(w.name, peers[0].name, field)
        row = f"{w.name[:22]:22}"
        for p in peers:
            mine = rounds.figures(w.name, p.name, field)
            if not mine or not base:
                row += f"{'-':>18}"
                continue
            total[p.name].append(stats.ratio(mine, base))
            tie = "=" if p is not peers[0] and stats.tied(mine, base) else " "
            row += f"{stats.median(mine):11.2f} {tie}{stats.ratio(mine, base):5.2f}"
        print(row, flush=True)
    print(f"{'geometric mean':22}" + "".join(
        f"{stats.geomean(total[p.name]):18.3f}" if len(total[p.name]) == len(chosen)
        else f"{'-':>18}" for p in peers))


if __name__ == "__main__":
    main()
