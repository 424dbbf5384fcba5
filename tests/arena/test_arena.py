"""The arena: a vector environment that shows the threat model and nothing more."""

from __future__ import annotations

import io
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode
from pydantic import BaseModel, ConfigDict

from benchmark.arena.arena import Arena
from benchmark.arena.mixture import Mixture
from benchmark.errors import Misuse
from benchmark.games.game import Game, GameCard, Outcome, SeatCard, Step
from benchmark.games.pong import Pong
from benchmark.policies.policy import (
    MLPPolicy,
    Policy,
    PolicyCard,
    RandomPolicy,
    ZeroPolicy,
    expected_shapes,
)
from benchmark.seeding import EpisodeSeeds

INFO = {
    "other_obs", "other_action", "result", "ending", "dense", "member", "final_obs", "_final_obs",
}  # fmt: skip


class DuelOptions(BaseModel):
    """No options."""

    model_config = ConfigDict(frozen=True)


def duel_card() -> GameCard:
    """Seats of unlike shapes, so that a mix-up of them cannot go unseen."""
    seats = (
        SeatCard(
            name="blocker", obs_dim=3, act_dim=1, act_bound=0.5,
            own_view=(0, 1), other_view=(1, 2), other_at_start=(0.0,),
        ),
        SeatCard(
            name="runner", obs_dim=2, act_dim=2, act_bound=1.0,
            own_view=(0, 1), other_view=(1, 2), other_at_start=(0.0,),
        ),
    )  # fmt: skip
    return GameCard(
        id="duel", title="Duel", seats=seats, adversary_seat="blocker", symmetric=False,
        rules="The larger first action of the last step wins.", endings=("even", "won"),
        max_steps=4, options={}, budgets={"smoke": 1, "lite": 2, "full": 3}, training_speed=1,
    )  # fmt: skip


class Duel(Game):
    """Matches of three or four steps, by the seed's parity; the larger first action wins."""

    Options = DuelOptions

    def __init__(self, matches: int, options: Any = None):
        self.card, self.matches = duel_card(), matches
        self.episode_seed = np.zeros(matches, dtype=np.uint64)
        self.episode_step = np.zeros(matches, dtype=np.int64)

    @classmethod
    def describe(cls, options: Any = None) -> GameCard:
        return duel_card()

    def reset(self, seeds: EpisodeSeeds) -> Any:
        self._seeds = seeds
        self.episode_seed = seeds.next(np.arange(self.matches))
        self.episode_step[:] = 0
        return self._see()

    def step(self, actions: Any) -> Step:
        assert [a.shape for a in actions] == [(self.matches, 1), (self.matches, 2)]
        first = np.stack([a[:, 0] for a in actions], axis=1)
        self.episode_step += 1
        over = self.episode_step == 3 + (self.episode_seed % 2).astype(np.int64)
        won = np.where(first[:, 0] > first[:, 1], Outcome.SEAT_0, Outcome.SEAT_1)
        even = first[:, 0] == first[:, 1]
        outcome = np.where(over, np.where(even, Outcome.TIE, won), Outcome.RUNNING)
        rows, final = np.flatnonzero(over), self._see()
        self.episode_seed[rows] = self._seeds.next(rows)
        self.episode_step[rows] = 0
        finals = (final[0][rows], final[1][rows])
        ending = np.where(over & ~even, 1, 0).astype(np.int8)
        return Step(
            self._see(), outcome.astype(np.int8), ending, first.astype(np.float32), rows, finals
        )

    def state(self) -> dict[str, Any]:
        return {"seed": self.episode_seed.copy(), "step": self.episode_step.copy()}

    def restore(self, state: dict[str, Any], seeds: EpisodeSeeds) -> Any:
        self._seeds = seeds
        self.episode_seed[:], self.episode_step[:] = state["seed"], state["step"]
        return self._see()

    def _see(self) -> tuple[np.ndarray, np.ndarray]:
        """Each seat sees the episode, the step, and the first seat the number of its match."""
        mark = (self.episode_seed % 1000 + 1).astype(np.float32)
        step, row = self.episode_step.astype(np.float32), np.arange(self.matches, dtype=np.float32)
        return np.stack([mark, step, row], axis=1), np.stack([-mark, step], axis=1)


