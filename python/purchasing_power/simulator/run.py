"""Simulates a shop into a folder, a block of customers at a time."""

from __future__ import annotations

import time
from pathlib import Path

from purchasing_power.reporting import Reporter
from purchasing_power.simulator.anomalies import plant_anomalies
from purchasing_power.simulator.block import Shop, make_block
from purchasing_power.simulator.config import ShopConfig, date_of
from purchasing_power.simulator.dirt import soil, soil_products
from purchasing_power.simulator.shifts import shift
from purchasing_power.simulator.shop_vars import vars_yaml
from purchasing_power.simulator.writer import VARS_FILE, ShopWriter, complete_or_nothing, refuse_taken_folder

# Where no bar can be drawn, a line each time that so much of the work is done.
_LINES = 10


def simulate(config: ShopConfig, out: Path, reporter: Reporter, *, overwrite: bool = False) -> dict[str, int]:
    """Writes a shop's tables as Parquet, and the vars that map them.

    Memory holds one block of customers, however many there are. A run that dies leaves what was there before.

    Args:
        config: the shop.
        out: folder to write; it may exist when it is empty, or holds a simulated shop and `overwrite` is set.
        reporter: where it is told.
        overwrite: replace a shop that is there.

    Returns:
        Table -> number of rows.

    Raises:
        PurchasingPowerError: the folder is taken or cannot be written.
    """
    refuse_taken_folder(out, overwrite=overwrite)
    started = time.monotonic()
    with complete_or_nothing(out) as partial:
        rows = _write_tables(config, partial, reporter)
        (partial / VARS_FILE).write_text(vars_yaml(out, config.horizon_days), encoding="utf-8")
    seconds = time.monotonic() - started
    written = sum((out / f"{table}.parquet").stat().st_size for table in rows)
    reporter.table(("table", "rows"), [(table, f"{count:,}") for table, count in rows.items()])
    reporter.say(
        f"Wrote {config.users:,} customers from {date_of(0)} to {date_of(config.days - 1)} to {out}: "
        f"{written / 1e6:,.0f} MB in {seconds:.0f} s, {rows['events'] / seconds:,.0f} events a second."
    )
    reporter.say("Next:")
    reporter.say(f"  1. Copy the vars of {out / VARS_FILE} into your dbt_project.yml.")
    reporter.say("  2. purchasing-power check")
    reporter.say("  3. dbt build --selector purchasing_power_features")
    reporter.say(
        f"  4. purchasing-power backtest, and compare with expected_spend in {out / 'truth.parquet'}"
    )
    return rows


def _write_tables(config: ShopConfig, folder: Path, reporter: Reporter) -> dict[str, int]:
    shop = Shop.open(config)
    writer = ShopWriter(folder)
    try:
        writer.write(soil_products(shop, shop.product_rows()), shop.words)
        writer.write(shop.rate_rows(), shop.words)
        with reporter.progress("Customers") as tick:
            for number in range(config.blocks):
                block = soil(shop, shift(shop, plant_anomalies(shop, make_block(shop, number))))
                words = {**shop.words, **block.words}
                for rows in block.rows.values():
                    writer.write(rows, words)
                done = number + 1
                notable = done * _LINES // config.blocks > number * _LINES // config.blocks
                tick(done, config.blocks, f"block {done:,} of {config.blocks:,}", notable)
    finally:
        writer.close()
    return writer.rows
