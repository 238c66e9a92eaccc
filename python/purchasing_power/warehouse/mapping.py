"""Proposes an input mapping for a warehouse whose tables were never seen before.

Each contract column is matched by the names shops give it and by what its values look like in a sample.
The result is a start to edit, so every doubtful choice says what else would fit.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import yaml

from purchasing_power.errors import PurchasingPowerError
from purchasing_power.warehouse.inspection import NUMBER, SAMPLE_ROWS, Column, Table, plain_or_quoted
from purchasing_power.warehouse.mapping_rules import (
    EVENT_TYPE_HINTS,
    OWN_ID,
    RULES,
    TABLE_HINTS,
    UNIT_PRICE,
    Rule,
    rank,
)

# These need so little that any table with a user would do; hence the table's name has to speak for them.
_NAMED_RELATIONS = ("browse_events", "reviews", "customers")
# Patterns of a rule's first two places are what the columns of most shops are called.
_SURE = 1
_CURRENCY = r"(\w+_)?(currency|w(ä|ae)hrung|devise|moneda|币种)(_?(code|id|iso))?"
# What lines of an order do not repeat, where a table of orders stands beside that of their lines.
_OF_THE_ORDER = ("user_id", "ordered_at", "cancelled_at")


@dataclass(frozen=True)
class Proposal:
    """A mapping of one table to one relation of the contract.

    Attributes:
        relation: relation of the contract.
        table: the table proposed.
        columns: contract column -> SQL expression over the table.
        score: how well it fits; comparable within one relation.
        notes: what the reader should look at, a sentence each.
        doubts: contract column -> likely, where the name only resembles what shops call it, or a guess, where
            others would fit as well.
    """

    relation: str
    table: Table
    columns: Mapping[str, str]
    score: float
    notes: tuple[str, ...] = field(default=())
    doubts: Mapping[str, str] = field(default_factory=dict)


def propose(tables: Sequence[Table]) -> list[Proposal]:
    """Chooses for each relation of the contract the tables that fit it.

    Returns:
        At most one proposal a relation, but for browse events, which are a union of all logs that fit; in the
        contract's order.

    Raises:
        PurchasingPowerError: no table looks like order lines.
    """
    filled = [table for table in tables if table.rows > 0]
    candidates = {
        relation: sorted(
            (found for table in filled if (found := _fit(relation, table, filled)) is not None),
            key=lambda proposal: (-proposal.score, proposal.table.name),
        )
        for relation in RULES
    }
    if not candidates["order_lines"]:
        raise PurchasingPowerError(
            f"None of the {len(filled)} filled tables has a user, a time and an amount of money, as "
            "order lines need: load your orders, or write purchasing_power__inputs by hand (see the README)."
        )
    taken: set[str] = set()
    chosen: list[Proposal] = []
    for relation, proposals in candidates.items():
        free = [proposal for proposal in proposals if proposal.table.name not in taken]
        picked = free if relation == "browse_events" else free[:1]
        # One table may describe products and nothing else, but a table of orders is not also a log.
        taken.update(proposal.table.name for proposal in picked)
        chosen.extend(picked)
    return chosen


def to_yaml(proposals: Sequence[Proposal]) -> str:
    """Writes proposals as the `vars` block of a dbt_project.yml, with notes and doubts as comments."""
    lines = [
        "# Read off names and a sample of values. What has no remark is sure; look at the rest.",
        "vars:",
        "  purchasing_power__inputs:",
    ]
    for relation in RULES:
        mapped = [proposal for proposal in proposals if proposal.relation == relation]
        if not mapped:
            continue
        lines.append(f"    {relation}:")
        for proposal in mapped:
            first, rest = ("      - ", "        ") if len(mapped) > 1 else ("      ", "      ")
            lines += [f"{rest}# {note}" for note in proposal.notes]
            lines.append(f"{first}relation: {_scalar(proposal.table.name)}")
            lines.append(f"{rest}columns:")
            lines += [
                f"{rest}  {name}: {_scalar(sql)}{_remark(proposal.doubts.get(name))}"
                for name, sql in proposal.columns.items()
            ]
    return "\n".join(lines) + "\n"


def _fit(relation: str, table: Table, tables: Sequence[Table]) -> Proposal | None:
    """Maps a table to a relation, or gives None where it does not look like one."""
    rules = RULES[relation]
    hinted = re.search(TABLE_HINTS[relation], table.name, re.I) is not None
    if not hinted and relation in _NAMED_RELATIONS:
        return None
    columns: dict[str, str] = {}
    notes: list[str] = []
    doubts: dict[str, str] = {}
    used: set[str] = set()
    # Required columns choose first, so that an optional one cannot take what they need.
    for name in sorted(rules, key=lambda name: not rules[name].required):
        fitting = _ranked(rules[name], table, used) or (_own_id(rules[name], table, used) if hinted else [])
        if not fitting:
            continue
        best, others = fitting[0], fitting[1:]
        used.add(best.name)
        columns[name] = plain_or_quoted(best.name)
        if (rank(rules[name], best) or 0) > _SURE:
            doubts[name] = "likely"
        if others:
            doubts[name] = "a guess"
            alternatives = " or ".join(column.name for column in others)
            notes.append(f"{name}: {alternatives} would fit as well as {best.name}.")
    if relation == "order_lines" and "amount" not in columns:
        _multiply_amount(table, columns, notes)
    if relation == "order_lines" and "amount" in columns:
        _look_up_the_order(table, tables, columns, notes)
    if any(rule.required and name not in columns for name, rule in rules.items()):
        return None
    if relation == "reviews" and not {"rating", "review_text"} & set(columns):
        return None
    if relation == "browse_events" and "event_type" not in columns:
        own_name = table.name.split(".")[-1].strip('"')
        known = (kind for kind, hint in EVENT_TYPE_HINTS.items() if re.search(hint, own_name, re.I))
        columns["event_type"] = "'" + next(known, re.sub(r"\W+", "_", own_name)) + "'"
        notes.append(
            f"event_type: the table has no such column, so its name says it: {columns['event_type']}."
        )
    score = sum(2.0 if rules[name].required else 1.0 for name in columns) + (3.0 if hinted else 0.0)
    ordered = {name: columns[name] for name in rules if name in columns}
    if relation == "order_lines":
        _warn_of_currencies(table, notes)
    missing = [name for name in rules if name not in columns]
    if missing:
        notes.append(f"Not found: {', '.join(missing)}.")
    return Proposal(relation, table, ordered, score, tuple(notes), doubts)


def _ranked(rule: Rule, table: Table, used: set[str]) -> list[Column]:
    """Gives the columns that fit a rule equally best, in the table's order."""
    ranks = [(rank(rule, column), column) for column in table.columns if column.name not in used]
    best = min((place for place, _ in ranks if place is not None), default=None)
    return [column for place, column in ranks if place is not None and place == best]