class Script(Policy):
    """Plays a constant, or the number of steps it remembers, whatever it sees."""

    def __init__(self, seat: int, value: float, remembers: bool = False, seen: list | None = None):
        spec = duel_card().seats[seat]
        self.card = PolicyCard(
            name="script", kind="mlp", game="duel", seat=spec.name,
            obs_dim=spec.obs_dim, act_dim=spec.act_dim, origin="test",
        )  # fmt: skip
        self.value, self.remembers, self.seen = value, remembers, seen

    def initial_state(self, matches: int) -> Any:
        return np.zeros((matches, 1), dtype=np.float32) if self.remembers else None

    def act(self, obs: Any, state: Any = None, draws: Any = None) -> Any:
        if self.seen is not None:
            self.seen.append(obs.copy())
        actions = np.full((len(obs), self.card.act_dim), self.value, dtype=np.float32)
        if state is None:
            return actions, None
        actions[:] = state / 10.0
        return actions, state + 1.0


def duel(seat: str, value: float = 0.25, matches: int = 4, **script: Any) -> Arena:
    """An arena of duels against one script, reset."""
    other = 1 - duel_card().seat_index(seat)
    arena = Arena(Duel(matches), seat, Mixture.of(Script(other, value, **script)), seed=1)
    arena.reset()
    return arena


def constant(arena: Arena, value: float) -> np.ndarray:
    """The same action everywhere."""
    return np.full(arena.action_space.shape, value, dtype=np.float32)


def network(seed: int = 0, **fields: Any) -> MLPPolicy:
    """A small network for Pong."""
    base = {
        "name": f"net{seed}", "kind": "mlp", "game": "pong-v1", "seat": "any",
        "obs_dim": 13, "act_dim": 2, "hidden": (8,), "origin": "test",
    }  # fmt: skip
    card, rng = PolicyCard(**(base | fields)), np.random.default_rng(seed)
    shapes = expected_shapes(card).items()
    return MLPPolicy(card, {k: rng.normal(size=s).astype(np.float32) for k, s in shapes})


def pong_arena(matches: int = 8, seat: str = "left", seed: int = 3) -> Arena:
    """Pong against a mixture of a network, a sampled one and the random floor."""
    sampled = network(1, stochastic=True, action_mode="sampled")
    mixture = Mixture([(network(0), 1.0), (sampled, 2.0), (RandomPolicy(2, 1.0), 1.0)])
    return Arena(Pong(matches), seat, mixture, seed)


def course(arena: Arena, steps: int, seed: int = 0) -> list[tuple[Any, ...]]:
    """Random play of the learner's seat, the same for the same seed."""
    rng = np.random.default_rng(seed)
    shape = arena.action_space.shape
    return [arena.step(rng.uniform(-1.5, 1.5, shape).astype(np.float32)) for _ in range(steps)]


def assert_same(a: list[tuple[Any, ...]], b: list[tuple[Any, ...]]) -> None:
    """Two courses equal in every number."""
    for x, y in zip(a, b, strict=True):
        assert all(np.array_equal(p, q) for p, q in zip(x[:4], y[:4], strict=True))
        assert x[4].keys() == y[4].keys()
        assert all(np.array_equal(x[4][k], y[4][k]) for k in x[4])


# --- a gymnasium vector environment --------------------------------------------------------


@pytest.mark.parametrize(("seat", "obs_dim", "act_dim"), [("blocker", 3, 1), ("runner", 2, 2)])
def test_spaces_are_those_of_the_learners_seat(seat, obs_dim, act_dim):
    arena = duel(seat, matches=5)
    assert isinstance(arena, gymnasium.vector.VectorEnv)
    assert arena.num_envs == 5
    assert arena.single_observation_space.shape == (obs_dim,)
    assert arena.observation_space.shape == (5, obs_dim)
    assert arena.single_action_space.shape == (act_dim,)
    assert arena.action_space.shape == (5, act_dim)
    bound = 0.5 if seat == "blocker" else 1.0
    assert arena.single_action_space.high.tolist() == [bound] * act_dim
    assert arena.single_action_space.low.tolist() == [-bound] * act_dim
    assert arena.action_space.dtype == arena.observation_space.dtype == np.float32
    assert arena.metadata["autoreset_mode"] is AutoresetMode.SAME_STEP


