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
        needs: 'id', 'time', 'rare time', 'money', 'count', 'number', 'text' or 'label'; what the values must
            be.
        required: a mapping of the relation is useless without it.
        unique: values should identify the row.
    """

    names: tuple[str, ...]
    needs: str
    required: bool = False
    unique: bool = False


# What columns are called in the languages of some other shops: German, French, Spanish, Chinese.
_ID = r"_?(id|key|no|nr|num|nummer|numero|code|编号|号|代码)"
_TIME = r"_?(am|um|zeit|datum|zeitpunkt|时间|日期)"
_USER_ELSEWHERE = rf"(kunden?|nutzer|client|cliente|usuario|用户|客户|会员|顾客|买家)({_ID})?"
_PRODUCT_ELSEWHERE = rf"(artikel|produkt|produit|producto|articulo|商品|产品|货品)({_ID})?"

_USER = Rule(
    (
        r"(user|customer|client|member|shopper|buyer|visitor|household|account)_?(id|key|no|nr|number|code|sk)",
        r"(user|customer|client|member|shopper|buyer|visitor|household|account)",
        r"(uid|cust_?id|cid|full_?visitor_?id)",
        _USER_ELSEWHERE,
    ),
    "id",
    required=True,
)
_PRODUCT = Rule(
    (
        r"(product|item|sku|article|stock|asin|material)_?(id|key|no|nr|number|code|sk)",
        r"(product|item|sku|article|asin)",
        _PRODUCT_ELSEWHERE,
    ),
    "id",
)

# Only a factor of the amount, so no contract column of its own.
UNIT_PRICE = Rule(
    (r"(unit|single|item)_?price", r"price", r"(einzel|stück|stueck)?_?preis|prix|precio|单价|价格"), "money"
)

# What each relation of the contract looks like; `hint` is what its table is usually called.
RULES: dict[str, dict[str, Rule]] = {
    "order_lines": {
        "order_line_id": Rule(
            (
                r"(order_?|transaction_?|invoice_?|basket_?)?(line|item|detail)_?(id|key)",
                rf"(bestell)?positions?{_ID}|(订单)?明细{_ID}",
            ),
            "id",
            unique=True,
        ),
        "order_id": Rule(
            (
                r"(order|transaction|invoice|basket|receipt|purchase|sale|cart|trans)_?(id|key|no|nr|number|code)",
                r"(order|invoice|basket|receipt|invoice_?no)",
                rf"(bestell(ungs?)?|auftrags?|rechnungs?|beleg|bon|commande|pedido|订单|交易){_ID}",
            ),
            "id",
        ),
        "user_id": _USER,
        "ordered_at": Rule(
            (
                r"(order|transaction|purchase|invoice|sale|sales|trans|basket|receipt)_?"
                r"(ed_)?(at|on|ts|time|timestamp|date|datetime|day|dt)",
                r"(ordered|purchased|bought|paid|sold|placed|completed)_?(at|on|time|date)",
                r"(created|processed)_?(at|on|time|date)|date_?(created|placed|ordered|paid|completed)",
                r"(event_?)?(timestamp|datetime|date|ts|time|day|at)",
                rf"(bestellt?|gekauft|verkaufs?|auftrags?|rechnungs?|beleg|bezahlt|下单|订单|支付|购买|交易){_TIME}",
                r"(date_?(de_?)?commande|fecha_?(de_?)?pedido)",
                r"(datum|zeitpunkt|zeitstempel|fecha|创建时间|时间|日期)",
            ),
            "time",
            required=True,
        ),
        "product_id": _PRODUCT,
        "quantity": Rule(
            (
                r"(quantity|qty|units?|pieces|number_of_items|count|item_?count)",
                r"(product_?|item_?|line_?)?(quantity|qty)(_?(ordered|sold|bought|shipped|invoiced))?",
                r"(menge|anzahl|stück|stueck|quantite|quantité|cantidad|数量|件数)",
            ),
            "count",
        ),
        "amount": Rule(
            (
                r"(line_?|net_?|paid_?|order_?|item_?)?(sales?_?)?(amount|amt|value|revenue|total)(_paid)?",
                r"(line|net|item|order|extended|grand)_?(price|total|amount|value|sales|revenue)",
                r"(revenue|sales|spend|spent|paid|turnover|gmv|payment|subtotal|total_?price)",
                r"(row|sub|product|base)_?(net_?|gross_?)?(total|revenue|amount|value)",
                r"(net|gross|line)_?(net_?|gross_?)?(amount|value|revenue|sales|total)_?(eur|usd|gbp|chf|cny|jpy|local)?",
                r"(zeilen|netto|brutto|gesamt|positions)?_?(betrag|summe|umsatz|wert|gesamtpreis)_?(netto|brutto|eur)?",
                r"(montant|importe|total_?ligne|(实付|支付|应付|订单|商品|销售)?(金额|销售额|总价))",
            ),
            "money",
            required=True,
        ),
        "discount_amount": Rule(
            (
                r"(\w+_)?(discount|disc|rebate|markdown)(_?(amount|amt|value))?",
                r"(rabatt|nachlass|remise|descuento)_?(betrag|wert)?|(优惠|折扣)(金额)?",
            ),
            "number",
        ),
        "cancelled_at": Rule(
            (
                r"(cancell?ed|cancell?ation|voided|refunded|returned)_?(at|on|ts|time|timestamp|date)",
                rf"(storniert|取消|退款){_TIME}",
            ),
            "rare time",
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
                r"(timestamp|datetime|ts|time|date|day|created_?at|at|when)",
                r"(aufgerufen|besucht|geklickt|zeitpunkt|zeitstempel|datum|fecha)(_?(am|um))?|(访问|浏览|发生|行为)?(时间|日期)",
            ),
            "time",
            required=True,
        ),
        "event_type": Rule(
            (
                r"(event|action|activity|behaviou?r|hit|interaction)_?(type|name)?",
                r"type|kind",
                r"(ereignis|aktion)s?_?(typ|art)?|(事件|行为)(类型)?",
            ),
            "label",
        ),
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
                rf"(bewertet|bewertungs?|geschrieben|评价|评论){_TIME}|datum|时间|日期",
            ),
            "time",
            required=True,
        ),
        "product_id": _PRODUCT,
        "rating": Rule(
            (
                r"(star_?|overall_?|review_?)?(rating|stars|score|grade)s?",
                r"sterne|note|bewertung|评分|星级",
            ),
            "number",
        ),
        "review_text": Rule(
            (
                r"(review|comment|feedback)?_?(text|body|content|comment|message|review)",
                r"kommentar|bewertungs?_?text|(评价|评论)?(内容|正文)",
            ),
            "text",
        ),
    },
    "products": {
        "product_id": Rule(_PRODUCT.names, "id", required=True, unique=True),
        "category": Rule(
            (
                r"(product_?|item_?)?category(_name)?",
                r"(product_?)?(category|department|dept|family|group|type)",
                r"(waren|produkt|artikel)?_?(gruppe|kategorie)|categorie|categoria|(商品)?(类目|品类|分类|类别)",
            ),
            "label",
        ),
        "brand": Rule(
            (
                r"(product_?)?(brand|manufacturer|maker|vendor|supplier)(_?name)?",
                r"marke|hersteller|marque|marca|品牌",
            ),
            "label",
        ),
        "list_price": Rule(
            (
                r"(list|retail|unit|regular|base|catalog(ue)?)_?price",
                r"price|msrp|rrp|(min|max)_?price",
                r"(listen|verkaufs)?_?preis|prix|precio|标价|售价|原价|价格",
            ),
            "money",
        ),
        "stock_quantity": Rule(
            (
                r"(stock|inventory)_?(quantity|qty|level|count|on_?hand)?|(quantity|qty)_?(on_?hand|in_?stock)",
                r"(lager)?bestand|库存(数量|量)?",
            ),
            "count",
        ),
    },
    "customers": {
        "user_id": Rule(_USER.names, "id", required=True, unique=True),
        "signed_up_at": Rule(
            (
                r"(sign_?up|signed_?up|registration|registered|join|joined|enrol|first_?seen|onboarded|member_since)"
                r"_?(ed_)?(at|on|ts|time|timestamp|date|datetime|day)?",
                r"(created|opened|registered)_?(at|on|time|date)",
                r"date_?(registered|created|joined)",
                rf"(registriert|angemeldet|angelegt|anmelde|注册){_TIME}|kunde_?seit",
            ),
            "time",
        ),
    },
}

# What a table that holds one row a thing calls the thing's own id.
OWN_ID = r"(id|entity_?id|pk|uuid|guid)"

TABLE_HINTS: dict[str, str] = {
    "order_lines": r"order|transaction|purchase|sale|invoice|basket|receipt|line|"
    r"bestell|auftr|rechnung|beleg|umsatz|verkauf|commande|pedido|订单|交易|销售",
    "browse_events": r"event|click|session|visit|view|browse|page|hit|log|redemption|impression|activity|"
    r"aufruf|besuch|klick|ereignis|浏览|访问|行为|点击|日志",
    "reviews": r"review|rating|feedback|comment|bewertung|评价|评论",
    "products": r"product|item|sku|article|catalog|artikel|produkt|produit|商品|产品",
    "customers": r"customer|user|client|member|account|shopper|household|demographic|kunde|nutzer|usuario|"
    r"用户|客户|会员|顾客",
}

# What a table that holds one type of events is called, by the types that purchasing_power__event_types has.
EVENT_TYPE_HINTS: dict[str, str] = {
    "search": r"search|query|suche|搜索",
    "cart": r"cart|warenkorb|panier|carrito|加购",
    "wishlist": r"wish|favou?rite|merkzettel|收藏",
    "view": r"view|page|browse|impression|aufruf|浏览",
}


def rank(rule: Rule, column: Column) -> int | None:
    """Gives the place of the first pattern that a column's whole name matches, or None; less is better."""
    if not _values_fit(rule, column):
        return None
    name = _snake(column.name)
    return next((place for place, pattern in enumerate(rule.names) if re.fullmatch(pattern, name)), None)


def _values_fit(rule: Rule, column: Column) -> bool:
    if rule.unique and not column.identifying:
        return False
    match rule.needs:
        case "id":
            return column.kind in (TEXT, NUMBER) and column.fractional == 0 and column.filled > 0.5
        case "time":
            return column.is_time and column.filled > 0.5
        case "rare time":
            return column.is_time
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
