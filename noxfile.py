"""One session for each promise. From a clean checkout: python -m pip install nox && nox -s tests.

Every session installs with pip and the exact versions of constraints.txt, because the recorded bits
of a run are promised for those only.
"""

import os
import re
import shutil
from pathlib import Path

import nox

nox.needs_version = ">=2024.4.15"
nox.options.default_venv_backend = "virtualenv"
nox.options.error_on_missing_interpreters = True

CONSTRAINED = ("-c", "constraints.txt")
# One thread in each process: what the workers have, and what makes a floating-point sum reproducible.
LIBRARIES = ("OMP", "MKL", "OPENBLAS", "NUMEXPR")
ONE_THREAD = {f"{library}_NUM_THREADS": "1" for library in LIBRARIES}


def install_matters(session: nox.Session) -> None:
    """Install Matters from this checkout, with the development tools."""
    session.install(*CONSTRAINED, "-e", ".[development]")
    session.env.update(ONE_THREAD)


@nox.session
def lint(session: nox.Session) -> None:
    """The code is formatted, free of known slips, and imports go one way."""
    install_matters(session)  # The contracts between algorithms are written from their table.
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("python", "-m", "testing.lint_imports")


@nox.session
def types(session: nox.Session) -> None:
    """Every function says what it takes and gives (mypy --strict)."""
    install_matters(session)
    session.run("mypy", "--strict")


@nox.session
def tests(session: nox.Session) -> None:
    """The promises P1 to P8, the maths and the pages hold (pytest; arguments after -- go to it)."""
    install_matters(session)
    # One process per core; a file's tests stay together, since they share what is expensive to set up.
    session.run("pytest", "--numprocesses", "auto", "--dist", "loadfile", *session.posargs)


@nox.session(default=False)
def quickstart(session: nox.Session) -> None:
    """The README's first command ends with a report, and a second one has nothing left to do."""
    install_matters(session)
    store = Path(session.create_tmp()) / "runs"
    shutil.rmtree(store, ignore_errors=True)
    for _ in range(2):
        session.run("matters", "run", "quickstart", "--store", str(store), *session.posargs)
    session.run("matters", "verify", "--store", str(store))


@nox.session(default=False, python=["3.11", "3.12", "3.13"])
def wheel(session: nox.Session) -> None:
    """A wheel alone, far from the checkout, beside strangers with the names of our rooms: quickstart runs."""
    session.install(*CONSTRAINED, "build", "hatchling")
    place = Path(session.create_tmp()).resolve()
    shutil.rmtree(place, ignore_errors=True)
    built = place / "built"
    session.run("python", "-m", "build", "--wheel", "--no-isolation", "--outdir", str(built), ".")
    for room in ("algorithms", "results", "harness", "reports"):
        folder = place / room
        (folder / room).mkdir(parents=True)
        (folder / room / "__init__.py").write_text('WHOSE = "a stranger\'s"\n')
        (folder / "pyproject.toml").write_text(
            '[build-system]\nrequires = ["hatchling"]\nbuild-backend = "hatchling.build"\n'
            f'[project]\nname = "{room}"\nversion = "99"\n'
        )
        session.run("python", "-m", "build", "--wheel", "--no-isolation", "--outdir", str(built), str(folder))
    session.install(*CONSTRAINED, *(str(path) for path in built.glob("*.whl")))
    checks = Path("testing", "check_wheel.py").resolve()
    session.chdir(place)
    session.env.update(ONE_THREAD)
    session.run("python", str(checks))
    session.run("python", "-m", "matters", "--version")
    session.run("python", "-m", "matters", "run", "quickstart", "--smoke", "--store", str(place / "runs"))


@nox.session(default=False, python="3.11")
def image(session: nox.Session) -> None:
    """What the Containerfile says, without a container: wheels are kept, and installed without a registry."""
    place = Path(session.create_tmp()).resolve() / "matters"
    shutil.rmtree(place, ignore_errors=True)
    session.run("git", "clone", "--quiet", ".", str(place), external=True)
    recipe = Path("Containerfile").read_text()
    (keep,) = re.findall(r"^#     (.+)$", recipe, re.MULTILINE)
    check, install = re.findall(r"^RUN (.+)$", recipe, re.MULTILINE)
    session.chdir(place)
    session.run("bash", "-c", keep, external=True)
    # Nor may this machine's own settings of pip help.
    session.env.update(PIP_CONFIG_FILE=os.devnull, PIP_FIND_LINKS="", **ONE_THREAD)
    for line in (check, install):
        session.run("bash", "-c", line, external=True)
    with next(place.glob("wheels/hatchling-*.whl")).open("ab") as changed:
        changed.write(b" ")
    session.run("bash", "-c", check, external=True, success_codes=[1])
    session.chdir(place.parent)
    session.run("matters", "--version")


