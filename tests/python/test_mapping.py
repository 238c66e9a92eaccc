from __future__ import annotations

import duckdb
import pytest
import yaml

from purchasing_power.errors import PurchasingPowerError
from purchasing_power.warehouse.duckdb_connection import DuckDBConnection
from purchasing_power.warehouse.inspection import inspect_tables
from purchasing_power.warehouse.mapping import propose, to_yaml

Mapping = dict[str, object]


def mapping_of(*statements: str) -> dict[str, Mapping]:
    """Proposes a mapping for the tables that SQL statements make, by way of its YAML."""
    connection = duckdb.connect()
    for statement in statements:
        connection.execute(statement)
    text = to_yaml(propose(inspect_tables(DuckDBConnection(connection))))
    parsed: dict[str, Mapping] = yaml.safe_load(text)["vars"]["purchasing_power__inputs"]
    return parsed


GROCER = (
    "create schema raw",
    """
    create table raw.transactions as
    select range % 9 as household_id, range // 3 as basket_id, range % 40 as product_id, 2 as quantity,
        range * 0.5 + 0.25 as sales_value, 0.1 as retail_disc, 1 as week,
        timestamp '2017-01-01' + to_hours(range::int) as transaction_timestamp
    from range(300)
    """,
    """
    create table raw.products as
    select range as product_id, 'GROCERY' as department, 'NATIONAL' as brand, 'BREAD' as product_category
    from range(40)
    """,
)


def test_a_grocers_tables_are_understood() -> None:
    mapping = mapping_of(*GROCER)
    assert mapping["order_lines"] == {
        "relation": "raw.transactions",
        "columns": {
            "order_id": "basket_id",
            "user_id": "household_id",
            "ordered_at": "transaction_timestamp",
            "product_id": "product_id",
            "quantity": "quantity",
            "amount": "sales_value",
            "discount_amount": "retail_disc",
        },
    }
    assert mapping["products"] == {
        "relation": "raw.products",
        "columns": {"product_id": "product_id", "category": "product_category", "brand": "brand"},
    }


def test_names_that_need_quotes_get_them_and_an_amount_is_multiplied_where_there_is_none() -> None:
    mapping = mapping_of(
        """
        create table "Online Retail" as
        select 'I' || range // 3 as "InvoiceNo", 'S' || range % 7 as "StockCode", 3 as "Quantity",
            range % 5 + 0.95 as "UnitPrice", range % 11 as "CustomerID",
            cast(date '2011-01-01' + range::int as varchar) as "InvoiceDate"
        from range(200)
        """
    )
    assert mapping["order_lines"] == {
        "relation": 'main."Online Retail"',
        "columns": {
            "order_id": '"InvoiceNo"',
            "user_id": '"CustomerID"',
            "ordered_at": '"InvoiceDate"',
            "product_id": '"StockCode"',
            "quantity": '"Quantity"',
            "amount": '"Quantity" * "UnitPrice"',
        },
    }


def test_all_logs_are_united_and_one_without_a_type_is_named_after_its_table() -> None:
    log = "range % 9 as user_id, timestamp '2017-01-01' + to_hours(range::int) as"
    mapping = mapping_of(
        *GROCER,
        f"create table raw.page_views as select {log} viewed_at, range % 40 as product_id from range(50)",
        f"create table raw.app_events as select {log} event_at, 'x' as event_type from range(50)",
    )
    logs = mapping["browse_events"]
    assert isinstance(logs, list)
    assert [log["relation"] for log in logs] == ["raw.page_views", "raw.app_events"]
    assert logs[0]["columns"]["event_type"] == "'view'"
    assert logs[1]["columns"]["event_type"] == "event_type"


def test_reviews_and_customers_are_found_by_name_and_content() -> None:
    mapping = mapping_of(
        *GROCER,
        """
        create table raw.product_reviews as
        select range as review_id, range % 9 as user_id, range % 40 as product_id, range % 5 + 1 as stars,
            'fine' as review_text, date '2017-02-01' as review_date
        from range(90)
        """,
        "create table raw.accounts as select range as user_id, date '2016-01-01' as created_at from range(9)",
    )
    assert mapping["reviews"]["columns"] == {
        "review_id": "review_id",
        "user_id": "user_id",
        "reviewed_at": "review_date",
        "product_id": "product_id",
        "rating": "stars",
        "review_text": "review_text",
    }
    assert mapping["customers"]["columns"] == {"user_id": "user_id", "signed_up_at": "created_at"}


