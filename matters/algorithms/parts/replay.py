"""What an off-policy population saw: the latest steps of every seed, in one store, drawn from uniformly.

Row n is the n-th step of every seed, counted from 0, and lies in slot n mod (C + 1), C being the capacity.
The C latest rows are kept; the slot after the newest holds the observation that it led to. So the successor
of row n is the observation of row n + 1, and no observation is kept twice. Only where an episode ended is its
last observation kept apart.
"""

from collections.abc import Iterator, Sequence
from copy import copy

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from matters.algorithms.interface import ReplayBatch

TERMINATED, TRUNCATED = 1, 2
"""How a row's episode ended with it, if it did."""


def row_type(observation_size: int, action_size: int, record_size: int = 0) -> np.dtype[np.void]:
    """A row as it is saved: 4 (O + A + R + 1) + 1 bytes, little-endian."""
    return np.dtype(
        [
            ("observation", "<f4", observation_size),
            ("action", "<f4", action_size),
            ("reward", "<f4"),
            ("ended", "u1"),
            ("record", "<f4", record_size),
        ]
    )


def end_type(observation_size: int) -> np.dtype[np.void]:
    """An episode's end as it is saved: the number of its last row, and the observation after it."""
    return np.dtype([("row", "<i8"), ("observation", "<f4", observation_size)])