@nox.session(default=False)
def parity(session: nox.Session) -> None:
    """One update of ours and one of Stable-Baselines3, from the same start, give the same parameters."""
    install_matters(session)
    session.run("matters", "parity", *session.posargs)


@nox.session(default=False)
def learning(session: nox.Session) -> None:
    """The algorithms learn what they should, on several seeds (minutes)."""
    install_matters(session)
    session.run("pytest", "-m", "learning", *session.posargs)


@nox.session(default=False)
def native(session: nox.Session) -> None:
    """Native tasks are Gymnasium's bit for bit over thousands of steps, under trained policies, too."""
    install_matters(session)
    session.run("pytest", "-m", "native", *session.posargs)


@nox.session(default=False)
def kills(session: nox.Session) -> None:
    """200 kills of whole commands, at any moment and in any way: the outcome is the calm one (an hour)."""
    install_matters(session)
    session.run("python", "-m", "testing.kills", *session.posargs)


@nox.session(default=False)
def faults(session: nox.Session) -> None:
    """Every write of a run and its page fails in turn, in four ways: the outcome is the calm one."""
    install_matters(session)
    session.run("python", "-m", "testing.faults", *session.posargs)


@nox.session(default=False)
def own(session: nox.Session) -> None:
    """The pages on own environments and algorithms, followed to the letter, as a package of pip."""
    session.install(*CONSTRAINED, "hatchling", ".")
    session.env.update(ONE_THREAD)
    pages = Path("testing", "follow_pages.py").resolve()
    place = Path(session.create_tmp()).resolve() / "mine"
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    session.env["PIP_CONSTRAINT"] = str(Path("constraints.txt").resolve())
    session.chdir(place)
    session.run("python", str(pages), str(place))


@nox.session(default=False)
def scale(session: nox.Session) -> None:
    """Ten thousand runs made by the product: what listing, verifying and reporting them takes (an hour)."""
    install_matters(session)
    session.run("python", "-m", "testing.measure_scale", *session.posargs)


@nox.session(default=False)
def portable(session: nox.Session) -> None:
    """Digests are equal under whatever a caller sets and on three emulated processors (needs qemu-user)."""
    install_matters(session)
    session.run("python", "-m", "testing.portability", *session.posargs)


@nox.session(default=False)
def cluster(session: nox.Session) -> None:
    """A suite on a Ray cluster and on a real SLURM of this machine, in trouble: the local run's digests."""
    session.install(*CONSTRAINED, "-e", ".[development,ray]")
    session.env.update(ONE_THREAD)
    session.run("python", "-m", "testing.clusters", *session.posargs)


@nox.session(default=False)
def evidence(session: nox.Session) -> None:
    """Three runs of each published bundle, drawn by today's date, come out the same when trained again."""
    install_matters(session)
    session.run("python", "-m", "testing.repeat_evidence", *session.posargs)


@nox.session(default=False)
def coverage(session: nox.Session) -> None:
    """Intervals cover and tests err as often as they say; writes docs/coverage.md (ten minutes)."""
    install_matters(session)
    session.run("python", "-m", "testing.measure_coverage", *session.posargs)


@nox.session(default=False)
def pages(session: nox.Session) -> None:
    """Pages fit a laptop, a phone and paper, light and dark, and ask for nothing (needs Chromium)."""
    install_matters(session)
    session.run("python", "-m", "testing.check_pages", *session.posargs)


@nox.session(default=False)
def imports(session: nox.Session) -> None:
    """700 monitors are imported, and 400 runs of 400 points reported, within a minute each."""
    install_matters(session)
    session.run("python", "-m", "testing.measure_imports", *session.posargs)


@nox.session(default=False)
def speed(session: nox.Session) -> None:
    """Steps/s beside Stable-Baselines3, measured in one script (minutes; wants a quiet machine)."""
    install_matters(session)
    session.run("matters", "speed", *session.posargs)
