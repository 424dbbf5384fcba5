"""From finished jobs to records."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from benchmark.arena.tally import Tally
from benchmark.evaluation.statistics import wilson
from benchmark.learning.progress import CurvePoint
from benchmark.policies import artifact
from benchmark.records.record import Isolation, MatchSet, PlayerRef, Record
from benchmark.records.store import Store
from benchmark.runs.executors.executor import Failure
from benchmark.runs.plan import Job, Plan, PlannedCell, PlannedMatch, Player


def records_of(plan: Plan, store: Store, command: str) -> tuple[list[Record], list[Failure]]:
    """The records of all cells whose jobs are finished, filed in the store.

    A damaged artifact costs the records that read it, and no others.
    """
    made, failures = [], []
    for cell in plan.cells:
        failed = failure_of(cell, store)
        if failed is None and not all(store.has(job.key) for job in jobs_of(cell)):
            continue
        try:
            made.append(
                _record(cell, store, command)
                if failed is None
                else _failed_record(cell, failed, command)
            )
        except (artifact.BadArtifact, KeyError, TypeError, ValueError) as error:
            label = f"record of {cell.cell.attack.label} on {cell.cell.victim.name}"
            failures.append(
                Failure(
                    job=cell.cell.id, label=label, kind=type(error).__name__, message=str(error)
                )
            )
        else:
            store.write_record(made[-1])
    return made, failures


def jobs_of(cell: PlannedCell) -> list[Job]:
    """Every job that a cell's record reads."""
    return [*cell.trainings.values(), *(match.job for match in cell.matches)]


def failure_of(cell: PlannedCell, store: Store) -> dict[str, Any] | None:
    """How the training of an undefended cell's attack failed for good, if it did."""
    return None if cell.cell.defense else store.failure(cell.trainings["attack"].key)


def _failed_record(cell: PlannedCell, failed: dict[str, Any], command: str) -> Record:
    """What is known of an attack whose training diverged: its curve, and why it ends."""
    return Record(
        id=cell.cell.id,
        cell=cell.cell,
        matches=[],
        curves={"attack": [CurvePoint.model_validate(point) for point in failed["curve"]]},
        steps={"attack": failed["steps"]},
        artifacts={},
        isolation=Isolation(kind="process"),
        flags=[f"seed {cell.cell.seed} failed in training and counts as never winning"],
        level=0,
        command=command,
        provenance={"attack": failed["provenance"]},
        timings={"attack": failed["timings"]},
        failure=failed["failure"],
    )


def _record(cell: PlannedCell, store: Store, command: str) -> Record:
    results = {name: store.result(job.key) for name, job in cell.trainings.items()}
    matches = [_match_set(match, store) for match in cell.matches]
    return Record(
        id=cell.cell.id,
        cell=cell.cell,
        matches=matches,
        curves={
            name: [CurvePoint.model_validate(point) for point in result["curve"]]
            for name, result in results.items()
        },
        steps={name: result["steps"] for name, result in results.items()},
        artifacts={
            name: artifact.load_card(store.folder(job.key)).sha256
            for name, job in cell.trainings.items()
        },
        isolation=Isolation(kind="process"),
        flags=flags_of(
            matches,
            trained=[
                CurvePoint.model_validate(point).tally
                for result in results.values()
                for point in result["curve"]
            ],
            overrun=any(result["overrun"] for result in results.values()),
            learned=cell.cell.track != "none",
        ),
        level=0,
        command=command,
        provenance={name: result["provenance"] for name, result in results.items()},
        timings={name: result["timings"] for name, result in results.items()},
    )


def _match_set(match: PlannedMatch, store: Store) -> MatchSet:
    job, result = match.job, store.result(match.job.key)
    return MatchSet(
        role=match.role,
        adversary=_reference(job.adversaries[0], store),
        victim=_reference(job.victim, store),
        victim_mode=job.victim_mode,
        ranked_mode=match.ranked_mode,
        even=Tally.model_validate(result["even"]),
        odd=Tally.model_validate(result["odd"]),
        game_options=job.game_options if match.role == "replay" else None,
    )


def _reference(player: Player, store: Store) -> PlayerRef:
    if player.source == "job":
        sha256 = artifact.load_card(store.folder(player.ref)).sha256
        return PlayerRef(name=player.name, sha256=sha256)
    return PlayerRef(name=player.name, sha256=player.sha256)


def flags_of(
    matches: list[MatchSet], *, overrun: bool, learned: bool, trained: Sequence[Tally] = ()
) -> list[str]:
    """Those of the protocol's automatic flags that one record shows; floors are not compared."""
    flags = ["budget overrun"] if overrun else []
    main = [m.tally for m in matches if m.role == "attack" and m.ranked_mode]
    floors = [m.tally for m in matches if m.role == "floor" and m.adversary.name == "random"]
    for where, tallies in (("", [m.tally for m in matches]), (" in training", trained)):
        voids = sum(tally.voids for tally in tallies)
        if voids:
            flags.append(f"void matches{where}: {voids}")
    for tally in main:
        if tally.ties > 0.5 * tally.episodes:
            flags.append("ties above 50 %")
        if learned and any(
            wilson(tally.wins, tally.episodes)[0] <= floor.win_rate for floor in floors
        ):
            flags.append("no better than random")
    return flags
