"""Learning rules and their maths, on tensors: nothing here knows files, commands or environments.

`ALGORITHMS` is the one table of what a suite can name; modules of your own are named by their path. A new
algorithm is a new line.
"""

from importlib import import_module

from matters.algorithms.interface import OffPolicy, OnPolicy, Reference

ALGORITHMS: dict[str, str] = {
    "vpg": "matters.algorithms.vpg",
    "a2c": "matters.algorithms.a2c",
    "a3c": "matters.algorithms.a3c",
    "impala": "matters.algorithms.impala",
    "npg": "matters.algorithms.npg",
    "tnpg": "matters.algorithms.tnpg",
    "trpo": "matters.algorithms.trpo",
    "ppo": "matters.algorithms.ppo",
    "mdpo": "matters.algorithms.mdpo",
    "rloo": "matters.algorithms.rloo",
    "grpo": "matters.algorithms.grpo",
    "ddpg": "matters.algorithms.ddpg",
    "td3": "matters.algorithms.td3",
    "sac": "matters.algorithms.sac",
    "sb3-a2c": "matters.algorithms.reference.sb3_on_policy:a2c",
    "sb3-trpo": "matters.algorithms.reference.sb3_on_policy:trpo",
    "sb3-ppo": "matters.algorithms.reference.sb3_on_policy:ppo",
    "sb3-ddpg": "matters.algorithms.reference.sb3_off_policy:ddpg",
    "sb3-td3": "matters.algorithms.reference.sb3_off_policy:td3",
    "sb3-sac": "matters.algorithms.reference.sb3_off_policy:sac",
}


def path_of(name: str) -> str:
    """The module of an algorithm, or `module:object`. A name with a dot or colon is a module of your own.

    Raises KeyError for any other name that is not in the table.
    """
    return name if name not in ALGORITHMS and set(".:") & set(name) else ALGORITHMS[name]


def load(name: str) -> OnPolicy | OffPolicy | Reference:
    """The algorithm of that name: a module, or an object in one, that satisfies `interface`.

    Imports the module on the first call only, so that listing names costs nothing. Raises KeyError for a name
    that is not in the table, and whatever importing a module of your own raises; TypeError if that module
    lacks part of the protocol.
    """
    path, _, attribute = path_of(name).partition(":")
    module = import_module(path)
    found: OnPolicy | OffPolicy | Reference = getattr(module, attribute) if attribute else module
    if name not in ALGORITHMS and (without := lacking(found)):
        raise TypeError(f"lacks {', '.join(without)} of the protocol of matters.algorithms.interface")
    return found


def lacking(found: object) -> list[str]:
    """The parts of its KIND's protocol that a module or an object lacks, in alphabetical order."""
    protocols: dict[object, type] = {"on-policy": OnPolicy, "off-policy": OffPolicy, "reference": Reference}
    protocol = protocols.get(getattr(found, "KIND", None))
    if protocol is None:
        return [f"KIND (one of {', '.join(map(repr, protocols))})"]
    members = {
        name for part in protocol.__mro__ for name in {**vars(part), **vars(part).get("__annotations__", {})}
    }
    return sorted(name for name in members if not name.startswith("_") and not hasattr(found, name))


__all__ = ["ALGORITHMS", "OffPolicy", "OnPolicy", "Reference", "lacking", "load", "path_of"]
