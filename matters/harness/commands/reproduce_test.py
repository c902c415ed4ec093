import pytest

from matters.harness.commands.reproduce import _changed

THEN = {
    "bits": "portable",
    "finished": "2026-01-01",
    "processor": "A",
    "packages": {"numpy": "2.4.6"},
    "numerics": {"libc": "glibc 2.36", "openblas": "Haswell"},
}


@pytest.mark.parametrize(
    ("now", "changed"),
    [
        ({"finished": "2026-02-02", "processor": "B"}, []),
        ({"packages": {"numpy": "2.5.0"}}, ["packages.numpy: 2.4.6 then, 2.5.0 now"]),
        ({"numerics": {"libc": "glibc 2.41"}}, ["numerics.libc: glibc 2.36 then, glibc 2.41 now"]),
    ],
)
def test_of_portable_bits_packages_and_c_library_are_compared_and_no_processor(now, changed):
    assert _changed(THEN, THEN | now) == changed


def test_of_other_bits_the_processor_is_compared_too():
    then = THEN | {"bits": "processor"}
    assert _changed(then, then | {"processor": "B"}) == ["processor: A then, B now"]
    assert _changed(THEN, then | {"processor": "B"}) == [
        "bits: portable then, processor now",
        "processor: A then, B now",
    ]
