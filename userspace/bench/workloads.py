# SPDX-License-Identifier: GPL-2.0-only OR MIT
"""The list of micro workloads: a name, pabench's arguments, and three marks.

key:    decides whether the allocator is good; at least 15 rounds
quick:  part of `make bench-quick`
shared: more than one thread, so the single-threaded floor cannot run it
"""

from collections import namedtuple

Workload = namedtuple("Workload", "name args key quick shared", defaults=(False, False, False))

ORDERS = ("fifo", "lifo", "rand")


def batch(order, size, live, key=False, quick=False):
    label = "1k" if live == 1000 else "100k"
    ops = 3000000 if live == 1000 else 1000000
    return Workload(f"batch-{order}-{size}-{label}",
                    f"batch size={size} live={live} order={ORDERS.index(order)} ops={ops}",
                    key, quick)


def random(live, touch, quick):
    label = f"{live // 1000}k"
    word = "touched" if touch else "untouched"
    return Workload(f"random-{label}-{word}", f"random live={live} touch={touch} ops=1000000",
                    bool(touch), quick)


def micro():
    """Every micro workload, in the order of the report."""
    yield Workload("pair-16", "pair size=16 ops=10000000")
    yield Workload("pair-64", "pair size=64 ops=10000000", True, True)
    yield Workload("pair-512", "pair size=512 ops=10000000")
    for order in ORDERS:
        for size in (16, 64, 256, 512):
            yield batch(order, size, 1000, quick=size == 64 and order != "lifo")
            yield batch(order, size, 100000, order == "rand", size == 64 or
                        (order == "rand" and size == 256))
    for live in (1000, 20000, 200000):
        yield random(live, 1, True)
        yield random(live, 0, live == 200000)
    yield Workload("random-5k-medium", "random live=5000 max=4000 ops=1000000")
    yield Workload("queue-70k", "queue live=70000")
    yield Workload("queue-300k-written", "queue live=300000 kinds=16 touch=2")
    yield Workload("random-20k-skewed", "random live=20000 shape=1 max=1024 ops=1000000")
    for threads in (1, 2, 4):
        yield Workload(f"server-{threads}t", f"server threads={threads} ops=600000", True,
                       threads == 2, threads > 1)
    for pairs in (1, 2, 4):
        yield Workload(f"remote-{pairs}p", f"remote pairs={pairs} ops=500000", True,
                       pairs == 1, True)
    yield Workload("churn", "churn threads=1000", True, True, True)
    yield Workload("bursty", "bursty ops=200000", True, True)
    for size in (30, 300):
        yield Workload(f"append-{size}k", f"append max={size}000 ops=300000", size > 30)
    for live in (2, 300):
        yield Workload(f"append-30k-{live}", f"append max=30000 live={live} ops=300000")
    yield Workload("fill-64", "fill live=1000000 size=64", True, True)
    yield Workload("fill-1k-32", "fill live=1000 size=32")
    for passive in (0, 1):
        word = "passive" if passive else "active"
        yield Workload(f"sharing-{word}", f"sharing passive={passive} threads=4 ops=20000000",
                       False, bool(passive), True)
    for threads in (2, 4, 16, 64):
        yield Workload(f"threads-{threads}",
                       f"random live=1000 threads={threads} ops={3200000 // threads}",
                       True, threads in (2, 64), threads > 1)


def native():
    """The same for programs that link with the library (pabench-native)."""
    wanted = ("pair-64", "batch-fifo-64-1k", "batch-rand-64-1k", "batch-fifo-64-100k",
              "batch-rand-64-100k", "random-20k-touched")
    for w in micro():
        if w.name in wanted:
            yield w
    yield Workload("constant-pair-64", "constant batched=0 ops=10000000", True)
    yield Workload("constant-batch-64", "constant batched=1 ops=3000000", True)


def curve_live():
    """Time against live blocks: (live, arguments)."""
    for live in (1000, 3000, 10000, 30000, 100000, 300000, 1000000, 3000000, 10000000):
        yield live, f"random live={live} max=128 ops={max(500000, live // 4)}"


def curve_threads():
    """Time against threads; the work of each thread stays the same."""
    for threads in (1, 2, 4, 8, 16, 32, 64):
        yield threads, f"random live=1000 threads={threads} ops=100000"
