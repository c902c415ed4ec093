"""One process's work: lease runs of a cell, train them together, write what came of each into the store."""

import time
import traceback
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import torch

from matters.algorithms import load
from matters.algorithms.interface import Metrics
from matters.harness.training import checkpoint, earlier, reference
from matters.harness.training.allocator import keep_freed_memory
from matters.harness.training.code import code_of, own_modules
from matters.harness.training.evaluate import Evaluator
from matters.harness.training.job import Emit, Progress
from matters.harness.training.kept_policies import acting, unpacked
from matters.harness.training.loop import means, train
from matters.harness.training.points import evaluator, keep_and_evaluate, play_kept
from matters.harness.training.population import (
    EpisodeEnded,
    PolicyDue,
    Population,
    SeedUpdated,
    Updated,
    begin,
)
from matters.harness.training.recorder import Recorder
from matters.harness.training.room import NoRoom, Room
from matters.harness.training.simulators import Broken
from matters.harness.training.stopping import Stopped, Stopping, sigterm_noted
from matters.results.files import told
from matters.results.heartbeat import LeaseLost
from matters.results.lease import Lease, state_files
from matters.results.provenance import provenance
from matters.results.store import Store
from matters.suites.errors import on_one_line
from matters.suites.spec import RunSpec
from matters.suites.tasks.settings import modules

TOUCH_SECONDS = 30.0
"""How often a reference says that it makes progress, where it takes no checkpoints."""
PATIENCE = (1.0, 10.0, 60.0, 240.0)
"""Seconds to wait before a finished reference, which has no checkpoint, is tried to be written again."""


@dataclass(frozen=True)
class Clock:
    """When a training began or went on: by the wall's clock, and in this process's processor time."""

    wall: float = field(default_factory=time.monotonic)
    process: float = field(default_factory=time.process_time)


@dataclass
class Member:
    """One seed of the population: its spec, its lease on the store, what it has recorded."""

    spec: RunSpec
    lease: Lease
    recorder: Recorder


def train_population(
    store_path: Path,
    specs: list[RunSpec],
    emit: Emit,
    *,
    checkpoint_seconds: float = 30.0,
    retry_failed: bool = False,
    keep_state: bool = False,
) -> None:
    """Train runs of one cell together, in this process on one thread, and write their records into the store.

    Runs that another process holds or that are finished are skipped. Runs that were interrupted go on from
    their checkpoints; the caller packs runs of one checkpoint step together, and what stands elsewhere
    trains separately. What the store has of a run's training is taken over (see
    `matters.harness.training.earlier`). With `keep_state`, off-policy runs keep their final state too, as
    on-policy ones always do. An error fails the runs that were training and is kept as their record; it is
    not raised again. On SIGTERM checkpoints are taken at the next update, and Stopped is raised.
    """
    torch.set_num_threads(1)
    keep_freed_memory()
    store = Store.open(store_path)
    with ExitStack() as held:
        stopping = held.enter_context(sigterm_noted())
        members = []
        for spec in specs:
            lease = store.lease(spec, retry_failed=retry_failed)
            if lease is None:
                emit(Progress((spec.run_id,), "skipped", 0, spec.steps))
                continue
            members.append(Member(spec, held.enter_context(lease), Recorder()))
        by_step: dict[int, list[Member]] = {}
        found = earlier.trainings(store, [member.spec for member in members])
        for member in members:
            path = member.lease.checkpoint
            step = checkpoint.step_in(path, member.spec)
            if trouble := checkpoint.damage_beside(path) if step else checkpoint.refusal(path, member.spec):
                emit(Progress((member.spec.run_id,), "running", 0, member.spec.steps, trouble))
                checkpoint.discard(path)
                step = 0
            source = None
            if not step:
                source = earlier.choose(store, member.spec, found).source
            if source is not None and source.spec.steps == member.spec.steps:
                _guarded([member], emit, partial(_evaluate_again, store=store, source=source))
                continue
            if source is not None:
                earlier.take_over(store, source, path)
            by_step.setdefault(checkpoint.step_in(path, member.spec), []).append(member)
        for group in by_step.values():
            if load(group[0].spec.algorithm).KIND == "reference":
                for member in group:
                    _guarded([member], emit, partial(_train_reference, stopping=stopping))
            else:
                train = partial(
                    _train,
                    checkpoint_seconds=checkpoint_seconds,
                    keep_state=keep_state,
                    stopping=stopping,
                )
                _guarded(group, emit, train)


