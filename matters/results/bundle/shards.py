"""Shards: the runs' files in Parquet, one row per file, in plain pages that hold no more than their size."""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet

from matters.results.bundle import manifest as form
from matters.suites.errors import InputError

SHARD_BYTES = 64 * 2**20
ROW_GROUP_BYTES = 4 * 2**20

Row = tuple[str, str, bytes]
"""The columns of a shard: run, file and content."""


def write(rows: Iterable[Row], kind: str, folder: Path, first: int) -> dict[str, form.Content]:
    """Write the rows as shards of about SHARD_BYTES, numbered from `first`; sizes and hashes by name."""
    found: dict[str, form.Content] = {}
    for part in _filled(rows, SHARD_BYTES):
        name = f"{kind}-{first + len(found):05d}.parquet"
        _write_one(folder / name, part)
        with (folder / name).open("rb") as file:
            hashed = hashlib.file_digest(file, "sha256").hexdigest()
        found[name] = form.Content(bytes=(folder / name).stat().st_size, sha256=hashed)
    return found


def read(manifest: form.Manifest, path: Path) -> Iterator[Row]:
    """Each row of each shard, one at a time, in the order of the manifest. Raises InputError."""
    for name in manifest.shards:
        with form.opened(path, name) as file:
            try:
                with pyarrow.parquet.ParquetFile(file, pre_buffer=False) as shard:
                    if not shard.schema_arrow.equals(form.ROWS):
                        raise InputError(f"{path}: {name} should have the columns run_id, file and content")
                    _refuse_packed(shard, f"{path}: {name}")
                    for batch in shard.iter_batches(batch_size=1, use_threads=False):
                        row = batch.to_pylist()[0]
                        yield row["run_id"], row["file"], row["content"]
            except InputError:
                raise
            except Exception as error:  # whatever a parser makes of damaged bytes
                raise InputError(f"{path}: {name} cannot be read: {type(error).__name__}") from None


def _filled(rows: Iterable[Row], size: int) -> Iterator[list[Row]]:
    """The rows in lists of about `size` bytes."""
    part: list[Row] = []
    weight = 0
    for row in rows:
        part.append(row)
        weight += len(row[2])
        if weight >= size:
            yield part
            part, weight = [], 0
    if part:
        yield part


def _write_one(path: Path, rows: Sequence[Row]) -> None:
    """Plain pages without a dictionary: what is read from a shard is never more than its own size."""
    plain: dict[str, Any] = {"compression": "none", "use_dictionary": False, "write_statistics": False}
    with pyarrow.parquet.ParquetWriter(path, form.ROWS, **plain) as writer:
        for part in _filled(rows, ROW_GROUP_BYTES):
            columns = [list(column) for column in zip(*part, strict=True)]
            writer.write_table(pyarrow.table(columns, schema=form.ROWS))


def _refuse_packed(shard: pyarrow.parquet.ParquetFile, where: str) -> None:
    """Refuse compressed and dictionary pages: only plain ones hold no more than their own bytes."""
    facts = shard.metadata
    for group in range(facts.num_row_groups):
        for column in range(facts.num_columns):
            chunk = facts.row_group(group).column(column)
            if chunk.compression != "UNCOMPRESSED" or chunk.has_dictionary_page:
                raise InputError(f"{where} is compressed; a bundle's shards are plain")
