"""`purchasing-power prepare` on a built shop: what is fitted, what it must not see, and what dbt makes of it."""

from __future__ import annotations

from pathlib import Path

import pytest
from shop import FEATURES, Shop

pytestmark = pytest.mark.dbt

MAPPING = {
    "reviews": {
        "relation": "shop.opinions",
        "columns": {
            "user_id": "card_no",
            "reviewed_at": "written_at",
            "rating": "stars",
            "review_text": "words",
        },
    },
    "products": {
        "relation": "shop.vectors",
        "columns": {"product_id": "article", "embedding": "vector"},
    },
}
# Words of three scripts, each good or bad, in texts that differ by a number; every tenth has no rating.
OPINIONS = """
create or replace table shop.opinions as
select
    'C' || lpad(cast(range % 160 as varchar), 4, '0') as card_no,
    timestamp '2024-01-02 10:00:00' + to_days(cast(range % 150 as int)) as written_at,
    case when range % 10 > 0 then case when range % 3 = 0 then 2 else 5 end end as stars,
    case when range % 3 = 0 then ['bad', 'плохо', '很差'][1 + range % 7 % 3]
        else ['good', 'хорошо', '不错'][1 + range % 7 % 3] end || ' ' || range as words
from range(900)
"""
VECTORS = """
create or replace table shop.vectors as
select
    'A' || range as article,
    case
        when range = 7 then [1.0::double, 2]
        when range = 8 then [1, 'nan'::double, 2, 3, 4]
        when range <> 9 then [sin(range), cos(range), sin(3 * range), range % 5, 1.0]
    end as vector
from range(60)
"""


@pytest.fixture
def shop(scored_shop: Shop, tmp_path: Path) -> Shop:
    shop = scored_shop.copy(tmp_path / "shop")
    shop.sql(OPINIONS)
    shop.sql(VECTORS)
    build(shop)
    return shop


def build(shop: Shop, *flags: str) -> None:
    variables = {"purchasing_power__inputs": {**shop.inputs(), **MAPPING}}
    outcome = shop.dbt(*FEATURES, *flags, variables=variables)
    assert outcome.returncode == 0, outcome.output


def prepare(shop: Shop) -> str:
    outcome = shop.command("prepare")
    assert outcome.returncode == 0, outcome.output
    return outcome.output


def models(shop: Shop) -> list[tuple[str, str]]:
    return shop.sql("select model_version, sha256 from purchasing_power__input_models order by kind")


def test_texts_without_a_rating_get_a_sentiment_and_embeddings_their_factors(shop: Shop) -> None:
    assert shop.sql("select count(*) from int_purchasing_power__review_sentiment") == [(0,)]
    assert shop.sql("select count(*) from int_purchasing_power__product_factors") == [(0,)]
    said = prepare(shop)
    assert "guessing the majority calls" in said
    assert "Registered sentiment-20240701-" in said
    assert "of another length left out" in said
    assert "already" in prepare(shop)
    build(shop)
    read = shop.sql(
        "select words[1:3] in ('bad', 'пло', '很差 '), min(sentiment), max(sentiment), count(*) from shop.opinions"
        " inner join int_purchasing_power__review_sentiment on text_md5 = md5(words)"
        " where stars is null group by 1 order by 1"
    )
    assert sum(row[3] for row in read) == 90
    (good, bad) = read
    assert good[1] > 0.5
    assert bad[2] < -0.5
    assert shop.sql(
        "select count(*), min(len(factors)), max(len(factors)) from int_purchasing_power__product_factors"
    ) == [(57, 4, 4)]

    # The next run reads only what is new, and forgets what is gone.
    shop.sql("insert into shop.opinions values ('C0001', '2024-03-01', null, 'good 5000')")
    shop.sql("delete from shop.opinions where words like '% 10'")
    build(shop)
    assert shop.sql("select count(*) from int_purchasing_power__text_sentiment") == [(1,)]
    once = shop.fingerprint()["int_purchasing_power__review_sentiment"]
    assert once[0] == 90
    build(shop, "--full-refresh")
    assert shop.sql("select count(*) from int_purchasing_power__text_sentiment") == [(90,)]
    assert shop.fingerprint()["int_purchasing_power__review_sentiment"] == once


def test_what_comes_after_the_cut_or_from_held_back_users_changes_no_model(
    shop: Shop, tmp_path: Path
) -> None:
    other = shop.copy(tmp_path / "other")
    prepare(shop)
    held_back = "(select user_id from purchasing_power__users where split = 'validation')"
    # Reversed ratings where they must not be seen, and the rows in another order.
    other.sql(
        "create or replace table shop.opinions as select card_no, written_at, words,"
        f" case when card_no in {held_back} then 7 - stars else stars end as stars"
        " from shop.opinions order by hash(words)"
    )
    other.sql(
        "insert into shop.opinions by name select card_no, timestamp '2024-07-10' as written_at,"
        " 7 - stars as stars, 'late ' || words as words from shop.opinions"
    )
    build(other)
    prepare(other)
    assert models(other) == models(shop)
    shop.sql("update shop.opinions set stars = 7 - stars where words like '% 1%'")
    build(shop)
    prepare(shop)
    assert len(models(shop)) == 3


def test_too_few_rated_texts_fit_nothing(scored_shop: Shop, tmp_path: Path) -> None:
    shop = scored_shop.copy(tmp_path / "shop")
    assert "no review has a text but no rating" in prepare(shop)
    shop.sql(OPINIONS.replace("range(900)", "range(100)"))
    shop.sql(VECTORS)
    build(shop)
    said = prepare(shop)
    assert "are too few, a classifier needs 200" in said
    assert models(shop)[0][0].startswith("embedding-")
