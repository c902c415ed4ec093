"""One seed's trouble is one seed's: what an environment raises, and an action that is no number."""

import errno
import shutil
import sys
import time
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.spaces import Box

from matters.algorithms import load
from matters.harness.training import room
from matters.harness.training.environments import Environments
from matters.harness.training.evaluate import Evaluator
from matters.harness.training.job import Progress
from matters.harness.training.recorder import Recorder
from matters.harness.training.reference import RecordedEpisodes
from matters.harness.training.room import LEAST, NoRoom
from matters.harness.training.simulators import Broken
from matters.harness.training.worker import train_population
from matters.results.lease import Lease
from matters.results.store import Store
from matters.suites.spec import Evaluation, RunSpec

NAME = "test/Troubled-v0"


class Troubled(gymnasium.Env):
    """Counts its steps. In its `step`-th it does something bad, if it is the `of`-th that was made."""

    observation_space = Box(-np.inf, np.inf, (3,), np.float64)
    action_space = Box(-1.0, 1.0, (1,), np.float32)
    made = 0

    def __init__(self, of: int = -1, step: int = 2, how: str = "raise") -> None:
        self.bad = type(self).made == of
        type(self).made += 1
        if self.bad and how == "unmade":
            raise FileNotFoundError("the simulator's mesh")
        self.at, self.how, self.count = step, how, 0
        self.actions: list[float] = []

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        return np.full(3, float(self.count)), {}

    def step(self, action: Any) -> Any:
        self.count += 1
        self.actions.append(float(action[0]))
        seen: Any = np.full(3, float(self.count))
        if self.bad and self.count == self.at:
            if self.how == "raise":
                raise RuntimeError("the simulator is broken")
            if self.how == "disk":
                raise FileNotFoundError("the simulator's mesh")
            if self.how == "leave":
                sys.exit(3)
            if self.how == "few":
                return seen, 1.0, False, {}
            if self.how in ("reward", "nothing"):
                return seen, np.array([1.0]) if self.how == "reward" else None, False, False, {}
            return {"scalar": 1.0, "short": seen[:2]}[self.how], 1.0, False, False, {}
        return seen, 1.0, False, False, {}


@pytest.fixture(autouse=True)
def _registered() -> Any:
    gymnasium.register(NAME, Troubled, max_episode_steps=5)
    Troubled.made = 0
    yield
    gymnasium.registry.pop(NAME)


def made(seeds: int, **kwargs: Any) -> Environments:
    streams = [np.random.SeedSequence(seed) for seed in range(seeds)]
    return Environments(NAME, streams, 1, {"kwargs": kwargs})


WRONG = pytest.mark.parametrize(
    ("how", "says"),
    [
        ("raise", "the simulator is broken"),
        ("leave", "3"),
        ("few", "not enough values to unpack"),
        ("reward", r"reward = array\(\[1\.\]\): should be a number"),
        ("nothing", "reward = None: should be a number"),
        ("scalar", r"observation of shape \(\): its space says \(3,\)"),
        ("short", r"observation of shape \(2,\): its space says \(3,\)"),
    ],
)


@WRONG
def test_a_reference_is_refused_what_our_rules_are(how: str, says: str) -> None:
    # Stable-Baselines3 would spread a single number over the row of its buffer, and end with a score.
    environment = RecordedEpisodes(gymnasium.make(NAME, of=0, how=how, disable_env_checker=True), Recorder())
    environment.reset()
    environment.step(np.zeros(1))
    with pytest.raises(Broken) as found:
        environment.step(np.zeros(1))
    with pytest.raises(BaseException, match=says):
        raise found.value.__cause__ or found.value


@WRONG
def test_what_one_environment_does_wrong_is_its_own_and_the_others_go_on(how: str, says: str) -> None:
    environments = made(3, of=1, how=how)
    environments.reset()
    for step in range(1, 8):
        transition = environments.step(torch.zeros(3, 1, 1))
        assert list(environments.broken) == ([1] if step >= 2 else [])
        # An episode of 5 steps, and no end where nothing is stepped any more.
        assert [row for row, _ in transition.episodes] == ([0, 2] if step == 5 else [])
        assert transition.reward[[0, 2]].tolist() == [[1.0], [1.0]]
    with pytest.raises(BaseException, match=says):
        raise environments.broken[1]
    environments.keep([0, 2])
    assert environments.broken == {}


def test_an_error_at_an_action_out_of_bounds_names_the_trick_that_would_have_kept_it_inside() -> None:
    for size, named in ((0.5, False), (1.5, True)):
        environments = made(1, of=0, step=1)
        environments.reset()
        environments.step(torch.full((1, 1, 1), size))
        notes = getattr(environments.broken[0], "__notes__", [])
        assert ["action_clip" in note for note in notes] == [True] * named
        Troubled.made = 0


