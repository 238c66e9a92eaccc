"""Fits the classifier of review texts: character n-grams, naive Bayes weights, logistic regression.

Wang and Manning 2012, "Baselines and bigrams" (NBSVM), with logistic loss, on hashed character n-grams of
one to four characters, each counted once a text. It needs no tokenizer and no word list, so it is the same
for any script.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold

from purchasing_power.errors import PurchasingPowerError
from purchasing_power.scoring.text import HashedTexts, NgramHashing, chunks, hash_texts

Labels = npt.NDArray[np.bool_]
_Scores = npt.NDArray[np.float64]

# So weak that it only keeps a perfectly separable set from growing without end.
_CALIBRATION_STRENGTH = 1e3


@dataclass(frozen=True)
class SentimentConfig:
    """Choices of the fit, the same for every shop; chosen by cross-validation on two languages.

    Attributes:
        buckets: Buckets that n-grams are hashed to.
        shortest: Characters of the shortest n-gram.
        longest: Characters of the longest n-gram.
        smoothing: Occurrences that every n-gram is given in either class before they are compared.
        strengths: Inverse regularisation strengths, of which cross-validation chooses.
        folds: Folds of the cross-validation.
        held_out_share: Share of the texts on which accuracy is measured before the last fit takes all of
            them.
        seed: Seeds the order in which texts are dealt out.
    """

    buckets: int = 1 << 18
    shortest: int = 1
    longest: int = 4
    smoothing: float = 1.0
    strengths: tuple[float, ...] = (1.0, 3.0, 10.0, 30.0)
    folds: int = 5
    held_out_share: float = 0.2
    seed: int = 7

    @property
    def hashing(self) -> NgramHashing:
        """How texts become numbers."""
        return NgramHashing(self.buckets, self.shortest, self.longest)


@dataclass(frozen=True)
class TextClassifier:
    """A linear classifier over the set of a text's n-grams, of unit length.

    score = sum of `weights[0]` over the n-grams / square root of the sum of `weights[1]` + `bias`.

    Attributes:
        weights: [2, buckets] what an n-gram adds to the score and to the squared length.
        bias: Score of a text without a known n-gram.
        strength: Inverse regularisation strength that was chosen.
    """

    weights: npt.NDArray[np.float32]
    bias: np.float32
    strength: float

    def score(self, hashed: HashedTexts) -> _Scores:
        """Gives the log odds [n] that each text is positive."""
        added, squared = (
            np.bincount(
                hashed.rows, weights=weights[hashed.buckets].astype(np.float64), minlength=hashed.texts
            )
            for weights in self.weights
        )
        return np.divide(added, np.sqrt(squared), out=np.zeros(hashed.texts), where=squared > 0) + self.bias


@dataclass(frozen=True)
class SentimentFit:
    """A fitted classifier and how good it is.

    Attributes:
        classifier: Fitted on all texts.
        texts: How many.
        positive: How many of them are positive.
        held_out: Texts that accuracy was measured on, before they took part in the fit.
        accuracy: Share of them that a classifier fitted on the others called right.
        majority: Share of them that the others' more frequent class is.
    """

    classifier: TextClassifier
    texts: int
    positive: int
    held_out: int
    accuracy: float
    majority: float


def fit_sentiment(texts: Sequence[str], positive: Labels, config: SentimentConfig) -> SentimentFit:
    """Measures a classifier on held-out texts, then fits one on all.

    The order of the texts does not matter.

    Args:
        texts: n distinct texts.
        positive: [n] whether each is positive.
        config: Choices of the fit.

    Raises:
        PurchasingPowerError: A class has too few texts to be dealt out over the folds.
    """
    order = _dealt(texts, config.seed)
    texts, positive = [texts[index] for index in order], np.asarray(positive, np.bool_)[order]
    held_out = round(len(texts) * config.held_out_share)
    rest = positive[held_out:]
    if min(rest.sum(), (~rest).sum()) < config.folds:
        raise PurchasingPowerError(
            f"Of {len(texts)} rated texts {int(positive.sum())} are positive and {int((~positive).sum())} "
            f"negative; a classifier needs more than {config.folds} of either."
        )
    hashed = hash_all(texts, config.hashing)
    measured = fit_classifier(_rows(hashed, held_out, len(texts)), rest, config)
    guess = bool(2 * rest.sum() >= len(rest))
    scores = measured.score(_rows(hashed, 0, held_out))
    return SentimentFit(
        classifier=fit_classifier(hashed, positive, config),
        texts=len(texts),
        positive=int(positive.sum()),
        held_out=held_out,
        accuracy=float(np.mean((scores > 0) == positive[:held_out])),
        majority=float(np.mean(positive[:held_out] == guess)),
    )


def fit_classifier(hashed: HashedTexts, positive: Labels, config: SentimentConfig) -> TextClassifier:
    """Fits a classifier; cross-validation chooses the regularisation and calibrates the probability.

    Args:
        hashed: n texts.
        positive: [n] whether each is positive; folds take them in this order.
        config: Choices of the fit.
    """
    ngrams = sp.csr_matrix(
        (np.ones(len(hashed.rows)), (hashed.rows, hashed.buckets)), (hashed.texts, config.buckets)
    )
    out_of_fold = np.zeros((len(config.strengths), len(positive)))
    for fitted, left_out in StratifiedKFold(config.folds).split(ngrams, positive):
        ratios = _log_count_ratios(ngrams[fitted], positive[fitted], config.smoothing)
        seen, unseen = (_unit_length(ngrams[part], ratios) for part in (fitted, left_out))
        for row, strength in enumerate(config.strengths):
            out_of_fold[row, left_out] = _regression(seen, positive[fitted], strength).decision_function(
                unseen
            )
    calibrations = [_calibration(scores, positive) for scores in out_of_fold]
    best = min(range(len(calibrations)), key=lambda row: calibrations[row].loss)
    slope, shift = calibrations[best].slope, calibrations[best].shift
    ratios = _log_count_ratios(ngrams, positive, config.smoothing)
    regression = _regression(_unit_length(ngrams, ratios), positive, config.strengths[best])
    return TextClassifier(
        weights=np.stack([slope * ratios * regression.coef_[0], ratios**2]).astype(np.float32),
        bias=np.float32(slope * regression.intercept_[0] + shift),
        strength=config.strengths[best],
    )


@dataclass(frozen=True)
class _Calibration:
    """Platt scaling: log odds = slope * score + shift, and the mean log loss under it."""

    slope: float
    shift: float
    loss: float


def _calibration(scores: _Scores, positive: Labels) -> _Calibration:
    fitted = LogisticRegression(C=_CALIBRATION_STRENGTH).fit(scores[:, None], positive)
    odds = fitted.decision_function(scores[:, None])
    loss = float(np.mean(np.logaddexp(0, np.where(positive, -odds, odds))))
    return _Calibration(float(fitted.coef_[0, 0]), float(fitted.intercept_[0]), loss)


def _log_count_ratios(ngrams: sp.csr_matrix, positive: Labels, smoothing: float) -> _Scores:
    """Gives, a bucket, how much more often the positive texts hold it, in logs; 0 where no text does."""
    counts = [np.asarray(ngrams[rows].sum(axis=0)).ravel() for rows in (positive, ~positive)]
    shares = [(count + smoothing) / (count + smoothing).sum() for count in counts]
    ratios: _Scores = np.where(counts[0] + counts[1] > 0, np.log(shares[0] / shares[1]), 0.0)
    return ratios


def _unit_length(ngrams: sp.csr_matrix, ratios: _Scores) -> sp.csr_matrix:
    weighted = ngrams @ sp.diags(ratios)
    lengths = np.sqrt(np.asarray(weighted.multiply(weighted).sum(axis=1)).ravel())
    return (
        sp.diags(np.divide(1.0, lengths, out=np.zeros(len(lengths)), where=lengths > 0)) @ weighted
    ).tocsr()


def _regression(features: sp.csr_matrix, positive: Labels, strength: float) -> LogisticRegression:
    # The dual problem has a variable a text, the primal one a bucket: same answer, a tenth of the time.
    regression = LogisticRegression(C=strength, solver="liblinear", dual=True, random_state=0, max_iter=1_000)
    return regression.fit(features, positive)


def _dealt(texts: Sequence[str], seed: int) -> list[int]:
    """Gives the order in which texts are dealt out: by hash, so that the order of rows does not matter."""
    prefix = f"{seed}:".encode()
    digests = [hashlib.md5(prefix + text.encode("utf-8", "surrogatepass")).digest() for text in texts]
    return sorted(range(len(texts)), key=digests.__getitem__)


def hash_all(texts: Sequence[str], hashing: NgramHashing) -> HashedTexts:
    """Hashes any number of texts, as `hash_texts` does those of one chunk."""
    parts = [hash_texts(chunk, hashing) for chunk in chunks(texts)]
    firsts = np.cumsum([0, *(part.texts for part in parts)])
    return HashedTexts(
        buckets=np.concatenate([part.buckets for part in parts]),
        rows=np.concatenate([part.rows + first for part, first in zip(parts, firsts, strict=False)]),
        texts=len(texts),
    )


def _rows(hashed: HashedTexts, start: int, stop: int) -> HashedTexts:
    inside = slice(*np.searchsorted(hashed.rows, [start, stop]))
    return HashedTexts(hashed.buckets[inside], hashed.rows[inside] - start, stop - start)
