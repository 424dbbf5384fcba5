"""'Ours': equal to the baseline at weight 0, and each part as its equation says."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from attacks.baseline import Baseline
from attacks.deviation import NORMS, l1, l2, linf
from attacks.ours import Deviations, Ours
from benchmark import registry
from benchmark.arena.arena import Arena
from benchmark.arena.tally import Tally
from benchmark.errors import Misuse
from benchmark.learning.progress import Quiet
from benchmark.learning.regression import Regressor
from benchmark.learning.rollout import Rollout
from benchmark.policies.policy import MLPPolicy
from tests.attacks.conftest import BUDGET, SMALL

MakeArena = Callable[[int], Arena]
PONG = registry.game("pong-v1").describe()
STEPS, MATCHES = 6, 4


def _trained(kind: type[Baseline], make_arena: MakeArena, **settings: object) -> MLPPolicy:
    attack = kind(kind.configure(PONG, {**SMALL, **settings}))
    policy = attack.train(make_arena(attack.matches), BUDGET, np.random.default_rng(1), Quiet())
    assert isinstance(policy, MLPPolicy)
    return policy


@pytest.mark.parametrize("mode", ["reward", "loss"])
@pytest.mark.parametrize("norm", ["l1", "l2", "linf"])
def test_weight_zero_is_the_baseline_to_the_last_bit(
    mode: str, norm: str, make_arena: MakeArena
) -> None:
    """Models are fitted, deviations computed, and nothing of it may leak into PPO."""
    plain = _trained(Baseline, make_arena).tensors()
    extra = {"mode": mode, "norm": norm, "weight": 0, "eta": 1.0, "saliency": "gradient"}
    ours = _trained(Ours, make_arena, **extra).tensors()
    for name, tensor in plain.items():
        np.testing.assert_array_equal(tensor, ours[name], err_msg=name)


@pytest.mark.parametrize("mode", ["reward", "loss"])
def test_weight_above_zero_is_another_policy(mode: str, make_arena: MakeArena) -> None:
    plain = _trained(Baseline, make_arena).tensors()["layer0.weight"]
    ours = _trained(Ours, make_arena, mode=mode, weight=0.5).tensors()["layer0.weight"]
    assert not np.array_equal(plain, ours)


@given(st.lists(st.lists(st.floats(-9, 9, width=32), min_size=3, max_size=3), min_size=1))
def test_norms_are_the_textbook_ones(rows: list[list[float]]) -> None:
    x = torch.tensor(rows, dtype=torch.float64)
    torch.testing.assert_close(l1(x), torch.linalg.vector_norm(x, 1, dim=1) / 3)
    torch.testing.assert_close(l2(x), torch.linalg.vector_norm(x, 2, dim=1), atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(linf(x), torch.linalg.vector_norm(x, torch.inf, dim=1))


def test_l2_is_differentiable_where_nothing_deviates() -> None:
    x = torch.zeros(2, 3, requires_grad=True)
    l2(x).sum().backward()
    assert x.grad is not None
    assert torch.isfinite(x.grad).all()


def _rollout(rng: np.random.Generator) -> Rollout:
    """A made-up rollout with two matches ending on the way."""

    def values(*shape: int) -> np.ndarray:
        return rng.normal(size=shape).astype(np.float32)

    ends = np.zeros((STEPS, MATCHES), dtype=bool)
    ends[2, 1] = ends[4, 3] = True
    return Rollout(
        obs=values(STEPS, MATCHES, 13),
        actions=values(STEPS, MATCHES, 2), means=values(STEPS, MATCHES, 2),
        log_probs=values(STEPS, MATCHES), values=values(STEPS, MATCHES),
        rewards=values(STEPS, MATCHES), ends=ends, last_value=values(MATCHES),
        other_obs=values(STEPS, MATCHES, 13), other_action=values(STEPS, MATCHES, 2),
        dense=values(STEPS, MATCHES), member=np.zeros((STEPS, MATCHES), dtype=np.intp),
        tally=Tally(),
    )  # fmt: skip


def _hooks(**settings: object) -> Deviations:
    config = Ours.configure(PONG, settings)
    return Deviations(config, PONG.seats[0], PONG.seats[1], np.random.default_rng(0))


def test_targets_never_cross_the_end_of_a_match() -> None:
    hooks, rollout = _hooks(), _rollout(np.random.default_rng(0))
    seen = Seen(rollout, hooks.models, 1.0)
    valid = seen.valid.numpy().reshape(STEPS, MATCHES)
    assert not valid[2, 1]
    assert not valid[4, 3]
    assert not valid[-1].any()
    assert valid.sum() == (STEPS - 1) * MATCHES - 2
    following = seen.next_victim_action.numpy().reshape(STEPS, MATCHES, 2)
    np.testing.assert_array_equal(following[:-1], rollout.other_action[1:])


def test_loss_is_the_paper_s_tail_on_valid_rows() -> None:
    """Recomputed row by row from F and H, without the vectorised path."""
    hooks = _hooks(mode="loss", weight=0.7, eta=0.3, saliency="gradient", norm="l1")
    hooks.on_rollout(_rollout(np.random.default_rng(0)), progress=0.0)
    seen, models = hooks._seen, hooks.models
    rows = torch.tensor([0, 9, 5, 19, 23])  # 9 and 19 end a match, 23 is in the last step
    mean = torch.randn(5, 2, generator=torch.Generator().manual_seed(0))
    total = 0.0
    weights = saliency_weights(models.surrogate, seen.view, (4, 8))
    for row, mu in zip(rows.tolist(), mean, strict=True):
        if not seen.valid[row]:
            continue
        s, a_v = seen.view[row], seen.victim_action[row]
        change = models.transition(torch.cat([s, mu.clamp(-1, 1), a_v])[None])[0]
        predicted = s + change * torch.from_numpy(models.spread())
        action = (models.surrogate(predicted[None])[0] - seen.next_victim_action[row]).abs()
        observation = (predicted - seen.next_view[row]).abs()
        total += float(weights[row] * action.mean() - 0.3 * observation.mean())
    loss = hooks.extra_loss(rows, mean)
    assert loss is not None
    assert loss.item() == pytest.approx(-0.7 * total / 5, rel=1e-4)


def test_loss_reaches_the_policy_and_not_the_models() -> None:
    hooks = _hooks(mode="loss")
    hooks.on_rollout(_rollout(np.random.default_rng(0)), progress=0.0)
    before = hooks.state().arrays
    mean = torch.zeros(8, 2, requires_grad=True)
    loss = hooks.extra_loss(torch.arange(8), mean)
    assert loss is not None
    loss.backward()
    assert mean.grad is not None
    assert mean.grad.abs().sum() > 0
    for name, array in hooks.state().arrays.items():
        np.testing.assert_array_equal(array, before[name])


def test_reward_falls_to_nothing_at_the_end_of_the_anneal() -> None:
    bonuses = []
    for progress in (0.0, 0.3, 0.6, 0.9):
        hooks, rollout = _hooks(weight=1.0, anneal_until=0.6), _rollout(np.random.default_rng(0))
        plain = rollout.rewards.copy()
        hooks.on_rollout(rollout, progress)
        bonuses.append(float(np.abs(rollout.rewards - plain).mean()))
    assert bonuses[0] == pytest.approx(2 * bonuses[1], rel=1e-3)
    assert bonuses[2:] == [0.0, 0.0]


def test_reward_is_standardised_and_clipped() -> None:
    hooks, rollout = _hooks(weight=1.0), _rollout(np.random.default_rng(0))
    plain = rollout.rewards.copy()
    hooks.on_rollout(rollout, 0.0)
    bonus = rollout.rewards - plain
    assert abs(bonus.mean()) < 0.3
    assert np.abs(bonus).max() <= 3.0 + 1e-5


def test_action_deviation_is_blind_to_what_is_not_the_adversary() -> None:
    """Where the victim's surrogate ignores the adversary, the deviation is nothing."""
    hooks = _hooks()
    first = hooks.models.surrogate.network.dense[0]
    with torch.no_grad():
        first.weight[:, 4:8] = 0.0
    hooks._seen = Seen(_rollout(np.random.default_rng(0)), hooks.models, 1.0)
    hooks._weights = torch.ones(STEPS * MATCHES)
    hooks._bonus()
    assert hooks.diagnostics()["action_deviation"] == 0.0
    with torch.no_grad():
        first.weight[:, 4:8] = 1.0
    hooks._bonus()
    assert hooks.diagnostics()["action_deviation"] > 0.0


