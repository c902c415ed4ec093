"""A training and its evaluations are apart: runs are evaluated again and go on without training again."""

import json
import shutil

import numpy as np
import pytest

from matters.algorithms import ALGORITHMS, load
from matters.harness.training import earlier, loop, off_policy_promises_test, promises_test, worker
from matters.harness.training.promises_test import Stopped, digests, ignore
from matters.harness.training.worker import train_population
from matters.results.schema import part_hashes
from matters.results.store import Store
from matters.suites.spec import Evaluation, RunSpec

RULES = [name for name in ALGORITHMS if load(name).KIND != "reference"]
FIRST_OF_EACH_KIND = {load(name).KIND: name for name in reversed(RULES)}.values()


SHORT_BLOCK = 36
"""So that 96 steps have rows of updates, and end within a block."""


def spec(algorithm, *, steps, points=4, episodes=1, seed=0, preset=None, **changes):
    """A short run; off-policy ones warm up, learn, and overwrite their replays."""
    if load(algorithm).KIND == "off-policy":
        one = off_policy_promises_test.spec(algorithm, preset or algorithm, seed, buffer_size=70, **changes)
    else:
        one = promises_test.spec(algorithm, preset or algorithm, seed, environment="Reacher-v5", **changes)
    return one.model_copy(update={"steps": steps, "evaluation": Evaluation(points=points, episodes=episodes)})


def fresh(path, one):
    """The digest of the run trained in one go."""
    return digests(path, [one])[one.seed]


def news_of(path, *specs, **options):
    news = []
    train_population(path, list(specs), news.append, **options)
    return [(one.state, one.steps) for one in news]


def no_training(monkeypatch):
    def refuse(_training):
        raise AssertionError("nothing should be trained")

    monkeypatch.setattr(worker, "train", refuse)


# ---- looking again, and going on: every rule


@pytest.fixture(scope="module", params=RULES)
def short(request, tmp_path_factory):
    """A store with one run of 96 steps, and the run."""
    algorithm = request.param
    # Without a schedule that depends on how long a run is.
    presets, constant = {"ppo": "ppo-m", "mdpo": "mdpo-m"}, {"mdpo": {"anneal_step_size": False}}
    one = spec(algorithm, steps=96, preset=presets.get(algorithm), **constant.get(algorithm, {}))
    path = tmp_path_factory.mktemp(algorithm) / "runs"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "BLOCK", SHORT_BLOCK)
        digests(path, [one], keep_state=True)
    return path, one


def test_kept_policies_are_without_critics_and_at_the_points(short):
    path, one = short
    store = Store.open(path)
    _, policies, _ = earlier.read(store, earlier.trainings(store, [one])[one.training_id][0])
    points = sorted({earlier.steps_taken(one, step) for step in (0, 24, 48, 72, 96)})
    assert policies["step"].tolist() == points
    names = policies.keys() - {"step"}
    assert names
    assert all(name.startswith(("policy/", "observation/")) for name in names)
    final = store.record(one.run_id).policy
    assert all(np.array_equal(policies[name][-1], final[name]) for name in names)
    critic_free = load(one.algorithm).FACTS.group is not None
    assert any(name.startswith(("value/", "critic/")) for name in final) != critic_free


def test_other_points_and_episodes_train_nothing_and_give_what_one_run_would_have_given(
    tmp_path, monkeypatch, short
):
    monkeypatch.setattr(loop, "BLOCK", SHORT_BLOCK)
    path, few = short
    more = few.model_copy(update={"evaluation": Evaluation(points=2, episodes=3)})
    expected = fresh(tmp_path, more)
    no_training(monkeypatch)
    assert news_of(path, more) == [("running", 96), ("done", 96)]
    store = Store.open(path)
    assert store.status(more.run_id).digest == expected
    assert store.verify() == []
    assert store.provenance(more.run_id)["trained_as"] == few.run_id
    before, after = (store.record(one.run_id).evaluations for one in (few, more))
    for point, same in ((0, 0), (1, 2), (2, 4)):
        episodes = after["return"][after["point"] == point]
        assert len(episodes) == 3
        assert episodes[0] == before["return"][before["point"] == same]


