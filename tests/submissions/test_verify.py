"""`bench verify`: what each level asks for, and every way not to reach it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from benchmark.arena.tally import Tally
from benchmark.evaluation.protocol import EPISODES
from benchmark.policies import artifact
from benchmark.records.files import read, to_json
from benchmark.records.record import Isolation, MatchSet
from benchmark.records.store import Store
from benchmark.registry import Victims
from benchmark.submissions import folder, prediction, verify
from benchmark.submissions.inquiry import Wanted
from benchmark.submissions.replay import Replay
from benchmark.submissions.runners import InProcess
from tests.command_line import bench, refused
from tests.factories import scribble
from tests.submissions.conftest import Make
from tests.submissions.verified import (
    PINNED,
    TINY,
    UNPINNED,
    Contained,
    change,
    details,
    in_container,
    quiet,
    records,
    submitted,
)


def test_in_a_process_the_level_stays_0(dice: Make) -> None:
    """What was found is told; the records keep their level."""
    made = submitted(dice())
    done = bench("verify", made, "--json")
    assert done.code == 0, done
    assert "--salt is empty" in done.err
    assert (done.json["level"], done.json["shown"]) == (0, 2)
    assert "stay at level 0" in done.json["why"]
    assert "would make it 2: 'held-out victims' is not shown" in done.json["why"]
    others = (
        len(Victims().cards("pong-v1")) - 1
    )  # each is met by three adversaries, and plays as a regular opponent
    assert f"3 record(s), {8 + 4 * others} pairings: equal counts" in details(done, "passed")
    assert "of 3 submitted" in details(done, "passed")
    assert "(wide: few seeds)" in details(done, "passed")
    assert {read(path).level for path in records(made)} == {0}


def test_in_containers_of_the_pinned_image_the_records_would_rise(dice: Make) -> None:
    """Only those of runs in such containers; a record's level is what its file says then."""
    made = submitted(dice())
    found = in_container(made, seeds=1)
    assert (found.shown, found.level) == (2, 0)
    assert "submit in containers" in found.why
    for path in records(made):
        change(path, isolation=PINNED)
    found = in_container(made, seeds=1)
    assert (found.shown, found.level) == (2, 2)
    assert found.why == "'held-out victims' is not shown"
    assert {read(path).level for path in records(made)} == {2}


def test_what_a_process_has_trained_is_trained_again_in_containers(dice: Make) -> None:
    """Else level 2 would be of trainings in which nothing was enforced."""
    made = submitted(dice())
    assert bench("verify", made, "--seeds", 1).code == 0
    for path in records(made):
        change(path, isolation=PINNED)
    runner, asked = Contained(PINNED), Wanted(store=Store(Path("store")), seeds=1)
    assert verify.verify(folder.read(made), asked, runner, quiet).level == 2
    assert runner.done


