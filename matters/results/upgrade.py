"""Gives runs of schema 1 the ids that they have now.

A store that holds such runs says so in store.json, as `oldest_schema`. Their directories keep the names that
schema 1 gave them, until one is trained further or the whole store is upgraded. Then a directory gets its new
name and a new spec.json, which keeps the old name as `former_id`; what was recorded stays as it is.
"""

import json
import os
import shutil
from collections.abc import Iterable
from pathlib import Path

from matters.results import files, spec_file
from matters.results.lease import lock
from matters.results.schema import SCHEMA_VERSION
from matters.results.status import Damage, read_status


def former_names(store: Path, directories: Iterable[str]) -> dict[str, str]:
    """The directory of each run that has the name of schema 1, by the id that the run has now.

    A directory whose spec.json cannot be read keeps its name: `verify` says what is wrong with it.
    """
    found = {}
    for name in directories:
        try:
            spec, directory, former = spec_file.read(f"{store}/{name}/spec.json")
        except (FileNotFoundError, Damage):
            continue
        if former == name == directory:
            found[spec.run_id] = name
    return found


def rename(store: Path, former: str) -> str:
    """Give a run of schema 1 its new name and spec.json. Its lock must be held. Returns the new id.

    The new directory is made beside the old one, of links to the same files, and only then takes its place,
    so that the run is whole under one of its names whenever the process is killed.
    """
    old = store / former
    spec, _, _ = spec_file.read(f"{old}/spec.json")
    new, made = store / spec.run_id, store / f".{spec.run_id}.renamed"
    shutil.rmtree(made, ignore_errors=True)
    if (new / "spec.json").exists():  # killed before the old name was removed
        shutil.rmtree(old)
        return spec.run_id
    made.mkdir()
    for path in old.iterdir():
        if path.is_file() and not path.match(files.TEMPORARY):
            files.link(path, made / path.name)
    for name in ("spec.json", "status.json"):
        (made / name).unlink(missing_ok=True)
    data = spec_file.content(spec, former)
    files.write(made / "spec.json", data)
    fields = read_status(str(old))
    if fields is not None:
        if "files" in fields:
            fields["files"] = {**fields["files"], "spec.json": files.sha256(data)}
        files.write(made / "status.json", files.sealed(_unsealed(fields)))
    os.rename(made, new)
    files.sync_directory(store)
    shutil.rmtree(old)
    return spec.run_id


def rename_all(store: Path, former: Iterable[str]) -> list[str]:
    """Give runs of schema 1 their new names. Returns those left alone, since a process is training them."""
    held = []
    for name in former:
        if not (store / name).exists():
            continue
        descriptor = lock(store / name / "lock")
        if descriptor is None:
            held.append(name)
            continue
        try:
            rename(store, name)
        finally:
            os.close(descriptor)
    mark(store, SCHEMA_VERSION, older=bool(held))
    return held


def mark(store: Path, version: int, *, older: bool) -> None:
    """Write store.json, so that older programs refuse the store; with `older`, it holds runs of schema 1."""
    fields = {**json.loads((store / "store.json").read_bytes()), "schema_version": version}
    fields.pop("oldest_schema", None)
    files.write(store / "store.json", files.json_bytes(fields | ({"oldest_schema": 1} if older else {})))


def _unsealed(fields: dict[str, object]) -> dict[str, object]:
    return {name: value for name, value in fields.items() if name != "checksum"}
