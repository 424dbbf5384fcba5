"""What every registered game must keep to, whatever its rules."""

from __future__ import annotations

from typing import Any, get_args

import numpy as np
import pytest
from pydantic import ValidationError

from benchmark import registry
from benchmark.games.game import VOID, BadAction, Game, Outcome, Step, Tier, result_for
from benchmark.seeding import EpisodeSeeds

NAMES = registry.games.names()
MATCHES, SEED = 4, 11
pytestmark = pytest.mark.parametrize("name", NAMES)


def make(name: str, matches: int = MATCHES) -> Game:
    """A batch of matches of a registered game."""
    return registry.game(name)(matches)


def random_actions(game: Game, rng: np.random.Generator) -> tuple[Any, Any]:
    """Uniform actions (N, act_dim) float32 of both seats, inside their boxes."""
    left, right = (
        rng.uniform(-s.act_bound, s.act_bound, (game.matches, s.act_dim)).astype(np.float32)
        for s in game.card.seats
    )
    return left, right


def play(game: Game, steps: int, seed: int = 0) -> list[Step]:
    """Steps of random play, the same for the same seed."""
    rng = np.random.default_rng(seed)
    return [game.step(random_actions(game, rng)) for _ in range(steps)]


def until_all_ended(game: Game, seed: int = 0) -> list[Step]:
    """Random play until every match has ended once, within the card's longest match."""
    rng, steps, ended = np.random.default_rng(seed), [], np.zeros(game.matches, dtype=bool)
    while not ended.all():
        steps.append(game.step(random_actions(game, rng)))
        ended[steps[-1].finished] = True
        assert len(steps) <= game.card.max_steps
    return steps


def flat(step: Step) -> list[np.ndarray]:
    """All arrays of a step."""
    return [*step.obs, *step[1:5], *step.final_obs]


def assert_same(a: list[Step], b: list[Step]) -> None:
    """Two courses equal in every number."""
    for x, y in zip(a, b, strict=True):
        assert all(np.array_equal(p, q) for p, q in zip(flat(x), flat(y), strict=True))


# --- the card ------------------------------------------------------------------------------


def test_card_names_the_game_and_its_two_seats(name):
    card = make(name).card
    assert card == registry.game(name).describe()
    assert card.id == name
    first, second = (seat.name for seat in card.seats)
    assert first != second
    assert [card.seat_index(first), card.seat_index(second)] == [0, 1]
    assert [card.opposite(first).name, card.opposite(second).name] == [second, first]
    assert card.victim_seat.name != card.adversary_seat
    assert card.adversary_seat in (first, second)
    assert card.title
    assert card.rules


def test_card_says_how_a_match_ends_and_what_it_may_cost(name):
    card = make(name).card
    assert len(card.endings) == len(set(card.endings)) > 0
    assert all(ending.isidentifier() for ending in card.endings)
    assert card.max_steps > 0
    assert card.training_speed > 0
    budgets = [card.budgets[tier] for tier in get_args(Tier)]
    assert budgets == sorted(budgets)
    assert budgets[0] > 0


def test_views_lie_within_the_observation_and_apart(name):
    for seat in make(name).card.seats:
        views = (seat.own_view, seat.other_view)
        assert all(0 <= start < stop <= seat.obs_dim for start, stop in views)
        assert len(seat.other_at_start) == seat.other_view[1] - seat.other_view[0]
        (a, b), (c, d) = sorted(views)
        assert a < b <= c < d
        assert seat.act_dim > 0
        assert seat.act_bound > 0


def test_the_other_s_place_is_a_part_of_what_is_seen_of_it(name):
    for seat in make(name).card.seats:
        assert seat.other_place is None or set(seat.other_place) < set(range(*seat.other_view))


def test_options_are_frozen_and_stand_on_the_card(name):
    kind = registry.game(name)
    options = kind.Options()
    assert kind.describe(options).options == options.model_dump()
    assert kind.Options.model_config.get("frozen")
    with pytest.raises(ValidationError):
        kind.Options(no_such_option=1)


def test_seats_of_a_symmetric_game_have_one_shape(name):
    card = make(name).card
    if card.symmetric:
        shapes = {(s.obs_dim, s.act_dim, s.act_bound) for s in card.seats}
        assert len(shapes) == 1


# --- reset and step ------------------------------------------------------------------------


@pytest.mark.parametrize("matches", [1, MATCHES])
def test_reset_gives_both_seats_their_observations(name, matches):
    game = make(name, matches)
    obs = game.reset(EpisodeSeeds(SEED, matches))
    for o, seat in zip(obs, game.card.seats, strict=True):
        assert (o.shape, o.dtype) == ((matches, seat.obs_dim), np.float32)
        assert np.isfinite(o).all()
    assert (game.episode_seed.shape, game.episode_seed.dtype) == ((matches,), np.uint64)
    assert game.episode_step.tolist() == [0] * matches


