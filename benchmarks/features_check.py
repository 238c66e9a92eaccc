"""What the hand-written feature builds are given, and whether they gave the same numbers."""

from __future__ import annotations

from pathlib import Path

from features_common import FACTORS

from purchasing_power.errors import PurchasingPowerError
from purchasing_power.warehouse.connection import Connection, connect
from purchasing_power.warehouse.project import Project

STEPS, ANCHORS = "purchasing_power__user_steps", "purchasing_power__anchors"
# Fitted once, or made by a model in Python: given to all three, so none of them makes it.
GIVEN = (
    "purchasing_power__cleaning",
    "purchasing_power__input_models",
    "int_purchasing_power__product_factors",
    "int_purchasing_power__texts_to_read",
    "int_purchasing_power__text_sentiment",
    "int_purchasing_power__review_sentiment",
)
# Relative where a value is larger than 1.
TOLERANCE = 1e-6
_TABLES = {STEPS: ("user_steps.parquet", "step_on"), ANCHORS: ("anchors.parquet", "anchor_on")}
_NUMBERS = ("BIGINT", "DECIMAL", "DOUBLE", "FLOAT", "HUGEINT", "INTEGER")


def freeze(project: Project, shop: Path, folder: Path) -> None:
    """Writes what was fitted, which the hand-written builds are given.

    Args:
        project: The project, built.
        shop: The simulated shop's folder.
        folder: Where `cleaning`, `factors` and `sentiment` go as Parquet.
    """
    folder.mkdir(parents=True, exist_ok=True)
    names = project.relation_names()
    cleaning, factors, sentiment = (names[GIVEN[place]] for place in (0, 2, 5))
    # As the package rounds them.
    rounded = ", ".join(
        f"cast(cast(round(factors[{place}], 6) as decimal(28, 8)) as double) as {factor}"
        for place, factor in enumerate(FACTORS, start=1)
    )
    newest = f"select cleaning_version from {cleaning} order by fitted_at desc limit 1"
    queries = {
        "cleaning": f"select relation, column_name, category, upper_fence, median from {cleaning} "
        f"where cleaning_version = ({newest})",
        "factors": f"select product_id, {rounded} from {factors}",
        # By review and not by a hash of its text, which Polars lacks: it spares the hand-written builds that.
        "sentiment": "select distinct reviews.review_id, texts.sentiment "
        f"from '{shop}/reviews.parquet' as reviews inner join {sentiment} as texts "
        "on md5(nullif(trim(reviews.text), '')) = texts.text_md5",
    }
    with connect(project, read_only=True) as connection:
        for name, query in queries.items():
            connection.execute(f"copy ({query}) to '{folder / name}.parquet'")


def require_equal(project: Project, built: Path, who: str) -> float:
    """Compares both tables with what a hand-written build wrote, and gives the largest difference.

    Raises:
        PurchasingPowerError: A row or a column stands on one side alone, or a value differs.
    """
    names = project.relation_names()
    with connect(project, read_only=True) as connection:
        return max(
            _compare(connection, names[model], f"'{built / file}'", day, who)
            for model, (file, day) in _TABLES.items()
        )


def _compare(connection: Connection, ours: str, theirs: str, day: str, who: str) -> float:
    types = {row["column_name"]: row["column_type"] for row in connection.fetch(f"describe {ours}")}
    found = {row["column_name"] for row in connection.fetch(f"describe select * from {theirs}")}
    if types.keys() ^ found:
        raise PurchasingPowerError(
            f"{who} and {ours} do not have the same columns: only one of them has "
            f"{', '.join(sorted(types.keys() ^ found))}, so bring the hand-written build up to date."
        )
    both = (
        f"{ours} as ours full join {theirs} as theirs "
        f"on ours.user_id = theirs.user_id and ours.{day} = theirs.{day}"
    )
    (rows,) = connection.fetch(
        f"select count(*) filter (theirs.user_id is null) as ours_alone, "
        f"count(*) filter (ours.user_id is null) as theirs_alone from {both}"
    )
    if any(rows.values()):
        raise PurchasingPowerError(
            f"{who} lacks {rows['ours_alone']:,} rows of {ours}, and has {rows['theirs_alone']:,} that are "
            "not in it: bring the hand-written build up to date."
        )
    apart = {}
    for name, kind in types.items():
        if name in ("user_id", day):
            continue
        if kind.split("(")[0] in _NUMBERS:
            pair = f"cast(ours.{name} as double), cast(theirs.{name} as double)"
            own, other = pair.split(", ")
            # A value that one side lacks is infinitely far.
            away = f"coalesce(abs({own} - {other}) / greatest(1, abs({own})), 'inf'::double)"
            apart[name] = f"max(case when {own} is null and {other} is null then 0 else {away} end)"
        else:
            apart[name] = (
                f"max(case when ours.{name} is distinct from theirs.{name} then 'inf'::double else 0 end)"
            )
    (largest,) = connection.fetch(
        f"select {', '.join(f'{sql} as {name}' for name, sql in apart.items())} from {both}"
    )
    # Written so that NaN counts too.
    wrong = {name: value for name, value in largest.items() if not value <= TOLERANCE}
    if wrong:
        shown = ", ".join(f"{name} by {value:.1e}" for name, value in wrong.items())
        raise PurchasingPowerError(f"{who} gives other numbers than {ours}: {shown}.")
    return float(max(largest.values()))
