from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from matters.algorithms.conftest import generators
from matters.algorithms.interface import ReplayBatch
from matters.algorithms.parts.replay import EpisodeEnds, Replay, bytes_when_full, end_type

OBSERVATION, ACTION, RECORD = 3, 2, 2

# Row n of seed s is made of the number 1000 s + n, so that what is drawn says where it comes from.


def observation_of(seed: int, row: int) -> list[float]:
    return [1000 * seed + row + i / 4 for i in range(OBSERVATION)]


def last_of(seed: int, row: int) -> list[float]:
    """An episode's last observation, which no row begins with."""
    return [-value for value in observation_of(seed, row + 1)]


def add(replay: Replay, row: int, seeds: list[int], ended: Callable[[int, int], int]) -> None:
    """Add row `row`; `ended` of a seed and a row is 0, 1 (terminated) or 2 (truncated)."""
    ends = [ended(seed, row) for seed in seeds]
    replay.add(
        torch.tensor([observation_of(seed, row) for seed in seeds]),
        torch.tensor([[seed + row / 8, row / 1024] for seed in seeds]),
        torch.tensor([float(row) for _ in seeds]),
        torch.tensor([end == 1 for end in ends]),
        torch.tensor([end == 2 for end in ends]),
        torch.tensor(
            [
                last_of(seed, row) if end else observation_of(seed, row + 1)
                for seed, end in zip(seeds, ends, strict=True)
            ]
        ),
        torch.tensor([[float(seed), float(row)] for seed in seeds]),
    )


def filled(rows: int, seeds: list[int], ended: Callable[[int, int], int], capacity: int) -> Replay:
    replay = Replay(len(seeds), capacity, OBSERVATION, ACTION, RECORD)
    for row in range(rows):
        add(replay, row, seeds, ended)
    return replay


def every(length: int) -> Callable[[int, int], int]:
    """Episodes of about so many steps, other ones for each seed, that end in either way."""
    return lambda seed, row: 0 if (row + 3 * seed) % length else 1 + (row + seed) % 2


def drawn_of(batch: ReplayBatch) -> list[tuple[str, torch.Tensor]]:
    """What a batch has, by name."""
    return [(name, tensor) for name, tensor in vars(batch).items() if tensor is not None]


def check(batch: ReplayBatch, seeds: list[int], ended: Callable[[int, int], int]) -> list[set[int]]:
    """That each transition drawn is one that was added. Returns the rows drawn of each seed."""
    drawn = []
    for s, seed in enumerate(seeds):
        rows = batch.reward[s].long().tolist()
        drawn.append(set(rows))
        ends = [ended(seed, row) for row in rows]
        after = [
            last_of(seed, row) if end else observation_of(seed, row + 1)
            for row, end in zip(rows, ends, strict=True)
        ]
        assert batch.observation[s].tolist() == [observation_of(seed, row) for row in rows]
        assert batch.action[s].tolist() == [[seed + row / 8, row / 1024] for row in rows]
        assert batch.terminated[s].tolist() == [end == 1 for end in ends]
        assert batch.truncated[s].tolist() == [end == 2 for end in ends]
        assert batch.successor[s].tolist() == after
        assert batch.record[s].tolist() == [[seed, row] for row in rows]
    return drawn


@settings(max_examples=50, deadline=None)
@given(
    capacity=st.integers(1, 9),
    rows=st.integers(1, 60),
    length=st.integers(1, 12),
    seeds=st.lists(st.integers(0, 9), min_size=1, max_size=3, unique=True),
)
def test_what_is_drawn_are_the_latest_transitions_each_with_its_true_successor(
    capacity: int, rows: int, length: int, seeds: list[int]
) -> None:
    replay = filled(rows, seeds, every(length), capacity)
    # So many that to miss one of nine rows has a chance of 10⁻¹⁰; the generators' seeds do not change.
    drawn = check(replay.sample(generators(seeds), 200), seeds, every(length))
    assert drawn == [set(range(max(0, rows - capacity), rows))] * len(seeds)


