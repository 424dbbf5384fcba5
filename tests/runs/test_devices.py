"""`--device`: what it comes to, what refuses it, and that records of the CPU know nothing of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from attacks.baseline import Baseline
from attacks.ours import Ours
from benchmark import registry
from benchmark.errors import CheckFailed, InfrastructureError, Misuse
from benchmark.games.pong import Pong
from benchmark.learning.device import CORES_ONLY, CPU, CUDA, Device
from benchmark.learning.loss import PPOConfig
from benchmark.learning.trial import Trial
from benchmark.runs import devices
from benchmark.runs.devices import Choice, choose, shapes
from benchmark.runs.job import Job
from benchmark.runs.plan import make_plan
from benchmark.runs.spec import RunSpec
from benchmark.runs.training import on_device

Resolve = Callable[..., RunSpec]
GRADIENT = np.array([3.0, 4.0], dtype=np.float32)


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that says it has one; nothing is computed on it."""
    monkeypatch.setattr(devices, "missing", lambda: None)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)


@pytest.fixture
def no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "missing", lambda: "torch finds no GPU")


def timed(cpu: float, cuda: float, off: float = 0.0) -> Any:
    """A trial that takes so long, with a gradient on cuda that is off by so much of its length."""

    def attempt(config: PPOConfig, obs_dim: int, act_dim: int, device: Device) -> Trial:
        if device is CPU:
            return Trial(cpu, GRADIENT)
        return Trial(cuda, GRADIENT * np.float32(1 + off))

    return attempt


def never(*_: object) -> Trial:
    raise AssertionError("nothing is to be measured")


def real(resolve: Resolve, attack: str = "baseline", **more: Any) -> RunSpec:
    """A run of a registered attack on Pong."""
    return resolve(attack_names=[attack], **more)


def test_the_cpu_is_neither_measured_nor_told_of(resolve: Resolve) -> None:
    assert choose("cpu", real(resolve), None, never) == Choice("cpu", "")


def test_without_a_gpu_auto_is_the_cpu_and_cuda_is_refused(resolve: Resolve, no_gpu: None) -> None:
    assert choose("auto", real(resolve), None, never) == Choice("cpu", "cpu: torch finds no GPU")
    with pytest.raises(Misuse, match="--device cuda: torch finds no GPU, or say --device cpu"):
        choose("cuda", real(resolve), None, never)


@pytest.mark.usefixtures("gpu")
@pytest.mark.parametrize(
    ("asked", "cpu", "cuda", "chosen"),
    [("auto", 0.2, 0.1, "cuda"), ("auto", 0.1, 0.2, "cpu"), ("cuda", 0.1, 0.2, "cuda")],
)
def test_auto_takes_what_is_faster_and_says_so(
    resolve: Resolve, asked: str, cpu: float, cuda: float, chosen: str
) -> None:
    name, note = choose(asked, real(resolve), None, timed(cpu, cuda))
    assert name == chosen
    assert f"{chosen}, measured: {cuda:.3f} s" in note
    assert f"on cuda, {cpu:.3f} cpu" in note


@pytest.mark.usefixtures("gpu")
@pytest.mark.parametrize("off", [0.01, float("nan")])
def test_a_gpu_that_computes_something_else_is_refused(resolve: Resolve, off: float) -> None:
    with pytest.raises(CheckFailed, match="gradient of 'baseline' on cuda is"):
        choose("auto", real(resolve), None, timed(0.2, 0.1, off))
    choose("auto", real(resolve), None, timed(0.2, 0.1, 1e-5))


@pytest.mark.usefixtures("gpu")
@pytest.mark.parametrize(
    ("more", "why"),
    [
        (
            {"attack": "value-difference"},
            "'value-difference' as it is configured learns on the CPU",
        ),
        ({"attack": "ours", "settings": {"attack": {"preset": "paper"}}}, "'ours' as it is"),
        ({"defense_names": ["iterated"]}, "'iterated' as it is configured learns on the CPU alone"),
        ({"defense_names": ["density"]}, "'density' as it is configured learns on the CPU alone"),
        ({"attack": "random"}, "nothing of this run learns"),
    ],
)
def test_what_learns_on_the_cpu_alone_is_named(
    resolve: Resolve, more: dict[str, Any], why: str
) -> None:
    spec = real(resolve, **more)
    with pytest.raises(Misuse, match=f"--device cuda: {why}"):
        choose("cuda", spec, None, never)
    assert choose("auto", spec, None, never).name == "cpu"


@pytest.mark.usefixtures("gpu")
def test_containers_and_clusters_have_no_gpu(resolve: Resolve) -> None:
    with pytest.raises(Misuse, match="trainings in containers learn on the CPU alone"):
        choose("cuda", real(resolve), "in containers", never)


def test_an_unknown_device_is_refused(resolve: Resolve) -> None:
    with pytest.raises(Misuse, match="--device: no device 'gpu'"):
        choose("gpu", real(resolve), None, never)


def test_what_is_measured_has_the_run_s_shapes(resolve: Resolve) -> None:
    """A hardening is of the victim's own network, and in its seat."""
    attack, hardening = shapes(real(resolve, defense_names=["mixed"], victim_names=["alpha"]))
    assert (attack.label, attack.config.hidden, attack.config.matches) == (
        "baseline", (64, 64), 512,
    )  # fmt: skip
    card = registry.game("pong-v1").describe().seats[0]
    assert (attack.obs_dim, attack.act_dim) == (card.obs_dim, card.act_dim)
    assert (hardening.label, hardening.config.hidden) == ("mixed", (8,))


def test_jobs_of_the_cpu_are_what_they_were(resolve: Resolve) -> None:
    """Byte for byte: their keys name artifacts that are older than the choice of a device."""
    spec = real(resolve, defense_names=["mixed"])
    plain = make_plan(spec).jobs
    elsewhere = make_plan(spec.model_copy(update={"device": "cuda"})).jobs
    assert all("device" not in json.loads(job.model_dump_json()) for job in plain)
    assert [job.kind for job in plain] == [job.kind for job in elsewhere]
    assert not {job.key for job in plain if job.budget_steps} & {job.key for job in elsewhere}
    assert {job.device for job in elsewhere if job.budget_steps} == {"cuda"}
    assert {job.device for job in elsewhere if not job.budget_steps} == {"cpu"}
    again = Job.model_validate_json(elsewhere[0].model_dump_json())
    assert (again.key, again.device) == (elsewhere[0].key, "cuda")


def test_a_floor_trains_on_no_device(resolve: Resolve) -> None:
    spec = real(resolve, attack="random").model_copy(update={"device": "cuda"})
    assert {job.device for job in make_plan(spec).jobs} == {"cpu"}


def test_a_subclass_says_for_itself_where_it_learns() -> None:
    class Newcomer(Baseline):
        """May do whatever it likes."""

    assert "cuda" in Baseline.devices
    assert Newcomer.devices == CORES_ONLY
    config = Ours.configure(Pong.describe(), {})
    assert "cuda" in Ours(config).devices
    assert "cuda" not in Ours(config.model_copy(update={"mode": "loss"})).devices


def test_a_job_gets_its_device_or_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    card = Pong.describe()
    made = Baseline(Baseline.configure(card, {}))
    assert on_device(made, "cpu").device is CPU
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(InfrastructureError, match="planned for a GPU"):
        on_device(made, "cuda")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert on_device(made, "cuda").device is CUDA
    kind = registry.attacks.load("value-difference")
    with pytest.raises(Misuse, match="learns on the CPU alone"):
        on_device(kind(kind.configure(card, {})), "cuda")
