"""How a house victim is trained: against past selves, sparring partners and who is trained on it.

The learner plays one seat against a mixture of frozen policies: its newest snapshot, older ones
drawn evenly (Bansal et al. 2018 sample past selves too), published or house victims as sparring
partners, and adversaries that were trained from scratch against earlier snapshots of it (Vinyals
et al. 2019 call them exploiters). The pool of past selves starts with a player that does nothing
and one that acts at random, so that the result keeps beating both. A part of the game's own
dense reward, annealed to 0, starts the rallies.

Where the seats differ no past self can sit opposite. The learner then begins against those two
alone, which on a game of locomotion is its curriculum: first it learns to run. From some point on
a regular opponent is trained in turns with it, by the code of the exploiters, but one that learns
on from where its last turn ended, and the learner meets what it was after each of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from benchmark.arena.arena import Arena
from benchmark.arena.mixture import Mixture
from benchmark.errors import Misuse
from benchmark.games.game import Game
from benchmark.games.you_shall_not_pass import FALLEN_Z, RUNNER, YouShallNotPass
from benchmark.learning.checkpoint import Checkpoint
from benchmark.learning.noisy_weights import NoisyWeights
from benchmark.learning.ppo import PPO, Hooks, whole_rollouts
from benchmark.learning.progress import CurvePoint, Progress
from benchmark.learning.recurrent import fresh_lstm
from benchmark.learning.rollout import Rollout
from benchmark.policies.artifact import NETWORKS
from benchmark.policies.policy import (
    ANY,
    MLPPolicy,
    NetworkPolicy,
    Policy,
    PolicyCard,
    RandomPolicy,
    ZeroPolicy,
)
from benchmark.victims.harness import Curriculum, Harness
from benchmark.victims.recipe import Recipe

SEEN = 6
"""Past selves, and exploiters, met at a time: each costs an inference a step."""


class Made(NamedTuple):
    """A house victim, and the regular opponent trained with it where the recipe has one."""

    victim: NetworkPolicy
    opponent: NetworkPolicy | None


def train(
    recipe: Recipe,
    game: Game,
    name: str,
    partners: Mapping[str, Policy],
    progress: Progress,
    command: str = "",
) -> Made:
    """A house victim; deterministic in the recipe and its partners.

    game: as many matches as the recipe's `ppo` plays; partners: the recipe's `partners` by name;
    command: what makes it again, for its card.

    Raises:
        Misuse: the checkpoint to go on from is of another recipe or of other partners, or the
            recipe's seat is not one of the game's.
        TrainingDiverged: a loss is not finite.
    """
    chosen = {one: partners[one] for one in recipe.partners}
    return _League(recipe, game, name, chosen, command).run(progress)


class DenseStart(Hooks):
    """Adds the game's own dense reward, its weight falling linearly to 0."""

    def __init__(self, recipe: Recipe):
        self._recipe = recipe

    def on_rollout(self, rollout: Rollout, progress: float) -> None:
        left = max(0.0, 1.0 - progress / self._recipe.dense_until)
        rollout.rewards = rollout.rewards + np.float32(self._recipe.dense * left) * rollout.dense


class NoisyStart(NoisyWeights, DenseStart):
    """The same, at weights that are moved at random in every rollout."""

    def __init__(self, recipe: Recipe, rng: np.random.Generator):
        DenseStart.__init__(self, recipe)
        NoisyWeights.__init__(self, recipe.noise, rng)


