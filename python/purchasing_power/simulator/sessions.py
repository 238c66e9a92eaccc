"""What customers do on the site: visits that lead by search, view, wishlist and cart to an order, or not."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from purchasing_power.simulator.calendar import Calendar
from purchasing_power.simulator.customers import Customers
from purchasing_power.simulator.dynamics import IDLE, PHASE_RATE, SATISFACTION_RATE, Lives
from purchasing_power.simulator.orders import Orders
from purchasing_power.simulator.products import VIEW_SPREAD, Catalogue
from purchasing_power.simulator.streams import Streams

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

DAY_SECONDS = 86_400

KINDS = ("search", "view", "cart", "wishlist")
SEARCH, VIEW, CART, WISHLIST = range(len(KINDS))

# Who has left still strays in now and then.
_STRAY_SESSIONS = 0.0015
_PHASE_IN_BROWSING = 0.7
_FOCUS = 0.75
_SEARCHES = 0.45
_LAST_VIEW_IDLE = 1 / 3.0
_LAST_VIEW_ON_MISSION = 1 / 4.5
# Chance that a view leads to the cart or to the wishlist, without and with a mission.
_TO_CART = (0.02, 0.10)
_TO_WISHLIST = (0.025, 0.05)
_MEDIAN_DWELL = (18.0, 32.0)
_CLICK_SECONDS = 4.0

# A session begins and ends on one day, so that a day of the log is a day of the hidden life.
_LATEST_START = 82_000
_LONGEST = 3_000


@dataclass(frozen=True)
class Browsing:
    """Events of a block (e), by session and moment; sessions stand by day and customer.

    Attributes:
        session: [e] number of the session in the block.
        customer: [e] position in the block.
        second: [e] seconds since the log's beginning.
        kind: [e] index into KINDS.
        product: [e] index into the catalogue; -1 for a search.
        dwell: [e] seconds until the next.
        session_customer: [s] position in the block, a session.
        order_second: [n] when each order was placed: at the end of its session, in the orders' order.
    """

    session: Integers
    customer: Integers
    second: Integers
    kind: Integers
    product: Integers
    dwell: Integers
    session_customer: Integers
    order_second: Integers


def browse(
    customers: Customers,
    lives: Lives,
    orders: Orders,
    catalogue: Catalogue,
    calendar: Calendar,
    streams: Streams,
) -> Browsing:
    """Draws all visits of a block and what was done in them."""
    counts = streams("sessions").poisson(_expected_sessions(customers, lives, calendar))
    counts = np.maximum(counts, lives.ordered)
    days, who = np.nonzero(counts)
    repeats = counts[days, who]
    day, customer = np.repeat(days, repeats), np.repeat(who, repeats)
    total = len(day)

    order_of_session = np.full(total, -1)
    firsts = np.cumsum(repeats) - repeats
    order_of_session[firsts[lives.ordered[days, who]]] = np.arange(len(orders.day))
    has_order = order_of_session >= 0

    mission = lives.mission[day, customer]
    on_mission = (mission != IDLE).astype(np.int64)
    draw = streams("session traits").random((total, 3))
    focus = np.where(on_mission == 1, mission, customers.wanted_category(customer, draw[:, 0]))
    searched = draw[:, 1] < _SEARCHES
    started = _start_seconds(customers, day, customer, streams)

    more_views = streams("views").geometric(np.where(on_mission == 1, _LAST_VIEW_ON_MISSION, _LAST_VIEW_IDLE))
    bought = np.zeros(total, dtype=np.int64)
    bought[has_order] = orders.lines[order_of_session[has_order]]
    views = np.where(has_order, bought + more_views - 1, more_views)

    session = np.repeat(np.arange(total), views)
    place = np.arange(len(session)) - np.repeat(np.cumsum(views) - views, views)
    viewer, mission_view = customer[session], on_mission[session]
    draw = streams("view traits").random((len(session), 5))
    in_focus = draw[:, 0] < _FOCUS
    category = np.where(in_focus, focus[session], customers.wanted_category(viewer, draw[:, 1]))
    shift = customers.price_shift(lives.log_power[day, customer], customer)[session]
    product = catalogue.pick(category, shift, VIEW_SPREAD, draw[:, 2])
    # The first views of a session with an order are of what was bought.
    is_bought = place < bought[session]
    product[is_bought] = orders.product
    to_cart = is_bought | (draw[:, 3] < np.array(_TO_CART)[mission_view])
    to_wishlist = draw[:, 4] < np.array(_TO_WISHLIST)[mission_view]
    dwell_noise = streams("dwell").normal(size=len(session))
    view_dwell = np.array(_MEDIAN_DWELL)[mission_view] * np.exp(0.8 * dwell_noise)

    # One search, then for each view: the view, the wishlist, the cart.
    searches = np.flatnonzero(searched)
    wishes, carts = np.flatnonzero(to_wishlist), np.flatnonzero(to_cart)
    flat_session = np.concatenate([searches, session, session[wishes], session[carts]])
    rank = np.concatenate([0 * searches, 3 * place + 1, 3 * place[wishes] + 2, 3 * place[carts] + 3])
    counts_of_kinds = [len(searches), len(session), len(wishes), len(carts)]
    kind = np.repeat([SEARCH, VIEW, WISHLIST, CART], counts_of_kinds)
    flat_product = np.concatenate([np.full(len(searches), -1), product, product[wishes], product[carts]])
    flat_dwell = np.full(len(rank), _CLICK_SECONDS)
    flat_dwell[kind == VIEW] = view_dwell
    order = np.lexsort((rank, flat_session))
    flat_session = flat_session[order]

    lengths = np.bincount(flat_session, minlength=total)
    dwell = _shorten(np.maximum(flat_dwell[order].astype(np.int64), 1), flat_session, lengths)
    ends = np.cumsum(dwell)
    last = np.cumsum(lengths) - 1
    before = np.repeat(ends[last - lengths + 1] - dwell[last - lengths + 1], lengths)
    second = np.repeat(day * DAY_SECONDS + started, lengths) + ends - dwell - before
    pause = 20 + (100 * streams("checkout").random(total)).astype(np.int64)
    session_end = second[last] + dwell[last] + pause
    return Browsing(
        session=flat_session,
        customer=customer[flat_session],
        second=second,
        kind=kind[order],
        product=flat_product[order],
        dwell=dwell,
        session_customer=customer,
        order_second=session_end[has_order],
    )


def _expected_sessions(customers: Customers, lives: Lives, calendar: Calendar) -> Floats:
    """Gives [D, B] mean visits a day: more on a mission, in a busy phase of life, and by who is content."""
    days = len(lives.present)
    weekday = customers.weekday[:, calendar.weekday[:days]].T
    idle = customers.idle_sessions * PHASE_RATE[lives.phase] ** _PHASE_IN_BROWSING
    idle *= SATISFACTION_RATE[lives.satisfaction]
    mission = np.where(lives.mission != IDLE, customers.mission_sessions, 0.0)
    joined = customers.joined[None, :] <= np.arange(days)[:, None]
    return np.where(lives.present, weekday * (idle + mission), np.where(joined, _STRAY_SESSIONS, 0.0))


def _start_seconds(customers: Customers, day: Integers, customer: Integers, streams: Streams) -> Integers:
    """Draws the second of the day at which sessions begin: around the hour that the customer prefers."""
    hour = customers.hour[customer] + 2.2 * streams("session hours").normal(size=len(day))
    second = np.mod(hour * 3600, _LATEST_START).astype(np.int64)
    # Nobody is logged before having signed up.
    signed_up = np.where(customers.joined[customer] == day, customers.joined_second[customer] + 30, 0)
    return np.maximum(second, signed_up)


def _shorten(dwell: Integers, session: Integers, lengths: Integers) -> Integers:
    """Shortens the dwell times of sessions that would be longer than `_LONGEST` seconds."""
    together = np.bincount(session, weights=dwell, minlength=len(lengths))
    factor = np.minimum(1.0, _LONGEST / np.maximum(together, 1))
    return np.maximum((dwell * factor[session]).astype(np.int64), 1)
