"""Findings about attacks on undefended victims: how fast, how far, by which settings."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import stdev

from benchmark.arena.tally import Tally
from benchmark.evaluation.curves import rate_between
from benchmark.evaluation.statistics import student_p
from benchmark.games.game import Tier
from benchmark.leaderboard import beside, scoring
from benchmark.leaderboard.attacked import commonest_win
from benchmark.leaderboard.findings.material import (
    ABOVE,
    NONE,
    OPEN,
    Findings,
    Material,
    Place,
    chance,
    difference,
    points,
    settled,
    side,
    spread,
    verdict,
    whole_attacks,
)
from benchmark.leaderboard.study import Row, area, differences
from benchmark.leaderboard.table import Table, linked, runs_text, steps, steps_text, with_links
from benchmark.records.record import Record

USUAL_SEEDS = 5
"""Of a comparison on Pong; where there are others, their number stands beside it."""
FIRST_SEEDS = 3
"""Seeds that every variant of You Shall Not Pass had before four of them were given more."""
EARLY, LATE = 1_500_000, 3_500_000
"""Where the two half-million-step windows begin in which the baseline's training wins are read."""
USUAL = "ours"
"""Of a study of `ours`, the method as it is unless told otherwise."""
VARIANT = "-axis-bug"
"""What the name of a replication variant ends in, after the victim's that it is a variant of."""


def study(material: Material, place: Place, reference: str) -> Findings:
    """One place's study of attacks: a row a variant, with its differences to the reference."""
    rows = material.attacks[place]
    return _studied(material, rows, f"{place.game}/{place.victim}", reference)


def varied(material: Material, name: str, place: Place, reference: str) -> Findings:
    """The same of a study of `ours` by its name, and the difference of each row to the usual."""
    rows, name = material.varied[name].get(place, ()), f"{name}/{place.victim}"
    made = _studied(material, rows, name, reference)
    usual = [row for row in rows if row.label == USUAL]
    for row in (row for row in rows if usual and row not in usual):
        gain, end = (points(differences(row, usual[0], of)) for of in (area, scoring.win_rate))
        key = f"{name}/{row.label} - {USUAL}"
        made.facts |= {f"{key}/gain": difference(gain), f"{key}/end": difference(end)}
        made.claims |= {f"{key}/gain": verdict(gain), f"{key}/end each seed": side(end)}
    return made


def _studied(material: Material, rows: Sequence[Row], name: str, reference: str) -> Findings:
    """A study's table and facts, which begin with its name."""
    made, base = Findings(), next((r for r in rows if r.label == reference), Row(reference, []))
    table = Table(
        name,
        ["attack", "seeds", "won at the end", "sd", "AUC", f"AUC - {reference}", "p", "to half",
         "won, other physics"],
        words=1,
    )  # fmt: skip
    gains = {row.label: points(differences(row, base, area)) for row in rows}
    gains[reference] = []
    compared = sum(len(gain) > 1 for gain in gains.values())
    for row in rows:
        gain, key = gains[row.label], f"{name}/{row.label}"
        facts = {
            "seeds": str(len(row.records)),
            "wins": spread(points([scoring.win_rate(r) for r in row.records])),
            "sd": _deviation(row.records),
            "auc": spread(points([area(r) for r in row.records])),
            "gain": difference(gain),
            "p": chance(gain),
            "half": steps_text(beside.median_steps(row.records, scoring.EXPLOITED)),
            "replay": spread(points(scoring.rates(row.records, "replay"))),
        }
        if row.records:
            cells = [row.label, *facts.values()]
            table.rows.append(linked(cells, row.records, material.links))
        facts |= {
            "paired": str(len(gain)),
            "p, adjusted": chance(gain, compared),
            "range": spread(gain),
            **_first(row, base, compared),
            "end": difference(end := points(differences(row, base, scoring.win_rate))),
        }
        made.facts |= {f"{key}/{fact}": text for fact, text in facts.items()}
        made.claims[f"{key}/end"] = verdict(end)
        made.claims[f"{key}/gain"] = verdict(gain)
        made.claims[f"{key}/each seed"] = side(gain)
        made.facts[f"{key}/adjusted"] = settled(gain, compared)
        made.claims[f"{key}/sd"] = _against(row.records, base.records)
    made.facts[f"{name}/comparisons"] = str(compared)
    made.tables[name] = with_links(table, material.links)
    return made


def _first(row: Row, base: Row, compared: int) -> dict[str, str]:
    """What the first seeds said, where more were added once they had been seen."""
    gain = points(differences(_of_first(row), _of_first(base), area))
    return {"first seeds/gain": difference(gain), "first seeds/p, adjusted": chance(gain, compared)}


def _of_first(row: Row) -> Row:
    return Row(row.label, [record for record in row.records if record.cell.seed < FIRST_SEEDS])


def won(material: Material, game: str, tier: Tier) -> Findings:
    """What every black-box attack wins from every undefended victim, and in the other physics."""
    made = Findings()
    for row in whole_attacks(material.records, game, tier):
        key = f"won/{game}/{row[0].cell.victim.name}/{row[0].cell.attack.label}"
        made.facts[key] = spread(points([scoring.win_rate(r) for r in row]))
        made.facts[f"{key}/replay"] = spread(points(scoring.rates(row, "replay")))
    return made


