"""NumPy's files: Stable-Baselines3's evaluations.npz, and curves saved as .npy.

Arrays are read without pickle, and only once their header has been found to fit the bytes that are there.
"""

import io
import zipfile

import numpy as np

from matters.results.imported.curve import Array, Curve
from matters.results.imported.readers.asked import Said
from matters.results.imported.readers.columns import spaced
from matters.results.imported.readers.headers import Lacking
from matters.results.imported.sources import MAX_BYTES
from matters.suites.errors import InputError, nearest

_EXPECTED = "expected is the evaluations.npz of Stable-Baselines3"


def evaluations(data: bytes) -> Curve:
    """Stable-Baselines3's EvalCallback: `timesteps` [K], `results` [K, episodes]; a point is their mean.

    Results of one dimension are taken to be means already.
    """
    arrays = _members(data, ("timesteps", "results"))
    steps, results = arrays["timesteps"], arrays["results"]
    if results.ndim == 1:
        results = results[:, None]
    if steps.ndim != 1 or results.ndim != 2 or len(steps) != len(results) or not results.size:
        raise InputError(
            f"timesteps {steps.shape} and results {arrays['results'].shape}: should be [K] and [K, episodes]"
            ", K above 0"
        )
    if steps.dtype.kind not in "iuf" or results.dtype.kind not in "iuf":
        raise InputError(f"timesteps are {steps.dtype}, results {results.dtype}: should be numbers")
    with np.errstate(invalid="ignore", over="ignore"):
        means = results.astype(float).mean(axis=1)
    return Curve(steps.astype(float), means, "evaluation", seems="Stable-Baselines3's evaluations.npz")


def plain(data: bytes, said: Said) -> list[Curve]:
    """A curve [K], or one run per column [K, runs], one row every `every` steps, as TD3's code saves it."""
    array = _array(data, "the file")
    if array.dtype.kind not in "iuf" or array.ndim not in (1, 2) or not array.size:
        raise Lacking(
            f"is an array of {array.dtype}, shape {array.shape}: should be numbers, [K] or [K, runs]"
        )
    if said.every is None:
        raise Lacking(
            f"is an array of {len(array)} rows without steps: say --every N, the steps from one to the next"
        )
    columns = array.astype(float).reshape(len(array), -1).T
    steps = spaced(len(array), said.every)
    return [Curve(steps, column, "unstated", seems="an array of returns") for column in columns]


def _members(data: bytes, names: tuple[str, ...]) -> dict[str, Array]:
    """These arrays of an npz, each read up to a bound."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            found = [name.removesuffix(".npy") for name in archive.namelist()]
            for name in names:
                if name not in found:
                    hint = nearest(name, found)
                    raise Lacking(f"no array {name!r}{hint if hint.startswith('; did') else ''}; {_EXPECTED}")
            members = {}
            for name in names:
                with archive.open(f"{name}.npy") as file:
                    unpacked = file.read(MAX_BYTES + 1)
                if len(unpacked) > MAX_BYTES:
                    raise InputError(f"{name} unpacks to more than {MAX_BYTES >> 20} MiB")
                members[name] = _array(unpacked, name)
            return members
    except (
        zipfile.BadZipFile,
        OSError,
        EOFError,
        KeyError,
        ValueError,
        RuntimeError,
        NotImplementedError,
    ) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"is damaged; {_EXPECTED}") from None
    except Exception as error:  # zlib.error and whatever else decoders raise on a damaged archive
        raise InputError(f"is damaged ({type(error).__name__}); {_EXPECTED}") from None


def _array(data: bytes, name: str) -> Array:
    """The array in the bytes of an .npy. Nothing is allocated if its header promises more than is there."""
    file = io.BytesIO(data)
    try:
        version = np.lib.format.read_magic(file)
        if version not in ((1, 0), (2, 0)):
            raise ValueError(version)
        read = (
            np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        )
        shape, fortran, dtype = read(file)
    except Exception:  # NumPy parses the header as Python literals, and raises whatever that parser does
        raise InputError(f"{name} is damaged: not NumPy's format") from None
    if dtype.hasobject:
        raise InputError(
            f"{name} holds Python objects, which are not loaded: they could run code. Episodes of unequal "
            "number are saved so: save their means, one number per row, or a CSV"
        )
    rest = memoryview(data)[file.tell() :]
    count = 1
    for length in shape:
        count *= int(length)
    if not dtype.itemsize or count * dtype.itemsize != len(rest) or min(shape, default=0) < 0:
        raise InputError(f"{name} is damaged: its header says {shape} of {dtype}, it has {len(rest)} bytes")
    return np.ndarray(shape, dtype, buffer=rest, order="F" if fortran else "C")
