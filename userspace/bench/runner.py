# SPDX-License-Identifier: GPL-2.0-only OR MIT
"""Runs workloads under allocators, interleaved round by round."""

import os
import random
import subprocess
import sys
import tempfile
import time
from collections import namedtuple

HERE = os.path.dirname(os.path.abspath(__file__))
OUT = os.environ.get("BENCH_OUT", os.path.join(HERE, "..", "..", "build", "bench"))

# so: shared object to preload, None for the C library's own malloc.
# tool: the pabench binary to run. env: extra environment.
Peer = namedtuple("Peer", "name so tool env", defaults=("pabench", None))
Sample = namedtuple("Sample", "cpu wall peak final ops")


class Failed(Exception):
    """A workload did not finish under an allocator; the reason is the text."""


def die(text):
    sys.exit(f"bench: {text}")


def built(name):
    path = os.path.join(OUT, name)
    if not os.path.exists(path):
        die(f"{name} is not built; run `make -C userspace bench-tools`")
    return path


def environment(peer, **more):
    env = {k: v for k, v in os.environ.items() if k not in ("LD_PRELOAD", "PYTHONMALLOC")}
    env.update(peer.env or {})
    env.update(more)
    return env


def run_micro(peer, args, scale=1.0):
    """One run of pabench; `ops` is scaled for quick runs."""
    words = args.split()
    if scale != 1.0:
        words = [f"ops={int(int(w[4:]) * scale)}" if w.startswith("ops=") else w for w in words]
    env = environment(peer)
    if peer.so:
        env["LD_PRELOAD"] = peer.so
    done = subprocess.run([built(peer.tool)] + words, env=env, capture_output=True, text=True,
                          timeout=300, check=False)
    fields = done.stdout.split()
    if done.returncode or len(fields) != 6:
        reason = (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]
        raise Failed(f"{peer.name}: pabench {args}: {reason}")
    ops, cpu, wall, peak, final = map(int, fields[1:])
    return Sample(cpu / ops, wall / ops, peak, final, ops)


def run_program(peer, command, cwd=None, env=None):
    """One run of a real program under `measure`."""
    with tempfile.NamedTemporaryFile(mode="r", dir=OUT, prefix="measured-") as result:
        done = subprocess.run([built("measure"), result.name] + command, cwd=cwd,
                              env=environment(peer, PRELOAD=peer.so or "", **(env or {})),
                              stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                              stderr=subprocess.PIPE, text=True, timeout=300, check=False)
        fields = result.read().split()
    if done.returncode or len(fields) != 5:
        reason = (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]
        raise Failed(f"{peer.name}: {command[0]}: {reason}")
    _, cpu, wall, peak, final = map(int, fields)
    return Sample(cpu, wall, peak, final, 1)


class Rounds:
    """The samples of some (workload, peer) cells, one per round."""

    def __init__(self):
        self.samples = {}
        self.broken = {}

    def figures(self, workload, peer, field="cpu"):
        return [getattr(s, field) for s in self.samples.get((workload, peer), [])]

    def one(self, cell, run):
        """Runs one cell once; a cell that fails is reported once and dropped."""
        if cell in self.broken:
            return
        try:
            self.samples.setdefault(cell, []).append(run())
        except (Failed, subprocess.TimeoutExpired) as why:
            self.broken[cell] = str(why)
            self.samples.pop(cell, None)
            print(f"bench: dropped: {why}", file=sys.stderr)

    def interleave(self, cells, least, most, seconds):
        """Runs rounds over all cells, A B C A B C, until time or `most` is up.

        `cells` maps (workload, peer name) to a function that runs it once. The
        order within a workload is shuffled each round, so that no allocator
        always follows the same neighbour.
        """
        workloads = list(dict.fromkeys(w for w, _ in cells))
        begin = time.monotonic()
        for n in range(most):
            spent = time.monotonic() - begin
            if n >= least and spent * (n + 1) / n > seconds:
                break
            for w in workloads:
                mine = [c for c in cells if c[0] == w]
                random.Random(n).shuffle(mine)
                for cell in mine:
                    self.one(cell, cells[cell])
        return time.monotonic() - begin
