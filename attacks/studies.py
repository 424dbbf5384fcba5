"""The comparisons that `ours` offers to `bench sweep`, each with its first row as the reference."""

from __future__ import annotations

from typing import Any

from attacks import saliency
from attacks.deviation import NORMS
from benchmark.variants import Variant, variant

_PLAIN = variant("baseline", "baseline")
_WHOLE: dict[str, Any] = {"eta": 1.0, "saliency": "gradient"}
"""The method with all its parts, as an annealed reward: what `parts` takes them from."""
STUDIES: dict[str, tuple[Variant, ...]] = {
    "norms": (_PLAIN, *(variant(f"ours {norm}", "ours", norm=norm) for norm in NORMS)),
    "eta": (
        _PLAIN,
        *(variant(f"ours eta {eta}", "ours", eta=float(eta)) for eta in range(5)),
    ),
    "saliency": (
        _PLAIN,
        *(
            variant(f"ours {saliency}", "ours", saliency=saliency)
            for saliency in ("none", *saliency.METHODS)
        ),
    ),
    "presets": (
        _PLAIN,
        variant("baseline published", "baseline", preset="published"),
        variant("ours tuned", "ours"),
        variant("ours paper", "ours", preset="paper"),
        variant("ours released", "ours", preset="released"),
    ),
    "parts": (
        variant("whole", "ours", **_WHOLE),
        variant("no action term", "ours", **_WHOLE, action_weight=0.0),
        variant("no observation term", "ours", **(_WHOLE | {"eta": 0.0})),
        variant("no weight", "ours", **(_WHOLE | {"saliency": "none"})),
        variant("H as released", "ours", **_WHOLE, transition_inputs="released"),
        variant("raw observations", "ours", **_WHOLE, standardise=False),
        variant("ours tuned", "ours"),
        _PLAIN,
    ),
    "attacks": (
        _PLAIN,
        variant("baseline published", "baseline", preset="published"),
        variant("dense", "dense"),
        *(variant(f"ours {norm}", "ours", norm=norm) for norm in NORMS),
        variant("ours paper", "ours", preset="paper"),
        variant("ours released", "ours", preset="released"),
        variant("unfamiliar", "unfamiliar"),
        variant("drift", "drift"),
    ),
}
