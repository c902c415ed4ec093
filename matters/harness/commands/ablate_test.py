"""`matters ablate`, end to end with tiny runs."""

import json
from pathlib import Path

import pytest

from matters.algorithms import load
from matters.harness.cli import call

TRICKS = ("--tricks", "value_clip,anneal_lr")
SIZE = ("--env", "InvertedPendulum-v5", "--seeds", "2", "--steps", "128", "--workers", "1")


@pytest.fixture(autouse=True)
def tiny():
    """PPO's preset with rollouts of 64 steps, as `tiny`."""
    presets = load("ppo").PRESETS
    small = presets["ppo"].model_copy(update={"horizon": 64, "epochs": 1, "minibatch_size": 32})
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(presets, "tiny", small)
        yield


@pytest.fixture
def ablate(capsys):
    def ablate(*arguments):
        code = call(["ablate", *arguments])
        said = capsys.readouterr()
        return code, said.out, said.err

    return ablate


def test_a_factorial_is_run_and_reported_and_the_same_command_trains_nothing_more(ablate, tmp_path):
    store = ("--store", str(tmp_path / "runs"), "--json")
    code, out, _ = ablate("ppo", *TRICKS, *SIZE, "--preset", "tiny", *store)
    facts = json.loads(out)
    assert (code, facts["trained"], facts["done"], facts["failed"]) == (0, 8, 8, 0)
    assert facts["suite"] == "ablate-tiny-value_clip+anneal_lr-InvertedPendulum-v5"
    page = Path(facts["report"])
    command = (
        "matters ablate ppo --tricks value_clip,anneal_lr --env InvertedPendulum-v5 --seeds 2 --steps 128 "
        "--preset tiny"
    )
    assert command in page.read_text()
    report = json.loads((page.parent / "report.json").read_text())
    assert [row["effect"] for row in report["comparisons"]] == [
        "value_clip",
        "anneal_lr",
        "value_clip × anneal_lr",
    ]
    assert report["answers"][0]["question"] == "trick-factorial"
    assert report["answers"][0]["claim"] is False
    means = {row["variant"]: row["mean"] for row in report["cells"]}
    both, clip, anneal, none = (
        means[name] for name in ("value_clip+anneal_lr", "value_clip", "anneal_lr", "none")
    )
    effect = report["comparisons"][0]["difference"]
    assert effect == pytest.approx((both + clip - anneal - none) / 2, abs=1e-6)
    assert {row["variant"]: row["value_clip"] for row in report["design"]} == {
        "none": "off",
        "value_clip": "on",
        "anneal_lr": "off",
        "value_clip+anneal_lr": "on",
    }
    for name in ("trick-factorial", "half-normal", "factorial-cells", "on-and-off"):
        assert (page.parent / "figures" / f"{name}.svg").is_file()

    code, out, err = ablate("ppo", *TRICKS, *SIZE, "--preset", "tiny", *store)
    assert (code, json.loads(out)["trained"], err) == (0, 0, "")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("ppo", "--tricks", "value_clp", *SIZE), "did you mean 'value_clip'"),
        (("ppo", *TRICKS, "--env", "Hoper-v5", "--steps", "9"), "did you mean 'Hopper-v5'"),
        (("ppo", *TRICKS, *SIZE, "--one-in", "--one-out"), "choose one"),
        (("sb3-ppo", *TRICKS, *SIZE), "has no tricks"),
        (("vpg", *TRICKS, *SIZE), "--tricks 'value_clip': vpg has no such trick"),
        (("trpo", "--tricks", "cg_steps=0", *SIZE), "--tricks 'cg_steps': trpo has no such trick"),
        (("trpo", "--tricks", "kl_final=0", *SIZE), "tricks.kl_final = 0: should be greater than 0"),
        (("npg", "--tricks", "kl_final=-0.1", *SIZE), "tricks.kl_final = -0.1: should be greater than 0"),
        (("ppo", "--tricks", "kl_stop=0", *SIZE), "tricks.kl_stop = 0: should be greater than 0"),
        (("ppo", "--tricks", "gradient_clip=none", *SIZE), "tricks.gradient_clip = 'none'"),
        (
            ("ppo", "--tricks", "anneal_lr,action_clip", *SIZE, "--preset", "ppo-beta"),
            "policy is not 'gaussian'",
        ),
        (("ppo", *SIZE), "--tricks"),
        (("ppo", *TRICKS, *SIZE, "--workers", "0"), "--workers 0"),
    ],
)
def test_bad_input_gets_one_line_and_status_2_and_writes_nothing(
    ablate, tmp_path, monkeypatch, arguments, says
):
    monkeypatch.chdir(tmp_path)
    code, out, err = ablate(*arguments)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert says in err
    assert list(tmp_path.iterdir()) == []


def test_a_dry_run_says_what_the_factorial_takes_and_writes_nothing(ablate, tmp_path):
    code, out, _ = ablate(
        "ppo", *TRICKS, *SIZE, "--preset", "tiny", "--store", str(tmp_path / "runs"), "--dry-run"
    )
    assert code == 0
    assert out.startswith("runs          8 to train, 0 there\n")
    assert list(tmp_path.iterdir()) == []
