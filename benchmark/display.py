"""What `bench run` shows in the terminal: the plan, the progress, the failures."""

from __future__ import annotations

import time
from types import TracebackType

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    Progress,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

from benchmark.arena.tally import Tally
from benchmark.leaderboard.table import steps as short
from benchmark.runs.executors.executor import Failure
from benchmark.runs.job import Job
from benchmark.runs.run import Preview
from benchmark.runs.spec import RunSpec

RECENT = 0.8
"""Weight of the past in the shown win rate and speed."""


def show_plan(console: Console, spec: RunSpec, preview: Preview, isolation: str) -> None:
    """What will be done, where, and about how long it takes, before anything starts."""
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    seat = spec.game.adversary_seat
    table.add_row("game", f"{spec.game.title} ({spec.game.id}), adversary {seat}")
    table.add_row("victims", ", ".join(spec.victims))
    table.add_row("attacks", ", ".join(a.method.label for a in spec.attacks))
    against = (*spec.defenses, *spec.detectors)
    table.add_row("defenses", ", ".join(d.method.label for d in against) or "none")
    budget = f"{short(spec.budget_steps)} steps a training, {spec.episodes} episodes a pairing"
    table.add_row("tier", f"{spec.tier}: {budget}, {len(spec.seeds)} seed(s)")
    kinds: list[str] = [job.kind for job in preview.plan.jobs]
    told = {"attack": "attacks", "harden": "hardenings", "play": "pairings"}
    counts = [f"{kinds.count(kind)} {name}" for kind, name in told.items()]
    looks = kinds.count("detect") + kinds.count("split")
    done = f"; {preview.done} already in the store" if preview.done else ""
    table.add_row("jobs", ", ".join([*counts, *([f"{looks} looks"] if looks else [])]) + done)
    table.add_row("expected", _duration(preview.seconds))
    table.add_row("isolation", Text(isolation))
    if preview.in_process and isolation.startswith("container"):
        table.add_row("", f"{preview.in_process} finished training(s) were done in a process, and "
            "are taken as they are; another --store does them in containers",
        )  # fmt: skip
    console.print(table)
    console.print()


def show_failures(console: Console, failures: list[Failure]) -> None:
    """Each job that failed, with its reason."""
    for failure in failures:
        line = f" {failure.label}: {failure.message} ({failure.kind})"
        console.print(Text.assemble(("failed", "red"), line), soft_wrap=True)
        for text in (failure.trace, "\n".join(failure.log)):
            if text:
                console.print(text, style="dim", markup=False)


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"about {max(1, round(seconds))} s"
    return f"about {seconds / 60:.0f} min" if seconds < 5400 else f"about {seconds / 3600:.1f} h"


class Silent:
    """No display: for --json."""

    def start(self, job: Job) -> None:
        """Nothing."""

    def step(self, job: Job, steps: int, tally: Tally) -> None:
        """Nothing."""

    def finish(self, job: Job, failure: Failure | None) -> None:
        """Nothing."""


class Live:
    """A bar for the whole run and one for the training at hand, with win rate and speed."""

    def __init__(self, console: Console, jobs: list[Job]):
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[facts]}"),
            TimeRemainingColumn(compact=True),
            console=console,
        )
        self._all = self._progress.add_task("all jobs", total=_cost(jobs), facts=f"0/{len(jobs)}")
        self._count, self._done = len(jobs), 0
        self._console = console
        self._task: TaskID | None = None

    def __enter__(self) -> Live:
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._progress.stop()

    def start(self, job: Job) -> None:
        """A bar for the job."""
        self._task = self._progress.add_task(
            escape(job.label), total=max(1, job.budget_steps), facts=""
        )
        self._steps, self._speed = 0, 0.0
        self._rate: float | None = None
        self._at = time.perf_counter()

    def step(self, job: Job, steps: int, tally: Tally) -> None:
        """Advance the bars; show the recent win rate and speed."""
        assert self._task is not None
        now = time.perf_counter()
        fresh, elapsed = steps - self._steps, now - self._at
        self._steps, self._at = steps, now
        if tally.episodes:
            rate = tally.win_rate
            self._rate = rate if self._rate is None else RECENT * self._rate + (1 - RECENT) * rate
            speed = fresh / max(elapsed, 1e-9)
            self._speed = speed if not self._speed else RECENT * self._speed + (1 - RECENT) * speed
        rate_text = "" if self._rate is None else f"{100 * self._rate:5.1f} % won  "
        self._progress.update(
            self._task, completed=steps, facts=f"{rate_text}{short(round(self._speed))} steps/s"
        )
        self._progress.update(self._all, advance=fresh)

    def finish(self, job: Job, failure: Failure | None) -> None:
        """Close the job's bar; a line for every training."""
        self._done += 1
        self._progress.update(self._all, facts=f"{self._done}/{self._count}")
        if self._task is None:
            self._progress.update(self._all, advance=_cost([job]))
            return
        self._progress.update(self._all, advance=max(0, _cost([job]) - self._steps))
        self._progress.remove_task(self._task)
        self._task = None
        if failure is None and job.kind in ("attack", "harden"):
            rate = "" if self._rate is None else f", {100 * self._rate:.0f} % of late matches won"
            self._console.print(Text.assemble(("done", "green"), f" {job.label}{rate}"))


PLAY_COST = 60_000
"""What a pairing counts for in the bar of the whole run, in training steps."""


def _cost(jobs: list[Job]) -> int:
    return sum(job.budget_steps or PLAY_COST for job in jobs)