class Taught(DenseStart):
    """The same beside a teacher: its actions are imitated where the learner itself has come to.

    Kickstarting (Schmitt et al. 2018). Departs from it: the distance is of mean actions, squared,
    not a cross entropy; the weight falls linearly from 1 to 0.
    """

    def __init__(self, recipe: Recipe, teacher: MLPPolicy):
        super().__init__(recipe)
        self._until, self._teacher = recipe.taught_until, teacher
        self._weight, self._wanted = 0.0, torch.empty(0)

    def on_rollout(self, rollout: Rollout, progress: float) -> None:
        """What the teacher would have done at every step, within what the game lets anybody do."""
        super().on_rollout(rollout, progress)
        self._weight = max(0.0, 1.0 - progress / self._until)
        if self._weight:
            bound = self._teacher.card.act_bound
            means = self._teacher.mean(rollout.obs.reshape(rollout.steps, -1))
            self._wanted = torch.from_numpy(means.clip(-bound, bound))

    def extra_loss(self, rows: Tensor, mean: Tensor) -> Tensor | None:
        """The mean squared distance to the teacher's actions, times the weight."""
        if not self._weight:
            return None
        return self._weight * (mean - self._wanted[rows]).square().sum(dim=1).mean()


class Harnessed(Hooks):
    """A runner's start: a harness that fades as it wins, and pay whose weight falls to 0.

    It has fallen sooner than by the game's rule, until the others come. From then on the harness is
    off as well: they play, and learn, in the same game.
    """

    def __init__(self, recipe: Recipe, curriculum: Curriculum, game: YouShallNotPass):
        self._recipe, self._curriculum, self._game = recipe, curriculum, game
        self._others_come = recipe.first_met / recipe.snapshots
        self.harness = Harness(game, RUNNER)
        game.fallen_z = curriculum.down

    def on_rollout(self, rollout: Rollout, progress: float) -> None:
        """See `Hooks`; matches in flight go on with the force that is left."""
        curriculum, left = self._curriculum, max(0.0, 1.0 - progress / self._recipe.dense_until)
        pace = self.harness.paces(len(rollout.rewards))
        paid = left * (curriculum.standing + curriculum.pace * pace)
        rollout.rewards = rollout.rewards + paid.astype(np.float32)
        if progress >= self._others_come:
            self.harness.strength, self._game.fallen_z = 0.0, FALLEN_Z
        elif rollout.tally.episodes and rollout.tally.win_rate >= curriculum.share:
            self.harness.fade(curriculum.stride)

    def diagnostics(self) -> dict[str, float]:
        """The share of its force that the harness has left."""
        return {"harness": self.harness.strength}

    def state(self) -> Checkpoint:
        """The same, and the height of a fall."""
        facts = {"harness": self.harness.strength, "fallen_z": self._game.fallen_z}
        return Checkpoint(facts=facts)

    def restore(self, checkpoint: Checkpoint) -> None:
        """It pulls as it did."""
        self.harness.strength = float(checkpoint.facts["harness"])
        self._game.fallen_z = float(checkpoint.facts["fallen_z"])


