# SPDX-License-Identifier: GPL-2.0-only OR MIT
"""Tables, CSV and plots from the samples."""

import csv
import os
import shutil
import subprocess

import bars
import markdown
import stats
import svg
from runner import Rounds, Sample

OURS = ("poolalloc", "poolalloc-seed", "poolalloc-shim")
COLOURS = ("#555555", "#e69f00", "#56b4e9", "#009e73", "#f0e442", "#0072b2", "#cc79a7", "#882255",
           "#44aa99", "#999933", "#aa4499", "#d55e00", "#000000")
UNITS = {"programs": ("ms", 1e6), "cpython": ("ms", 1e6), "traces": ("ns per record", 1.0)}
NOT_PEERS = OURS + ("floor", "native", "pymalloc")


class Section:
    """One table: workloads down, allocators across."""

    def __init__(self, title, unit, rounds, workloads, peers, baseline="glibc", scale=1.0):
        self.title, self.unit, self.rounds = title, unit, rounds
        self.workloads, self.peers, self.baseline = list(workloads), list(peers), baseline
        self.scale = scale

    def figures(self, workload, peer, field="cpu"):
        return self.rounds.figures(workload, peer, field)

    def rivals(self, extra=True):
        """The peers; without those of PEERS=... when @extra is false."""
        return [p for p in self.peers if p not in NOT_PEERS and (extra or p[0] != "+")]

    def best(self, workload, field="cpu", extra=True):
        """The peer with the lowest median; ours and the floor do not count."""
        there = [p for p in self.rivals(extra) if self.figures(workload, p)]
        return min(there, key=lambda p: stats.median(self.figures(workload, p, field)),
                   default=None)

    def verdict(self, workload, mine, extra):
        """How `mine` stands against the best peer, in words."""
        best = self.best(workload, extra=extra)
        a, b = self.figures(workload, mine), self.figures(workload, best)
        if not a or not b:
            return "-"
        how = "tie" if stats.tied(a, b) else "ahead" if stats.ratio(a, b) < 1 else "behind"
        return f"{stats.ratio(a, b):.2f} {how} ({best})"

    def common(self):
        """Workloads that every peer but the floor finished: what a mean may be taken of."""
        need = [p for p in self.peers if p != "floor"]
        return [w for w in self.workloads if all(self.figures(w, p) for p in need)]

    def mean(self, peer, field):
        ws = [w for w in self.common() if self.figures(w, peer)]
        if not ws or len(ws) < len(self.common()):
            return None
        return stats.geomean([stats.ratio(self.figures(w, peer, field),
                                          self.figures(w, self.baseline, field)) for w in ws])


def text_table(section, field="cpu"):
    """Lines of a table; the best peer's figure of a row is marked with *."""
    memory = field in ("peak", "final")
    unit = "KiB" if memory else section.unit
    what = {"cpu": "CPU time", "wall": "wall time", "peak": "peak resident memory",
            "final": "final resident memory"}[field]
    yield f"{section.title}: {what}, {unit}, median; * = best peer; last column: spread of CPU time"
    wide = {p: max(11, len(p) + 1) for p in section.peers}
    yield f"{'':24}" + "".join(f"{p:>{wide[p]}}" for p in section.peers) + f"{'spread':>8}"
    for w in section.workloads:
        row, spreads = f"{w[:24]:24}", []
        best = section.best(w, field)
        for p in section.peers:
            f = section.figures(w, p, field)
            if not f:
                row += f"{'-':>{wide[p]}}"
                continue
            spreads.append(stats.spread(section.figures(w, p)))
            value = stats.median(f) / (1 if memory else section.scale)
            mark = "*" if p == best else " "
            row += f"{value:>{wide[p] - 1}.{0 if memory else 2 if value < 100 else 0}f}{mark}"
        yield row + (f"{100 * stats.median(spreads):7.1f}%" if spreads else "")
    row = f"{'mean / ' + section.baseline:24}"
    for p in section.peers:
        m = section.mean(p, field)
        row += f"{m:>{wide[p] - 1}.3f} " if m else f"{'-':>{wide[p]}}"
    yield row
    yield ""


