"""The input models' registry and what they are fitted on: rated review texts and product embeddings.

`purchasing_power__input_models` is made empty by dbt and only ever grows; the newest row of a kind is in use.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pyarrow as pa

from purchasing_power.errors import PurchasingPowerError
from purchasing_power.warehouse.connection import Connection, connect
from purchasing_power.warehouse.project import Project
from purchasing_power.warehouse.registry import SETTINGS, require

INPUT_MODELS = "purchasing_power__input_models"
REVIEWS = "stg_purchasing_power__reviews"
PRODUCTS = "stg_purchasing_power__products"
ORDER_LINES = "stg_purchasing_power__order_lines"
USERS = "purchasing_power__users"

_SETTINGS_READ = ("as_of_date", "horizon_days", "rating_lowest", "rating_highest", "embedding_channels")


@dataclass(frozen=True)
class FitSettings:
    """What the fits are told by dbt's settings.

    Attributes:
        fitted_before: Nothing on or after this day is fitted on: `as_of_date - horizon_days`, the backtest's
            cut.
        rating_lowest: The worst rating.
        rating_highest: The best rating.
        embedding_channels: Numbers that a product's embedding is projected to.
    """

    fitted_before: date
    rating_lowest: float
    rating_highest: float
    embedding_channels: int

    @property
    def rating_middle(self) -> float:
        """The rating that is neither good nor bad."""
        return (self.rating_lowest + self.rating_highest) / 2


@dataclass(frozen=True)
class RegisteredInputModel:
    """One row of the registry.

    Attributes:
        model_version: Made of the kind, the cut and a hash of what was fitted.
        kind: 'sentiment' or 'embedding'.
        onnx: The ONNX file.
        fitted_before: Nothing on or after this day was fitted on.
        fitted_at: When it was fitted, UTC.
        card: What it was fitted on, with which settings, and how good it is.
    """

    model_version: str
    kind: str
    onnx: bytes = field(repr=False)
    fitted_before: date
    fitted_at: datetime
    card: Mapping[str, Any]

    @property
    def sha256(self) -> str:
        """Hex SHA-256 of the ONNX file, which scoring checks."""
        return hashlib.sha256(self.onnx).hexdigest()


class InputData:
    """What the shop has for the fits, read within the training users and before the cut.

    Attributes:
        settings: What the fits are told.
    """

    def __init__(self, connection: Connection, project: Project) -> None:
        """Finds the tables.

        Raises:
            PurchasingPowerError: dbt has not built them yet, or built them by an older version.
        """
        self._connection = connection
        self._names = {
            name: require(connection, project, name) for name in (REVIEWS, PRODUCTS, ORDER_LINES, USERS)
        }
        self.settings = self._read_settings(require(connection, project, SETTINGS), project)

    def unrated_texts(self) -> int:
        """Counts the distinct texts of reviews that have no rating, which are what sentiment is read from."""
        (row,) = self._connection.fetch(
            f"select count(distinct review_text) as texts from {self._names[REVIEWS]} where rating is null"
        )
        return int(row["texts"])

    def rated_texts(self, limit: int) -> tuple[list[str], list[bool], int]:
        """Gives distinct rated texts and whether their ratings lie above the middle of the scale.

        A text that several reviews share counts once, with the mean of their ratings; those in the middle,
        and ratings off the scale, tell nothing and are left out.

        Args:
            limit: Texts to give at most; those with the smallest hashes, so that equal tables give equal
                texts.

        Returns:
            Texts, whether each is positive, and how many there are without the limit.
        """
        # Exact decimals, because a sum of doubles depends on the order of rows.
        query = f"""
            select
                reviews.review_text,
                sum(cast(reviews.rating as decimal(18, 4)) - cast(? as decimal(18, 4))) as lean
            from {self._names[REVIEWS]} as reviews
            inner join {self._names[USERS]} as users on reviews.user_id = users.user_id
            where users.split = 'train'
                and reviews.reviewed_at < ?
                and reviews.review_text is not null
                and reviews.rating between ? and ?
            group by reviews.review_text
        """
        settings = self.settings
        given = [
            settings.rating_middle,
            settings.fitted_before,
            settings.rating_lowest,
            settings.rating_highest,
        ]
        (count,) = self._connection.fetch(
            f"select count(*) as texts from ({query}) as rated where lean <> 0", given
        )
        rows = self._connection.query(
            f"select review_text, lean > 0 as is_positive from ({query}) as rated where lean <> 0 "
            f"order by md5(review_text), review_text limit {int(limit)}",
            given,
        ).read_all()
        return rows["review_text"].to_pylist(), rows["is_positive"].to_pylist(), int(count["texts"])

    def embeddings(self, limit: int) -> pa.Table:
        """Gives `product_id` and `embedding` of the products that training users ordered before the cut.

        Args:
            limit: Products to give at most; those with the smallest hashes.
        """
        return self._connection.query(
            f"""
            select product_id, embedding
            from {self._names[PRODUCTS]}
            where embedding is not null
                and product_id in (
                    select lines.product_id
                    from {self._names[ORDER_LINES]} as lines
                    inner join {self._names[USERS]} as users on lines.user_id = users.user_id
                    where users.split = 'train' and lines.ordered_at < ?
                )
            order by md5(product_id), product_id
            limit {int(limit)}
            """,
            [self.settings.fitted_before],
        ).read_all()

    def embedded_products(self) -> int:
        """Counts all products that have an embedding."""
        (row,) = self._connection.fetch(f"select count(embedding) as products from {self._names[PRODUCTS]}")
        return int(row["products"])

    def _read_settings(self, relation: str, project: Project) -> FitSettings:
        rows = self._connection.fetch(f"select * from {relation}")
        if len(rows) != 1 or not set(_SETTINGS_READ) <= set(rows[0]) or rows[0]["as_of_date"] is None:
            raise PurchasingPowerError(
                f"{relation} lacks settings that the fit needs, because an older version of the package "
                "built it or the order lines are empty: run `dbt build --selector "
                f"purchasing_power_features` in {project.project_dir} again."
            )
        row = rows[0]
        return FitSettings(
            fitted_before=row["as_of_date"] - timedelta(days=row["horizon_days"]),
            rating_lowest=row["rating_lowest"],
            rating_highest=row["rating_highest"],
            embedding_channels=row["embedding_channels"],
        )


@contextmanager
def open_input_data(project: Project) -> Iterator[InputData]:
    """Opens the warehouse to read what the input models are fitted on.

    Raises:
        PurchasingPowerError: dbt has not built the features.
    """
    # Before the database is opened: dbt may have to parse, and a single-writer file would be closed to it.
    project.relation_names()
    with connect(project, read_only=True) as connection:
        # Seen before any work is done: what is fitted has to be kept here.
        require(connection, project, INPUT_MODELS)
        yield InputData(connection, project)


def register_input_model(project: Project, model: RegisteredInputModel) -> bool:
    """Appends a model to the registry, unless the one in use is the same.

    Returns:
        Whether it was added.

    Raises:
        PurchasingPowerError: dbt has not built the registry.
    """
    project.relation_names()
    with connect(project) as connection:
        relation = require(connection, project, INPUT_MODELS)
        newest = connection.fetch(
            f"select model_version, sha256 from {relation} where kind = ? "
            "order by fitted_at desc, model_version desc limit 1",
            [model.kind],
        )
        if newest == [{"model_version": model.model_version, "sha256": model.sha256}]:
            return False
        connection.insert(
            relation,
            [
                {
                    "model_version": model.model_version,
                    "kind": model.kind,
                    "onnx": model.onnx,
                    "sha256": model.sha256,
                    "fitted_before": model.fitted_before,
                    "fitted_at": model.fitted_at.astimezone(UTC).replace(tzinfo=None),
                    "card": json.dumps(dict(model.card), sort_keys=True),
                }
            ],
        )
    return True
