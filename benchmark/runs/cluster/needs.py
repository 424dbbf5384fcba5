"""What a job declares that it takes of a node, and whether any node has that."""

from __future__ import annotations

from collections.abc import Iterable
from math import inf

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from benchmark.errors import Misuse, first_problem
from benchmark.runs.job import Job

TRAINING_MIB = 2048
"""Of a training in a process: one in MuJoCo was seen to take 730 at its peak, one in Pong 610."""
CONTAINED_MIB = 4096
"""Of a training in containers: what its contestant's may take."""
LOOK_MIB = 1024
"""Of a job that trains nothing; a process with torch loaded has 280 before it does anything."""


class Needs(BaseModel):
    """What the scheduler sets aside for a job while it runs."""

    model_config = ConfigDict(frozen=True)

    cpus: int = Field(ge=1)
    memory_mib: int = Field(ge=1)
    gpus: float = Field(default=0.0, ge=0)

    def __str__(self) -> str:
        gpus = f" and {self.gpus:g} GPU(s)" if self.gpus else ""
        return f"{self.cpus} CPU(s), {self.memory_mib} MiB{gpus}"


class Room(BaseModel):
    """What a node has, and how it is called."""

    model_config = ConfigDict(frozen=True)

    id: str
    name: str
    cpus: float = 0.0
    memory_mib: float = 0.0
    gpus: float = 0.0

    def times(self, needs: Needs) -> int:
        """How many such jobs it holds at once."""
        gpus = self.gpus / needs.gpus if needs.gpus else inf
        return int(min(self.cpus / needs.cpus, self.memory_mib / needs.memory_mib, gpus))

    def __str__(self) -> str:
        return f"{self.name}: {self.cpus:g} CPU(s), {self.memory_mib:.0f} MiB, {self.gpus:g} GPU(s)"


class Demand(BaseModel):
    """What `--need` asks for each training; what it does not name is this module's default."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    cpus: int | None = Field(default=None, ge=1)
    memory_mib: int | None = Field(default=None, ge=1)
    gpus: float = Field(default=0.0, ge=0)

    @classmethod
    def parse(cls, given: Iterable[str]) -> Demand:
        """Of KEY=VALUE; raises Misuse."""
        pairs = dict(text.partition("=")[::2] for text in given)
        try:
            return cls.model_validate({key.replace("-", "_"): pairs[key] for key in pairs})
        except ValidationError as error:
            raise Misuse(
                f"--need: expected cpus=N, memory-mib=N or gpus=N; {first_problem(error)}"
            ) from error

    def of(self, job: Job, threads: int, *, contained: bool) -> Needs:
        """A job's needs. Only trainings are worth more than the least."""
        if not job.budget_steps:
            return Needs(cpus=threads, memory_mib=LOOK_MIB)
        return Needs(
            cpus=self.cpus or threads,
            memory_mib=self.memory_mib or (CONTAINED_MIB if contained else TRAINING_MIB),
            gpus=self.gpus,
        )


def check_room(needs: dict[str, Needs], rooms: list[Room]) -> None:
    """Raise Misuse where a job (by label) would wait for ever: no node has what it needs."""
    for label, needed in needs.items():
        if not any(room.times(needed) for room in rooms):
            raise Misuse(
                f"'{label}' needs {needed}, and no node has that ({'; '.join(map(str, rooms))}): "
                "ask for less with --need or --threads, or add a node"
            )