def test_what_a_reset_raises_is_that_seeds_own(monkeypatch: pytest.MonkeyPatch) -> None:
    environments = made(2)
    bad = environments.simulators.environments[1].unwrapped  # type: ignore[attr-defined]
    monkeypatch.setattr(bad, "reset", lambda **_: 1 / 0)
    environments.reset()
    assert isinstance(environments.broken[1], ZeroDivisionError)


def test_no_action_that_is_not_finite_reaches_an_environment() -> None:
    environments = made(3)
    environments.reset()
    action = torch.tensor([[[0.5]], [[torch.nan]], [[0.25]]])
    environments.step(action)
    environments.step(torch.ones(3, 1, 1))
    asked = [one.unwrapped.actions for one in environments.simulators.environments]  # type: ignore[attr-defined]
    assert asked == [[0.5, 1.0], [], [0.25, 1.0]]
    assert environments.not_finite.tolist() == [False, True, False]
    environments.keep([0, 2])
    assert environments.not_finite.tolist() == [False, False]


def test_a_native_task_is_not_stepped_with_an_action_that_is_not_finite() -> None:
    streams = [np.random.SeedSequence(seed) for seed in range(2)]
    together, alone = Environments("Hopper-v5", streams, 1), Environments("Hopper-v5", streams[1:], 1)
    together.reset()
    alone.reset()
    for _ in range(20):
        action = torch.full((2, 1, 3), 0.3)
        action[0] = torch.inf
        both, one = together.step(action), alone.step(action[1:])
        assert torch.equal(both.observation[1:], one.observation)
        assert [row for row, _ in both.episodes] == [1 for _ in one.episodes]
    assert together.not_finite.tolist() == [True, False]


def evaluated(policy: Any, **kwargs: Any) -> Any:
    specs = [
        RunSpec(
            algorithm="vpg", algorithm_version=1, environment=NAME, environment_settings={"kwargs": kwargs},
            config={}, seed=seed, steps=10, evaluation=Evaluation(points=1, episodes=2),
        )
        for seed in range(3)
    ]  # fmt: skip
    return Evaluator(specs, [np.random.SeedSequence(seed) for seed in range(3)])(policy, 1)


def test_an_evaluation_ends_the_episodes_of_the_troubled_seed_only() -> None:
    found = evaluated(lambda seen: torch.zeros(*seen.shape[:2], 1), of=2, step=3)  # seed 1's first
    assert list(found.broken) == [1]
    assert found.lengths[[0, 2]].tolist() == [[5, 5], [5, 5]]
    assert not found.not_finite.any()

    def policy(seen: torch.Tensor) -> torch.Tensor:
        action = torch.zeros(*seen.shape[:2], 1)
        action[0] = torch.where(seen[0, :, :1] >= 2, torch.nan, action[0])
        return action

    Troubled.made = 0
    found = evaluated(policy)
    assert found.not_finite.tolist() == [True, False, False]
    assert found.lengths.tolist() == [[2, 2], [5, 5], [5, 5]]


def runs(seeds: tuple[int, ...], algorithm: str = "vpg", **kwargs: Any) -> list[RunSpec]:
    rule = load(algorithm)
    small = {
        "vpg": {"horizon": 20, "hidden": (8, 8)},
        "sac": {"warmup": 20, "batch_size": 8, "buffer_size": 100, "hidden": (8, 8)},
        "sb3-ppo": {"n_steps": 20, "batch_size": 10},
    }[algorithm]
    config = rule.Config.model_validate(small, strict=False)
    return [
        RunSpec(
            algorithm=algorithm, algorithm_version=rule.VERSION, environment=NAME,
            environment_settings={"kwargs": kwargs} if kwargs else {}, config=config.model_dump(mode="json"),
            seed=seed, steps=120, evaluation=Evaluation(points=2, episodes=2),
        )
        for seed in seeds
    ]  # fmt: skip


def trained(path: Path, specs: list[RunSpec]) -> dict[int, Any]:
    store = Store.open(path, create=True)
    Troubled.made = 0
    train_population(path, specs, lambda progress: None, checkpoint_seconds=0.0)
    return {spec.seed: store.status(spec.run_id) for spec in specs}