def test_saliency_is_one_where_the_adversary_s_columns_explain_everything() -> None:
    """F reads column 4 alone, so g * s keeps all that F uses: d = 0 and w = 1."""

    def reads_column_4(s: torch.Tensor) -> torch.Tensor:
        return s[:, 4:5].repeat(1, 2)

    def reads_column_0(s: torch.Tensor) -> torch.Tensor:
        return 3.0 * s[:, :1].repeat(1, 2)

    view = torch.ones(5, 13)
    ones = saliency_weights(reads_column_4, view, (4, 8))  # type: ignore[arg-type]
    torch.testing.assert_close(ones, torch.ones(5))
    low = saliency_weights(reads_column_0, view, (4, 8))  # type: ignore[arg-type]
    torch.testing.assert_close(low, torch.full((5,), 0.25))  # 1 / (1 + |0 - 3|)


def test_surrogate_learns_a_victim_it_only_sees() -> None:
    rng = np.random.default_rng(0)
    target = rng.normal(size=(13, 2)).astype(np.float32)
    x = rng.normal(size=(4096, 13)).astype(np.float32)
    y = np.tanh(x @ target)
    model = Regressor(
        13, 2, hidden=(32,), activation="relu", dead_zone=0.05, learning_rate=3e-3, rng=rng
    )
    before = float(np.square(model.infer(x) - y).mean())
    for _ in range(20):
        model.fit(x, y, rows=4096, minibatch=256)
    assert float(np.square(model.infer(x) - y).mean()) < 0.15 * before


def test_dead_zone_ignores_small_errors() -> None:
    rng = np.random.default_rng(0)
    model = Regressor(
        2, 1, hidden=(4,), activation="relu", dead_zone=1e6, learning_rate=1.0, rng=rng
    )
    before = model.state()["flat"]
    model.fit(np.ones((8, 2), np.float32), np.ones((8, 1), np.float32), rows=8, minibatch=8)
    np.testing.assert_array_equal(model.state()["flat"], before)


@pytest.mark.parametrize(
    ("field", "value"), [("eta", -1), ("weight", -0.1), ("norm", "l3"), ("anneal_until", 0)]
)
def test_a_combination_that_cannot_work_is_refused(field: str, value: object) -> None:
    with pytest.raises(Misuse, match=f"setting '{field}'"):
        Ours.configure(PONG, {field: value})


def test_every_norm_of_the_enum_has_its_function() -> None:
    assert set(NORMS) == {"l1", "l2", "linf"}
    assert SimpleNamespace(**NORMS).l1 is l1
