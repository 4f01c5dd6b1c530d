"""GaussianRepairer against closed forms, brute force and other formulas, and what it promises."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import linalg, optimize
from sklearn.discriminant_analysis import QuadraticDiscriminantAnalysis

from fairsk.repair import GaussianRepairer
from fairsk.repair._transport import barycenter

SHARES = {"a": 0.5, "b": 0.3, "c": 0.2}


def covariance(rows: NDArray[Any], weights: NDArray[Any] | None = None) -> NDArray[Any]:
    """Return the covariance of rows, divided by their number."""
    return np.atleast_2d(np.cov(np.asarray(rows, float).T, bias=True, aweights=weights))


def random_covariances(n: int, d: int, seed: int = 0) -> list[NDArray[Any]]:
    """Return covariances of full rank that do not commute."""
    rng = np.random.default_rng(seed)
    return [factor @ factor.T for factor in rng.normal(size=(n, d, d + 2))]


def root(matrix: NDArray[Any]) -> NDArray[Any]:
    return linalg.sqrtm(matrix).real


def squared_distance(one: NDArray[Any], two: NDArray[Any]) -> float:
    """Return the squared 2-Wasserstein distance between centred Gaussians."""
    half = root(one)
    return float(np.trace(one + two - 2 * root(half @ two @ half)))


def sample(n: int = 400, d: int = 4, seed: int = 0) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return rows of three groups with means and covariances of their own, in various units; the groups."""
    rng = np.random.default_rng(seed)
    groups = rng.choice(list(SHARES), n, p=list(SHARES.values()))
    rows = np.empty((n, d))
    for label in SHARES:
        members = groups == label
        factor = rng.normal(size=(d, d))
        rows[members] = rng.normal(size=(members.sum(), d)) @ factor + 2 * rng.normal(size=d)
    return rows * np.logspace(-2, 2, d), groups


def fitted(rows: NDArray[Any], groups: NDArray[Any], weights: Any = None, **params: Any) -> GaussianRepairer:
    return GaussianRepairer(**params).fit(rows, sensitive_features=groups, sample_weight=weights)


# --- the barycentre and the maps ------------------------------------------------------------------------


def test_barycentre_in_one_dimension():
    """Standard deviations are averaged."""
    found = barycenter([np.array([[4.0]]), np.array([[25.0]])], [0.25, 0.75])
    assert found.covariance == pytest.approx(np.array([[(0.25 * 2 + 0.75 * 5) ** 2]]), rel=1e-12)


def test_barycentre_of_covariances_that_commute():
    """Roots are averaged, in one step and another one that finds nothing left to do."""
    rng = np.random.default_rng(1)
    axes = np.linalg.qr(rng.normal(size=(4, 4)))[0]
    deviations = rng.uniform(0.1, 3, size=(3, 4))
    covariances = [axes * each**2 @ axes.T for each in deviations]
    shares = [0.2, 0.3, 0.5]
    found = barycenter(covariances, shares)
    expected = axes * (shares @ deviations) ** 2 @ axes.T
    np.testing.assert_allclose(found.covariance, expected, atol=1e-12)
    assert found.n_steps == 2


def test_barycentre_solves_the_equation_of_agueh_and_carlier():
    covariances, shares = random_covariances(4, 5), [0.1, 0.2, 0.3, 0.4]
    found = barycenter(covariances, shares).covariance
    half = root(found)
    average = sum(p * root(half @ each @ half) for p, each in zip(shares, covariances, strict=True))
    np.testing.assert_allclose(found, average, rtol=0, atol=1e-5 * np.abs(found).max())


def test_barycentre_minimises_the_average_squared_distance():
    """By brute force over all covariances of two features, and by perturbing it in every direction."""
    covariances, shares = random_covariances(3, 2), [0.5, 0.3, 0.2]

    def average(triangle: NDArray[Any]) -> float:
        factor = np.array([[triangle[0], 0], [triangle[1], triangle[2]]])
        pairs = zip(shares, covariances, strict=True)
        return sum(p * squared_distance(factor @ factor.T, each) for p, each in pairs)

    found = barycenter(covariances, shares).covariance
    lowest = optimize.minimize(
        average, np.array([1.0, 0.0, 1.0]), method="Nelder-Mead", options={"xatol": 1e-9}
    )
    cholesky = np.linalg.cholesky(found)
    at_found = cholesky[[0, 1, 1], [0, 0, 1]]
    assert average(at_found) == pytest.approx(lowest.fun, rel=1e-7)
    for step in 0.01 * np.concatenate([np.eye(3), -np.eye(3)]):
        assert average(at_found + step) > average(at_found)


