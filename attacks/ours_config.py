"""Settings of `ours`: what they mean, its presets on every game, what of them is refused."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field

from attacks.deviation import Norm
from attacks.saliency import Saliency
from attacks.victim_model import PutBack, SurrogateConfig
from benchmark.errors import Misuse
from benchmark.games.game import SeatCard
from benchmark.games.mujoco_games import MUJOCO_GAMES
from benchmark.settings import Settings


class OursConfig(SurrogateConfig):
    """The baseline's configuration, how the two deviations enter, and what they are made of."""

    mode: Literal["reward", "loss"] = Field(description="annealed reward, or the published loss")
    norm: Norm = Field(description="of both deviations")
    action_weight: float = Field(default=1.0, ge=0, description="of the action deviation; 0: none")
    put_back: PutBack = Field(
        default="all",
        description="of the adversary in the action deviation's counterfactual, to its start",
        exclude_if=lambda put_back: put_back == "all",  # records are older than this field
    )
    eta: float = Field(ge=0, description="weight of the observation deviation against the action's")
    saliency: Saliency = Field(description="weigh samples by w_t, or all by 1 (none)")
    saliency_columns: Literal["card", "tail"] = Field(
        default="card", description="the adversary's columns by the card, or the last ones"
    )
    access: Literal["black-box", "white-box"] = Field(
        default="black-box", description="white-box: F is the victim's own network"
    )
    surrogate: Literal["online", "frozen"] = Field(
        default="online", description="F learns all along, or at first and is then frozen"
    )
    surrogate_steps: int = Field(
        default=196_608, ge=1, description="pairs that a frozen F is fitted on before it enters"
    )
    surrogate_epochs: int = Field(
        default=100, ge=1, description="passes over them at most, with early stopping"
    )
    transition_inputs: Literal["text", "released"] = Field(
        default="text", description="H sees the victim's side and both actions, or the adversary's"
    )
    transition_output: Literal["change", "next", "tanh"] = Field(
        default="change", description="H predicts a scaled change, the next view, or it bounded"
    )
    transition_columns: Literal["all", "own"] = Field(
        default="all", description="of the victim's view: all, or those of its own body"
    )
    transition_hidden: tuple[int, ...]
    transition_passes: int = Field(
        default=1, ge=1, description="times that H is fitted on each rollout"
    )
    eps_s: float = Field(ge=0, description="dead zone of H's regression")
    standardise: bool = Field(default=True, description="the victim's view, or leave it raw")
    mask_ends: bool = Field(default=True, description="no targets across the ends of episodes")


# Reward mode as a probe left it (attack-findings.md): the observation term and the weights off.
_TUNED: dict[str, Any] = {
    "mode": "reward", "norm": "l1", "eta": 0.0, "saliency": "none", "eps_s": 0.0,
    "transition_hidden": (40, 64),
}  # fmt: skip
_PAPER: dict[str, Any] = {
    "mode": "loss", "weight": 1.0, "norm": "l1", "eta": 1.0, "saliency": "gradient",
    "surrogate": "frozen", "transition_output": "next",
    "eps_s": 1.0, "transition_hidden": (40, 64),
}  # fmt: skip
# Released MuJoCo code: -0.06 * (w L_act - L_obs).
_RELEASED: dict[str, Any] = {
    "mode": "loss", "weight": 0.06, "norm": "l1", "eta": 1.0, "saliency": "gradient",
    "saliency_columns": "tail", "surrogate": "frozen", "eps_a": 0.0,
    "transition_inputs": "released", "transition_output": "tanh", "standardise": False,
    "mask_ends": False, "eps_s": 1.0, "transition_hidden": (36, 64), "model_rate": 3e-4,
    "model_rows": 16_384, "model_minibatch": 4096, "transition_passes": 4,
}  # fmt: skip
# Released Pong code: -0.1 * (10 w L_act - 2 L_obs), that is weight 1 and eta 0.2; integrated
# gradients whatever was asked for.
_PONG_RELEASED: dict[str, Any] = {
    **_RELEASED, "weight": 1.0, "eta": 0.2, "saliency": "integrated", "saliency_columns": "card",
    "surrogate_steps": 51_000, "surrogate_hidden": (64, 32), "transition_columns": "own",
    "eps_s": 0.01, "transition_hidden": (36, 16), "model_rate": 1e-3, "model_rows": 1000,
    "model_minibatch": 64,
}  # fmt: skip
_PONG_PAPER: dict[str, Any] = {
    **_PAPER, "surrogate_steps": 51_000, "eps_s": 0.01, "transition_hidden": (40, 16),
}  # fmt: skip
PRESETS: dict[str, dict[str, dict[str, Any]]] = {
    "pong-v1": {
        "tuned": {**_TUNED, "transition_hidden": (40, 16)},
        "paper": _PONG_PAPER,
        "released": _PONG_RELEASED,
    },
    **{
        game: {"tuned": _TUNED, "paper": _PAPER, "released": _RELEASED}
        for game in MUJOCO_GAMES
    },
}  # fmt: skip
PPO_OF = {"tuned": "tuned", "paper": "published", "released": "published"}
"""Which of the baseline's presets each one trains with."""


