"""The report of a scored shop, written by the command and opened in a browser."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from browser import CHROMIUM, measured
from shop import MARTS, Shop

pytestmark = pytest.mark.dbt

LANGUAGES = ("en", "zh")
ALWAYS = {"tiers", "segments", "importance", "timeline", "reasons", "loss", "logs", "feature_drift"}
OF_A_BACKTEST = {
    "gain",
    "lift",
    "roc",
    "calibration_probability",
    "calibration_spend",
    "confusion",
    "spend_distribution",
}
HOSTILE = "<img src=x onerror=alert(1)>'"


@pytest.fixture(scope="module")
def reported(scored_shop: Shop, tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """A shop with marts, a backtest, a user of a hostile name, and the report in both languages."""
    shop = scored_shop.copy(tmp_path_factory.mktemp("reported") / "shop")
    backtest = ("backtest", "--no-peers", "--epochs", "1", "--members", "1", "--trees", "0")
    monitoring = ("run", "--selector", "purchasing_power_monitoring")
    for done in (shop.dbt(*MARTS), shop.dbt(*monitoring), shop.command(*backtest)):
        assert done.returncode == 0, done.output
    ((user_id,),) = shop.sql(
        "select user_id from purchasing_power__score_explanations where rank = 1 "
        "order by expected_spend desc, user_id limit 1"
    )
    quoted = HOSTILE.replace("'", "''")
    for table in ("scores", "score_explanations", "user_steps"):
        shop.sql(f"update purchasing_power__{table} set user_id = '{quoted}' where user_id = '{user_id}'")
    for language in LANGUAGES:
        done = shop.command("report", "--language", language, "--output", f"{language}.html", "--users", "3")
        assert done.returncode == 0, done.output
    return shop


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_file_is_whole_and_asks_for_nothing(reported: Shop, language: str) -> None:
    page = (reported.folder / f"{language}.html").read_text("utf-8")
    assert f'<html lang="{language}">' in page
    assert not re.search(r"<script|<link (?!rel=.icon. href=.data:)|<[^>]* src=|@import|url\(", page)
    assert "http://" not in page.replace("http://www.w3.org", "")
    assert "https://" not in page
    assert HOSTILE not in page
    assert "&lt;img src=x onerror=alert(1)&gt;" in page
    assert len(page) < 1_000_000


def test_both_languages_show_the_same_numbers(reported: Shop) -> None:
    numbers = []
    for language in LANGUAGES:
        page = (reported.folder / f"{language}.html").read_text("utf-8")
        cells = re.findall(r"<td>([^<]*)</td>", page)
        numbers.append([number for cell in cells for number in re.findall(r"\d[\d,.]*%?", cell)])
    assert len(numbers[0]) > 100
    assert numbers[0] == numbers[1]


def test_what_was_scored_stands_in_it(reported: Shop) -> None:
    page = (reported.folder / "en.html").read_text("utf-8")
    ((users, spend),) = reported.sql("select count(*), sum(expected_spend) from purchasing_power__scores")
    assert f"<b>{users:,}</b>" in page
    assert f"<b>EUR {spend:,.0f}</b>" in page


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine: apt-get install chromium")
@pytest.mark.parametrize(
    ("language", "dark", "width"), [("en", False, 1280), ("zh", True, 1280), ("en", False, 390)]
)
def test_each_picture_draws_in_a_browser(
    reported: Shop, tmp_path: Path, language: str, dark: bool, width: int
) -> None:
    found = measured(reported.folder / f"{language}.html", tmp_path, dark=dark, width=width)
    assert {chart["name"] for chart in found["charts"]} == ALWAYS | OF_A_BACKTEST
    for chart in found["charts"]:
        assert chart["width"] > 250, chart
        assert chart["height"] > 40, chart
        assert chart["marks"] > 0, chart
        assert chart["outside"] == 0, chart
        assert chart["label"], chart
        assert chart["rows"] > 0 or chart["name"] == "timeline", chart
    assert found["requests"] == []
    # The page itself does not move sideways, whatever it holds.
    assert found["overflow"] <= 0
    lightness = [sum(map(int, re.findall(r"\d+", found[part])[:3])) for part in ("background", "ink")]
    assert (lightness[0] < lightness[1]) == dark


def test_a_shop_without_scores_is_told_what_to_run(scored_shop: Shop, tmp_path: Path) -> None:
    shop = scored_shop.copy(tmp_path / "shop")
    shop.sql("delete from purchasing_power__scores")
    done = shop.command("report")
    assert done.returncode == 1
    assert "holds no scores yet: run `purchasing-power run`" in done.output
    assert not (shop.folder / "purchasing_power_report.html").exists()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--language", "de"), "There is no report in 'de': choose --language en or zh."),
        (("--users", "-1"), "--users is -1: give 0 or more users"),
        (("--output", "dbt_project.yml/report.html"), "The report cannot be written to"),
    ],
)
def test_mistakes_are_one_sentence(reported: Shop, arguments: tuple[str, ...], says: str) -> None:
    done = reported.command("report", *arguments)
    assert done.returncode == 1
    assert says in done.output
    assert "Traceback" not in done.output
