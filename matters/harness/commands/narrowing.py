"""Which part of a suite is meant: the options that narrow it, as a value, as words, and back from words."""

import functools
import inspect
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Self

from matters.harness.commands.options import Looks, Only, Seeds, Smoke, Steps, UntilDecided
from matters.suites.errors import InputError, counted, shown

if TYPE_CHECKING:
    from matters.suites.suite import Suite

VALUED = {"--seeds": "seeds", "--steps": "steps", "--only": "only", "--looks": "looks"}
"""The options that have a value, with their fields."""


@dataclass(frozen=True)
class Narrowing:
    """What the user leaves out of a suite, and the looks that are asked for; nothing by default.

    Attributes:
        seeds: "10" for 0 to 9, "3:5" for 3 and 4.
        steps: of each run, in place of the suite's.
        only: globs of the cells that are meant.
        smoke: whether the suite's smoke version is meant.
        looks: None without --until-decided, "" for the suite's own looks, "5,10" for these.
    """

    seeds: str | None = None
    steps: int | None = None
    only: str | None = None
    smoke: bool = False
    looks: str | None = None

    @classmethod
    def parse(cls, words: Sequence[str]) -> Self:
        """The one that has these `words`. Raises InputError for any others: they may come from anybody."""
        left = list(words)
        found: dict[str, Any] = {}
        try:
            while left:
                option = left.pop(0)
                if option == "--until-decided":
                    found.setdefault("looks", "")
                elif option == "--smoke":
                    found["smoke"] = True
                else:
                    found[VALUED[option]] = left.pop(0)
            if "steps" in found:
                found["steps"] = int(found["steps"])
        except (KeyError, IndexError, ValueError):
            options = ", ".join((*VALUED, "--smoke", "--until-decided"))
            raise InputError(
                f"narrowed = {shown(' '.join(words))}: should be options of matters run, of {options}"
            ) from None
        return cls(**found)

    @property
    def words(self) -> list[str]:
        """The options as they are typed."""
        words = ["--smoke"] if self.smoke else []
        for option, value in (("--seeds", self.seeds), ("--steps", self.steps), ("--only", self.only)):
            words += [] if value is None else [option, str(value)]
        words += [] if self.looks is None else ["--until-decided"]
        return words + (["--looks", self.looks] if self.looks else [])

    def notices(self, *declared: "Suite") -> list[str]:
        """What a page of that part of suites opens with: a reader should know that they declare otherwise."""
        words = replace(self, smoke=False, looks=None).words
        part = f"Not all that the suite declares: this page has what `{shlex.join(words)}` leaves of it."
        return [*([part] if words else []), *self.more_seeds(*declared)]

    def more_seeds(self, *declared: "Suite") -> list[str]:
        """Say which variants get more seeds than they declare for themselves, as dear ones do.

        Raises InputError.
        """
        asked = replace(self, steps=None, only=None, smoke=False)
        found = [line for suite in declared if asked.words and (line := asked._more_seeds(suite, self.only))]
        return list(dict.fromkeys(found))

    def _more_seeds(self, declared: "Suite", only: str | None) -> str:
        from matters.suites.narrowing import parts, with_fewer_seeds

        changed = self.of(declared)
        now = len(changed.seeds)
        fewer = with_fewer_seeds(declared, now, parts(only) if only else ("*",))
        each = [
            f"{', '.join(names)} {'has' if len(names) == 1 else 'have'} {'up to ' if changed.looks else ''}"
            f"{counted(now, 'seed')} where the suite declares {count}"
            for count, names in fewer.items()
        ]
        return f"`{shlex.join(self.words)}` is of every variant: {'; '.join(each)}." if each else ""

    def command(self, suite: str) -> str:
        """What to type for the same runs and the same report, wherever the store is."""
        return shlex.join(["matters", "run", suite, *self.words])

    def over(self, other: Self) -> Self:
        """What this one says, and what the other says where this one says nothing."""
        return replace(
            other, **{name: it for name, it in vars(self).items() if it is not None and it is not False}
        )

    def of(self, suite: "Suite") -> "Suite":
        """That part of a suite, or of its smoke version; with other looks. Raises InputError."""
        return self.prepared(suite).restricted(self.seeds, self.steps, self.only)

    def prepared(self, suite: "Suite") -> "Suite":
        """The whole suite, or its smoke version, with other looks. Raises InputError."""
        from matters.suites.seeds import parse_looks

        suite = suite.smoke() if self.smoke else suite
        if self.looks is None:
            return suite
        return suite.until_decided(parse_looks(self.looks) if self.looks else None)


def choose(suite: str, narrowing: Narrowing) -> "Suite":
    """That part of the suite of this name, or in this file. Raises InputError for what cannot be used."""
    from matters.suites.loading import load_suite

    return narrowing.of(load_suite(suite))


def narrowed(command: Callable[..., None]) -> Callable[..., None]:
    """The command with the options of `_narrowing`, of which it takes what they say as one `narrowing`.

    Typer reads the options of a command from its signature. So the parameters are declared once, and put
    in the place of `narrowing` in the signature of each command that takes a suite.
    """
    options = inspect.signature(_narrowing).parameters
    own = inspect.signature(command)
    parameters: list[inspect.Parameter] = []
    for name, parameter in own.parameters.items():
        parameters += options.values() if name == "narrowing" else [parameter]

    @functools.wraps(command)
    def typed(**chosen: Any) -> None:
        narrowing = _narrowing(**{name: chosen.pop(name) for name in options})
        command(narrowing=narrowing, **chosen)

    typed.__signature__ = own.replace(parameters=parameters)  # type: ignore[attr-defined]
    return typed


def _narrowing(
    seeds: Seeds = None,
    steps: Steps = None,
    only: Only = None,
    until_decided: UntilDecided = False,
    looks: Looks = None,
    smoke: Smoke = False,
) -> Narrowing:
    """What the options say. Raises InputError for looks without --until-decided."""
    if looks is not None and not until_decided:
        raise InputError(f"--looks {looks}: is of --until-decided, which is missing")
    return Narrowing(seeds, steps, only, smoke, (looks or "") if until_decided else None)