@pytest.mark.parametrize("smallest", [1.0, 1e-3, 1e-6])
def test_barycentre_of_covariances_of_very_unequal_variances(smallest):
    """It takes more steps and is as good, and all of them are moved to it."""
    rng = np.random.default_rng(2)
    bases = [np.linalg.qr(rng.normal(size=(8, 8)))[0] for _ in range(3)]
    covariances = [axes * np.geomspace(1, smallest, 8) @ axes.T for axes in bases]
    found = barycenter(covariances, [1 / 3] * 3)
    half = root(found.covariance)
    average = sum(root(half @ each @ half) for each in covariances) / 3
    np.testing.assert_allclose(found.covariance, average, rtol=0, atol=1e-5)
    for each in covariances:
        matrix = found.map_from(each)
        np.testing.assert_allclose(matrix @ each @ matrix, found.covariance, atol=1e-8)


def test_search_ends_where_steps_are_mere_rounding():
    """Variances of 1e-16 of the largest, in other directions for each: the maps are finite all the same."""
    rng = np.random.default_rng(2)
    bases = [np.linalg.qr(rng.normal(size=(6, 6)))[0] for _ in range(3)]
    covariances = [axes * np.geomspace(1, 1e-16, 6) @ axes.T for axes in bases]
    found = barycenter(covariances, [1 / 3] * 3)
    assert found.n_steps <= 100
    for each in covariances:
        matrix = found.map_from(each)
        assert np.isfinite(matrix).all()
        np.testing.assert_allclose(matrix @ each @ matrix, found.covariance, atol=1e-2)


def test_maps_are_those_of_optimal_transport():
    """The root formula in the notes: the one symmetric positive matrix that makes the covariance right."""
    covariances = random_covariances(3, 4)
    target = barycenter(covariances, [0.5, 0.25, 0.25])
    for each in covariances:
        half = root(each)
        inverse = np.linalg.inv(half)
        expected = inverse @ root(half @ target.covariance @ half) @ inverse
        np.testing.assert_allclose(target.map_from(each), expected, atol=1e-9)


# --- what the estimator promises ------------------------------------------------------------------------


@pytest.mark.parametrize("weighted", [False, True], ids=["rows", "weights"])
def test_moments_of_all_groups_are_equal(weighted):
    rows, groups = sample()
    weights = np.random.default_rng(3).uniform(0, 5, len(rows)) if weighted else None
    repairer = fitted(rows, groups, weights, shrinkage=0)
    repaired = repairer.transform(rows, sensitive_features=groups)
    deviation = np.sqrt(np.diag(repairer.covariance_))
    np.testing.assert_allclose(repairer.mean_, np.average(rows, axis=0, weights=weights), rtol=1e-12)
    for label in SHARES:
        members = groups == label
        inside = None if weights is None else weights[members]
        mean = np.average(repaired[members], axis=0, weights=inside)
        np.testing.assert_allclose((mean - repairer.mean_) / deviation, 0, atol=1e-12)
        gap = (covariance(repaired[members], inside) - repairer.covariance_) / np.outer(deviation, deviation)
        np.testing.assert_allclose(gap, 0, atol=1e-10)


def test_two_groups_of_one_feature_by_hand():
    """Group a has mean 2 and deviation 1, b has mean 8 and deviation 3; a third of the rows are in a."""
    rows = np.array([1.0, 3, 5, 11, 5, 11])[:, None]
    groups = np.array(list("aabbbb"))
    repairer = fitted(rows, groups, shrinkage=0)
    repaired = repairer.transform(rows, sensitive_features=groups)
    mean, deviation = (2 + 2 * 8) / 3, (1 + 2 * 3) / 3
    assert repairer.mean_ == pytest.approx([mean])
    assert repairer.covariance_ == pytest.approx(np.array([[deviation**2]]))
    assert repaired[:, 0] == pytest.approx(mean + deviation * np.array([-1, 1, -1, 1, -1, 1]))
    assert repairer.maps_["a"] == pytest.approx(np.array([[deviation]]))
    # The mean of a moves by 4, its rows by 4/3 more or less; in deviations of all rows.
    overall = np.sqrt((1 + 2 * 9) / 3 + (1 / 3) * (2 / 3) * 36)
    assert repairer.group_edits_["a"] == pytest.approx(np.sqrt(4**2 + (4 / 3) ** 2) / overall)
    assert repairer.shares_ == pytest.approx({"a": 1 / 3, "b": 2 / 3})


