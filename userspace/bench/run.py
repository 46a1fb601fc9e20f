# SPDX-License-Identifier: GPL-2.0-only OR MIT
"""make bench: every workload under every allocator, interleaved, and a report."""

import argparse
import os
import subprocess
import time

import peers
import programs
import report
import runner
import workloads

# Seconds for each part; a part stops starting new rounds when its time is up.
FULL = {"key": 240, "micro": 110, "programs": 100, "traces": 50, "cpython": 180,
        "native": 20, "curves": 90}
QUICK = {"key": 0, "micro": 60, "programs": 20, "traces": 0, "cpython": 20, "native": 5,
         "curves": 0}

# Fewer rounds than LEAST cannot show a difference: with five, even 5 : 0 has p > 0.05.
LEAST, KEY = 6, 15


def arguments():
    p = argparse.ArgumentParser(prog="bench", description=__doc__)
    p.add_argument("--quick", action="store_true", help="about two minutes instead of fifteen")
    p.add_argument("--peers", default="", help="more shared objects, separated by commas")
    p.add_argument("--only", default="", help="parts: micro,programs,traces,cpython,native,"
                   "curves,instructions")
    p.add_argument("--rounds", type=int, default=KEY, help="at least so many for the workloads "
                   f"that decide (default {KEY}); others have at least {LEAST}")
    p.add_argument("--minutes", type=float, help="scale the time of each part; rounds that must "
                   "be are run all the same")
    p.add_argument("--scale", type=float, default=1.0, help="of the micro workloads' operations")
    p.add_argument("--reuse", default="", help="run nothing: report on samples.csv files of "
                   "earlier runs, separated by commas")
    p.add_argument("--out", default=os.path.join(runner.OUT, "results"), help="where to write")
    return p.parse_args()


def micro_cells(chosen, allocators, scale=1.0):
    return {(w.name, p.name): lambda p=p, w=w: runner.run_micro(p, w.args, scale)
            for w in chosen for p in allocators if not (w.shared and p.name == "floor")}


def run_micro(allocators, quick, seconds, least, scale):
    rounds = runner.Rounds()
    everything = list(workloads.micro())
    if quick:
        chosen = [w for w in everything if w.quick]
        rounds.interleave(micro_cells(chosen, allocators, 0.3 * scale), LEAST, 15, seconds["micro"])
    else:
        chosen = everything
        rounds.interleave(micro_cells([w for w in chosen if w.key], allocators, scale), least,
                          max(least, 21), seconds["key"])
        rounds.interleave(micro_cells([w for w in chosen if not w.key], allocators, scale / 2),
                          LEAST, 11, seconds["micro"])
    return report.Section("micro", "ns per operation", rounds, [w.name for w in chosen],
                          [p.name for p in allocators])


def run_programs(allocators, quick, seconds, least, scale):
    del least, scale
    rounds = runner.Rounds()
    commands = dict(programs.programs())
    if quick:
        commands = {k: v for k, v in commands.items() if k in ("sqlite3", "perl", "xmllint")}
    rounds.interleave({(w, p.name): lambda p=p, c=c: runner.run_program(p, c)
                       for w, c in commands.items() for p in allocators},
                      LEAST, 15, seconds["programs"])
    return report.Section("programs", "ms", rounds, commands, [p.name for p in allocators],
                          scale=1e6)


def run_traces(allocators, quick, seconds, least, scale):
    del quick, least, scale
    rounds = runner.Rounds()
    chosen = [workloads.Workload(*t) for t in programs.traces()]
    if not chosen:
        return None
    rounds.interleave(micro_cells(chosen, allocators), LEAST, 11, seconds["traces"])
    return report.Section("traces", "ns per record", rounds, [w.name for w in chosen],
                          [p.name for p in allocators])


def run_cpython(allocators, quick, seconds, least, scale):
    """Python with its own allocator, with each malloc (PYTHONMALLOC=malloc), and with the shim."""
    del least, scale
    rounds = runner.Rounds()
    commands = dict(programs.cpython())
    if quick:
        commands = {k: commands[k] for k in ("py-json_loads", "py-richards")}
    forced, shims = {"PYTHONMALLOC": "malloc"}, peers.shim()
    cells = {}
    for w, c in commands.items():
        cells[w, "pymalloc"] = lambda c=c: runner.run_program(runner.Peer("pymalloc", None), c)
        for p in allocators:
            if not (p.name == "floor" and "threads" in w):
                cells[w, p.name] = lambda p=p, c=c: runner.run_program(p, c, env=forced)
        for p in shims:
            cells[w, p.name] = lambda p=p, c=c: runner.run_program(p, c)
    rounds.interleave(cells, LEAST, 11, seconds["cpython"])
    return report.Section("cpython", "ms", rounds, commands,
                          ["pymalloc"] + [p.name for p in allocators + shims], "pymalloc", 1e6)


