"""Which run a file is: what its path and the small files beside it say, and which names can be used."""

import json
import re
from pathlib import Path
from typing import Any

from matters.results.imported.curve import Names
from matters.suites.errors import InputError, shown
from matters.suites.spec import MAX_SEED

VARIANT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,99}")
ENVIRONMENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+/:-]{0,99}")
SIDECARS = ("config.json", "params.json", "meta_data.json", "args.json")
"""The files that Spinning Up, RLlib, XuanCE and others write beside their curves."""
SIDECAR_BYTES = 2**20

_CLEANRL = re.compile(r"(?P<environment>.+)__(?P<variant>.+)__(?P<seed>\d{1,19})__\d{6,}")
_TD3 = re.compile(r"(?P<variant>[^_]+)_(?P<environment>[A-Za-z0-9]+-v\d+)_(?P<seed>\d{1,19})")
_SEED = re.compile(r"(?:^|[_.\- ])(?:seed[_=-]?|s)(\d{1,19})(?=$|[_.\- ])", re.IGNORECASE)
_ENVIRONMENT_KEYS = ("env", "env_id", "env_name", "environment")


def from_path(path: Path) -> Names:
    """What the name of the file, or of one of the three folders above it, says by a known convention.

    The conventions are CleanRL's `ENV__VARIANT__SEED__TIME`, TD3's `VARIANT_ENV_SEED` (the environment with
    its version), and a seed as `seed_1` or `_s11307`. Two different seeds in one path say nothing.
    """
    parts = [path.name.partition(".")[0], *(folder.name for folder in list(path.absolute().parents)[:3])]
    for part in parts:
        for custom in (_CLEANRL, _TD3):
            if found := custom.fullmatch(part):
                variant, environment = found["variant"], found["environment"]
                if VARIANT.fullmatch(variant) and ENVIRONMENT.fullmatch(environment):
                    return Names(variant, environment, int(found["seed"]))
    seeds = {int(seed) for part in parts for seed in _SEED.findall(part)}
    return Names(seed=seeds.pop() if len(seeds) == 1 else None)


def from_sidecar(folder: Path) -> Names:
    """Environment and seed from a small JSON file in the folder. A file that is not JSON says nothing."""
    environments, seeds = [], []
    for name in SIDECARS:
        path = folder / name
        try:
            fields = json.loads(path.read_bytes()) if _is_small(path) else None
        except (OSError, ValueError, RecursionError):
            continue
        if isinstance(fields, dict):
            environments += [fields.get(key) for key in _ENVIRONMENT_KEYS]
            seeds.append(fields.get("seed"))
    return Names(
        environment=next((one for one in environments if _is_environment(one)), None),
        seed=next((one for one in seeds if type(one) is int and 0 <= one <= MAX_SEED), None),
    )


def _is_small(path: Path) -> bool:
    return path.is_file() and path.stat().st_size <= SIDECAR_BYTES


def _is_environment(value: Any) -> bool:
    return isinstance(value, str) and ENVIRONMENT.fullmatch(value) is not None


def variant(value: str) -> str:
    """The name of a variant. Raises InputError, with a name that could be used."""
    return _name("variant", value, VARIANT, "letters, digits and . _ + -")


def environment(value: str) -> str:
    """The id of an environment. Raises InputError, with an id that could be used."""
    return _name("environment", value, ENVIRONMENT, "an id such as HalfCheetah-v5")


def _name(field: str, value: str, form: "re.Pattern[str]", should: str) -> str:
    name = value.strip()
    if not form.fullmatch(name):
        cleaned = re.sub(r"[^A-Za-z0-9._+]+", "-", name).strip("-._+")[:100]
        near = f"; {cleaned!r} could be used" if form.fullmatch(cleaned) else ""
        raise InputError(f"{field} = {shown(name)}: should be {should}{near}")
    return name


def printable(path: Path | str) -> str:
    """A path as messages and records show it: without control characters, which could affect a terminal."""
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode() for char in str(path)
    )
