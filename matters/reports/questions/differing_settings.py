"""Which variants a question compares, and in which settings the two sides of a comparison differ.

A variant takes part by its settings, those that make a preset that preset. Its name does not count.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from matters.reports.page.formatting import DASH
from matters.reports.page.section import Table
from matters.reports.study.study import Study
from matters.suites.settings import difference_text, differences, preset, value_text
from matters.suites.variant import Variant

OF_PPO = {
    "tricks.value_clip",
    "tricks.reward_scaling",
    "tricks.orthogonal_init",
    "tricks.anneal_lr",
    "tricks.reward_clip",
    "tricks.observation_normalisation",
    "tricks.observation_clip",
    "tricks.tanh_activations",
    "tricks.gradient_clip",
    "tricks.advantage_normalisation",
    "tricks.adam_epsilon",
    "tricks.action_clip",
}
"""The tricks of PPO, each of which TRPO can have."""
OF_THE_STEP = {
    "algorithm",
    "epochs",
    "minibatch_size",
    "learning_rate",
    "objective",
    "clip",
    "value_coefficient",
    "kl",
    "damping",
    "fisher_fraction",
    "cg_steps",
    "line_search_steps",
    "line_search_shrink",
    "value_epochs",
    "value_minibatch_size",
    "value_learning_rate",
}
"""What PPO's step has and TRPO's lacks, or the other way round."""


@dataclass(frozen=True)
class Role:
    """What a question looks for: a preset, known by the settings, or groups of them, that define it."""

    preset: str
    algorithm: str
    defined_by: tuple[str, ...] = ("tricks.",)


@dataclass(frozen=True)
class Contrast:
    """Two variants that a question compares, what this shows, and the settings in which they may differ.

    Without `may_differ` nothing is said about what they share, so that any setting may differ.
    """

    x: str
    y: str
    tells: str
    may_differ: frozenset[str] | None = None


def cast(study: Study, roles: Iterable[Role]) -> dict[str, str]:
    """The variant at hand that plays each role, by the role's preset: if several do, the one nearest to it.

    Imported variants have no settings here: they are what their owner calls them.
    """
    if study.foreign:
        return {role.preset: role.preset for role in roles if role.preset in study.variants}
    found: dict[str, str] = {}
    for role in roles:
        ideal = preset(role.algorithm, role.preset)
        apart: dict[str, int] = {}
        for name in study.variants:
            variant = study.suite.variants.get(name)
            if not isinstance(variant, Variant) or variant.algorithm != role.algorithm:
                continue
            differing = differences(ideal, variant, study.environments)
            if not any(setting.startswith(role.defined_by) for setting in differing):
                apart[name] = len(differing)
        if apart:
            found[role.preset] = min(apart, key=lambda name: apart[name])
    return found


def differing(study: Study, x: str, y: str) -> dict[str, tuple[object, object]]:
    """The settings in which two variants differ on the study's environments; none where they are unknown."""
    first, second = (study.suite.variants.get(name) for name in (x, y))
    if not (isinstance(first, Variant) and isinstance(second, Variant)):
        return {}
    return differences(first, second, study.environments)


def undeclared(study: Study, one: Contrast) -> dict[str, tuple[object, object]]:
    """The settings in which the two differ, except those that the contrast names or tuning chose."""
    found = {} if one.may_differ is None else differing(study, one.x, one.y)
    allowed = (one.may_differ or frozenset()) | study.tuned
    return {name: pair for name, pair in found.items() if name not in allowed}


def notices(study: Study, contrasts: Sequence[Contrast]) -> tuple[str, ...]:
    """A sentence on each contrast that compares more than it says."""
    if study.foreign and contrasts:
        return (
            "Imported variants are taken for what their names say: their settings are not known, so neither "
            "is what else differs between two of them.",
        )
    return tuple(
        f"`{one.x}` against `{one.y}` ({one.tells}): they also differ in {difference_text(also)}."
        for one in contrasts
        if (also := undeclared(study, one))
    )


def settings_table(
    question: str, study: Study, contrasts: Sequence[Contrast], *, name: str = "settings", link: str = "−"
) -> Table:
    """One row per contrast: what it shows, and all settings in which its two sides differ."""
    rows, data = [], []
    for one in contrasts:
        found, also = differing(study, one.x, one.y), undeclared(study, one)
        said = difference_text({name: pair for name, pair in found.items() if name not in also})
        text = "; also ".join(part for part in (said, difference_text(also)) if part)
        unknown = "not known of imported runs" if study.foreign else DASH
        rows.append((f"`{one.x}` {link} `{one.y}`", one.tells, text or unknown))
        data.append(
            {
                "question": question,
                "x": one.x,
                "y": one.y,
                "tells": one.tells,
                "settings": {name: [value_text(a), value_text(b)] for name, (a, b) in found.items()},
                "undeclared": list(also),
            }
        )
    return Table(
        name=f"{question}-{name}",
        caption="Every setting in which the two sides of a comparison differ, the first’s → the second’s, "
        "defaults included. A dash is an algorithm without that setting, or one whose others leave it "
        "without effect. A difference in score belongs to all of a line together.",
        columns=("comparison", "what it tells", "settings that differ"),
        rows=tuple(rows),
        data=tuple(data),
    )