def verdict_table(section, mine, extra):
    """Lines that set one of ours against the best peer of each row, and the means."""
    whom = "any peer" if extra else "Debian's peers"
    verdicts = {w: section.verdict(w, mine, extra) for w in section.workloads}
    yield f"{section.title}: {mine} / best of {whom} (CPU time, median ratio within rounds)"
    for w, v in verdicts.items():
        yield f"{w[:24]:24}  {v}"
    n = [sum(k in v for v in verdicts.values()) for k in ("ahead", "tie", "behind")]
    yield "{:24}  ahead {}, tied {}, behind {}".format("", *n)
    for field in ("cpu", "peak"):
        means = {p: section.mean(p, field) for p in section.rivals(extra)}
        best = min((p for p in means if means[p]), key=means.get, default=None)
        if best and section.mean(mine, field):
            yield (f"{'':24}  mean {field}: {section.mean(mine, field):.3f} x {section.baseline}, "
                   f"{section.mean(mine, field) / means[best]:.3f} x the best peer's mean ({best})")
    yield ""


def write_csv(path, sections):
    with open(path, "w", newline="", encoding="utf-8") as f:
        out = csv.writer(f)
        out.writerow(["section", "workload", "allocator", "round", "cpu_ns", "wall_ns", "peak_kib",
                      "final_kib"])
        for s in sections:
            for w in s.workloads:
                for p in s.peers:
                    for n, x in enumerate(s.rounds.samples.get((w, p), [])):
                        out.writerow([s.title, w, p, n, f"{x.cpu:.3f}", f"{x.wall:.3f}", x.peak,
                                      x.final])


def read_csv(paths):
    """The sections that write_csv() wrote to these files."""
    rounds, rows = {}, {}
    for path in paths:
        with open(path, newline="", encoding="utf-8") as f:
            for r in csv.DictReader(f):
                title, cell = r["section"], (r["workload"], r["allocator"])
                sample = Sample(float(r["cpu_ns"]), float(r["wall_ns"]), int(r["peak_kib"]),
                                int(r["final_kib"]), 1)
                rounds.setdefault(title, Rounds()).samples.setdefault(cell, []).append(sample)
                rows.setdefault(title, {})[cell] = None
    for title, cells in rows.items():
        baseline = "pymalloc" if title == "cpython" else "glibc"
        unit, scale = UNITS.get(title, ("ns per operation", 1.0))
        yield Section(title, unit, rounds[title], dict.fromkeys(w for w, _ in cells),
                      dict.fromkeys(p for _, p in cells), baseline, scale)


def gnuplot(path, script, width=900):
    if not shutil.which("gnuplot"):
        print("bench: gnuplot is missing, no plots (apt-get install gnuplot-nox)")
        return
    head = f"set terminal svg size {width},540 dynamic\nset output '{path}'\nset grid\n"
    head += "".join(f"set linetype {n} lc rgb '{c}'\n" for n, c in enumerate(COLOURS, 1))
    done = subprocess.run(["gnuplot"], input=head + script, text=True, check=False)
    if done.returncode == 0:
        mark(path)


def mark(path):
    """Puts the licence in the first line; the declaration there before says nothing new."""
    with open(path, encoding="utf-8") as f:
        text = f.read()
    with open(path, "w", encoding="utf-8") as f:
        f.write("<!-- SPDX-License-Identifier: GPL-2.0-only OR MIT -->\n" +
                text[text.index("<svg"):])


def plot_curve(path, section, xlabel):
    """Time per operation against the number in each workload's name, one line per allocator."""
    data, lines = "", []
    for p in section.peers:
        points = [(w, section.figures(w, p)) for w in section.workloads]
        points = [(w, stats.median(f)) for w, f in points if f]
        if points:
            name = f"$d{len(lines)}"
            data += f"{name} << EOD\n" + "".join(f"{w} {y}\n" for w, y in points) + "EOD\n"
            lines.append(f"{name} using 1:2 with linespoints title '{p}'")
    if lines:
        gnuplot(path, data + f"set title '{section.title}'\nset logscale xy\nset key outside\n"
                f"set xlabel '{xlabel}'\nset ylabel 'CPU ns per operation'\n"
                "plot " + ", ".join(lines) + "\n")


def plot_means(path, section):
    """Geometric means of time and memory, relative to the baseline, as bars."""
    rows = [(p, section.mean(p, "cpu"), section.mean(p, "peak")) for p in section.peers]
    rows = [r for r in rows if r[1]]
    data = "$d << EOD\n" + "".join(f"{p} {c:.4f} {m:.4f}\n" for p, c, m in rows) + "EOD\n"
    gnuplot(path, data + f"set title '{section.title}: relative to {section.baseline}'\n"
            "set style data histogram\nset style fill solid 0.7\nset yrange [0:*]\n"
            "set xtics rotate by -30\n"
            "plot $d using 2:xtic(1) title 'CPU time', '' using 3 title 'peak memory'\n")