@pytest.mark.parametrize("seat", ["left", "right"])
def test_steps_follow_the_vector_conventions(seat):
    arena = pong_arena(seat=seat)
    obs, info = arena.reset(seed=5)
    assert obs in arena.observation_space
    assert set(info) == {"member"}
    for obs, reward, terminated, truncated, info in course(arena, 120):
        assert obs in arena.observation_space
        assert obs.dtype == reward.dtype == np.float32
        assert reward.shape == terminated.shape == truncated.shape == (8,)
        assert terminated.dtype == truncated.dtype == bool
        assert not truncated.any()
        assert set(info) == INFO
        assert info["final_obs"] in arena.observation_space


def test_a_gymnasium_wrapper_counts_its_episodes():
    arena = gymnasium.wrappers.vector.RecordEpisodeStatistics(duel("blocker", 0.25))
    arena.reset(seed=1)
    lengths = []
    for _ in range(9):
        *_, info = arena.step(np.full((4, 1), 0.4, dtype=np.float32))
        if "episode" in info:
            lengths += info["episode"]["l"][info["_episode"]].tolist()
            assert (info["episode"]["r"][info["_episode"]] == 1.0).all()
    assert set(lengths) == {3, 4}
    arena.close()


@pytest.mark.parametrize("seat", ["blocker", "runner"])
def test_a_finished_match_restarts_in_the_same_step(seat):
    arena = duel(seat, matches=6)
    seen = arena.observation()
    for _ in range(12):
        before = arena.game.episode_seed.copy()
        obs, _, terminated, _, info = arena.step(constant(arena, 0.0))
        assert np.array_equal(info["_final_obs"], terminated)
        assert np.array_equal(terminated, arena.game.episode_seed != before)
        assert not obs[terminated, 1].any()  # step 0 of the next episode
        final = info["final_obs"]
        assert np.array_equal(final[terminated, 1], seen[terminated, 1] + 1.0)
        assert np.array_equal(final[terminated, 0], seen[terminated, 0])  # of the old episode
        assert not final[~terminated].any()
        assert np.array_equal(obs, arena.observation())
        seen = obs


def test_the_same_seed_gives_the_same_episodes():
    first, again, other = pong_arena(seed=3), pong_arena(seed=4), pong_arena(seed=4)
    courses = []
    for arena, seed in ((first, None), (again, 3), (other, None)):
        arena.reset(seed=seed)
        courses.append(course(arena, 130))
    assert_same(courses[0], courses[1])
    assert not np.array_equal(courses[0][0][0], courses[2][0][0])
    first.reset(seed=3)
    assert_same(courses[0], course(first, 130))


def test_a_match_does_not_depend_on_how_many_run_beside_it():
    mixture = [(RandomPolicy(2, 1.0), 1.0), (ZeroPolicy(2), 1.0)]
    few, many = (Arena(Pong(n), "left", Mixture(mixture), seed=2) for n in (2, 9))
    few.reset()
    many.reset()
    rng = np.random.default_rng(0)
    for _ in range(150):
        actions = rng.uniform(-1.0, 1.0, (9, 2)).astype(np.float32)
        a, b = few.step(actions[:2]), many.step(actions)
        assert np.array_equal(a[0], b[0][:2])
        assert all(np.array_equal(a[4][k], b[4][k][:2]) for k in INFO)


def test_using_it_before_reset_is_refused():
    arena = Arena(Duel(2), "blocker", Mixture.of(Script(1, 0.0)), seed=1)
    with pytest.raises(RuntimeError, match="call reset"):
        arena.step(np.zeros((2, 1), dtype=np.float32))
    with pytest.raises(RuntimeError, match="call reset"):
        arena.observation()


# --- rewards and results -------------------------------------------------------------------


