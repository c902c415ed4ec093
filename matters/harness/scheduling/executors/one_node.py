"""What an executor has that is one place: a single node, and jobs that end with their driver."""

from collections.abc import Collection
from pathlib import Path

from matters.harness.scheduling.executors.interface import Job


class OneNode:
    """The nodes of an executor that has one."""

    def beside(self, _nodes: frozenset[str]) -> bool:
        """Never: there is no other."""
        return False

    def set_aside(self, _node: str) -> None:
        """Nothing to do: where no node is beside another, none is compared, and none distrusted."""


class EndWithDriver:
    """The jobs of an executor whose workers end with the process that started them."""

    def left(self, _store: Path, _run_ids: Collection[str]) -> list[tuple[str, Job]]:
        """None."""
        return []

    def outlives(self) -> str:
        """Nothing."""
        return ""

    def leave(self) -> None:
        """Nothing to do: there is nothing to leave."""
