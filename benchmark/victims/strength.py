"""How strong a victim is: matches from its seat against whoever of its game is at hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tabulate import tabulate

from benchmark.evaluation.matches import episode_list, play
from benchmark.games.game import Game, GameCard
from benchmark.policies.policy import ANY, NetworkPolicy, Policy, PolicyCard, Standing

EPISODES = 1000
"""Matches a pairing: a rate of one half is then known to three points either way."""
LIST = 1
"""The seed of the matches' list: not the protocol's own, which no choice should have seen."""


def strength(
    policy: Policy, game: Game, opponents: Mapping[str, Policy], episodes: int = EPISODES
) -> dict[str, Standing]:
    """Wins, ties and losses of a policy against each opponent, by name.

    game: a batch of `EVALUATION_MATCHES` matches, so that inference rounds alike everywhere.

    Raises:
        CheckFailed: too many matches were void.
    """
    seat = seat_of(policy.card, game.card)
    seeds = episode_list(game.card.id, episodes, LIST)
    found = {}
    for name, opponent in opponents.items():
        pair = (policy, opponent) if game.card.seat_index(seat) == 0 else (opponent, policy)
        tally = play(game, pair, seat, seeds).total
        tally.check_voids()
        found[name] = Standing(wins=tally.wins, ties=tally.ties, losses=tally.losses)
    return found


def seat_of(policy: PolicyCard, game: GameCard) -> str:
    """The seat that a policy is judged in: the victim's, where it plays either."""
    victims = game.victim_seat.name
    return victims if policy.seat == ANY else policy.seat


def opposite(
    policy: PolicyCard, game: GameCard, known: Mapping[str, NetworkPolicy]
) -> dict[str, Policy]:
    """Those of the policies known that can sit opposite one, by name."""
    seat = seat_of(policy, game)
    other = game.opposite(seat).name
    return {name: its for name, its in known.items() if its.card.seat in (ANY, other)}


def rate(standing: Standing) -> float:
    """The share of matches that were won."""
    return standing.wins / (standing.wins + standing.ties + standing.losses)


def strength_tables(cards: Sequence[PolicyCard]) -> str:
    """The strengths of those cards that have some, a table in Markdown for each game."""
    shown = [card for card in cards if card.strength]
    return "\n\n".join(
        _table([card for card in shown if card.game == game])
        for game in sorted({card.game for card in shown})
    )


def _table(cards: Sequence[PolicyCard]) -> str:
    """Of one game: a row a policy, a column an opponent, '-' where they did not meet."""
    opponents = sorted({name for card in cards for name in card.strength})
    rows = [[f"`{card.name}`", *(_cell(card, name) for name in opponents)] for card in cards]
    header = [f"{cards[0].game}, against", *(f"`{name}`" for name in opponents)]
    return tabulate(rows, header, tablefmt="github", disable_numparse=True)


def _cell(card: PolicyCard, opponent: str) -> str:
    standing = card.strength.get(opponent)
    return "-" if standing is None else f"{rate(standing):.2f}"
