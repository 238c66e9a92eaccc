"""A browser without a window, if this machine has one, which opens a page and says what came of it."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from html import unescape
from pathlib import Path
from typing import Any

CHROMIUM = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))),
    None,
)
# What a picture is when it has drawn: its place on the page, and its marks with an extent.
_MEASURE = """
<script>
window.addEventListener("load", () => {
  const box = (element) => element.getBoundingClientRect();
  const charts = [...document.querySelectorAll("figure[data-chart]")].map((figure) => {
    const chart = figure.querySelector("svg.chart");
    const marks = [...chart.querySelectorAll("rect.mark, path.line, circle.mark")];
    const texts = [...chart.querySelectorAll("text")];
    return {
      name: figure.dataset.chart,
      width: box(chart).width,
      height: box(chart).height,
      marks: marks.filter((mark) => box(mark).width > 0 || box(mark).height > 0).length,
      outside: [...marks, ...texts].filter((each) =>
        box(each).left < box(chart).left - 1 || box(each).right > box(chart).right + 1).length,
      fill: getComputedStyle(marks[0]).fill,
      label: chart.getAttribute("aria-label"),
      rows: figure.querySelectorAll("details tbody tr").length,
    };
  });
  const found = {
    charts: charts,
    requests: performance.getEntriesByType("resource").map((entry) => entry.name),
    background: getComputedStyle(document.body).backgroundColor,
    ink: getComputedStyle(document.body).color,
    overflow: document.documentElement.scrollWidth - window.innerWidth,
  };
  const holder = document.createElement("pre");
  holder.id = "measured";
  holder.textContent = JSON.stringify(found);
  document.body.append(holder);
});
</script>
"""


def measured(page: Path, folder: Path, *, dark: bool = False, width: int = 1280) -> dict[str, Any]:
    """Opens a page, lets a script of ours look at it, and gives what that found."""
    assert CHROMIUM is not None
    copy = folder / f"measured-{width}-{dark}.html"
    copy.write_text(page.read_text("utf-8").replace("</body>", f"{_MEASURE}</body>"), "utf-8")
    dom = _run(f"--window-size={width},1200", "--dump-dom", *_theme(dark), copy.as_uri())
    found = re.search(r'<pre id="measured">(.*?)</pre>', dom, re.DOTALL)
    assert found is not None, dom[-2000:]
    result: dict[str, Any] = json.loads(unescape(found[1]))
    return result


def picture(
    page: Path, target: Path, *, width: int, height: int, dark: bool = False, place: str = ""
) -> None:
    """Takes a picture of a page, or of one section of it alone."""
    shown = page
    if place:
        # Without a window nothing is scrolled to, so the rest is taken away.
        hidden = f"<style>header, footer, section:not(#{place}) {{ display: none }}</style></head>"
        shown = page.with_name(f"{page.stem}-{place}.html")
        shown.write_text(page.read_text("utf-8").replace("</head>", hidden), "utf-8")
    _run(f"--window-size={width},{height}", f"--screenshot={target}", *_theme(dark), shown.as_uri())


def seen_at(address: str, picture: Path | None = None, *, width: int = 1400, height: int = 2480) -> str:
    """Gives the document at an address once its scripts have done their work, and takes a picture if one is wanted.

    Args:
        address: what is served.
        picture: file of a PNG.
        width: the window's, in pixels.
        height: likewise.
    """
    # In the page's own time: it goes on at once where nothing is waited for.
    patient = ("--virtual-time-budget=60000", f"--window-size={width},{height}")
    if picture is not None:
        _run(*patient, f"--screenshot={picture}", address)
    return _run(*patient, "--dump-dom", address)


def _theme(dark: bool) -> list[str]:
    return (
        ["--blink-settings=preferredColorScheme=0"] if dark else ["--blink-settings=preferredColorScheme=1"]
    )


def _run(*arguments: str) -> str:
    assert CHROMIUM is not None
    options = ("--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars")
    done = subprocess.run(
        [CHROMIUM, *options, *arguments], capture_output=True, text=True, check=True, timeout=120
    )
    return done.stdout
