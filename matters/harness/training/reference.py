"""Runs of reference implementations: the same spec, evaluation and record as ours; no checkpoints."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import gymnasium
import numpy as np
import torch
from torch import Tensor

from matters.algorithms import load
from matters.algorithms.interface import NotFinite
from matters.harness.training.evaluate import due, nominal_step
from matters.harness.training.loop import BLOCK
from matters.harness.training.points import evaluator, record
from matters.harness.training.population import streams
from matters.harness.training.recorder import Recorder
from matters.harness.training.simulator_warnings import heard
from matters.harness.training.simulators import Broken, as_reward, blamed, refuse_other_shape
from matters.harness.training.through_gymnasium import hear_anew
from matters.suites.spec import RunSpec
from matters.suites.tasks.environments import make


class RecordedEpisodes(gymnasium.Wrapper[Any, Any, Any, Any]):
    """Adds each finished episode to a recorder: the raw return, in double precision."""

    def __init__(self, environment: gymnasium.Env[Any, Any], recorder: Recorder) -> None:
        super().__init__(environment)
        self.recorder = recorder
        self.steps = 0
        self.length = 0
        self.total = 0.0
        self._shape = environment.observation_space.shape

    def reset(self, **arguments: Any) -> tuple[Any, dict[str, Any]]:
        self.length, self.total = 0, 0.0
        with blamed():
            observation, info = super().reset(**arguments)
            refuse_other_shape(observation, self._shape)
        return observation, info

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        if not np.isfinite(action).all():
            # MuJoCo would put 0 in its place, and the idle actuator's return would look like a score.
            raise NotFinite("an action is not finite")
        before = heard()
        with blamed():
            observation, given, terminated, truncated, info = super().step(action)
            refuse_other_shape(observation, self._shape)
            reward = as_reward(given)
        if heard() != before:
            self.recorder.simulator_warnings += 1
            hear_anew(self.env)
        # Stable-Baselines3 keeps the last one of an episode as it is, and an environment may reuse its array.
        observation = np.array(observation)
        self.steps += 1
        self.length += 1
        self.total += reward
        if terminated or truncated:
            self.recorder.episode(self.steps, 0, self.total, self.length, bool(terminated))
        return observation, reward, terminated, truncated, info


def block_ends(spec: RunSpec) -> Iterator[int]:
    """The steps at which a reference is to say where it stands: ends of blocks and evaluation points."""
    step = 0
    while step < spec.steps:
        point = nominal_step(spec, step * spec.evaluation.points // spec.steps + 1)
        step = min((step // BLOCK + 1) * BLOCK, point)
        yield step


def train(spec: RunSpec, recorder: Recorder, notify: Callable[[int], None]) -> dict[str, np.ndarray]:
    """Train one reference run from its beginning into `recorder`; returns the final parameters.

    A run whose numbers stop being finite ends there, as a run of ours does: the recorder has the step.
    `notify` is called with the step after each update, or block of updates. The library's global generators
    are seeded from the run's seed.
    """
    algorithm = load(spec.algorithm)
    assert algorithm.KIND == "reference"
    config = algorithm.Config.model_validate(spec.config, strict=False)
    evaluate = evaluator([spec])

    def updated(step: int, metrics: Mapping[str, float], act: Callable[[np.ndarray], np.ndarray]) -> None:
        if metrics:
            recorder.update(step, metrics)

        def policy(observation: Tensor) -> Tensor:
            return torch.from_numpy(act(observation[0].numpy()))[None]

        for point in due(spec, recorder.next_point, step):
            evaluated = evaluate(policy, point)
            recorder.simulator_warnings += int(evaluate.take_warned()[0])
            if evaluated.broken:
                raise Broken from evaluated.broken[0]
            if evaluated.not_finite[0]:
                raise NotFinite("an action is not finite")
            record(recorder, point, step, evaluated, 0)
        notify(step)

    with blamed():
        bare = make(spec.environment, spec.environment_settings)
    environment = RecordedEpisodes(bare, recorder)
    try:
        return algorithm.train(
            config,
            environment,
            seed=int(streams(spec.seed).initialisation.generate_state(1)[0]),
            steps=spec.steps,
            ends=block_ends(spec),
            updated=updated,
        )
    except NotFinite as found:
        recorder.diverged_at = found.step
        return found.parameters
