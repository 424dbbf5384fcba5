"""One method of each kind on trial: toy trainings, always from the same seeds, and what is asked.

The players that it meets have random weights, so no victim is needed.
"""

from __future__ import annotations

import json
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from benchmark.arena.arena import Arena
from benchmark.arena.mixture import Mixture, check_fits
from benchmark.errors import CheckFailed, Misuse
from benchmark.evaluation.watching import Episode, watch
from benchmark.games.game import GameCard
from benchmark.learning.progress import CurvePoint, Quiet, impossible, is_news
from benchmark.policies import artifact
from benchmark.policies.policy import MLPPolicy, NetworkPolicy, Policy, RandomPolicy, check_tensors
from benchmark.registry import game as game_class
from benchmark.submissions.manifest import Manifest
from benchmark.submissions.toys import Killed, Mortal, random_network

SEED = 3
NONSENSE = "no-such-setting"
LEAST_BUDGET = 2048
DIES_AT = 2
"""The report at which the interrupted training is killed."""
EPISODES = 10


class Trial(ABC):
    """A class, and a game to try it on."""

    def __init__(self, kind: Any, manifest: Manifest, game: str):
        self.kind, self.manifest = kind, manifest
        self.batch = game_class(game)
        self.card: GameCard = self.batch.describe()
        self.seat = self.card.adversary_seat
        self.victim_seat = self.card.opposite(self.seat)

    def looks(self) -> dict[str, Callable[[], str | None]]:
        """What is looked at, in order."""
        return {
            "says what it is": self._says_what_it_is,
            "refuses a setting that it lacks": self._refuses_nonsense,
            "its configuration survives JSON": self._config_survives_json,
            **self._more(),
        }

    @abstractmethod
    def _more(self) -> dict[str, Callable[[], str | None]]:
        """The checks of its kind of method."""

    def made(self, **settings: Any) -> Any:
        """The method with the manifest's toy settings, others on top."""
        given = {**self.manifest.toy.settings, **settings}
        return self.kind(self.kind.configure(self.card, given))

    def _says_what_it_is(self) -> None:
        told = getattr(self.kind, "name", None)
        _expect(told == self.manifest.name, f"name is {told!r}, expected '{self.manifest.name}'")
        version = getattr(self.kind, "version", None)
        _expect(isinstance(version, int) and version >= 1, f"version is {version!r}, expected 1..")
        _expect(bool(getattr(self.kind, "citation", "")), "it has no citation")
        _expect(bool((self.kind.__doc__ or "").strip()), "its class has no docstring")

    def _refuses_nonsense(self) -> None:
        try:
            self.kind.configure(self.card, {NONSENSE: 1})
        except Misuse:
            return
        raise CheckFailed(f"configure took the setting '{NONSENSE}'; expected a Misuse")

    def _config_survives_json(self) -> None:
        config = self.kind.configure(self.card, {})
        again = self.kind.configure(self.card, json.loads(config.model_dump_json()))
        _expect(again == config, "a config read back from its own JSON is another one")