def test_the_other_starts_where_the_card_says(name):
    """A mask puts `other_at_start` in its place: it must be the mean of what is seen there.

    Every entry may jitter by .1; a game may place the other's x and y further about.
    """
    matches = 256
    game = make(name, matches)
    for o, seat in zip(game.reset(EpisodeSeeds(SEED, matches)), game.card.seats, strict=True):
        away = o[:, slice(*seat.other_view)] - np.array(seat.other_at_start)
        assert (np.abs(away.mean(axis=0)) <= 5.0 * away.std(axis=0) / matches**0.5 + 1e-6).all()
        assert (np.abs(away) <= 0.1 + 1e-6).all(axis=0)[2:].all()


@pytest.mark.parametrize("matches", [1, MATCHES])
def test_steps_have_the_promised_shapes_and_types(name, matches):
    game = make(name, matches)
    game.reset(EpisodeSeeds(SEED, matches))
    for step in until_all_ended(game):
        ended = len(step.finished)
        for o, final, seat in zip(step.obs, step.final_obs, game.card.seats, strict=True):
            assert (o.shape, o.dtype) == ((matches, seat.obs_dim), np.float32)
            assert (final.shape, final.dtype) == ((ended, seat.obs_dim), np.float32)
            assert np.isfinite(o).all()
            assert np.isfinite(final).all()
        assert (step.outcome.shape, step.outcome.dtype) == ((matches,), np.int8)
        assert (step.ending.shape, step.ending.dtype) == ((matches,), np.int8)
        assert (step.dense.shape, step.dense.dtype) == ((matches, 2), np.float32)
        assert set(step.outcome.tolist()) <= set(Outcome)
        assert np.issubdtype(step.finished.dtype, np.integer)
        assert 0 <= step.ending.min() <= step.ending.max() < len(game.card.endings)


def test_finished_matches_restart_and_only_they(name):
    game = make(name)
    game.reset(EpisodeSeeds(SEED, MATCHES))
    rng, restarts = np.random.default_rng(0), 0
    while restarts < 2 * MATCHES:
        seeds, steps = game.episode_seed.copy(), game.episode_step.copy()
        step = game.step(random_actions(game, rng))
        ended = step.outcome != Outcome.RUNNING
        assert np.array_equal(step.finished, np.flatnonzero(ended))
        assert np.array_equal(game.episode_seed != seeds, ended)
        assert np.array_equal(game.episode_step, np.where(ended, 0, steps + 1))
        restarts += len(step.finished)


def test_a_restarted_match_is_the_match_of_its_seed(name):
    game = make(name)
    game.reset(EpisodeSeeds(SEED, MATCHES))
    step = until_all_ended(game)[-1]
    row = int(step.finished[0])
    fresh = make(name, 1)
    obs = fresh.reset(EpisodeSeeds(0, 1, [[int(game.episode_seed[row])]]))
    for seen, alone in zip(step.obs, obs, strict=True):
        assert np.array_equal(seen[row], alone[0])


def test_final_observations_are_the_last_of_the_match_that_ended(name):
    game = make(name)
    seen, checked = game.reset(EpisodeSeeds(SEED, MATCHES)), 0
    for step in until_all_ended(game):
        for k, row in enumerate(step.finished):
            for seat in (0, 1):
                final = step.final_obs[seat][k]
                assert not np.array_equal(final, step.obs[seat][row])  # not the new match's
                assert not np.array_equal(final, seen[seat][row])  # nor what was seen before
            checked += 1
        seen = step.obs
    assert checked >= MATCHES


def test_steps_own_their_arrays(name):
    game = make(name)
    start = game.reset(EpisodeSeeds(SEED, MATCHES))
    kept = [o.copy() for o in start]
    first = play(game, 1)[0]
    copies = [a.copy() for a in flat(first)]
    play(game, 20, seed=1)
    assert all(np.array_equal(a, b) for a, b in zip(start, kept, strict=True))
    assert all(np.array_equal(a, b) for a, b in zip(flat(first), copies, strict=True))


def test_actions_are_clipped_to_the_box_and_left_alone(name):
    clipped, beyond = make(name), make(name)
    clipped.reset(EpisodeSeeds(SEED, MATCHES))
    beyond.reset(EpisodeSeeds(SEED, MATCHES))
    bounds = [seat.act_bound for seat in clipped.card.seats]
    rng = np.random.default_rng(2)
    for _ in range(30):
        wild = [10.0 * a for a in random_actions(beyond, rng)]
        tame = [np.clip(a, -b, b).astype(np.float32) for a, b in zip(wild, bounds, strict=True)]
        kept = [a.copy() for a in wild]
        assert_same([beyond.step((wild[0], wild[1]))], [clipped.step((tame[0], tame[1]))])
        assert all(np.array_equal(a, b) for a, b in zip(wild, kept, strict=True))


