"""Takes the pictures of the documentation: the demo's report, as a browser shows it.

Needs a built demo (`make demo`) and Chromium on the path.

    python scripts/pictures.py
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from purchasing_power.report import write_report
from purchasing_power.reporting import Silent
from purchasing_power.warehouse.project import Project

ROOT = Path(__file__).resolve().parents[1]
sys.path.append(str(ROOT / "tests" / "python"))

from browser import picture  # noqa: E402, a helper of the tests

PICTURES = ROOT / "docs" / "pictures"
# name -> language, place on the page, height, dark
SHOTS = {
    "report": ("en", "", 900, False),
    "report-dark": ("en", "", 900, True),
    "report-quality": ("en", "quality", 1500, False),
    "report-changes": ("en", "drift", 900, False),
    "report-reasons": ("en", "examples", 1000, False),
    "report-zh": ("zh", "", 900, False),
}


def main() -> None:
    """Writes the report in each language and takes a picture of each part."""
    demo = ROOT / "demo"
    project = Project.find(demo, profiles_dir=demo, target="duckdb")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for language in {language for language, *_ in SHOTS.values()}:
            write_report(project, folder / f"{language}.html", Silent(), language=language)
        PICTURES.mkdir(exist_ok=True)
        for shot, (language, place, height, dark) in SHOTS.items():
            target = PICTURES / f"{shot}.png"
            picture(folder / f"{language}.html", target, place=place, width=1280, height=height, dark=dark)
            print(f"{target.relative_to(ROOT)}: {target.stat().st_size / 1024:.0f} kB")


if __name__ == "__main__":
    main()
