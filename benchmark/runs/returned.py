"""What a method gave back, checked before it is filed."""

from __future__ import annotations

from typing import Any

from benchmark.arena.mixture import check_fits
from benchmark.arena.tally import Tally
from benchmark.errors import CheckFailed, Misuse
from benchmark.games.game import GameCard
from benchmark.learning.progress import CurvePoint, impossible
from benchmark.policies.policy import Policy, check_tensors

SCRIPTED = ("random", "zero")
"""Kinds of policy without weights."""


class WrongPolicy(CheckFailed):
    """A method returned a policy that is not what its card says."""


class WrongCurve(CheckFailed):
    """A method reported what its arena did not play."""


def check_curve(curve: list[CurvePoint], steps: int) -> None:
    """Raise WrongCurve unless it can be of `steps` steps, TooManyVoids for too many void ends."""
    problem = impossible(curve, steps)
    if problem is not None:
        raise WrongCurve(f"the method reported a curve that it cannot have played: {problem}")
    Tally.sum(point.tally for point in curve).check_voids()


def checked(policy: Any, card: GameCard, seat: str, kind: type[Policy] = Policy) -> Policy:
    """What a method returned, if it is of a kind, as its card says, and made for a game and seat.

    Raises:
        WrongPolicy: it is not.
    """
    if not isinstance(policy, kind):
        raise WrongPolicy(
            f"expected a {kind.__name__} from the method, got {type(policy).__name__}"
        )
    try:
        check_fits(policy, card, seat)
        if policy.card.kind not in SCRIPTED:
            check_tensors(policy.card, policy.tensors())
    except (Misuse, ValueError) as error:
        raise WrongPolicy(
            f"the method returned a policy that is not what its card says: {error}"
        ) from error
    return policy


def check_mode(hardened: Policy, victim: Policy) -> None:
    """Raise WrongPolicy for a hardened victim that acts in another mode than before.

    Its judges meet it in the mode of the victim that it was; a fresh attack would be trained
    against what nobody judges.
    """
    if hardened.card.action_mode != victim.card.action_mode:
        raise WrongPolicy(
            f"the method returned a policy that acts in the mode '{hardened.card.action_mode}', "
            f"expected '{victim.card.action_mode}', that of '{victim.card.name}'"
        )
