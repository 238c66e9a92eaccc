"""Pictures as SVG inside the page: no script, no network, colours by the page's style, for both themes."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

_WIDTH, _HEIGHT = 640, 300
_LEFT, _RIGHT, _TOP, _BOTTOM = 84, 32, 16, 48
_ROW = 26
_CELL = 34
_LETTER = 8.2
# Where a colour cannot be told from another, the dashes can.
_DASHES = ("none", "6 4", "2 3")

Format = Callable[[float], str]


@dataclass(frozen=True)
class Series:
    """Values that belong together.

    Attributes:
        label: What they are.
        points: x and y of each point, in order.
    """

    label: str
    points: Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Axis:
    """One direction of a picture: what runs along it, and how its numbers are written."""

    label: str
    show: Format


def lines(
    series: Sequence[Series],
    x: Axis,
    y: Axis,
    *,
    title: str,
    diagonal: bool = False,
    from_zero: bool = True,
) -> Markup:
    """Draws curves; `diagonal` adds the line of a method that knows nothing."""
    x_low, x_high = _range([at for each in series for at, _ in each.points], from_zero=False)
    y_low, y_high = _range([at for each in series for _, at in each.points], from_zero=from_zero)
    frame = _Frame(x_low, x_high, y_low, y_high)
    parts = [frame.axes(x, y)]
    if diagonal:
        parts.append(_line([(x_low, y_low), (x_high, y_high)], frame, "reference", ""))
    parts += [
        _line(each.points, frame, f"line c{place + 1}", _DASHES[place % len(_DASHES)])
        for place, each in enumerate(series)
    ]
    return _svg(title, _HEIGHT, parts) + _legend([each.label for each in series])


def columns(
    labels: Sequence[str], series: Sequence[tuple[str, Sequence[float]]], y: Axis, *, title: str
) -> Markup:
    """Draws upright bars side by side, a group a label."""
    y_low, y_high = _range([value for _, values in series for value in values], from_zero=True)
    frame = _Frame(0, len(labels), y_low, y_high)
    parts = [frame.axes(Axis("", lambda value: ""), y, x_ticks=False)]
    # More would run into each other.
    every = max(1, math.ceil(len(labels) / max(1, 56 / max(map(_text_width, labels), default=1))))
    for place, label in enumerate(labels):
        if place % every == 0:
            parts.append(_text(frame.x(place + 0.5), _HEIGHT - _BOTTOM + 16, label, "tick middle"))
        for group, (_, values) in enumerate(series):
            width = 0.84 / len(series)
            left = frame.x(place + 0.08 + group * width)
            top, foot = frame.y(max(values[place], 0)), frame.y(min(values[place], 0))
            parts.append(
                _rect(
                    left,
                    top,
                    frame.x(width) - frame.x(0),
                    foot - top,
                    f"mark c{group + 1}",
                    y.show(values[place]),
                )
            )
    return _svg(title, _HEIGHT, parts) + _legend([label for label, _ in series], filled=True)


def bars(labels: Sequence[str], values: Sequence[float], show: Format, *, title: str) -> Markup:
    """Draws lying bars, each with its number; values below 0 point to the left."""
    largest = max((abs(value) for value in values), default=0.0) or 1.0
    low = min((value for value in values if value < 0), default=0.0)
    high = max((value for value in values if value > 0), default=0.0) or (0.0 if low else largest)
    left = 12 + _LETTER * max((_text_width(label) for label in labels), default=0)
    # Numbers stand beside the bars, on the left of those below 0.
    number = 14 + _LETTER * max((_text_width(show(value)) for value in values), default=0)
    beside = number if low else 0
    scale = (_WIDTH - left - beside - number) / ((high - low) or 1.0)
    zero = left + beside - low * scale
    parts = []
    for place, (label, value) in enumerate(zip(labels, values, strict=True)):
        y = 8 + place * _ROW
        parts.append(_text(left - 8, y + _ROW / 2 + 4, label, "tick end"))
        start, end = sorted((zero, zero + value * scale))
        parts.append(
            _rect(start, y + 4, end - start, _ROW - 8, "mark c1" if value >= 0 else "mark c2", show(value))
        )
        at = (end + 6, "tick start") if value >= 0 else (start - 6, "tick end")
        parts.append(_text(at[0], y + _ROW / 2 + 4, show(value), at[1]))
    if low:
        parts.append(
            f'<line class="axis" x1="{zero:.1f}" x2="{zero:.1f}" y1="4" y2="{12 + len(labels) * _ROW}"/>'
        )
    return _svg(title, 16 + len(labels) * _ROW, parts)


def heat(
    rows: Sequence[str],
    columns: Sequence[str],
    values: Sequence[Sequence[float]],
    show: Format,
    *,
    title: str,
) -> Markup:
    """Draws a table whose cells are the darker the larger their number is within its row."""
    left = 12 + _LETTER * max((_text_width(label) for label in rows), default=0)
    width = (_WIDTH - left - 8) / max(len(columns), 1)
    parts = [
        _text(left + (place + 0.5) * width, 16, label, "tick middle") for place, label in enumerate(columns)
    ]
    for at, (label, row) in enumerate(zip(rows, values, strict=True)):
        y = 26 + at * _CELL
        parts.append(_text(left - 8, y + _CELL / 2 + 4, label, "tick end"))
        whole = sum(row) or 1.0
        for place, value in enumerate(row):
            share = value / whole
            x = left + place * width
            parts.append(
                f'<rect class="mark cell" x="{x + 1:.1f}" y="{y + 1}" width="{width - 2:.1f}" '
                f'height="{_CELL - 2}" style="fill-opacity:{share:.3f}"/>'
            )
            strong = " strong" if share > 0.55 else ""
            parts.append(_text(x + width / 2, y + _CELL / 2 + 4, show(value), f"value middle{strong}"))
    return _svg(title, 32 + len(rows) * _CELL, parts)


@dataclass(frozen=True)
class _Frame:
    """Where numbers lie in a picture."""

    x_low: float
    x_high: float
    y_low: float
    y_high: float

    def x(self, value: float) -> float:
        return _LEFT + (value - self.x_low) / (self.x_high - self.x_low) * (_WIDTH - _LEFT - _RIGHT)

    def y(self, value: float) -> float:
        return (
            _HEIGHT - _BOTTOM - (value - self.y_low) / (self.y_high - self.y_low) * (_HEIGHT - _TOP - _BOTTOM)
        )

    def axes(self, x: Axis, y: Axis, *, x_ticks: bool = True) -> str:
        parts = []
        for tick in _ticks(self.y_low, self.y_high):
            at = self.y(tick)
            parts.append(
                f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{at:.1f}" y2="{at:.1f}"/>'
            )
            parts.append(_text(_LEFT - 8, at + 4, y.show(tick), "tick end"))
        for tick in _ticks(self.x_low, self.x_high) if x_ticks else []:
            parts.append(_text(self.x(tick), _HEIGHT - _BOTTOM + 16, x.show(tick), "tick middle"))
        foot = self.y(min(max(self.y_low, 0), self.y_high))
        parts.append(
            f'<line class="axis" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{foot:.1f}" y2="{foot:.1f}"/>'
        )
        if x.label:
            parts.append(_text((_LEFT + _WIDTH - _RIGHT) / 2, _HEIGHT - 8, x.label, "name middle"))
        if y.label:
            middle = (_TOP + _HEIGHT - _BOTTOM) / 2
            parts.append(
                f'<text class="name middle" transform="translate(14 {middle}) rotate(-90)">'
                f"{escape(y.label)}</text>"
            )
        return "".join(parts)


def _line(points: Sequence[tuple[float, float]], frame: _Frame, kind: str, dashes: str) -> str:
    path = " ".join(
        f"{'L' if place else 'M'}{frame.x(x):.1f} {frame.y(y):.1f}" for place, (x, y) in enumerate(points)
    )
    marks = ""
    if len(points) <= 12 and kind != "reference":
        marks = "".join(
            f'<circle class="mark {kind.split()[-1]}" cx="{frame.x(x):.1f}" cy="{frame.y(y):.1f}" r="3.5"/>'
            for x, y in points
        )
    dashed = f' stroke-dasharray="{dashes}"' if dashes not in ("", "none") else ""
    return f'<path class="{kind}" d="{path}"{dashed}/>{marks}'


def _rect(x: float, y: float, width: float, height: float, kind: str, says: str) -> str:
    return (
        f'<rect class="{kind}" x="{x:.1f}" y="{y:.1f}" width="{max(width, 0.5):.1f}" '
        f'height="{max(height, 0.5):.1f}">'
        f"<title>{escape(says)}</title></rect>"
    )


def _text(x: float, y: float, text: str, kind: str) -> str:
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}">{escape(text)}</text>'


def _svg(title: str, height: float, parts: Sequence[str]) -> Markup:
    return Markup(
        f'<div class="scroll"><svg class="chart" role="img" aria-label="{escape(title)}" '
        f'viewBox="0 0 {_WIDTH} {height:.0f}">{"".join(parts)}</svg></div>'
    )


def _legend(labels: Sequence[str], *, filled: bool = False) -> Markup:
    if len(labels) < 2:
        return Markup()

    def key(place: int) -> str:
        if filled:
            return f'<rect class="mark c{place + 1}" x="6" width="12" height="8"/>'
        dashes = _DASHES[place % len(_DASHES)]
        return f'<path class="line c{place + 1}" d="M0 4 H24" stroke-dasharray="{dashes}"/>'

    keys = "".join(
        f'<span class="key"><svg viewBox="0 0 24 8" aria-hidden="true">{key(place)}</svg>'
        f"{escape(label)}</span>"
        for place, label in enumerate(labels)
    )
    return Markup(f'<p class="legend">{keys}</p>')


def _range(values: Sequence[float], *, from_zero: bool) -> tuple[float, float]:
    low, high = min(values, default=0.0), max(values, default=1.0)
    if from_zero:
        low, high = min(low, 0.0), max(high, 0.0)
    return (low, high) if high > low else (low, low + 1.0)


def _ticks(low: float, high: float) -> list[float]:
    """Gives a handful of round numbers within a range."""
    step = 10 ** math.floor(math.log10((high - low) / 4))
    step *= next(factor for factor in (1, 2, 2.5, 5, 10) if (high - low) / (factor * step) <= 5)
    first = math.ceil(low / step - 1e-9)
    return [round(place * step, 10) for place in range(first, math.floor(high / step + 1e-9) + 1)]


def _text_width(text: str) -> float:
    """Counts letters, those of Chinese as two."""
    return sum(2.0 if ord(letter) > 0x2E7F else 1.0 for letter in text)
