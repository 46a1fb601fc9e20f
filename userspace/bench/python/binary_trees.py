# SPDX-License-Identifier: GPL-2.0-only OR MIT
"""Build and drop binary trees beside one that lives long."""


def tree(depth):
    return (tree(depth - 1), tree(depth - 1)) if depth else (None, None)


def check(t):
    return 1 + (check(t[0]) + check(t[1]) if t[0] else 0)


keep = tree(17)
for depth in (4, 8, 12):
    for _ in range(1 << 17 - depth):
        check(tree(depth))