def plot_rows(path, section):
    """Every workload's CPU time relative to the baseline, one cluster of bars per workload."""
    rows = [w for w in section.workloads if section.figures(w, section.baseline)]
    data = "$d << EOD\nworkload " + " ".join(section.peers) + "\n"
    for w in rows:
        data += w
        for p in section.peers:
            f = section.figures(w, p)
            data += f" {stats.ratio(f, section.figures(w, section.baseline)):.4f}" if f else " ?"
        data += "\n"
    gnuplot(path, data + "EOD\nset datafile missing '?'\nset key outside autotitle columnhead\n"
            f"set title '{section.title}: CPU time relative to {section.baseline}'\n"
            "set style data histogram\nset style fill solid 0.8 noborder\nset boxwidth 1\n"
            "set style histogram clustered gap 2\nset yrange [0:2]\nset xtics rotate by -60\n"
            f"plot for [i=2:{len(section.peers) + 1}] $d using i:xtic(1)\n",
            max(900, 16 * len(rows) * len(section.peers) // 4))


def plot_all_means(path, sections):
    """CPU time and peak memory over all workloads, one dot per allocator: below left is good."""
    time, memory = (bars.overall(sections, True, field) for field in ("cpu", "peak"))
    data = "$d << EOD\n" + "".join(f"{memory[p]:.4f} {time[p]:.4f} {p}\n" for p in time) + "EOD\n"
    gnuplot(path, data + "set title 'all workloads, geometric means, relative to glibc'\nunset key\n"
            "set xlabel 'peak resident memory'\nset ylabel 'CPU time'\n"
            "set offsets graph 0.05, graph 0.2, graph 0.05, graph 0.05\n"
            "plot $d using 1:2 with points pt 7 ps 0.8 lc rgb '#0072b2', "
            "'' using 1:2:3 with labels left offset 1,0\n")


def plot_verdicts(path, sections, extra):
    """One bar per row: CPU time relative to the row's best peer."""
    rows = []
    for s in sections:
        mine = "native" if s.title == "native API" else bars.MINE
        for w in s.workloads:
            found = bars.against_best(s, w, mine, extra)
            if found:
                verdict = s.verdict(w, mine, extra)
                colour = (svg.TIED if "tie" in verdict else svg.BEHIND if "behind" in verdict
                          else svg.AHEAD)
                rows.append((w if mine == bars.MINE else f"native {w}", found[0], colour, found[1]))
    svg.bars(path, "poolalloc: CPU time relative to the best of "
             f"{'all' if extra else 'Debian'} peers (grey: a tie)", sorted(rows, key=lambda r: r[1]))


def write_all(folder, sections, curves):
    """Writes report.txt, samples.csv and the plots; returns the report's lines."""
    os.makedirs(folder, exist_ok=True)
    lines = []
    for s in sections:
        for field in ("cpu", "wall", "peak", "final"):
            lines += text_table(s, field)
        for mine in (p for p in OURS + ("native",) if p in s.peers):
            lines += verdict_table(s, mine, False)
            if len(s.rivals()) > len(s.rivals(False)):
                lines += verdict_table(s, mine, True)
        name = os.path.join(folder, s.title.replace(" ", "-"))
        plot_means(name + ".svg", s)
        plot_rows(name + "-rows.svg", s)
    for s, xlabel in curves:
        lines += text_table(s)
        plot_curve(os.path.join(folder, s.title.replace(" ", "-") + ".svg"), s, xlabel)
    general = [s for s in sections if s.title in bars.GENERAL]
    if general:
        plot_all_means(os.path.join(folder, "all.svg"), general)
        plot_verdicts(os.path.join(folder, "best-peer.svg"), sections,
                      bars.extra_peers(sections))
    lines += bars.table(sections)
    write_csv(os.path.join(folder, "samples.csv"), sections + [s for s, _ in curves])
    for name, text in (("report.txt", lines), ("summary.md", markdown.text(sections))):
        with open(os.path.join(folder, name), "w", encoding="utf-8") as f:
            f.write("\n".join(text) + "\n")
    return lines
