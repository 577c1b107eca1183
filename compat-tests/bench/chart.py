"""A picture of how many times better each row is: bars on a scale of doublings, with the marks of must and aim."""

import math
from html import escape

from judge import REFERENCE, factor
from targets import METRICS

LABELS, BARS, VALUES, LINE, TOP, BOTTOM = 350, 420, 70, 20, 46, 30
# Doublings to the left and the right of `as good`.
LEAST, MOST = -1, 6
COLOURS = {"aim": "#2e9e5b", "must": "#3b82c4", "MISSED": "#d1495b", "-": "#888888"}
# Colours of text and lines in between: they are seen on white and on black.
STYLE = """
  text { font: 12px sans-serif; fill: #6e7781 }
  .grid { stroke: #8c959f; stroke-opacity: 0.35 }
  .even { stroke: #8c959f; stroke-width: 1.5 }
  .mark { stroke: #6e7781; stroke-width: 2 }
  .aimed { stroke-dasharray: 3 2 }
  @media (prefers-color-scheme: dark) { text { fill: #b6bec8 } .mark { stroke: #b6bec8 } }
"""


def place(times):
    """Where so many times better is, cut off at both ends of the scale."""
    doublings = min(max(math.log2(times), LEAST), MOST)
    return LABELS + (doublings - LEAST) / (MOST - LEAST) * BARS


def svg(verdicts):
    known = [(verdict, factor(verdict.target.metric, verdict.reference, verdict.ours)) for verdict in verdicts]
    known = [(verdict, times) for verdict, times in known if times is not None]
    width, height = LABELS + BARS + VALUES, TOP + LINE * len(known) + BOTTOM
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img">',
             f"<style>{STYLE}</style>", f"<title>How many times better than {REFERENCE}</title>", *_legend(), *_grid(height)]
    for line, (verdict, times) in enumerate(known):
        parts += _bar(verdict, times, TOP + LINE * line)
    return "\n".join([*parts, "</svg>"]) + "\n"


def _legend():
    parts = [f'<text x="8" y="16">How many times better than {REFERENCE}; | must, ¦ aim</text>']
    for place_of, (says, what) in enumerate((("aim", "as aimed"), ("must", "as it must be"), ("MISSED", "missed"))):
        x = LABELS + 60 + place_of * 110
        parts.append(f'<rect x="{x}" y="6" width="12" height="12" fill="{COLOURS[says]}"/><text x="{x + 17}" y="16">{what}</text>')
    return parts


def _grid(height):
    parts = []
    for doublings in range(LEAST, MOST + 1):
        x, name = place(2.0 ** doublings), f"{2 ** doublings:g}x"
        parts.append(f'<line class="{"grid" if doublings else "even"}" x1="{x:.1f}" y1="{TOP - 8}" x2="{x:.1f}" y2="{height - BOTTOM + 4}"/>')
        parts.append(f'<text x="{x:.1f}" y="{height - BOTTOM + 18}" text-anchor="middle">{name}</text>')
    return parts


def _bar(verdict, times, y):
    target, even, end = verdict.target, place(1), place(times)
    label = f"{target.row}, {METRICS[target.metric].label}"
    parts = [f'<text x="{LABELS - 8}" y="{y + 12}" text-anchor="end">{escape(label)}</text>',
             f'<rect x="{min(even, end):.1f}" y="{y + 2}" width="{abs(end - even):.1f}" height="{LINE - 7}" fill="{COLOURS[verdict.says]}"/>',
             f'<text x="{LABELS + BARS + VALUES - 8}" y="{y + 12}" text-anchor="end">{times:.1f}x</text>']
    for bound, name in ((target.must, "mark"), (target.aim, "mark aimed")):
        if bound.ratio:
            x = place(bound.ratio if METRICS[target.metric].more else 1 / bound.ratio)
            parts.append(f'<line class="{name}" x1="{x:.1f}" y1="{y}" x2="{x:.1f}" y2="{y + LINE - 3}"/>')
    return parts
