# SPDX-License-Identifier: GPL-2.0-only OR MIT
"""Garbage that only the cycle collector finds."""


class Node:
    def __init__(self, value):
        self.value, self.peer, self.extra = value, None, [value]


for i in range(300000):
    a, b = Node(i), Node(str(i))
    a.peer, b.peer = b, a
