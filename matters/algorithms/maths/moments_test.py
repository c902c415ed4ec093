import warnings

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from matters.algorithms.maths.moments import Moments, include, standardise, start

QUICK = settings(deadline=None, max_examples=25)


def taken_in(batches: list[np.ndarray], seeds: int = 2, size: int = 3) -> Moments:
    moments = start(seeds, size)
    for batch in batches:
        include(moments, batch)
    return moments


@QUICK
@given(st.integers(0, 10_000), st.lists(st.integers(1, 9), min_size=1, max_size=8))
def test_moments_of_many_batches_are_numpys_of_all_samples_and_the_prior(seed: int, sizes: list[int]) -> None:
    generator = np.random.default_rng(seed)
    batches = [generator.normal(3, 2, (2, size, 3)) for size in sizes]
    moments = taken_in(batches)
    samples, prior = np.concatenate(batches, axis=1), 1e-4
    total = samples.shape[1] + prior
    # The prior is 1e-4 samples of mean 0 and variance 1.
    mean = samples.sum(1) / total
    variance = (((samples - mean[:, None]) ** 2).sum(1) + prior * (1 + mean**2)) / total
    np.testing.assert_allclose(moments.mean, mean, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(moments.variance, variance, rtol=1e-9, atol=1e-10)
    np.testing.assert_allclose(moments.count, np.full((2, 1), total))


def test_the_prior_is_forgotten_after_a_few_samples() -> None:
    samples = np.random.default_rng(0).normal(100, 5, (2, 1000, 3))
    moments = taken_in([samples])
    np.testing.assert_allclose(moments.mean, samples.mean(1), rtol=1e-6)
    np.testing.assert_allclose(moments.variance, samples.var(1), rtol=1e-3)


@QUICK
@given(st.permutations(range(6)))
def test_the_order_of_the_batches_does_not_matter(order: list[int]) -> None:
    batches = [np.random.default_rng(i).normal(i, 1 + i, (2, 1 + i, 3)) for i in range(6)]
    here, there = taken_in(batches), taken_in([batches[i] for i in order])
    torch.testing.assert_close(here.mean, there.mean, rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(here.variance, there.variance, rtol=1e-10, atol=1e-10)


def test_a_large_mean_does_not_eat_the_variance() -> None:
    # Sums of squares in place of Chan's formula would lose all digits of this variance.
    samples = 1e8 + np.random.default_rng(0).normal(0, 1e-2, (2, 5000, 3))
    moments = Moments(
        mean=torch.from_numpy(samples[:, 0].copy()),
        variance=torch.zeros(2, 3, dtype=torch.float64),
        count=torch.ones(2, 1, dtype=torch.float64),
    )
    for batch in np.split(samples[:, 1:], [100, 1000], axis=1):
        include(moments, batch)
    np.testing.assert_allclose(moments.variance, samples.var(1), rtol=1e-4)
    naive = (samples**2).mean(1) - samples.mean(1) ** 2
    assert (abs(naive / samples.var(1) - 1) > 1).any()


def test_a_seeds_moments_do_not_see_the_other_seeds_samples() -> None:
    batch = np.random.default_rng(0).normal(size=(2, 4, 3))
    other = batch.copy()
    other[1] = np.nan
    here, there = taken_in([batch]), taken_in([other])
    for name in ("mean", "variance"):
        assert torch.equal(getattr(here, name)[0], getattr(there, name)[0])
        assert getattr(there, name)[1].isnan().all()


@pytest.mark.parametrize("size", [1, 3, 17])
@pytest.mark.parametrize("number", [1, 2, 8, 9, 100])
def test_a_seeds_moments_have_the_same_bits_alone_and_among_ten(number: int, size: int) -> None:
    batches = [
        np.stack([np.random.default_rng([seed, k]).normal(3, 2, (number, size)) for seed in range(10)])
        for k in range(3)
    ]
    together = taken_in(batches, 10, size)
    seen = standardise(together, batches[0].astype(np.float32))
    for seed in (0, 4, 9):
        alone = taken_in([batch[[seed]] for batch in batches], 1, size)
        for name in ("mean", "variance", "count"):
            assert torch.equal(getattr(alone, name)[0], getattr(together, name)[seed])
        assert np.array_equal(standardise(alone, batches[0][[seed]].astype(np.float32))[0], seen[seed])


def test_a_seed_that_diverges_warns_nobody() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        moments = taken_in([np.full((1, 2, 1), number) for number in (1e300, -np.inf, np.inf)], 1, 1)
        standardise(moments, np.full((1, 2, 1), np.nan))


def test_standardised_samples_of_the_moments_own_data_have_mean_0_and_variance_1() -> None:
    samples = np.random.default_rng(0).normal(-7, 3, (2, 5000, 3))
    found = standardise(taken_in([samples]), samples.astype(np.float32))
    assert found.dtype == np.float32
    np.testing.assert_allclose(found.mean(1), 0, atol=1e-5)
    np.testing.assert_allclose(found.var(1), 1, atol=1e-3)


def test_standardising_is_finite_where_nothing_varies() -> None:
    moments = start(1, 1)
    include(moments, np.full((1, 1000, 1), 4.0))
    moments.variance.zero_()
    assert np.isfinite(standardise(moments, np.array([[[4.0], [5.0]]]))).all()


def test_unbiased_moments_without_a_prior_are_those_of_numpy_and_one_sample_alone_has_its_square():
    samples = np.random.default_rng(3).standard_normal((2, 7, 3)) + 2
    moments = start(2, 3, count=0.0)
    include(moments, samples[:, :1], unbiased=True)
    assert np.allclose(moments.variance.numpy(), samples[:, 0] ** 2, rtol=1e-15)
    for k in range(1, 7):
        include(moments, samples[:, k : k + 1], unbiased=True)
    assert np.allclose(moments.mean.numpy(), samples.mean(1), rtol=1e-14)
    assert np.allclose(moments.variance.numpy(), samples.var(1, ddof=1), rtol=1e-13)
