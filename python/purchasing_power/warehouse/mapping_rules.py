"""What the columns of shops' tables are called: the name rules of `purchasing-power init`.

One entry a column of the input contract (`macros/input/input_contract.sql`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from purchasing_power.warehouse.inspection import NUMBER, TEXT, Column


@dataclass(frozen=True)
class Rule:
    """How a contract column is found.

    Attributes:
        names: regular expressions over the column's name, the surest first.
        needs: 'id', 'time', 'money', 'count', 'number', 'text' or 'label'; what the values must be.
        required: a mapping of the relation is useless without it.
        unique: values should identify the row.
    """

    names: tuple[str, ...]
    needs: str
    required: bool = False
    unique: bool = False


_USER = Rule(
    (
        r"(user|customer|client|member|shopper|buyer|visitor|household|account)_?(id|key|no|nr|number|code|sk)",
        r"(user|customer|client|member|shopper|buyer|visitor|household|account)",
        r"(uid|cust_?id|cid|full_?visitor_?id)",
    ),
    "id",
    required=True,
)
_PRODUCT = Rule(
    (
        r"(product|item|sku|article|stock|asin|material)_?(id|key|no|nr|number|code|sk)",
        r"(product|item|sku|article|asin)",
    ),
    "id",
)

# Only a factor of the amount, so no contract column of its own.
UNIT_PRICE = Rule((r"(unit|single|item)_?price", r"price"), "money")

# What each relation of the contract looks like; `hint` is what its table is usually called.
RULES: dict[str, dict[str, Rule]] = {
    "order_lines": {
        "order_line_id": Rule(
            (r"(order_?|transaction_?|invoice_?|basket_?)?(line|item|detail)_?(id|key)",), "id", unique=True
        ),
        "order_id": Rule(
            (
                r"(order|transaction|invoice|basket|receipt|purchase|sale|cart|trans)_?(id|key|no|nr|number|code)",
                r"(order|invoice|basket|receipt|invoice_?no)",
            ),
            "id",
        ),
        "user_id": _USER,
        "ordered_at": Rule(
            (
                r"(order|transaction|purchase|invoice|sale|sales|trans|basket|receipt)_?"
                r"(ed_)?(at|on|ts|time|timestamp|date|datetime|day|dt)",
                r"(ordered|purchased|bought|paid|sold|placed|completed)_?(at|on|time|date)",
                r"(created|processed)_?(at|on|time|date)",
                r"(event_?)?(timestamp|datetime|date|ts|time|day|at)",
            ),
            "time",
            required=True,
        ),
        "product_id": _PRODUCT,
        "quantity": Rule((r"(quantity|qty|units?|pieces|number_of_items|count|item_?count)",), "count"),
        "amount": Rule(
            (
                r"(line_?|net_?|paid_?|order_?|item_?)?(sales?_?)?(amount|amt|value|revenue|total)(_paid)?",
                r"(line|net|item|order|extended|grand)_?(price|total|amount|value|sales|revenue)",
                r"(revenue|sales|spend|spent|paid|turnover|gmv|payment|subtotal|total_?price)",
            ),
            "money",
            required=True,
        ),
        "discount_amount": Rule(
            (r"(\w+_)?(discount|disc|rebate|markdown)(_?(amount|amt|value))?",),
            "number",
        ),
    },
    "browse_events": {
        "event_id": Rule((r"(event|hit|click|view|pageview|impression|log)_?(id|key)",), "id", unique=True),
        "session_id": Rule((r"(session|visit)_?(id|key|number)", r"(session|visit)"), "id"),
        "user_id": _USER,
        "occurred_at": Rule(
            (
                r"(event|hit|visit|session|click|view|visit_?start|session_?start|browse)_?(ed_)?"
                r"(at|on|ts|time|timestamp|date|datetime|day)",
                r"(occurred|happened|viewed|clicked|visited|started|received|sent|redeemed|redemption)_?(at|on|time|date)",
                r"(timestamp|datetime|ts|time|date|day|created_?at)",
            ),
            "time",
            required=True,
        ),
        "event_type": Rule((r"(event|action|activity|behaviou?r|hit|interaction)_?(type|name)?",), "label"),
        "product_id": _PRODUCT,
        "event_count": Rule(
            (r"(event|page|hit|click|view|pageview)s?_?(views|count|hits|n)", r"pageviews|hits|clicks"),
            "count",
        ),
        "duration_seconds": Rule(
            (r"(duration|dwell|time_?on_?(site|page)|session_?duration|seconds)(_?(seconds|secs?|s))?",),
            "number",
        ),
    },
    "reviews": {
        "review_id": Rule((r"(review|rating|feedback|comment)_?(id|key)",), "id", unique=True),
        "user_id": _USER,
        "reviewed_at": Rule(
            (
                r"(review|rating|feedback|comment)_?(ed_)?(at|on|ts|time|timestamp|date|datetime)",
                r"(reviewed|rated|submitted|posted|created|written)_?(at|on|time|date)",
                r"(timestamp|datetime|ts|time|date|day)",
            ),
            "time",
            required=True,
        ),
        "product_id": _PRODUCT,
        "rating": Rule((r"(star_?|overall_?|review_?)?(rating|stars|score|grade)s?",), "number"),
        "review_text": Rule(
            (r"(review|comment|feedback)?_?(text|body|content|comment|message|review)",), "text"
        ),
    },
    "products": {
        "product_id": Rule(_PRODUCT.names, "id", required=True, unique=True),
        "category": Rule(
            (
                r"(product_?|item_?)?category(_name)?",
                r"(product_?)?(category|department|dept|family|group|type)",
            ),
            "label",
        ),
        "brand": Rule((r"(product_?)?(brand|manufacturer|maker|vendor|supplier)(_?name)?",), "label"),
        "list_price": Rule(
            (r"(list|retail|unit|regular|base|catalog(ue)?)_?price", r"price|msrp|rrp"), "money"
        ),
    },
    "customers": {
        "user_id": Rule(_USER.names, "id", required=True, unique=True),
        "signed_up_at": Rule(
            (
                r"(sign_?up|signed_?up|registration|registered|join|joined|enrol|first_?seen|onboarded|member_since)"
                r"_?(ed_)?(at|on|ts|time|timestamp|date|datetime|day)?",
                r"(created|opened)_?(at|on|time|date)",
            ),
            "time",
        ),
    },
}

TABLE_HINTS: dict[str, str] = {
    "order_lines": r"order|transaction|purchase|sale|invoice|basket|receipt|line",
    "browse_events": r"event|click|session|visit|view|browse|page|hit|log|redemption|impression|activity",
    "reviews": r"review|rating|feedback|comment",
    "products": r"product|item|sku|article|catalog",
    "customers": r"customer|user|client|member|account|shopper|household|demographic",
}


def rank(rule: Rule, column: Column) -> int | None:
    """Gives the place of the first pattern that a column's whole name matches, or None; less is better."""
    if not _values_fit(rule, column):
        return None
    name = _snake(column.name)
    return next((place for place, pattern in enumerate(rule.names) if re.fullmatch(pattern, name)), None)


def _values_fit(rule: Rule, column: Column) -> bool:
    if rule.unique and not column.unique:
        return False
    match rule.needs:
        case "id":
            return column.kind in (TEXT, NUMBER) and column.fractional == 0 and column.filled > 0.5
        case "time":
            return column.is_time and column.filled > 0.5
        case "money":
            return column.kind == NUMBER and not (column.unique and column.fractional == 0)
        case "count":
            return column.kind == NUMBER and column.fractional < 0.5
        case "number":
            return column.kind == NUMBER
        case "label":
            return column.kind == TEXT and column.distinct_share < 0.9
        case _:
            return column.kind == TEXT


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|[\s\-.]+", "_", name).lower()