@pytest.mark.parametrize("algorithm", ["vpg", "sac"])
@pytest.mark.parametrize("of", [1, 5])  # seed 1's environment in training, and its second in evaluation
def test_p5_an_environment_that_raises_fails_its_seed_and_the_others_have_the_bits_they_have_without_it(
    tmp_path: Path, algorithm: str, of: int
) -> None:
    calm = trained(tmp_path / "calm", runs((0, 2), algorithm))
    found = trained(tmp_path / "troubled", runs((0, 1, 2), algorithm, of=of, step=12))
    assert found[1].state == "failed"
    assert found[1].error == "RuntimeError: the simulator is broken"
    assert {seed: found[seed].digest for seed in (0, 2)} == {seed: calm[seed].digest for seed in (0, 2)}
    assert calm[0].state == found[0].state == "done"


@pytest.mark.parametrize("algorithm", ["vpg", "sb3-ppo"])
@pytest.mark.parametrize("of", [0, 2])  # two that are made evaluate a reference, the next one trains it
@pytest.mark.parametrize(
    ("how", "says"),
    [
        ("disk", "FileNotFoundError: the simulator's mesh"),
        ("unmade", "FileNotFoundError: the simulator's mesh"),
        ("leave", "SystemExit: 3"),
    ],
)
def test_an_error_of_the_system_in_an_environment_is_the_runs_own_and_no_trouble_of_the_store(
    tmp_path: Path, algorithm: str, of: int, how: str, says: str
) -> None:
    (one,) = runs((0,), algorithm, of=of, step=8, how=how)
    found = trained(tmp_path, [one])[0]
    assert found.state == "failed"
    assert str(found.error).startswith(says)


def test_a_store_without_room_at_the_finish_fails_no_run_and_the_same_command_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calm = trained(tmp_path / "calm", runs((0, 1, 2)))
    real = Lease.finish

    def full(self: Lease, *arguments: Any, **options: Any) -> None:
        if self.spec.seed == 1:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(self, *arguments, **options)

    monkeypatch.setattr(Lease, "finish", full)
    with pytest.raises(OSError, match="No space left"):
        trained(tmp_path / "full", runs((0, 1, 2)))
    monkeypatch.setattr(Lease, "finish", real)
    store = Store.open(tmp_path / "full")
    states = [store.status(spec.run_id).state for spec in runs((0, 1, 2))]
    assert states == ["done", "missing", "done"]
    again = trained(tmp_path / "full", runs((0, 1, 2)))
    assert [again[seed].digest for seed in range(3)] == [calm[seed].digest for seed in range(3)]


def test_a_store_that_was_copied_in_the_middle_goes_on_in_both_places_to_the_same_digests(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    specs = [one.model_copy(update={"environment": "InvertedPendulum-v5"}) for one in runs((0, 1), "sac")]
    calm = trained(tmp_path / "calm", specs)
    store = Store.open(tmp_path / "one", create=True)

    def stop(progress: Any) -> None:
        if progress.steps >= 100:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_population(store.path, specs, stop, checkpoint_seconds=0.0)
    shutil.copytree(store.path, tmp_path / "other")
    # Meanwhile the clock was set back a day, and forward two.
    for name, shift in (("one", -86_400.0), ("other", 172_800.0)):
        now = time.time
        with monkeypatch.context() as patch:
            patch.setattr(time, "time", lambda now=now, shift=shift: now() + shift)
            found = trained(tmp_path / name, specs)
        assert {seed: found[seed].digest for seed in (0, 1)} == {seed: calm[seed].digest for seed in (0, 1)}
        assert Store.open(tmp_path / name).verify() == []


def test_a_population_without_room_pauses_with_a_checkpoint_and_goes_on_to_the_same_digests(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    specs = [one.model_copy(update={"environment": "InvertedPendulum-v5"}) for one in runs((0, 1))]
    calm = Store.open(tmp_path / "calm", create=True)
    train_population(calm.path, specs, lambda _: None)
    store = Store.open(tmp_path / "full", create=True)
    news: list[Progress] = []

    def filling(progress: Progress) -> None:
        news.append(progress)
        if progress.steps == 40:
            monkeypatch.setattr(room, "free_bytes", lambda _: 2 * LEAST)
        if progress.steps == 60:
            monkeypatch.setattr(room, "free_bytes", lambda _: LEAST // 2)

    with pytest.raises(NoRoom, match=r"^paused: the store's disk has 0\.5 MB left"):
        train_population(store.path, specs, filling, checkpoint_seconds=0.0)
    said = [progress.message for progress in news if progress.message]
    assert len(said) == 1
    assert said[0].startswith("room gets short")
    found = [store.status(spec.run_id) for spec in specs]
    assert [(one.state, one.steps) for one in found] == [("paused", 80)] * 2
    with pytest.raises(NoRoom):  # nothing is trained that could not be kept
        train_population(store.path, specs, news.append)
    monkeypatch.undo()
    train_population(store.path, specs, lambda _: None)
    for spec in specs:
        assert store.status(spec.run_id).digest == calm.status(spec.run_id).digest is not None
