"""One block of customers: their hidden lives, and the rows that these leave in each table."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from purchasing_power.simulator.calendar import Calendar, make_calendar
from purchasing_power.simulator.config import LOG_START, ShopConfig
from purchasing_power.simulator.customers import COUNTRIES, Customers, make_customers
from purchasing_power.simulator.dynamics import Chances, Lives, live
from purchasing_power.simulator.orders import Orders, draw_orders, draw_refunds
from purchasing_power.simulator.products import CATEGORIES, Catalogue, make_catalogue
from purchasing_power.simulator.rates import CURRENCIES, ExchangeRates, make_rates
from purchasing_power.simulator.reviews import draw_reviews
from purchasing_power.simulator.sessions import DAY_SECONDS, KINDS, Browsing, browse
from purchasing_power.simulator.streams import Streams
from purchasing_power.simulator.tables import NO_TIME, Column, Rows
from purchasing_power.simulator.truth import expect

Integers = npt.NDArray[np.int64]

# A customer's nth event has the id customer * this + n, so ids depend neither on other customers nor on the
# log's length.
IDS_PER_CUSTOMER = 10_000_000


@dataclass(frozen=True)
class Shop:
    """What all blocks share.

    Attributes:
        config: what was asked for.
        catalogue: the products.
        calendar: the days of the log and of one horizon after it.
        rates: the exchange rates.
        words: column -> list of the words that rows point into; `customer_id` is a block's own.
    """

    config: ShopConfig
    catalogue: Catalogue
    calendar: Calendar
    rates: ExchangeRates
    words: dict[str, Column]

    @classmethod
    def open(cls, config: ShopConfig) -> Shop:
        """Makes what all blocks share."""
        catalogue = make_catalogue(config.seed)
        brands, _ = np.unique(catalogue.brand, return_inverse=True)
        return cls(
            config,
            catalogue,
            make_calendar(config.seed, config.days + config.horizon_days),
            make_rates(config.seed, config.days),
            {
                "product_id": catalogue.product_id,
                "category": np.array([name for name, _, _, _ in CATEGORIES]),
                "brand": brands,
                "country": np.array([name for name, _, _ in COUNTRIES]),
                "kind": np.array(KINDS),
                "currency": np.array(CURRENCIES),
            },
        )

    def product_rows(self) -> Rows:
        """Gives the rows of `products`."""
        return Rows(
            "products",
            {
                "product_id": np.arange(len(self.catalogue.product_id)),
                "category": self.catalogue.category,
                "brand": np.searchsorted(self.words["brand"], self.catalogue.brand),
                "price": self.catalogue.price.copy(),
                "embedding": self.catalogue.embedding,
            },
        )

    def rate_rows(self) -> Rows:
        """Gives the rows of `exchange_rates`."""
        months, currencies = self.rates.rate.shape
        return Rows(
            "exchange_rates",
            {
                "currency": np.tile(np.arange(currencies), months),
                "rate": self.rates.rate.ravel(),
                "valid_from": np.repeat(self.rates.valid_from * DAY_SECONDS, currencies),
            },
        )


@dataclass(frozen=True)
class Block:
    """The rows of a block of customers, by table, each in the order of time.

    Attributes:
        number: the block's number.
        words: column -> list of the words that its rows point into, beside the shop's.
        rows: table -> rows.
    """

    number: int
    words: dict[str, Column]
    rows: dict[str, Rows]


def make_block(shop: Shop, number: int) -> Block:
    """Simulates a block of customers, all of them, and gives the rows of those that the shop has."""
    config = shop.config
    streams = Streams(config.seed, number)
    customers = make_customers(config.seed, number, config.days)
    chances = Chances(customers, shop.calendar)
    lives = live(chances, config.seed, number, config.days, config.as_of_days)
    orders = draw_orders(customers, lives, shop.catalogue, shop.calendar, streams)
    browsing = browse(customers, lives, orders, shop.catalogue, shop.calendar, streams)
    tables = (
        _customer_rows(customers),
        _event_rows(customers, browsing),
        _order_rows(customers, orders, browsing, streams),
        _refund_rows(shop, customers, orders, streams),
        _review_rows(shop, customers, orders, streams),
        _truth_rows(shop, chances, lives),
    )
    wanted = config.users - int(customers.number[0])
    rows = {table.table: table.take(table.columns["customer_id"] < wanted) for table in tables}
    return Block(number, {"customer_id": customer_names(customers.number)}, rows)


def customer_names(number: Integers) -> Column:
    """Gives the ids of customers by their numbers."""
    return np.array([f"c{value:08}" for value in number.tolist()])


def sort_by(rows: Rows, time: str, key: str) -> Rows:
    """Sorts rows by time, those of one moment by their key."""
    return rows.take(np.lexsort((rows.columns[key], rows.columns[time])))


def ids(customers: Customers, customer: Integers) -> Integers:
    """Numbers rows within their customer, in the order in which they stand."""
    order = np.argsort(customer, kind="stable")
    of_customer = customer[order]
    starts = np.searchsorted(of_customer, of_customer)
    running = np.empty(len(customer), dtype=np.int64)
    running[order] = np.arange(len(customer)) - starts
    return customers.number[customer] * IDS_PER_CUSTOMER + running


def _customer_rows(customers: Customers) -> Rows:
    everybody = np.arange(len(customers.number))
    login = [f"shopper{number}@mail.example" for number in customers.number.tolist()]
    return Rows(
        "customers",
        {
            "customer_id": everybody,
            "signed_up_at": customers.joined * DAY_SECONDS + customers.joined_second,
            "country": customers.country,
            "login": np.array(login, dtype=object),
        },
    )


def _event_rows(customers: Customers, browsing: Browsing) -> Rows:
    rows = Rows(
        "events",
        {
            "event_id": ids(customers, browsing.customer),
            "session_id": ids(customers, browsing.session_customer)[browsing.session],
            "customer_id": browsing.customer,
            "at": browsing.second,
            "kind": browsing.kind,
            "product_id": browsing.product,
            "seconds": browsing.dwell.astype(np.float64),
        },
    )
    return sort_by(rows, "at", "event_id")


def _order_ids(customers: Customers, orders: Orders) -> tuple[Integers, Integers]:
    """Gives the ids of orders and of lines."""
    return ids(customers, orders.customer), ids(customers, orders.customer[orders.order])


def _order_rows(customers: Customers, orders: Orders, browsing: Browsing, streams: Streams) -> Rows:
    order_id, line_id = _order_ids(customers, orders)
    minutes = 1 + (18 * streams("cancellations").random(len(orders.day))).astype(np.int64)
    cancelled_at = np.where(orders.cancelled, browsing.order_second + 60 * minutes, NO_TIME)
    rows = Rows(
        "orders",
        {
            "line_id": line_id,
            "order_id": order_id[orders.order],
            "customer_id": orders.customer[orders.order],
            "ordered_at": browsing.order_second[orders.order],
            "product_id": orders.product,
            "quantity": orders.quantity.astype(np.float64),
            "paid": orders.paid,
            "discount": orders.discount,
            "currency": np.zeros(len(orders.order), dtype=np.int64),
            "cancelled_at": cancelled_at[orders.order],
        },
    )
    return sort_by(rows, "ordered_at", "line_id")


def _refund_rows(shop: Shop, customers: Customers, orders: Orders, streams: Streams) -> Rows:
    order_id, line_id = _order_ids(customers, orders)
    refunds = draw_refunds(orders, streams)
    office_hours = 8 * 3600 + (36_000 * streams("refund seconds").random(len(refunds.line))).astype(np.int64)
    customer = orders.customer[orders.order[refunds.line]]
    rows = Rows(
        "refunds",
        {
            "refund_id": ids(customers, customer),
            "order_id": order_id[orders.order[refunds.line]],
            "line_id": line_id[refunds.line],
            "customer_id": customer,
            "refunded_at": refunds.day * DAY_SECONDS + office_hours,
            "product_id": orders.product[refunds.line],
            "quantity": orders.quantity[refunds.line].astype(np.float64),
            "amount": refunds.amount,
            "currency": np.zeros(len(customer), dtype=np.int64),
        },
    )
    return sort_by(rows.take(refunds.day < shop.config.days), "refunded_at", "refund_id")


def _review_rows(shop: Shop, customers: Customers, orders: Orders, streams: Streams) -> Rows:
    reviews = draw_reviews(customers, orders, streams)
    customer = orders.customer[reviews.order]
    evening = 9 * 3600 + (46_800 * streams("review seconds").random(len(customer))).astype(np.int64)
    rows = Rows(
        "reviews",
        {
            "review_id": ids(customers, customer),
            "customer_id": customer,
            "reviewed_at": reviews.day * DAY_SECONDS + evening,
            "product_id": orders.product[reviews.line],
            "stars": np.where(reviews.stars < 0, np.nan, reviews.stars),
            "text": reviews.text,
        },
    )
    return sort_by(rows.take(reviews.day < shop.config.days), "reviewed_at", "review_id")


def _truth_rows(shop: Shop, chances: Chances, lives: Lives) -> Rows:
    config = shop.config
    parts: list[dict[str, Column]] = []
    start = np.datetime64(LOG_START, "D")
    for as_of in config.as_of_days:
        state = lives.states[as_of]
        expectation = expect(chances, state, shop.catalogue, as_of, config.horizon_days)
        # Nobody knows of customers who have yet to sign up.
        known = np.flatnonzero(chances.customers.joined < as_of)
        parts.append(
            {
                "customer_id": known,
                "as_of_date": np.full(len(known), start + as_of),
                "horizon_days": np.full(len(known), config.horizon_days),
                "hidden_power": np.exp(state.log_power)[known],
                "is_alive": state.alive[known],
                "expected_spend": expectation.spend[known],
                "purchase_probability": expectation.purchase_probability[known],
            }
        )
    return Rows("truth", {name: np.concatenate([part[name] for part in parts]) for name in parts[0]})