@pytest.mark.parametrize("seat", [0, 1])
def test_each_seat_moves_by_its_own_action(name, seat):
    def course(push: float) -> list[Step]:
        game = make(name)
        game.reset(EpisodeSeeds(SEED, MATCHES))
        actions = [np.zeros((MATCHES, s.act_dim), dtype=np.float32) for s in game.card.seats]
        actions[seat][:] = push * game.card.seats[seat].act_bound
        return [game.step((actions[0], actions[1])) for _ in range(5)]

    start, stop = make(name).card.seats[seat].own_view
    still, moved = course(0.0)[-1].obs[seat], course(0.5)[-1].obs[seat]
    assert (still[:, start:stop] != moved[:, start:stop]).any(axis=1).all()


def test_outcomes_are_one_sides_gain_and_the_others_loss(name):
    outcome = np.array(list(Outcome), dtype=np.int8)
    assert result_for(0, outcome).tolist() == [0, 1, -1, 0, VOID]  # a void is nobody's, no tie
    assert result_for(1, outcome).tolist() == [0, -1, 1, 0, VOID]
    assert VOID not in (-1, 0, 1)
    assert make(name).card.seat_index(make(name).card.seats[1].name) == 1


@pytest.mark.parametrize("seat", [0, 1])
@pytest.mark.parametrize("poison", [np.nan, np.inf, -np.inf])
def test_an_action_that_is_no_number_is_refused_and_changes_nothing(name, seat, poison):
    game = make(name)
    game.reset(EpisodeSeeds(SEED, MATCHES))
    before = game.state()
    actions = [np.zeros((MATCHES, s.act_dim), dtype=np.float32) for s in game.card.seats]
    actions[seat][2, 0] = poison
    with pytest.raises(BadAction, match=f"seat '{game.card.seats[seat].name}' acted with NaN"):
        game.step((actions[0], actions[1]))
    assert all(np.array_equal(before[key], value) for key, value in game.state().items())


@pytest.mark.parametrize("seat", [0, 1])
def test_actions_of_another_shape_are_refused(name, seat):
    game = make(name)
    game.reset(EpisodeSeeds(SEED, MATCHES))
    actions = [np.zeros((MATCHES, s.act_dim), dtype=np.float32) for s in game.card.seats]
    actions[seat] = actions[seat][:, :1]
    with pytest.raises(BadAction, match="expected actions"):
        game.step((actions[0], actions[1]))


# --- determinism ---------------------------------------------------------------------------


def test_same_seed_same_course_and_another_seed_another(name):
    courses = []
    for seed in (SEED, SEED, SEED + 1):
        game = make(name)
        game.reset(EpisodeSeeds(seed, MATCHES))
        courses.append(play(game, 150))
    assert_same(courses[0], courses[1])
    first, other = courses[0][0].obs[0], courses[2][0].obs[0]
    assert not np.array_equal(first, other)


def test_reset_forgets_what_was_played(name):
    game, fresh = make(name), make(name)
    game.reset(EpisodeSeeds(SEED + 1, MATCHES))
    play(game, 70, seed=3)
    for each in (game, fresh):
        each.reset(EpisodeSeeds(SEED, MATCHES))
    assert_same(play(game, 80), play(fresh, 80))


def test_a_match_does_not_depend_on_those_beside_it(name):
    listed = [[10 * i + k for k in range(1, 9)] for i in range(MATCHES)]
    together, alone = make(name), make(name, 1)
    together.reset(EpisodeSeeds(0, MATCHES, listed))
    alone.reset(EpisodeSeeds(5, 1, listed[2:3]))
    rng = np.random.default_rng(4)
    for _ in range(150):
        actions = random_actions(together, rng)
        batch = together.step(actions)
        single = alone.step((actions[0][2:3], actions[1][2:3]))
        for a, b in zip([*batch.obs, *batch[1:4]], [*single.obs, *single[1:4]], strict=True):
            assert np.array_equal(a[2], b[0])


def test_a_restored_game_continues_exactly(name):
    game, seeds = make(name), EpisodeSeeds(SEED, MATCHES)
    game.reset(seeds)
    last = play(game, 40)[-1]
    saved, drawn = game.state(), seeds.drawn.copy()
    at = game.episode_seed.copy(), game.episode_step.copy()
    course = play(game, 120, seed=5)
    resumed, resumed_seeds = make(name), EpisodeSeeds(SEED, MATCHES)
    resumed_seeds.drawn[:] = drawn
    obs = resumed.restore(saved, resumed_seeds)
    assert all(np.array_equal(a, b) for a, b in zip(obs, last.obs, strict=True))
    assert np.array_equal(resumed.episode_seed, at[0])
    assert np.array_equal(resumed.episode_step, at[1])
    assert_same(course, play(resumed, 120, seed=5))
    assert np.array_equal(game.episode_seed, resumed.episode_seed)
    assert np.array_equal(game.episode_step, resumed.episode_step)
