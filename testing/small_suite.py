"""A small suite with each kind of algorithm, for those who want to see it come through trouble."""

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