def test_a_column_of_the_right_name_and_the_wrong_values_is_passed_over() -> None:
    mapping = mapping_of(
        "create schema raw",
        """
        create table raw.orders as
        select range as order_id, range % 9 as user_id, 'none' as amount, 9.5 + range as revenue,
            'later' as order_date, timestamp '2017-01-01' as created_at
        from range(30)
        """,
    )
    columns = mapping["order_lines"]["columns"]
    assert isinstance(columns, dict)
    assert (columns["amount"], columns["ordered_at"]) == ("revenue", "created_at")


def test_equal_candidates_are_noted() -> None:
    connection = duckdb.connect()
    for statement in GROCER:
        connection.execute(statement)
    connection.execute("alter table raw.transactions add column coupon_disc double default 0.5")
    text = to_yaml(propose(inspect_tables(DuckDBConnection(connection))))
    assert "# discount_amount: coupon_disc would fit as well as retail_disc." in text


def test_the_packages_own_tables_are_left_out() -> None:
    mapping = mapping_of(
        *GROCER,
        "create table stg_purchasing_power__order_lines as select * from raw.transactions",
        "create table purchasing_power__order_lines as select * from raw.transactions",
    )
    assert mapping["order_lines"]["relation"] == "raw.transactions"


def test_a_warehouse_without_orders_says_what_is_missing() -> None:
    with pytest.raises(PurchasingPowerError, match=r"a user, a time and an amount"):
        mapping_of("create table notes as select 'x' as note")


HEADS_AND_LINES = (
    "create table orders as select range + 10 as id, range % 3 as customer_id, timestamp '2024-01-01' as created_at from range(20)",
    "create table line_items as select range as id, range // 2 + 10 as order_id, 2 as quantity, 1.5 as price from range(40)",
)


def test_what_lines_do_not_say_is_taken_from_their_order() -> None:
    mapping = mapping_of(*HEADS_AND_LINES)
    assert mapping["order_lines"] == {
        "relation": "main.line_items",
        "columns": {
            "order_line_id": "id",
            "order_id": "order_id",
            "user_id": "(select max(head.customer_id) from main.orders as head where head.id = input.order_id)",
            "ordered_at": "(select max(head.created_at) from main.orders as head where head.id = input.order_id)",
            "quantity": "quantity",
            "amount": "quantity * price",
        },
    }


def test_tables_whose_ids_lie_apart_are_not_joined() -> None:
    heads, lines = HEADS_AND_LINES
    with pytest.raises(PurchasingPowerError, match="None of the 2 filled tables"):
        mapping_of(heads.replace("range + 10 as id", "range + 1000 as id"), lines)


def test_a_note_says_where_the_rest_was_taken_from() -> None:
    connection = duckdb.connect()
    for statement in HEADS_AND_LINES:
        connection.execute(statement)
    text = to_yaml(propose(inspect_tables(DuckDBConnection(connection))))
    assert "# user_id and ordered_at: taken from main.orders, whose id is the order_id of a line." in text


def test_a_log_that_holds_rows_twice_still_has_ids_and_doubts_are_said() -> None:
    connection = duckdb.connect()
    connection.execute(
        """
        create table orders as
        select range - (range > 95)::int as line_id, range // 2 as order_id, range % 9 as customer_id,
            timestamp '2024-01-01' + to_hours(range::int) as "at", 10.5 + range as total, 9.5 + range as revenue,
            case when range % 2 = 0 then 'EUR' else 'USD' end as currency
        from range(100)
        """
    )
    text = to_yaml(propose(inspect_tables(DuckDBConnection(connection))))
    assert "order_line_id: line_id\n" in text
    assert "ordered_at: '\"at\"'  # likely\n" in text
    assert "amount: total  # a guess\n" in text
    assert "# currency has several values: map it as currency" in text
    assert "# Not found: product_id, quantity, discount_amount, cancelled_at." in text


def test_arrays_intervals_and_structs_are_looked_at_without_a_fall() -> None:
    mapping = mapping_of(
        *GROCER,
        """
        create table raw.oddities as
        select [1.5::float] as embedding, interval 1 day as pause, {'a': 1} as pair, 'x'::enum ('x') as letter,
            map {'k': 1} as counts, uuid() as household_id, '2024-01-01'::timestamptz as visit_time
        from range(9)
        """,
    )
    assert mapping["order_lines"]["relation"] == "raw.transactions"
