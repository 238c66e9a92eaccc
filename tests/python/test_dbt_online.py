"""A built shop scored in real time: memories of three weeks ago, the events since, and the scores of today's batch."""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from shop import PACKAGE, Shop

from purchasing_power.errors import PurchasingPowerError
from purchasing_power.online import LateEventError, OnlineScorer, UserMemory
from purchasing_power.warehouse.online import open_online
from purchasing_power.warehouse.project import Project

pytestmark = pytest.mark.dbt

AS_OF = dt.date(2024, 7, 29)  # the day after the last of the shop's 210 days
EARLIER = dt.date(2024, 7, 8)
MONEY = ("expected_spend", "spend_p10", "spend_p50", "spend_p90")
Row = dict[str, Any]


@dataclass(frozen=True)
class Weeks:
    """What a service has: a scorer and memories of an earlier as-of date; and what happened since."""

    scorer: OnlineScorer
    memories: dict[str, UserMemory]
    events: list[Row]
    scores: dict[str, Row]
    first_seen_on: dict[str, dt.date]


@pytest.fixture(scope="module")
def earlier(scored_shop: Shop, tmp_path_factory: pytest.TempPathFactory) -> Shop:
    shop = scored_shop.copy(tmp_path_factory.mktemp("earlier") / "shop")
    outcome = shop.dbt(
        "run", "--exclude", "page_log", variables={"purchasing_power__as_of_date": EARLIER.isoformat()}
    )
    assert outcome.returncode == 0, outcome.output
    return shop


@pytest.fixture(scope="module")
def weeks(scored_shop: Shop, earlier: Shop) -> Weeks:
    with open_online(Project.find(earlier.folder)) as warehouse:
        assert warehouse.as_of_date == EARLIER
        memories = {memory.user_id: memory for memory in warehouse.memories()}
    events = rows(
        scored_shop,
        "int_purchasing_power__activity",
        f"where occurred_at >= date '{EARLIER}' order by occurred_at",
    )
    scores = rows(scored_shop, "purchasing_power__scores")
    users = rows(scored_shop, "purchasing_power__users")
    return Weeks(
        warehouse.scorer,
        memories,
        events,
        {row["user_id"]: row for row in scores},
        {row["user_id"]: row["first_seen_on"] for row in users},
    )


def rows(shop: Shop, relation: str, condition: str = "") -> list[Row]:
    names = shop.columns(relation)
    return [dict(zip(names, row, strict=True)) for row in shop.sql(f"select * from {relation} {condition}")]


def test_events_onto_earlier_memories_give_everybody_todays_batch_score(weeks: Weeks) -> None:
    memories = dict(weeks.memories)
    moved = set()
    for event in weeks.events:
        user_id = event["user_id"]
        memory = memories.get(user_id) or weeks.scorer.newcomer(user_id)
        # As a service does it: the memory comes from a store, and goes back there.
        memory, score = weeks.scorer.update(UserMemory.from_bytes(memory.to_bytes()), event)
        assert score.as_of_date == event["occurred_at"].date() + dt.timedelta(days=1)
        assert score.is_provisional
        memories[user_id] = memory
        moved.add(user_id)
    assert memories.keys() == weeks.scores.keys()
    # Users who did nothing, users who came back, users who were new: all of them are there.
    assert moved & weeks.memories.keys() and moved - weeks.memories.keys() and weeks.memories.keys() - moved
    for user_id, memory in memories.items():
        assert memory.first_seen_on == weeks.first_seen_on[user_id]
        assert_same(weeks.scorer.score(memory, AS_OF), weeks.scores[user_id])


def test_memories_alone_are_the_scores_of_their_day(weeks: Weeks, earlier: Shop) -> None:
    expected = {row["user_id"]: row for row in rows(earlier, "purchasing_power__scores")}
    assert weeks.memories.keys() == expected.keys()
    for user_id, memory in weeks.memories.items():
        assert_same(weeks.scorer.score(memory, EARLIER), expected[user_id])


