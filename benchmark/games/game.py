"""What a game is: two seats, a batch of matches, a card that says what wins."""

from __future__ import annotations

from abc import ABC, abstractmethod
from enum import IntEnum
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from benchmark.errors import CheckFailed, Misuse
from benchmark.settings import hint

if TYPE_CHECKING:
    from benchmark.games.render import Painter
    from benchmark.seeding import EpisodeSeeds

Array = NDArray[np.float32]
SeatName = str
Tier = Literal["smoke", "lite", "full"]


class Outcome(IntEnum):
    """How a match stands after a step; seats are numbered as on the game's card."""

    RUNNING = 0
    SEAT_0 = 1
    SEAT_1 = 2
    TIE = 3
    VOID = 4
    """The simulation failed: counted and shown, nobody's win, and no tie."""


WIN, TIE, LOSS, VOID = 1, 0, -1, 2
"""Results of a match as one side sees them."""
VOID_ENDING = "diverged"
"""How a void match ended: it has none of the endings on the game's card."""


_RESULTS = np.array([[TIE, WIN, LOSS, TIE, VOID], [TIE, LOSS, WIN, TIE, VOID]], dtype=np.int8)
"""By seat and `Outcome`; a running match has the result of a tie."""


def result_for(seat: int, outcome: NDArray[np.int8]) -> NDArray[np.int8]:
    """Outcomes (K,) from a seat's view: WIN, LOSS, VOID, or TIE where tied or still running."""
    return np.asarray(_RESULTS[seat][outcome])


def reward_of(result: NDArray[np.int8]) -> Array:
    """The sparse reward of results (K,): +1 won, -1 lost, 0 tied or running, float32.

    A void match pays like a lost one, so that breaking the simulation is no way out of a loss.
    """
    return np.where(result == VOID, LOSS, result).astype(np.float32)


class SeatCard(BaseModel):
    """One side of a game."""

    model_config = ConfigDict(frozen=True)

    name: SeatName
    obs_dim: int
    act_dim: int
    act_bound: float = Field(description="actions are clipped to [-act_bound, act_bound]")
    own_view: tuple[int, int] = Field(description="columns [start, stop) that show its own body")
    other_view: tuple[int, int] = Field(description="columns [start, stop) that show the other")
    other_at_start: tuple[float, ...] = Field(description="those columns when a match starts")
    other_place: tuple[int, int] | None = Field(
        default=None, description="which of those columns show where the other is over the ground"
    )


class GameCard(BaseModel):
    """Everything a record must say about a game so that a win rate can be understood."""

    model_config = ConfigDict(frozen=True)

    id: str
    title: str
    seats: tuple[SeatCard, SeatCard]
    adversary_seat: SeatName = Field(description="the seat an attack plays unless told otherwise")
    symmetric: bool = Field(description="both seats see the same game, so a policy fits either")
    rules: str = Field(description="what wins, what ties, what a time-out is")
    endings: tuple[str, ...] = Field(description="names of the ways in which a match can end")
    max_steps: int
    options: dict[str, str | float | int | bool]
    replay: dict[str, str | float | int | bool] = Field(
        default={},
        description="options under which every adversary is also played, if there are any",
    )
    budgets: dict[Tier, int] = Field(description="environment steps an attack may use, by tier")
    training_speed: int = Field(description="env steps/s of PPO on one core, to estimate times")
    evaluation_s: float = Field(
        default=1.0, description="seconds of 200 matches of frozen policies, to estimate times"
    )

    def ending(self, outcome: int, ending: int) -> str:
        """The name of how a match ended, from a step's numbers."""
        return VOID_ENDING if outcome == Outcome.VOID else self.endings[ending]

    def seat_index(self, name: SeatName) -> int:
        """0 or 1 for a seat's name; raises Misuse for an unknown one."""
        names = [seat.name for seat in self.seats]
        if name not in names:
            raise Misuse(f"{self.id} has no seat '{name}'; {hint(name, names)}")
        return names.index(name)

    def opposite(self, name: SeatName) -> SeatCard:
        """The seat across from one; raises Misuse for an unknown name."""
        return self.seats[1 - self.seat_index(name)]

    @property
    def victim_seat(self) -> SeatCard:
        """Across from the seat that an attack plays unless told otherwise."""
        return self.opposite(self.adversary_seat)