def two(material: Material, place: Place, one: str, other: str) -> Findings:
    """Two variants of one place's study against each other, seed by seed."""
    made, key = Findings(), f"{place.game}/{place.victim}/{one} - {other}"
    mine, theirs = (Row(label, _row(material, place, label)) for label in (one, other))
    gain = points(differences(mine, theirs, area))
    made.facts[f"{key}/gain"] = difference(gain)
    made.facts[f"{key}/end"] = difference(points(differences(mine, theirs, scoring.win_rate)))
    made.facts[f"{key}/p"] = chance(gain)
    made.facts[f"{key}/paired"] = str(len(gain))
    made.claims[f"{key}/gain"] = verdict(gain)
    return made


def over_victims(
    material: Material, game: str, reference: str, apart: Sequence[str] = ()
) -> Findings:
    """Differences of AUC to a reference, victim by victim, of one game.

    apart: variants that are left out, being of other settings of PPO than the others.
    """
    made = Findings()
    places = [p for p in material.attacks if p.game == game and _row(material, p, reference)]
    labels = [
        label
        for label in _labels(material, places)
        if label not in (reference, *apart)
        and any(_row(material, place, label) for place in places)
    ]
    table = Table(f"{game} against {reference}", ["victim", *labels], words=1)
    above: dict[str, int] = dict.fromkeys(labels, 0)
    compared: list[list[float]] = []
    for place in places:
        base, texts = Row(reference, _row(material, place, reference)), []
        for label in labels:
            gain = points(differences(Row(label, _row(material, place, label)), base, area))
            above[label] += verdict(gain) == ABOVE
            if len(gain) > 1:
                compared.append(gain)
            text = difference(gain)
            made.facts[f"{game}/{place.victim}/{label} - {reference}"] = text
            made.claims[f"{game}/{place.victim}/{label} - {reference}"] = verdict(gain)
            few = len(gain) not in (0, 1, USUAL_SEEDS)
            texts.append(f"{text} [{len(gain)}]" if few else text)
        table.rows.append([place.victim, *texts])
    made.tables[f"{game} - {reference}"] = table
    made.facts[f"{game}/victims"] = str(len(places))
    made.facts |= _comparisons(f"{game} - {reference}", compared)
    made.claims[f"{game} - {reference}"] = (
        "open throughout" if all(verdict(gain) == OPEN for gain in compared) else "settled in part"
    )
    for label, count in above.items():
        made.facts[f"{game}/above/{label} - {reference}"] = str(count)
    return made


def _comparisons(key: str, compared: Sequence[Sequence[float]]) -> dict[str, str]:
    """How many comparisons there are, how many are settled, and what of it is left of chance."""
    settled = [gain for gain in compared if verdict(gain) != OPEN]
    least = min(compared, key=student_p, default=())
    return {
        f"{key}/comparisons": str(len(compared)),
        f"{key}/settled": str(len(settled)),
        f"{key}/least p": chance(least),
        f"{key}/least p, adjusted": chance(least, len(compared)),
    }


def _labels(material: Material, places: Sequence[Place]) -> list[str]:
    """The variants of these places' studies, in the order of the study."""
    return list(dict.fromkeys(row.label for p in places for row in material.attacks[p]))


def _row(material: Material, place: Place, label: str) -> Sequence[Record]:
    """A variant's records in one place's study; none where it has no such variant."""
    return next((row.records for row in material.attacks[place] if row.label == label), [])


def settings(material: Material, place: Place) -> Findings:
    """The baseline by its settings and budgets, and when it won how much while training."""
    made = Findings()
    table = Table(
        "The baseline's settings",
        ["setting", "value loss x", "runs", "in training, 1.5 to 2 M", "3.5 to 4 M",
         "won at the end", "won, other physics"],
        words=1,
    )  # fmt: skip
    baselines = [r for r in undefended(material, place) if r.cell.attack.name == "baseline"]
    for cells in scoring.rows(baselines):
        config, budget = cells[0].cell.attack.config, cells[0].cell.budget_steps
        preset, weight = str(config["preset"]), str(config["value_weight"])
        wins = spread(points([scoring.win_rate(r) for r in cells]))
        row = [
            preset, weight, runs_text(cells, budget),
            *(spread(points(_in_training(cells, start))) for start in (EARLY, LATE)),
            wins, spread(points(scoring.rates(cells, "replay"))),
        ]  # fmt: skip
        table.rows.append(linked(row, cells, material.links))
        made.facts[f"setting/{preset}/{weight}/{steps(budget)}/wins"] = wins
    table.rows.sort(key=lambda row: row[:3])
    made.tables["settings"] = with_links(table, material.links)
    made.claims["settings/published"] = _slower(baselines)
    return made


def _slower(baselines: Sequence[Record]) -> str:
    """Whether every training of the published setting is behind every one of the tuned."""
    published, tuned = (
        _in_training([r for r in baselines if r.cell.attack.config["preset"] == preset], EARLY)
        for preset in ("published", "tuned")
    )
    if not published or not tuned:
        return NONE
    return "slower throughout" if max(published) < min(tuned) else "not slower throughout"