def test_attributes_say_what_becomes_of_a_row():
    rows, groups = sample()
    repairer = fitted(rows, groups)
    repaired = repairer.transform(rows, sensitive_features=groups)
    for label in SHARES:
        members = groups == label
        deviations = rows[members] - repairer.means_[label]
        expected = repairer.mean_ + deviations @ repairer.maps_[label].T
        np.testing.assert_allclose(repaired[members], expected, rtol=1e-9, atol=1e-9)
        move = (repaired - rows)[members] / rows.std(axis=0)
        assert repairer.group_edits_[label] == pytest.approx(np.sqrt((move**2).mean()))


def test_rows_move_less_than_by_other_maps_to_the_same_moments():
    rows, groups = sample()
    rows = (rows - rows.mean(axis=0)) / rows.std(axis=0)
    repairer = fitted(rows, groups, shrinkage=0)
    repaired = repairer.transform(rows, sensitive_features=groups)
    factor = np.linalg.cholesky(repairer.covariance_)
    other = np.empty_like(rows)
    for label in SHARES:
        members = groups == label
        matrix = factor @ np.linalg.inv(np.linalg.cholesky(covariance(rows[members])))
        other[members] = repairer.mean_ + (rows[members] - rows[members].mean(axis=0)) @ matrix.T
    assert np.mean((repaired - rows) ** 2) < 0.9 * np.mean((other - rows) ** 2)


def test_classifier_of_gaussians_finds_nothing():
    """QuadraticDiscriminantAnalysis, which reads means and covariances only, is left with the shares."""
    rows, groups = sample(1000)
    rows = rows / rows.std(axis=0)
    probe = QuadraticDiscriminantAnalysis()
    assert probe.fit(rows, groups).score(rows, groups) > 0.9
    repaired = GaussianRepairer(shrinkage=0).fit_transform(rows, sensitive_features=groups)
    assert set(probe.fit(repaired, groups).predict(repaired)) == {"a"}


def test_units_do_not_matter():
    rows, groups = sample()
    units, offset = np.array([1e-100, 1e-3, 1.0, 1e80]), np.array([0, 5.0, -3, 0])
    one = GaussianRepairer().fit_transform(rows, sensitive_features=groups)
    two = GaussianRepairer().fit_transform(rows * units + offset, sensitive_features=groups)
    scale = rows.std(axis=0)
    np.testing.assert_allclose((two - offset) / units / scale, one / scale, atol=1e-9)


@pytest.mark.parametrize("shrinkage", ["auto", 0, 0.5])
def test_weights_are_repetitions(shrinkage):
    rows, groups = sample(60)
    repeats = np.random.default_rng(4).integers(0, 4, len(rows))
    weighted = fitted(rows, groups, repeats, shrinkage=shrinkage)
    repeated = fitted(np.repeat(rows, repeats, axis=0), np.repeat(groups, repeats), shrinkage=shrinkage)
    scale = rows.std(axis=0)
    one, two = (each.transform(rows, sensitive_features=groups) / scale for each in (weighted, repeated))
    np.testing.assert_allclose(one, two, atol=1e-9)
    assert weighted.shrinkage_ == pytest.approx(repeated.shrinkage_)


def test_weights_that_sum_to_one_count_as_rows():
    """Else every group would seem to have less than a row, and be shrunk as far as can be."""
    rows, groups = sample()
    whole = fitted(rows, groups).shrinkage_
    assert fitted(rows, groups, np.full(len(rows), 1 / len(rows))).shrinkage_ == pytest.approx(whole)


def test_order_of_rows_does_not_matter():
    rows, groups = sample()
    order = np.random.default_rng(5).permutation(len(rows))
    one, two = fitted(rows, groups), fitted(rows[order], groups[order])
    for label in SHARES:
        np.testing.assert_allclose(one.maps_[label], two.maps_[label], rtol=1e-6)


def test_amount_is_read_in_transform():
    rows, groups = sample()
    repairer = fitted(rows, groups)
    whole = repairer.transform(rows, sensitive_features=groups)
    half = repairer.set_params(amount=0.5).transform(rows, sensitive_features=groups)
    np.testing.assert_allclose(half, (rows + whole) / 2, rtol=1e-12, atol=1e-12)
    none = repairer.set_params(amount=0).transform(rows, sensitive_features=groups)
    np.testing.assert_array_equal(none, rows)
    with pytest.raises(ValueError, match="'amount' parameter of GaussianRepairer must be a float"):
        repairer.set_params(amount=1.5).transform(rows, sensitive_features=groups)


