"""What a bundle says of itself, and how its files are read, in a folder or in one archive.

The manifest is sealed: its first field is the checksum of the rest. It names every shard and every file in
them with size and SHA-256, so that nothing is unpacked that was not announced.
"""

import json
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Annotated, Any, Literal

import pyarrow
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from matters.results import files
from matters.suites.errors import InputError, from_validation
from matters.suites.variant import Name

MANIFEST = "manifest.json"
FORMAT = "matters bundle"
VERSION = 1
MAX_MANIFEST_BYTES = 256 * 2**20
"""A manifest of ten thousand runs has about 20 MiB."""
ROWS = pyarrow.schema(
    [
        pyarrow.field("run_id", pyarrow.string(), nullable=False),
        pyarrow.field("file", pyarrow.string(), nullable=False),
        pyarrow.field("content", pyarrow.binary(), nullable=False),
    ]
)
"""A shard: one row per file of a run."""

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
RunId = Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]
FileName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,63}\.(json|parquet|safetensors)$")]
ShardName = Annotated[str, Field(pattern=r"^(records|parameters)-[0-9]{5}\.parquet$")]
Size = Annotated[int, Field(ge=0, le=2**40)]


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)


class Content(_Model):
    """Size and hash of some bytes."""

    bytes: Size
    sha256: Sha256


class Run(_Model):
    """A run as its store has it, with its variant's name in the suite. `files` are those of its directory."""

    run_id: RunId
    training_id: str
    variant: str
    environment: str
    seed: int
    steps: int
    state: Literal["done", "failed"]
    digest: str | None
    score: float | None
    diverged_at: int | None
    parts: dict[str, Sha256]
    files: dict[FileName, Content]


class Read(_Model):
    """That a verdict was read, as `matters.results.verdicts_read` notes it."""

    cells: Sha256
    seeds: Size
    looks: list[Size]


class Study(_Model):
    """The suite: its name, its TOML as declared, how many runs it declares, and what narrowed it.

    `read` are the numbers of seeds at which its verdicts were read so far.
    """

    name: Name
    title: str
    toml: str
    declared: int
    narrowed: list[str]
    read: list[Read] = []


class Manifest(_Model):
    """A bundle. `without` are files that it leaves out of every run, such as policy.safetensors.

    `thinned` are tables that have a limited number of rows per run, by the rules of
    `matters.results.thinning`.
    """

    format: Literal["matters bundle"]
    version: int
    matters: str
    schema_version: int
    suite: Study
    without: list[FileName]
    thinned: dict[FileName, int] = {}
    shards: dict[ShardName, Content]
    runs: list[Run]


def is_bundle(path: Path) -> bool:
    """Whether the folder or archive has the manifest of a bundle, sound or not."""
    try:
        if path.is_dir():
            with (path / MANIFEST).open("rb") as file:
                return FORMAT.encode() in file.read(4096)
        if not path.is_file() or not zipfile.is_zipfile(path):
            return False
        with zipfile.ZipFile(path) as archive, archive.open(MANIFEST) as member:
            return FORMAT.encode() in member.read(4096)
    except (OSError, KeyError, zipfile.BadZipFile, NotImplementedError, RuntimeError, ValueError):
        return False


@contextmanager
def opened(path: Path, name: str) -> Iterator[IO[bytes]]:
    """A file of the bundle, open for reading at any offset. Raises InputError if it is missing or compressed.

    In an archive every member is stored uncompressed: what is not compressed cannot grow.
    """
    try:
        if path.is_dir():
            with (path / name).open("rb") as file:
                yield file
            return
        with zipfile.ZipFile(path) as archive:
            facts = archive.getinfo(name)
            if facts.compress_type != zipfile.ZIP_STORED or facts.file_size != facts.compress_size:
                raise InputError(f"{path}: {name} is compressed; a bundle's files are stored as they are")
            with archive.open(facts) as member:
                yield member
    except (OSError, KeyError, zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
        reason = (
            "is not there" if isinstance(error, KeyError | FileNotFoundError) else f"cannot be read: {error}"
        )
        raise InputError(f"{path}: {name} {reason}") from None


def read(path: Path) -> Manifest:
    """The manifest, checked. Raises InputError for one that is damaged, or of a newer version."""
    with opened(path, MANIFEST) as file:
        data = file.read(MAX_MANIFEST_BYTES + 1)
    if len(data) > MAX_MANIFEST_BYTES:
        raise InputError(f"{path}: {MANIFEST} is larger than {MAX_MANIFEST_BYTES >> 20} MiB")
    try:
        fields: dict[str, Any] = json.loads(data)
        version = fields["version"]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise InputError(f"{path}: {MANIFEST} is damaged: not the JSON of a bundle") from None
    if isinstance(version, int) and version > VERSION:
        raise InputError(
            f"{path}: written by a newer Matters: bundle version {version}, this reads {VERSION}"
        )
    if not files.intact(data):
        raise InputError(f"{path}: {MANIFEST} is damaged: it does not match its checksum")
    try:
        manifest = Manifest.model_validate({name: fields[name] for name in fields if name != "checksum"})
    except ValidationError as error:
        raise InputError(f"{path}: {MANIFEST}: {from_validation(error, Manifest)}") from None
    twice = len(manifest.runs) - len({run.run_id for run in manifest.runs})
    if twice:
        raise InputError(f"{path}: {MANIFEST}: {twice} runs are named twice")
    return manifest
