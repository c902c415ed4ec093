"""Which columns are steps and returns: the headers of known programs, and the names that people use."""

from collections.abc import Sequence
from dataclasses import dataclass

from matters.results.imported.curve import ReturnsOf
from matters.suites.errors import InputError, nearest


@dataclass(frozen=True)
class Known:
    """A program's header: its columns of steps, and its columns of returns with what kind these are.

    Of each kind, the first column that a file has counts. `also` must be present as well. `sparse` says that
    a row may lack the return: it was not measured then.
    """

    seems: str
    steps: tuple[str, ...]
    returns: tuple[tuple[str, ReturnsOf], ...]
    also: tuple[str, ...] = ()
    sparse: bool = False


KNOWN = (
    Known(
        "Stable-Baselines3's progress.csv",
        ("time/total_timesteps",),
        (("eval/mean_reward", "evaluation"), ("rollout/ep_rew_mean", "training")),
        sparse=True,
    ),
    Known(
        "Spinning Up's progress.txt",
        ("TotalEnvInteracts", "Time Steps", "total-env-interacts"),
        (("AverageTestEpRet", "evaluation"), ("AverageEpRet", "training")),
    ),
    Known(
        "RLlib's progress.csv",
        ("num_env_steps_sampled_lifetime", "timesteps_total"),
        (
            ("evaluation/env_runners/episode_return_mean", "evaluation"),
            ("evaluation/episode_reward_mean", "evaluation"),
            ("evaluation/sampler_results/episode_reward_mean", "evaluation"),
            ("env_runners/episode_return_mean", "training"),
            ("episode_reward_mean", "training"),
        ),
        sparse=True,
    ),
    Known(
        "OpenAI Baselines' progress.csv",
        ("misc/total_timesteps", "total_timesteps", "total/steps", "TimestepsSoFar"),
        (
            ("eval/return", "evaluation"),
            ("eprewmean", "training"),
            ("EpRewMean", "training"),
            ("rollout/return_history", "training"),
            ("rollout/return", "training"),
        ),
        sparse=True,
    ),
    Known(
        "garage's progress.csv",
        ("TotalEnvSteps",),
        (("Evaluation/AverageReturn", "unstated"), ("AverageReturn", "unstated")),
        sparse=True,
    ),
    Known(
        "rllab's progress.csv",
        ("TotalTimesteps", "NumSamplesSoFar"),
        (("TrueAverageReturn", "unstated"), ("AverageReturn", "unstated")),
        sparse=True,
    ),
    Known("XuanCE's learning_curve.csv", ("step",), (("avg_return", "evaluation"),)),
    Known("PPO-PyTorch's log", ("timestep",), (("reward", "training"),), also=("episode",)),
    Known(
        "acme's log",
        ("actor_steps",),
        (("episode_return", "unstated"),),
        sparse=True,
    ),
    Known("TensorBoard's CSV", ("Step",), (("Value", "unstated"),), also=("Wall time",)),
)

STEP = ("step", "steps", "global_step", "env_step", "env_steps", "timestep", "timesteps", "total_timesteps",
        "total_steps", "num_timesteps", "environment_steps", "xs")  # fmt: skip
RETURN = ("return", "returns", "avg_return", "mean_return", "average_return", "episode_return",
          "episodic_return", "charts/episodic_return", "episode_reward", "mean_reward", "reward",
          "ys")  # fmt: skip
SEED = ("seed",)
VARIANT = ("variant", "algorithm", "algo", "agent", "method", "exp_name")
ENVIRONMENT = ("environment", "env", "env_id", "env_name", "task")


@dataclass(frozen=True)
class Roles:
    """The columns that are used; None for one that the file lacks. `returns` has the best first."""

    seems: str
    step: str
    returns: tuple[tuple[str, ReturnsOf], ...]
    seed: str | None
    variant: str | None
    environment: str | None
    sparse: bool


class Lacking(InputError):
    """Neither file nor user says where steps or returns are: it has no results, or is of an unknown kind."""


def roles(header: Sequence[str], step: str | None, returns: str | None, seed: str | None) -> Roles:
    """The role of each column, as the options say or else as the header does.

    Raises InputError for an option that names no column, and for columns that cannot be told apart; Lacking,
    with everything that is lacking, if there are no steps or no returns.
    """
    for option, name in (("--step", step), ("--return", returns), ("--seed", seed)):
        if name is not None and name not in header:
            raise InputError(f"{option} {name}: no such column{nearest(name, filter(None, header))}")
    known = next((one for one in KNOWN if _fits(one, header)), None)
    found_step = step or (_first(known.steps, header) if known else _synonym("step", STEP, header))
    if returns is not None:
        found: tuple[tuple[str, ReturnsOf], ...] = ((returns, kind_of(returns)),)
    elif known:
        found = tuple(one for one in known.returns if one[0] in header)
    else:
        name = _synonym("return", RETURN, header)
        found = () if name is None else ((name, "unstated"),)
    if found_step is None or not found:
        lacking = [] if found_step else ["its steps (--step COLUMN)"]
        lacking += [] if found else ["its returns (--return COLUMN)"]
        raise Lacking(f"has columns {_some(header)}; none is known to have {' or '.join(lacking)}")
    return Roles(
        seems=known.seems if known else "a table",
        step=found_step,
        returns=found,
        seed=seed or _synonym("seed", SEED, header),
        variant=_synonym("variant", VARIANT, header),
        environment=_synonym("environment", ENVIRONMENT, header),
        sparse=known.sparse if known and returns is None else returns is not None,
    )


def kind_of(name: str) -> ReturnsOf:
    """What kind of returns a column, tag or file of this name has, where the name says so."""
    lower = name.lower()
    if "eval" in lower or "test" in lower:
        return "evaluation"
    return (
        "training"
        if any(word in lower for word in ("rollout", "train", "charts", "episodic"))
        else "unstated"
    )


def _fits(known: Known, header: Sequence[str]) -> bool:
    return (
        any(name in header for name in known.steps)
        and any(name in header for name, _ in known.returns)
        and all(name in header for name in known.also)
    )


def _first(names: Sequence[str], header: Sequence[str]) -> str:
    return next(name for name in names if name in header)


def _synonym(field: str, names: Sequence[str], header: Sequence[str]) -> str | None:
    """The column that has one of these names, in whatever case. The exact name comes first."""
    if field in header:
        if list(header).count(field) > 1:
            raise InputError(f":1: column {field!r} appears twice")
        return field
    found = [name for name in header if name.lower() in names]
    if len(found) > 1:
        option = (
            f"; choose with --{field}"
            if field in ("step", "return", "seed")
            else "; name one of them otherwise"
        )
        raise InputError(f":1: {field} could be any of {', '.join(found)}{option}")
    return found[0] if found else None


def said_by(names: Sequence[str], header: Sequence[str]) -> bool:
    """Whether a column has one of these names."""
    return any(name.lower() in names for name in header)


def _some(header: Sequence[str]) -> str:
    """The columns for a message: those that may have been meant come first, at most twenty."""
    meant = [name for name in header if any(word in name.lower() for word in ("step", "ret", "rew"))]
    names = list(dict.fromkeys([*meant, *header]))
    more = f", and {len(names) - 20} more" if len(names) > 20 else ""
    return ", ".join(name[:60] for name in names[:20]) + more
