"""What the command line says of bad input, of places that cannot be used, and of itself."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from matters.harness.cli import call
from matters.harness.conftest import TINY, files
from matters.results.store import Store


def test_every_object_of_json_says_the_version_of_its_keys(matters):
    for words in (("verify",), ("plan", "TINY"), ("run", "TINY"), ("report", "TINY")):
        facts = json.loads(matters(*words, "--store", "STORE", "--json")[1])
        assert next(iter(facts.items())) == ("json_version", 1), words


def test_ctrl_c_in_any_command_is_a_word_and_status_1(matters, monkeypatch):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("matters.reports.report.write_report", interrupt)
    goes_on = "the same command goes on from the last checkpoints: 4 of 4 runs done, 0 paused"
    assert matters("run", "TINY", "--store", "STORE") == (1, "", f"matters: stopped; {goes_on}\n")
    monkeypatch.setattr(Store, "open", interrupt)
    for words in (("verify", "--store", "STORE"), ("run", "TINY", "--store", "STORE")):
        assert matters(*words) == (1, "", "matters: stopped\n")


def test_every_trick_of_every_preset_is_listed_with_what_it_does(matters):
    code, out, _ = matters("list", "tricks", "--json")
    tricks = {(row["algorithm"], row["trick"]): row for row in json.loads(out)}
    assert code == 0
    assert "ppo" in tricks["ppo", "value_clip"]["on_in"]
    assert "ppo-m" not in tricks["ppo", "value_clip"]["on_in"]
    assert all(row["description"] for row in tricks.values())
    assert ("vpg", "orthogonal_init") in tricks


@pytest.mark.parametrize("what", ["algorithms", "suites", "tricks"])
def test_lists_are_tables_too(matters, what):
    code, out, _ = matters("list", what)
    assert code == 0
    assert {"algorithms": "sb3-ppo", "suites": "quickstart", "tricks": "value_clip"}[what] in out


@pytest.mark.parametrize("arguments", [["--help"], [], ["run", "--help"], ["--version"]])
def test_help_is_no_error(matters, arguments):
    code, out, err = matters(*arguments)
    assert (code, err) == (0, "")
    assert "matters" in out


def bad(*arguments, says, suite=None, store=None):
    return pytest.param(arguments, suite, store, says, id=says)


def with_line(section, line):
    """The tiny suite with a line put into a section."""
    return TINY.replace(section, f"{section}\n{line}", 1)


def with_variant(algorithm, config):
    """The tiny suite with one variant more."""
    return f'{TINY}\n[variants.x]\nalgorithm = "{algorithm}"\n{config}\n'


def newer(store):
    store.mkdir()
    (store / "store.json").write_text('{"schema_version": 99}')


def empty(store):
    Store.open(store, create=True)


RUN = ("run", "SUITE")


UNUSABLE = [
    # a trick that the algorithm lacks
    ("vpg", "config.tricks.value_clip = true", "x.config.tricks.value_clip: unknown field; did you mean"),
    ("trpo", "config.tricks.kl_fnal = 0.1", "did you mean 'kl_final'"),
    # out of range
    ("trpo", "config.kl = 0", "x.config.kl = 0: should be greater than 0"),
    ("npg", "config.kl = -0.01", "x.config.kl = -0.01: should be greater than 0"),
    ("trpo", "config.tricks.kl_final = 0.0", "x.config.tricks.kl_final = 0.0: should be greater than 0"),
    ("tnpg", "config.cg_steps = 0", "x.config.cg_steps = 0: should be greater than 0"),
    ("trpo", "config.cg_steps = 2.5", "x.config.cg_steps = 2.5: should be a valid integer"),
    ("npg", "config.most_steps = 0", "x.config.most_steps = 0: should be greater than 0"),
    ("trpo", "config.damping = -0.1", "x.config.damping = -0.1: should be greater than or equal to 0"),
    ("npg", "config.damping = -1", "x.config.damping = -1: should be greater than or equal to 0"),
    ("trpo", "config.line_search_shrink = 1", "x.config.line_search_shrink = 1: should be less than 1"),
    ("tnpg", "config.fisher_fraction = 0", "x.config.fisher_fraction = 0: should be greater than 0"),
    # contradictions
    ("ppo", 'config.objective = "clip+kl"', "should be 'clip', 'kl-adaptive', 'kl-fixed' or 'none'"),
    ("ppo", "config.objective = false", "x.config.objective = False: should be 'clip'"),
    ("ppo", "config.kl_coefficient = 2", "kl_coefficient = 2: changes nothing, because objective is neither"),
    (
        "ppo",
        'preset = "ppo-m"\nconfig = { objective = "none", clip = 0.1 }',
        "x.config.clip = 0.1: changes nothing, because objective is not 'clip' and value_clip is off",
    ),
    (
        "ppo",
        'config = { objective = "kl-fixed", kl_target = 0.02 }',
        "kl_target = 0.02: changes nothing, because objective is not 'kl-adaptive'",
    ),
    (
        "ppo",
        'preset = "ppo-beta"\nconfig.tricks.log_std_init = -0.5',
        "x.config.tricks.log_std_init = -0.5: changes nothing, because policy is not 'gaussian'",
    ),
    (
        "trpo",
        "config = { line_search_steps = 0, line_search_shrink = 0.8 }",
        "line_search_shrink = 0.8: changes nothing, because line_search_steps is 0 or 1",
    ),
    (
        "trpo",
        "config = { value_epochs = 0, tricks.value_clip = 0.2 }",
        "tricks.value_clip = 0.2: changes nothing, because value_epochs is 0",
    ),
    (
        "vpg",
        "config = { baseline = false, value_steps = 40 }",
        "value_steps = 40: changes nothing, because baseline is off",
    ),
    (
        "sac",
        "config.warmup = 128",
        "x.config.warmup = 128: should be less than steps = 128, or nothing would be learnt",
    ),
    ("sb3-td3", "config.learning_starts = 200", "x.config.learning_starts = 200: should be less than steps"),
]
"""Variants that cannot be, as (algorithm, lines of TOML, what is said of them)."""


@pytest.mark.parametrize(
    ("arguments", "suite", "store", "says"),
    [
        # words on the command line
        bad("rn", says="did you mean 'run'"),
        bad("run", says="suite"),
        bad(*RUN, "--sedes", "3", says="--sedes"),
        bad("run", "quickstrat", says="did you mean 'quickstart'"),
        bad("run", "nothing.toml", says="nothing.toml"),
        bad("list", "algorithm", says="did you mean 'algorithms'?"),
        # values on the command line
        bad(*RUN, "--seeds", "0", says="seeds"),
        bad(*RUN, "--seeds", "-2", says="seeds"),
        bad(*RUN, "--seeds", "5:3", says="5:3"),
        bad(*RUN, "--steps", "0", says="steps = 0"),
        bad(*RUN, "--steps", "many", says="--steps"),
        bad(*RUN, "--only", "sac/*", says="sac/*"),
        bad(*RUN, "--workers", "0", says="--workers 0"),
        bad(*RUN, "--workers", "-1", says="--workers -1"),
        bad(*RUN, "--workers", "two", says="--workers"),
        bad(*RUN, "--partition", "p", says="--partition p: is an option of --executor slurm"),
        bad(*RUN, "--executor", "locla", says="did you mean 'local'"),
        bad(*RUN, "--out", os.devnull, says="--out"),
        bad("parity", "pppo", says="did you mean 'ppo'"),
        bad("show", "feedface", store=empty, says="'feedface'"),
        bad("reproduce", "feedface", store=empty, says="'feedface'"),
        bad("report", "SUITE", says="runs': does not exist"),
        bad("verify", says="store = 'runs': does not exist"),
        bad(
            "show",
            "feedface",
            says="'runs': does not exist; name another with --store DIR, or a bundle with --evidence NAME",
        ),
        # the suite
        bad(
            *RUN, suite=TINY.replace("InvertedPendulum-v5", "InvertedPendulm-v5"), says="InvertedPendulum-v5"
        ),
        bad(*RUN, suite=TINY.replace("InvertedPendulum-v5", "CartPole-v1"), says="supported: Box"),
        bad(*RUN, suite=TINY.replace('algorithm = "ppo"', 'algorithm = "pppo"', 1), says="variants.ppo"),
        bad(*RUN, suite=TINY.replace('"ppo-m"', '"ppo-n"'), says="did you mean 'ppo-m'"),
        bad(*RUN, suite=TINY.replace("epochs", "epoch"), says="did you mean 'epochs'"),
        bad(
            *RUN,
            suite=TINY.replace("epochs = 1", "tricks = { value_clp = true }"),
            says="variants.ppo.config.tricks.value_clp",
        ),
        bad(*RUN, suite=TINY.replace("horizon = 64", 'horizon = "64"'), says="variants.ppo.config.horizon"),
        bad(*RUN, suite=TINY.replace("seeds = 2", "seeds = 0"), says="suite.seeds"),
        bad(*RUN, suite=TINY.replace("seeds = 2", "seeds = -1"), says="suite.seeds = -1"),
        bad(*RUN, suite=TINY.replace("seeds = 2", "seeds = true"), says="suite.seeds = True"),
        bad(*RUN, suite=TINY.replace("steps = 128", "steps = 0"), says="suite.steps = 0"),
        bad(*RUN, suite=TINY.replace("steps = 128", "steps = -5"), says="suite.steps = -5"),
        bad(*RUN, suite=TINY.replace("steps = 128", "steps = 128.0"), says="suite.steps = 128.0"),
        bad(*RUN, suite=with_line("[suite]", "stpes = 3"), says="did you mean 'steps'"),
        bad(*RUN, suite=with_line("[suite]", "seeds = = 3"), says="suite.toml:3"),
        bad(
            *RUN, suite=TINY.replace("code-level-tricks", "code-level-trick"), says="did you mean 'code-level"
        ),
        # a variant
        *[bad(*RUN, suite=with_variant(*variant), says=says) for *variant, says in UNUSABLE],
        # the store
        bad(*RUN, store=lambda store: store.write_text("a file"), says="is a file"),
        bad(*RUN, store=newer, says="schema 99"),
        bad("status", "SUITE", store=newer, says="written by a newer Matters"),
    ],
)
def test_bad_input_gets_one_line_and_status_2_and_writes_nothing(
    arguments, suite, store, says, tmp_path, capsys, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    Path("suite.toml").write_text(suite or TINY)
    if store is not None:
        store(Path("runs"))
    before = files(tmp_path)
    code = call(["suite.toml" if argument == "SUITE" else argument for argument in arguments])
    out, err = capsys.readouterr()
    assert code == 2
    assert out == ""
    assert err.startswith("matters: ")
    assert err.count("\n") == 1
    assert " ".join(says.lower().split()) in err.lower()
    assert files(tmp_path) == before


def test_a_complete_store_that_may_not_be_written_to_is_reported_elsewhere(
    matters, place, tmp_path, monkeypatch
):
    real, store = os.access, str(place / "runs")
    monkeypatch.setattr(
        os,
        "access",
        lambda path, mode: not (mode & os.W_OK and str(path).startswith(store)) and real(path, mode),
    )
    before = files(place / "runs")
    code, _, err = matters("run", "TINY", "--store", "STORE")
    assert (code, err.count("\n")) == (2, 1)
    assert err.endswith("is not writable; --out DIR writes it elsewhere\n")
    assert matters("run", "TINY", "--store", "STORE", "--out", str(tmp_path / "page"))[0] == 0
    assert (tmp_path / "page" / "index.html").exists()
    code, _, err = matters("run", "TINY", "--store", "STORE", "--out", str(tmp_path / "b"), "--seeds", "3")
    assert (code, "not writable" in err) == (2, True)
    assert files(place / "runs") == before


def test_a_place_where_no_store_can_be_is_said(matters, tmp_path):
    (tmp_path / "file").write_text("")
    (tmp_path / "link").symlink_to(tmp_path / "nothing")
    for where, says in (("file/runs", "is a file"), ("link", "is a link to nothing")):
        for command in ("status", "plan"):
            code, out, err = matters(command, "TINY", "--store", str(tmp_path / where))
            assert (code, out, err.count("\n")) == (2, "", 1)
            assert says in err


def test_a_store_that_may_not_be_written_to_is_refused(matters):
    # Not even the superuser makes directories there.
    code, _, err = matters("run", "TINY", "--store", "/proc/runs")
    assert (code, err.count("\n")) == (2, 1)
    assert "not writable" in err


def test_the_command_line_loads_no_heavy_library_before_it_is_needed():
    program = (
        "import sys, matters.harness.cli; print(sorted({'torch', 'pandas', 'matplotlib'} & set(sys.modules)))"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True)
    assert done.stdout == "[]\n"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (
            ("plan", "TINY", "--steps", "1e6"),
            "--steps 1e6: should be a valid integer, such as 1000000, without",
        ),
        (("plan", "TINY", "--steps", "many"), "--steps many: should be a valid integer\n"),
        (("report", "--imported", "x", "--margin", "5%"), "--margin 5%: should be a valid number\n"),
        (("verify", "--sample", "0"), "--sample 0: should be greater than or equal to 1\n"),
        (("import", "x", "--unit", "fil"), "--unit fil: 'fil' is not one of 'file', 'folder'"),
    ],
)
def test_a_value_of_another_kind_is_named_with_its_option(matters, words, says):
    code, out, err = matters(*words)
    assert (code, out) == (2, "")
    assert err.startswith(f"matters: {says}")
