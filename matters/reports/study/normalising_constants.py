"""What makes a return a normalised score: what random actions and a yardstick reach, and a task's limits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def known_constants(environments: Sequence[str], yardstick: str) -> dict[str, tuple[float, float]]:
    """(random, yardstick) of those environments for which `matters.suites.tasks` has both."""
    from matters.suites.tasks.yardsticks import ENVIRONMENTS

    constants = {}
    for name in environments:
        known = ENVIRONMENTS.get(name)
        score = None if known is None else known.yardstick(yardstick)
        if known is not None and known.random is not None and score is not None:
            constants[name] = (known.random.value, score.value)
    return constants


def constants_of(suite: Any, environments: Sequence[str] | None = None) -> dict[str, tuple[float, float]]:
    """The constants of these environments, or of all of the suite: frozen ones, and those that it gives."""
    names = suite.environments if environments is None else environments
    return known_constants(names, suite.scale) | _given(suite)


def _given(suite: Any) -> dict[str, tuple[float, float]]:
    """(random, reference) of the suite's own environments that come with both."""
    own = getattr(suite, "own", {})
    return {name: made.constants for name, made in own.items() if made.constants is not None}


def limits(environment: str) -> tuple[float | None, float | None]:
    """The ceiling of a task and its absolute margin."""
    from matters.suites.tasks.yardsticks import ENVIRONMENTS

    known = ENVIRONMENTS.get(environment)
    return (None, None) if known is None else (known.ceiling, known.margin)