def test_every_row_is_drawn_as_often_as_any_other() -> None:
    replay = filled(13, [0], every(5), 10)
    draws = 20_000
    rows = replay.sample(generators([0]), draws).reward[0].numpy().astype(int)
    counts = np.bincount(rows, minlength=13)
    assert (counts[:3] == 0).all()
    # Five standard deviations of a binomial count.
    assert np.abs(counts[3:] - draws / 10).max() < 5 * np.sqrt(draws * 0.1 * 0.9)


def test_a_seed_draws_the_same_alone_as_among_ten() -> None:
    alone = filled(70, [3], every(7), 50).sample(generators([3]), 40)
    ten = filled(70, [*range(10)], every(7), 50).sample(generators([*range(10)]), 40)
    for name, tensor in drawn_of(alone):
        assert torch.equal(tensor[0], getattr(ten, name)[3]), name


def test_seeds_that_are_kept_draw_as_if_nobody_had_left() -> None:
    calm, fewer = filled(30, [0, 1, 2], every(7), 50), filled(30, [0, 1, 2], every(7), 50)
    fewer.keep([0, 2])
    for row in range(30, 70):
        add(calm, row, [0, 1, 2], every(7))
        add(fewer, row, [0, 2], every(7))
    three, two = calm.sample(generators([0, 1, 2]), 40), fewer.sample(generators([0, 2]), 40)
    check(two, [0, 2], every(7))
    for name, tensor in drawn_of(two):
        assert torch.equal(tensor, getattr(three, name)[[0, 2]]), name


@settings(max_examples=50, deadline=None)
@given(
    capacity=st.integers(1, 9),
    before=st.integers(1, 40),
    after=st.integers(0, 30),
    length=st.integers(1, 12),
)
def test_a_replay_put_back_from_what_was_saved_in_pieces_draws_the_same(
    capacity: int, before: int, after: int, length: int
) -> None:
    original = Replay(2, capacity, OBSERVATION, ACTION, RECORD)
    rows: dict[int, list[Any]] = {0: [], 1: []}
    ends: dict[int, list[Any]] = {0: [], 1: []}
    saved = 0
    for row in range(before):
        add(original, row, [5, 6], every(length))
        if row % 4 == 0 or row == before - 1:
            for index in (0, 1):
                first = max(saved, row + 1 - original.stored)
                rows[index].append((first, original.saved(index, first, row + 1)))
                ends[index].append(original.ends[index].saved(saved))
            saved = row + 1
    restored = Replay(2, capacity, OBSERVATION, ACTION, RECORD)
    for index, seed in enumerate([5, 6]):
        for first, piece in rows[index]:
            restored.put(index, first, piece, torch.tensor(observation_of(seed, before)))
        restored.ends[index].put(np.concatenate(ends[index]))
    for row in range(before, before + after):
        add(original, row, [5, 6], every(length))
        add(restored, row, [5, 6], every(length))
    one, other = (replay.sample(generators([5, 6]), 30) for replay in (original, restored))
    for name, tensor in drawn_of(one):
        assert torch.equal(tensor, getattr(other, name)), name


def test_a_batch_may_be_larger_than_what_is_stored_but_nothing_can_be_drawn_from_nothing() -> None:
    batch = filled(2, [0], every(9), 10).sample(generators([0]), 100)
    assert batch.reward.shape == (1, 100)
    with pytest.raises(ValueError, match="the replay is empty") as refused:
        Replay(1, 10, OBSERVATION, ACTION, RECORD).sample(generators([0]), 4)
    assert "\n" not in str(refused.value)


def test_room_for_ends_stays_within_four_times_those_that_are_kept() -> None:
    replay = filled(1000, [0], lambda _seed, row: row % 2, 100)
    assert len(replay.ends[0].rows) <= 4 * 50
    check(replay.sample(generators([0]), 200), [0], lambda _seed, row: row % 2)


