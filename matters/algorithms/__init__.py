"""Learning rules and their maths, on tensors: nothing here knows files, commands or environments.

`ALGORITHMS` is the one table of what can be named in a suite. A new algorithm is a new line.
"""

from importlib import import_module

from matters.algorithms.interface import OffPolicy, OnPolicy, Reference

ALGORITHMS: dict[str, str] = {
    "vpg": "matters.algorithms.vpg",
    "a2c": "matters.algorithms.a2c",
    "npg": "matters.algorithms.npg",
    "tnpg": "matters.algorithms.tnpg",
    "trpo": "matters.algorithms.trpo",
    "ppo": "matters.algorithms.ppo",
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


def load(name: str) -> OnPolicy | OffPolicy | Reference:
    """The algorithm of that name: a module, or an object of one, that satisfies `interface`.

    Imports the module on the first call only, so that listing names costs nothing.
    Raises KeyError for a name that is not in the table.
    """
    path, _, attribute = ALGORITHMS[name].partition(":")
    module = import_module(path)
    found: OnPolicy | OffPolicy | Reference = getattr(module, attribute) if attribute else module
    return found


__all__ = ["ALGORITHMS", "OffPolicy", "OnPolicy", "Reference", "load"]
