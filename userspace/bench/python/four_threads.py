# SPDX-License-Identifier: GPL-2.0-only OR MIT
"""Four threads that build and drop containers."""
import threading


def work(seed):
    keep = []
    for i in range(40000):
        keep.append({"n": i, "s": f"{seed}-{i}", "l": [i, seed]})
        if len(keep) > 500:
            keep = keep[250:]


THREADS = [threading.Thread(target=work, args=(n,)) for n in range(4)]
for t in THREADS:
    t.start()
for t in THREADS:
    t.join()