def test_a_run_goes_on_with_the_digest_of_one_go(tmp_path, monkeypatch, short):
    monkeypatch.setattr(loop, "BLOCK", SHORT_BLOCK)
    path, one = short
    long = one.model_copy(update={"steps": 192})
    expected = fresh(tmp_path, long)
    assert news_of(path, long)[0] == ("running", 96)
    store = Store.open(path)
    assert store.status(long.run_id).digest == expected
    assert store.verify() == []
    # So its tables begin with those of the shorter run, but for the block that this ended within: which
    # updates are told and what a row is of read no total.
    whole = 96 if load(one.algorithm).FACTS.rollout else 2 * SHORT_BLOCK
    before, after = (store.record(run.run_id) for run in (one, long))
    for shorter, longer in ((before.episodes, after.episodes), (before.updates, after.updates)):
        rows = (shorter["step"] <= whole).sum()
        for name, column in shorter.items():
            np.testing.assert_array_equal(column[:rows], longer[name][:rows])
    assert before.updates["step"][0] <= whole


@pytest.mark.parametrize("algorithm", FIRST_OF_EACH_KIND)
def test_where_divergence_is_looked_for_does_not_depend_on_how_long_the_run_is(
    tmp_path, monkeypatch, algorithm
):
    rule, found = load(algorithm), []
    update = rule.update

    def poisoned(state, *arguments, **options):
        nonlocal updates
        updates += 1
        metrics = update(state, *arguments, **options)
        if updates == (2 if rule.KIND == "on-policy" else 130):
            state.policy.matrix[0, 0] = float("nan")
        return metrics

    monkeypatch.setattr(rule, "update", poisoned)
    for steps in (288, 480):
        updates, one = 0, spec(algorithm, steps=steps, points=1)
        digests(tmp_path, [one])
        found.append(Store.open(tmp_path).status(one.run_id).diverged_at)
    assert found == [192, 192] if rule.KIND == "on-policy" else [200, 200]


# ---- looking again


def test_a_points_score_at_five_episodes_is_the_mean_of_the_first_five_of_its_ten(tmp_path):
    ten, five = (spec("ppo", steps=96, points=1, episodes=episodes) for episodes in (10, 5))
    for one in (ten, five):
        digests(tmp_path, [one])
    store = Store.open(tmp_path)
    longer, shorter = (store.record(one.run_id).evaluations for one in (ten, five))
    for point in (0, 1):
        first = longer["return"][(longer["point"] == point) & (longer["episode"] < 5)]
        assert np.array_equal(first, shorter["return"][shorter["point"] == point])
    assert store.status(five.run_id).score == first.mean()


def test_a_diverged_run_is_evaluated_again_as_far_as_it_came(tmp_path, monkeypatch):
    rule = load("td3")
    update, updates = rule.update, 0

    def poisoned(state, *arguments):
        nonlocal updates
        updates += 1
        metrics = update(state, *arguments)
        if updates == 130:  # at step 144: within a block, after the point at 120 and before that at 160
            state.policy.matrix[0, 0] = float("nan")
        return metrics

    few = spec("td3", steps=240, points=3)
    more = spec("td3", steps=240, points=6, episodes=2)
    for path, one in ((tmp_path / "again", few), (tmp_path / "fresh", more)):
        updates = 0
        with monkeypatch.context() as patch:
            patch.setattr(rule, "update", poisoned)
            digests(path, [one])
    assert Store.open(tmp_path / "again").status(few.run_id).diverged_at == 200
    assert Store.open(tmp_path / "again").record(few.run_id).evaluations["step"].tolist() == [0, 80]
    # The policy at step 120 was kept by neither grid nor points of the first: what is there is played.
    no_training(monkeypatch)
    news_of(tmp_path / "again", spec("td3", steps=240, points=3, episodes=2))
    again = Store.open(tmp_path / "again")
    run_id = spec("td3", steps=240, points=3, episodes=2).run_id
    assert again.status(run_id).diverged_at == 200
    assert again.record(run_id).evaluations["step"].tolist() == [0, 0, 80, 80]
    assert again.verify() == []
    assert Store.open(tmp_path / "fresh").record(more.run_id).evaluations["step"].tolist() == [
        step for step in (0, 40, 80, 120) for _ in range(2)
    ]


# ---- going on


