"""What a run was asked to do, fully resolved before anything is trained."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from benchmark.errors import Misuse
from benchmark.evaluation.protocol import EPISODES, PROTOCOL
from benchmark.games.game import GameCard, Tier
from benchmark.learning.device import CORES_ONLY, CPU
from benchmark.policies.policy import ANY, PolicyCard
from benchmark.records.cell import MOST, Diagnosis, MethodRef
from benchmark.registry import Victims, attacks, defenses, detectors, game
from benchmark.settings import hint, resolve

SEEDS: dict[Tier, int] = {"smoke": 1, "lite": 3, "full": 5}
BLACK_BOX, WHITE_BOX = "black-box", "white-box"
HELD_OUT_SEED = 1000
"""Added to a seed to train the adversaries that no defense is shown."""


class MethodPlan(BaseModel):
    """A method, resolved."""

    model_config = ConfigDict(frozen=True)

    method: MethodRef
    least_steps: int
    devices: frozenset[str] = Field(
        default=CORES_ONLY, description="where updates of its trainings may be computed"
    )
    fields: frozenset[str] = Field(description="names of its settings")


class AttackPlan(MethodPlan):
    """An attack, resolved."""

    track: str
    reads: frozenset[str] = Field(description="kinds of victim whose network it reads, if any")


class DefensePlan(MethodPlan):
    """A defense, resolved."""

    meets_opponents: bool


class RunSpec(BaseModel):
    """Everything that moves the results of a run."""

    model_config = ConfigDict(frozen=True)

    game: GameCard
    game_options: dict[str, Any]
    victims: dict[str, PolicyCard] = Field(description="the ones under attack")
    others: dict[str, PolicyCard] = Field(description="every ranked victim of the game at hand")
    attacks: tuple[AttackPlan, ...]
    defenses: tuple[DefensePlan, ...]
    detectors: tuple[MethodPlan, ...] = ()
    diagnoses: tuple[Diagnosis, ...] = ()
    seeds: tuple[int, ...]
    tier: Tier
    budget_steps: int = Field(ge=1)
    episodes: int = Field(ge=1)
    protocol: int = PROTOCOL
    device: str = Field(default=CPU.name, description="where updates are computed")
    command: str

    @property
    def victim_seat(self) -> str:
        """The seat opposite the adversary's."""
        return self.game.victim_seat.name


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
    track: str = BLACK_BOX,
    diagnoses: Sequence[str] = (),
    first_seed: int = 0,
) -> RunSpec:
    """Resolve names and settings to a specification.

    Raises:
        Misuse: anything unknown, mistyped or not fitting together.
    """
    game_class = game(game_name)
    options = resolve(game_class.Options, {}, settings.get("game", {}), f"game '{game_name}'")
    card = game_class.describe(options)
    known = victims.cards(card.id)
    attacked = {name: known[name] for name in _attacked(victim_names, victims, known, card)}
    steps = budget if budget is not None else card.budgets[tier]
    check_budget(steps)
    planned = tuple(
        plan_attack(name, card, settings.get("attack", {})) for name in dict.fromkeys(attack_names)
    )
    hardenings, watchers = _defenses(defense_names, card, settings.get("defense", {}))
    learned = [attack for attack in planned if attack.track != "none"]
    check_attacks(planned, track, attacked, steps)
    check_defenses(hardenings, card, attacked, steps)
    if (hardenings or watchers) and not learned:
        raise Misuse(
            f"--defense {defense_names[0]}: there is nothing to defend against, since no attack of "
            "this run learns; name one with --attack"
        )
    _check_settings(settings.get("attack", {}), learned, "attack")
    _check_settings(settings.get("defense", {}), (*hardenings, *watchers), "defense")
    return RunSpec(
        game=card,
        game_options=options.model_dump(mode="json"),
        victims=attacked,
        others={name: its_card for name, its_card in known.items() if its_card.ranked},
        attacks=planned,
        defenses=hardenings,
        detectors=watchers,
        diagnoses=tuple(_diagnosis(name) for name in sorted(set(diagnoses))),
        seeds=_seeds(first_seed, seeds if seeds is not None else SEEDS[tier]),
        tier=tier,
        budget_steps=steps,
        episodes=EPISODES[tier],
        command=command,
    )


