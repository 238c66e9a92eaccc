"""`init` on shops that each call their tables otherwise: what it proposes has to build as it is."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml
from shop import FEATURES, INTEGRATION, PACKAGE, Shop

pytestmark = pytest.mark.dbt

USERS, DAYS = 12, 120
PROJECT = {"name": "worked", "config-version": 2, "profile": "corner_shop"}

# Each shop is made of the same purchases, visits and things, under its own names and shapes.
BASE = f"""
create schema base;
create table base.lines as
select range as line, range // 2 as basket, (range // 2) % {USERS} as person, range % 20 as thing,
    1 + range % 3 as pieces, 2.25 + range % 20 as single_price,
    timestamp '2024-01-01 09:30:00' + to_hours(((range // 2) * 4)::int) as moment
from range({DAYS * 12});
create table base.visits as
select range as visit, range % {USERS} as person, range % 20 as thing,
    timestamp '2024-01-01 08:00:00' + to_hours((range * 2)::int) as moment,
    case range % 3 when 0 then 'cart' else 'view' end as kind
from range({DAYS * 12});
"""

SHOPS = {
    # Orders and their lines stand apart, ids are called id.
    "hosted_shop": """
        create schema shop;
        create table shop.orders as
        select distinct 5000 + basket as id, '#' || basket as name, person + 900 as customer_id, moment as created_at,
            null::timestamp as cancelled_at, 'EUR' as currency from base.lines;
        create table shop.line_items as
        select 70000 + line as id, 5000 + basket as order_id, thing + 300 as product_id, pieces as quantity,
            single_price as price, 0.1 as total_discount, 'Thing ' || thing as title from base.lines;
        create table shop.products as
        select distinct thing + 300 as id, 'Thing ' || thing as title, 'Type ' || thing % 4 as product_type,
            'Maker ' || thing % 3 as vendor from base.lines;
        create table shop.customers as
        select distinct person + 900 as id, person || '@mail.example' as email, timestamp '2023-12-01' as created_at
        from base.lines;
    """,
    # Lookup tables of a blog's shop plugin.
    "plugin": """
        create schema wp;
        create table wp.wc_order_product_lookup as
        select line as order_item_id, basket as order_id, thing as product_id, 0 as variation_id,
            person as customer_id, moment as date_created, pieces as product_qty,
            pieces * single_price as product_net_revenue, 0.0 as coupon_amount from base.lines;
        create table wp.wc_customer_lookup as
        select distinct person as customer_id, 'user' || person as username, timestamp '2023-11-01' as date_registered
        from base.lines;
        create table wp.wc_product_meta_lookup as
        select distinct thing as product_id, 'SKU' || thing as sku, single_price as min_price from base.lines;
    """,
    # Entities with long names, orders and lines apart.
    "enterprise": """
        create schema mage;
        create table mage.sales_order as
        select distinct basket as entity_id, 'S' || basket as increment_id, person as customer_id, moment as created_at,
            moment + interval 1 day as updated_at from base.lines;
        create table mage.sales_order_item as
        select line as item_id, basket as order_id, thing as product_id, 'SKU' || thing as sku, pieces as qty_ordered,
            single_price as price, pieces * single_price as row_total, 0.5 as discount_amount from base.lines;
        create table mage.catalog_product_entity as
        select distinct thing as entity_id, 'SKU' || thing as sku, 'simple' as type_id from base.lines;
        create table mage.customer_entity as
        select distinct person as entity_id, person || '@mail.example' as email, timestamp '2023-11-01' as created_at
        from base.lines;
    """,
    # A warehouse's star.
    "star": """
        create schema dwh;
        create table dwh.fct_sales as
        select line as sales_key, basket as receipt_no, person as customer_key, thing as product_key, moment as sold_at,
            pieces as qty, pieces * single_price as net_amount_eur, 0.0 as discount_eur from base.lines;
        create table dwh.fct_page_views as
        select visit as page_view_key, person as customer_key, thing as product_key, moment as viewed_at from base.visits;
        create table dwh.dim_product as
        select distinct thing as product_key, 'Family ' || thing % 4 as category_name, 'Brand' as brand_name from base.lines;
        create table dwh.dim_customer as
        select distinct person as customer_key, timestamp '2023-11-01' as registered_at from base.lines;
    """,
    # An app's events in camel case, times as text.
    "app": """
        create schema analytics;
        create table analytics."purchaseEvents" as
        select 'p' || line as "eventId", 'u' || person as "userId", strftime(moment, '%Y-%m-%dT%H:%M:%SZ') as "eventTime",
            'o' || basket as "orderId", 't' || thing as "itemId", pieces as "quantity",
            pieces * single_price as "revenue" from base.lines;
        create table analytics."userEvents" as
        select 'e' || visit as "eventId", 'u' || person as "userId", strftime(moment, '%Y-%m-%dT%H:%M:%SZ') as "eventTime",
            kind as "eventName", 't' || thing as "itemId" from base.visits;
    """,
    "german": """
        create schema laden;
        create table laden.bestellpositionen as
        select line as positionsnr, basket as bestellnr, person as kundennr, moment as bestelldatum,
            thing as artikelnr, pieces as menge, pieces * single_price as betrag, 0.0 as rabatt from base.lines;
        create table laden.artikel as
        select distinct thing as artikelnr, 'Ding ' || thing as bezeichnung, 'Gruppe ' || thing % 4 as warengruppe,
            single_price as preis, 'Marke' as marke from base.lines;
        create table laden.kunden as
        select distinct person as kundennr, timestamp '2023-11-01' as registriert_am from base.lines;
        create table laden.seitenaufrufe as
        select visit as id, person as kundennr, moment as zeitpunkt, thing as artikelnr from base.visits;
    """,
    "chinese": """
        create schema dian;
        create table dian."订单明细" as
        select line as "明细编号", basket as "订单编号", person as "用户编号", moment as "下单时间", thing as "商品编号",
            pieces as "数量", pieces * single_price as "实付金额", 0.0 as "优惠金额" from base.lines;
        create table dian."商品" as
        select distinct thing as "商品编号", '类 ' || thing % 4 as "类目", '牌' as "品牌", single_price as "价格" from base.lines;
        create table dian."浏览日志" as
        select visit as "编号", person as "用户编号", moment as "访问时间", kind as "行为类型", thing as "商品编号" from base.visits;
    """,
}
# What of a shop's tables has to come through; beside it everything that names no more than it has to.
EXPECTED = {
    "hosted_shop": {"order_lines", "products", "customers"},
    "plugin": {"order_lines", "products", "customers"},
    "enterprise": {"order_lines", "products", "customers"},
    "star": {"order_lines", "browse_events", "products", "customers"},
    "app": {"order_lines", "browse_events"},
    "german": {"order_lines", "browse_events", "products", "customers"},
    "chinese": {"order_lines", "browse_events", "products"},
}
GUIDE = (PACKAGE / "docs" / "mapping.md").read_text("utf-8")
IN_THE_GUIDE = ("hosted_shop", "star")
ONE_LOG = """
create schema shop;
create table shop.events as
select moment as event_time, kind as event_type, thing as product_id, 'type.' || thing % 4 as category_code,
    'maker' as brand, 2.25 + thing as price, person as user_id, 's' || visit // 3 as user_session
from base.visits
union all
select moment, 'purchase', thing, 'type.' || thing % 4, 'maker', 2.25 + thing, person, 'p' || basket from base.lines;
"""


@pytest.mark.parametrize("name", SHOPS)
def test_what_init_proposes_builds_unchanged(name: str, tmp_path: Path) -> None:
    shop = project_on(BASE + SHOPS[name], tmp_path)
    done = shop.command("init", "--output", "mapping.yml")
    assert done.returncode == 0, done.output
    text = (tmp_path / "mapping.yml").read_text("utf-8")
    proposed = yaml.safe_load(text)
    if name in IN_THE_GUIDE:
        assert text in GUIDE, f"docs/mapping.md shows another mapping than this:\n{text}"
    assert set(proposed["vars"]["purchasing_power__inputs"]) == EXPECTED[name]
    build_with(shop, proposed)
    assert shop.sql("select count(*) from purchasing_power__rejected_rows") == [(0,)]
    assert shop.sql("select count(*) from purchasing_power__users") == [(USERS,)]
    ((spend, units),) = shop.sql("select sum(spend), sum(units) from purchasing_power__user_steps")
    assert float(spend) == pytest.approx(sum((1 + n % 3) * (2.25 + n % 20) for n in range(DAYS * 12)))
    assert float(units) == sum(1 + n % 3 for n in range(DAYS * 12))


def test_the_guides_mapping_of_one_log_builds(tmp_path: Path) -> None:
    shop = project_on(BASE + ONE_LOG, tmp_path)
    (block,) = [text for text in GUIDE.split("```yaml\n")[1:] if "event_type = 'purchase'" in text]
    build_with(shop, yaml.safe_load(block.split("```")[0]))
    # Of a product every event tells the same again.
    assert shop.sql("select distinct relation from purchasing_power__rejected_rows") == [("products",)]
    ((spend,),) = shop.sql("select sum(spend) from purchasing_power__user_steps")
    assert float(spend) == pytest.approx(sum(2.25 + n % 20 for n in range(DAYS * 12)))
    ((views, carts),) = shop.sql(
        "select sum(events_view), sum(events_cart) from purchasing_power__user_steps"
    )
    assert (views, carts) == (DAYS * 8, DAYS * 4)


def project_on(tables: str, folder: Path) -> Shop:
    """Makes a dbt project on a warehouse of the given tables, without a mapping."""
    for file in ("profiles.yml", "selectors.yml"):
        shutil.copy(INTEGRATION / file, folder / file)
    (folder / "shop").mkdir()
    with duckdb.connect(str(folder / "shop" / "warehouse.duckdb")) as connection:
        connection.execute(tables + "drop schema base cascade")
    (folder / "dbt_project.yml").write_text(yaml.safe_dump(PROJECT), "utf-8")
    shop = Shop(folder)
    shop.install(PACKAGE)
    return shop


def build_with(shop: Shop, mapping: dict[str, Any]) -> None:
    text = yaml.safe_dump({**PROJECT, **mapping}, allow_unicode=True)
    (shop.folder / "dbt_project.yml").write_text(text, "utf-8")
    built = shop.dbt("run", *FEATURES[1:])
    assert built.returncode == 0, built.output