@pytest.mark.parametrize("length", [20, 1000])
def test_the_memory_of_a_full_replay_is_at_most_what_was_estimated(length: int) -> None:
    capacity = 1000
    replay = filled(3 * capacity, [0, 1], every(length), capacity)
    arrays = (replay.observation, replay.action, replay.reward, replay.ended, replay.record)
    ends = [array for end in replay.ends for array in (end.rows, end.observations)]
    taken = sum(array.nbytes for array in (*arrays, *ends))
    estimate = 2 * bytes_when_full(capacity, OBSERVATION, ACTION, RECORD)
    assert 0.7 * estimate < taken <= estimate


def test_ten_half_cheetahs_with_a_million_steps_each_take_about_a_gigabyte() -> None:
    # 10⁷ rows of 4 (17 + 6 + 1) + 1 bytes, and their episodes' ends.
    assert 0.97e9 < 10 * bytes_when_full(1_000_000, 17, 6) < 1.15e9


@pytest.mark.parametrize("steps", [2, 3, 7])
def test_several_steps_sum_discounted_rewards_until_an_episode_or_what_is_stored_ends(steps: int) -> None:
    seeds, rows, gamma = [0, 1], 23, 0.5
    replay = filled(rows, seeds, every(5), 12)
    first = replay.sample(generators(seeds), 60)
    drawn = replay.sample(generators(seeds), 60, steps=steps, discount=gamma)
    assert drawn.discount is not None
    assert torch.equal(drawn.observation, first.observation)
    for s, seed in enumerate(seeds):
        for b, row in enumerate(first.reward[s].long().tolist()):
            last, total = row, float(row)
            while not every(5)(seed, last) and last + 1 < rows and last + 1 - row < steps:
                last += 1
                total += gamma ** (last - row) * last
            end = every(5)(seed, last)
            assert float(drawn.reward[s, b]) == pytest.approx(total)
            assert float(drawn.discount[s, b]) == gamma ** (last + 1 - row)
            assert (bool(drawn.terminated[s, b]), bool(drawn.truncated[s, b])) == (end == 1, end == 2)
            after = last_of(seed, last) if end else observation_of(seed, last + 1)
            assert drawn.successor[s, b].tolist() == after


def test_the_seeds_whose_episode_just_ended_are_named_with_how_long_it_was() -> None:
    replay = Replay(2, 50, 1, 1)
    found = []
    for step in range(12):
        ends = torch.tensor([step in (3, 8), step == 8])
        nothing, no = torch.zeros(2, 1), torch.zeros(2, dtype=torch.bool)
        replay.add(nothing, nothing, nothing[:, 0], ends, no, nothing, torch.zeros(2, 0))
        found.append(list(replay.just_ended()))
    assert {step: ended for step, ended in enumerate(found) if ended} == {3: [(0, 4)], 8: [(0, 5), (1, 9)]}


def test_an_episode_is_no_longer_than_what_is_kept_of_it_restored_or_not() -> None:
    replay = Replay(1, 5, 1, 1)
    nothing, no = torch.zeros(1, 1), torch.zeros(1, dtype=torch.bool)
    for step in range(20):
        replay.add(nothing, nothing, nothing[:, 0], no | (step in (2, 19)), no, nothing, torch.zeros(1, 0))
    assert list(replay.just_ended()) == [(0, 5)]
    replay.ends = [EpisodeEnds(1)]
    replay.ends[0].put(np.array([(19, [0.0])], dtype=end_type(1)))
    assert list(replay.just_ended()) == [(0, 5)]


def test_one_seed_alone_draws_what_it_draws_in_company() -> None:
    replay = Replay(3, 20, 1, 1)
    for step in range(10):
        own = torch.arange(3.0)[:, None] * 100 + step
        no = torch.zeros(3, dtype=torch.bool)
        replay.add(own, own, own[:, 0], no, no, own + 1, torch.zeros(3, 0))
    streams = [np.random.default_rng(seed) for seed in range(3)]
    together = replay.sample(streams, 4).reward[1]
    alone = replay.only(1).sample([np.random.default_rng(1)], 4).reward[0]
    assert torch.equal(together, alone)
    assert replay.places.tolist() == [0, 1, 2]