def test_single_precision():
    """Statistics are in double precision: what is left is the rounding of the input."""
    rows, groups = sample()
    single = (rows / rows.std(axis=0) + 100).astype(np.float32)
    repairer = fitted(single, groups, shrinkage=0)
    repaired = repairer.transform(single, sensitive_features=groups)
    assert repaired.dtype == np.float32
    double = fitted(single.astype(float), groups, shrinkage=0)
    for label in SHARES:
        np.testing.assert_array_equal(repairer.maps_[label], double.maps_[label])
        np.testing.assert_allclose(
            repaired[groups == label].mean(axis=0, dtype=float), repairer.mean_, rtol=1e-6
        )


# --- few rows, and features that do not vary ------------------------------------------------------------


def test_constant_features_stay_as_they_are():
    rows, groups = sample()
    constants = np.random.default_rng(9).normal(size=20)
    rows = np.column_stack([rows, np.tile(constants, (len(rows), 1))])
    repairer = fitted(rows, groups)
    rows[::2, 5] = 7.0  # also where they are not constant later
    repaired = repairer.transform(rows, sensitive_features=groups)
    np.testing.assert_array_equal(repaired[:, 4:], rows[:, 4:])
    for matrix in repairer.maps_.values():
        np.testing.assert_array_equal(matrix[4:], np.eye(24)[4:])
        np.testing.assert_array_equal(matrix[:, 4:], np.eye(24)[:, 4:])


def test_features_that_are_constant_within_groups_become_constant():
    rows, groups = sample()
    level = np.select([groups == "a", groups == "b"], [1.0, 2.0], 5.0)
    repaired = GaussianRepairer(shrinkage=0).fit_transform(
        np.column_stack([rows, level]), sensitive_features=groups
    )
    np.testing.assert_allclose(repaired[:, -1], level.mean(), rtol=1e-12)


@pytest.mark.parametrize("kind", [np.float64, np.float32])
def test_a_column_that_is_the_group_leaves_no_rounding_behind(kind):
    """A scaler would raise a difference in the last digit to a standard deviation."""
    for seed in range(5):
        rng = np.random.default_rng(seed)
        groups = rng.random(3000) < 0.4
        itself = 7 + 1000 * (groups - groups.mean()) / groups.std()
        rows = np.column_stack([rng.normal(groups, size=(3, 3000)).T, itself]).astype(kind)
        repairer = GaussianRepairer()
        repaired = repairer.fit_transform(rows, sensitive_features=groups)
        assert np.ptp(repaired[:, -1]) == 0
        new = rows[:2] + np.array([0, 0, 0, 0.05], kind)  # a value that did not occur keeps its distance
        moved = repairer.transform(new, sensitive_features=groups[:2])[:, -1]
        np.testing.assert_allclose(moved - repaired[0, -1], 0.05, atol=0.001)


def test_a_feature_of_mere_rounding_disturbs_no_other():
    """Such as a sum of shares: 1 but for some last digits, so that its means have no digits to hold them."""
    rows, groups = sample()
    digits = np.random.default_rng(1).integers(0, 20, len(rows))
    both = np.column_stack([rows, 1 + digits * np.finfo(float).eps])
    repaired = GaussianRepairer(shrinkage=0).fit_transform(both, sensitive_features=groups)[:, :-1]
    means = [repaired[groups == label].mean(axis=0) for label in SHARES]
    np.testing.assert_allclose(means, np.tile(rows.mean(axis=0), (len(SHARES), 1)), atol=1e-12)


@pytest.mark.parametrize("kind", [np.float64, np.float32])
def test_collinear_features_stay_collinear(kind):
    """Rounding of the input is no direction in which rows vary."""
    rows, groups = sample()
    rows = rows / rows.std(axis=0)
    weights = np.array([1.0, -2, 0.5, 3])
    rows = np.column_stack([rows, rows @ weights]).astype(kind)
    repairer = fitted(rows, groups, shrinkage=0)
    repaired = repairer.transform(rows, sensitive_features=groups)
    rounding = 1000 * np.finfo(kind).eps
    np.testing.assert_allclose(repaired[:, -1], repaired[:, :-1] @ weights, atol=rounding)
    for label in SHARES:
        gap = covariance(repaired[groups == label]) - repairer.covariance_
        np.testing.assert_allclose(gap, 0, atol=rounding * repairer.covariance_.max())
    # What a new row has outside of the plane stays with it.
    scale = rows.std(axis=0)
    outside = scale * (np.append(weights, -1) * scale).astype(kind)
    moved = repairer.transform(rows + outside, sensitive_features=groups)
    np.testing.assert_allclose(moved - repaired, np.tile(outside, (len(rows), 1)), rtol=0, atol=rounding)


