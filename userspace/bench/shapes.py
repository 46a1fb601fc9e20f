# SPDX-License-Identifier: GPL-2.0-only OR MIT
"""make bench-shapes: workloads that nobody has chosen, one for each seed, see shape.c."""

import argparse
import subprocess

import peers
import runner
import stats


def arguments():
    p = argparse.ArgumentParser(
        prog="shapes.py", description="CPU time and peak memory of poolalloc relative to other "
        "allocators in workloads drawn from seeds, and the means by what they have in common.")
    p.add_argument("--seeds", default="1-50", help="FIRST-LAST, or seeds with commas between")
    p.add_argument("--rounds", type=int, default=3, help="runs of each (default 3)")
    p.add_argument("--peers", default="", help="more shared objects to compare with")
    return p.parse_args()


def seeds_of(text):
    try:
        if "-" in text:
            first, last = map(int, text.split("-"))
            seeds = list(range(first, last + 1))
        else:
            seeds = [int(s) for s in text.split(",")]
    except ValueError:
        seeds = []
    if not seeds:
        runner.die(f"SEEDS={text}: use FIRST-LAST, or numbers with commas between")
    return seeds


def describe(seed):
    """What the seed stands for: its words but the last two are groups."""
    done = subprocess.run([runner.built("pabench"), "shape", f"seed={seed}", "describe=1"],
                          capture_output=True, text=True, check=False)
    if done.returncode:
        runner.die(f"seed {seed}: {done.stderr.strip() or done.returncode}")
    return done.stderr.split()


def cell(peer, seed):
    return lambda: runner.run_micro(peer, f"shape seed={seed}")


def heading(all_peers):
    print("time / peak memory of poolalloc relative to each\n"
          f"{'':26}" + "".join(f"{p.name[:12]:>13}" for p in all_peers[1:]))


def row(title, ratios, all_peers, text=""):
    cells = "".join("{:>13}".format("{:.2f} /{:5.2f}".format(*ratios[p.name])
                                    if p.name in ratios else "-") for p in all_peers[1:])
    print(f"{title:26}{cells}  {text}", flush=True)


def measure(seed, all_peers, rounds):
    """Ratios (time, peak) of the first peer to each other one that has finished."""
    done = runner.Rounds()
    done.interleave({(seed, p.name): cell(p, seed) for p in all_peers}, rounds, rounds, 0)
    ratios = {}
    for p in all_peers[1:]:
        pairs = [(done.figures(seed, all_peers[0].name, f), done.figures(seed, p.name, f))
                 for f in ("cpu", "peak")]
        if all(a and b for a, b in pairs):
            ratios[p.name] = tuple(stats.ratio(a, b) for a, b in pairs)
    return ratios


def means(rows, all_peers):
    by_peer = {}
    for p in all_peers[1:]:
        have = [r[p.name] for r in rows if p.name in r]
        if have:
            by_peer[p.name] = tuple(stats.geomean([x[i] for x in have]) for i in (0, 1))
    return by_peer


def main():
    args = arguments()
    seeds = seeds_of(args.seeds)
    others = list(peers.debian()) + list(peers.extra(args.peers))
    peers.tell_missing()
    all_peers = [p for p in peers.ours() if p.name == "poolalloc"] + others
    if all_peers[0].name != "poolalloc":
        runner.die("the library is not built; run `make userspace`")
    heading(all_peers)
    groups = {}
    for seed in seeds:
        words = describe(seed)
        ratios = measure(seed, all_peers, args.rounds)
        row(f"seed {seed}", ratios, all_peers, " ".join(words))
        sizes = words[0].split("-", 1)
        for group in ["all", f"sizes {sizes[0]}", f"bytes {sizes[1]}"] + words[1:-2]:
            groups.setdefault(group, []).append(ratios)
    print()
    heading(all_peers)
    for group in sorted(groups):
        row(f"{group} ({len(groups[group])})", means(groups[group], all_peers), all_peers)


if __name__ == "__main__":
    main()
