"""The comparisons of hardening defenses that `bench sweep` offers."""

from __future__ import annotations

from benchmark.variants import Variant, variant

SHARES = (0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 1.0)
"""Of adversarial episodes: the protocol's."""
HARDENINGS = ("retrain", "mixed", "iterated", "population", "parameter-noise")
STUDIES: dict[str, tuple[Variant, ...]] = {
    # p = 0 tells what more training alone does.
    "mixture": tuple(variant(f"p = {share:g}", "mixed", p=share) for share in SHARES),
    "hardenings": tuple(variant(name, name) for name in HARDENINGS),
}
