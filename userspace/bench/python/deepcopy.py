# SPDX-License-Identifier: GPL-2.0-only OR MIT
"""Deep copies of mixed containers."""
import copy

DOC = {f"k{i}": [i, (i, str(i)), {"x": [i] * 3, "y": {i, i + 1}}] for i in range(800)}
for _ in range(25):
    copy.deepcopy(DOC)
