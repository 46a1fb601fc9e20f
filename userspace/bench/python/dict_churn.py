# SPDX-License-Identifier: GPL-2.0-only OR MIT
"""Insert and delete in a large dictionary of short lists."""
d = {}
x = 1
for i in range(600000):
    x = x * 1103515245 + 12345 & 0x7fffffff
    d[x % 50000] = [x, str(i)]
    if i % 3 == 0:
        d.pop(x // 7 % 50000, None)
