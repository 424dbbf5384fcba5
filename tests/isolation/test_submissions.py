"""Submissions in real containers: their code runs nowhere else, and what was cut off goes on."""

from __future__ import annotations

import shutil
import sys
import threading
import time
from pathlib import Path

import pytest

from benchmark.arena.session import RefereeSpec
from benchmark.display import Silent
from benchmark.errors import InfrastructureError
from benchmark.evaluation.protocol import EPISODES
from benchmark.isolation.engine import Engine
from benchmark.isolation.owner import LABEL, mark
from benchmark.policies.policy import Policy
from benchmark.records.store import Store
from benchmark.registry import Victims, attacks, defenses, detectors, game
from benchmark.runs import boxes as boxing
from benchmark.runs.boxes import Boxes
from benchmark.runs.contestant import Task
from benchmark.submissions import folder, template
from benchmark.submissions.runners import InContainers
from benchmark.submissions.submit import Asked, submit
from tests.attacks.conftest import assert_same_policy
from tests.isolation.conftest import readable
from tests.isolation.hostile import Told

pytestmark = pytest.mark.engine

SUBMISSIONS = Path(__file__).parents[2] / "submissions"
TRAP = """
from pathlib import Path
assert Path("/opt/bench/start").exists(), "imported outside of a container"
"""


@pytest.mark.parametrize("kind", ["attack", "defense", "detector"])
def test_a_submission_runs_in_containers_alone(
    engine: Engine, image: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """From its configuration to its judgement: the module raises wherever else it is imported."""
    monkeypatch.setitem(EPISODES, "smoke", 10)
    template.write(kind, "stranger", tmp_path)
    made = tmp_path / "stranger"
    code = made / "stranger.py"
    code.write_text(code.read_text() + TRAP)
    for path in (made / "submission.toml", made / "README.md"):
        path.write_text(path.read_text().replace("TODO", "done"))
    boxes = Boxes(engine, image, memory_mib=1024)
    asked = Asked(Store(tmp_path / "store"), budget=70_000, victims=["house-relu"])
    report = submit(
        folder.read(made), asked, InContainers(boxes, "", tmp_path), lambda spec, store: Silent()
    )
    wrong = [item for item in report.items if item.status == "failed"]
    assert not wrong
    assert "stranger" not in sys.modules
    for group in (attacks, defenses, detectors):
        assert "stranger" not in group.names()
    own = [r for r in report.records if kind == "attack" or r.cell.defense is not None]
    assert own
    assert all(record.isolation.kind == "container" for record in report.records)
    if kind == "detector":
        (record,) = own
        assert {d.role for d in record.detections} == {"stored", "held-out", "regular"}
        assert all(d.counts.adversarial == d.counts.regular == 10 for d in record.detections)


def trained(boxes: Boxes, folder: Path, told: Told) -> Policy:
    """A training of some seconds, whose referee keeps what it needs in a folder."""
    card = game("pong-v1").describe()
    config = attacks.load("baseline").configure(card, {"matches": 32, "rollout_steps": 64})
    spec = RefereeSpec(
        game="pong-v1", options=dict(card.options), seat="left", budget_steps=150_000,
        members={"victim": Victims().folders()["house-relu"]}, mixture=(("victim", 1.0),),
    )  # fmt: skip
    orders = Task(
        kind="attack", method="baseline", config=config.model_dump(mode="json"), seed=0,
        budget_steps=150_000, checkpoint_s=0.1,
    )  # fmt: skip
    return boxes.train(spec, orders, 300.0, told, folder)


def test_a_training_whose_containers_are_lost_goes_on(
    engine: Engine, image: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed after its first checkpoint, it makes what it makes in one go."""
    boxes = Boxes(engine, image, memory_mib=1024)
    readable(tmp_path / "books")
    whole, told = Told(), Told()
    expected = trained(boxes, tmp_path / "books" / "whole", whole)
    kept = tmp_path / "books" / "cut"

    def kill_both() -> None:
        while not list(kept.glob("training-*")):
            time.sleep(0.05)
        label = {"label": f"{LABEL}={mark()}"}
        for container in engine.client.containers.list(filters=label):
            container.kill()

    monkeypatch.setattr(boxing, "TRIES", 1)
    killer = threading.Thread(target=kill_both, daemon=True)
    killer.start()
    with pytest.raises(InfrastructureError):
        trained(boxes, kept, told)
    killer.join(5)
    assert 0 < max((point.steps for point in told.points), default=1) < 150_000
    assert_same_policy(trained(boxes, kept, told), expected)
    assert told.points == whole.points


def test_one_that_brings_its_own_engine_trains_in_containers(
    engine: Engine, image: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """stable-baselines3 is not in the image: its wheel is fetched, and mounted beside the code."""
    monkeypatch.setitem(EPISODES, "smoke", 10)
    made = tmp_path / "sb3-ppo"
    shutil.copytree(
        SUBMISSIONS / "sb3-ppo", made, ignore=shutil.ignore_patterns("evidence", "__pycache__")
    )
    code = made / "sb3_ppo.py"
    for large, small in (("default=512", "16"), ("default=128", "32"), ("default=2048", "128")):
        assert large in code.read_text()
        code.write_text(code.read_text().replace(large, f"default={small}"))
    boxes = Boxes(engine, image, memory_mib=2048)
    asked = Asked(Store(tmp_path / "store"), budget=1100, victims=["house-relu"])
    own = InContainers(boxes, "", tmp_path / "wheels")
    report = submit(folder.read(made), asked, own, lambda spec, store: Silent())
    assert [item for item in report.items if item.status == "failed"] == []
    (record,) = report.records
    assert record.isolation.kind == "container"
    assert record.steps["attack"] == 1024  # whole rollouts
    (packages,) = (tmp_path / "wheels").iterdir()
    assert (packages / "stable_baselines3").is_dir()


def test_a_method_that_lacks_what_its_wheels_need_is_told_so(
    engine: Engine, image: str, tmp_path: Path
) -> None:
    """The log's last line says which module, and the contract shows it."""
    template.write("attack", "stranger", tmp_path)
    made = tmp_path / "stranger"
    code = made / "stranger.py"
    code.write_text(
        code.read_text().replace("import numpy", "import stable_baselines3\nimport numpy", 1)
    )
    own = InContainers(Boxes(engine, image, memory_mib=1024), "", tmp_path / "wheels")
    (check, *_) = own.contract(folder.read(made), None, "pong-v1")
    assert not check.passed
    assert "No module named 'stable_baselines3'" in check.detail
