"""What the page says of how runs were trained."""

import pytest

from matters.reports.page.protocol import protocol
from matters.reports.study.study import prepare
from testing.planted import CONSTANTS, STEPS, Plant, planted, planted_suite


@pytest.mark.parametrize(
    ("taken", "says"),
    [
        ((STEPS, STEPS), "50\u202f000 environment steps a run"),
        ((51_200, 51_200), "50\u202f000 environment steps a run; taken were 51\u202f200, by whole updates"),
        (
            (STEPS, 51_200),
            "50\u202f000 environment steps a run; taken were 50\u202f000 to 51\u202f200, by whole updates",
        ),
    ],
)
def test_the_steps_taken_are_those_of_every_variant(taken, says):
    names = ("a2c", "ppo")
    snapshot = planted({(name, "Hopper-v5"): Plant(0.5, 0.1, 2) for name in names})
    study = prepare(planted_suite(names, ["Hopper-v5"]), snapshot, constants=CONSTANTS)
    steps = study.runs["variant"].map(dict(zip(names, taken, strict=True)))
    object.__setattr__(study, "runs", study.runs.assign(steps=steps))
    assert dict(protocol(study))["Training"] == says