def test_the_last_score_of_a_day_is_the_batch_score_of_the_next_morning(weeks: Weeks) -> None:
    last = {event["user_id"]: event for event in weeks.events}
    of_the_last_day = {
        user_id
        for user_id, event in last.items()
        if event["occurred_at"].date() == AS_OF - dt.timedelta(days=1)
    }
    assert of_the_last_day
    for user_id in of_the_last_day:
        memory = weeks.memories.get(user_id) or weeks.scorer.newcomer(user_id)
        for event in weeks.events:
            if event["user_id"] == user_id:
                memory, score = weeks.scorer.update(memory, event)
        assert_same(score, weeks.scores[user_id])


def test_some_users_are_loaded_by_name(earlier: Shop, weeks: Weeks) -> None:
    names = sorted(weeks.memories)[3:40:5]
    with open_online(Project.find(earlier.folder)) as warehouse:
        found = list(warehouse.memories([*reversed(names), "nobody"]))
        assert [memory.to_bytes() for memory in found] == [weeks.memories[name].to_bytes() for name in names]
        assert warehouse.memory("nobody") is None


def test_a_user_whose_days_lie_in_two_batches_is_whole(
    earlier: Shop, weeks: Weeks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("purchasing_power.warehouse.online._ROWS_PER_BATCH", 100)
    with open_online(Project.find(earlier.folder)) as warehouse:
        found = {memory.user_id: memory.to_bytes() for memory in warehouse.memories()}
    assert found == {user_id: memory.to_bytes() for user_id, memory in weeks.memories.items()}


def test_what_came_before_the_memory_is_late(weeks: Weeks) -> None:
    event = next(event for event in weeks.events if event["user_id"] in weeks.memories)
    memory = weeks.memories[event["user_id"]]
    event = {**event, "occurred_at": dt.datetime(2024, 7, 7, 23, 59)}
    with pytest.raises(LateEventError, match="everything before 2024-07-08 is closed: recompute the user"):
        weeks.scorer.update(memory, event)


def test_states_of_another_past_are_refused(earlier: Shop, tmp_path: Path) -> None:
    shop = earlier.copy(tmp_path / "stale")
    user_id = shop.sql("select min(user_id) from purchasing_power__user_steps")[0][0]
    shop.sql(
        f"update purchasing_power__user_steps set spend = spend + 1 where user_id = '{user_id}' and step_index = 1"
    )
    with (
        open_online(Project.find(shop.folder)) as warehouse,
        pytest.raises(
            PurchasingPowerError, match=f"The state of the user '{user_id}' .* has not read the steps"
        ),
    ):
        list(warehouse.memories())


def test_the_readme_scores_an_event(
    earlier: Shop, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    readme = (PACKAGE / "README.md").read_text(encoding="utf-8")
    (snippet,) = re.findall(r"```python\n(.*?)```", readme, flags=re.DOTALL)
    monkeypatch.chdir(earlier.folder)
    exec(compile(snippet, "README.md", "exec"), {})
    assert "Score(user_id='1609'" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("update purchasing_power__models set status = 'retired'", "holds no champion model: run `purch"),
        ("update int_purchasing_power__inputs_version set inputs_version = 'other'", "other fitted parameters"),
        ("drop table purchasing_power__feature_definitions", "is not in the warehouse yet: run `dbt build"),
        ("update purchasing_power__feature_definitions set feature_hash = 'f2'", "but the warehouse has f2"),
    ],
)  # fmt: skip
def test_a_warehouse_that_does_not_fit_is_refused(
    earlier: Shop, tmp_path: Path, statement: str, message: str
) -> None:
    shop = earlier.copy(tmp_path / "changed")
    shop.sql(statement)
    with pytest.raises(PurchasingPowerError, match=message), open_online(Project.find(shop.folder)):
        pass


def assert_same(score: Any, expected: Row) -> None:
    for name in ("purchase_probability", "anomaly_score", *MONEY):
        # A low quantile that fades to zero is rounding noise; the expected spend says what matters.
        scale = max(abs(expected[name]), expected["expected_spend"] if name in MONEY else 0)
        assert abs(getattr(score, name) - expected[name]) <= 1e-5 * scale, (name, score, expected)
    for name in ("purchasing_power_tier", "is_outlier", "model_version", "as_of_date"):
        assert getattr(score, name) == expected[name]