def check_budget(steps: int) -> None:
    """Raise Misuse for a budget that no training can have."""
    if not 1 <= steps <= MOST:
        raise Misuse(f"--budget: from 1 to {MOST} environment steps, got {steps}")


def _attacked(
    names: Sequence[str], victims: Victims, known: dict[str, PolicyCard], card: GameCard
) -> list[str]:
    """The victims of a run, each once; the default one where none is named."""
    if not known:
        raise Misuse(f"no victim for {card.id}; import some with `bench victims import PATH`")
    for name in names:
        if name not in known:
            found = victims.load(name).card  # raises for an unknown name
            raise Misuse(
                f"victim '{name}' plays {found.game}, this run plays {card.id}; "
                f"name the game with --game {found.game}"
            )
    return list(dict.fromkeys(names)) or [default_victim(victims, known, card)]


def _seeds(first: int, count: int) -> tuple[int, ...]:
    if count < 1:
        raise Misuse(f"--seeds: at least 1, got {count}")
    if count > HELD_OUT_SEED:
        raise Misuse(f"--seeds: at most {HELD_OUT_SEED}, later ones are held out; got {count}")
    if not 0 <= first <= HELD_OUT_SEED - count:
        raise Misuse(
            f"--first-seed: 0 to {HELD_OUT_SEED - count} with --seeds {count}, got {first}; "
            f"seeds from {HELD_OUT_SEED} on are held out"
        )
    return tuple(range(first, first + count))


def tier_of(name: str) -> Tier:
    """A tier by its name; raises Misuse for an unknown one."""
    tiers: dict[str, Tier] = {"smoke": "smoke", "lite": "lite", "full": "full"}
    if name not in tiers:
        raise Misuse(f"no tier '{name}'; {hint(name, tiers)}")
    return tiers[name]


def _check_budget(steps: int, plans: Sequence[MethodPlan]) -> None:
    """Raise Misuse for a method that can learn nothing from so few steps."""
    for plan in plans:
        if steps < plan.least_steps:
            raise Misuse(
                f"--budget: {steps} steps are too few for '{plan.method.name}', which needs "
                f"{plan.least_steps}: one rollout, after all that it must have seen before"
            )


def default_victim(victims: Victims, known: dict[str, PolicyCard], game_card: GameCard) -> str:
    """The victim of a run that names none: of those that sit opposite the adversary."""
    seat = game_card.victim_seat.name
    fitting = {name: card for name, card in known.items() if card.seat in (ANY, seat)}
    if not fitting:
        raise Misuse(f"no victim for seat '{seat}' of {game_card.id}; import one")
    return victims.default(fitting)


def plan_attack(name: str, card: GameCard, settings: dict[str, Any]) -> AttackPlan:
    """An attack with those of these settings that it has, resolved for a game."""
    kind = attacks.load(name)
    method = _method(name, kind, card, settings)
    made = kind(kind.configure(card, method.config))
    return AttackPlan(
        method=method, track=made.track, reads=made.reads, least_steps=made.least_steps,
        fields=_fields(kind, card), devices=getattr(made, "devices", CORES_ONLY),
    )  # fmt: skip


def _defenses(
    names: Sequence[str], card: GameCard, settings: dict[str, Any]
) -> tuple[tuple[DefensePlan, ...], tuple[MethodPlan, ...]]:
    """The hardenings and the detectors among these defenses, resolved for a game."""
    known = {*defenses.names(), *detectors.names()}
    for name in names:
        if name not in known:
            raise Misuse(f"no defense '{name}'; {hint(name, known)}")
    chosen = list(dict.fromkeys(names))
    watching = [name for name in chosen if name in detectors.names()]
    return (
        tuple(plan_defense(name, card, settings) for name in chosen if name not in watching),
        tuple(_detector(name, card, settings) for name in watching),
    )


def plan_defense(name: str, card: GameCard, settings: dict[str, Any]) -> DefensePlan:
    """A defense with those of these settings that it has, resolved for a game."""
    kind = defenses.load(name)
    method = _method(name, kind, card, settings)
    made = kind(kind.configure(card, method.config))
    return DefensePlan(
        method=method, meets_opponents=made.meets_opponents, least_steps=made.least_steps,
        fields=_fields(kind, card), devices=getattr(made, "devices", CORES_ONLY),
    )  # fmt: skip


