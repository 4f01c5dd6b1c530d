"""DistributionRepairer: features meet at the barycentre, as transport by hand and by programs has it."""

import itertools
import math
import pickle

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import linprog
from scipy.stats import ks_2samp, kstest
from scipy.stats.contingency import association
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import OneHotEncoder

from fairsk._core.uniforms import entry_uniforms
from fairsk.repair import DistributionRepairer
from fairsk.repair._told import Told, told


def repaired(X, groups, *, weights=None, **params):
    X = np.asarray(X)
    X = X.reshape(len(X), -1)
    model = DistributionRepairer(**{"ties": "mean"} | params).fit(
        X, sensitive_features=groups, sample_weight=weights
    )
    return model.transform(X, sensitive_features=groups)


def one_feature(sizes, kind, seed=0):
    """Return a feature that differs between groups of these sizes in place, spread and shape, shuffled."""
    rng = np.random.default_rng(seed)
    groups = rng.permutation(np.repeat(np.arange(len(sizes)), sizes))
    x = {
        "continuous": rng.normal(size=len(groups)) * (1 + groups) + groups,
        "heavy tails": rng.standard_cauchy(len(groups)) * (1 + groups),
        "counts": rng.poisson(2 + 3 * groups),
        "long tail": rng.geometric(0.02, len(groups)) + 10 * groups,
        "zeros": np.where(rng.random(len(groups)) < 0.1 + 0.2 * groups, 0, rng.lognormal(groups)),
        "booleans": rng.random(len(groups)) < 0.2 + 0.2 * groups,
        "alike": np.full(len(groups), 0.1),
    }[kind]
    return x, groups