@pytest.mark.parametrize("seat", ["blocker", "runner"])
@pytest.mark.parametrize(
    ("mine", "sign", "ending"), [(0.4, 1, "won"), (0.1, -1, "won"), (0.25, 0, "even")]
)
def test_the_reward_is_the_learners_own_result(seat, mine, sign, ending):
    arena, ended = duel(seat, value=0.25), 0
    for _ in range(8):
        _, reward, terminated, _, info = arena.step(constant(arena, mine))
        assert reward.tolist() == (sign * terminated).tolist()
        assert info["result"].dtype == np.int8
        assert info["result"].tolist() == reward.tolist()
        names = [arena.game.card.endings[e] for e in info["ending"][terminated]]
        assert names == [ending] * terminated.sum()
        ended += terminated.sum()
    assert ended >= 8


@pytest.mark.parametrize("seat", ["blocker", "runner"])
def test_the_shaping_reward_is_the_learners_own(seat):
    arena = duel(seat, value=0.25)
    *_, info = arena.step(constant(arena, 0.125))
    assert info["dense"].tolist() == [0.125] * 4


def test_one_seats_gain_is_the_others_loss():
    """The same matches learned in from either seat against the same policy."""
    policy, decided = network(4), 0
    left, right = (Arena(Pong(16), seat, Mixture.of(policy), seed=6) for seat in ("left", "right"))
    here, there = left.reset()[0], right.reset()[0]
    for _ in range(150):
        ours, theirs = left.step(policy.act(here)[0]), right.step(policy.act(there)[0])
        assert np.array_equal(ours[4]["other_obs"], there)
        assert np.array_equal(theirs[4]["other_obs"], here)
        assert np.array_equal(ours[1], -theirs[1])
        assert np.array_equal(ours[4]["ending"], theirs[4]["ending"])
        here, there = ours[0], theirs[0]
        decided += np.count_nonzero(ours[1])
    assert decided > 5


# --- the threat model ----------------------------------------------------------------------


@pytest.mark.parametrize("seat", ["blocker", "runner"])
def test_info_shows_what_the_other_saw_and_did(seat):
    seen: list[np.ndarray] = []
    other = 1 - duel_card().seat_index(seat)
    arena = duel(seat, value=7.0, seen=seen)  # far outside its box
    for _ in range(6):
        *_, info = arena.step(constant(arena, 0.0))
        spec = arena.game.card.seats[other]
        assert np.array_equal(info["other_obs"], seen[-1])  # before the step, not after
        assert info["other_obs"].shape == (4, spec.obs_dim)
        assert info["other_action"].shape == (4, spec.act_dim)
        assert (info["other_action"] == spec.act_bound).all()
        assert info["other_action"].dtype == np.float32


def test_the_other_acts_on_its_own_seats_observation():
    arena = pong_arena(seat="right")
    obs, _ = arena.reset()
    for _ in range(20):
        before = arena.observation()
        *_, info = arena.step(np.zeros((8, 2), dtype=np.float32))
        # Either player sees its own bat first, and x mirrored.
        assert np.array_equal(info["other_obs"][:, 2:4], before[:, 6:8])
        assert np.array_equal(info["other_obs"][:, 8:10], -before[:, 8:10])
    assert obs.shape == (8, 13)


def test_info_holds_numbers_of_the_match_and_nothing_of_the_policy():
    arena = pong_arena()
    _, info = arena.reset()
    infos = [info, *(step[4] for step in course(arena, 70))]
    weights = [w for p in arena.players.mixture.policies for w in p.tensors().values()]
    for each in infos:
        assert set(each) <= INFO
        for value in each.values():
            assert type(value) is np.ndarray
            assert value.dtype.kind in "fiub"
            assert value.shape[0] == arena.num_envs
            assert not any(np.shares_memory(value, w) for w in weights)


@pytest.mark.parametrize("declared", [{}, {"white_box": False}])
def test_the_other_s_policy_is_shown_in_the_white_box_track_alone(declared):
    policy = network(0)
    closed = Arena(Pong(2), "left", Mixture.of(policy), seed=1, **declared)
    with pytest.raises(Misuse, match="only shown in the white-box track"):
        closed.revealed()
    assert Arena(Pong(2), "left", Mixture.of(policy), seed=1, white_box=True).revealed() is policy


