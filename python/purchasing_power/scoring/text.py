"""Texts of any language as hashed character n-grams: no tokenizer, no word list, NumPy alone.

A text becomes the set of its character n-grams, each hashed to one of `buckets` numbers (the hashing trick:
Weinberger et al. 2009, arXiv 0902.2206). The trainer and the warehouse call the same function, so both see
the same numbers; the hash uses 64-bit integer arithmetic alone, so every platform gives the same ones.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from purchasing_power.errors import PurchasingPowerError

IndexArray = npt.NDArray[np.int64]
_HashArray = npt.NDArray[np.uint64]

# The tone of a review shows long before; what stands behind would only cost memory.
LONGEST_TEXT = 16_384
# N-grams of that many characters at a time are in memory together.
_CHARACTERS_PER_CHUNK = 1 << 19

# The multiplier of Knuth's 64-bit linear congruential generator; odd, so that no information is shifted out.
_POLYNOMIAL = np.uint64(6364136223846793005)
# The finaliser of MurmurHash3 (Appleby, fmix64): without it neighbouring characters share their low bits.
_MIX = ((np.uint64(33), np.uint64(0xFF51AFD7ED558CCD)), (np.uint64(33), np.uint64(0xC4CEB9FE1A85EC53)))


@dataclass(frozen=True)
class NgramHashing:
    """How texts are turned into numbers; part of a model, since its weights mean nothing under another.

    Attributes:
        buckets: Numbers that n-grams are hashed to, a power of two.
        shortest: Characters of the shortest n-gram.
        longest: Characters of the longest n-gram.
    """

    buckets: int
    shortest: int
    longest: int

    def __post_init__(self) -> None:
        """Refuses settings that hash nothing."""
        if self.buckets < 2 or self.buckets & (self.buckets - 1) or self.buckets > 1 << 24:
            raise PurchasingPowerError(
                f"N-grams cannot be hashed to {self.buckets} buckets: it must be a power of two, at most "
                f"{1 << 24}."
            )
        if not 1 <= self.shortest <= self.longest:
            raise PurchasingPowerError(
                f"N-grams cannot have {self.shortest} to {self.longest} characters: the shortest must have "
                "at least one and the longest no fewer than the shortest."
            )


@dataclass(frozen=True)
class HashedTexts:
    """The distinct n-grams of n texts, laid end to end.

    Attributes:
        buckets: [m] bucket of each n-gram, ascending within a text.
        rows: [m] which text it is in, ascending.
        texts: How many texts, n; one without characters has no n-gram.
    """

    buckets: IndexArray
    rows: IndexArray
    texts: int


def normalised(text: str) -> str:
    """Gives a text in the one form that is hashed.

    Compatibility forms become one (NFKC), upper case becomes lower (casefold), white space becomes one space
    and stands at both ends too, so that an n-gram tells the beginning of a word from its middle.
    """
    folded = " ".join(unicodedata.normalize("NFKC", text[:LONGEST_TEXT]).casefold().split())
    return f" {folded} " if folded else ""


def hash_texts(texts: Sequence[str], hashing: NgramHashing) -> HashedTexts:
    """Hashes the distinct character n-grams of each text.

    An n-gram of code points c_1 .. c_n has the polynomial hash h = n p^n + c_1 p^(n-1) + .. + c_n modulo
    2^64, mixed and cut to the number of buckets. Two n-grams of a text in one bucket count once.

    Args:
        texts: n texts, lone surrogates allowed.
        hashing: Buckets and lengths.

    Returns:
        The n-grams of all texts, sorted by text and bucket.
    """
    # Lone surrogates come out of broken JSON; they are characters like others here.
    coded = [normalised(text).encode("utf-32-le", "surrogatepass") for text in texts]
    lengths = np.array([len(code) // 4 for code in coded], np.int64)
    characters = np.frombuffer(b"".join(coded), "<u4").astype(np.uint64)
    rows = np.repeat(np.arange(len(texts), dtype=np.int64), lengths)
    # How many characters of its text stand from each one on, itself included.
    remaining = np.repeat(np.cumsum(lengths), lengths) - np.arange(len(characters), dtype=np.int64)
    bits = np.uint64(hashing.buckets.bit_length() - 1)
    rolling = np.zeros(len(characters), np.uint64)
    keys: list[_HashArray] = []
    for n in range(1, hashing.longest + 1):
        # Beyond the end the last characters repeat; those n-grams are not complete and dropped.
        rolling = rolling * _POLYNOMIAL + np.roll(characters, 1 - n)
        if n >= hashing.shortest:
            complete = remaining >= n
            seeded = rolling[complete] + _length_seed(n)
            bucket = _mixed(seeded) >> (np.uint64(64) - bits)
            keys.append(rows[complete].astype(np.uint64) << bits | bucket)
    distinct = _distinct(np.concatenate(keys))
    return HashedTexts(
        buckets=(distinct & np.uint64(hashing.buckets - 1)).astype(np.int64),
        rows=(distinct >> bits).astype(np.int64),
        texts=len(texts),
    )


def chunks(texts: Sequence[str]) -> Iterator[Sequence[str]]:
    """Cuts texts into runs whose n-grams fit into memory together, in order and none empty."""
    start, characters = 0, 0
    for position, text in enumerate(texts):
        length = min(len(text), LONGEST_TEXT)
        if characters + length > _CHARACTERS_PER_CHUNK and position > start:
            yield texts[start:position]
            start, characters = position, 0
        characters += length
    if start < len(texts):
        yield texts[start:]


def _distinct(keys: _HashArray) -> _HashArray:
    # np.unique builds a hash table first, which takes many times as long; the order is wanted anyway.
    ordered = np.sort(keys)
    first = np.ones(len(ordered), np.bool_)
    np.not_equal(ordered[1:], ordered[:-1], out=first[1:])
    return ordered[first]


def _length_seed(n: int) -> np.uint64:
    # Python's integers, because NumPy warns of a scalar that wraps round.
    return np.uint64(n * pow(int(_POLYNOMIAL), n, 1 << 64) % (1 << 64))


def _mixed(values: _HashArray) -> _HashArray:
    for shift, factor in _MIX:
        values = (values ^ (values >> shift)) * factor
    return values ^ (values >> np.uint64(33))