def _guarded(members: list[Member], emit: Emit, work: Callable[[list[Member], Emit], None]) -> None:
    """Do the work; what it raises becomes the record of the runs that are not finished.

    An error of the store is not theirs, and is raised again.
    """
    started = Clock()
    remaining = list(members)
    try:
        work(remaining, emit)
    except OSError:
        # A fault of the store, say a full disk, is not a run's result: checkpoints stay, the task is lost.
        raise
    except Exception as failure:  # a failed run is a result
        error = (failure.__cause__ or failure) if isinstance(failure, Broken) else failure
        for member in remaining:
            steps = int(member.recorder.episodes["step"][-1]) if member.recorder.episodes["step"] else 0
            _fail(member, error, steps, _provenance(members, started, steps), emit)


def _train(
    members: list[Member],
    emit: Emit,
    *,
    checkpoint_seconds: float,
    keep_state: bool,
    stopping: Stopping,
) -> None:
    """Train a population to its end; `members` shrinks as runs finish."""
    population = list(members)
    training = begin([member.spec for member in members])
    savable = checkpoint.possible(training)
    for index, member in enumerate(members):
        if checkpoint.step_in(member.lease.checkpoint, member.spec):
            member.recorder = checkpoint.restore(training, index, member.lease.checkpoint)
            # Where it was taken over, the points that it has passed are evaluated now.
            kept = member.recorder.policies.all(member.lease.checkpoint, acting(training, index))
            play_kept(member.spec, member.recorder, dict(unpacked(kept)), training.step)
        else:
            checkpoint.forget(member.lease.checkpoint)
    evaluate = evaluator(training.specs)
    evaluate.tell = partial(_announce, members, training, emit)
    room = Room(members[0].lease.directory.parent, [member.lease.directory for member in members])
    room.look()
    started, saved = Clock(), time.monotonic()
    first_step = training.step
    last_step = training.step or -1  # at the beginning, the untrained policy is due
    keeps_state = savable and (keep_state or training.replay is None)

    def facts() -> dict[str, object]:
        return _provenance(population, started, training.step - first_step)

    def look() -> None:
        nonlocal last_step
        keep_and_evaluate([member.recorder for member in members], training, evaluate, before=last_step)
        last_step = training.step

    _announce(members, training, emit)
    if training.step == 0:
        look()
    for event in train(training):
        match event:
            case EpisodeEnded(row, step, episode):
                members[row].recorder.episode(
                    step, episode.environment, episode.episode_return, episode.length, episode.terminated
                )
            case SeedUpdated(row, step, metrics):
                _record_update(members[row : row + 1], step, metrics)
            case PolicyDue():
                look()
            case Updated(step, metrics):
                if metrics:
                    _record_update(members, step, metrics)
                _retire(members, training, evaluate, facts(), emit)
                if not members:
                    return
                look()
                trouble = ""
                stop = stopping()
                if stop or time.monotonic() - saved >= checkpoint_seconds:
                    _note_warnings(members, training, evaluate)
                    trouble = _keep(members, training, room, savable=savable)
                    saved = time.monotonic()
                _announce(members, training, emit, trouble)
                if stop:
                    raise Stopped
    how = facts()
    _retire(members, training, evaluate, how, emit)
    if keeps_state and (trouble := _save(members, training)):
        _announce(members, training, emit, f"no final state is kept: {trouble}")
        keeps_state = False
    if training.measured:
        # The last block, which the end cut short: a run that goes on from here records the whole block.
        _record_update(members, training.step, means(training.measured))
    lost: OSError | None = None
    for index in reversed(range(len(members))):
        try:
            _finish(members, training, index, how, emit, keeps_state=keeps_state)
        except OSError as error:
            lost = error
    if lost is not None:
        raise lost


