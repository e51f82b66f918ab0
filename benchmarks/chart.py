"""Horizontal bars as SVG: one group a task, one bar a program, seconds beside it."""

from __future__ import annotations

from xml.sax.saxutils import escape

COLOURS = {"modelreg": "#1a7f5a", "boto3": "#8a8f98", "MLflow": "#4c78a8", "DVC": "#b07aa1"}
WIDTH, LEFT, RIGHT, BAR, GAP = 860, 250, 110, 16, 14


def draw(groups: list[tuple[str, dict[str, float]]]) -> str:
    """An SVG document; each group is scaled to its own longest bar, since a pull and a push are of other magnitudes."""
    parts: list[str] = []
    y = GAP
    for task, seconds in groups:
        parts.append(f'<text x="8" y="{y + 12}" font-weight="bold">{escape(task)}</text>')
        longest = max(seconds.values())
        for name, took in seconds.items():
            width = (WIDTH - LEFT - RIGHT) * took / longest
            parts.append(f'<text x="{LEFT - 8}" y="{y + 12}" text-anchor="end">{escape(name)}</text>')
            colour = COLOURS[name]
            parts.append(f'<rect x="{LEFT}" y="{y}" width="{width:.1f}" height="{BAR - 3}" fill="{colour}"/>')
            parts.append(f'<text x="{LEFT + width + 6:.1f}" y="{y + 12}">{took:.2f} s</text>')
            y += BAR
        y += GAP
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{y}" font-family="sans-serif" font-size="12">'
    )
    return "\n".join([head, f'<rect width="{WIDTH}" height="{y}" fill="white"/>', *parts, "</svg>", ""])