def _own_id(rule: Rule, table: Table, used: set[str]) -> list[Column]:
    """Gives the column that identifies the rows of a table which is about the thing itself."""
    if not rule.unique:
        return []
    own = Rule((OWN_ID,), rule.needs, unique=True)
    return _ranked(own, table, used)[:1]


def _look_up_the_order(
    table: Table, tables: Sequence[Table], columns: dict[str, str], notes: list[str]
) -> None:
    """Takes what lines do not say, such as the user, from the table of their orders."""
    missing = [name for name in _OF_THE_ORDER if name not in columns]
    order = next(
        (column for column in table.columns if plain_or_quoted(column.name) == columns.get("order_id")), None
    )
    if order is None or not {"user_id", "ordered_at"} & set(missing):
        return
    for head in tables:
        ids = [column for column in head.columns if column.identifying and _identifies(column, order)]
        if (
            head.name == table.name
            or not ids
            or re.search(TABLE_HINTS["order_lines"], head.name, re.I) is None
        ):
            continue
        used = {ids[0].name}
        found = {name: _ranked(RULES["order_lines"][name], head, used)[:1] for name in missing}
        if any(not found[name] for name in missing if RULES["order_lines"][name].required):
            continue
        key, own_key = plain_or_quoted(ids[0].name), plain_or_quoted(order.name)
        for name, chosen in found.items():
            if chosen:
                columns[name] = (
                    f"(select max(head.{plain_or_quoted(chosen[0].name)}) from {head.name} as head "
                    f"where head.{key} = input.{own_key})"
                )
        looked_up = " and ".join(name for name in found if name in columns)
        notes.append(
            f"{looked_up}: taken from {head.name}, whose {ids[0].name} is the {order.name} of a line."
        )
        return


def _identifies(own: Column, foreign: Column) -> bool:
    """Whether a column that identifies orders can be what another table's column points to."""
    named = own.name.lower() == foreign.name.lower() or re.fullmatch(OWN_ID, own.name.lower()) is not None
    if not named or own.kind != foreign.kind:
        return False
    if own.kind != NUMBER or None in (own.smallest, own.largest, foreign.smallest, foreign.largest):
        return True
    # Samples, so ends need not meet; ranges that lie apart belong to different things.
    return bool(own.smallest <= foreign.largest and foreign.smallest <= own.largest)  # type: ignore[operator]


def _multiply_amount(table: Table, columns: dict[str, str], notes: list[str]) -> None:
    """Writes the amount as quantity times unit price where a table has only these."""
    prices = _ranked(UNIT_PRICE, table, set())
    if prices and "quantity" in columns:
        columns["amount"] = f"{columns['quantity']} * {plain_or_quoted(prices[0].name)}"
        notes.append("amount: the table has only a price per unit, so it is multiplied by the quantity.")


def _warn_of_currencies(table: Table, notes: list[str]) -> None:
    """Says where a table holds money of several currencies, which nobody may add up."""
    sampled = min(table.rows, SAMPLE_ROWS)
    for column in table.columns:
        if re.fullmatch(_CURRENCY, column.name, re.I) and round(column.distinct_share * sampled) > 1:
            notes.append(
                f"{column.name} has several values: map it as currency, name purchasing_power__currency "
                "and map exchange_rates (docs/mapping.md), or sums of money mean nothing."
            )


def _remark(doubt: str | None) -> str:
    return f"  # {doubt}" if doubt else ""


def _scalar(value: str) -> str:
    if "'" in value:
        # SQL text literals read better between double quotes than with every quote doubled.
        return json.dumps(value, ensure_ascii=False)
    return yaml.safe_dump(value, default_flow_style=True, width=10_000).removesuffix("...\n").strip()