def test_retrainings_of_another_place_show_nothing(
    dice: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = submitted(dice())
    for path in records(made):
        change(path, isolation=PINNED)
    monkeypatch.setattr(Contained, "execute", InProcess.execute)
    found = in_container(made, seeds=1)
    assert (found.shown, found.level) == (1, 1)
    assert "trained elsewhere than in containers of this image" in found.items[-1].detail


def test_a_level_of_the_author_s_own_is_lowered_to_what_was_found(dice: Make) -> None:
    """In a process nothing can be found, and nothing is taken away."""
    made = submitted(dice())
    for path in records(made):
        change(path, isolation=PINNED, level=3)
    assert bench("verify", made, "--seeds", 1).code == 0
    assert {read(path).level for path in records(made)} == {3}
    assert in_container(made, seeds=1).level == 2
    assert {read(path).level for path in records(made)} == {2}


def test_records_of_a_tier_that_was_not_looked_at_have_no_level(
    dice: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Unless it was another tier's turn: then they keep what the one of theirs has said."""
    monkeypatch.setitem(EPISODES, "lite", 10)
    made = submitted(dice())
    for path in records(made):
        change(path, isolation=PINNED, level=2)
    first = next(read(path) for path in records(made) if read(path).cell.seed == 0)
    cell = first.cell.model_copy(update={"tier": "lite"})
    other = first.model_copy(update={"cell": cell, "id": cell.id})
    (made / "evidence" / "records" / f"{cell.id}.json").write_bytes(to_json(other))

    def levels() -> dict[str, set[int]]:
        found = [read(path) for path in records(made)]
        return {t: {r.level for r in found if r.cell.tier == t} for t in ("smoke", "lite")}

    in_container(made, seeds=1, tier="smoke")
    assert levels() == {"smoke": {2}, "lite": {2}}
    in_container(made, seeds=1)  # the highest, of one seed
    assert levels() == {"smoke": {0}, "lite": {1}}


@pytest.mark.parametrize(
    ("submitted_in", "verified_in", "why"),
    [
        (UNPINNED, PINNED, "the submitted records are of an image that was not the pinned one"),
        (PINNED, UNPINNED, "runs in an image that is not the pinned one stay at level 0"),
        (PINNED.model_copy(update={"image": None}), PINNED, "was not the pinned one"),
    ],
)
def test_in_containers_of_another_image_no_record_rises(
    dice: Make, submitted_in: Isolation, verified_in: Isolation, why: str
) -> None:
    """Neither those that were made in one, nor by what is found in one."""
    made = submitted(dice(), seeds=1)
    for path in records(made):
        change(path, isolation=submitted_in)
    found = in_container(made, verified_in, seeds=1)
    assert (found.shown, found.level) == (1, 0)
    assert why in found.why
    assert {read(path).level for path in records(made)} == {0}


def test_one_seed_predicts_nothing(dice: Make) -> None:
    done = bench("verify", submitted(dice(), seeds=1), "--json")
    assert done.code == 0
    assert done.json["shown"] == 1
    assert "1 seed predicts nothing" in details(done, "to do")


def test_counts_that_were_embellished_are_told(dice: Make) -> None:
    """One more win in one record: nothing is trained after that."""
    made = submitted(dice())
    path = records(made)[0]
    payload = json.loads(path.read_bytes())
    attack = next(m for m in payload["matches"] if m["role"] == "attack")
    lost = next(key for key in attack["even"]["breakdown"] if key.startswith("loss"))
    attack["even"]["breakdown"][lost] -= 1
    won = lost.replace("loss", "win")
    attack["even"]["breakdown"][won] = attack["even"]["breakdown"].get(won, 0) + 1
    attack["even"]["wins"] += 1
    attack["even"]["losses"] -= 1
    path.write_text(json.dumps(payload))
    done = bench("verify", made, "--json")
    assert done.code == 1
    assert done.json["shown"] == 0
    assert path.stem in details(done, "failed")
    assert "retrain" not in json.dumps(done.json["items"])


def grown(found: MatchSet, times: int) -> MatchSet:
    """With so many times the matches, won and lost alike."""

    def more(told: Tally) -> Tally:
        breakdown = {name: times * count for name, count in told.breakdown.items()}
        counts = (times * count for count in (told.wins, told.ties, told.losses))
        return Tally(*counts, breakdown=breakdown)

    return found.model_copy(update={"even": more(found.even), "odd": more(found.odd)})


@pytest.mark.parametrize(
    ("claimed", "line"),
    [
        ({"episodes": 10**12}, "1000000000000 episodes a pairing; tier smoke has 10"),
        ({"budget_steps": 10**12}, "steps of training; tier smoke of pong-v1 has 1000000 at most"),
    ],
)
def test_a_size_that_no_tier_has_is_told_and_not_played(
    dice: Make, claimed: dict[str, int], line: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = submitted(dice(), seeds=1)
    for path in records(made):
        matches = [grown(m, claimed.get("episodes", 10) // 10) for m in read(path).matches]
        change(path, cell=claimed, matches=matches)
    monkeypatch.setattr(Replay, "again", None)
    done = bench("verify", made, "--json")
    assert (done.code, done.json["shown"]) == (1, 0)
    assert line in details(done, "failed")


def test_a_policy_that_was_exchanged_is_told(dice: Make) -> None:
    made = submitted(dice())
    shutil.rmtree(next((made / "evidence" / "policies").iterdir()))
    done = bench("verify", made, "--json")
    assert done.code == 1
    assert "is not among the evidence" in details(done, "failed")


def test_a_victim_of_ones_own_making_is_told(dice: Make) -> None:
    """A weak network under the victim's name, its weights handed in beside the adversaries."""
    made = submitted(dice(), seeds=1)
    weak = artifact.save(scribble(1, name="house-relu"), made / "evidence" / "policies" / "weak")
    (path,) = records(made)
    victim = read(path).cell.victim.model_copy(update={"sha256": weak.sha256})
    matches = [
        m.model_copy(update={"victim": victim}) if m.victim.name == "house-relu" else m
        for m in read(path).matches
    ]
    change(path, cell={"victim": victim}, matches=matches)
    done = bench("verify", made, "--json")
    assert done.code == 1
    assert "is not among the victims here" in details(done, "failed")


def test_what_the_victim_s_card_does_not_say_is_told(dice: Make) -> None:
    """A victim that is not ranked would be, and the other way round."""
    made = submitted(dice(), seeds=1)
    change(records(made)[0], cell={"victim_ranked": False})
    done = bench("verify", made, "--json")
    assert done.code == 1
    assert "victim_ranked is False, its card says True" in details(done, "failed")


def test_a_mode_that_the_card_does_not_rank_is_told(dice: Make) -> None:
    """All of its matches: a record whose ranked modes differ is refused by itself."""
    made = submitted(dice(), seeds=1)
    (path,) = records(made)
    other = {"mean": "sampled", "sampled": "mean"}
    changed = [
        m.model_copy(update={"victim_mode": other[m.victim_mode]})
        if m.victim.name == "house-relu"
        else m
        for m in read(path).matches
    ]
    change(path, matches=changed)
    done = bench("verify", made, "--json")
    assert done.code == 1
    assert "in the mode 'sampled' say ranked_mode True" in details(done, "failed")


def test_records_of_another_track_than_the_manifest_s_are_refused(dice: Make) -> None:
    made = submitted(dice(), seeds=1)
    change(records(made)[0], cell={"track": "white-box"})
    refused(bench("verify", made), "of track 'white-box', the manifest says 'black-box'")


def test_a_seed_that_was_left_out_is_told(dice: Make) -> None:
    made = submitted(dice())
    next(path for path in records(made) if read(path).cell.seed == 1).unlink()
    done = bench("verify", made, "--json")
    assert done.code == 1
    assert "seeds [0, 2], expected all from 0 on" in details(done, "failed")


def test_a_retraining_that_falls_outside_fails(dice: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    made = submitted(dice(), seeds=2)
    monkeypatch.setattr(prediction, "interval", lambda *_: prediction.Interval(0.99, 1.0))
    done = bench("verify", made, "--seeds", 1, "--json")
    assert done.code == 1
    assert done.json["shown"] == 1
    assert "predicted 0.990 to 1.000" in details(done, "failed")


@pytest.mark.parametrize("part", ["code", "evidence"])
def test_evidence_must_be_of_this_content(dice: Make, part: str) -> None:
    made = submitted(dice(), seeds=1)
    if part == "code":
        (made / "README.md").write_text("Other dice.\n")
    else:
        (made / "evidence" / "submission.json").write_text('{"sha256": "0"}')
    refused(bench("verify", made), "of other content", "run `bench submit")


def test_what_evidence_must_not_be(dice: Make, tmp_path: Path) -> None:
    made = dice()
    refused(bench("verify", made), "no records")
    submitted(made, seeds=1)
    (path,) = records(made)
    refused(bench("verify", made, "--tier", "full"), "none of tier full; it has smoke")
    refused(bench("verify", made, "--seeds", 0), "--seeds: at least 1")
    refused(bench("verify", made, "--victims", tmp_path / "none"), "no such file")
    shipped = Path(artifact.__file__).parents[1] / "victims" / "house-relu"
    refused(bench("verify", made, "--victims", shipped), "not held out")
    payload = path.read_bytes()
    path.write_bytes(payload.replace(b'"name": "dice"', b'"name": "rice"'))
    refused(bench("verify", made), path, "its cell hashes to")
    path.write_bytes(payload)
    copy = path.with_name("0" * 16 + ".json")
    path.rename(copy)
    refused(bench("verify", made), copy, "holds record")
    copy.rename(path)
    path.with_name("link.json").symlink_to(path)
    refused(bench("verify", made), "a link")
    path.with_name("link.json").unlink()
    weights = next((made / "evidence" / "policies").glob("*/policy.safetensors"))
    weights.unlink()
    weights.symlink_to("/dev/zero")
    done = bench("verify", made, "--json")
    assert done.code == 1
    assert f"{weights}: a link" in details(done, "failed")


def test_a_defense_is_verified_by_every_role(no_defense: Path) -> None:
    """Its hardened victims and all adversaries are played again and trained again."""
    done = bench("submit", no_defense, "--against", "quick", *TINY, "--seeds", 2)
    assert done.code == 0, done
    done = bench("verify", no_defense, "--seeds", 1, "--json")
    assert done.code == 0, done.json
    assert done.json["shown"] == 2
    for role in ("stored", "held-out", "fresh", "regular"):
        assert f"win rate, {role} of 1 fresh seed(s)" in details(done, "passed")


def test_a_regular_opponent_that_was_left_out_is_told(no_defense: Path) -> None:
    """Before and after, so that the record by itself is in order."""
    done = bench("submit", made := no_defense, "--against", "quick", *TINY, "--seeds", 1)
    assert done.code == 0, done
    (path,) = [path for path in records(made) if read(path).cell.defense is not None]
    left_out = next(m.adversary for m in read(path).matches if m.role == "regular")
    kept = [m for m in read(path).matches if m.adversary != left_out or m.role != "regular"]
    change(path, matches=kept)
    done = bench("verify", made, "--json")
    assert done.code == 1
    assert f"no matches of the regular opponent '{left_out.name}'" in details(done, "failed")


def test_a_detector_must_judge_alike_again(no_defense: Path) -> None:
    """It leaves no policy: its records' judgements are made again, and of fresh seeds."""
    assert bench("new", "detector", "far-off").code == 0
    made = Path("submissions/far-off")
    for file in ("submission.toml", "README.md"):
        (made / file).write_text((made / file).read_text().replace("TODO", "done"))
    done = bench("submit", made, "--against", "quick", *TINY, "--seeds", 2)
    assert done.code == 0, done
    done = bench("verify", made, "--seeds", 1, "--json")
    assert (done.code, done.json["shown"]) == (0, 2), done.json
    assert "the same judgements" in details(done, "passed")
    assert "AUROC, stored of 1 fresh seed(s)" in details(done, "passed")
    path = next(path for path in records(made) if read(path).detections)
    counts = read(path).detections[0].counts
    other = counts.model_copy(update={"twice_u": counts.twice_u ^ 1})
    first = read(path).detections[0].model_copy(update={"counts": other})
    change(path, detections=[first, *read(path).detections[1:]])
    done = bench("verify", made, "--seeds", 1, "--json")
    assert (done.code, done.json["shown"]) == (1, 0)
    assert "judge otherwise" in details(done, "failed")
