"""Checkpoints: one file per run, taken between rollouts or blocks, from which the run goes on bit for bit.

A run's file holds its own row of everything, so that an interrupted population can be packed anew. It is
safetensors with JSON inside and its own SHA-256 in its head; loading it runs no code. An off-policy run's
replay lies beside it, see `matters.harness.training.replay_file`.
"""

import json
import shutil
from hashlib import sha256
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.numpy import load, save

from matters.algorithms.parts.population import generator_state, put_row, restore_generator, row
from matters.harness.training import kept_policies, record_file, replay_file
from matters.harness.training.population import Population
from matters.harness.training.recorder import Recorder
from matters.results import files
from matters.suites.spec import RunSpec
from matters.suites.tasks.native import native

FORMAT = 5


def possible(training: Population) -> bool:
    """Whether the environments can be saved exactly; if not, a run starts anew after an interruption."""
    return training.environments.simulators.resumable


def take(training: Population, index: int, recorder: Recorder, path: Path) -> None:
    """Save all that the future of one seed of the population depends on, atomically."""
    rows = ends = 0
    row_bytes = end_bytes = 0
    if training.replay is not None:
        # Before the checkpoint that counts on it: what is too much can be cut off, what is missing is lost.
        rows, ends = replay_file.append(training.replay, index, path)
        row_bytes, end_bytes = replay_file.sizes(training.replay)
    facts = {
        "format": FORMAT,
        "native": training.environments.simulators.native,
        "run_id": training.specs[index].run_id,
        "step": training.step,
        "policies": recorder.policies.save(path),
        "policy_bytes": kept_policies.record_bytes(kept_policies.acting(training, index)),
        "rows": rows,
        "oldest_row": 0 if training.replay is None else rows - training.replay.stored,
        "row_bytes": row_bytes,
        "ends": ends,
        "end_bytes": end_bytes,
        "simulator_warnings": recorder.simulator_warnings,
        "action": generator_state(training.action_generators[index]),
        "minibatch": generator_state(training.minibatch_generators[index]),
    }
    parts = {
        "state": row(training.state, index),
        "environments": training.environments.row(index),
        "lag": {} if training.lag is None else row(training.lag, index),
        "recorder": recorder.arrays(),
        "measured": {
            name: np.array([values[index] for values in updates])
            for name, updates in training.measured.items()
        },
        "loop": {
            "observation": training.observation[index].numpy().copy(),
            "memory": training.memory[index].numpy().copy(),
            "facts": np.frombuffer(json.dumps(facts).encode(), dtype=np.uint8),
        },
    }
    arrays = {
        f"{part}:{name}": np.ascontiguousarray(a)
        for part, named in parts.items()
        for name, a in named.items()
    }
    files.write(path, _sealed(arrays))


def step_in(path: Path, spec: RunSpec) -> int:
    """At which step the run's checkpoint was taken; 0 where there is none, or one that is refused."""
    if not path.exists() or refusal(path, spec):
        return 0
    return int(_facts(_read(path))["step"])


def refusal(path: Path, spec: RunSpec) -> str:
    """Why a run starts anew although there is a checkpoint, in one line; empty if it does not."""
    if not path.exists():
        return ""
    try:
        facts = _facts(_read(path))
    except record_file.Damaged as error:
        return f"its checkpoint is damaged, {error}: it starts anew"
    if facts["format"] != FORMAT:
        return f"its checkpoint is of format {facts['format']}, not {FORMAT}: it starts anew"
    if facts["native"] != (native(spec.environment, spec.environment_settings) is not None):
        how = "natively" if facts["native"] else "through Gymnasium"
        return f"its checkpoint was stepped {how}, which {spec.environment} no longer is: it starts anew"
    return ""


def damage_beside(path: Path) -> str:
    """Why a run starts anew because of the files that its sound checkpoint counts on; reads them whole."""
    facts = {name: int(value) for name, value in _facts(_read(path)).items() if isinstance(value, int)}
    beside = (
        (kept_policies.path_beside(path), facts["policy_bytes"], 0, facts["policies"]),
        (replay_file.rows_path(path), facts["row_bytes"], facts["oldest_row"], facts["rows"]),
        (replay_file.ends_path(path), facts["end_bytes"], 0, facts["ends"]),
    )
    found = next((found for file in beside if (found := record_file.damage(*file))), "")
    return f"its checkpoint is damaged, {found}: it starts anew" if found else ""


def restore(training: Population, index: int, path: Path) -> Recorder:
    """Bring one seed of a new population to where its checkpoint stands; returns what it had recorded."""
    arrays = _read(path)

    def part(mark: str) -> dict[str, np.ndarray]:
        return {name[len(mark) :]: value for name, value in arrays.items() if name.startswith(mark)}

    facts = _facts(arrays)
    put_row(training.state, index, part("state:"))
    training.environments.put_row(index, part("environments:"))
    training.observation[index] = torch.from_numpy(arrays["loop:observation"])
    training.memory[index] = torch.from_numpy(arrays["loop:memory"])
    if training.lag is not None:
        put_row(training.lag, index, part("lag:"))
    training.action_generators[index] = restore_generator(str(facts["action"]))
    training.minibatch_generators[index] = restore_generator(str(facts["minibatch"]))
    training.step = int(facts["step"])
    seeds = len(training.specs)
    for name, values in part("measured:").items():
        updates = training.measured.setdefault(name, [[0.0] * seeds for _ in values])
        for update, value in zip(updates, values.tolist(), strict=True):
            update[index] = value
    if training.replay is not None:
        counts = int(facts["rows"]), int(facts["ends"])
        replay_file.restore(training.replay, index, path, counts, training.observation[index, 0])
    recorder = Recorder.restored(part("recorder:"))
    recorder.simulator_warnings = int(facts.get("simulator_warnings", 0))
    like = kept_policies.acting(training, index)
    recorder.policies = kept_policies.restored(path, int(facts["policies"]), like)
    if facts["run_id"] != training.specs[index].run_id:
        # Taken over from another run of this training: its points are not ours.
        recorder.evaluations = Recorder().evaluations
    return recorder


def discard(path: Path) -> None:
    """Remove a checkpoint that is refused, whatever it is."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()


def forget(path: Path) -> None:
    """Remove what lies beside a checkpoint that is not used: the run starts anew."""
    replay_file.discard(path)
    kept_policies.discard(path)


def _sealed(arrays: dict[str, np.ndarray]) -> bytes:
    """The file; its metadata is the SHA-256 of the file as it would be without metadata."""
    return save(arrays, metadata={"sha256": sha256(save(arrays)).hexdigest()})


def _read(path: Path) -> dict[str, np.ndarray]:
    """The checkpoint's arrays, checked. Raises record_file.Damaged if they are not what was written."""
    with record_file.what_is_lost_is_damaged(path):
        data = path.read_bytes()
    try:
        arrays = load(data)
        # Another format may be sealed in another way, or not at all; it is refused for its format.
        intact = _facts(arrays)["format"] != FORMAT or _sealed(arrays) == data
    except (SafetensorError, ValueError, KeyError, TypeError) as error:
        raise record_file.Damaged(f"{path.name}: cannot be read: {error}") from None
    if not intact:
        raise record_file.Damaged(f"{path.name}: does not match its SHA-256")
    return arrays


def _facts(arrays: dict[str, np.ndarray]) -> dict[str, int | str | bool]:
    """What a checkpoint says about itself."""
    facts: dict[str, int | str | bool] = json.loads(arrays["loop:facts"].tobytes())
    return facts