def test_fewer_rows_than_features():
    """Means are equal, and new rows of a group of few rows vary about as those of the others do."""
    rng = np.random.default_rng(6)
    d, groups = 50, np.repeat(["a", "b"], [500, 20])
    factor = rng.normal(size=(d, d)) / np.sqrt(d)
    rows = rng.normal(size=(520, d)) @ factor
    repairer = fitted(rows, groups)
    repaired = repairer.transform(rows, sensitive_features=groups)
    for label in ("a", "b"):
        np.testing.assert_allclose(repaired[groups == label].mean(axis=0), repairer.mean_, atol=1e-12)
    new = rng.normal(size=(2000, d)) @ factor
    variances = [
        repairer.transform(new, sensitive_features=np.full(2000, g)).var(axis=0).mean() for g in "ab"
    ]
    assert 0.5 < variances[1] / variances[0] < 2
    assert repairer.shrinkage_["b"] > 0.3 > repairer.shrinkage_["a"]


def test_shrinkage_serves_new_rows():
    """Groups alike but for chance are stretched apart without it."""
    rng = np.random.default_rng(7)
    rows, groups = rng.normal(size=(100, 20)), np.repeat(["a", "b"], [75, 25])
    new, new_groups = rng.normal(size=(4000, 20)), np.repeat(["a", "b"], 2000)

    def stretch(**params: Any) -> float:
        """Return by how much the variance of new rows of the groups differs in the worst direction."""
        repaired = fitted(rows, groups, **params).transform(new, sensitive_features=new_groups)
        return float(
            linalg.eigh(*(covariance(repaired[new_groups == g]) for g in "ba"), eigvals_only=True).max()
        )

    assert stretch(shrinkage=0) > 5
    assert stretch() < 2.5


def test_group_of_one_row_moves_as_the_others_vary():
    """Its row goes to the mean, and a new row of it keeps about its distance from it."""
    rows, groups = sample()
    groups[:] = np.where(groups == "c", "a", groups)
    groups[0] = "z"
    repairer = fitted(rows, groups)
    repaired = repairer.transform(rows, sensitive_features=groups)
    scale = rows.std(axis=0)
    np.testing.assert_allclose((repaired[0] - repairer.mean_) / scale, 0, atol=1e-12)
    # It is taken to have the average covariance of the groups.
    pooled = sum(repairer.shares_[g] * covariance(rows[groups == g]) for g in "ab")
    matrix = repairer.maps_["z"]
    np.testing.assert_allclose(
        (matrix @ pooled @ matrix.T) / np.outer(scale, scale),
        repairer.covariance_ / np.outer(scale, scale),
        atol=1e-9,
    )


def test_every_row_a_group_of_its_own():
    rows, _ = sample(5)
    repairer = fitted(rows, np.arange(5))
    repaired = repairer.transform(rows, sensitive_features=np.arange(5))
    np.testing.assert_allclose(repaired, np.tile(rows.mean(axis=0), (5, 1)), rtol=1e-9)
    moved = repairer.transform(rows + 1, sensitive_features=np.arange(5))
    np.testing.assert_allclose(moved, repaired + 1, rtol=1e-9)


def test_no_shrinkage_warns_where_covariances_cannot_be_equal():
    rng = np.random.default_rng(8)
    rows, groups = rng.normal(size=(100, 10)), np.repeat(["a", "b", "c"], [50, 45, 5])
    rows[groups == "b", 3] = 1.0  # constant in one group
    with pytest.warns(
        UserWarning, match="shrinkage=0 makes covariances equal where .*: b, c. Set shrinkage="
    ):
        fitted(rows, groups, shrinkage=0)
    fitted(rows, groups)  # warns of nothing


def test_all_features_constant():
    rows, groups = np.full((6, 3), 0.1), np.array(list("aabbcc"))
    repaired = GaussianRepairer().fit_transform(rows, sensitive_features=groups)
    np.testing.assert_array_equal(repaired, rows)


# --- shrinkage ------------------------------------------------------------------------------------------


