"""What a run was asked to do, fully resolved before anything is trained."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from benchmark.errors import Misuse
from benchmark.evaluation.matches import PROTOCOL
from benchmark.games.game import GameCard, Tier
from benchmark.policies.policy import PolicyCard
from benchmark.records.record import MethodRef
from benchmark.registry import Victims, attacks, defenses, game
from benchmark.settings import resolve

EPISODES: dict[Tier, int] = {"smoke": 200, "lite": 200, "full": 1000}
SEEDS: dict[Tier, int] = {"smoke": 1, "lite": 3, "full": 5}
HELD_OUT_SEED = 1000
"""Added to a seed to train the adversaries that no defense is shown."""


class AttackPlan(BaseModel):
    """An attack, resolved."""

    model_config = ConfigDict(frozen=True)

    method: MethodRef
    track: str
    least_steps: int


class RunSpec(BaseModel):
    """Everything that moves the results of a run."""

    model_config = ConfigDict(frozen=True)

    game: GameCard
    game_options: dict[str, Any]
    victims: dict[str, PolicyCard] = Field(description="the ones under attack")
    others: dict[str, PolicyCard] = Field(description="every victim of the game that is at hand")
    attacks: tuple[AttackPlan, ...]
    defenses: tuple[MethodRef, ...]
    seeds: tuple[int, ...]
    tier: Tier
    budget_steps: int = Field(ge=1)
    episodes: int = Field(ge=1)
    protocol: int = PROTOCOL
    command: str

    @property
    def victim_seat(self) -> str:
        """The seat opposite the adversary's."""
        index = self.game.seat_index(self.game.adversary_seat)
        return self.game.seats[1 - index].name


def resolve_run(
    *,
    victims: Victims,
    game_name: str,
    victim_names: list[str],
    attack_names: list[str],
    defense_names: list[str],
    seeds: int | None,
    tier: Tier,
    budget: int | None,
    settings: dict[str, dict[str, Any]],
    command: str,
) -> RunSpec:
    """Resolve names and settings to a specification.

    Raises:
        Misuse: anything unknown, mistyped or not fitting together.
    """
    game_class = game(game_name)
    options = resolve(game_class.Options, {}, settings.get("game", {}), f"game '{game_name}'")
    card = game_class.describe(options)
    known = victims.cards(card.id)
    if not known:
        raise Misuse(f"no victim for {card.id}; import some with `bench victims import PATH`")
    chosen = victim_names or [next(name for name in known)]
    for name in chosen:
        if name not in known:
            found = victims.load(name).card  # raises for an unknown name
            raise Misuse(f"victim '{name}' plays {found.game}, this run plays {card.id}")
    count = seeds if seeds is not None else SEEDS[tier]
    if count < 1:
        raise Misuse(f"--seeds: at least 1, got {count}")
    steps = budget if budget is not None else card.budgets[tier]
    if steps < 1:
        raise Misuse(f"--budget: at least 1 environment step, got {steps}")
    planned = tuple(_attack(name, card, settings) for name in dict.fromkeys(attack_names))
    hardenings = tuple(_defense(name, card, settings) for name in dict.fromkeys(defense_names))
    learned = [attack for attack in planned if attack.track != "none"]
    _check_settings(settings, learned, bool(hardenings))
    _check_budget(steps, [(a.method.name, a.least_steps) for a in learned])
    return RunSpec(
        game=card,
        game_options=options.model_dump(mode="json"),
        victims={name: known[name] for name in dict.fromkeys(chosen)},
        others=known,
        attacks=planned,
        defenses=hardenings,
        seeds=tuple(range(count)),
        tier=tier,
        budget_steps=steps,
        episodes=EPISODES[tier],
        command=command,
    )


def _attack(name: str, card: GameCard, settings: dict[str, dict[str, Any]]) -> AttackPlan:
    kind = attacks.load(name)
    # A floor has nothing to set; beside a real attack it must not refuse that one's settings.
    given = settings.get("attack", {}) if kind.track != "none" else {}
    return AttackPlan(
        method=_method(name, kind, card, given),
        track=kind.track,
        least_steps=kind(kind.configure(card, given)).least_steps,
    )


def _defense(name: str, card: GameCard, settings: dict[str, dict[str, Any]]) -> MethodRef:
    kind = defenses.load(name)
    given = settings.get("defense", {})
    return _method(name, kind, card, given)


def _method(name: str, kind: Any, card: GameCard, given: dict[str, Any]) -> MethodRef:
    """A method's reference. A setting that changes nothing is not part of what was set."""
    config: BaseModel = kind.configure(card, given)
    settings = {
        field: value
        for field, value in given.items()
        if kind.configure(card, {k: v for k, v in given.items() if k != field}) != config
    }
    return MethodRef(
        name=name, version=kind.version, settings=settings, config=config.model_dump(mode="json")
    )


def _check_settings(
    settings: dict[str, dict[str, Any]], learned: Sequence[AttackPlan], defended: bool
) -> None:
    """Raise Misuse for settings that nothing in the run would read."""
    for part, reader in (("attack", bool(learned)), ("defense", defended)):
        if settings.get(part) and not reader:
            field = next(iter(settings[part]))
            raise Misuse(f"--set {part}.{field}: no {part} of this run has settings")


def _check_budget(steps: int, methods: Sequence[tuple[str, int]]) -> None:
    """Raise Misuse where a budget is too small for a method to learn at all."""
    for name, least in methods:
        if steps < least:
            raise Misuse(f"--budget: {steps} steps are less than one rollout of '{name}' ({least})")