def refuse_inert(config: OursConfig, preset: Mapping[str, Any], settings: Settings) -> None:
    """Raise Misuse for a setting that changes nothing: the same training under another name."""
    white, frozen = config.access == "white-box", config.surrogate == "frozen"
    needs_h = config.mode == "loss" or config.eta > 0
    learned = ("surrogate", "surrogate_hidden", "eps_a")
    rates = tuple(field for field in OursConfig.model_fields if field.startswith("model_"))
    once = ("surrogate_steps", "surrogate_epochs")
    of_h = tuple(field for field in OursConfig.model_fields if field.startswith("transition_"))
    inert = {
        "mode=loss": ("anneal_until", "paid", "put_back") if config.mode == "loss" else (),
        "access=white-box": (*learned, *once) if white else (),
        "surrogate=online": () if frozen else once,
        "saliency=none": ("saliency_columns",) if config.saliency == "none" else (),
        # The signal is paid in its own standard deviations, so of one term the weight is nothing.
        "mode=reward and eta=0": () if needs_h else (*of_h, "eps_s", "mask_ends", "action_weight"),
        "action_weight=0": ("put_back",) if config.action_weight == 0 else (),
        "no network that learns along": () if needs_h or not (white or frozen) else rates,
    }
    if config.action_weight == 0 == config.eta:
        raise Misuse(
            "attack 'ours': action_weight=0 with eta=0 pays nothing at all; use --attack baseline"
        )
    for why, fields in inert.items():
        for field in fields:
            default = preset.get(field, OursConfig.model_fields[field].default)
            if field in settings and getattr(config, field) != default:
                raise Misuse(f"attack 'ours': setting '{field}' changes nothing with {why}")


def refuse_changes_of_a_deed(config: OursConfig) -> None:
    """Raise Misuse where a signal of what the step itself did would be paid as it goes on."""
    if config.eta > 0 and config.paid != "level":
        raise Misuse(
            f"attack 'ours': paid={config.paid} needs eta=0: the observation deviation is of what "
            "the step itself did, and a change of it would be held against the step"
        )


def refuse_unknown_place(config: OursConfig, victim: SeatCard) -> None:
    """Raise Misuse where the place is to be told from the posture and no card says how."""
    if config.put_back != "all" and victim.other_place is None:
        raise Misuse(
            f"attack 'ours': put_back={config.put_back} needs the columns that show seat "
            f"'{victim.name}' where its adversary is, and the game's card names none"
        )


def columns_of(config: OursConfig, victim: SeatCard) -> tuple[int, int]:
    """The columns of the victim's view that show the adversary: by its card, or the last ones."""
    start, stop = victim.other_view
    if stop <= start and (config.saliency != "none" or config.mode == "reward"):
        raise Misuse(
            f"mode '{config.mode}' with saliency '{config.saliency}' needs the columns that show "
            f"seat '{victim.name}' its adversary, and the game's card names none; set "
            "attack.mode=loss and attack.saliency=none"
        )
    if config.saliency_columns == "tail":
        return victim.obs_dim - (stop - start), victim.obs_dim
    return start, stop
