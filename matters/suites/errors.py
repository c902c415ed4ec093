"""Input that cannot be used, reported in one line: the field, the value and the nearest valid one."""

import math
from collections.abc import Iterable
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, get_args

from pydantic import BaseModel, ValidationError

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails


class InputError(ValueError):
    """Input that cannot be used. The message is one line, without characters that control a terminal."""

    def __init__(self, message: str) -> None:
        super().__init__(on_one_line(message))


def on_one_line(text: str, most: int | None = None) -> str:
    """A text on one line, without characters that control a terminal; cut after `most` characters."""
    line = "".join(c if c.isprintable() else repr(c)[1:-1] for c in " ".join(text.split()))
    return line if most is None or len(line) <= most else f"{line[: most - 1]}…"


def nearest(word: object, valid: Iterable[str]) -> str:
    """The end of a message on an unknown word: "; did you mean 'x'?", or all valid words if none is near."""
    names = list(valid)
    if not names:
        return ""
    close = get_close_matches(str(word), names, n=1)
    return f"; did you mean {close[0]!r}?" if close else f"; valid: {', '.join(names)}"


def shown(value: object) -> str:
    """A value as a message shows it: its repr, cut to 80 characters."""
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."


def counted(number: int, noun: str) -> str:
    """The number and its noun, as "1 run" and "2 runs"."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def dotted(*parts: str | int) -> str:
    """The dotted name of a field: ("suite", "seeds", 2) is "suite.seeds[2]"."""
    name = ""
    for part in parts:
        if isinstance(part, int):
            name += f"[{part}]"
        elif part:
            name += f".{part}" if name else part
    return name


def from_validation(error: ValidationError, model: type[BaseModel], prefix: str = "") -> InputError:
    """The first of a model's complaints as one line; an unknown field first, as it explains a missing one."""
    complaints = error.errors(include_url=False)
    first = next((c for c in complaints if c["type"] == "extra_forbidden"), complaints[0])
    location, parent = _locate(first["loc"], model)
    field, value, kind = dotted(prefix, *location), first["input"], first["type"]
    if kind == "extra_forbidden":
        return InputError(f"{field}: unknown field{_nearest_field(str(location[-1]), parent)}")
    if kind == "missing":
        return InputError(f"{field}: missing")
    if kind == "value_error":
        reason = str(first["ctx"]["error"])
        # Without a location the complaint is about the whole input, whose value would fill the line.
        return InputError(
            f"{field} = {shown(value)}: {reason}" if location else f"{field}: {reason}".lstrip(": ")
        )
    return InputError(f"{field} = {shown(value)}: {refusal(first)}")


def refusal(complaint: "ErrorDetails") -> str:
    """One of pydantic's complaints about a value, in the words of all others, with what would do."""
    value, kind = complaint["input"], complaint["type"]
    message = complaint["msg"].removeprefix("Input ").removeprefix("Value error, ").partition(", unable")[0]
    # TOML has lists, whatever a model makes of them.
    message = message.replace("a valid tuple", "a list")
    hint = ""
    if kind in ("int_type", "int_parsing") and (whole := _whole(value)) is not None:
        # TOML reads 2e5 and 10.0 as floats, and on a command line they are text.
        hint = f", such as {whole}, without a point or an exponent"
    if kind == "literal_error":
        # Pydantic lists what is valid; the nearest valid word is added.
        words = complaint["ctx"]["expected"].replace(" or ", ", ").replace("'", "").split(", ")
        hint = nearest(value, words) if get_close_matches(str(value), words) else ""
    return f"{message[0].lower()}{message[1:]}{hint}"


def _whole(value: object) -> int | None:
    """The whole number that somebody has written as another one, as 2e5."""
    try:
        number = float(value) if isinstance(value, float | str) else math.nan
    except ValueError:
        return None
    return int(number) if number.is_integer() else None


def _nearest_field(name: str, model: type[BaseModel]) -> str:
    """As `nearest`, of a model's fields; or the place of that name in a table among them, as a trick's."""
    for field, described in model.model_fields.items():
        nested = _nested(described.annotation)
        if nested is not None and name in nested.model_fields:
            return f"; did you mean {f'{field}.{name}'!r}?"
    return nearest(name, model.model_fields)


def _locate(
    location: tuple[int | str, ...], model: type[BaseModel]
) -> tuple[tuple[int | str, ...], type[BaseModel]]:
    """A location without the tags that pydantic adds for members of a union, and the model it ends in."""
    kept: list[int | str] = []
    current: type[BaseModel] | None = model
    parent = model
    for part in location:
        if isinstance(part, int):
            kept.append(part)
        elif current is not None:
            kept.append(part)
            parent = current
            field = current.model_fields.get(part)
            current = _nested(field.annotation) if field else None
    return tuple(kept), parent


def _nested(annotation: Any) -> type[BaseModel] | None:
    """The model in an annotation, such as `Tricks` in `Tricks | None`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for part in get_args(annotation) if (found := _nested(part))), None)
