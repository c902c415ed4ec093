"""A small suite with each kind of algorithm, for those who want to see it come through trouble."""

from pathlib import Path

from matters.results.store import Store
from matters.suites.suite import Suite

TEXT = """
[suite]
name = "{name}"
title = "An on-policy rule, an off-policy one and a reference"
environments = ["InvertedPendulum-v5"]
seeds = {seeds}
steps = {steps}
questions = ["reproduction"]

[suite.evaluation]
points = 3
episodes = 2

[variants.ppo]
algorithm = "ppo"
config = {{ horizon = {block}, minibatch_size = {part} }}

[variants.sac]
algorithm = "sac"
config = {{ hidden = [16, 16], batch_size = 16, warmup = {block} }}

[variants.sb3-ppo]
algorithm = "sb3-ppo"
config = {{ n_steps = {block}, batch_size = {part} }}
"""


def small_suite(name: str, *, seeds: int, steps: int, block: int = 500) -> str:
    """Its TOML; `block` is the length of a rollout and of the warm-up, a multiple of four."""
    return TEXT.format(name=name, seeds=seeds, steps=steps, block=block, part=block // 4)


def digests(suite: Suite, store: Path) -> dict[str, str | None]:
    """The digest of each run of a suite, None for one that is not done: what has to come out again."""
    opened = Store.open(store)
    return {spec.run_id: opened.status(spec.run_id).digest for cell in suite.cells() for spec in cell.specs}