def _detector(name: str, card: GameCard, settings: dict[str, Any]) -> MethodPlan:
    kind = detectors.load(name)
    method = _method(name, kind, card, settings)
    return MethodPlan(method=method, least_steps=1, fields=_fields(kind, card))


def _diagnosis(name: str) -> Diagnosis:
    known: dict[str, Diagnosis] = {"masked": "masked", "split": "split"}
    if name not in known:
        raise Misuse(f"--diagnose: no diagnosis '{name}'; {hint(name, known)}")
    return known[name]


def check_defenses(
    plans: Sequence[DefensePlan], card: GameCard, victims: dict[str, PolicyCard], steps: int
) -> None:
    """Raise Misuse for a defense that one of these victims or the budget rules out."""
    for plan in plans:
        kind = defenses.load(plan.method.name)
        defense = kind(kind.configure(card, plan.method.config))
        for name, victim in victims.items():
            defense.check_victim(victim.model_copy(update={"name": name}))
    _check_budget(steps, plans)


def check_attacks(
    plans: Sequence[AttackPlan], track: str, victims: dict[str, PolicyCard], steps: int
) -> None:
    """Raise Misuse for an attack that this track, one of these victims or the budget rules out."""
    _check_track(track, plans)
    _check_readable(victims, plans)
    _check_budget(steps, [plan for plan in plans if plan.track != "none"])


def _check_track(declared: str, plans: Sequence[AttackPlan]) -> None:
    """Raise Misuse for an attack that is shown more than the run's declared track allows."""
    if declared not in (BLACK_BOX, WHITE_BOX):
        raise Misuse(f"--track: no track '{declared}'; {hint(declared, (BLACK_BOX, WHITE_BOX))}")
    for plan in plans:
        if plan.track == WHITE_BOX and declared != WHITE_BOX:
            raise Misuse(
                f"attack '{plan.method.name}' asks for the victim's network, this run is in the "
                f"{declared} track; declare it with --track {WHITE_BOX}"
            )


def _check_readable(victims: dict[str, PolicyCard], plans: Sequence[AttackPlan]) -> None:
    """Raise Misuse for a victim of a kind that a white-box attack of the run cannot read."""
    for name, card in victims.items():
        for plan in plans:
            if plan.reads and card.kind not in plan.reads:
                raise Misuse(
                    f"attack '{plan.method.name}' cannot read victim '{name}', which is of kind "
                    f"'{card.kind}'; white-box it reads {', '.join(sorted(plan.reads))}"
                )


def _fields(kind: Any, card: GameCard) -> frozenset[str]:
    """Names of a method's settings."""
    return frozenset(type(kind.configure(card, {})).model_fields)


def _method(name: str, kind: Any, card: GameCard, given: dict[str, Any]) -> MethodRef:
    """A method with those of the given settings that it has.

    A setting that changes nothing is not part of what was set, and a value is noted as the
    config understood it, so that 0 and 0.0 are one.
    """
    own = {k: v for k, v in given.items() if k in _fields(kind, card)}
    config: BaseModel = kind.configure(card, own)
    resolved = config.model_dump(mode="json")
    if (resolved.get("shards"), getattr(kind.configure(card, {}), "shards", None)) == (1, 1):
        del resolved["shards"]  # records older than this setting keep their ids
    settings = {field: resolved[field] for field in own if _matters(kind, card, own, field, config)}
    return MethodRef(name=name, version=kind.version, settings=settings, config=resolved)


def _matters(kind: Any, card: GameCard, own: dict[str, Any], field: str, config: BaseModel) -> bool:
    """Whether the config would be another one without this setting."""
    try:
        without = kind.configure(card, {k: v for k, v in own.items() if k != field})
    except Misuse:  # the others make no sense without it
        return True
    return bool(without != config)


def _check_settings(given: dict[str, Any], plans: Sequence[MethodPlan], part: str) -> None:
    """Raise Misuse for a setting that no method of the run has."""
    for field in given:
        if any(field in plan.fields for plan in plans):
            continue
        if not plans:
            raise Misuse(f"--set {part}.{field}: no {part} of this run has settings")
        known = {name for plan in plans for name in plan.fields}
        names = " nor ".join(f"'{plan.method.name}'" for plan in plans)
        raise Misuse(f"{part} {names} has no setting '{field}'; {hint(field, known)}")
