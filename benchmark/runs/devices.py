"""Which device a run's updates are computed on: what was asked for, or what is faster here."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from benchmark.errors import CheckFailed, Misuse
from benchmark.learning.device import CPU, CUDA, DEVICES, Device, missing
from benchmark.learning.loss import PPOConfig
from benchmark.learning.trial import Trial, apart, trial
from benchmark.registry import attacks, defenses
from benchmark.runs.spec import MethodPlan, RunSpec
from benchmark.settings import hint

AUTO = "auto"
TOLERANCE = 1e-3
"""How far a GPU's gradient may be from the CPU's, of its length, for rounding alone."""

Try = Callable[[PPOConfig, int, int, Device], Trial]


class Choice(NamedTuple):
    """A device's name, and why it; no note where nobody asked."""

    name: str
    note: str


class Shape(NamedTuple):
    """A training's, as far as an update's time depends on it."""

    label: str
    config: PPOConfig
    obs_dim: int
    act_dim: int


def choose(asked: str, spec: RunSpec, elsewhere: str | None, attempt: Try = trial) -> Choice:
    """What `--device` comes to for a run on this machine.

    elsewhere: where trainings are done, if not in processes of this machine.

    Raises:
        Misuse: no such device, none here, or a method that learns on the CPU alone.
        CheckFailed: the GPU's numbers are not the CPU's within rounding.
    """
    if asked not in (AUTO, *DEVICES):
        raise Misuse(f"--device: no device '{asked}'; {hint(asked, (AUTO, *DEVICES))}")
    if asked == CPU.name:
        return Choice(CPU.name, "")
    against = _against(spec, elsewhere)
    if against is not None:
        if asked == CUDA.name:
            raise Misuse(f"--device cuda: {against}, or say --device cpu")
        return Choice(CPU.name, f"cpu: {against}")
    times = _times(list(shapes(spec)), attempt)
    told = f"measured: {times[CUDA]:.3f} s an update of each training on cuda, {times[CPU]:.3f} cpu"
    faster = CUDA if asked == CUDA.name or times[CUDA] < times[CPU] else CPU
    return Choice(faster.name, f"{faster.name}, {told}")


def _against(spec: RunSpec, elsewhere: str | None) -> str | None:
    """Why a run cannot use a GPU; None where it can."""
    lacks = missing()
    if lacks is not None:
        return lacks
    if elsewhere is not None:
        here = "--isolation process and --executor local"
        return f"trainings {elsewhere} learn on the CPU alone; use {here}"
    plans: tuple[MethodPlan, ...] = (*_learning(spec), *spec.defenses, *spec.detectors)
    for plan in plans:
        if CUDA.name not in plan.devices:
            return f"'{plan.method.name}' as it is configured learns on the CPU alone; leave it out"
    for name, card in spec.victims.items():
        if spec.defenses and card.kind != "mlp":
            return f"victim '{name}' is of kind '{card.kind}', which learns on the CPU alone"
    return None if plans else "nothing of this run learns"


def _learning(spec: RunSpec) -> tuple[MethodPlan, ...]:
    return tuple(attack for attack in spec.attacks if attack.track != "none")


def shapes(spec: RunSpec) -> Iterator[Shape]:
    """Of a run's trainings, one for each method and network."""
    index = spec.game.seat_index(spec.game.adversary_seat)
    mine, theirs = spec.game.seats[index], spec.game.seats[1 - index]
    for plan in _learning(spec):
        config = attacks.load(plan.method.name).configure(spec.game, plan.method.config)
        yield Shape(plan.method.name, config, mine.obs_dim, mine.act_dim)
    for plan in spec.defenses:
        config = defenses.load(plan.method.name).configure(spec.game, plan.method.config)
        for card in spec.victims.values():
            own = {"hidden": card.hidden, "activation": card.activation}
            hardened = config.model_copy(update=own)
            yield Shape(plan.method.name, hardened, theirs.obs_dim, theirs.act_dim)


def _times(trainings: list[Shape], attempt: Try) -> dict[Device, float]:
    """Seconds of an update of each training together, by device; raises CheckFailed."""
    times = dict.fromkeys((CPU, CUDA), 0.0)
    for one in trainings:
        tries = {device: attempt(one.config, one.obs_dim, one.act_dim, device) for device in times}
        gap = apart(tries[CPU].gradient, tries[CUDA].gradient)
        if not gap <= TOLERANCE:
            raise CheckFailed(
                f"--device: a gradient of '{one.label}' on cuda is {gap:.2g} of its length from "
                f"the CPU's, expected {TOLERANCE:g} at most; use --device cpu"
            )
        times = {device: times[device] + tries[device].seconds for device in times}
    return times
