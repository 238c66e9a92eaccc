"""Hashed n-grams: the same numbers as a slow reference, for any text."""

from __future__ import annotations

import unicodedata

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from purchasing_power.errors import PurchasingPowerError
from purchasing_power.scoring.text import LONGEST_TEXT, NgramHashing, chunks, hash_texts

HASHING = NgramHashing(buckets=1 << 12, shortest=2, longest=4)
MASK = (1 << 64) - 1
# Lone surrogates included, which no UTF-8 holds but a Python string may.
TEXTS = st.text(st.characters(codec=None), max_size=40)


def reference(text: str, hashing: NgramHashing) -> list[int]:
    """The definition in plain integers: every n-gram by itself, no rolling, no arrays."""
    words = unicodedata.normalize("NFKC", text[:LONGEST_TEXT]).casefold().split()
    form = " " + " ".join(words) + " " if words else ""
    found = set()
    for n in range(hashing.shortest, hashing.longest + 1):
        for start in range(len(form) - n + 1):
            value = n
            for character in form[start : start + n]:
                value = (value * 6364136223846793005 + ord(character)) & MASK
            for factor in (0xFF51AFD7ED558CCD, 0xC4CEB9FE1A85EC53):
                value = ((value ^ (value >> 33)) * factor) & MASK
            value ^= value >> 33
            found.add(value * hashing.buckets >> 64)
    return sorted(found)


def hashes(texts: list[str], hashing: NgramHashing) -> list[list[int]]:
    hashed = hash_texts(texts, hashing)
    assert hashed.texts == len(texts)
    return [hashed.buckets[hashed.rows == row].tolist() for row in range(len(texts))]


@settings(max_examples=150, deadline=None)
@given(st.lists(TEXTS, max_size=6), st.integers(1, 3), st.integers(0, 3))
def test_hashing_equals_the_reference(texts: list[str], shortest: int, more: int) -> None:
    hashing = NgramHashing(1 << 12, shortest, shortest + more)
    assert hashes(texts, hashing) == [reference(text, hashing) for text in texts]


def test_a_long_text_and_empty_ones() -> None:
    texts = ["", "漂亮 质量好 " * 1_500, "  \n\t", "a", "\ud800\udc00\udfff", "x" * (LONGEST_TEXT + 5)]
    assert hashes(texts, HASHING) == [reference(text, HASHING) for text in texts]
    assert hashes(texts, HASHING)[0] == hashes(texts, HASHING)[2] == []


def test_a_text_is_hashed_alike_whatever_stands_beside_it() -> None:
    together = hashes(["good", "bad", "好"], HASHING)
    assert together == [hashes([text], HASHING)[0] for text in ("good", "bad", "好")]


def test_the_numbers_are_pinned() -> None:
    # A model's weights stand under them: another number on another platform or version would be another word.
    assert hash_texts(["Good 好"], NgramHashing(1 << 18, 1, 4)).buckets[:5].tolist() == [
        27578,
        33140,
        40439,
        47233,
        49529,
    ]


def test_case_width_and_spaces_do_not_matter() -> None:
    (plain, other) = hashes(["straße gut", "  \uff33TRASSE\u00a0 Gut "], HASHING)
    assert plain == other


@given(st.lists(st.sampled_from(["", "a" * 9, "b" * 200_000, "c" * 20_000]), max_size=60))
@settings(max_examples=20, deadline=None)
def test_chunks_hold_every_text_once_and_are_bounded(texts: list[str]) -> None:
    parts = list(chunks(texts))
    assert [text for part in parts for text in part] == texts
    assert all(parts)
    assert all(sum(min(len(text), LONGEST_TEXT) for text in part) <= 1 << 19 for part in parts)


@pytest.mark.parametrize(
    ("buckets", "shortest", "longest", "message"),
    [
        (1000, 1, 4, "1000 buckets: it must be a power of two"),
        (1 << 25, 1, 4, "at most 16777216"),
        (1024, 0, 4, "0 to 4 characters"),
        (1024, 3, 2, "3 to 2 characters"),
    ],
)
def test_settings_that_hash_nothing_are_refused(
    buckets: int, shortest: int, longest: int, message: str
) -> None:
    with pytest.raises(PurchasingPowerError, match=message):
        NgramHashing(buckets, shortest, longest)


def test_buckets_are_used_evenly() -> None:
    texts = [f"{number} {number * number}" for number in range(3_000)]
    used = np.bincount(hash_texts(texts, NgramHashing(1 << 8, 3, 5)).buckets, minlength=1 << 8)
    assert used.min() > 0.4 * used.mean()
    assert used.max() < 2.5 * used.mean()