def test_a_mixture_is_not_revealed_as_one_policy():
    mixture = Mixture([(network(0), 1.0), (network(1), 1.0)])
    with pytest.raises(Misuse, match="expected one policy on the other side, found several"):
        Arena(Pong(2), "left", mixture, seed=1, white_box=True).revealed()
    closed = Arena(Pong(2), "left", mixture, seed=1)
    with pytest.raises(Misuse, match="only shown in the white-box track"):
        closed.revealed()


def test_a_white_box_arena_plays_the_same_matches():
    mixture = Mixture.of(network(0))
    courses = []
    for white_box in (False, True):
        arena = Arena(Pong(4), "left", mixture, seed=1, white_box=white_box)
        arena.reset()
        courses.append(course(arena, 80))
    assert_same(*courses)
    assert all(set(step[4]) == INFO for step in courses[1])


def test_what_was_handed_out_is_not_touched_again():
    arena = pong_arena()
    arena.reset()
    first = course(arena, 1)[0]
    copies = [x.copy() for x in (*first[:4], *first[4].values())]
    course(arena, 80, seed=1)
    for given, copy in zip((*first[:4], *first[4].values()), copies, strict=True):
        assert np.array_equal(given, copy)


def test_member_names_who_played_the_step_not_who_plays_next():
    scripts = [Script(1, 0.1), Script(1, 0.2), Script(1, 0.3)]
    arena = Arena(Duel(16), "blocker", Mixture([(s, 1.0) for s in scripts]), seed=1)
    arena.reset()
    seen = set()
    for _ in range(20):
        *_, info = arena.step(constant(arena, 0.0))
        played = np.array([0.1, 0.2, 0.3], dtype=np.float32)[info["member"]]
        assert np.array_equal(info["other_action"][:, 0], played)
        seen |= set(info["member"].tolist())
    assert seen == {0, 1, 2}


def test_the_same_member_plays_an_episode_to_its_end():
    arena, changes = pong_arena(), 0
    _, info = arena.reset()
    assert np.array_equal(info["member"], arena.players.member)
    for step in range(200):
        playing = arena.players.member.copy()
        _, _, terminated, _, info = course(arena, 1, seed=step)[0]
        assert np.array_equal(info["member"], playing)
        assert np.array_equal(arena.players.member[~terminated], playing[~terminated])
        changes += np.count_nonzero(arena.players.member != playing)
    assert changes > 0


def test_a_memory_starts_afresh_with_every_episode():
    arena = duel("blocker", matches=6, remembers=True)
    for _ in range(12):
        step = arena.game.episode_step.astype(np.float32)
        *_, info = arena.step(constant(arena, 0.0))
        assert np.array_equal(info["other_action"][:, 0], step / np.float32(10.0))


# --- checkpoints ---------------------------------------------------------------------------


def through_a_file(state: dict[str, Any]) -> dict[str, Any]:
    """A state written to and read from an .npz without pickle."""
    file = io.BytesIO()
    np.savez(file, **state)
    file.seek(0)
    with np.load(file, allow_pickle=False) as archive:
        return dict(archive)


@pytest.mark.parametrize("seat", ["left", "right"])
def test_a_restored_arena_continues_exactly(seat):
    arena = pong_arena(seat=seat)
    arena.reset(seed=8)
    obs = course(arena, 70)[-1][0]
    saved = through_a_file(arena.state())
    wanted = course(arena, 150, seed=1)
    resumed = pong_arena(seat=seat, seed=99)
    assert np.array_equal(resumed.restore(saved), obs)
    assert_same(wanted, course(resumed, 150, seed=1))
    assert any(step[2].any() for step in wanted)


def test_a_restored_arena_remembers():
    arena = duel("blocker", matches=6, remembers=True)
    course(arena, 4)
    saved = through_a_file(arena.state())
    wanted = course(arena, 9, seed=1)
    resumed = duel("blocker", matches=6, remembers=True)
    course(resumed, 2)
    resumed.restore(saved)
    assert_same(wanted, course(resumed, 9, seed=1))


def test_a_stored_state_is_a_copy():
    arena = duel("blocker", matches=6, remembers=True)
    course(arena, 2)
    state = arena.state()
    before = {k: v.copy() for k, v in state.items()}
    course(arena, 9)
    assert all(np.array_equal(state[k], v) for k, v in before.items())
