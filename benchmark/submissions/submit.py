"""`bench submit`: a submission's contract, a small run, and what a pull request still needs."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmark.errors import CheckFailed, Misuse
from benchmark.evaluation.protocol import RANKED_VICTIMS
from benchmark.games.game import Tier
from benchmark.policies.policy import ANY
from benchmark.records.record import Record
from benchmark.records.store import Store
from benchmark.registry import Victims, attacks, game
from benchmark.runs.plan import Plan, make_plan
from benchmark.runs.spec import BLACK_BOX, WHITE_BOX, RunSpec, check_budget, resolve_run
from benchmark.submissions import checklist, evidence
from benchmark.submissions.checklist import Item, failed, passed, to_do
from benchmark.submissions.contract import Check
from benchmark.submissions.folder import Submission
from benchmark.submissions.manifest import FILE, TODO, Manifest
from benchmark.submissions.measures import told
from benchmark.submissions.names import module_of
from benchmark.submissions.runners import Runner, Show


@dataclass(frozen=True)
class Asked:
    """What the command line says about the run."""

    store: Store
    tier: Tier = "smoke"
    seeds: int | None = None
    budget: int | None = None
    victims: Sequence[str] = ()
    against: str = "baseline"
    """The attack that a defense or a detector is tried on."""
    command: str = "bench submit"


@dataclass
class Report:
    """What came of it."""

    sha256: str
    items: list[Item] = field(default_factory=list)
    records: list[Record] = field(default_factory=list)
    flags: list[str] = field(default_factory=list)


def submit(submission: Submission, asked: Asked, runner: Runner, show: Show) -> Report:
    """Check the folder, the contract and a run on every game, and file what the run made.

    Raises:
        Misuse: the command asks for what there is not.
        InfrastructureError: a requirement is not to be had, or the store cannot be used.
    """
    _check(asked, submission.manifest)
    runner.ready(submission)
    report = Report(submission.sha256, list(_paperwork(submission)))
    step = "the method loads"
    try:
        with runner.knowing(submission) as kind:
            report.items.append(passed(step, submission.manifest.entry))
            step = "contract and run"
            _try_out(submission, kind, asked, runner, show, report)
    except CheckFailed as error:
        report.items.append(failed(step, str(error)))
    report.items += _remaining(submission, asked, runner)
    return report


def _check(asked: Asked, about: Manifest) -> None:
    """Raise Misuse for what the run could not do, before the contract takes its time."""
    if about.kind != "attack":
        attacks.load(asked.against)
    if asked.budget is not None:
        check_budget(asked.budget)
    for name in about.games:
        known = victims_of(name, asked.victims, asked.store)
        for victim in asked.victims:
            known.load(victim)


def _paperwork(submission: Submission) -> Iterator[Item]:
    """What can be told from the files alone."""
    about = submission.manifest
    yield passed(
        FILE,
        f"{about.kind} '{about.name}', {about.track}, {about.licence}, "
        f"{about.configurations_tried} configuration(s) tried",
    )
    open_fields = [
        name for name in ("authors", "paper") if TODO in str(getattr(about, name))
    ]  # as the template left them
    if open_fields:
        yield failed(FILE, f"still {TODO}: {', '.join(open_fields)}")
    readme = submission.files.get("README.md", b"")
    if not readme.strip():
        yield failed("README.md", "missing: what the method is, and what was tried")
    elif TODO.encode() in readme:
        yield failed("README.md", f"still has a {TODO}")
    else:
        yield passed("README.md")
    test = f"test_{module_of(about.name)}.py"
    if test in submission.files:
        yield to_do("its own test", f"python -m pytest {submission.folder}")
    else:
        yield failed("its own test", f"{test} is missing")
    pinned = ", ".join(text.split(" ")[0] for text in about.requirements) or "none"
    yield passed("requirements at hand as pinned", pinned)


def _try_out(
    submission: Submission, kind: Any, asked: Asked, runner: Runner, show: Show, report: Report
) -> None:
    """The contract and the run on every game."""
    plans: list[Plan] = []
    papers = checklist.failures(report.items)
    store = own_store(submission, asked.store)
    for name in submission.manifest.games:
        found = runner.contract(submission, kind, name)
        broken = [one for one in found if not one.passed]
        report.items += _broken(name, broken)
        if broken:
            report.items.append(to_do(f"run on {name}", "after the contract holds"))
            continue
        report.items.append(passed(f"contract on {name}", f"{len(found)} checks"))
        if papers:  # what is mended there changes the content, and all would be trained again
            report.items.append(to_do(f"run on {name}", f"after this is mended: {papers[0].what}"))
            continue
        victims = victims_of(name, asked.victims, asked.store)
        if not victims.cards(name):
            report.items.append(_no_victim(name))
            continue
        plans.append(_run(submission, name, victims, asked, runner, show, report, store))
    if plans and not checklist.failures(report.items):
        evidence.write(submission, store, plans, report.records)
        report.items.append(passed("records and policies", str(submission.evidence)))
    if not plans and not checklist.failures(report.items):
        report.items.append(failed("a run", "no game had a victim to run on"))


def _broken(name: str, checks: Sequence[Check]) -> list[Item]:
    """Checks that do not pass, one item for those that say the same."""
    by_detail: dict[str, list[str]] = {}
    for one in checks:
        by_detail.setdefault(one.detail, []).append(one.what)
    return [
        failed(f"contract on {name}: {first}" + (f", and {len(more)} more" if more else ""), detail)
        for detail, (first, *more) in by_detail.items()
    ]


def _run(
    submission: Submission, name: str, victims: Victims, asked: Asked, runner: Runner, show: Show,
    report: Report, store: Store,
) -> Plan:  # fmt: skip
    spec = spec_of(submission.manifest, name, victims, asked)
    outcome = runner.execute(spec, store, victims, show)
    what = f"tier {asked.tier} on {name}"
    for failure in (one for one in outcome.failures if not one.blocked):
        cause = [*map(str.strip, failure.log[-3:]), *crash_places(failure.trace)]
        told_of = f"{failure.label}: {failure.message} ({failure.kind})"
        report.items.append(failed(what, "; ".join([told_of, *cause])))
    if not outcome.failures:
        shown = told(submission.manifest, outcome.records)
        item = passed(what, shown) if shown else failed(what, "the run made no record of it")
        report.items.append(item)
    report.records += outcome.records
    report.flags += [f"{name}: {flag}" for one in outcome.records for flag in one.flags]
    return make_plan(spec)


def crash_places(trace: str) -> list[str]:
    """The last line of a method's code that a traceback names: 'at m.py:7, in train'."""
    named = re.findall(r'^ *File "([^"]+)", line (\d+), in (\S+)', trace, re.MULTILINE)
    return [f"at {Path(file).name}:{line}, in {function}" for file, line, function in named[-1:]]


