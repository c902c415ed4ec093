"""A wrong suite is refused in one line that names field, value and the nearest valid one."""

import pytest

from matters.suites.conftest import SMALL, refusal


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("seeds = 0", "suite.seeds = 0: should be greater than 0"),
        ("seeds = -3", "suite.seeds = -3: should be greater than 0"),
        ("seeds = true", "suite.seeds = True: should be a number of seeds, such as 10, or a list of seeds"),
        ("seeds = 2.0", "suite.seeds = 2.0: should be a number of seeds, such as 10, or a list of seeds"),
        ("looks = 10", "suite.looks = 10: should be a list"),
        ("points = 3", "suite.points: unknown field; did you mean 'evaluation.points'?"),
        ("seeds = [1, 1]", "suite.seeds = [1, 1]: 1 appears twice"),
        ("seeds = [-1]", "suite.seeds[0] = -1: should be greater than or equal to 0"),
        ("seeds = []", "suite.seeds = []: should not be empty"),
        ("steps = 0", "suite.steps = 0: should be greater than 0"),
        ("steps = 1e6", "suite.steps = 1000000.0: should be a valid integer"),
        ("steps = true", "suite.steps = True: should be a valid integer"),
        ('steps = "many"', "suite.steps = 'many': should be a valid integer"),
        ("steps = 9", "suite: evaluation.points = 10: more than steps = 9"),
        (
            'environments = ["Hoper-v5"]',
            "suite.environments[0] = 'Hoper-v5': unknown environment; did you mean 'Hopper-v5'?",
        ),
        ("environments = []", "suite.environments = []: should not be empty"),
        (
            'environments = ["CartPole-v1"]',
            "suite.environments[0] = 'CartPole-v1': actions are Discrete(2); "
            "supported: Box observations and Box actions, each a vector",
        ),
        (
            'questions = ["reprodction"]',
            "suite.questions[0] = 'reprodction': unknown question; did you mean 'reproduction'?",
        ),
        ('name = "a/b"', "suite.name = 'a/b': string should match pattern"),
        ('titel = "x"', "suite.titel: unknown field; did you mean 'title'?"),
        ('variants = "x"', "suite.variants: unknown field"),
        ("margin = 0.0", "suite.margin = 0.0: should be greater than 0"),
        ("evaluation = { point = 3 }", "suite.evaluation.point: unknown field; did you mean 'points'?"),
        ("evaluation = { points = 0 }", "suite.evaluation.points = 0: should be greater than 0"),
    ],
)
def test_a_wrong_header_is_named_by_field_value_and_nearest(line: str, message: str) -> None:
    key = line.split(" = ")[0]
    kept = [text for text in SMALL.splitlines() if not text.startswith(f"{key} = ")]
    kept.insert(kept.index("[suite]") + 1, line)
    assert refusal("\n".join(kept)).startswith(message)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ('algorithm = "pppo"', "variants.x.algorithm = 'pppo': unknown algorithm; did you mean 'ppo'?"),
        ("algorithm = 1", "variants.x.algorithm = 1: should be a string; valid: "),
        ('preset = "ppo"', "variants.x.algorithm: missing; valid: "),
        (
            'algorithm = "ppo"\npreset = "ppo-n"',
            "variants.x.preset = 'ppo-n': unknown preset; did you mean 'ppo-m'?",
        ),
        ('algorithm = "ppo"\npresett = "ppo"', "variants.x.presett: unknown field; did you mean 'preset'?"),
        (
            'algorithm = "ppo"\nconfig = { tricks = { value_clp = true } }',
            "variants.x.config.tricks.value_clp: unknown field; did you mean 'value_clip'?",
        ),
        (
            'algorithm = "ppo"\nconfig = { value_clip = false }',
            "variants.x.config.value_clip: unknown field; did you mean 'tricks.value_clip'?",
        ),
        (
            'algorithm = "ppo"\nconfig = { learning_rat = 1 }',
            "variants.x.config.learning_rat: unknown field; did you mean 'learning_rate'?",
        ),
        (
            'algorithm = "ppo"\nconfig = { learning_rate = "1" }',
            "variants.x.config.learning_rate = '1': should be a valid number",
        ),
        (
            'algorithm = "ppo"\nconfig = { epochs = true }',
            "variants.x.config.epochs = True: should be a valid integer",
        ),
        (
            'algorithm = "ppo"\nconfig = { epochs = 2.5 }',
            "variants.x.config.epochs = 2.5: should be a valid integer",
        ),
        (
            'algorithm = "ppo"\nconfig = { tricks = { value_clip = 1 } }',
            "variants.x.config.tricks.value_clip = 1: should be a valid boolean",
        ),
        (
            'algorithm = "ppo"\nconfig = { tricks = true }',
            "variants.x.config.tricks = True: should be an object",
        ),
        ('algorithm = "ppo"\nconfig = 3', "variants.x.config = 3: should be a table"),
        (
            'algorithm = "ppo"\nconfig = { discount = inf }',
            "variants.x.config.discount = inf: a number must be finite",
        ),
        (
            'algorithm = "ppo"\nconfig = { hidden = [64, nan] }',
            "variants.x.config.hidden[1] = nan: a number must be finite",
        ),
        (
            'algorithm = "ppo"\nconfig = { discount = 1979-05-27 }',
            "variants.x.config.discount = 1979-05-27: should be a number",
        ),
        (
            'algorithm = "ppo"\nconfig = { objective = "clop" }',
            "variants.x.config.objective = 'clop': should be 'clip', 'kl-adaptive', 'kl-fixed' or 'none'; "
            "did you mean 'clip'?",
        ),
    ],
)
def test_a_wrong_variant_is_named_by_field_value_and_nearest(table: str, message: str) -> None:
    assert refusal(f"{SMALL}\n[variants.x]\n{table}").startswith(message)


def test_a_variants_name_can_be_part_of_a_glob() -> None:
    assert refusal(f"{SMALL}\n[variants.'a/b']\nalgorithm = 'ppo'").startswith("variants.a/b.name = 'a/b': ")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "suite: missing"),
        ("[suite]\nname = 'x'", "variants: missing"),
        (SMALL + "\n[variant]\n", "variant: unknown table; did you mean 'variants'?"),
        (SMALL.replace("seeds = 3\n", ""), "suite.seeds: missing"),
        ("[variants]\nx = 1\n[suite]\nname = 'x'", "variants.x = 1: should be a table"),
    ],
)
def test_missing_and_unknown_tables_are_named(text: str, message: str) -> None:
    assert refusal(text).startswith(message)