def test_going_on_survives_an_interruption_and_is_packed_with_others(tmp_path):
    shorts, longs = (
        [spec("td3", steps=steps, seed=seed, points=2) for seed in (0, 3)] for steps in (150, 300)
    )
    expected = digests(tmp_path / "fresh", longs)
    digests(tmp_path / "on", shorts, keep_state=True)

    def stop(progress):
        if progress.steps == 200:
            raise Stopped

    with pytest.raises(Stopped):
        train_population(tmp_path / "on", longs, stop, checkpoint_seconds=0)
    assert digests(tmp_path / "on", longs) == expected


def reason(path, one):
    choice = earlier.choose(*asked(path, one))
    assert choice.source is None
    return choice.reason


def test_what_cannot_go_on_says_why_and_trains_from_its_beginning(tmp_path):
    annealed = spec("ppo", steps=96)
    digests(tmp_path, [annealed])
    assert reason(tmp_path, spec("ppo", steps=192)) == (
        f"run {annealed.run_id} of 96 steps cannot go on, since tricks.anneal_lr depends on how long a run is"
    )
    longer = spec("ppo", steps=192)
    assert news_of(tmp_path, longer)[0] == ("running", 0)
    assert reason(tmp_path, spec("sac", steps=192)) == ""

    off = spec("sac", steps=100)
    digests(tmp_path, [off])
    assert "did not keep its final state (--keep-state" in reason(tmp_path, spec("sac", steps=200))
    # Points at 33 and 66 of the first hundred steps.
    assert "kept no policy at step 34" in reason(tmp_path, spec("sac", steps=100, points=3))


def test_an_on_policy_rule_of_ones_own_does_not_go_on_since_its_schedules_are_not_known(
    tmp_path, monkeypatch
):
    digests(tmp_path, [spec("ppo", preset="ppo-m", steps=96)])
    longer = spec("ppo", preset="ppo-m", steps=192)
    assert earlier.choose(*asked(tmp_path, longer)).source is not None
    monkeypatch.setattr(earlier, "ALGORITHMS", {})
    assert "a rule of one's own may depend on how long a run is" in reason(tmp_path, longer)


def asked(path, one):
    store = Store.open(path)
    return store, one, earlier.trainings(store, [one])


def test_a_damaged_run_is_not_taken_over(tmp_path):
    short = spec("ppo", preset="ppo-m", steps=96)
    digests(tmp_path, [short])
    state = Store.open(tmp_path).directory(short.run_id) / "state.safetensors"
    data = bytearray(state.read_bytes())
    data[len(data) // 2] ^= 1
    state.write_bytes(data)
    assert [fault.file for fault in Store.open(tmp_path).verify()] == ["state.safetensors"]
    assert "is damaged" in reason(tmp_path, spec("ppo", preset="ppo-m", steps=192))
    state.unlink()  # as one may, to make room
    assert Store.open(tmp_path).verify() == []
    assert "did not keep its final state" in reason(tmp_path, spec("ppo", preset="ppo-m", steps=192))


def test_a_reference_says_that_it_always_trains_from_its_beginning(tmp_path):
    rule = load("sb3-ppo")
    config = rule.Config(n_steps=32, batch_size=16, n_epochs=1).model_dump(mode="json")
    fields = {"algorithm": "sb3-ppo", "algorithm_version": rule.VERSION, "environment": "Reacher-v5"}
    one, other = (
        RunSpec(config=config, seed=0, steps=64, evaluation=Evaluation(points=1, episodes=k), **fields)
        for k in (1, 2)
    )
    digests(tmp_path, [one])
    assert "a reference, which always trains from its beginning" in reason(tmp_path, other)
    assert part_hashes(Store.open(tmp_path).record(one.run_id))["parameters"]


# ---- what is kept


def test_the_state_of_an_off_policy_run_is_kept_only_if_that_is_asked(tmp_path):
    one = spec("sac", steps=50)
    for path, options, kept in ((tmp_path / "no", {}, False), (tmp_path / "yes", {"keep_state": True}, True)):
        digests(path, [one], **options)
        directory = Store.open(path).directory(one.run_id)
        assert (directory / "state.rows").exists() == (directory / "state.safetensors").exists() == kept
        fields = json.loads((directory / "status.json").read_bytes())
        assert ("state.rows" in fields["kept"]) == kept
        assert not list(directory.glob("checkpoint*"))
    copy = tmp_path / "copy"
    shutil.copytree(tmp_path / "yes", copy)
    assert Store.open(copy).verify() == []
    train_population(copy, [spec("sac", steps=100)], ignore)
    assert Store.open(copy).verify() == []  # the shorter run's replay was not appended to
