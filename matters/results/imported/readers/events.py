"""Returns in TensorBoard's event files; those of one folder are one run, whether it was restarted or not."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from matters.results.imported.curve import Curve, ReturnsOf
from matters.results.imported.naming import printable
from matters.results.imported.readers.asked import Said
from matters.results.imported.readers.event_files import Scalar, scalars
from matters.results.imported.readers.headers import kind_of
from matters.suites.errors import InputError, nearest

TAGS: dict[str, ReturnsOf] = {
    "eval/mean_reward": "evaluation",  # Stable-Baselines3
    "rollout/ep_rew_mean": "training",
    "charts/episodic_return": "training",  # CleanRL: one for each finished episode
    "ray/tune/env_runners/episode_return_mean": "training",  # RLlib
    "ray/tune/episode_reward_mean": "training",
}
"""The tags that known programs give their returns: the first that a file has is taken."""


def curve(files: Sequence[tuple[Path, bytes]], said: Said) -> Curve:
    """The run of these event files: --tag, or the first of TAGS that they have.

    Raises InputError for several files that each begin from the start, unless they are said to be one run.
    """
    found: list[tuple[Path, list[Scalar]]] = []
    for path, data in files:
        try:
            found.append((path, scalars(data)))
        except InputError as error:
            where = f"{printable(path.name)}: " if len(files) > 1 else ""
            raise InputError(f"{where}{error}") from None
    tag = _tag([scalar.tag for _, values in found for scalar in values], said.tag)
    series = [(path, [scalar for scalar in values if scalar.tag == tag]) for path, values in found]
    series = sorted((one for one in series if one[1]), key=lambda one: one[1][0].time)
    if len(series) > 1 and said.unit != "folder":
        _refuse_beginnings(series)
    joined: list[Scalar] = []
    for _, values in series:
        # What earlier files have from the step on at which a later file begins is void, as in TensorBoard.
        joined = [scalar for scalar in joined if scalar.step < values[0].step] + values
    void = sum(len(values) for _, values in series) - len(joined)
    notes = (f"{len(series)} event files of one folder are one run, {void} returns of it void",)
    return Curve(
        np.array([scalar.step for scalar in joined], dtype=float),
        np.array([scalar.value for scalar in joined], dtype=float),
        TAGS.get(tag, kind_of(tag)),
        notes=notes if len(series) > 1 else (),
        seems="TensorBoard's event file",
    )


def _tag(every: list[str], asked: str | None) -> str:
    known = list(dict.fromkeys(every))
    if not known:
        raise InputError("has no scalars")
    if asked is None:
        found = next((tag for tag in TAGS if tag in known), None)
        if found is None:
            first = sorted(known, key=lambda tag: not any(part in tag.lower() for part in ("return", "rew")))
            more = f" and {len(known) - 20} more" if len(known) > 20 else ""
            shown = ", ".join(one[:80] for one in first[:20])
            raise InputError(f"has no {' or '.join(TAGS)}: choose with --tag from {shown}{more}")
        return found
    if asked not in known:
        raise InputError(f"--tag {asked}: no such scalar{nearest(asked, known)}")
    return asked


def _refuse_beginnings(series: Sequence[tuple[Path, list[Scalar]]]) -> None:
    (first, values), *rest = series
    for path, others in rest:
        if others[0].step <= values[0].step:
            raise InputError(
                f"{printable(first.name)} and {printable(path.name)} both begin at step {others[0].step}: "
                "two trainings, or one that began anew; say --unit file if each is a run, --unit folder if "
                "the last of them counts"
            )
