# SPDX-License-Identifier: GPL-2.0-only OR MIT
"""Serialise a nested document."""
import json

DOC = [{"id": i, "name": f"user{i}", "tags": [str(j) for j in range(i % 7)],
        "nested": {"a": i / 3, "b": None, "c": [i, [i + 1]]}} for i in range(2000)]
for _ in range(12):
    json.dumps(DOC, indent=1)