class Training(Trial):
    """A method that makes a policy."""

    def _more(self) -> dict[str, Callable[[], str | None]]:
        return {
            "makes a policy that fits its seat": self._fits,
            "stays within its budget": self._within_budget,
            "reports its curve": self._reports,
            "the same seed makes the same policy": self._same_again,
            "killed and resumed, it makes the same policy": self._same_after_a_kill,
            "its policy survives the disk": self._survives_the_disk,
        }

    @abstractmethod
    def train(self, progress: Quiet, arenas: list[Arena] | None = None, **settings: Any) -> Policy:
        """One toy training, always from the same seeds; `arenas` gets every arena of it."""

    @property
    @abstractmethod
    def made_for(self) -> str:
        """The seat of the policy that it makes."""

    def budget(self, method: Any) -> int:
        """Environment steps of a toy training."""
        return self.manifest.toy.budget_steps or max(2 * method.least_steps, LEAST_BUDGET)

    @cached_property
    def first(self) -> tuple[Policy, Quiet, list[Arena]]:
        """The training that most checks look at."""
        progress, arenas = Quiet(), list[Arena]()
        return self.train(progress, arenas), progress, arenas

    def _fits(self) -> None:
        policy = self.first[0]
        _expect(isinstance(policy, Policy), f"expected a policy, got {type(policy).__name__}")
        check_fits(policy, self.card, self.made_for)
        if isinstance(policy, NetworkPolicy):
            check_tensors(policy.card, policy.tensors())
        elif self.manifest.track != "none":
            raise CheckFailed(f"expected a network, got {type(policy).__name__}")

    def _within_budget(self) -> str:
        _, progress, arenas = self.first
        budget, played = self.budget(self.made()), sum(arena.steps for arena in arenas)
        told = max((point.steps for point in progress.curve), default=0)
        _expect(played <= budget, f"it played {played} steps of a budget of {budget}")
        _expect(told <= played, f"it reports {told} steps, its arenas count {played}")
        return f"{played} of {budget} steps"

    def _reports(self) -> None:
        if self.manifest.track != "none":
            _expect(bool(self.first[1].curve), "progress.report was never called")
            curve = list[CurvePoint]()
            for point in self.first[1].curve:
                curve += [point] if is_news(point, curve) else []  # as a run files it
            problem = impossible(curve, curve[-1].steps if curve else 0)
            _expect(problem is None, f"progress.report: {problem}")

    def _same_again(self) -> None:
        _check_same(self.first[0], self.train(Quiet()))

    def _same_after_a_kill(self) -> str:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "checkpoint.safetensors"
            try:
                self.train(Mortal(path, DIES_AT))
                return "it reports too seldom to be killed in between"
            except Killed:
                _check_same(self.first[0], self.train(Mortal(path)))
        return ""

    def _survives_the_disk(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            artifact.save(self.first[0], Path(folder))
            _check_same(self.first[0], artifact.load(Path(folder)))

    def _random(self, seat: str, seed: int = 7) -> MLPPolicy:
        return random_network(self.card, seat, seed)


class _AttackTrial(Training):
    @property
    def made_for(self) -> str:
        return self.seat

    def train(self, progress: Quiet, arenas: list[Arena] | None = None, **settings: Any) -> Policy:
        attack = self.made(**settings)
        victim = self._random(self.victim_seat.name)
        arena = Arena(
            self.batch(attack.matches), self.seat, Mixture.of(victim), seed=0,
            white_box=attack.track == "white-box",
        )  # fmt: skip
        if arenas is not None:
            arenas.append(arena)
        rng = np.random.default_rng(SEED)
        made: Policy = attack.train(arena, self.budget(attack), rng, progress)
        return made

    def _says_what_it_is(self) -> None:
        super()._says_what_it_is()
        told = self.made().track
        _expect(
            told == self.manifest.track,
            f"track is '{told}', the manifest says '{self.manifest.track}'",
        )


class _DefenseTrial(Training):
    @property
    def made_for(self) -> str:
        return self.victim_seat.name

    def train(self, progress: Quiet, arenas: list[Arena] | None = None, **settings: Any) -> Policy:
        defense = self.made(**settings)

        def make_arena(opposite: Mixture, matches: int, *, attacking: bool = False) -> Arena:
            seat = self.seat if attacking else self.victim_seat.name
            arena = Arena(self.batch(matches), seat, opposite, seed=0)
            if arenas is not None:
                arenas.append(arena)
            return arena

        made: Policy = defense.harden(
            self._random(self.victim_seat.name), make_arena, [self._random(self.seat, 1)],
            [self._random(self.seat, 2)], self.budget(defense), np.random.default_rng(SEED),
            progress,
        )  # fmt: skip
        return made


class _DetectorTrial(Trial):
    """A method that scores episodes."""

    def _more(self) -> dict[str, Callable[[], str | None]]:
        return {
            "scores any episode": self._scores,
            "the same seed gives the same scores": self._same_again,
            "scoring changes nothing": self._changes_nothing,
        }

    @cached_property
    def _episodes(self) -> list[Episode]:
        """Matches of a victim with random weights against a random player."""
        spec = self.card.seats[self.card.seat_index(self.seat)]
        players = self._victim, RandomPolicy(spec.act_dim, spec.act_bound)
        first = self.card.seat_index(self.seat) == 1
        seats: tuple[Policy, Policy] = players if first else (players[1], players[0])
        return watch(self.batch(EPISODES), seats, self.victim_seat.name, range(EPISODES))

    @property
    def _victim(self) -> Policy:
        return random_network(self.card, self.victim_seat.name)

    def _fitted(self) -> Any:
        detector = self.made()
        rng = np.random.default_rng(SEED)
        detector.fit(self._episodes, self._victim, self.victim_seat, rng)
        return detector

    def _scores(self) -> None:
        detector = self._fitted()
        strange = self._episodes[0]._replace(obs=1e6 * self._episodes[0].obs)
        short = Episode(*(part[:1] for part in self._episodes[0]))
        scores = [float(detector.score(one)) for one in (*self._episodes, strange, short)]
        _expect(bool(np.isfinite(scores).all()), f"not every score is finite: {scores}")

    def _same_again(self) -> None:
        one, other = self._fitted(), self._fitted()
        pairs = [(one.score(e), other.score(e)) for e in self._episodes]
        _expect(all(a == b for a, b in pairs), f"two fits score differently: {pairs}")

    def _changes_nothing(self) -> None:
        detector, episode = self._fitted(), self._episodes[0]
        kept = Episode(*(part.copy() for part in episode))
        before = detector.score(episode)
        detector.score(self._episodes[-1])
        _expect(detector.score(episode) == before, "an episode's score depends on those before")
        backwards = self._episodes[::-1]
        one_by_one = [detector.score(one) for one in backwards]
        together = list(detector.scores(iter(backwards)))
        _expect(together == one_by_one, f"scores gives {together}, score one by one {one_by_one}")
        same = all(np.array_equal(a, b) for a, b in zip(kept, episode, strict=True))
        _expect(same, "it writes into the episode")


TRIALS: dict[str, type[Trial]] = {
    "attack": _AttackTrial, "defense": _DefenseTrial, "detector": _DetectorTrial,
}  # fmt: skip


def _check_same(one: Policy, other: Policy) -> None:
    first, second = one.tensors(), other.tensors()
    differ = sorted(first.keys() ^ second.keys()) or [
        name for name in first if not np.array_equal(first[name], second[name])
    ]
    _expect(not differ, f"two policies differ in {', '.join(differ)}")


def _expect(holds: bool, message: str) -> None:
    if not holds:
        raise CheckFailed(message)
