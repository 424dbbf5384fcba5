"""`bench sweep` as its users meet it."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from attacks.ours import Ours
from benchmark.commands.study import file_stem
from benchmark.runs.study import Scope
from benchmark.variants import variant
from tests.command_line import ROLLOUT, bench
from tests.factories import method


def test_a_sweep_runs_its_variants_and_shows_them_again(elsewhere: Path) -> None:
    """Trained once; the second time, and from the records alone, nothing is trained."""
    asked = (
        "sweep", "--study", "norms", "--only", "baseline", "--only", "ours linf", "--seeds", 1,
        "--budget", ROLLOUT, "--figure", "study.svg", "--out", "study.md",
    )  # fmt: skip
    first = bench(*asked)
    assert first.code == 0, first.err
    assert "ours linf" in first.out
    assert "1 of 1" in first.out
    page, picture = Path("study.md").read_text(), Path("study.svg").read_bytes()
    again = bench(*asked, "--results", "store/records")
    assert again.code == 0, again.err
    assert Path("study.svg").read_bytes() == picture
    table, command = Path("study.md").read_text().split("Made by ")
    assert table == page.split("Made by ")[0]
    assert command.endswith("--results store/records`.\n")
    assert not Path("store/studies").exists()
    unnamed = bench(*asked[:-4])
    assert unnamed.code == 0, unnamed.err
    (own,) = Path("store/studies").glob("pong-v1-*-norms-smoke-*-only-*.md")
    assert own.read_text().startswith(table.split("![")[0])
    assert own.with_suffix(".svg").read_bytes() == picture


def test_a_sweep_of_defenses_shows_robustness_beside_generality(elsewhere: Path) -> None:
    """Against the attack that was asked for; from the records alone it shows the same."""
    asked = (
        "sweep", "--study", "mixture", "--attack", "baseline", "--only", "p = 1", "--seeds", 1,
        "--budget", ROLLOUT, "--figure", "study.svg", "--out", "study.md",
    )  # fmt: skip
    first = bench(*asked)
    assert first.code == 0, first.err
    page = Path("study.md").read_text()
    assert page.startswith("## Study 'mixture' against baseline on pong-v1")
    row, curve = [line.split("|") for line in page.splitlines() if line.startswith("| p =")]
    assert row[8].strip() == "1.00"  # all steps were adversarial
    assert curve[-2].strip() == "1"
    again = bench(*asked, "--results", "store/records")
    assert again.code == 0, again.err
    assert Path("study.md").read_text().split("Made by ")[0] == page.split("Made by ")[0]
    other = bench(*asked, "--results", "store/records", "--attack", "ours")
    assert "no record of this study" in other.err


def test_studies_that_differ_in_anything_have_files_of_their_own() -> None:
    """Else the second would overwrite the first's."""
    scope = Scope("pong-v1", {"slow_ball": "loss"}, "may1", "lite", 2_000_000, None)
    against = [method("ours", norm="l2"), method("baseline")]
    stems = [
        file_stem("parts", only, changed)
        for changed in (
            scope,
            replace(scope, tier="full"),
            replace(scope, budget_steps=8),
            replace(scope, seeds=(0,)),
            replace(scope, seeds=(0, 1)),
            replace(scope, game_options={"slow_ball": "tie"}),
            *(replace(scope, attack=one) for one in against),
        )
        for only in ([], ["whole"], ["H's inputs" + 80 * "x", 200 * "y"], [200 * "y" + "z"])
    ]
    assert stems[0] == "pong-v1-may1-parts-lite"
    assert len(set(stems)) == len(stems)
    assert all(re.fullmatch(r"[A-Za-z0-9.=_-]{1,200}", stem) for stem in stems)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (("--study", "moonshine"), "no study 'moonshine'"),
        (("--study", "mixture", "--reference", "p = 0"), "a study of defenses has none"),
        (("--study", "mixture", "--attack", "nobody"), "no attack 'nobody'"),
        (("--study", "norms", "--only", "l7"), "no variant 'l7'"),
        (("--study", "norms", "--reference", "l8"), "no variant 'l8'"),
        (("--study", "norms", "--budget", "10"), "too few for 'baseline'"),
        (("--study", "norms", "--figure", "a.pdf"), "a figure is .svg or .png"),
        (("--study", "norms", "--tier", "huge"), "no tier 'huge'"),
        (("--study", "norms", "--victim", "nobody", "--results", "."), "no record of this study"),
    ],
)
def test_a_sweep_that_cannot_work_is_one_line(given: tuple[str, ...], told: str) -> None:
    done = bench("sweep", *given)
    assert (done.code, done.out) == (2, "")
    assert told in done.err


def test_white_box_must_be_declared_in_a_sweep_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """A study's variants are checked like the attacks of a run."""
    peeping = (variant("peeping", "ours", access="white-box"),)
    monkeypatch.setattr(Ours, "studies", classmethod(lambda cls, game: {"peep": peeping}))
    done = bench("sweep", "--study", "peep")
    assert done.code == 2
    assert "declare it with --track white-box" in done.err
