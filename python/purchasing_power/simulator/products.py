"""What the shop sells, and which of it a customer with a given purse picks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from purchasing_power.simulator.streams import Streams

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

# Category, median price, spread of log prices, mean quantity of a line.
CATEGORIES: tuple[tuple[str, float, float, float], ...] = (
    ("electronics", 140.0, 0.95, 1.05),
    ("fashion", 45.0, 0.70, 1.15),
    ("shoes", 70.0, 0.60, 1.05),
    ("home", 38.0, 0.90, 1.30),
    ("kitchen", 30.0, 0.80, 1.20),
    ("garden", 28.0, 0.85, 1.35),
    ("sports", 42.0, 0.75, 1.15),
    ("beauty", 22.0, 0.65, 1.40),
    ("toys", 24.0, 0.65, 1.25),
    ("books", 14.0, 0.40, 1.35),
    ("pets", 18.0, 0.55, 1.80),
    ("groceries", 9.0, 0.55, 2.50),
)
PRODUCTS_PER_CATEGORY = 200
EMBEDDING_SIZE = 16
_BRANDS_PER_CATEGORY = 12
_EMBEDDING_NOISE = 0.35

# How far a pick strays from what the purse suggests, in logits of the place in the category's price list.
PICK_SPREAD = 0.55
# What is only looked at strays further.
VIEW_SPREAD = 0.75

_GRID = np.linspace(-12.0, 14.0, 521)
_HERMITE_NODES, _HERMITE_WEIGHTS = np.polynomial.hermite_e.hermegauss(15)


@dataclass(frozen=True)
class Catalogue:
    """The shop's products; product k of category c has index c * PRODUCTS_PER_CATEGORY + k, by rising price.

    Attributes:
        product_id: [P] names.
        category: [P] index into CATEGORIES.
        brand: [P] names; dear brands are dear.
        price: [P] list price in the shop's currency.
        embedding: [P, EMBEDDING_SIZE] float32; a direction a category, one for the price level, and noise.
        value: [C, grid] expected list price times quantity of a line, on `_GRID` of price shifts.
    """

    product_id: npt.NDArray[Any]
    category: Integers
    brand: npt.NDArray[Any]
    price: Floats
    embedding: npt.NDArray[np.float32]
    value: Floats

    def pick(self, category: Integers, shift: Floats, spread: float, uniform: Floats) -> Integers:
        """Picks products.

        A customer's place in a category's price list is logistic around the price shift: 0 is the middle of
        the list, higher is dearer. The logistic law has both distribution function and quantiles in closed
        form, so the expected price below needs no approximation.

        Args:
            category: [n] index of the category to pick from.
            shift: [n] price shift of the customer who picks, in logits of the place.
            spread: scale of the logistic law.
            uniform: [n] uniform random numbers in [0, 1).

        Returns:
            [n] product indices.
        """
        bounded = np.clip(uniform, 1e-12, 1 - 1e-12)
        place = _sigmoid(shift + spread * np.log(bounded / (1 - bounded)))
        within = np.minimum((place * PRODUCTS_PER_CATEGORY).astype(np.int64), PRODUCTS_PER_CATEGORY - 1)
        return category * PRODUCTS_PER_CATEGORY + within

    def line_value(self, shift: Floats, jump_spread: float) -> Floats:
        """Gives the expected list price times quantity of a line of each category.

        Args:
            shift: [n] price shift.
            jump_spread: standard deviation of a normal change of the shift that is yet to come; 0 for none.

        Returns:
            [n, C] money.
        """
        nodes, weights = (_HERMITE_NODES, _HERMITE_WEIGHTS) if jump_spread else (np.zeros(1), np.ones(1))
        found = np.zeros((len(shift), len(CATEGORIES)))
        for node, weight in zip(nodes, weights / weights.sum(), strict=True):
            at = np.clip(shift + jump_spread * node, _GRID[0], _GRID[-1])
            step = _GRID[1] - _GRID[0]
            left = np.minimum(((at - _GRID[0]) / step).astype(np.int64), len(_GRID) - 2)
            part = ((at - _GRID[left]) / step)[:, None]
            found += weight * ((1 - part) * self.value.T[left] + part * self.value.T[left + 1])
        return found


def make_catalogue(seed: int) -> Catalogue:
    """Makes the products of a shop."""
    streams = Streams(seed)
    count = len(CATEGORIES)
    medians = np.array([median for _, median, _, _ in CATEGORIES])[:, None]
    spreads = np.array([spread for _, _, spread, _ in CATEGORIES])[:, None]
    noise = np.sort(streams("prices").normal(size=(count, PRODUCTS_PER_CATEGORY)), axis=1)
    price = _shop_price(medians * np.exp(spreads * noise)).ravel()
    category = np.repeat(np.arange(count), PRODUCTS_PER_CATEGORY)
    place = np.tile((np.arange(PRODUCTS_PER_CATEGORY) + 0.5) / PRODUCTS_PER_CATEGORY, count)

    blurred = place + streams("brands").normal(scale=0.15, size=len(place))
    brand_number = np.clip((blurred * _BRANDS_PER_CATEGORY).astype(np.int64), 0, _BRANDS_PER_CATEGORY - 1)
    names = [name for name, _, _, _ in CATEGORIES]
    brand = np.array(
        [f"{names[c][:3]}-brand-{b + 1:02}" for c, b in zip(category, brand_number, strict=True)]
    )

    # One direction a category and one more for the price level, orthogonal to each other.
    directions, _ = np.linalg.qr(
        streams("embedding directions").normal(size=(EMBEDDING_SIZE, EMBEDDING_SIZE))
    )
    level = np.log(place / (1 - place))[:, None] * 0.5
    embedding = directions[category] + level * directions[-1]
    embedding += streams("embedding noise").normal(scale=_EMBEDDING_NOISE, size=embedding.shape)

    return Catalogue(
        product_id=np.array([f"p{index:05}" for index in range(len(price))]),
        category=category,
        brand=brand,
        price=price,
        embedding=embedding.astype(np.float32),
        value=_expected_value(price.reshape(count, -1)),
    )


def _expected_value(price: Floats) -> Floats:
    edges = np.arange(1, PRODUCTS_PER_CATEGORY) / PRODUCTS_PER_CATEGORY
    below = _sigmoid((np.log(edges / (1 - edges))[None, :] - _GRID[:, None]) / PICK_SPREAD)
    chance = np.diff(below, axis=1, prepend=0.0, append=1.0)
    quantity = np.array([mean for _, _, _, mean in CATEGORIES])[:, None]
    expected: Floats = quantity * (price @ chance.T)
    return expected


def _shop_price(price: Floats) -> Floats:
    """Rounds as shops do: to .99 or .49, from 0.99 up."""
    return np.maximum(np.round(price * 2) / 2 - 0.01, 0.99)


def _sigmoid(value: Floats) -> Floats:
    return 1 / (1 + np.exp(-value))
