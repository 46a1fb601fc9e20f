# SPDX-License-Identifier: GPL-2.0-only OR MIT
"""Parse a nested document."""
import json

TEXT = json.dumps([{"id": i, "name": f"user{i}", "tags": [str(j) for j in range(i % 7)],
                    "nested": {"a": i / 3, "b": None, "c": [i, [i + 1]]}} for i in range(4000)])
for _ in range(20):
    json.loads(TEXT)
