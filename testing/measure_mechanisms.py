"""The mechanisms that comparisons of this tool rest on, in figures: `python -m testing.measure_mechanisms`.

Writes docs/mechanisms.md. Three things are measured, on seeds that no suite uses:

- steps: what each rung of the natural ladder and each corner of the natural square does to one and the same
  policy with one and the same rollout;
- damping: how often TRPO's line search acts, by damping;
- clipping: how much of a gradient a joint clip leaves to the policy, and how many of its parameters Adam's ε
  damps, with and without scaled rewards.
"""

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from matters.algorithms import npg, ppo, tnpg, trpo
from matters.algorithms.experience import collect, rollout
from matters.algorithms.interface import Rollout
from matters.algorithms.maths.advantages import standardised_in_groups
from matters.algorithms.maths.conjugate_gradient import dot
from matters.algorithms.maths.kernels import sqrt
from matters.algorithms.parts import population
from matters.algorithms.parts.actor_critic import prepare
from matters.algorithms.parts.natural_gradient import fisher_product
from matters.algorithms.parts.optimisers import clip_coefficient, global_norm
from matters.harness.training.population import Population, begin
from testing.pilot import UPDATES, recorded, specs

PAGE = Path(__file__).parents[1] / "docs" / "mechanisms.md"
ENVIRONMENTS = ("Hopper-v5", "HalfCheetah-v5")
SEEDS, MORE_SEEDS = (3000, 3001, 3002), (3000, 3001, 3002, 3003, 3004)
"""Those of steps and damping, and those of clipping."""
AT = (1, 5, 12)
"""The updates at which steps are compared."""
DELTA = 0.01
DAMPINGS = (1e-5, 1e-4, 1e-3, 1e-2, 1e-1)
CHOSEN = 1e-2
"""The damping of `natural-ladder` and `natural-square`."""
FIXED = {
    "Hopper-v5": {"gradient": 0.0085, "natural": 0.035},
    "HalfCheetah-v5": {"gradient": 0.00047, "natural": 0.0055},
}
"""α of `natural-square`."""


def rollouts(training: Population, last: int) -> Iterator[tuple[int, Rollout]]:
    """The rollout before each of the first `last` updates, which follows when the next is asked for."""
    rule: Any = training.algorithm
    for update in range(1, last + 1):
        seen = rollout(list(collect(training)))
        yield update, seen
        rule.update(training.state, training.config, seen, training.minibatch_generators, progress=0.0)


def rungs(environment: str) -> dict[str, tuple[Any, Any]]:
    """Rule and config of what is compared, the reference first."""
    alpha = FIXED[environment]
    own: dict[str, Any] = {"damping": CHOSEN, "value_epochs": 0}  # V is not looked at
    return {
        "npg": (npg, npg.Config(**own)),
        "tnpg": (tnpg, tnpg.Config(**own)),
        "tnpg-reject": (trpo, trpo.Config(**own, line_search_steps=1)),
        "trpo": (trpo, trpo.Config(**own)),
        "ppo-m": (ppo, ppo.Config()),
        "natural-fixed": (npg, npg.Config(**own, step_size=alpha["natural"])),
        "gradient-kl": (npg, npg.Config(**own, direction="gradient")),
        "gradient-fixed": (npg, npg.Config(**own, direction="gradient", step_size=alpha["gradient"])),
        "npg, λ = 1e-3": (npg, npg.Config(**(own | {"damping": 1e-3}))),
        "tnpg, λ = 1e-1": (tnpg, tnpg.Config(**(own | {"damping": 1e-1}))),
    }


def stepped(training: Population, rule: Any, config: Any, seen: Rollout) -> Tensor:
    """The step [S, P] of the policy that a rule takes from where the population stands."""
    state = population.select(training.state, list(range(len(SEEDS))))
    if rule is ppo:
        seeds = len(SEEDS)
        state = ppo.State(**vars(state), kl_coefficient=torch.full((seeds,), config.kl_coefficient))
    before: Tensor = state.policy.matrix.clone()
    rule.update(state, config, seen, [np.random.default_rng(seed) for seed in SEEDS], progress=0.0)
    return torch.as_tensor(state.policy.matrix - before)


def compared(environment: str) -> dict[str, list[tuple[float, float, float, float]]]:
    """By rung, of each seed at each of the updates AT: the cosine to `npg`'s step and the same in F's metric,
    and KL/δ to second order and as it is.
    """
    training = begin(specs("trpo", environment, SEEDS, damping=CHOSEN))
    found: dict[str, list[tuple[float, float, float, float]]] = {}
    for update, seen in rollouts(training, max(AT)):
        if update not in AT:
            continue
        state = population.select(training.state, list(range(len(SEEDS))))
        batch = prepare(state, training.config, seen)
        fisher = fisher_product(state, trpo.Config(damping=0.0), batch, [])
        steps = {name: stepped(training, *rung, seen) for name, rung in rungs(environment).items()}
        first = steps["npg"]
        image = fisher(first)
        for name, step in steps.items():
            own = fisher(step)
            numbers = (
                dot(step, first) / sqrt(dot(step, step) * dot(first, first)),
                dot(step, image) / sqrt(dot(step, own) * dot(first, image)),
                dot(step, own) / (2 * DELTA),
                trpo.surrogate_and_kl(state, batch, state.policy.matrix + step)[1] / DELTA,
            )
            found.setdefault(name, []).extend(zip(*(part.tolist() for part in numbers), strict=True))
    return found


