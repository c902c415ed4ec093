"""Evaluation points in training: when policies are kept and which episodes are played."""

from collections.abc import Mapping, Sequence

import numpy as np

from matters.harness.training.earlier import steps_taken
from matters.harness.training.evaluate import Evaluated, Evaluator, due, nominal_step
from matters.harness.training.kept_policies import acting, next_kept, put
from matters.harness.training.population import Population, begin, streams
from matters.harness.training.recorder import Recorder
from matters.harness.training.simulators import Broken
from matters.suites.spec import RunSpec


def evaluator(specs: list[RunSpec]) -> Evaluator:
    """What plays the evaluation episodes of these runs of one cell."""
    return Evaluator(specs, [streams(spec.seed).evaluation for spec in specs])


def keep_and_evaluate(
    recorders: Sequence[Recorder], training: Population, evaluate: Evaluator, *, before: int
) -> None:
    """Keep the policies that are due since step `before`, and play the evaluation points reached.

    A seed that diverged within a block is found at the block's end; its policy is neither kept nor played.
    """
    spec, step = training.specs[0], training.step
    sound = training.sound
    if next_kept(spec, before) <= step:
        for index, recorder in enumerate(recorders):
            if sound[index]:
                recorder.policies.add(step, acting(training, index))
    for point in due(spec, recorders[0].next_point, step):
        evaluated = evaluate(training.policy(), point)
        training.environments.not_finite |= evaluated.not_finite
        for index, recorder in enumerate(recorders):
            if training.sound[index] and index not in evaluated.broken:
                record(recorder, point, step, evaluated, index)


def play_kept(
    spec: RunSpec, recorder: Recorder, kept: Mapping[int, dict[str, np.ndarray]], reached: int
) -> None:
    """Play the points up to step `reached` that were not played yet, by the policies kept for them."""
    points = due(spec, recorder.next_point, reached)
    if not points:
        return
    player, evaluate = begin([spec]), evaluator([spec])
    for point in points:
        step = steps_taken(spec, nominal_step(spec, point))
        if step in kept:  # else the seed had diverged by then
            put(player, 0, kept[step])
            evaluated = evaluate(player.policy(), point)
            recorder.simulator_warnings += int(evaluate.take_warned()[0])
            if evaluated.broken:
                raise Broken from evaluated.broken[0]
            record(recorder, point, step, evaluated, 0)


def record(recorder: Recorder, point: int, step: int, evaluated: Evaluated, row: int) -> None:
    """Add what one seed reached at an evaluation point."""
    episodes = zip(evaluated.returns[row], evaluated.lengths[row], strict=True)
    for episode, (score, length) in enumerate(episodes):
        recorder.evaluation(point, step, episode, float(score), int(length))