def _record_update(members: list[Member], step: int, metrics: Metrics) -> None:
    for index, member in enumerate(members):
        member.recorder.update(step, {name: float(value[index]) for name, value in metrics.items()})


def _keep(members: list[Member], training: Population, room: Room, *, savable: bool) -> str:
    """Take checkpoints where that is possible, and note that there is progress; returns what to say of it.

    Raises NoRoom once the last checkpoints that fit are taken.
    """
    try:
        short = room.look()
    except NoRoom:
        if savable:
            _save(members, training)
            raise
        short = ""  # all would be lost that was done: the end may still find room
    if savable and (trouble := _save(members, training)):
        return trouble
    for member in members:
        member.lease.touch()
    return short


def _save(members: list[Member], training: Population) -> str:
    """Take every member's checkpoint; returns what went wrong, in one line.

    Where one cannot be written, as on a full disk, the one before it stays and training goes on.
    """
    try:
        for index, member in enumerate(members):
            checkpoint.take(training, index, member.recorder, member.lease.checkpoint)
            member.lease.progress(training.step)
    except OSError as error:
        return f"no checkpoint at step {training.step}: {told(error)}"
    return ""


def _evaluate_again(members: list[Member], emit: Emit, *, store: Store, source: earlier.Source) -> None:
    """Evaluate a training that is in the store under the member's own protocol: nothing is trained."""
    (member,) = members
    emit(Progress((member.spec.run_id,), "running", source.steps, member.spec.steps))
    record, policies, provenance = earlier.read(store, source)
    member.recorder = Recorder.of(record)
    play_kept(member.spec, member.recorder, dict(unpacked(policies)), source.steps)
    member.lease.finish(
        member.recorder.record(record.policy),
        {
            **provenance,
            "trained_as": source.run_id,
            **_with_warnings(provenance, member.recorder.simulator_warnings),
        },
        steps=source.steps,
        policies=policies,
        state=state_files(store.directory(source.run_id), "state"),
    )
    members.clear()
    emit(Progress((member.spec.run_id,), "done", source.steps, member.spec.steps))


def _with_warnings(provenance: dict[str, Any], more: int) -> dict[str, int]:
    """A training's warnings and those of another evaluation of it; none where the training counted none."""
    before = provenance.get("simulator_warnings")
    return {} if before is None else {"simulator_warnings": before + more}


def _note_warnings(members: list[Member], training: Population, evaluator: Evaluator) -> None:
    """Note what MuJoCo warned of, for each member."""
    for place in (training.environments, evaluator):
        for member, warned in zip(members, place.take_warned(), strict=True):
            member.recorder.simulator_warnings += int(warned)


def _retire(
    members: list[Member],
    training: Population,
    evaluator: Evaluator,
    facts: dict[str, object],
    emit: Emit,
) -> None:
    """End the seeds that cannot go on; the others go on without them, with the bits that they would have had.

    A seed whose environment raised has failed; one whose numbers are no longer finite has diverged.
    """
    _note_warnings(members, training, evaluator)
    sound, broken = training.sound.tolist(), training.environments.broken | evaluator.broken
    gone = [index for index in range(len(members)) if index in broken or not sound[index]]
    for index in reversed(gone):
        if index in broken:
            _fail(members.pop(index), broken[index], training.step, facts, emit)
        else:
            members[index].recorder.diverged_at = training.step
            _finish(members, training, index, facts, emit)
    kept = [index for index in range(len(sound)) if index not in gone]
    if gone and kept:
        training.keep(kept)
        evaluator.keep(kept)


def _fail(member: Member, error: BaseException, steps: int, facts: dict[str, object], emit: Emit) -> None:
    """Keep what went wrong as the run's record: one line for the screen, and all of it."""
    notes = "".join(f"; {note}" for note in getattr(error, "__notes__", ()))
    summary = on_one_line(f"{type(error).__name__}: {error}{notes}")
    whole = "".join(traceback.format_exception(error))
    member.lease.fail(f"{summary}\n{whole}", steps=steps, provenance=_noted(facts, member))
    emit(Progress((member.spec.run_id,), "failed", steps, member.spec.steps, summary))


