"""MuJoCo's warnings are counted where they belong, and leave nothing in people's folders."""

from pathlib import Path
from typing import Any

import gymnasium
import mujoco
import numpy as np
import pytest
import torch

from matters.harness.training import simulator_warnings
from matters.harness.training.environments import Environments
from matters.harness.training.promises_test import spec
from matters.harness.training.simulator_warnings import clear, heard, listen
from matters.harness.training.worker import train_population
from matters.results.store import Store

HOW = {"native": None, "through Gymnasium": {"max_episode_steps": 900}}
SHAKY = "test/Shaky-v0"


def upset(environments: Environments, index: int) -> None:
    """Make one simulation unstable."""
    simulators: Any = environments.simulators
    native = simulators.native
    data = simulators.data[index] if native else simulators.environments[index].unwrapped.data
    data.qvel[:] = 1e12


@pytest.mark.parametrize("how", HOW)
def test_each_step_in_which_a_simulation_warns_counts_for_its_seed(
    how: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    environments = Environments("Hopper-v5", [np.random.SeedSequence(seed) for seed in range(3)], 2, HOW[how])
    assert environments.simulators.native == (how == "native")
    environments.reset()
    action = torch.zeros(3, 2, 3)
    environments.step(action)
    assert environments.take_warned().tolist() == [0, 0, 0]
    for _ in range(2):  # MuJoCo itself would warn of the second no more
        upset(environments, 3)
        environments.step(action)
    upset(environments, 4)
    environments.step(action)
    assert environments.take_warned().tolist() == [0, 2, 1]
    assert environments.take_warned().tolist() == [0, 0, 0]
    upset(environments, 3)
    environments.step(action)
    environments.keep([1, 2])
    environments.step(action[1:])
    assert environments.take_warned().tolist() == [1, 0]
    assert list(tmp_path.iterdir()) == []
    assert capfd.readouterr() == ("", "")


def test_a_simulation_that_was_cleared_goes_on_with_the_same_bits() -> None:
    listen()
    model = mujoco.MjModel.from_xml_string(
        "<mujoco><worldbody><body><freejoint/><geom size='1'/></body></worldbody></mujoco>"
    )
    cleared, other = mujoco.MjData(model), mujoco.MjData(model)
    for data in (cleared, other):
        data.qvel[:] = 1e12
        mujoco.mj_step(model, data)
    assert clear(cleared)
    assert not clear(cleared)
    for data in (cleared, other):
        data.qvel[:] = 1.0
        for _ in range(5):
            mujoco.mj_step(model, data)
    assert cleared.qpos.tobytes() == other.qpos.tobytes()


class Shaky(gymnasium.Wrapper):  # type: ignore[type-arg]
    """An environment of MuJoCo that is unstable in the fifth step of each episode."""

    count = 0

    def reset(self, **options: Any) -> Any:
        self.count = 0
        return super().reset(**options)

    def step(self, action: Any) -> Any:
        self.count += 1
        if self.count == 5:
            inner: Any = self.env.unwrapped
            inner.data.qvel[:] = 1e12
        return super().step(action)


def test_a_run_keeps_the_count_in_its_provenance_through_an_interruption_and_its_digest_without_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    calm = spec("vpg", "vpg", 0, steps=192)
    shaky = calm.model_copy(update={"environment_settings": {"wrappers": [f"{__name__}:Shaky"]}})
    store = Store.open(tmp_path / "runs", create=True)
    for one in (calm, shaky):
        train_population(store.path, [one], lambda _: None)
    noted = {one.run_id: store.provenance(one.run_id)["simulator_warnings"] for one in (calm, shaky)}
    episodes = len(store.record(shaky.run_id).episodes["step"])
    evaluated = len(store.record(shaky.run_id).evaluations["step"])
    assert noted[calm.run_id] == 0
    assert episodes + evaluated <= noted[shaky.run_id] <= episodes + evaluated + 1
    monkeypatch.setattr(simulator_warnings, "_heard", heard() + 5)  # what others heard is none of its own
    again = Store.open(tmp_path / "again", create=True)
    with pytest.raises(KeyboardInterrupt):
        train_population(again.path, [shaky], _stop_at(96), checkpoint_seconds=0.0)
    train_population(again.path, [shaky], lambda _: None)
    assert again.provenance(shaky.run_id)["simulator_warnings"] == noted[shaky.run_id]
    assert again.status(shaky.run_id).digest == store.status(shaky.run_id).digest
    assert not list(tmp_path.rglob("MUJOCO_LOG.TXT"))


def _stop_at(step: int) -> Any:
    def told(progress: Any) -> None:
        if progress.steps >= step:
            raise KeyboardInterrupt

    return told


def test_a_handler_that_was_there_is_told_too_and_once() -> None:
    heard_there: list[str] = []
    before = mujoco.get_mju_user_warning()
    mujoco.set_mju_user_warning(heard_there.append)
    try:
        listen()
        listen()
        count = heard()
        environments = Environments("Hopper-v5", [np.random.SeedSequence(0)], 1)
        environments.reset()
        upset(environments, 0)
        environments.step(torch.zeros(1, 1, 3))
        assert heard() == count + 1
        assert len(heard_there) == 1
    finally:
        mujoco.set_mju_user_warning(before)