def _in_training(cells: Sequence[Record], start: int) -> list[float]:
    """The share of each one's training matches won in the half million steps after `start`."""
    found = [rate_between(r.curves["attack"], start, start + 500_000) for r in cells]
    return [rate for rate in found if rate is not None]


def broken(material: Material, game: str) -> Findings:
    """The replication variants of victims, beside the victims that they are variants of."""
    made = Findings()
    scale = ("regular opponents", "random", "zero")
    table = Table(
        "The broken victim",
        ["victim", "attack", "runs", "won at the end", *(f"won by {name}" for name in scale)],
        words=2,
    )
    variants = [r.cell for r in material.records if not r.cell.victim_ranked]
    wanted = {
        (name, cell.attack.label, cell.tier, cell.budget_steps)
        for cell in variants
        for name in (cell.victim.name, cell.victim.name.removesuffix(VARIANT))
    }
    for cells in scoring.rows(
        r
        for r in material.records
        if r.cell.game == game
        and r.cell.defense is None
        and (r.cell.victim.name, r.cell.attack.label, r.cell.tier, r.cell.budget_steps) in wanted
    ):
        cell = cells[0].cell
        wins = spread(points([scoring.win_rate(r) for r in cells]))
        row = [cell.victim.name, cell.attack.label, runs_text(cells, cell.budget_steps), wins]
        both = _opponents_of_both(material.records, game, cell.victim.name.removesuffix(VARIANT))
        regular = Tally.sum(both[cell.victim.name].values())
        texts = (_percent(regular), *(_percent(_floor(cells, name)) for name in scale[1:]))
        others = dict(zip(scale, texts, strict=True))
        table.rows.append(linked([*row, *others.values()], cells, material.links))
        made.facts[f"broken/{cell.victim.name}/{cell.attack.label}/wins"] = wins
        made.facts |= {f"broken/{cell.victim.name}/{name}": won for name, won in others.items()}
        made.facts[f"broken/{cell.victim.name}/opponents"] = str(len(both[cell.victim.name]))
    made.tables["broken"] = with_links(table, material.links)
    return made


def _opponents_of_both(
    records: Sequence[Record], game: str, victim: str
) -> dict[str, dict[str, Tally]]:
    """What the regular opponents that a victim and its variant both met won against either.

    By victim, then by opponent: means over other opponents would be of others' strength too. Of
    each, the record that met most of them.
    """
    met = {
        name: beside.opponents(
            beside.fullest(
                [
                    record
                    for record in records
                    if record.cell.defense is None
                    and (record.cell.game, record.cell.victim.name) == (game, name)
                ],
                "regular",
            )
        )
        for name in (victim, victim + VARIANT)
    }
    common = set.intersection(*map(set, met.values()))
    return {name: {k: won[k] for k in sorted(common)} for name, won in met.items()}


def _floor(cells: Sequence[Record], name: str) -> Tally:
    """What a floor wins against a row's victim."""
    return scoring.pooled(beside.fullest(cells, "floor"), "floor", name)


def _percent(tally: Tally) -> str:
    return f"{100 * tally.win_rate:.1f}" if tally.episodes else "-"


def ways(material: Material, place: Place) -> Findings:
    """How the attacks of a study win most of their matches; whether it is the same for each."""
    made = Findings()
    rows = [row.records for row in material.attacks.get(place, []) if row.records]
    found = [
        commonest_win(Tally.sum(m.tally for r in records for m in r.of_role("attack")))
        for records in rows
    ]
    won = [one for one in found if one is not None]
    how = sorted({name for name, share in won if share > 0.5})
    alike = len(how) == 1 and all(share > 0.5 for _, share in won)
    key = f"ways/{place.game}/{place.victim}"
    made.claims[key] = f"mostly {how[0]}" if alike else "several" if won else NONE
    if won:
        made.facts[f"{key}/least"] = f"{100 * min(share for _, share in won):.0f}"
        made.facts[f"{key}/most"] = f"{100 * max(share for _, share in won):.0f}"
    return made


def undefended(material: Material, place: Place) -> list[Record]:
    """The records of attacks on a place's victim as it is, whatever their tier."""
    return [
        record
        for record in material.records
        if record.cell.defense is None
        and (record.cell.game, record.cell.victim.name) == place
        and record.cell.track == "black-box"
    ]


def _deviation(records: Sequence[Record]) -> str:
    """The standard deviation over seeds of the final win rate, in points."""
    won = points([scoring.win_rate(record) for record in records])
    return f"{stdev(won):.1f}" if len(won) > 1 else "-"


def _against(mine: Sequence[Record], theirs: Sequence[Record]) -> str:
    """Whether final win rates spread more over seeds than the reference's."""
    if min(len(mine), len(theirs)) < 2:
        return NONE
    one, other = (stdev(scoring.win_rate(record) for record in cells) for cells in (mine, theirs))
    return "more than the reference" if one > other else "no more than the reference"