def spec_of(about: Manifest, name: str, victims: Victims, asked: Asked) -> RunSpec:
    """The run of a submission on a game, with its own defaults.

    Raises:
        Misuse: it takes none of the victims, or not one that was asked for.
    """
    shipped = [] if asked.victims else _chosen(name)
    taken = [one for one in shipped if refusal(about, name, victims, asked, one) is None]
    return _spec(about, name, victims, asked, list(asked.victims) or taken or shipped)


def refusal(
    about: Manifest, name: str, victims: Victims, asked: Asked, victim: str
) -> Misuse | None:
    """Why there is no run of a submission on one victim, say of a kind that it does not read."""
    try:
        _spec(about, name, victims, asked, [victim])
    except Misuse as error:
        return error
    return None


def _spec(
    about: Manifest, name: str, victims: Victims, asked: Asked, victim_names: list[str]
) -> RunSpec:
    own = about.kind == "attack"
    return resolve_run(
        victims=victims,
        game_name=name,
        victim_names=victim_names,
        attack_names=[about.name if own else asked.against],
        defense_names=[] if own else [about.name],
        seeds=asked.seeds,
        tier=asked.tier,
        budget=asked.budget,
        settings={},
        command=asked.command,
        track=WHITE_BOX if own and about.track == WHITE_BOX else BLACK_BOX,
    )


def victims_of(name: str, asked: Sequence[str], store: Store) -> Victims:
    """Shipped victims alone, so that anybody can replay the run; imported ones where asked for."""
    shipped = Victims()
    known = shipped.cards(name)
    return shipped if known and set(asked) <= known.keys() else Victims(store.victims)


def own_store(submission: Submission, store: Store) -> Store:
    """A store of this very content: a job's key knows a method's version, not its code."""
    name = f"{submission.manifest.name}-{submission.sha256[:16]}"
    return Store(store.root / "submissions" / name)


def _chosen(name: str) -> list[str]:
    """Every ranked shipped victim of a game that sits opposite the adversary."""
    card = game(name).describe()
    seat = card.victim_seat.name
    shipped = Victims().cards(name).items()
    return [victim for victim, its in shipped if its.ranked and its.seat in (ANY, seat)]


def _no_victim(name: str) -> Item:
    return to_do(
        f"run on {name}", "no victim of it is shipped; `bench victims import PATH`, then again"
    )


def _ranking(again: str, about: Manifest) -> str:
    """The command whose records can be ranked: against the victims that ranks are over.

    A named victim is one of every game of a submission, so several games name none.
    """
    alone = about.kind == "attack" and len(about.games) == 1
    victims = RANKED_VICTIMS.get(about.games[0], {}) if alone else {}
    named = "".join(f" --victim {victim}" for victim in victims)
    absent = ", ".join(sorted(victims.keys() - Victims().cards().keys()))
    imported = f", after `bench victims import` of {absent} (README.md)" if absent else ""
    return f"{again} --tier full{named}{imported}"


def _remaining(submission: Submission, asked: Asked, runner: Runner) -> Iterator[Item]:
    """What a pull request needs that this run cannot have shown."""
    again = f"bench submit {submission.folder}"
    if asked.tier != "full" or asked.budget is not None:
        yield to_do("results that are ranked", _ranking(again, submission.manifest))
    if not submission.manifest.paper.startswith("none"):
        yield to_do(
            "departures from the paper", "each a comment `# Departs from ...` where it acts, and a "
            "row in docs/fidelity.md",
        )  # fmt: skip
    yield to_do("the evidence", f"commit {submission.evidence}: nothing is verified without it")
    if not runner.isolation.enforced:
        yield to_do("runs that are enforced", f"{again} --isolation container, in the pinned image")
    yield to_do("a level above 0", f"bench verify {submission.folder}, by the maintainers")