def clipping(*, scaled: bool, update: int = 12) -> tuple[float, float, float, float]:
    """Before an update of `ppo` on Hopper, medians over its minibatches: the clip coefficient of a joint
    clip, that of the policy alone, ‖g_V‖ / ‖g_π‖; and the share of the policy's parameters whose √v is below
    Adam's ε.
    """
    tricks = {} if scaled else {"reward_scaling": False, "value_clip": False}
    training = begin(specs("ppo", "Hopper-v5", MORE_SEEDS, tricks=tricks))
    for number, seen in rollouts(training, update + 1):
        if number <= update:
            continue
        config, state = training.config, training.state
        batch = ppo.in_units(state, config, prepare(state, config, seen))
        order = np.stack([np.random.default_rng(k).permutation(batch.advantage.shape[1]) for k in MORE_SEEDS])
        shuffled = batch.take(torch.from_numpy(order))
        shuffled.advantage = standardised_in_groups(shuffled.advantage, size=config.minibatch_size)
        joint, own, ratio = [], [], []
        for minibatch in shuffled.split(config.minibatch_size):
            step, (policy, value) = ppo.differentiate(state, config, minibatch)
            joint.append(clip_coefficient(step.gradient_norm, limit=config.tricks.gradient_clip))
            own.append(clip_coefficient(global_norm(policy), limit=config.tricks.gradient_clip))
            ratio.append(global_norm(value) / global_norm(policy))
        root = (state.policy.second / (1 - 0.999 ** state.policy.steps[:, None])).sqrt()
        used = root[:, : state.policy.layout.parameters]
        damped = float((used < config.tricks.adam_epsilon).double().mean())
        left, alone, times = (float(torch.stack(part).median()) for part in (joint, own, ratio))
        return left, alone, times, damped
    raise AssertionError("the loop ends with its last rollout")


def _range(values: Sequence[float]) -> str:
    return f"{np.mean(values):.2f} ({min(values):.2f} to {max(values):.2f})"


SEEDS_TEXT = f"seeds {SEEDS[0]} to {SEEDS[-1]}"
OPENING = """# Mechanisms

What the comparisons of the natural family and of PPO's tricks rest on, measured by
`python -m testing.measure_mechanisms`. These are sizes of mechanisms, not effects on returns. The pages of
`natural-ladder` and `natural-square` have the KL, the share of updates in which the line search acted and the
residuals of the runs that they compare; those of the questions about PPO's tricks have what the gradient clip
left of a step.
"""
OF_STEPS = f"""
## One step, along the ladder and in the square

Each row takes one step from the same policy with the same rollout: before updates {AT[0]}, {AT[1]} and
{AT[2]} of TRPO with λ = {CHOSEN:g}, {SEEDS_TEXT}: mean (lowest to highest). δ = {DELTA:g}; α as in
`natural-square`. The last two rows have the dampings of the presets, as the rung `npg` → `tnpg` once had.
"""
OF_DAMPING = f"""
## How often TRPO's line search acts, by damping

{UPDATES} updates of `trpo`, {SEEDS_TEXT}, whole batch, 10 steps of conjugate gradient, δ = {DELTA:g}.

| task | λ | full step not taken | mean KL/δ | largest KL/δ | median residual |
|---|---|---|---|---|---|
"""
OF_CLIPPING = f"""
## What a gradient clip leaves to the policy

`ppo` on Hopper before its 13th update, seeds {MORE_SEEDS[0]} to {MORE_SEEDS[-1]}, medians over minibatches.
The clip is 0.5, Adam's ε 1e-5.

| rewards | V's norm / the policy's | coefficient, joint | of the policy alone | its parameters, √v < ε |
|---|---|---|---|---|
"""


def of_steps() -> Iterator[str]:
    """The lines of the steps."""
    yield OF_STEPS
    for environment in ENVIRONMENTS:
        yield f"\n### {environment}\n\n"
        yield "| | cosine to `npg`'s step | the same in F's metric | KL/δ to second order | KL/δ |\n"
        yield "|---|---|---|---|---|\n"
        for name, rows in compared(environment).items():
            shown = [_range([row[k] for row in rows]) for k in range(4)]
            yield f"| {name} | {' | '.join(shown)} |\n"


def of_damping() -> Iterator[str]:
    """The lines of the damping's pilot."""
    yield OF_DAMPING
    for environment in ENVIRONMENTS:
        for damping in DAMPINGS:
            updates = recorded(specs("trpo", environment, SEEDS, damping=damping))
            kl, factor = updates["mean_kl"] / DELTA, updates["line_search_factor"]
            yield (
                f"| {environment} | {damping:g} | {(factor < 1).mean():.1%} | {kl.mean():.2f} | "
                f"{kl.max():.2f} | {np.median(updates['cg_residual']):.2g} |\n"
            )


def of_clipping() -> Iterator[str]:
    """The lines of the gradient clip."""
    yield OF_CLIPPING
    for scaled, name in ((True, "scaled"), (False, "raw, and no value clip")):
        joint, own, ratio, damped = clipping(scaled=scaled)
        yield f"| {name} | {ratio:.2g} | {joint:.3f} | {own:.3f} | {damped:.0%} |\n"


PARTS: dict[str, Callable[[], Iterator[str]]] = {
    "steps": of_steps,
    "damping": of_damping,
    "clipping": of_clipping,
}


def main() -> None:
    """Write the page, or print some of its parts as they are measured."""
    parser = argparse.ArgumentParser(
        prog="python -m testing.measure_mechanisms", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)} (default: the page)")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    if not asked.parts:
        lines = [line for part in PARTS.values() for line in part()]
        PAGE.write_text(OPENING + "".join(lines), encoding="utf-8")
    for part in asked.parts:
        for line in PARTS[part]():
            sys.stdout.write(line)
            sys.stdout.flush()


if __name__ == "__main__":
    main()