def bytes_when_full(capacity: int, observation_size: int, action_size: int, record_size: int = 0) -> int:
    """Bytes of one seed's share of a full replay, if no more than one row in twenty ends an episode.

    Episodes' ends are kept in a table with room for up to four times as many.
    """
    rows = (capacity + 1) * row_type(observation_size, action_size, record_size).itemsize
    return rows + 4 * (capacity // 20) * end_type(observation_size).itemsize


class Replay:
    """The C latest rows of S seeds. Memory is taken as rows come, not before."""

    def __init__(
        self, seeds: int, capacity: int, observation_size: int, action_size: int, record_size: int = 0
    ) -> None:
        self.capacity = capacity
        self.count = 0
        """Rows added so far; the oldest may be gone."""
        self.slots = capacity + 1
        # A page that was never written takes no memory.
        self.observation = np.empty((seeds, self.slots, observation_size), dtype=np.float32)
        self.action = np.empty((seeds, self.slots, action_size), dtype=np.float32)
        self.reward = np.empty((seeds, self.slots), dtype=np.float32)
        self.ended = np.empty((seeds, self.slots), dtype=np.uint8)
        self.record = np.empty((seeds, self.slots, record_size), dtype=np.float32)
        self.ends = [EpisodeEnds(observation_size) for _ in range(seeds)]
        self.places = np.arange(seeds)
        """Where in the arrays each seed lies; those of seeds that are no longer kept lie unused."""

    @property
    def stored(self) -> int:
        """How many rows there are to draw from."""
        return min(self.count, self.capacity)

    def add(
        self,
        observation: Float[Tensor, "S O"],
        action: Float[Tensor, "S A"],
        reward: Float[Tensor, " S"],
        terminated: Bool[Tensor, " S"],
        truncated: Bool[Tensor, " S"],
        successor: Float[Tensor, "S O"],
        record: Float[Tensor, "S R"],
    ) -> None:
        """Keep one step of every seed, over the oldest once C are kept.

        Unless an episode ended, `successor` has to be the next row's observation.
        """
        slot = self.count % self.slots
        ended = TERMINATED * terminated.numpy() + TRUNCATED * truncated.numpy()
        self.observation[self.places, slot] = observation.numpy()
        self.action[self.places, slot] = action.numpy()
        self.reward[self.places, slot] = reward.numpy()
        self.ended[self.places, slot] = ended
        self.record[self.places, slot] = record.numpy()
        self.observation[self.places, (slot + 1) % self.slots] = successor.numpy()
        for s in np.flatnonzero(ended):
            self.ends[s].add(self.count, successor[s].numpy(), oldest=self.count + 1 - self.capacity)
        self.count += 1

    @property
    def row_type(self) -> np.dtype[np.void]:
        """The type of a row that `saved` gives."""
        return row_type(self.observation.shape[2], self.action.shape[2], self.record.shape[2])

    def sample(
        self,
        generators: Sequence[np.random.Generator],
        batch_size: int,
        *,
        steps: int = 1,
        discount: float = 1.0,
    ) -> ReplayBatch:
        """Rows of each seed, drawn by its own generator, uniformly and with replacement.

        So a batch may be larger than what is stored. With several `steps` a reward is the discounted sum of
        that many, or of fewer where the episode or the stored rows end earlier. Raises ValueError if nothing
        is stored.
        """
        if not self.stored:
            raise ValueError(f"batch_size = {batch_size}: the replay is empty, there is nothing to draw")
        oldest = self.count - self.stored
        rows = np.stack([generator.integers(self.stored, size=batch_size) for generator in generators])
        rows += oldest
        start = self.places[:, None] * self.slots
        at = start + rows % self.slots
        reward, last, power = _take(self.reward, at), rows, None
        if steps > 1:
            reward, last, power = self._several(start, rows, reward, steps, discount)
        ended = _take(self.ended, start + last % self.slots)
        successor = _take(self.observation, start + (last + 1) % self.slots)
        for s in np.flatnonzero(ended.any(1)):
            at_end = np.flatnonzero(ended[s])
            successor[s, at_end] = self.ends[s].after(last[s, at_end])
        return ReplayBatch(
            observation=torch.from_numpy(_take(self.observation, at)),
            action=torch.from_numpy(_take(self.action, at)),
            reward=torch.from_numpy(reward),
            terminated=torch.from_numpy((ended & TERMINATED) > 0),
            truncated=torch.from_numpy((ended & TRUNCATED) > 0),
            successor=torch.from_numpy(successor),
            record=torch.from_numpy(_take(self.record, at)),
            discount=None if power is None else torch.from_numpy(power),
        )

    def _several(
        self, start: np.ndarray, rows: np.ndarray, reward: np.ndarray, steps: int, discount: float
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Σ γᵏ r over up to `steps` rows from each row on, the last of these, and γ to the power of their
        number.

        Sutton 1988, "Learning to predict by the methods of temporal differences", section 2.
        """
        powers = np.cumprod([1.0, *[discount] * steps]).astype(np.float32)
        last, count = rows.copy(), np.ones_like(rows)
        going = _take(self.ended, start + rows % self.slots) == 0
        for k in range(1, steps):
            going &= rows + k < self.count
            at = start + (rows + k) % self.slots
            reward = reward + np.where(going, powers[k] * _take(self.reward, at), np.float32(0))
            last, count = last + going, count + going
            going = going & (_take(self.ended, at) == 0)
        return reward, last, powers[count]

    def just_ended(self) -> Iterator[tuple[int, int]]:
        """The seeds whose episode ended with the newest row, and how many of its rows are kept."""
        newest = self.count - 1
        for s in np.flatnonzero(self.ended[self.places, newest % self.slots]):
            yield int(s), min(newest - self.ends[s].before(newest), self.stored)

    def only(self, row: int) -> "Replay":
        """The same rows of one seed alone, on the same memory."""
        alone = copy(self)
        alone.keep([row])
        return alone

    def keep(self, rows: list[int]) -> None:
        """Go on with some of the seeds only. Nothing is copied: that would take as much memory again."""
        self.places = self.places[rows]
        self.ends = [self.ends[row] for row in rows]

    def saved(self, index: int, first: int, last: int) -> np.ndarray:
        """One seed's rows from `first` to just before `last`, all of which must still be kept."""
        place, slot = self.places[index], np.arange(first, last) % self.slots
        found = np.empty(last - first, dtype=self.row_type)
        for name in found.dtype.names or ():
            found[name] = getattr(self, name)[place, slot]
        return found

    def put(self, index: int, first: int, rows: np.ndarray, successor: Float[Tensor, " O"]) -> None:
        """Put back what `saved` gave of one seed; `successor` is the newest row's, and later rows are gone.
        Every seed must be put back to the same row before any rows are drawn.
        """
        self.count = first + len(rows)
        place, slot = self.places[index], np.arange(first, self.count) % self.slots
        for name in rows.dtype.names or ():
            getattr(self, name)[place, slot] = rows[name]
        self.observation[place, self.count % self.slots] = successor.numpy()


class EpisodeEnds:
    """The last observations of one seed's episodes, in the order of their rows."""

    def __init__(self, observation_size: int) -> None:
        self.used = 0
        self.rows = np.empty(16, dtype=np.int64)
        self.observations = np.empty((16, observation_size), dtype=np.float32)

    def add(self, row: int, observation: np.ndarray, *, oldest: int) -> None:
        """Keep the end of row `row`. Those of rows before `oldest` make room, if room is needed."""
        if self.used == len(self.rows):
            kept = self._since(oldest)
            # Twice as large unless half of it is free now, so that an end is seldom copied.
            room = len(self.rows) * (2 if 2 * (self.used - kept.start) > len(self.rows) else 1)
            self.rows = _moved(self.rows[kept], room)
            self.observations = _moved(self.observations[kept], room)
            self.used -= kept.start
        self.rows[self.used] = row
        self.observations[self.used] = observation
        self.used += 1

    def after(self, rows: np.ndarray) -> np.ndarray:
        """The observations [n, O] after rows that ended episodes."""
        found: np.ndarray = self.observations[np.searchsorted(self.rows[: self.used], rows)]
        return found

    def before(self, row: int) -> int:
        """The latest row before this one that ended an episode; -1 where none is kept."""
        place = int(np.searchsorted(self.rows[: self.used], row))
        return int(self.rows[place - 1]) if place else -1

    def saved(self, first: int) -> np.ndarray:
        """The ends of rows `first` and later, as records of `end_type`."""
        chosen = self._since(first)
        found = np.empty(chosen.stop - chosen.start, dtype=end_type(self.observations.shape[1]))
        found["row"], found["observation"] = self.rows[chosen], self.observations[chosen]
        return found

    def put(self, saved: np.ndarray) -> None:
        """Put back what `saved` gave."""
        for end in saved:
            self.add(int(end["row"]), end["observation"], oldest=0)

    def _since(self, first: int) -> slice:
        return slice(int(np.searchsorted(self.rows[: self.used], first)), self.used)


def _moved(array: np.ndarray, room: int) -> np.ndarray:
    """The array's numbers at the start of a new one that is `room` long."""
    moved = np.empty((room, *array.shape[1:]), dtype=array.dtype)
    moved[: len(array)] = array
    return moved


def _take(array: np.ndarray, places: np.ndarray) -> np.ndarray:
    """What lies at `places` [S, B] of an array [seeds, slots, …], counted over both axes."""
    return array.reshape(array.shape[0] * array.shape[1], *array.shape[2:]).take(places, axis=0)