def on_a_grid(by_group, *more):
    """Return the barycentre at many equal levels, and value -> image for each group and for more samples."""
    n_levels = math.lcm(*map(len, [*by_group, *more]))
    quantiles = [np.repeat(np.sort(values), n_levels // len(values)) for values in [*by_group, *more]]
    sizes = np.array([len(values) for values in by_group])
    barycenter = sizes / sizes.sum() @ np.array(quantiles[: len(by_group)])
    return barycenter, [{v: barycenter[q == v].mean() for v in np.unique(q)} for q in quantiles]


# --- the map, against transport ---------------------------------------------------------------------------


@pytest.mark.parametrize(("n_groups", "size"), [(2, 1), (2, 700), (3, 2), (5, 40)])
def test_groups_of_one_size_meet_at_the_mean_of_their_order_statistics(n_groups, size):
    x, groups = one_feature([size] * n_groups, "continuous")
    answer = repaired(x, groups)[:, 0]
    expected = np.mean([np.sort(x[groups == g]) for g in range(n_groups)], axis=0)
    for g in range(n_groups):
        in_order = np.argsort(x[groups == g])
        np.testing.assert_allclose(answer[groups == g][in_order], expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("seed", range(4))
def test_values_go_to_their_mean_target_in_the_optimal_plan(seed):
    """The barycentre as a linear program over all combinations of the groups' values."""
    rng = np.random.default_rng(seed)
    support = [np.sort(rng.choice(10, 4, replace=False)) for _ in range(3)]
    mass = rng.dirichlet([1] * 4, 3)
    shares = rng.dirichlet([3] * 3)
    combinations = list(itertools.product(range(4), repeat=3))
    values = np.array([[support[g][i[g]] for g in range(3)] for i in combinations])
    centers = values @ shares
    cost = (values - centers[:, None]) ** 2 @ shares
    marginals = [[float(i[g] == place) for i in combinations] for g in range(3) for place in range(4)]
    plan = linprog(cost, A_eq=marginals, b_eq=mass.ravel(), method="highs").x

    x, groups = np.concatenate(support).astype(float), np.repeat(np.arange(3), 4)
    answer = repaired(x, groups, weights=(mass * shares[:, None]).ravel()).ravel()
    for row, marginal in enumerate(np.array(marginals)):
        expected = (plan * marginal) @ centers / (plan @ marginal)
        assert answer[row] == pytest.approx(expected, abs=1e-7)


@pytest.mark.parametrize(
    ("kind", "sizes"),
    [
        ("continuous", (30, 12, 40)),
        ("zeros", (30, 12, 40)),
        ("booleans", (30, 12, 40)),
        ("long tail", (3000, 1500, 1000)),  # single values, rarer than a part of many values would be
    ],
    ids=["continuous", "zeros", "booleans", "long tail"],
)
def test_unequal_groups_against_quantile_functions_on_a_grid(kind, sizes):
    x, groups = one_feature(sizes, kind)
    _, images = on_a_grid([x[groups == g] for g in range(3)])
    expected = [images[g][value] for g, value in zip(groups, x, strict=True)]
    np.testing.assert_allclose(repaired(x, groups)[:, 0], expected, rtol=0, atol=1e-12)


def test_ties_between_values_and_beyond_by_hand():
    # Barycentre: 1 up to level 1/2, 2 up to 3/4, 5/2 up to 1.
    X = np.array([[0.0], [0], [0], [1], [2], [2], [4], [4]])
    model = DistributionRepairer(ties="mean").fit(X, sensitive_features=list("aaaabbbb"))
    x = np.array([0, 0.5, 1, -3, 5, 2, 3, 4, 0, 6])[:, None]
    answer = model.transform(x, sensitive_features=list("aaaaabbbbb")).ravel()
    expected = [4 / 3, (4 / 3 + 5 / 2) / 2, 5 / 2, 4 / 3 - 3, 5 / 2 + 4, 1, 1.625, 2.25, -1, 2.25 + 2]
    np.testing.assert_allclose(answer, expected, rtol=1e-15)


def test_a_column_of_zeros_and_ones_by_hand():
    # One of four in a, three of four in b: levels up to 1/4 are 0, up to 3/4 1/2, up to 1 one.
    answer = repaired([False, False, False, True, False, True, True, True], list("aaaabbbb"))
    np.testing.assert_allclose(answer.ravel(), [1 / 3] * 3 + [1] + [0] + [2 / 3] * 3)


# --- what it promises -------------------------------------------------------------------------------------


@pytest.mark.parametrize("weighted", [False, True], ids=["rows", "weights"])
@pytest.mark.parametrize("sizes", [(6000, 2500, 300), (40, 9, 1)], ids=["many", "few"])
@pytest.mark.parametrize("kind", ["continuous", "heavy tails", "counts", "zeros", "booleans"])
def test_every_group_gets_the_mean_of_all_rows(kind, sizes, weighted):
    x, groups = one_feature(sizes, kind)
    weights = np.random.default_rng(1).exponential(size=len(x)) if weighted else None
    answer = repaired(x, groups, weights=weights)[:, 0]
    scale = np.abs(x).max()
    for g in range(3):
        of_group = None if weights is None else weights[groups == g]
        mean = np.average(answer[groups == g], weights=of_group)
        assert mean == pytest.approx(np.average(x, weights=weights), abs=1e-13 * scale)


@pytest.mark.parametrize("kind", ["continuous", "heavy tails"])
@pytest.mark.parametrize("sizes", [(8000, 5000, 1500), (8000, 50, 20), (30, 7, 3)], ids=str)
def test_distributions_are_alike_up_to_the_documented_bound(kind, sizes):
    x, groups = one_feature(sizes, kind)
    answer = repaired(x, groups)[:, 0]
    assert max(self_distance(x, groups)) > 0.1
    assert max(self_distance(answer, groups)) <= 0.001 + 1 / min(sizes) + 1e-12


def self_distance(x, groups):
    """Return the Kolmogorov-Smirnov distance of each pair of groups."""
    pairs = itertools.combinations(np.unique(groups), 2)
    return [ks_2samp(x[groups == a], x[groups == b], method="asymp").statistic for a, b in pairs]


def test_fresh_rows_are_alike_up_to_sampling_error():
    x, groups = one_feature((8000, 8000), "continuous")
    fresh, fresh_groups = one_feature((20_000, 20_000), "continuous", seed=1)
    model = DistributionRepairer(ties="mean").fit(x[:, None], sensitive_features=groups)
    answer = model.transform(fresh[:, None], sensitive_features=fresh_groups)[:, 0]
    assert self_distance(fresh, fresh_groups)[0] > 0.2
    # Each of four samples is off by 1.63 / sqrt(n) at most in 99 of 100 cases.
    assert self_distance(answer, fresh_groups)[0] <= 2 * 1.63 * (8000**-0.5 + 20_000**-0.5)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("kind", ["continuous", "heavy tails", "zeros", "counts", "alike"])
@pytest.mark.parametrize("amount", [0.3, 1])
def test_order_within_groups_stays(kind, amount, dtype):
    x, groups = one_feature((3000, 60, 1), kind)
    x = x.astype(dtype)
    model = DistributionRepairer(amount, ties="mean").fit(x[:, None], sensitive_features=groups)
    rng = np.random.default_rng(1)
    for g in range(3):
        seen = x[groups == g]
        unseen = rng.normal(np.median(seen), 3 * np.std(x) + 1, 500).astype(dtype)
        every = np.concatenate(
            [seen, np.nextafter(seen, dtype(-np.inf)), np.nextafter(seen, dtype(np.inf)), unseen]
        )
        answer = model.transform(np.sort(every)[:, None], sensitive_features=np.full(len(every), g))[:, 0]
        assert answer.dtype == dtype
        assert np.all(np.diff(answer) >= 0)
        if dtype is np.float64:
            distinct = model.transform(
                np.unique(seen)[:, None], sensitive_features=np.full(len(np.unique(seen)), g)
            )
            assert np.all(np.diff(distinct[:, 0]) > 0)


def rounded_values(kind, rng, groups):
    """Return values of which every sum, average or interpolation may fall by a rounding error."""
    size = len(groups)
    if kind == "neighbours":
        return 1 / 3 + rng.integers(0, 2 * size, size) * 2.0**-54
    if kind == "one far off":
        return np.where(groups == 1, 1e3, 1 / 3 + rng.random(size) * 1e-12)
    return np.where(rng.random(size) < 0.5, -1 - rng.random(size), rng.random(size) / 1e13)


@pytest.mark.parametrize(
    ("kind", "size", "n_seeds"),
    [("neighbours", 40, 50), ("neighbours", 6000, 3), ("one far off", 40, 50), ("two scales", 6000, 3)],
    ids=["few neighbours", "many neighbours", "one far off", "two scales"],
)
def test_order_survives_rounding(kind, size, n_seeds):
    for seed in range(n_seeds):
        rng = np.random.default_rng(seed)
        groups = np.arange(size) % 2
        x = rounded_values(kind, rng, groups)
        weights = rng.exponential(size=size)
        model = DistributionRepairer(ties="mean").fit(
            x[:, None], sensitive_features=groups, sample_weight=weights
        )
        every = np.sort(x)[:, None]
        for g in range(2):
            assert np.all(np.diff(model.maps_[g][0]) >= 0)
            assert np.all(np.diff(model.transform(every, sensitive_features=np.full(size, g))[:, 0]) >= 0)


@pytest.mark.parametrize("kind", ["continuous", "counts"])
def test_weights_are_repeated_rows(kind):
    x, groups = one_feature((2500, 300, 40), kind)
    counts = np.random.default_rng(1).integers(0, 4, len(x))
    weighted = DistributionRepairer(ties="mean").fit(
        x[:, None], sensitive_features=groups, sample_weight=counts
    )
    repeated = DistributionRepairer(ties="mean").fit(
        np.repeat(x, counts)[:, None], sensitive_features=np.repeat(groups, counts)
    )
    for model in (weighted, repeated):
        model.answer = model.transform(x[:, None], sensitive_features=groups)
    np.testing.assert_array_equal(weighted.answer, repeated.answer)
    np.testing.assert_array_equal(weighted.feature_edits_, repeated.feature_edits_)


def test_the_order_of_rows_never_matters():
    x, groups = one_feature((2500, 300, 40), "zeros")
    order = np.random.default_rng(1).permutation(len(x))
    np.testing.assert_array_equal(repaired(x, groups)[order], repaired(x[order], groups[order]))


def test_amount_is_how_far_values_move_and_read_in_transform():
    x, groups = one_feature((300, 40), "continuous")
    X = x[:, None]
    full = repaired(X, groups)
    model = DistributionRepairer(0, ties="mean").fit(X, sensitive_features=groups)
    np.testing.assert_array_equal(model.transform(X, sensitive_features=groups), X)
    half = model.set_params(amount=0.25).transform(X, sensitive_features=groups)
    np.testing.assert_allclose(half, 0.75 * X + 0.25 * full, rtol=1e-14)
    with pytest.raises(
        ValueError, match="'amount' parameter of DistributionRepairer must be a float in the range"
    ):
        DistributionRepairer(1.5).fit(X, sensitive_features=groups)
    for changed in ({"amount": 1.5}, {"ties": "none"}):
        later = DistributionRepairer().fit(X, sensitive_features=groups).set_params(**changed)
        with pytest.raises(ValueError, match=f"'{next(iter(changed))}' parameter of DistributionRepairer"):
            later.transform(X, sensitive_features=groups)


def test_a_large_tie_among_many_values_stays_exact():
    """Where values are too many to be kept one by one, a tie of .1% of the rows or more still is."""
    rng = np.random.default_rng(0)
    ties = [0.0] * 150 + [1.0] * 20 + [1.5] * 400
    first = np.concatenate([ties, rng.uniform(-1, 3, 1430)])
    second = np.concatenate([[0.0] * 100, rng.normal(size=400)])
    _, images = on_a_grid([first, second])
    X, groups = np.concatenate([first, second]), np.repeat(["a", "b"], [2000, 500])
    answer = repaired(X, groups)[:, 0]
    for value in (0.0, 1.0, 1.5):
        np.testing.assert_allclose(answer[: len(first)][first == value], images[0][value], atol=1e-12)
    everything = [images[0][value] for value in first]
    assert np.abs(np.sort(answer[: len(first)]) - np.sort(everything)).max() < 0.01


def test_distances_by_hand_and_as_variance_that_goes():
    X = np.column_stack([[0.0, 1, 2, 3], [7, 7, 7, 7], [1, 2, 2, 1]])
    model = DistributionRepairer(ties="mean").fit(X, sensitive_features=list("aabb"))
    np.testing.assert_allclose(model.feature_edits_, [1 / np.sqrt(1.25), 0, 0], atol=1e-15)
    x, groups = one_feature((300, 40, 5), "continuous")
    x = x[:, None]
    model.fit(x, sensitive_features=groups)
    barycenter, _ = on_a_grid([x[groups == g, 0] for g in range(3)])
    assert model.feature_edits_[0] ** 2 == pytest.approx(1 - barycenter.var() / x.var())


# --- ties that are split ----------------------------------------------------------------------------------


def counted(n=6000, seed=0):
    """Return four features with few values, and one that tells rows apart; groups differ in all."""
    rng = np.random.default_rng(seed)
    groups = np.arange(n) % 3 // 2  # two of three in the first group
    counts = [rng.poisson(1 + j + groups) for j in range(3)]
    return np.column_stack([*counts, rng.random(n) < 0.3 + 0.3 * groups, rng.normal(groups)]), groups


def found_by_trees(X, groups):
    """Return how well trees find the group of every other row."""
    trees = RandomForestClassifier(20, min_samples_leaf=50, random_state=0).fit(X[::2], groups[::2])
    return roc_auc_score(groups[1::2], trees.predict_proba(X[1::2])[:, 1])


def test_trees_find_groups_by_their_ties_unless_these_are_split():
    """The trap that the docstring tells of."""
    X, groups = counted()
    before = found_by_trees(X, groups)
    assert found_by_trees(repaired(X, groups), groups) > 0.99 > before
    assert found_by_trees(repaired(X, groups, ties="split"), groups) < 0.6


def test_split_ties_make_distributions_alike_on_fresh_rows_too():
    X, groups = counted()
    model = DistributionRepairer(ties="split").fit(X, sensitive_features=groups)
    fresh, _ = counted(seed=1)
    # Each sample is off by 1.95 / sqrt(n) at most in 999 of 1,000 cases.
    for rows, n_samples in ((X, 1), (fresh, 2)):
        answer = model.transform(rows, sensitive_features=groups)
        for feature in answer.T:
            assert self_distance(feature, groups)[0] <= n_samples * 1.95 * (2000**-0.5 + 4000**-0.5)


def test_split_ties_take_values_of_the_barycentre_at_their_ranks():
    X, groups = counted(60)
    answer = repaired(X, groups, ties="split")
    for column, given in zip(answer.T, X.T, strict=True):
        by_group = [given[groups == g] for g in range(2)]
        barycenter, _ = on_a_grid(by_group)
        for g in range(2):
            quantiles = np.repeat(np.sort(by_group[g]), len(barycenter) // len(by_group[g]))
            for value, image in zip(given[groups == g], column[groups == g], strict=True):
                assert np.isclose(image, barycenter[quantiles == value], rtol=0, atol=1e-12).any()


def test_numbers_that_split_ties_are_as_if_drawn():
    """On a grid of counts: uniform in each feature, and uncorrelated with each other and with the counts."""
    grid = np.stack(np.meshgrid(*map(np.arange, (10, 10, 10, 20))), -1).reshape(-1, 4).astype(float)
    numbers = entry_uniforms(grid)
    assert min(kstest(column, "uniform").pvalue for column in numbers.T) > 0.001
    both = np.corrcoef(np.column_stack([numbers, grid]).T)[:4]
    assert np.abs(both - np.eye(4, 8)).max() * np.sqrt(len(grid)) < 4  # standard errors
    zeros = np.array([[0.0], [-0.0], [1e-50], [-1e-50]])  # the last ones are 0 in single precision
    assert len(np.unique(entry_uniforms(zeros))) == 1


def test_split_ties_depend_on_the_row_alone():
    X, groups = counted(300)
    model = DistributionRepairer(ties="split").fit(X, sensitive_features=groups)
    answer = model.transform(X, sensitive_features=groups)
    order = np.random.default_rng(0).permutation(300)[:100]
    np.testing.assert_array_equal(model.transform(X[order], sensitive_features=groups[order]), answer[order])
    np.testing.assert_array_equal(model.transform(X[:1], sensitive_features=groups[:1]), answer[:1])
    np.testing.assert_array_equal(
        model.set_params(amount=0.5).transform(X, sensitive_features=groups), (X + answer) / 2
    )


@pytest.mark.parametrize("kind", ["continuous", "zeros", "counts"])
def test_split_ties_never_pass_rows_with_other_values(kind):
    x, groups = one_feature((3000, 60, 1), kind)
    X = np.column_stack([x, np.random.default_rng(0).random(len(x))])
    answer = repaired(X, groups, ties="split")[:, 0]
    for g in range(3):
        sets = [answer[(groups == g) & (x == value)] for value in np.unique(x[groups == g])]
        assert all(before.max() <= after.min() for before, after in itertools.pairwise(sets))


def test_split_ties_beyond_and_between_the_values_of_fit():
    # a: 0 up to level 3/4, 1 above. b: 2 up to 1/2, 4 above. Barycentre: 1 up to 1/2, 2 up to 3/4, 5/2.
    X = np.array([[0.0], [0], [0], [1], [2], [2], [4], [4]])
    model = DistributionRepairer(ties="split").fit(X, sensitive_features=list("aaaabbbb"))
    x = np.array([-3, 5, 0.2, 0.6, 1.5, 6])[:, None]
    answer = model.transform(x, sensitive_features=list("aaaabb")).ravel()
    # .2 stands at .3 of the way from 0 to 1/2, where the level is 3/4: at level .3; .6 at level .8.
    np.testing.assert_allclose(answer, [1 - 3, 5 / 2 + 4, 1, 5 / 2, 1 - 0.5, 5 / 2 + 2])
    np.testing.assert_allclose(model.barycenters_[0], [[0, 0.5, 0.5, 0.75, 0.75, 1], [1, 1, 2, 2, 2.5, 2.5]])


def test_splitting_changes_little_where_there_are_no_ties():
    x, groups = one_feature((6000, 4000), "continuous")
    mean, split = (repaired(x, groups, ties=ties)[:, 0] for ties in ("mean", "split"))
    assert self_distance(split, groups)[0] <= 0.001 + 1 / 4000
    in_order = np.sort(mean)
    ranks = [np.searchsorted(in_order, values) / len(x) for values in (mean, split)]
    assert np.abs(ranks[0] - ranks[1]).max() < 0.002
    assert all(len(np.unique(split[groups == g])) == np.sum(groups == g) for g in range(2))
    np.testing.assert_array_equal(repaired(np.full(30, 0.1), np.arange(30) % 3, ties="split"), 0.1)


# --- policies ---------------------------------------------------------------------------------------------


def test_constant_features_stay():
    x = np.full(30, 0.1)
    groups = np.arange(30) % 3
    weights = np.random.default_rng(0).random(30)
    np.testing.assert_array_equal(repaired(x, groups, weights=weights)[:, 0], x)


def test_a_group_of_one_row_goes_to_the_mean():
    x, groups = one_feature((50, 1), "continuous")
    assert repaired(x, groups)[groups == 1].item() == pytest.approx(x.mean(), abs=1e-14)


def test_one_group_stays_as_it_is():
    x, _ = one_feature((1500,), "continuous")
    with pytest.warns(UserWarning, match="only one group, all: the features stay as they are"):
        answer = repaired(x, ["all"] * 1500)
    np.testing.assert_array_equal(answer[:, 0], x)


def test_unknown_groups_and_groups_without_weight_are_treated_as_all_rows_together():
    x, groups = one_feature((30, 20, 10), "counts")
    X = x[:, None].astype(float)
    _, (_, _, images) = on_a_grid([x[groups == 0], x[groups == 1]], x[groups < 2])
    values, expected = (np.array(list(column), dtype=float) for column in zip(*images.items(), strict=True))
    values = values[:, None]

    model = DistributionRepairer(ties="mean", unknown_group="overall")
    with pytest.warns(UserWarning, match="No row with a weight belongs to: 2. The features of these groups"):
        model.fit(X, sensitive_features=groups, sample_weight=groups < 2)
    assert model.shares_ == {0: 0.6, 1: 0.4, 2: 0}
    known = [0] * len(values)
    for group in (2, 9, None):
        answer = model.transform(np.vstack([values] * 2), sensitive_features=known + [group] * len(values))
        np.testing.assert_allclose(answer[len(values) :, 0], expected, rtol=1e-13)
    model.set_params(unknown_group="error")
    with pytest.raises(ValueError, match="did not occur"):
        model.transform(values[:2], sensitive_features=[0, 9])


def test_weights_lost_in_rounding_are_as_good_as_none():
    answer = repaired([0.0, 1, 2, 9, 5, 6], list("aaaabb"), weights=[1, 1, 1, 1e-30, 1, 1])
    expected = repaired([0.0, 1, 2, 5, 6], list("aaabb"))
    np.testing.assert_allclose(answer[[0, 1, 2, 4, 5]], expected, rtol=1e-14)
    assert answer[3] == expected[2] + 7


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        (np.array([1, 2, 3, 4], dtype=np.int32), [2, 3, 2, 3]),
        (np.array([True, False, True, True]), [0.75] * 4),
    ],
    ids=["integers", "booleans"],
)
def test_numbers_of_any_kind_come_out_as_floats(column, expected):
    groups = ["a", "a", "b", "b"]
    answer = repaired(column, groups)
    assert answer.dtype == float
    if column.dtype == bool:  # a: 0 up to level 1/2, 1 above; b: 1
        expected = [1, 0.5, 0.75, 0.75]
    np.testing.assert_allclose(answer[:, 0], expected)


def test_words_and_missing_values_are_refused_with_the_way_out():
    X = pd.DataFrame({"age": [30.0, 40, 50, 60], "job": ["x", "y", "x", "y"], "sex": list("abab")})
    model = DistributionRepairer(sensitive_features="sex")
    for job in (X["job"], X["job"].astype("category")):
        with pytest.raises(ValueError, match=r"these columns of X hold none: job\. Encode them first"):
            model.fit(X.assign(job=job))
    with pytest.raises(ValueError, match="contains NaN"):
        model.fit(X[["age", "sex"]].assign(age=[1, 2, 3, np.nan]))
    # The way out: the numbers with the sensitive column, and the rest beside them.
    both = ColumnTransformer([("numbers", model, ["age", "sex"]), ("words", OneHotEncoder(), ["job"])])
    np.testing.assert_allclose(both.fit_transform(X)[:, 0], [35, 35, 55, 55])


def test_features_together_still_tell_the_group():
    """What the docstring says that it does not do."""
    rng = np.random.default_rng(0)
    groups = np.arange(2000) % 2
    first = rng.normal(size=2000)
    X = np.column_stack([first, np.where(groups == 1, first, -first) + 0.1 * rng.normal(size=2000)])
    answer = repaired(X, groups)
    for feature in answer.T:
        assert self_distance(feature, groups)[0] <= 0.001 + 1 / 1000 + 1e-12
    found = KNeighborsClassifier().fit(answer[:1000], groups[:1000]).score(answer[1000:], groups[1000:])
    assert found > 0.9


def test_no_rows_are_kept():
    sizes = []
    for n in (4000, 16_000):
        x, groups = one_feature((n // 2, n // 2), "continuous")
        sizes.append(
            len(pickle.dumps(DistributionRepairer(ties="mean").fit(x[:, None], sensitive_features=groups)))
        )
    assert sizes[1] < 1.01 * sizes[0]


# --- what features tell of the group, before and after ----------------------------------------------------


def hours(n=3000, seed=0):
    """Return working hours with a spike at 40, years of age, and a group that works more."""
    rng = np.random.default_rng(seed)
    groups = rng.choice(["man", "woman"], n, p=[0.7, 0.3])
    worked = np.round(rng.normal(np.where(groups == "man", 43, 37), 10) / 5) * 5
    worked[rng.random(n) < 0.4] = 40
    return pd.DataFrame({"hours": worked, "age": rng.integers(18, 70, n)}), groups


TOLD_MORE = "These features tell more of the group after the repair than before: "


def test_what_is_told_is_what_the_best_function_of_the_value_explains():
    X, groups = counted()
    model = DistributionRepairer(ties="mean").fit(X, sensitive_features=groups)
    answer = model.transform(X, sensitive_features=groups)
    for features, found in ((X, model.told_before_), (answer, model.told_after_)):
        for values, share in zip(features.T[:4], found, strict=False):
            distinct, places = np.unique(values, return_inverse=True)
            means = np.bincount(places, groups) / np.bincount(places)
            explained = 1 - np.mean((groups - means[places]) ** 2) / groups.var()
            adjusted = 1 - (1 - explained) * (len(X) - 1) / (len(X) - len(distinct))
            assert share == pytest.approx(adjusted, abs=2e-3)  # the rarest counts are taken together
    assert np.all(model.told_after_[:4] > 0.9)


def test_what_is_told_of_three_groups_against_cramer():
    rng = np.random.default_rng(0)
    groups = rng.integers(0, 3, 600)
    values = rng.integers(0, 4, 600) + groups // 2
    table = np.zeros((3, 5), dtype=int)
    np.add.at(table, (groups, values), 1)
    found = told(values.astype(float), groups, np.ones(600), 3)
    assert found.share == pytest.approx(association(table) ** 2, rel=1e-12)
    weighted = told(np.arange(15.0) // 3, np.tile(np.arange(3), 5), 7.0 * table.T.ravel() + 1e-200, 3)
    assert weighted.share == 0  # of weights that are as good as few rows nothing is known


@pytest.mark.parametrize("sizes", [(28, 2), (43, 1, 1)], ids=str)
def test_what_chance_tells_over_all_ways_to_deal_out_the_groups(sizes):
    n = sum(sizes)
    values = np.repeat([0.0, 1, 2], [n // 3, n // 3 + 2, n - 2 * (n // 3) - 2])
    found = []
    for rows in itertools.permutations(range(n), n - sizes[0]):
        codes = np.zeros(n, dtype=int)
        codes[list(rows)] = np.arange(1, n - sizes[0] + 1) if len(sizes) == 3 else 1
        found.append(told(values, codes, np.ones(n), len(sizes)))
    shares = [each.share for each in found]
    assert found[0].by_chance == pytest.approx(np.mean(shares), rel=1e-12)
    assert found[0].variance == pytest.approx(np.var(shares), rel=1e-12)


@pytest.mark.parametrize("shift", [0, 0.5])
def test_chance_makes_as_much_of_what_was_told_as_rarely_as_said(shift):
    rng = np.random.default_rng(0)
    groups = np.arange(400) % 2

    def draw():
        return told(np.floor(rng.normal(shift * groups) * 2), groups, np.ones(400), 2)

    truth = np.mean([each.share - each.by_chance for each in (draw() for _ in range(400))])
    before = Told(truth if shift else 0.0, 0.0, 0.0, 1.0)
    rare = np.mean([draw().is_more_than(before, 0.1) for _ in range(800)])
    assert 0.05 < rare < 0.15  # nine standard errors


def test_a_smooth_feature_tells_what_theory_says_if_parts_have_some_rows():
    """Parts of one row each would tell every row by itself, and nothing of the group."""
    rng = np.random.default_rng(0)
    groups = np.arange(400) % 2
    x = np.linspace(-6, 8, 10_001)
    densities = [np.exp(-((x - mean) ** 2) / 2) for mean in (0, 2)]
    both = densities[0] + densities[1]
    theory = np.sum((densities[1] / both - 0.5) ** 2 * both) / np.sum(both) / 0.25
    assert told(rng.normal(2.0 * groups), groups, np.ones(400), 2).adjusted == pytest.approx(theory, abs=0.1)


def test_columns_alone_mark_the_group_and_fit_says_so():
    X, groups = hours()
    model = DistributionRepairer()
    with pytest.warns(UserWarning, match=f"{TOLD_MORE}x0 ") as caught:
        answer = model.fit_transform(X[["hours"]].to_numpy(), sensitive_features=groups)
    assert len(caught) == 1
    assert f"{model.told_before_[0]:.1%} of the group before, {model.told_after_[0]:.1%} after" in str(
        caught[0].message
    )
    assert [len(np.unique(answer[(X["hours"] == 40) & (groups == g)])) for g in ("man", "woman")] == [1, 1]
    assert model.told_after_ > 0.2 > 0.05 > model.told_before_
    in_order = (X[["hours"]].to_numpy(), answer)
    raw, marked = (found_by_trees(features, groups == "man") for features in in_order)
    assert marked > raw + 0.02


def test_columns_that_are_repaired_one_by_one_are_named():
    X, groups = hours()
    X["income"] = np.random.default_rng(1).lognormal(size=len(X))
    X["group"] = groups
    each = DistributionRepairer(sensitive_features="group")
    one_by_one = ColumnTransformer([(name, each, [name, "group"]) for name in ("hours", "age", "income")])
    with pytest.warns(UserWarning, match=TOLD_MORE) as caught:
        one_by_one.fit(X)
    named = [str(warning.message).removeprefix(TOLD_MORE).split(" ")[0] for warning in caught]
    assert named == ["hours", "age"]
    together = DistributionRepairer(sensitive_features="group", keep_sensitive=True)
    with pytest.warns(UserWarning, match=f"{TOLD_MORE}hours .*, shift .*in one DistributionRepairer"):
        together.fit(X[["group", "hours"]].assign(shift=X["hours"] > 40))


def test_numbers_together_are_split_without_a_warning():
    X, groups = hours()
    X["income"] = np.random.default_rng(1).lognormal(size=len(X))
    model = DistributionRepairer().fit(X, sensitive_features=groups)
    assert model.told_before_[0] > 0.03
    np.testing.assert_allclose(model.told_after_, 0, atol=0.01)
    answer = model.transform(X, sensitive_features=groups)
    assert found_by_trees(answer, groups == "man") < 0.6


@pytest.mark.parametrize("params", [{"ties": "mean"}, {"amount": 0}], ids=["mean", "as they are"])
def test_no_warning_where_ties_are_not_split(params):
    X, groups = hours(500)
    model = DistributionRepairer(**params).fit(X[["hours"]], sensitive_features=groups)
    assert model.told_after_ > 0.2


@pytest.mark.parametrize("n", [20, 300])
def test_groups_that_are_alike_never_warn(n):
    """Of 40 fits each less than one in a thousand may; values without ties tell by chance alone."""
    more = 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        X = np.column_stack([rng.normal(size=n), rng.poisson(3, n), rng.random(n) < 0.02])
        model = DistributionRepairer().fit(X, sensitive_features=rng.choice(["a", "b", "c"], n))
        more += np.any(model.told_after_ > model.told_before_)
    assert n == 20 or more > 0


def test_weights_of_any_scale_tell_the_same():
    X, groups = hours(500)
    weights = np.random.default_rng(0).exponential(size=500)
    first, second = (
        DistributionRepairer(ties="mean").fit(X, sensitive_features=groups, sample_weight=scale * weights)
        for scale in (1, 1e-20)
    )
    np.testing.assert_allclose(first.told_before_, second.told_before_, rtol=1e-9)
    assert first.told_before_[0] > 0.01


def test_the_warning_stays_short_however_many_columns_it_names():
    X, groups = hours(500)
    many = pd.DataFrame({f"{j} {'long ' * 30}": X["hours"] for j in range(30)})
    with pytest.warns(UserWarning, match=" and 1[0-9] more") as caught:
        DistributionRepairer().fit(many, sensitive_features=groups)
    assert len(str(caught[0].message)) < 2000