def _finish(
    members: list[Member],
    training: Population,
    index: int,
    facts: dict[str, object],
    emit: Emit,
    *,
    keeps_state: bool = False,
) -> None:
    """Write the record of seed `index`, then take it off the list: until it is written it can still fail."""
    member = members[index]
    parameters = training.algorithm.parameters(training.state)
    policy = {name: tensor[index].numpy().copy() for name, tensor in parameters.items()}
    member.lease.finish(
        member.recorder.record(policy),
        _noted(facts, member),
        steps=training.step,
        policies=member.recorder.policies.all(member.lease.checkpoint, acting(training, index)),
        state=state_files(member.lease.directory, "checkpoint") if keeps_state else {},
    )
    del members[index]
    _announce_done(member, training.step, emit)


def _train_reference(members: list[Member], emit: Emit, *, stopping: Stopping) -> None:
    """Train one reference run from its beginning."""
    (member,) = members
    started, looked = Clock(), time.monotonic()
    run_ids, total = (member.spec.run_id,), member.spec.steps

    room = Room(member.lease.directory.parent, [member.lease.directory])
    room.look()

    def notify(step: int) -> None:
        nonlocal looked
        short = ""
        if time.monotonic() - looked >= TOUCH_SECONDS:
            looked = time.monotonic()
            member.lease.touch()
            with suppress(NoRoom):  # it could not be gone on with: the end may still find room
                short = room.look()
        emit(Progress(run_ids, "running", step, total, short))
        if stopping():
            raise Stopped

    policy = reference.train(member.spec, member.recorder, notify)
    diverged = member.recorder.diverged_at
    # The last point is the end.
    steps = int(member.recorder.evaluations["step"][-1]) if diverged is None else diverged
    facts = _noted(_provenance(members, started, steps), member)
    for seconds in (*PATIENCE, None):
        try:
            member.lease.finish(member.recorder.record(policy), facts, steps=steps)
            break
        except OSError as error:
            # It has no checkpoint: all that it trained would be lost with a disk that is full for a minute.
            if seconds is None or isinstance(error, LeaseLost):
                raise
            message = f"cannot be written, is tried again in {seconds:.0f} s: {told(error)}"
            emit(Progress(run_ids, "running", steps, total, message))
            time.sleep(seconds)
    members.clear()
    _announce_done(member, steps, emit)


def _announce(members: list[Member], training: Population, emit: Emit, message: str = "") -> None:
    ids = tuple(member.spec.run_id for member in members)
    emit(Progress(ids, "running", training.step, training.specs[0].steps, message))


def _announce_done(member: Member, steps: int, emit: Emit) -> None:
    diverged = member.recorder.diverged_at
    message = "" if diverged is None else f"diverged at step {diverged}"
    emit(Progress((member.spec.run_id,), "done", steps, member.spec.steps, message))


def _noted(facts: dict[str, object], member: Member) -> dict[str, object]:
    """A population's facts with what is one run's own."""
    return {**facts, "simulator_warnings": member.recorder.simulator_warnings}


def _provenance(members: list[Member], started: Clock, steps: int) -> dict[str, object]:
    spec = members[0].spec
    seconds = time.monotonic() - started.wall
    rule = load(spec.algorithm)
    elsewhere = modules(spec.environment, spec.environment_settings)
    return provenance(
        population=[member.spec.seed for member in members],
        wall_seconds=seconds,
        core_seconds=time.process_time() - started.process,
        steps_per_second=steps * len(members) / seconds if seconds > 0 else 0.0,
        threads=torch.get_num_threads(),
        training_code=code_of(spec),
        own=own_modules(spec),
        # Nobody has shown what an environment from elsewhere computes with.
        portable=rule.FACTS.portable_bits and not elsewhere,
    )