def standardized(rows: NDArray[Any], groups: NDArray[Any]) -> list[NDArray[Any]]:
    """Return the covariance of each group, in standard deviations of all rows."""
    rows = (rows - rows.mean(axis=0)) / rows.std(axis=0)
    return [covariance(rows[groups == label]) for label in SHARES]


def test_oracle_approximating_shrinkage():
    """Equation 23 of Chen et al., of each group's covariance."""
    rows, groups = sample(100)
    repairer = fitted(rows, groups)
    for label, each in zip(SHARES, standardized(rows, groups), strict=True):
        n, p, squares = (groups == label).sum(), len(each), np.trace(each @ each)
        numerator = (1 - 2 / p) * squares + np.trace(each) ** 2
        expected = numerator / ((n + 1 - 2 / p) * (squares - np.trace(each) ** 2 / p))
        assert repairer.shrinkage_[label] == pytest.approx(expected)
        assert 0 < expected < 1


def test_shrinkage_given():
    """Maps push the shrunk covariances, and no others, to one."""
    rows, groups = sample(100)
    repairer = fitted(rows, groups, shrinkage=0.3)
    scale = rows.std(axis=0)
    target = repairer.covariance_ / np.outer(scale, scale)
    for label, each in zip(SHARES, standardized(rows, groups), strict=True):
        shrunk = 0.7 * each + 0.3 * np.trace(each) / 4 * np.eye(4)
        matrix = repairer.maps_[label] * scale / scale[:, None]
        np.testing.assert_allclose(matrix @ shrunk @ matrix.T, target, atol=1e-9)


def test_full_shrinkage_makes_the_sizes_of_deviations_equal():
    rows, groups = sample(100)
    repairer = fitted(rows, groups, shrinkage=1)
    sizes = [np.sqrt(np.trace(each)) for each in standardized(rows, groups)]
    average = sum(repairer.shares_[label] * size for label, size in zip(SHARES, sizes, strict=True))
    for label, size in zip(SHARES, sizes, strict=True):
        np.testing.assert_allclose(repairer.maps_[label], average / size * np.eye(4), atol=1e-9)


# --- groups that are unknown, without weight, or alone --------------------------------------------------


def test_unknown_groups_are_moved_as_all_rows_together():
    rows, groups = sample()
    repairer = fitted(rows, groups, shrinkage=0, unknown_group="overall")
    with pytest.warns(UserWarning, match="None of 400 rows has a group that occurred in fit"):
        repaired = repairer.transform(rows, sensitive_features=np.full(len(rows), "other"))
    scale = rows.std(axis=0)
    np.testing.assert_allclose((repaired.mean(axis=0) - rows.mean(axis=0)) / scale, 0, atol=1e-12)
    gap = (covariance(repaired) - repairer.covariance_) / np.outer(scale, scale)
    np.testing.assert_allclose(gap, 0, atol=1e-10)
    np.testing.assert_allclose(
        repaired, repairer.mean_ + (rows - repairer.mean_) @ repairer.overall_map_.T, rtol=1e-9, atol=1e-9
    )
    some = groups.astype(object)
    some[:3] = "other"
    mixed = repairer.transform(rows, sensitive_features=some)
    np.testing.assert_array_equal(mixed[:3], repaired[:3])
    np.testing.assert_array_equal(mixed[3:], repairer.transform(rows, sensitive_features=groups)[3:])
    with pytest.raises(ValueError, match="3 of 400 rows belong to groups that did not occur in fit: other"):
        repairer.set_params(unknown_group="error").transform(rows, sensitive_features=some)


def test_group_without_weight():
    rows, groups = sample()
    weights = (groups != "b").astype(float)
    with pytest.warns(UserWarning, match="No row with a weight belongs to: b."):
        repairer = fitted(rows, groups, weights)
    without = fitted(rows[groups != "b"], groups[groups != "b"])
    for label in ("a", "c"):
        np.testing.assert_allclose(repairer.maps_[label], without.maps_[label])
    np.testing.assert_array_equal(repairer.maps_["b"], repairer.overall_map_)
    np.testing.assert_array_equal(repairer.means_["b"], repairer.mean_)
    assert repairer.shares_["b"] == 0


def test_one_group():
    rows, _ = sample()
    with pytest.warns(UserWarning, match="There is only one group, a: the features stay as they are"):
        repairer = fitted(rows, np.full(len(rows), "a"))
    np.testing.assert_array_equal(repairer.transform(rows, sensitive_features=np.full(len(rows), "a")), rows)
