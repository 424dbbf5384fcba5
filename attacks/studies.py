"""The comparisons that `ours` offers to `bench sweep`, each with its first row as the reference."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attacks import saliency
from attacks.deviation import NORMS
from attacks.shaping import shaped_defaults
from benchmark.games.game import GameCard
from benchmark.variants import Variant, variant

_PLAIN = variant("baseline", "baseline")
_PUBLISHED = variant("baseline published", "baseline", preset="published")
_WHOLE: dict[str, Any] = {"eta": 1.0, "saliency": "gradient"}
"""The method with all its parts, as an annealed reward: what `parts` takes them from."""
_AFTER = ("value-difference", "curiosity", "imap")
"""Attacks of others that came after the paper."""
_LATER = ("dense", "ours", *_AFTER, "unfamiliar", "drift")
WEIGHTS = (0.0003, 0.001, 0.003, 0.01, 0.03)
"""Around the default of Pong, .001, and of the games in MuJoCo, .01."""
STUDIES: dict[str, tuple[Variant, ...]] = {
    "norms": (_PLAIN, *(variant(f"ours {norm}", "ours", norm=norm) for norm in NORMS)),
    "eta": (
        _PLAIN,
        *(variant(f"ours eta {eta}", "ours", eta=float(eta)) for eta in range(5)),
    ),
    # Figures 6d, 9 and 10 are of the published loss, which is the preset `paper` only.
    "norms-paper": (
        _PUBLISHED,
        *(variant(f"ours paper {n}", "ours", preset="paper", norm=n) for n in NORMS),
    ),
    "eta-paper": (
        _PUBLISHED,
        *(
            variant(f"ours paper eta {eta}", "ours", preset="paper", eta=float(eta))
            for eta in range(1, 5)
        ),
    ),
    "saliency": (
        _PLAIN,
        *(
            variant(f"ours {method}", "ours", saliency=method)
            for method in ("none", *saliency.METHODS)
        ),
    ),
    "presets": (
        _PLAIN,
        _PUBLISHED,
        variant("ours tuned", "ours"),
        variant("ours paper", "ours", preset="paper"),
        variant("ours released", "ours", preset="released"),
    ),
    "parts": (
        variant("whole", "ours", **_WHOLE),
        variant("no action term", "ours", **_WHOLE, action_weight=0.0),
        variant("no observation term", "ours", **(_WHOLE | {"eta": 0.0})),
        variant("no weight", "ours", **(_WHOLE | {"saliency": "none"})),
        variant("H's released inputs", "ours", **_WHOLE, transition_inputs="released"),
        variant("raw observations", "ours", **_WHOLE, standardise=False),
        variant("ours tuned", "ours"),
        _PLAIN,
    ),
    # The same of the published loss: one thing at a time taken from the preset `paper`.
    "parts-paper": (
        variant("ours paper", "ours", preset="paper"),
        variant("no action term", "ours", preset="paper", action_weight=0.0),
        variant("no observation term", "ours", preset="paper", eta=0.0),
        variant("no weight", "ours", preset="paper", saliency="none"),
        variant("H's released inputs", "ours", preset="paper", transition_inputs="released"),
        variant("raw observations", "ours", preset="paper", standardise=False),
        _PUBLISHED,
    ),
    "anneal": (
        _PLAIN,
        *(variant(f"ours to {share}", "ours", anneal_until=share) for share in (0.3, 0.6, 1.0)),
    ),
    # Of a signal in its own deviations, where an outcome is 1: how much of it is too much?
    "weight": (
        _PLAIN,
        *(variant(f"ours {weight:g}", "ours", weight=weight) for weight in WEIGHTS),
    ),
    # What of the adversary the signal is of: where it is, or how it stands and moves.
    "counterfactual": (
        _PLAIN,
        variant("ours", "ours"),
        variant("ours of its place", "ours", put_back="place"),
        variant("ours of its posture", "ours", put_back="posture"),
    ),
    "attacks": (
        _PLAIN,
        _PUBLISHED,
        variant("dense", "dense"),
        *(variant(f"ours {norm}", "ours", norm=norm) for norm in NORMS),
        variant("ours paper", "ours", preset="paper"),
        variant("ours released", "ours", preset="released"),
        variant("unfamiliar", "unfamiliar"),
        variant("drift", "drift"),
        *(variant(name, name) for name in _AFTER),
    ),
    "later": (_PLAIN, *(variant(name, name) for name in _LATER)),
}
AT_ONCE = 30
"""Steps of a signal's level that one change of it weighs as much as, in the study `paid`."""


def studies_of(game: GameCard) -> Mapping[str, tuple[Variant, ...]]:
    """All of them on a game, whose matches say how much a change of the signal is to weigh."""
    weight = AT_ONCE * shaped_defaults(game)["weight"]
    paid = (
        _PLAIN,
        variant("ours", "ours"),
        *(
            variant(f"ours paid by {how}", "ours", paid=how, weight=weight)
            for how in ("change", "rise")
        ),
    )
    return {**STUDIES, "paid": paid}
