# SPDX-License-Identifier: GPL-2.0-only OR MIT
"""Medians, their spread, and when two rows of noisy figures are a tie.

The figures of one round belong together: they were taken within seconds of each
other, so what the machine did besides them fell on all. Comparisons are therefore
made inside the rounds (ratios, signs) and never between the two medians alone.
"""

from math import comb, exp, log

SIGNIFICANT = 0.05
NEGLIGIBLE = 0.01


def median(values):
    s = sorted(values)
    n = len(s)
    return (s[(n - 1) // 2] + s[n // 2]) / 2


def spread(values):
    """Half the distance between the quartiles, relative to the median."""
    s = sorted(values)
    quarter = max(len(s) // 4, 0)
    middle = median(s)
    return (s[-1 - quarter] - s[quarter]) / 2 / middle if middle else 0.0


def geomean(values):
    return exp(sum(log(v) for v in values) / len(values))


def ratio(a, b):
    """Median over the rounds of a's figure relative to b's in the same round."""
    return median([x / y for x, y in zip(a, b) if y])


def sign_test(a, b):
    """Two-sided probability that as one-sided a result is chance."""
    wins = sum(x < y for x, y in zip(a, b))
    losses = sum(x > y for x, y in zip(a, b))
    n = wins + losses
    if n == 0:
        return 1.0
    tail = sum(comb(n, k) for k in range(max(wins, losses), n + 1))
    return min(1.0, 2 * tail / 2 ** n)


def tied(a, b):
    """True when the noise, or a difference under one per cent, forbids a ranking."""
    return sign_test(a, b) > SIGNIFICANT or abs(ratio(a, b) - 1) < NEGLIGIBLE
