"""From finished jobs to records."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from benchmark.arena.tally import TALLY
from benchmark.evaluation.detection import Detection
from benchmark.learning.progress import CURVE
from benchmark.policies import artifact
from benchmark.records.cell import PlayerRef
from benchmark.records.flags import of_counts
from benchmark.records.record import DetectionSet, Isolation, MatchSet, Record, Role, StateSplit
from benchmark.records.store import Store
from benchmark.runs.executors.executor import Failure
from benchmark.runs.job import Job, Player
from benchmark.runs.plan import Plan, PlannedCell, PlannedMatch


def records_of(plan: Plan, store: Store) -> tuple[list[Record], list[Failure]]:
    """The records of all cells whose jobs are finished or failed for good, filed in the store.

    A damaged artifact costs the records that read it, and no others.
    """
    lost = _lost(plan, store)
    made, failures = [], []
    for cell in plan.cells:
        if not all(job.key in lost or store.has(job.key) for job in cell.jobs):
            continue
        try:
            record = _made(cell, lost, store)
        except (artifact.BadArtifact, KeyError, TypeError, ValueError) as error:
            label = f"record of {cell.cell.attack.label} on {cell.cell.victim.name}"
            failures.append(
                Failure(
                    job=cell.cell.id, label=label, kind=type(error).__name__, message=str(error)
                )
            )
            continue
        if record is not None:
            made.append(record)
            store.write_record(record)
    return made, failures


def _lost(plan: Plan, store: Store) -> dict[str, Job]:
    """Jobs that will never have a result, by key, with the training whose failure is the cause."""
    lost: dict[str, Job] = {}
    for job in plan.jobs:  # in an order in which causes come first
        if store.failure(job.key) is not None:
            lost[job.key] = job
            continue
        cause = next((lost[key] for key in job.needs if key in lost), None)
        if cause is not None:
            lost[job.key] = cause
    return lost


def _made(cell: PlannedCell, lost: dict[str, Job], store: Store) -> Record | None:
    """A cell's record; None where what failed is another cell's to tell.

    A failed attack is told by the undefended cell, so it leaves no defended one: there was nothing
    to defend against. A failed hardening is the defended cell's own, and so are matches of its
    victim that the simulation could not play. Of a cell that stands, matches may be lost: those of
    held-out or fresh adversaries whose training failed.
    """
    about = "hardening" if "hardening" in cell.trainings else "attack"
    training = cell.trainings[about]
    cause = lost.get(training.key)
    if cause is not None and (
        cause is not training or (about == "attack" and cell.cell.defense is not None)
    ):
        return None
    if cause is None:
        cause = next((job for job in cell.essential if lost.get(job.key) is job), None)
    return (
        _record(cell, lost, store) if cause is None else _failed_record(cell, about, cause, store)
    )


def _failed_record(cell: PlannedCell, about: str, cause: Job, store: Store) -> Record | None:
    """What is known of a cell that failed for good: its training's curve, and why it ends."""
    failed, training = store.failure(cause.key), cell.trainings[about]
    if failed is None:  # another run tries it again, or has just done it: its own to tell
        return None
    known = failed if cause is training else store.result(training.key)
    where = "in training" if cause is training else "in its matches"
    as_what = "never winning" if about == "attack" else "no defense at all"
    return Record(
        id=cell.cell.id,
        cell=cell.cell,
        matches=[],
        curves={about: CURVE.validate_python(known["curve"])},
        steps={about: known["steps"]},
        artifacts={},
        isolation=_isolation([known]),
        flags=[f"seed {cell.cell.seed} failed {where} and counts as {as_what}"],
        level=0,
        command=cell.command,
        provenance={about: known["provenance"]},
        timings={about: known["timings"]},
        retries=_retries({about: known}),
        failure=failed["failure"],
    )


def _record(cell: PlannedCell, lost: dict[str, Job], store: Store) -> Record:
    trainings = {name: job for name, job in cell.trainings.items() if job.key not in lost}
    results = {name: store.result(job.key) for name, job in trainings.items()}
    matches = [_match_set(match, store) for match in cell.matches if match.job.key not in lost]
    wanted = [*((m.role, m.job) for m in cell.matches), *cell.detections]
    missing = {role: lost[job.key].label for role, job in wanted if job.key in lost}
    return Record(
        id=cell.cell.id,
        cell=cell.cell,
        matches=matches,
        curves={name: CURVE.validate_python(result["curve"]) for name, result in results.items()},
        steps={name: result["steps"] for name, result in results.items()},
        artifacts={
            name: artifact.load_card(store.folder(job.key)).sha256
            for name, job in trainings.items()
        },
        isolation=_isolation(results.values()),
        flags=["budget overrun" for result in results.values() if result["overrun"]][:1]
        + of_counts(
            matches,
            trained=[
                point.tally
                for result in results.values()
                for point in CURVE.validate_python(result["curve"])
            ],
            learned=cell.cell.track != "none",
        )
        + [f"no {role} matches, failed: {cause}" for role, cause in sorted(missing.items())],
        level=0,
        command=cell.command,
        provenance={name: result["provenance"] for name, result in results.items()},
        timings={name: result["timings"] for name, result in results.items()},
        detections=[
            _detection(role, job, store) for role, job in cell.detections if job.key not in lost
        ],
        splits=[_split(job, store) for job in cell.splits if job.key not in lost],
        lost=missing,
        retries=_retries(results),
    )


def _isolation(results: Iterable[dict[str, Any]]) -> Isolation:
    """Where a cell's trainings ran: in containers of one image, or else in a process."""
    process = Isolation(kind="process")
    found = [Isolation.model_validate(one.get("isolation", process)) for one in results]
    if not all(one.pinned for one in found):
        found = [one.model_copy(update={"pinned": False}) for one in found]
    return found[0] if found and all(one == found[0] for one in found) else process


def _retries(results: Mapping[str, dict[str, Any]]) -> dict[str, int]:
    """How often each training was to begin again, of those that were."""
    return {name: one["retries"] for name, one in results.items() if one.get("retries")}


def _match_set(match: PlannedMatch, store: Store) -> MatchSet:
    job, result = match.job, store.result(match.job.key)
    return MatchSet(
        role=match.role,
        adversary=_reference(job.adversaries[0], store),
        victim=_reference(job.victim, store),
        victim_mode=job.victim_mode,
        ranked_mode=match.ranked_mode,
        even=TALLY.validate_python(result["even"]),
        odd=TALLY.validate_python(result["odd"]),
        game_options=job.game_options if match.role == "replay" else None,
    )


def _detection(role: Role, job: Job, store: Store) -> DetectionSet:
    return DetectionSet(
        role=role,
        adversary=_reference(job.adversaries[0], store),
        victim=_reference(job.victim, store),
        counts=Detection.model_validate(store.result(job.key)["counts"]),
    )


def _split(job: Job, store: Store) -> StateSplit:
    return StateSplit(
        adversary=_reference(job.adversaries[0], store),
        victim=_reference(job.victim, store),
        **store.result(job.key)["split"],
    )


def _reference(player: Player, store: Store) -> PlayerRef:
    if player.source == "job":
        sha256 = artifact.load_card(store.folder(player.ref)).sha256
        return PlayerRef(name=player.name, sha256=sha256)
    return PlayerRef(name=player.name, sha256=player.sha256)
