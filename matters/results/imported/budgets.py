"""Which imported runs end together, so that their scores are at the same budget."""

from collections.abc import Mapping, Sequence

from matters.results.imported.runs import ForeignRun

CLOSE = 0.02
"""Ends that differ by at most this share of the later one are one budget: by the last episode, say."""

Budget = tuple[int, int]
"""The first and the last of the ends that are one budget, in steps."""


def budgets(runs: Sequence[ForeignRun]) -> dict[str, Budget]:
    """By run id, the budget that the run shares with others on its environment.

    A run that diverged ended early for that reason, and is counted with the longest.
    """
    found: dict[str, Budget] = {}
    for environment in dict.fromkeys(run.environment for run in runs):
        here = [run for run in runs if run.environment == environment]
        sound = sorted({run.steps[-1] for run in here if run.diverged_at is None}, reverse=True)
        groups: list[list[int]] = []
        for end in sound or [max(run.steps[-1] for run in here)]:
            if groups and end >= (1 - CLOSE) * groups[-1][0]:
                groups[-1].append(end)
            else:
                groups.append([end])
        for run in here:
            group = groups[0]
            if run.diverged_at is None:
                group = next(one for one in groups if run.steps[-1] in one)
            found[run.run_id] = (group[-1], group[0])
    return found


def of_cells(runs: Sequence[ForeignRun]) -> dict[tuple[str, str], tuple[Budget, ...]]:
    """The budgets of each variant on each environment, the shortest first. There should be only one."""
    own = budgets(runs)
    cells: dict[tuple[str, str], set[Budget]] = {}
    for run in runs:
        cells.setdefault((run.variant, run.environment), set()).add(own[run.run_id])
    return {cell: tuple(sorted(found)) for cell, found in cells.items()}


def apart(
    cells: Mapping[tuple[str, str], tuple[Budget, ...]], x: str, y: str, environment: str
) -> str | None:
    """Why two variants cannot be compared on an environment, or None if they can."""
    ends = sorted({*cells.get((x, environment), ()), *cells.get((y, environment), ())})
    if len(ends) < 2:
        return None
    steps = " against ".join(f"{last:,}".replace(",", "\u202f") for _, last in ends)
    return f"not comparable on {environment}: runs end at {steps} steps"
