"""A tuned comparison with real training: a planted environment whose answers depend on the learning rate.

The reward is for the action before, so that a discount of 0 learns nothing from it. `eager` takes eight times
as many steps as `lazy`: unequal at one small rate, equal at the best. `far` and `myopic` move nowhere at
their tiny common rate: equal there, unequal at the best. Minutes long, run by `nox -s learning`.
"""

import json
import os
from pathlib import Path

import pytest

import matters

pytestmark = pytest.mark.learning

ENVIRONMENT = """
import gymnasium
import numpy as np
from gymnasium.spaces import Box


class Target(gymnasium.Env):
    observation_space = Box(-1.0, 1.0, (1,), np.float64)
    action_space = Box(-1.0, 1.0, (1,), np.float32)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.before = 0.8
        return np.ones(1), {}

    def step(self, action):
        reward, self.before = -abs(self.before - 0.8), float(action[0])
        return np.ones(1), reward, False, False, {}


gymnasium.register("Target-v0", Target, max_episode_steps=16)
"""
VARIANT = """
[variants.{name}]
algorithm = "ppo"
preset = "ppo-m"
[variants.{name}.config]
horizon = 64
minibatch_size = 64
gae_lambda = 0.5
tricks = {{ orthogonal_init = true, advantage_normalisation = "batch" }}
{own}
"""
OWN = {
    "eager": "epochs = 8\nlearning_rate = 5e-4",
    "lazy": "epochs = 1\nlearning_rate = 5e-4",
    "far": "epochs = 8\nlearning_rate = 1e-6",
    "myopic": "epochs = 8\nlearning_rate = 1e-6\ndiscount = 0.0",
}
SUITE = """
[suite]
name = "planted-tuning"
title = "Two pairs whose answers depend on tuning"
environments = [{ id = "target:Target-v0", random = -20.0, reference = 0.0, source = "planted" }]
seeds = 10
steps = 2048
compare = [["eager", "lazy"], ["far", "myopic"]]
[suite.evaluation]
points = 2
episodes = 1
[suite.tuning]
learning_rate = [1e-6, 5e-4, 3e-3]
seeds = 2
""" + "".join(VARIANT.format(name=name, own=own) for name, own in OWN.items())


def test_each_pair_has_one_answer_at_a_common_rate_and_the_other_at_its_best(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "target.py").write_text(ENVIRONMENT)
    (tmp_path / "planted.toml").write_text(SUITE)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
    suite = matters.load_suite(tmp_path / "planted.toml")
    store = matters.open_store(tmp_path / "runs", create=True)
    matters.run(suite, store)
    page = matters.report(suite, store, tmp_path / "page")
    facts = json.loads(page.with_name("report.json").read_text())
    found = {(row["at"], row["x"].partition("-")[0]): row["verdict"] for row in facts["comparisons"]}
    print(json.dumps([facts["tuning"], facts["comparisons"]], indent=1))  # the figures are the point
    assert found.pop(("at equal settings", "far")) in ("equivalent", "both")  # within the margin
    assert found == {
        ("at equal settings", "eager"): "different",
        ("each at its own best", "eager"): "equivalent",
        ("each at its own best", "far"): "different",
    }
