"""Evidence to verify, and verifications that say that they run in containers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmark.display import Silent
from benchmark.records.files import read, to_json
from benchmark.records.record import Isolation
from benchmark.records.store import Store
from benchmark.registry import Victims
from benchmark.runs.run import Outcome, preview
from benchmark.runs.spec import RunSpec
from benchmark.submissions import folder, verify
from benchmark.submissions.inquiry import Wanted
from benchmark.submissions.runners import InProcess, Show
from benchmark.submissions.verify import Verification
from tests.command_line import Done, bench

TINY = ("--budget", 64, "--victim", "house-relu", "--json")


PINNED = Isolation(kind="container", image="sha256:" + "0" * 64, pinned=True)
UNPINNED = PINNED.model_copy(update={"pinned": False})


class Contained(InProcess):
    """Says that it is a container, as far as levels go."""

    def __init__(self, isolation: Isolation):
        self.isolation = isolation
        self.done: list[str] = []

    def execute(self, spec: RunSpec, store: Store, victims: Victims, show: Show) -> Outcome:
        """As in a process; the records say where it claims to be."""
        self.done += [job.key for job in preview(spec, store).plan.jobs if not store.has(job.key)]
        outcome = super().execute(spec, store, victims, show)
        said = [r.model_copy(update={"isolation": self.isolation}) for r in outcome.records]
        return replace(outcome, records=said)


def quiet(*_: object) -> Any:
    """No display."""
    return Silent()


def submitted(made: Path, seeds: int = 3) -> Path:
    """With evidence of this many seeds."""
    done = bench("submit", made, *TINY, "--seeds", seeds)
    assert done.code == 0, done
    return made


def records(made: Path) -> list[Path]:
    return sorted((made / "evidence" / "records").glob("*.json"))


def change(path: Path, **fields: Any) -> None:
    """Rewrite a record with other fields of its cell or its own; its id and file fit again."""
    record = read(path)
    cell = record.cell.model_copy(update=fields.pop("cell", {}))
    changed = record.model_copy(update={"cell": cell, "id": cell.id, **fields})
    path.unlink()
    path.with_name(f"{changed.id}.json").write_bytes(to_json(changed))


def details(done: Done, status: str) -> str:
    return "\n".join(
        f"{i['what']}: {i['detail']}" for i in done.json["items"] if i["status"] == status
    )


def in_container(made: Path, isolation: Isolation = PINNED, **wanted: Any) -> Verification:
    """What a verification in containers would say."""
    asked = Wanted(store=Store(Path("store")), **wanted)
    return verify.verify(folder.read(made), asked, Contained(isolation), quiet)