class _League:
    """One training: the learner and everybody that it meets."""

    def __init__(
        self, recipe: Recipe, game: Game, name: str, partners: Mapping[str, Policy], command: str
    ):
        self._recipe, self._game = recipe, game
        self._partners = [partners[one] for one in recipe.sparring]
        self._teacher = partners[recipe.teacher] if recipe.teacher else None
        self._index = game.card.seat_index(recipe.seat) if recipe.seat else 0
        self._seat, other = game.card.seats[self._index], game.card.seats[1 - self._index]
        origin = f", sparring with {', '.join(recipe.sparring)}" if recipe.sparring else ""
        origin += f", taught by {recipe.teacher}" if recipe.teacher else ""
        self._training = {
            "command": command or f"bench victims train --recipe {name}",
            "partners": {one: its.card.sha256 for one, its in partners.items()},
            **recipe.model_dump(mode="json"),
        }
        how = "self-play" if recipe.newest > 0 else "trained"
        self._card = self._named(name, self._index, f"{how} in this project{origin}")
        if recipe.memory is not None:
            self._card = self._card.model_copy(update={"kind": "lstm"})
        self._card = self._card.model_copy(update={"notes": recipe.limits})
        self._floors: list[Policy] = [
            ZeroPolicy(other.act_dim),
            RandomPolicy(other.act_dim, other.act_bound),
        ]
        self._selves: list[Policy] = []
        self._exploiters: list[NetworkPolicy] = []
        self._rival: PPO | None = None
        self._learner = self._new_learner()

    def run(self, progress: Progress) -> Made:
        """From its start or from the snapshot that an earlier try took last."""
        recipe, learner = self._recipe, self._learner
        total = whole_rollouts(recipe.ppo, recipe.steps)
        saved = progress.resume()
        done = 0 if saved is None else self._restore(saved)
        if saved is None:
            learner.enter(learner.arena)
        for mark in range(done + 1, recipe.snapshots + 1):
            while learner.steps < total * mark // recipe.snapshots:
                progress.report(learner.improve(total))
            if mark == recipe.snapshots:
                break
            self._selves.append(learner.policy(self._card))
            if self._exploited_after(mark):
                self._exploiters.append(self._exploit(len(self._exploiters), progress))
            learner.enter(self._arena())
            progress.save(self._checkpoint(mark))
        return Made(learner.policy(self._card), self._opponent())

    def _named(self, name: str, index: int, origin: str) -> PolicyCard:
        """The card of an MLP of this training, in the seat of that index."""
        game, seat = self._game.card, self._game.card.seats[index]
        return PolicyCard(
            name=name,
            kind="mlp",
            game=game.id,
            seat=ANY if game.symmetric else seat.name,
            obs_dim=seat.obs_dim,
            act_dim=seat.act_dim,
            act_bound=seat.act_bound,
            origin=origin,
            training=self._training,
        )

    def _opponent(self) -> NetworkPolicy | None:
        """The regular opponent as it is filed."""
        if not self._recipe.opponent:
            return None
        last = self._exploiters[-1]
        about = {"name": self._recipe.opponent, "notes": self._recipe.opponent_limits}
        card = last.card.model_copy(update=about)
        return type(last)(card, last.tensors())

    def _new_learner(self) -> PPO:
        recipe, start = self._recipe, None
        rng = np.random.default_rng(recipe.seed)
        if recipe.memory is not None:
            card = self._card.model_copy(
                update={"hidden": recipe.memory, "activation": recipe.ppo.activation}
            )
            start = fresh_lstm(card, rng.spawn(1)[0])
        learner = PPO(self._arena(), recipe.ppo, rng, start=start)
        learner.hooks = self._start(rng)
        return learner

    def _start(self, rng: np.random.Generator) -> Hooks:
        """Made after the learner, so that the noise's generator moves nothing of it."""
        recipe = self._recipe
        if recipe.harness is not None:
            assert isinstance(self._game, YouShallNotPass)
            return Harnessed(recipe, recipe.harness, self._game)
        if self._teacher is not None:
            if not isinstance(self._teacher, MLPPolicy):
                kind = self._teacher.card.kind
                raise Misuse(f"teacher '{recipe.teacher}' is of kind '{kind}', expected an mlp")
            return Taught(recipe, self._teacher)
        return NoisyStart(recipe, rng.spawn(1)[0]) if recipe.noise > 0 else DenseStart(recipe)

    def _arena(self) -> Arena:
        return Arena(self._game, self._seat.name, self._opponents(), self._recipe.seed)

    def _opponents(self) -> Mixture:
        """Who is met from now on; until there is an exploiter, older selves play its share."""
        recipe = self._recipe
        if len(self._selves) < recipe.first_met:
            return Mixture(_evenly(self._floors, 1.0))
        exploited = recipe.exploiter_share if self._exploiters else 0.0
        selves = [*self._floors, *([] if recipe.seat else self._selves)]
        newest = [] if recipe.seat else [(selves.pop(), recipe.newest)]
        return Mixture(
            [
                *newest,
                *_evenly(spread(selves), recipe.older(exploited)),
                *_evenly(self._floors, recipe.floors),
                *_evenly(self._partners, recipe.sparring_share),
                *_evenly(spread(self._exploiters), exploited),
            ]
        )

    def _exploited_after(self, mark: int) -> bool:
        """Exploiters come at even distances, the last one before the last stretch."""
        recipe = self._recipe
        first, count = recipe.first_met, recipe.exploiters
        left = recipe.snapshots - first
        return any(first + left * (k + 1) // (count + 1) == mark for k in range(count))

    def _exploit(self, number: int, progress: Progress) -> NetworkPolicy:
        """An adversary of the newest snapshot, by the learner's own settings.

        From scratch, or, where it is the regular opponent, from where it was. What it reports is
        shown as the learner's matches: its opponent's.
        """
        recipe = self._recipe
        arena = self._against_newest()
        learner, turns = self._exploiter(number, arena), 1
        if recipe.opponent:
            self._rival, turns = learner, recipe.exploiters
        stretch = whole_rollouts(recipe.ppo, recipe.exploiter_steps)
        end = learner.steps + stretch
        learner.enter(arena)
        while learner.steps < end:
            point = learner.improve(turns * stretch)
            progress.report(CurvePoint(self._learner.steps, point.tally.flipped()))
        origin = f"trained against {self._card.name} in this project"
        return learner.policy(self._named(f"exploiter{number}", 1 - self._index, origin))

    def _against_newest(self) -> Arena:
        other = self._game.card.seats[1 - self._index if self._recipe.seat else self._index]
        return Arena(self._game, other.name, Mixture.of(self._selves[-1]), self._recipe.seed)

    def _exploiter(self, number: int, arena: Arena) -> PPO:
        """A fresh learner, or the one that learns on."""
        if self._rival is not None:
            return self._rival
        rng = np.random.default_rng([self._recipe.seed, number])
        return PPO(arena, self._recipe.ppo, rng, hooks=DenseStart(self._recipe))

    def _checkpoint(self, mark: int) -> Checkpoint:
        made = self._learner.checkpoint()
        made.facts["mark"] = mark
        made.facts["training"] = self._card.training
        for kind, policies in (("pool", self._selves), ("exploiters", self._exploiters)):
            made.facts[kind] = [policy.card.model_dump(mode="json") for policy in policies]
            for k, policy in enumerate(policies):
                made.put(f"{kind}{k}", policy.tensors())
        if self._rival is not None:
            rival = self._rival.checkpoint()
            made.put("rival", rival.arrays)
            made.facts["rival"] = rival.facts
        return made

    def _restore(self, saved: Checkpoint) -> int:
        """Go on from `_checkpoint`; returns the snapshot that it was taken at."""
        if saved.facts.get("training") != self._card.training:
            raise Misuse(
                f"an unfinished training is there, by another recipe or with other partners than "
                f"'{self._card.name}' now has; delete it or choose another folder"
            )
        self._selves[:] = _read(saved, "pool")
        self._exploiters[:] = _read(saved, "exploiters")
        if "rival" in saved.facts:  # before the learner: they play in one game, in turns
            self._rival = self._exploiter(0, self._against_newest())
            self._rival.restore(Checkpoint(saved.get("rival"), saved.facts["rival"]))
        self._learner.enter(self._arena())
        self._learner.restore(saved)
        return int(saved.facts["mark"])


def spread(policies: Sequence[Policy]) -> list[Policy]:
    """At most `SEEN` of them, evenly over their whole age, the first and the last included."""
    if not policies:
        return []
    chosen = np.unique(np.linspace(0, len(policies) - 1, SEEN).round().astype(int))
    return [policies[i] for i in chosen]


def _evenly(policies: Sequence[Policy], share: float) -> list[tuple[Policy, float]]:
    return [(policy, share / len(policies)) for policy in policies]


def _read(saved: Checkpoint, kind: str) -> list[NetworkPolicy]:
    """The policies of a kind that a checkpoint holds."""
    cards = [PolicyCard.model_validate(facts) for facts in saved.facts[kind]]
    return [NETWORKS[card.kind](card, saved.get(f"{kind}{k}")) for k, card in enumerate(cards)]
