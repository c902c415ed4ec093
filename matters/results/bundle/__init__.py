"""Bundles: a study as a few files that others can check, extend and cite. The format: docs/bundles.md."""

from matters.results.bundle.manifest import is_bundle
from matters.results.bundle.packing import pack
from matters.results.bundle.unpacking import unpack

__all__ = ["is_bundle", "pack", "unpack"]
