"""How a house victim is trained: against its past selves, sparring partners and its exploiters.

The learner plays one seat against a mixture of frozen policies: its newest snapshot, older ones
drawn evenly (Bansal et al. 2018 sample past selves too), published or house victims as sparring
partners, and adversaries that were trained from scratch against earlier snapshots of it (Vinyals
et al. 2019 call them exploiters). The pool of past selves starts with a player that does nothing
and one that acts at random, so that the result keeps beating both. A part of the game's own
dense reward, annealed to 0, starts the rallies.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from benchmark.arena.arena import Arena
from benchmark.arena.mixture import Mixture
from benchmark.errors import Misuse
from benchmark.games.game import Game
from benchmark.learning.checkpoint import Checkpoint
from benchmark.learning.noisy_weights import NoisyWeights
from benchmark.learning.ppo import PPO, Hooks, whole_rollouts
from benchmark.learning.progress import CurvePoint, Progress
from benchmark.learning.recurrent import fresh_lstm
from benchmark.learning.rollout import Rollout
from benchmark.policies.artifact import NETWORKS
from benchmark.policies.policy import (
    ANY,
    NetworkPolicy,
    Policy,
    PolicyCard,
    RandomPolicy,
    ZeroPolicy,
)
from benchmark.victims.recipe import Recipe

SEEN = 6
"""Past selves, and exploiters, met at a time: each costs an inference a step."""


def train(
    recipe: Recipe,
    game: Game,
    name: str,
    partners: Mapping[str, Policy],
    progress: Progress,
    command: str = "",
) -> NetworkPolicy:
    """A house victim; deterministic in the recipe and its sparring partners.

    game: as many matches as the recipe's `ppo` plays; partners: the recipe's `sparring` by name;
    command: what makes it again, for its card.

    Raises:
        Misuse: the checkpoint to go on from is of another recipe or of other partners.
        TrainingDiverged: a loss is not finite.
    """
    chosen = {one: partners[one] for one in recipe.sparring}
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


class _League:
    """One training: the learner and everybody that it meets."""

    def __init__(
        self, recipe: Recipe, game: Game, name: str, partners: Mapping[str, Policy], command: str
    ):
        self._recipe, self._game, self._partners = recipe, game, list(partners.values())
        self._seat = game.card.seats[0]
        self._card = PolicyCard(
            name=name,
            kind="mlp" if recipe.memory is None else "lstm",
            game=game.card.id,
            seat=ANY if game.card.symmetric else self._seat.name,
            obs_dim=self._seat.obs_dim,
            act_dim=self._seat.act_dim,
            act_bound=self._seat.act_bound,
            origin=_origin(recipe),
            training={
                "command": command or f"bench victims train --recipe {name}",
                "partners": {one: its.card.sha256 for one, its in partners.items()},
                **recipe.model_dump(mode="json"),
            },
        )
        self._pool: list[Policy] = [
            ZeroPolicy(self._seat.act_dim),
            RandomPolicy(self._seat.act_dim, self._seat.act_bound),
        ]
        self._exploiters: list[Policy] = []
        self._learner = self._new_learner()

    def run(self, progress: Progress) -> NetworkPolicy:
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
            self._pool.append(learner.policy(self._card))
            if self._exploited_after(mark):
                self._exploiters.append(self._exploit(len(self._exploiters), progress))
            learner.enter(self._arena())
            progress.save(self._checkpoint(mark))
        return learner.policy(self._card)

    def _new_learner(self) -> PPO:
        recipe, start = self._recipe, None
        rng = np.random.default_rng(recipe.seed)
        if recipe.memory is not None:
            card = self._card.model_copy(
                update={"hidden": recipe.memory, "activation": recipe.ppo.activation}
            )
            start = fresh_lstm(card, rng.spawn(1)[0])
        learner = PPO(self._arena(), recipe.ppo, rng, start=start)
        # Made after the learner, so that the noise's generator moves nothing of it.
        noisy = recipe.noise > 0
        learner.hooks = NoisyStart(recipe, rng.spawn(1)[0]) if noisy else DenseStart(recipe)
        return learner

    def _arena(self) -> Arena:
        return Arena(self._game, self._seat.name, self._opponents(), self._recipe.seed)

    def _opponents(self) -> Mixture:
        """Who is met from now on; until there is an exploiter, past selves play its share."""
        recipe = self._recipe
        exploited = recipe.exploiter_share if self._exploiters else 0.0
        past = 1.0 - recipe.newest - recipe.sparring_share - exploited
        return Mixture(
            [
                (self._pool[-1], recipe.newest),
                *_evenly(spread(self._pool[:-1]), past),
                *_evenly(self._partners, recipe.sparring_share),
                *_evenly(spread(self._exploiters), exploited),
            ]
        )

    def _exploited_after(self, mark: int) -> bool:
        """Exploiters come at even distances, the last one before the last stretch."""
        count, stretches = self._recipe.exploiters, self._recipe.snapshots
        return any(stretches * (k + 1) // (count + 1) == mark for k in range(count))

    def _exploit(self, number: int, progress: Progress) -> Policy:
        """An adversary of the newest snapshot, from scratch, by the learner's own settings.

        What it reports is shown as the learner's matches: its opponent's.
        """
        recipe = self._recipe
        rng = np.random.default_rng([recipe.seed, number])
        arena = Arena(self._game, self._seat.name, Mixture.of(self._pool[-1]), recipe.seed)
        exploiter = PPO(arena, recipe.ppo, rng, hooks=DenseStart(recipe))
        total = whole_rollouts(recipe.ppo, recipe.exploiter_steps)
        exploiter.enter(arena)
        while exploiter.steps < total:
            point = exploiter.improve(total)
            progress.report(CurvePoint(self._learner.steps, point.tally.flipped()))
        card = self._card.model_copy(update={"name": f"exploiter{number}", "kind": "mlp"})
        return exploiter.policy(card)

    def _checkpoint(self, mark: int) -> Checkpoint:
        made = self._learner.checkpoint()
        made.facts["mark"] = mark
        made.facts["training"] = self._card.training
        for kind, policies in (("pool", self._pool[2:]), ("exploiters", self._exploiters)):
            made.facts[kind] = [policy.card.model_dump(mode="json") for policy in policies]
            for k, policy in enumerate(policies):
                made.put(f"{kind}{k}", policy.tensors())
        return made

    def _restore(self, saved: Checkpoint) -> int:
        """Go on from `_checkpoint`; returns the snapshot that it was taken at."""
        if saved.facts.get("training") != self._card.training:
            raise Misuse(
                f"an unfinished training is there, by another recipe or with other partners than "
                f"'{self._card.name}' now has; delete it or choose another folder"
            )
        self._pool[2:] = _read(saved, "pool")
        self._exploiters[:] = _read(saved, "exploiters")
        self._learner.enter(self._arena())
        self._learner.restore(saved)
        return int(saved.facts["mark"])


def _origin(recipe: Recipe) -> str:
    """Who made it, for the card."""
    partners = f", sparring with {', '.join(recipe.sparring)}" if recipe.sparring else ""
    return f"self-play in this project{partners}"


def spread(policies: Sequence[Policy]) -> list[Policy]:
    """At most `SEEN` of them, evenly over their whole age, the first and the last included."""
    if not policies:
        return []
    chosen = np.unique(np.linspace(0, len(policies) - 1, SEEN).round().astype(int))
    return [policies[i] for i in chosen]


def _evenly(policies: Sequence[Policy], share: float) -> list[tuple[Policy, float]]:
    return [(policy, share / len(policies)) for policy in policies]


def _read(saved: Checkpoint, kind: str) -> list[Policy]:
    """The policies of a kind that a checkpoint holds."""
    cards = [PolicyCard.model_validate(facts) for facts in saved.facts[kind]]
    return [NETWORKS[card.kind](card, saved.get(f"{kind}{k}")) for k, card in enumerate(cards)]