class Step(NamedTuple):
    """What one step of a batch of N matches gives; arrays are new on every step.

    obs: per seat (N, obs_dim) float32, of the new match where one has just restarted.
    outcome: (N,) int8 of `Outcome`; anything but RUNNING ends the match, which restarts at once.
    ending: (N,) int8 index into the card's endings, meaningful where a match ended.
    dense: (N, 2) float32, the game's own shaping reward for either seat.
    finished: (K,) rows that ended.
    final_obs: per seat (K, obs_dim) float32, the last observation of those rows.
    """

    obs: tuple[Array, Array]
    outcome: NDArray[np.int8]
    ending: NDArray[np.int8]
    dense: Array
    finished: NDArray[np.intp]
    final_obs: tuple[Array, Array]


class BadAction(CheckFailed):
    """A player acted in a way that the game cannot take: a wrong shape, NaN or infinity."""


def check_actions(card: GameCard, matches: int, actions: tuple[Array, Array]) -> None:
    """Raise BadAction unless both seats' actions are finite and (matches, act_dim).

    NaN must never reach a simulation: in Pong it would switch off the other side's bat.
    """
    for seat, action in zip(card.seats, actions, strict=True):
        expected = (matches, seat.act_dim)
        if action.shape != expected:
            raise BadAction(f"seat '{seat.name}': expected actions {expected}, got {action.shape}")
        if not np.isfinite(action).all():
            rows = np.flatnonzero(~np.isfinite(action).all(axis=1))
            raise BadAction(
                f"seat '{seat.name}' acted with NaN or infinity in {len(rows)} of {matches} matches"
            )


class Game(ABC):
    """A batch of matches. A match's course depends on its own episode seed and the actions."""

    Options: ClassVar[type[BaseModel]]
    """What `--set game.FIELD=VALUE` may change: a frozen pydantic model."""
    card: GameCard
    matches: int
    episode_seed: NDArray[np.uint64]
    """(N,) the seed of the episode that each match is playing."""
    episode_step: NDArray[np.int64]
    """(N,) steps that each match has played since it started."""

    @abstractmethod
    def __init__(self, matches: int, options: Any = None):
        """A batch of `matches`; options is an instance of `Options`."""

    @classmethod
    @abstractmethod
    def describe(cls, options: Any = None) -> GameCard:
        """The card under these options, without making a batch."""

    @abstractmethod
    def reset(self, seeds: EpisodeSeeds) -> tuple[Array, Array]:
        """Start every match afresh; returns the observations of both seats."""

    @abstractmethod
    def step(self, actions: tuple[Array, Array]) -> Step:
        """Advance every match by one step. actions: per seat (N, act_dim), clipped here.

        Raises BadAction (see `check_actions`).
        """

    @abstractmethod
    def state(self) -> dict[str, NDArray[Any]]:
        """All that a checkpoint needs to continue these very matches."""

    @abstractmethod
    def restore(self, state: dict[str, NDArray[Any]], seeds: EpisodeSeeds) -> tuple[Array, Array]:
        """Continue from `state()`; returns the observations at that point."""

    def places(self, obs: tuple[Array, Array]) -> Array:
        """Where both bodies are by what the seats see (N, obs_dim): (N, 2, 3) metres, by seat.

        Of a torso: two directions over the ground from a place of the game's choice, and its
        height. Raises Misuse where a game has no such bodies.
        """
        raise Misuse(f"{self.card.id} has no bodies whose place could be told in metres")

    def painter(self, width: int, height: int) -> Painter:
        """What draws match 0 for a film, in pixels; raises Misuse where a game has no pictures."""
        raise Misuse(f"{self.card.id} draws no pictures, so there is nothing to watch")
