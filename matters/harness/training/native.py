"""Native stepping: one MjData per simulation, `mj_step` called on each, all the rest done at once."""

import json
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import mujoco
import numpy as np
from gymnasium.utils.seeding import np_random
from numpy.typing import NDArray

from matters.harness.training.simulator_warnings import clear, heard, listen
from matters.harness.training.simulators import Stepped, problem
from matters.suites.tasks.environments import make
from matters.suites.tasks.native_task import Numbers, Physics, Seen, Task


class Reading(NamedTuple):
    """What was read from M simulations at one time."""

    numbers: Numbers
    """[M, K]"""
    seen: Seen
    """The same memory by name."""


class Native:
    """M simulations of a native task. `before` and `after` the last step are two readings that alternate."""

    native = True
    resumable = True
    before: Reading
    after: Reading

    def __init__(self, environment_id: str, task: Task, count: int) -> None:
        """Gymnasium's environment gives the model, its state at rest, the substeps and the time limit."""
        self.broken: dict[int, BaseException] = {}  # MuJoCo warns, and never raises
        listen()
        environment = make(environment_id)
        inner: Any = environment.unwrapped
        assert environment.spec is not None
        self.task = task
        self.problem = problem(environment)
        self.limit = int(environment.spec.max_episode_steps or 0)
        self.model, self.substeps = inner.model, inner.frame_skip
        self.at_rest = inner.init_qpos.copy(), inner.init_qvel.copy()
        self.physics = Physics(inner.dt, self.model.opt.timestep, self.model.body_mass.copy())
        self._go_on_with(
            [mujoco.MjData(self.model) for _ in range(count)],
            [np.random.default_rng() for _ in range(count)],
            np.zeros(count, dtype=np.int64),
            np.zeros(count, dtype=np.int64),
        )

    def reset(self, which: Sequence[int], seeds: Sequence[int] | None = None) -> Numbers:
        """Begin episodes in Gymnasium's order: seed, clear, draw, compute what follows from the positions."""
        for place, index in enumerate(which):
            if seeds is not None:
                self.generators[index], _ = np_random(int(seeds[place]))
            data = self.data[index]
            mujoco.mj_resetData(self.model, data)
            data.qpos[:], data.qvel[:] = self.task.start(self.generators[index], *self.at_rest)
            mujoco.mj_forward(self.model, data)
            self.elapsed[index] = 0
            self._read(index)
        if heard() != self._heard:
            self._note_warnings(which)
        return self.task.observe(self.after.seen)

    def step(self, action: NDArray[np.float32], which: Sequence[int] | None = None) -> Stepped:
        """One step of some, or all; after it, only what the task reads is computed."""
        task, model, substeps = self.task, self.model, self.substeps
        self._action[:] = action
        for data, row, control in self._each if which is None else [self._each[index] for index in which]:
            control[:] = row
            mujoco.mj_step(model, data, substeps)
            if task.contact_forces:
                mujoco.mj_rnePostConstraint(model, data)
        if heard() != self._heard:
            self._note_warnings(range(len(self.data)))
        self.before, self.after = self.after, self.before
        np.concatenate(self._parts, out=self.after.numbers.reshape(-1))
        self.elapsed[slice(None) if which is None else which] += 1
        reward, terminated = task.outcome(self.before.seen, action, self.after.seen, self.physics)
        return Stepped(task.observe(self.after.seen), reward, terminated, self.elapsed >= self.limit)

    def keep(self, which: Sequence[int]) -> None:
        """Go on with some of them only."""
        self._go_on_with(
            [self.data[index] for index in which],
            [self.generators[index] for index in which],
            self.elapsed[list(which)],
            self.warned[list(which)],
        )

    def saved(self, index: int) -> dict[str, np.ndarray]:
        """MuJoCo's own bytes of the whole MjData, the generator, and how long the episode has lasted.

        `mj_getState` would not do: rewards of Ant and Humanoid read kinematics that are one substep old.
        """
        plain = {"generator": self.generators[index].bit_generator.state, "elapsed": int(self.elapsed[index])}
        return {
            "data": np.frombuffer(self.data[index].__getstate__(), dtype=np.uint8),
            "plain": np.frombuffer(json.dumps(plain).encode(), dtype=np.uint8),
        }

    def restore(self, index: int, arrays: dict[str, np.ndarray]) -> None:
        """Put one of them back where `saved` found it. MuJoCo reads its bytes; nothing is unpickled."""
        plain = json.loads(arrays["plain"].tobytes())
        mujoco.mj_copyData(self.data[index], self.model, mjdata(arrays["data"]))
        self.generators[index], _ = np_random(0)
        self.generators[index].bit_generator.state = plain["generator"]
        self.elapsed[index] = plain["elapsed"]
        self._read(index)

    def _go_on_with(
        self,
        data: list[mujoco.MjData],
        generators: list[np.random.Generator],
        elapsed: NDArray[np.int64],
        warned: NDArray[np.int64],
    ) -> None:
        """Hold these simulations, and arrange what is read from them."""
        self.data, self.generators, self.elapsed, self.warned = data, generators, elapsed, warned
        self._heard = heard()
        views = [{"qpos": one.qpos, "qvel": one.qvel, **self.task.reads(one)} for one in data]
        shapes = {name: view.shape for name, view in views[0].items()}
        self._action = np.zeros((len(data), self.model.nu))
        # Plain memory to plain memory: NumPy's own assignment takes five times as long for so few numbers.
        self._each = [
            (one, memoryview(row), memoryview(one.ctrl)) for one, row in zip(data, self._action, strict=True)
        ]
        self._flat = [[view.reshape(-1, copy=False) for view in named.values()] for named in views]
        self._parts = [view for row in self._flat for view in row]
        self.before, self.after = _reading(len(data), shapes), _reading(len(data), shapes)
        for index in range(len(data)):
            self._read(index)

    def _note_warnings(self, which: Iterable[int]) -> None:
        for index in which:
            self.warned[index] += clear(self.data[index])
        self._heard = heard()

    def _read(self, index: int) -> None:
        np.concatenate(self._flat[index], out=self.after.numbers[index])


def _reading(count: int, shapes: dict[str, tuple[int, ...]]) -> Reading:
    sizes = [int(np.prod(shape)) for shape in shapes.values()]
    numbers = np.zeros((count, sum(sizes)))
    parts = np.split(numbers, np.cumsum(sizes)[:-1], axis=1)
    state = numbers[:, : sizes[0] + sizes[1]]
    return Reading(
        numbers,
        {"state": state}
        | {
            name: part.reshape((count, *shape), copy=False)
            for (name, shape), part in zip(shapes.items(), parts, strict=True)
        },
    )


def mjdata(state: np.ndarray) -> mujoco.MjData:
    """An MjData from MuJoCo's own bytes of one."""
    data = mujoco.MjData.__new__(mujoco.MjData)
    data.__setstate__(state.tobytes())
    return data
