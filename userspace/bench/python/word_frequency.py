# SPDX-License-Identifier: GPL-2.0-only OR MIT
"""Split text and count its words."""
from collections import Counter

TEXT = " ".join(f"word{i * i % 4001} the {i % 97}" for i in range(40000))
for _ in range(10):
    c = Counter(w.strip(".,").lower() for w in TEXT.split())
    sorted(c.items(), key=lambda kv: (-kv[1], kv[0]))
