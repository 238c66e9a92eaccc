"""The hidden life of customers, a day a step: phases of life, satisfaction, missions, orders, leaving.

A hidden Markov chain. What moves it is written once, in `Chances`, and read by the simulation (`live`), which
draws one path, and by `truth`, which adds up all of them. One day goes: life may change (phase, power); the
unhappy may leave; an idle customer may begin a mission; an order may be placed; what it is like moves
satisfaction, and the mission may end.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from purchasing_power.simulator.calendar import Calendar
from purchasing_power.simulator.customers import Customers
from purchasing_power.simulator.streams import Streams

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

# Phases of life: how much is wanted in each, how common each is, the chance a day that life is dealt anew.
PHASE_RATE = np.array([0.35, 1.0, 2.2])
PHASE_SHARE = np.array([0.30, 0.50, 0.20])
PHASE_CHANGE = 1 / 200
# Power changes by a step (a new job, a lost one) once in so many days, by so much on the log scale.
POWER_CHANGE = 1 / 400
POWER_JUMP = 0.45

# Satisfaction from lowest to highest: how much sooner they leave, how much more they want.
SATISFACTION_CHURN = np.array([5.0, 2.0, 1.0, 0.5])
SATISFACTION_RATE = np.array([0.4, 0.75, 1.0, 1.2])
NEWCOMERS_SATISFACTION = 2
_FIRST_SATISFACTION = np.array([0.10, 0.25, 0.45, 0.20])
UP_WHEN_GOOD = 0.35
DOWN_WHEN_BAD = 0.80

MISSION_EXPIRES = 0.055
MISSION_ENDS_WITH_ORDER = 0.8
IMPULSE = 0.10
CANCELLED = 0.03

_ALIVE_AT_START = 0.85
_ON_MISSION_AT_START = 0.08
_ON_MISSION_AT_JOINING = 0.6

IDLE = -1


@dataclass(frozen=True)
class Chances:
    """The chances of each thing on each day, of a block of customers (B) under a calendar."""

    customers: Customers
    calendar: Calendar

    def leaving(self) -> Floats:
        """Gives [B, S] chance a day of leaving for good, by satisfaction."""
        return np.asarray(np.minimum(self.customers.churn[:, None] * SATISFACTION_CHURN, 1.0))

    def starting(self, day: int) -> Floats:
        """Gives [B, L, S] chance that an idle customer begins a mission, by phase and satisfaction."""
        season = self.calendar.season[day] ** self.customers.season_exponent
        wanted = (self.customers.missions * season)[:, None, None]
        chance = 1 - np.exp(-wanted * PHASE_RATE[:, None] * SATISFACTION_RATE)
        return np.asarray(chance)

    def ordering_on_mission(self, day: int) -> Floats:
        """Gives [B] chance of an order on a day of a mission."""
        return np.asarray(np.minimum(self.customers.conversion * self._mood(day), 0.9))

    def ordering_on_impulse(self, day: int) -> Floats:
        """Gives [B, L] chance of an order without a mission, by phase of life."""
        chance = IMPULSE * (self.customers.missions * self._mood(day))[:, None] * PHASE_RATE
        return np.asarray(np.minimum(chance, 0.9))

    def _mood(self, day: int) -> Floats:
        """Gives [B] how the weekday, and what is on sale for those who mind prices, move orders."""
        offered = self.customers.taste @ self.calendar.discount[day]
        weekday = self.customers.weekday[:, self.calendar.weekday[day]]
        mood: Floats = weekday * np.exp(2.0 * self.customers.sensitivity * offered)
        return mood


@dataclass(frozen=True)
class State:
    """Where customers stand at the beginning of a day; [B] each.

    Attributes:
        alive: will ever come back.
        phase: index into PHASE_RATE.
        satisfaction: index into SATISFACTION_RATE.
        mission: category that a mission is about, or IDLE.
        log_power: logarithm of the purchasing power.
    """

    alive: Flags
    phase: Integers
    satisfaction: Integers
    mission: Integers
    log_power: Floats

    def copy(self) -> State:
        """Copies the arrays."""
        return State(
            self.alive.copy(),
            self.phase.copy(),
            self.satisfaction.copy(),
            self.mission.copy(),
            self.log_power.copy(),
        )


@dataclass(frozen=True)
class Lives:
    """What happened in a block over the days of a log (D); [D, B] each.

    Attributes:
        present: signed up and not gone.
        phase: phase of life during the day.
        satisfaction: satisfaction before the day's order.
        mission: category of the day's mission, or IDLE.
        log_power: logarithm of the purchasing power during the day.
        ordered: placed an order; one a day at most.
        cancelled: the order was called off at once.
        bad: the order was a bad experience.
        states: State at the beginning of each day that was asked for.
    """

    present: Flags
    phase: Integers
    satisfaction: Integers
    mission: Integers
    log_power: Floats
    ordered: Flags
    cancelled: Flags
    bad: Flags
    states: dict[int, State]


def live(chances: Chances, seed: int, block: int, days: int, keep_states: Collection[int]) -> Lives:
    """Draws one life of each customer of a block.

    Args:
        chances: the chances, for at least `days` days.
        seed: the shop's seed.
        block: number of the block.
        days: length of the log.
        keep_states: days (0 to `days`) at whose beginning the hidden state is kept.

    Returns:
        What happened.
    """
    customers = chances.customers
    size = len(customers.number)
    streams = Streams(seed, block)
    uniforms, jumps = streams("life"), streams("power jumps")
    state = _first_state(customers, streams)
    leaving = chances.leaving()
    everybody = np.arange(size)
    kept: dict[int, State] = {}
    rows: dict[str, list[npt.NDArray[Any]]] = {
        item.name: [] for item in fields(Lives) if item.name != "states"
    }
    for day in range(days + 1):
        if day in keep_states:
            kept[day] = state.copy()
        if day == days:
            break
        draw = uniforms.random((12, size))
        jump = POWER_JUMP * jumps.normal(size=size)
        here = state.alive & (customers.joined <= day)

        changed = draw[0] < PHASE_CHANGE
        phase = np.where(here & changed, _phase_of(draw[1]), state.phase)
        log_power = state.log_power + np.where(here & (draw[2] < POWER_CHANGE), jump, 0.0)
        gone = here & (draw[3] < leaving[everybody, state.satisfaction])
        here &= ~gone
        starting = chances.starting(day)[everybody, phase, state.satisfaction]
        starts = here & (state.mission == IDLE) & (draw[4] < starting)
        mission = np.where(starts, customers.wanted_category(everybody, draw[5]), state.mission)
        on_mission = mission != IDLE
        chance = np.where(
            on_mission, chances.ordering_on_mission(day), chances.ordering_on_impulse(day)[everybody, phase]
        )
        ordered = here & (draw[6] < chance)
        cancelled = ordered & (draw[7] < CANCELLED)
        bad = ordered & (draw[8] < customers.bad_experience)
        ends = np.where(ordered, draw[9] < MISSION_ENDS_WITH_ORDER, draw[9] < MISSION_EXPIRES)
        moved = ordered & ~cancelled & (draw[10] < np.where(bad, DOWN_WHEN_BAD, UP_WHEN_GOOD))
        step = np.where(moved, np.where(bad, -1, 1), 0)

        today = (
            here,
            phase,
            state.satisfaction,
            np.where(here, mission, IDLE),
            log_power,
            ordered,
            cancelled,
            bad,
        )
        for values, array in zip(rows.values(), today, strict=True):
            values.append(array)
        state = State(
            alive=state.alive & ~gone,
            phase=phase,
            satisfaction=np.clip(state.satisfaction + step, 0, len(SATISFACTION_RATE) - 1),
            mission=np.where(here & on_mission & ends, IDLE, mission),
            log_power=log_power,
        )
    stacked = {name: np.stack(values) for name, values in rows.items()}
    return Lives(**stacked, states=kept)


def _first_state(customers: Customers, streams: Streams) -> State:
    """Draws the state in which the log meets a customer: at its beginning, or when they sign up."""
    size = len(customers.number)
    draw = streams("first state").random((5, size))
    new = customers.joined >= 0
    everybody = np.arange(size)
    on_mission = draw[0] < np.where(new, _ON_MISSION_AT_JOINING, _ON_MISSION_AT_START)
    known = np.searchsorted(np.cumsum(_FIRST_SATISFACTION)[:-1], draw[3], side="right")
    return State(
        alive=new | (draw[1] < _ALIVE_AT_START),
        phase=_phase_of(draw[2]),
        satisfaction=np.where(new, NEWCOMERS_SATISFACTION, known),
        mission=np.where(on_mission, customers.wanted_category(everybody, draw[4]), IDLE),
        log_power=customers.log_power.copy(),
    )


def _phase_of(uniform: Floats) -> Integers:
    return np.searchsorted(np.cumsum(PHASE_SHARE)[:-1], uniform, side="right").astype(np.int64)
