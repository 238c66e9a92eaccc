"""The report's pictures and sentences, by themselves."""

from __future__ import annotations

import re
from importlib import resources
from xml.etree import ElementTree

import pytest
import yaml

from purchasing_power.errors import PurchasingPowerError
from purchasing_power.report import LANGUAGES, charts
from purchasing_power.report.charts import Axis, Series
from purchasing_power.report.texts import Texts

PLAIN = Axis("along", "{:g}".format)
HOSTILE = "<script>alert('x')</script> & \"quotes\""
SENTENCES = yaml.safe_load((resources.files("purchasing_power.report") / "texts.yml").read_text("utf-8"))


def parsed(markup: str) -> ElementTree.Element:
    """Reads a picture as XML, which it has to be."""
    return ElementTree.fromstring(f"<div>{markup}</div>")


def shapes(markup: str, name: str) -> list[ElementTree.Element]:
    return [element for element in parsed(markup).iter(name) if "mark" in element.get("class", "")]


def test_curves_stay_within_the_frame_and_rise_upwards() -> None:
    drawn = charts.lines(
        [Series("ours", [(0.0, 0.0), (0.5, 0.9), (1.0, 1.0)]), Series("other", [(0.0, 0.0), (1.0, 1.0)])],
        PLAIN,
        PLAIN,
        title="gain",
        diagonal=True,
    )
    paths = [path.get("d", "") for path in parsed(drawn).iter("path") if "line" in path.get("class", "")]
    points = [tuple(map(float, point)) for point in re.findall(r"[ML]([\d.]+) ([\d.]+)", paths[0])]
    assert [x for x, _ in points] == sorted(x for x, _ in points)
    assert points[0][1] > points[1][1] > points[2][1]
    assert all(0 <= x <= 640 and 0 <= y <= 300 for x, y in points)
    # Two curves, and a line in the legend for each.
    assert len(paths) == 4


def test_upright_bars_stand_on_zero_whatever_their_sign() -> None:
    drawn = charts.columns(["a", "b"], [("ours", [2.0, -1.0])], PLAIN, title="columns")
    up, down = shapes(drawn, "rect")
    foot = float(up.get("y", 0)) + float(up.get("height", 0))
    assert foot == pytest.approx(float(down.get("y", 0)), abs=0.11)
    assert float(up.get("height", 0)) == pytest.approx(2 * float(down.get("height", 0)), abs=0.2)


def test_lying_bars_point_to_the_side_of_their_sign() -> None:
    drawn = charts.bars(["more", "less"], [3.0, -1.5], "{:+g}".format, title="bars")
    more, less = shapes(drawn, "rect")
    assert float(more.get("x", 0)) == pytest.approx(
        float(less.get("x", 0)) + float(less.get("width", 0)), abs=0.11
    )
    assert float(more.get("width", 0)) == pytest.approx(2 * float(less.get("width", 0)), abs=0.2)
    assert more.get("class") != less.get("class")
    assert "+3" in drawn and "-1.5" in drawn


def test_cells_are_shaded_by_their_share_of_the_row() -> None:
    drawn = charts.heat(["r"], ["a", "b", "c"], [[1, 3, 0]], "{:g}".format, title="heat")
    shade = [float(cell.get("style", ":").split(":")[1]) for cell in shapes(drawn, "rect")]
    assert shade == [0.25, 0.75, 0.0]


@pytest.mark.parametrize(
    "drawn",
    [
        charts.lines([], PLAIN, PLAIN, title=""),
        charts.lines([Series("one", [(1.0, 5.0)])], PLAIN, PLAIN, title=""),
        charts.columns([], [("none", [])], PLAIN, title=""),
        charts.columns(["a"], [("zero", [0.0])], PLAIN, title=""),
        charts.bars([], [], "{:g}".format, title=""),
        charts.bars(["a"], [0.0], "{:g}".format, title=""),
        charts.bars(["a", "b"], [-1.0, -2.0], "{:g}".format, title=""),
        charts.heat([], [], [], "{:g}".format, title=""),
        charts.heat(["r"], ["a"], [[0]], "{:g}".format, title=""),
    ],
)
def test_little_or_nothing_is_drawn_too(drawn: str) -> None:
    numbers = [value for element in parsed(drawn).iter() for value in element.attrib.values()]
    assert not any(word in value for value in numbers for word in ("nan", "inf"))


def test_names_are_shown_and_never_run() -> None:
    for drawn in (
        charts.bars([HOSTILE], [1.0], lambda value: HOSTILE, title=HOSTILE),
        charts.columns([HOSTILE], [(HOSTILE, [1.0]), ("b", [1.0])], Axis(HOSTILE, str), title=HOSTILE),
        charts.heat([HOSTILE], [HOSTILE], [[1]], lambda value: HOSTILE, title=HOSTILE),
    ):
        assert "<script" not in drawn
        assert HOSTILE in "".join(parsed(drawn).itertext())


def test_ticks_are_round_and_few() -> None:
    assert charts._ticks(0, 1) == [0, 0.2, 0.4, 0.6, 0.8, 1]
    assert charts._ticks(0, 640) == [0, 200, 400, 600]
    assert all(2 <= len(charts._ticks(0, top)) <= 6 for top in (0.003, 1, 7, 12.5, 99, 1e6))


@pytest.mark.parametrize("key", SENTENCES)
def test_each_sentence_says_the_same_in_each_language(key: str) -> None:
    said = SENTENCES[key]
    assert set(said) == set(LANGUAGES)
    holes = [set(re.findall(r"{(\w+)}", said[language])) for language in LANGUAGES]
    assert all(found == holes[0] for found in holes)
    assert all(said[language].strip() for language in LANGUAGES)


def test_an_unknown_language_names_the_known_ones() -> None:
    with pytest.raises(PurchasingPowerError, match="choose --language en or zh"):
        Texts("de")


def test_names_of_a_users_own_stay_what_they_are() -> None:
    assert Texts("zh").name("g_", "loyalty_points") == "loyalty_points"
    assert Texts("zh").name("g_", "spend") != "spend"
