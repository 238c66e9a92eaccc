"""Scores in real time: a user's memory and one event give a new memory and a new score."""

from purchasing_power.online.memory import LONG_AGO, OpenStep, UserMemory
from purchasing_power.online.scorer import LateEventError, OnlineScorer, Score

__all__ = ["LONG_AGO", "LateEventError", "OnlineScorer", "OpenStep", "Score", "UserMemory"]
