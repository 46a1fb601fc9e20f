# SPDX-License-Identifier: GPL-2.0-only OR MIT
"""The short form of a report, as tables that can be pasted into a README."""

import bars

SHORT = {"native API": "native"}


def row(cells):
    return "| " + " | ".join(cells) + " |"


def head(cells):
    yield row(cells)
    yield "|---|" + "---:|" * (len(cells) - 1)


def figure(value):
    return f"{value:.2f}" if value else "-"


def means(sections):
    """Geometric means of every allocator: time and memory of each part, then of all."""
    parts = [s for s in sections if s.title in bars.GENERAL]
    names = list(dict.fromkeys(p for s in parts for p in s.peers if p != "native"))
    yield from head(["geometric mean / glibc (cpython: / pymalloc)"] +
                    [f"{s.title} {what}" for s in parts for what in ("time", "peak")])
    for p in names:
        yield row([p] + [figure(s.mean(p, field) if p in s.peers else None)
                         for s in parts for field in ("cpu", "peak")])


def reached(all_bars):
    yield from head(["aim", "", "reached", "", ""])
    for bar in all_bars:
        if bar.value is not None:
            sign = "at least" if bar.least else "at most"
            met = "yes" if bars.met(bar) else "**no**"
            yield row([bar.name, f"{sign} {bar.target:.2f}", f"{bar.value:.2f}", met, bar.detail])


def losing(sections, extra):
    yield from head(["", "workload", "time / best", "best peer"])
    for s, w, ratio, best in bars.losing_rows(sections, extra):
        yield row([SHORT.get(s.title, s.title), w, f"{ratio:.2f}", best])


def text(sections):
    """Lines of all tables."""
    has_extra = bars.extra_peers(sections)
    yield from means(sections)
    yield ""
    yield from reached(bars.every(sections))
    for extra in (False, True) if has_extra else (False,):
        yield ""
        yield "Behind the best of " + ("all peers:" if extra else "Debian's peers:")
        yield ""
        yield from losing(sections, extra)
