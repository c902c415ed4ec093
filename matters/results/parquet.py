"""Tables as Parquet: written without a choice, read within bounds."""

from io import BytesIO
from pathlib import Path

import pyarrow
import pyarrow.parquet

from matters.results.schema import Columns

MAX_TABLE_BYTES = 2**31
"""Of a table in memory: a run of 10 million steps has a tenth of it."""


def table_bytes(columns: Columns) -> bytes:
    """A table as it is stored, in Parquet."""
    sink = BytesIO()
    table = pyarrow.table({name: pyarrow.array(column) for name, column in columns.items()})
    pyarrow.parquet.write_table(table, sink, compression="zstd")
    return sink.getvalue()


def read_table(path: Path) -> Columns:
    """The columns of a Parquet file."""
    with pyarrow.parquet.ParquetFile(path) as file:
        return _columns(file)


def table_of(data: bytes) -> Columns:
    """The columns of these bytes of Parquet."""
    with pyarrow.parquet.ParquetFile(pyarrow.BufferReader(data)) as file:
        return _columns(file)


def refuse_large(facts: pyarrow.parquet.FileMetaData) -> None:
    """Raise ValueError for a table that would take too much memory, by what its file says of it."""
    size = sum(facts.row_group(group).total_byte_size for group in range(facts.num_row_groups))
    if max(size, 8 * facts.num_rows * facts.num_columns) > MAX_TABLE_BYTES:
        raise ValueError(f"a table unpacks to more than {MAX_TABLE_BYTES >> 20} MiB")


def _columns(file: pyarrow.parquet.ParquetFile) -> Columns:
    refuse_large(file.metadata)
    table = file.read(use_threads=False)
    return {name: table.column(name).to_numpy().copy() for name in table.column_names}
