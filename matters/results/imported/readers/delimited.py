"""Text in columns: any separator, with or without a header; cells stay text until they are needed."""

import csv
import io
import re
import warnings
from dataclasses import dataclass

import numpy as np
import pandas as pd

from matters.results.imported.curve import Array
from matters.suites.errors import InputError, shown

SEPARATORS = ("\t", ";", ",", "|")
MAX_ROWS = 2_000_000
MAX_COLUMNS = 20_000
NOT_MEASURED = ("", "none", "null")


@dataclass(frozen=True)
class Text:
    """A file in columns whose rows have not been read. `header` is None where the first line is numbers."""

    text: str
    separator: str
    header: tuple[str, ...] | None
    cut: bool
    skipped: int = 0  # blank lines before the first other one

    @property
    def notes(self) -> tuple[str, ...]:
        """A note that the last line was left out, if it was."""
        return ("a last line that was cut off left out",) if self.cut else ()


def decoded(data: bytes) -> str:
    """The file as text. Raises InputError for bytes that are not text."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"is not UTF-8: {error.reason} at byte {error.start}") from None
    if "\0" in text:
        raise InputError("is not text: it holds zero bytes")
    return text


def opened(text: str) -> Text:
    """The header and the separator of a file in columns. A last line that was cut off is left out."""
    if text.count("\n") > MAX_ROWS:
        raise InputError(f"has more than {MAX_ROWS} lines")
    body = text.strip("\n\r")
    skipped = text[: text.find(body[:1])].count("\n") if body else 0
    first = body.partition("\n")[0].rstrip("\r")
    if not first.strip():
        raise InputError("is empty")
    separator = max(SEPARATORS, key=first.count)
    if separator not in first:
        separator = r"\s+" if len(first.split()) > 1 and _all_numbers(first.split()) else ","
    if first.count(separator) >= MAX_COLUMNS:
        raise InputError(f"has more than {MAX_COLUMNS} columns")
    cells = first.split() if separator == r"\s+" else _cells(first, separator)
    before, newline, last = body.rpartition("\n")
    cut = bool(newline) and (_width(last, separator) < len(cells) or body.count('"') % 2 == 1)
    header = None if _all_numbers(cells) else tuple(cell.strip().strip('"') for cell in cells)
    return Text(before if cut else body, separator, header, cut, skipped)


def frame(text: Text, columns: list[str]) -> "pd.DataFrame":
    """The cells of these columns as text, without blank rows; the index is the line in the file."""
    assert text.header is not None
    for name in columns:
        if text.header.count(name) > 1:
            raise InputError(f":1: column {name!r} appears twice")
    places = [text.header.index(name) for name in columns]
    _check_widths(text, len(text.header))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            found = pd.read_csv(
                io.StringIO(text.text),
                sep=text.separator,
                header=None,
                skiprows=1,
                usecols=sorted(set(places)),
                names=range(len(text.header)),
                dtype=str,
                keep_default_na=False,
                skip_blank_lines=False,
                index_col=False,
            )
    except pd.errors.EmptyDataError:
        raise InputError("has a header and no row") from None
    except (pd.errors.ParserError, pd.errors.ParserWarning, ValueError) as error:
        raise InputError(_reason(str(error), text)) from None
    found = found[places]
    found.columns = pd.Index(columns)
    found.index = found.index + 2 + text.skipped
    found = found.fillna("")
    found = found.apply(lambda column: column.str.strip())
    return found[(found != "").any(axis=1)]


def numbers(column: "pd.Series[str]", name: str) -> Array:
    """The column as floats, read as Python reads them to the last bit; nan for an empty cell and for words
    such as None.

    Raises InputError for a cell that is not a number.
    """
    cells = column.where(~column.str.lower().isin(NOT_MEASURED), "nan").to_numpy(dtype=str)
    try:
        # Not pandas.to_numeric, whose last bit may differ.
        return np.asarray(cells.astype(float))
    except ValueError:
        row = next(row for row, cell in enumerate(cells) if not _is_number(cell))
        cell = column.iloc[row]
        raise InputError(f":{column.index[row]}: {name} = {shown(cell)}: should be a number") from None


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def matrix(text: Text) -> Array:
    """All cells of a file without a header, as floats [rows, columns]."""
    try:
        found = pd.read_csv(
            io.StringIO(text.text), sep=text.separator, header=None, dtype=float, float_precision="round_trip"
        )
    except (pd.errors.ParserError, ValueError) as error:
        raise InputError(_reason(str(error), text)) from None
    return np.asarray(found.to_numpy())


def _cells(line: str, separator: str) -> list[str]:
    try:
        return next(csv.reader([line], delimiter=separator))
    except csv.Error as error:
        raise InputError(f":1: not a header: {error}") from None


def _width(line: str, separator: str) -> int:
    return len(line.split()) if separator == r"\s+" else line.count(separator) + 1


def _all_numbers(cells: list[str]) -> bool:
    return all(re.fullmatch(r"\s*[+-]?(\d+\.?\d*([eE][+-]?\d+)?|\.\d+|nan|inf)\s*", cell) for cell in cells)


def _check_widths(text: Text, width: int) -> None:
    """Check that each row has as many cells as the header: pandas fills a short row silently."""
    if '"' in text.text:
        return  # A separator within quotes separates nothing.
    for line, row in enumerate(text.text.split("\n"), start=1):
        if (found := row.count(text.separator) + 1) != width and row.strip():
            raise InputError(f":{line + text.skipped}: {found} cells, the header has {width}")


def _reason(message: str, text: Text) -> str:
    found = re.search(r"Expected (\d+) fields in line (\d+), saw (\d+)", message)
    if found:
        return f":{found[2]}: {found[3]} cells, the header has {len(text.header or ()) or found[1]}"
    return f"cannot be read as columns: {message.removeprefix('Error tokenizing data. C error: ')}"
