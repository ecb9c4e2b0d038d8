"""Draws CPU per request by scenario and contestant as an SVG, by hand.

Never draws bars of different scenarios to one scale: within a scenario lengths compare, between them the numbers do.
"""

from html import escape
from pathlib import Path

from results import Results
from scenarios import Scenario

COLOURS = {"portcullis": "#c2410c", "haproxy": "#3b82a0", "envoy": "#8a63b8", "nginx": "#5b8c4a", "envoy-uncached": "#b9a3d6"}
OTHER_COLOUR = "#888888"
COLUMN, GAP, MARGIN = 430, 30, 20
NAME_WIDTH, VALUE_WIDTH = 96, 52
BAR, TITLE, SPACE, TOP = 15, 20, 14, 62


def text(x: float, y: float, content: str, size: int = 11, style: str = "") -> str:
    return f'<text x="{x:g}" y="{y:g}" font-size="{size}" {style}>{escape(content)}</text>'


def panel(x: float, y: float, scenario: Scenario, bars: list[tuple[str, float]]) -> list[str]:
    """One scenario: its title, and a bar for each contestant."""
    room = COLUMN - NAME_WIDTH - VALUE_WIDTH
    most = max(value for _, value in bars)
    drawn = [text(x, y + 13, f"{scenario.name}  {scenario.title}", 12, 'font-weight="600"')]
    for row, (name, value) in enumerate(bars):
        top = y + TITLE + row * BAR
        length = max(1.0, room * value / most)
        weight = 'font-weight="600"' if name == "portcullis" else ""
        drawn += [
            text(x + NAME_WIDTH - 6, top + 10, name, 11, f'text-anchor="end" {weight}'),
            f'<rect x="{x + NAME_WIDTH:g}" y="{top + 1:g}" width="{length:.1f}" height="{BAR - 4}" rx="2" '
            f'fill="{COLOURS.get(name, OTHER_COLOUR)}"/>',
            text(x + NAME_WIDTH + length + 5, top + 10, f"{value:,.1f}" if value < 1000 else f"{value:,.0f}", 11, weight),
        ]
    return drawn


def draw(results: Results, workers: int, scenarios: list[Scenario], names: list[str], subtitle: str, path: Path) -> bool:
    """Whether there was anything to draw."""
    panels = []
    for scenario in scenarios:
        middles = [(name, results.middle((workers, scenario.name, name), "cpu_microseconds")) for name in names]
        bars = [(name, value) for name, value in middles if value is not None]
        if bars:
            panels.append((scenario, bars))
    if not panels:
        return False
    heights = [0.0, 0.0]
    body: list[str] = []
    half = (len(panels) + 1) // 2
    for place, (scenario, bars) in enumerate(panels):
        column = 0 if place < half else 1
        x = MARGIN + column * (COLUMN + GAP)
        body += panel(x, TOP + heights[column], scenario, bars)
        heights[column] += TITLE + len(bars) * BAR + SPACE
    width, height = 2 * MARGIN + 2 * COLUMN + GAP, TOP + max(heights) + 4
    count = "one worker" if workers == 1 else f"{workers} workers"
    head = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height:g}" viewBox="0 0 {width} {height:g}" '
        'font-family="system-ui, sans-serif" fill="#1f2328" role="img" aria-label="CPU per request by scenario and contestant">',
        f'<rect width="{width}" height="{height:g}" fill="#ffffff"/>',
        text(MARGIN, 26, f"CPU microseconds per request, {count} (less is better)", 15, 'font-weight="600"'),
        text(MARGIN, 46, subtitle, 11, 'fill="#57606a"'),
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join([*head, *body, "</svg>"]) + "\n")
    return True
