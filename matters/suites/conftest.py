"""What tests of suites share: a small suite, with changes, and how one is refused."""

import tomllib

import pytest

from matters.suites.errors import InputError
from matters.suites.loading import suite
from matters.suites.suite import Suite

SMALL = """
[suite]
name = "small"
title = "A small suite"
environments = ["Hopper-v5", "probe/Copy-v0"]
seeds = 3
steps = 1_000
questions = ["reproduction"]

[variants.ppo]
algorithm = "ppo"

[variants.ppo-slow]
algorithm = "ppo"
preset = "ppo-sb3"
config = { learning_rate = 1e-4, tricks = { gradient_clip = false } }
"""

LONG = SMALL.replace("1_000", "20_000")
"""Longer than the warm-up of every off-policy preset."""


def small(**replaced: str) -> Suite:
    """SMALL with `line = …` of the header replaced, parsed."""
    lines = [
        f"{line.split(' = ')[0]} = {replaced.pop(line.split(' = ')[0])}"
        if line.split(" = ")[0] in replaced
        else line
        for line in SMALL.splitlines()
    ]
    assert not replaced
    return suite(tomllib.loads("\n".join(lines)))


def refusal(text: str) -> str:
    with pytest.raises(InputError) as caught:
        suite(tomllib.loads(text))
    assert "\n" not in str(caught.value)
    return str(caught.value)
