"""All peers, and how they are run one after the other."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec

from purchasing_power.errors import PurchasingPowerError
from purchasing_power.evaluation import Prediction
from purchasing_power.peers.task import PeerTask
from purchasing_power.reporting import Reporter


@dataclass(frozen=True)
class Peer:
    """A method to be measured beside our model.

    Attributes:
        name: what its figures stand under in the warehouse.
        title: what it is, in words.
        package: the Python package that it needs.
        extra: the extra of ours that installs that package.
        predict: predicts all users at the task's cut, in the order of `dataset.labels`.
    """

    name: str
    title: str
    package: str
    extra: str
    predict: Callable[[PeerTask], Prediction]


@dataclass(frozen=True)
class PeerRun:
    """What a peer predicted, and how many seconds fitting and predicting took it."""

    peer: Peer
    prediction: Prediction
    seconds: float


# Each imports its method late: the package may be missing, and TensorFlow takes seconds.
def _flat_trees(task: PeerTask) -> Prediction:
    from purchasing_power.peers import trees
    from purchasing_power.peers.flat import flat_columns

    return trees.predict(task, flat_columns(task.dataset.contract))


def _all_trees(task: PeerTask) -> Prediction:
    import numpy as np

    from purchasing_power.peers import trees

    return trees.predict(task, np.arange(task.dataset.n_context))


def _customer_base(task: PeerTask) -> Prediction:
    from purchasing_power.peers import customer_base

    return customer_base.predict(task)


def _ziln(task: PeerTask) -> Prediction:
    from purchasing_power.peers import ziln

    return ziln.predict(task)


def _classic(task: PeerTask) -> Prediction:
    from purchasing_power.peers import recurrent
    from purchasing_power.training import TrainingConfig

    return recurrent.predict(task, TrainingConfig.preset("classic"))


PEERS = (
    Peer("lightgbm_rfm", "LightGBM on recency, frequency, spend", "lightgbm", "train", _flat_trees),
    Peer("lightgbm", "LightGBM on our whole context", "lightgbm", "train", _all_trees),
    Peer("bg_nbd", "BG/NBD x Gamma-Gamma", "lifetimes", "bench", _customer_base),
    Peer("ziln", "ZILN network on recency, frequency, spend", "keras", "train", _ziln),
    Peer("lstm_classic", "two-layer LSTM(50), one output", "tensorflow", "train", _classic),
)


def run_peers(task: PeerTask, reporter: Reporter) -> list[PeerRun]:
    """Runs every peer that can be run, and says which are left out and why.

    Args:
        task: the users and what may be learnt from.
        reporter: where each is told with its seconds.
    """
    runs: list[PeerRun] = []
    with reporter.progress("peers") as tick:
        for place, peer in enumerate(PEERS):
            tick(place, len(PEERS), peer.title, False)
            if find_spec(peer.package) is None:
                reporter.say(
                    f"left out: {peer.title} needs {peer.package}; install purchasing_power[{peer.extra}]"
                )
                continue
            started = time.monotonic()
            try:
                prediction = peer.predict(task)
            except PurchasingPowerError as error:
                reporter.say(f"left out: {peer.title}: {error}")
                continue
            runs.append(PeerRun(peer, prediction, time.monotonic() - started))
            reporter.say(f"{peer.title} ({peer.name}): {runs[-1].seconds:.0f} s")
        tick(len(PEERS), len(PEERS), "done", False)
    return runs
