"""What the owner of imported results declares about their protocol, kept beside the set.

    <store>/imported/<set>.protocol.json

Two sets are compared only where both declare all of it: nobody can tell from a curve how it was evaluated.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from matters.results import files
from matters.suites.errors import InputError, nearest, shown

FIELDS = {
    "policy": "deterministic, stochastic or training",
    "episodes": "a whole number: episodes per return",
    "normalised": "no or yes: whether returns are of normalised rewards",
    "source": "where they come from",
    "commit": "of which version of the code",
    "licence": "under which licence",
}
POLICIES = ("deterministic", "stochastic", "training")
MOST_CHARACTERS = 300


@dataclass(frozen=True)
class Declared:
    """The declarations, each empty if there is none."""

    policy: str = ""
    episodes: str = ""
    normalised: str = ""
    source: str = ""
    commit: str = ""
    licence: str = ""

    @property
    def lacking(self) -> tuple[str, ...]:
        """The names of the fields that are not declared."""
        return tuple(name for name, value in asdict(self).items() if not value)

    @property
    def text(self) -> str:
        """All declarations in one line."""
        return "; ".join(f"{name}: {value}" for name, value in asdict(self).items() if value)


def parse(pairs: Sequence[str]) -> Declared:
    """The declarations in pairs such as "episodes=10". Raises InputError."""
    found: dict[str, str] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        name, value = name.strip(), value.strip()
        if not equals or name not in FIELDS:
            raise InputError(f"--declare {shown(pair)}: should be NAME=VALUE{nearest(name, FIELDS)}")
        bad = not value or len(value) > MOST_CHARACTERS or not value.isprintable()
        bad |= name == "policy" and value not in POLICIES
        bad |= name == "episodes" and not (value.isascii() and value.isdigit() and int(value) > 0)
        bad |= name == "normalised" and value not in ("no", "yes")
        if bad:
            raise InputError(f"--declare {name}={shown(value)}: should be {FIELDS[name]}")
        if found.get(name, value) != value:
            raise InputError(f"--declare {name}: is declared twice")
        found[name] = value
    return Declared(**found)


def load(store: Path, name: str) -> Declared:
    """What was declared about a set. Raises InputError for a file that is damaged."""
    path = _path(store, name)
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return Declared()
    try:
        fields = json.loads(data)
        if not files.intact(data):
            raise ValueError
        return Declared(**{field: str(fields[field]) for field in FIELDS})
    except (ValueError, KeyError, TypeError):
        raise InputError(f"{path}: is damaged: it does not match its checksum") from None


def joined(before: Declared, now: Declared, name: str) -> Declared:
    """Both together. Raises InputError where they contradict each other."""
    fields: Mapping[str, str] = asdict(now)
    for field, value in asdict(before).items():
        if value and fields[field] not in ("", value):
            raise InputError(
                f"--declare {field}={fields[field]}: set {name} has {field} = {value}; another "
                "protocol needs another --name"
            )
    return Declared(**{field: value or fields[field] for field, value in asdict(before).items()})


def save(store: Path, name: str, declared: Declared) -> None:
    """Write the declarations beside the set, if there are any."""
    if declared != Declared():
        files.write(_path(store, name), files.sealed(asdict(declared)))


def _path(store: Path, name: str) -> Path:
    return store / "imported" / f"{name}.protocol.json"
