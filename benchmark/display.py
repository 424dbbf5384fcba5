"""What `bench run` shows in the terminal: the plan, the progress, the failures."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass

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
from benchmark.runs.executors.workers import Workers
from benchmark.runs.job import Job
from benchmark.runs.run import Preview
from benchmark.runs.spec import RunSpec

RECENT = 0.8
"""Weight of the past in the shown win rate and speed."""


def show_plan(
    console: Console, spec: RunSpec, preview: Preview, isolation: str, workers: Workers,
    device: str = "",
) -> None:  # fmt: skip
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
    seconds = duration(preview.seconds / (workers.gain or 1.0))
    table.add_row("expected", seconds if workers.gain else f"{seconds} with one worker")
    table.add_row("workers", Text(workers.note))
    if device:
        table.add_row("device", Text(device))
    table.add_row("isolation", Text(isolation))
    if preview.in_process and isolation.startswith("container"):
        table.add_row("", f"{preview.in_process} finished training(s) were done in a process, and "
            "are taken as they are; another --store does them in containers",
        )  # fmt: skip
    if preview.other_source:
        names = ", ".join(preview.other_source)
        table.add_row("", Text(
            f"finished trainings of {names} were made by another source than it has now, and are "
            "taken as they are; where it gives something else, raise its `version`",
            style="yellow",
        ))  # fmt: skip
    console.print(table)
    console.print()


def show_failures(console: Console, failures: list[Failure]) -> None:
    """Each job that failed, with its reason."""
    blocked = Counter(one.message for one in failures if one.blocked)
    for failure in (one for one in failures if not one.blocked):
        line = f" {failure.label}: {failure.message} ({failure.kind})"
        console.print(Text.assemble(("failed", "red"), line), soft_wrap=True)
        for text in (failure.trace, "\n".join(failure.log)):
            if text:
                console.print(text, style="dim", markup=False)
    for needs, count in blocked.items():
        line = f" {count} job(s), which {needs.replace('needs', 'need', 1)}"
        console.print(Text.assemble(("blocked", "yellow"), line), soft_wrap=True)


def duration(seconds: float) -> str:
    """About how long that is, for people."""
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

    def elsewhere(self, job: Job) -> None:
        """Nothing."""


@dataclass
class _Bar:
    """A job at hand: its bar, and what it shows beside it."""

    task: TaskID
    at: float
    steps: int = 0
    speed: float = 0.0
    rate: float | None = None

    def move(self, steps: int, tally: Tally, now: float) -> None:
        """Get on to `steps`, at a time in seconds."""
        fresh, elapsed = max(0, steps - self.steps), now - self.at
        self.steps, self.at = steps, now
        if tally.episodes:
            rate = tally.win_rate
            self.rate = rate if self.rate is None else RECENT * self.rate + (1 - RECENT) * rate
            speed = fresh / max(elapsed, 1e-9)
            self.speed = speed if not self.speed else RECENT * self.speed + (1 - RECENT) * speed

    @property
    def facts(self) -> str:
        """Win rate, once there is one, and speed."""
        rate = "" if self.rate is None else f"{100 * self.rate:5.1f} % won  "
        return f"{rate}{short(round(self.speed))} steps/s"


class Live:
    """A bar for the whole run and one for every job at hand, with win rate and speed."""

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
        self._bars: dict[str, _Bar] = {}

    def __enter__(self) -> Live:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def start(self, job: Job) -> None:
        """A bar for the job."""
        if job.key in self._bars:  # it was lost, and begins again
            self._drop(job)
        label, total = escape(job.label), max(1, job.budget_steps)
        task = self._progress.add_task(label, total=total, facts="")
        self._bars[job.key] = _Bar(task, time.perf_counter())

    def step(self, job: Job, steps: int, tally: Tally) -> None:
        """Advance the bars; show the recent win rate and speed."""
        bar = self._bars[job.key]
        before = bar.steps
        bar.move(steps, tally, time.perf_counter())
        self._progress.update(bar.task, completed=steps, facts=bar.facts)
        self._progress.update(self._all, advance=steps - before)

    def finish(self, job: Job, failure: Failure | None) -> None:
        """Close the job's bar; a line for every training."""
        self._done += 1
        self._progress.update(self._all, facts=f"{self._done}/{self._count}", advance=_cost([job]))
        if job.key not in self._bars:
            return
        rate = self._drop(job).rate
        if failure is None and job.kind in ("attack", "harden"):
            won = "" if rate is None else f", {100 * rate:.0f} % of late matches won"
            self._console.print(Text.assemble(("done", "green"), f" {job.label}{won}"))

    def elsewhere(self, job: Job) -> None:
        """Say once who does it."""
        self._console.print(Text(f"{job.label}: another run is at it", style="dim"))

    def _drop(self, job: Job) -> _Bar:
        """Take a job's bar away, and what it added to the bar of the whole run."""
        bar = self._bars.pop(job.key)
        self._progress.remove_task(bar.task)
        self._progress.update(self._all, advance=-bar.steps)
        return bar


PLAY_COST = 60_000
"""What a pairing counts for in the bar of the whole run, in training steps."""


def _cost(jobs: list[Job]) -> int:
    return sum(job.budget_steps or PLAY_COST for job in jobs)
