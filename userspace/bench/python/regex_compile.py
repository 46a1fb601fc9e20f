# SPDX-License-Identifier: GPL-2.0-only OR MIT
"""Compile regular expressions with an empty cache."""
import re

PATTERNS = [r"(?P<year>\d{4})-(?P<month>\d\d)", r"^\s*(\w+)\s*=\s*(.*?)\s*$", r"[a-z]+@(\w+\.)+com",
            r"(a|b|cd|efg)*h{2,5}(?=x)", r"\b(?:0x[0-9a-f]+|\d+(?:\.\d*)?)\b"]
for i in range(300):
    for p in PATTERNS:
        re.purge()
        re.compile(p + f"{i}?")
