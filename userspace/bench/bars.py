# SPDX-License-Identifier: GPL-2.0-only OR MIT
"""What the library is meant to reach, and what it reached in this run.

A bar is a target for a ratio; ratios are medians within rounds (see stats.py).
The best peer of a row is the one with the lowest median in that row; the best
mean belongs to one peer over all rows. What was not run has no verdict.
"""

from collections import namedtuple

import stats

MINE = "poolalloc"
Bar = namedtuple("Bar", "name target value detail least", defaults=(False,))

GENERAL = ("micro", "programs", "traces", "cpython")
RANDOM = ("random-20k-touched", "random-200k-touched")
REUSED = tuple(f"batch-rand-{size}-100k" for size in (16, 64, 256, 512))
REMOTE = tuple(f"{kind}-{n}{unit}" for kind, unit in (("remote", "p"), ("server", "t"))
               for n in (1, 2, 4))
NATIVE = ("pair-64", "batch-fifo-64-1k", "batch-rand-64-1k", "batch-fifo-64-100k",
          "batch-rand-64-100k")


def against_best(section, row, mine=MINE, extra=False, field="cpu"):
    """(ratio to the best peer of that row, its name), or None."""
    best = section.best(row, field, extra)
    a, b = section.figures(row, mine, field), section.figures(row, best, field)
    return (stats.ratio(a, b), best) if a and b else None


def worst(rows):
    """A bar's value and detail from [(row, (ratio, best))]: the highest ratio counts."""
    rows = [(row, found) for row, found in rows if found]
    if not rows:
        return None, "not run"
    row, (ratio, best) = max(rows, key=lambda r: r[1][0])
    return ratio, f"{row}, {best}"


def overall(sections, extra, field, baseline="glibc"):
    """Geometric mean against @baseline over all rows of all sections, for each allocator."""
    names = [MINE] + sections[0].rivals(extra)
    rows = [(s, w) for s in sections for w in s.workloads
            if all(s.figures(w, p) for p in names)]
    if not rows:
        return {}
    return {p: stats.geomean([stats.ratio(s.figures(w, p, field), s.figures(w, baseline, field))
                              for s, w in rows]) for p in names}


def mean_bar(name, target, sections, extra):
    means = overall(sections, extra, "cpu")
    if not means:
        return Bar(name, target, None, "not run")
    mine = means.pop(MINE)
    best = min(means, key=means.get)
    return Bar(name, target, mine / means[best],
               f"{mine:.3f} x glibc against {means[best]:.3f} of {best}")


def general(by_title, has_extra):
    """Speed and memory over all workloads."""
    sections = [by_title[t] for t in GENERAL if t in by_title]
    if not sections:
        return
    yield mean_bar("CPU time, mean of all workloads / the best of Debian's peers", 0.92, sections,
                   False)
    rows = [(s, w) for s in sections for w in s.workloads if against_best(s, w)]
    yield Bar("CPU time, worst row / the row's best peer", 1.10,
              *worst([(w, against_best(s, w)) for s, w in rows]))
    good = sum("behind" not in s.verdict(w, MINE, False) for s, w in rows)
    yield Bar("share of rows in which best or tied", 0.50, good / len(rows) if rows else None,
              f"{good} of {len(rows)} rows", True)
    memory = overall(sections, False, "peak").get(MINE)
    yield Bar("peak memory, mean of all workloads / glibc", 1.00, memory, "all rows")
    real = [s for s in sections if s.title in ("programs", "cpython")]
    yield Bar("peak memory, worst real program / its best peer", 1.30,
              *worst([(w, against_best(s, w, field="peak")) for s in real for w in s.workloads]))
    if has_extra:
        yield mean_bar("CPU time, mean of all workloads / the best of all peers, PEERS= too", 0.95,
                       sections, True)


def particular(by_title):
    """Random replacement, random frees, frees by other threads."""
    micro = by_title.get("micro")
    if not micro:
        return
    for row in RANDOM + REUSED:
        yield Bar(f"{row} / best peer", 0.95, *worst([(row, against_best(micro, row))]))
    for row in REMOTE:
        yield Bar(f"{row} / best peer", 1.00, *worst([(row, against_best(micro, row))]))
    few, many = micro.figures("threads-2", MINE), micro.figures("threads-64", MINE)
    yield Bar("CPU time per operation, 64 threads / 2 threads", 1.30,
              stats.ratio(many, few) if few and many else None, "poolalloc alone")


def linked(by_title):
    """The native interface: how many times faster than the best peer's malloc."""
    native = by_title.get("native API")
    if not native:
        return
    for row in NATIVE:
        found = against_best(native, row, "native")
        yield Bar(f"native {row}: best peer's malloc / native", 1.25,
                  found and 1 / found[0], found[1] if found else "not run", True)
    for row, plain in (("constant-pair-64", "pair-64"), ("constant-batch-64", "batch-fifo-64-1k")):
        a, b = native.figures(row, "native"), native.figures(plain, "native")
        yield Bar(f"native {row} / variable size", 1.00, stats.ratio(a, b) if a and b else None,
                  plain)


def python(by_title):
    """CPython's own allocator against malloc, and against the shim."""
    section = by_title.get("cpython")
    if not section:
        return
    for mine in (MINE, "poolalloc-shim"):
        if mine in section.peers:
            for field, target in (("cpu", 0.98), ("peak", 1.00)):
                yield Bar(f"CPython, {mine}, {field} / pymalloc", target,
                          section.mean(mine, field), f"{len(section.common())} programs")


def extra_peers(sections):
    return any(len(s.rivals()) > len(s.rivals(False)) for s in sections)


def every(sections):
    by_title = {s.title: s for s in sections}
    return [*general(by_title, extra_peers(sections)), *particular(by_title), *linked(by_title),
            *python(by_title)]


def met(bar):
    return bar.value >= bar.target if bar.least else bar.value <= bar.target


def line(bar):
    if bar.value is None:
        verdict, value = "-", "-"
    else:
        verdict, value = "yes" if met(bar) else "NO", f"{bar.value:.2f}"
    sign = ">=" if bar.least else "<="
    return f"{bar.name[:74]:74}  {sign} {bar.target:.2f}  {value:>6}  {verdict:3}  {bar.detail}"


def losing_rows(sections, extra):
    """(section, row, ratio, best peer) where ours is behind the best peer, the worst first."""
    rows = []
    for s in sections:
        mine = "native" if s.title == "native API" else MINE
        for w in s.workloads:
            if "behind" in s.verdict(w, mine, extra):
                rows.append((s, w, *against_best(s, w, mine, extra)))
    return sorted(rows, key=lambda r: -r[2])


def table(sections):
    """The lines of the report's end."""
    yield "bars: what is aimed at, and what this run reached (ratios, medians within rounds)"
    yield from map(line, every(sections))
    yield ""
    for extra in (False, True) if extra_peers(sections) else (False,):
        yield ("rows in which poolalloc is behind the best of " +
               ("all peers" if extra else "Debian's peers"))
        rows = losing_rows(sections, extra)
        for s, w, ratio, best in rows:
            yield f"{s.title:12} {w:28} {ratio:6.2f} x {best}"
        if not rows:
            yield "none"
        yield ""
