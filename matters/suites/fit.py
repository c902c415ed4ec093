"""Whether the variants of a suite fit its environments and its steps."""

from matters.suites.candidates import candidates
from matters.suites.errors import InputError, dotted
from matters.suites.grid import Grid
from matters.suites.tasks import environments
from matters.suites.variant import facts, rollout


def policies_fit_their_actions(suite: Grid) -> None:
    """Raise ValueError for a policy that needs bounds which the actions have not."""
    for name, environment in suite.pairs():
        variant = suite.variants[name]
        policy = getattr(variant.on(environment), "policy", None)
        made = suite.made(environment)
        squashed = getattr(getattr(variant.on(environment), "tricks", None), "action_squash", False)
        if squashed and not environments.bounded(*made):
            raise ValueError(
                f"{dotted('variants', name, 'config.tricks.action_squash')} = true: needs bounded"
                f" actions, which {environment} has not; valid: false"
            )
        if policy in ("beta", "discretised") and not environments.bounded(*made):
            raise ValueError(
                f"{dotted('variants', name, 'config.policy')} = {policy!r}: needs bounded actions, which"
                f" {environment} has not; valid: gaussian"
            )
        if facts(variant).bounded_actions and not environments.bounded(*made):
            raise ValueError(
                f"{dotted('variants', name, 'algorithm')} = {variant.algorithm!r}: needs bounded actions,"
                f" which {environment} has not; valid: an on-policy algorithm"
            )


def learning_begins(suite: Grid) -> None:
    """Raise ValueError for runs that end in their warm-up."""
    for name, environment in suite.pairs():
        known = facts(suite.variants[name])
        steps = known.warmup_steps(suite.variants[name].on(environment))
        if known.warmup is not None and steps >= suite.steps:
            raise ValueError(
                f"{dotted('variants', name, 'config', known.warmup)} = {steps}: should be less than"
                f" steps = {suite.steps}, or nothing would be learnt"
            )


def lags_end(suite: Grid) -> None:
    """Raise ValueError for a lag as long as the run."""
    for name, environment in suite.pairs():
        known, config = facts(suite.variants[name]), suite.variants[name].on(environment)
        lag, updates = known.lag_updates(config), -(-suite.steps // known.rollout_steps(config))
        if known.lag is not None and lag and lag >= updates:
            raise ValueError(
                f"{dotted('variants', name, 'config', known.lag)} = {lag}: should be less than the"
                f" {updates} updates of {suite.steps} steps, or only the first parameters would act"
            )


def check_rollouts(suite: Grid) -> None:
    """Raise InputError where a run is shorter than one rollout: it would take more steps than asked.

    Checked before training only: runs from before this check can still be reported.
    """
    tried = candidates(suite)
    for name, environment in suite.pairs():
        for it in (suite.variants[name], *(one.variant for one in tried if one.of == name)):
            field, length = rollout(it, environment)
            if length > suite.steps:
                raise InputError(
                    f"steps = {suite.steps}: less than one rollout; should be at least {length},"
                    f" or {dotted('variants', name, 'config', field)} smaller"
                )


def remarks(suite: Grid) -> list[str]:
    """What follows where a variant's rollouts do not end at its last step or its evaluation points."""
    found = []
    points = [-(-k * suite.steps // suite.evaluation.points) for k in range(1, suite.evaluation.points + 1)]
    for name, environment in suite.pairs():
        _, length = rollout(suite.variants[name], environment)
        policies = {-(-point // length) for point in points}
        taken = max(policies) * length
        parts = [f"{taken} steps are taken where {suite.steps} are asked"] * (taken != suite.steps)
        if len(policies) < len(points):
            parts.append(f"{len(points)} evaluation points fall on {len(policies)} policies")
        if parts:
            found.append(f"{name}: rollouts have {length} steps, so that {' and '.join(parts)}")
    return list(dict.fromkeys(found))
