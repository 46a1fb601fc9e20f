# SPDX-License-Identifier: GPL-2.0-only OR MIT
"""Parse and compile Python source."""
import ast

SOURCE = "\n".join(f"def f{i}(a, b={i}, *c):\n    for x in range(a):\n        if x % {i + 2}:\n"
                   f"            yield [x + y for y in c if y != '{i}']\n    return {{'k': a, b: c}}"
                   for i in range(500))
for _ in range(5):
    compile(ast.parse(SOURCE), "generated", "exec")