def run_native(allocators, quick, seconds, least, scale):
    """The library's own API, linked, against the peers' malloc."""
    if not os.path.exists(os.path.join(runner.OUT, "pabench-native")):
        return None
    rounds = runner.Rounds()
    chosen = list(workloads.native())
    scale *= 0.3 if quick else 1.0
    cells = micro_cells([w for w in chosen if not w.args.startswith("constant")], allocators,
                        scale)
    own = runner.Peer("native", None, "pabench-native")
    cells |= micro_cells(chosen, [own], scale)
    rounds.interleave(cells, LEAST if quick else min(least, 9), 15, seconds["native"])
    return report.Section("native API", "ns per operation", rounds, [w.name for w in chosen],
                          [p.name for p in allocators] + ["native"])


def count_instructions(allocators, out):
    """Runs icount.sh over everything and keeps its table."""
    names = [f"{p.name}={p.so}" if p.so else p.name for p in allocators]
    if os.path.exists(os.path.join(runner.OUT, "pabench-native")):
        names.append("native")
    done = subprocess.run([os.path.join(runner.HERE, "icount.sh")] + names, capture_output=True,
                          text=True, check=False, env=dict(os.environ, BENCH_OUT=runner.OUT))
    with open(os.path.join(out, "instructions.txt"), "w", encoding="utf-8") as f:
        f.write(done.stdout)
    return done.stdout + done.stderr


def run_curves(allocators, seconds):
    found = []
    for title, points, label in (
            ("time against live blocks", workloads.curve_live(), "live blocks"),
            ("time against threads", workloads.curve_threads(), "threads")):
        points = [workloads.Workload(str(x), args, shared="threads=" in args and x > 1)
                  for x, args in points]
        rounds = runner.Rounds()
        rounds.interleave(micro_cells(points, allocators), 1, 5, seconds["curves"] / 2)
        found.append((report.Section(title, "ns per operation", rounds,
                                     [w.name for w in points], [p.name for p in allocators]),
                      label))
    return found


def main():
    args = arguments()
    only = set(filter(None, args.only.split(",")))
    parts = {"micro", "programs", "traces", "cpython", "native", "curves", "instructions"}
    if only - parts:
        runner.die(f"--only knows {', '.join(sorted(parts))}")
    wanted = only or (parts - {"curves", "traces", "instructions"} if args.quick else parts)
    os.makedirs(args.out, exist_ok=True)
    if args.reuse:
        found = list(report.read_csv(args.reuse.split(",")))
        curves = [(s, s.title.removeprefix("time against ")) for s in found if "against" in s.title]
        sections = [s for s in found if "against" not in s.title]
        print("\n".join(report.write_all(args.out, sections, curves)))
        return
    seconds = QUICK if args.quick else FULL
    if args.minutes:
        factor = args.minutes * 60 / sum(seconds.values())
        seconds = {part: s * factor for part, s in seconds.items()}
    begin = time.monotonic()
    peers.tell_missing()
    allocators = (list(peers.debian()) + list(peers.extra(args.peers)) + list(peers.ours()) +
                  [peers.floor()])
    sections, curves = [], []
    for part, run in (("micro", run_micro), ("programs", run_programs), ("traces", run_traces),
                      ("cpython", run_cpython), ("native", run_native)):
        if part in wanted:
            print(f"bench: {part} ({time.monotonic() - begin:.0f} s)", flush=True)
            section = run(allocators, args.quick, seconds, args.rounds, args.scale)
            sections += [section] if section else []
    if "curves" in wanted:
        print(f"bench: curves ({time.monotonic() - begin:.0f} s)", flush=True)
        curves = run_curves(allocators, seconds)
    if sections or curves:
        print("\n".join(report.write_all(args.out, sections, curves)))
    if "instructions" in wanted:
        print(count_instructions(allocators, args.out))
    print(f"bench: {time.monotonic() - begin:.0f} s; tables, samples.csv and plots are in "
          f"{os.path.relpath(args.out)}")


if __name__ == "__main__":
    main()
