"""A density over what goes on in the victim: adversaries drive it where regular play never does.

Gleave et al. (ICLR 2020), "Victim activations": a Gaussian mixture of 20 components is fitted to
20 000 steps of the victim's activations in regular play; against an adversary they are far less
likely. The score of a step is -log p of its activations. `over=observations` asks the same of what
the victim sees.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture
from threadpoolctl import threadpool_limits

from benchmark.errors import Misuse
from benchmark.evaluation.watching import Episode
from benchmark.games.game import GameCard, SeatCard
from benchmark.policies.policy import NetworkPolicy, Policy
from benchmark.settings import Settings, resolve
from defenses.detector import Array, Detector, Float, Scale

SEED_BOUND = 2**31


class DensityConfig(BaseModel):
    """What the mixture is of."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    over: Literal["activations", "observations"] = "activations"
    components: int = Field(ge=1, description="Gaussians in the mixture")
    covariance: Literal["full", "diag"]
    rows: int = Field(ge=2, description="steps of regular play that it is fitted on, at most")
    floor: float = Field(gt=0, description="added to every variance, in those of regular play")
    iterations: int = Field(ge=1, description="of expectation and maximisation, at most")


PUBLISHED: dict[str, Any] = {
    "components": 20,
    "covariance": "full",
    "rows": 20_000,
    "floor": 1e-3,  # Departs from the released code: 1e-6, and on activations as they are
    "iterations": 100,
}


class Density(Detector):
    """Mean negative log-likelihood of the victim's activations under regular play."""

    name: ClassVar[str] = "density"
    citation: ClassVar[str] = "Gleave et al., ICLR 2020"

    config: DensityConfig

    @classmethod
    def configure(cls, game: GameCard, settings: Settings) -> DensityConfig:
        base = dict(PUBLISHED)
        if settings.get("over") == "observations":
            base["covariance"] = "diag"  # 20 full ones of up to 395 numbers ask for more steps
        return resolve(DensityConfig, base, settings, f"detector '{cls.name}'")

    def fit(
        self,
        regular: Sequence[Episode],
        victim: Policy,
        seat: SeatCard,
        rng: np.random.Generator,
    ) -> None:
        config = self.config
        self._victim = self._readable(victim)
        steps = sum(len(episode.obs) for episode in regular)
        if steps < config.components:
            raise Misuse(
                f"detector '{self.name}' fits {config.components} components on {steps} steps of "
                "regular play: give it more episodes"
            )
        rows = np.concatenate([self._points(episode.obs) for episode in regular])
        rows = rows[rng.permutation(len(rows))[: config.rows]]
        self._scale = Scale(rows)
        self._mixture = GaussianMixture(
            config.components, covariance_type=config.covariance, reg_covar=config.floor,
            max_iter=config.iterations, random_state=int(rng.integers(SEED_BOUND)),
        )  # fmt: skip
        # One thread: scikit-learn's k-means adds up in an order that depends on their number.
        with threadpool_limits(1), warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # `iterations` is a choice
            self._mixture.fit(self._scaled(rows))

    def per_step(self, episode: Episode) -> Float:
        """-log p of each step's point, in standardised units: (T,)."""
        points = self._scaled(self._points(episode.obs))
        return np.asarray(-self._mixture.score_samples(points), dtype=np.float64)

    def _scaled(self, rows: Array) -> Float:
        return self._scale(rows).astype(np.float64)

    def _points(self, obs: Array) -> Array:
        """What the density is of, for an episode's observations (T, obs_dim): (T, D)."""
        return obs if self._victim is None else activations(self._victim, obs)

    def _readable(self, victim: Policy) -> NetworkPolicy | None:
        """The network whose activations are read, or None where it is observations."""
        if self.config.over == "observations":
            return None
        if not isinstance(victim, NetworkPolicy):
            raise Misuse(
                f"detector '{self.name}' reads a network's activations; '{victim.card.name}' is "
                f"'{victim.card.kind}' (--set defense.over=observations asks what it sees)"
            )
        return victim


def activations(victim: NetworkPolicy, obs: Array) -> Array:
    """The last hidden layer, or the LSTM's output, over an episode (T, obs_dim): (T, width)."""
    # Departs from the paper, which joins all feed-forward layers of the policy.
    state = victim.initial_state(1)
    if state is None:
        return victim.features(obs, None)[0]
    made = []
    for row in obs:
        hidden, state = victim.features(row[None], state)
        made.append(hidden)
    return np.concatenate(made)
