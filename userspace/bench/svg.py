# SPDX-License-Identifier: GPL-2.0-only OR MIT
"""A bar for every row, beside a line at 1: simple enough not to need a plotting program."""

ROW, LABEL, WIDTH = 15, 210, 560
AHEAD, TIED, BEHIND = "#009e73", "#999999", "#d55e00"


def bars(path, title, rows):
    """Writes @rows, (label, value, colour, note) each, as horizontal bars."""
    most = max([1.2] + [value for _, value, _, _ in rows])
    height = 50 + ROW * len(rows)
    x1 = LABEL + WIDTH / most
    out = ["<!-- SPDX-License-Identifier: GPL-2.0-only OR MIT -->",
           f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {LABEL + WIDTH + 180} {height}" '
           'font-family="sans-serif" font-size="11">',
           '<rect width="100%" height="100%" fill="white"/>',
           f'<text x="10" y="20" font-size="13">{title}</text>']
    for n, (label, value, colour, note) in enumerate(rows):
        y = 35 + ROW * n
        length = WIDTH * value / most
        out += [f'<text x="{LABEL - 5}" y="{y + 10}" text-anchor="end">{label}</text>',
                f'<rect x="{LABEL}" y="{y}" width="{length:.1f}" height="{ROW - 3}" '
                f'fill="{colour}"/>',
                f'<text x="{LABEL + length + 5:.1f}" y="{y + 10}" fill="#555">{value:.2f} '
                f'{note}</text>']
    out += [f'<line x1="{x1:.1f}" x2="{x1:.1f}" y1="30" y2="{height - 12}" stroke="black"/>',
            "</svg>"]
    with open(path, "w", encoding="utf-8") as f:
        f.write("\n".join(out) + "\n")
