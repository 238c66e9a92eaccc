"""Other ways to predict the same users' spend at the same cut, to be measured beside our model.

Each learns only from anchors whose label windows end by the cut. What a method needs is imported when it
runs, so that one whose package is missing is left out, and said to be.
"""

from purchasing_power.peers.registry import PEERS, Peer, PeerRun, run_peers
from purchasing_power.peers.task import PeerTask

__all__ = ["PEERS", "Peer", "PeerRun", "PeerTask", "run_peers"]
