"""Random numbers that depend on what they are for, never on how much else was drawn."""

from __future__ import annotations

import zlib

import numpy as np

Generator = np.random.Generator


class Streams:
    """Named random streams below a key, such as (seed, block).

    Each quantity draws from a stream of its own, in the order of days. So another quantity, a longer log or
    more customers change nothing that was drawn before. A stream is asked for once: asked again, it starts
    anew.
    """

    def __init__(self, *key: int) -> None:
        """Takes whole numbers from 0 up that identify the family of streams."""
        self._key = key

    def __call__(self, name: str) -> Generator:
        """Opens the stream of this name."""
        entropy = [*self._key, zlib.crc32(name.encode())]
        return np.random.Generator(np.random.PCG64(np.random.SeedSequence(entropy)))
