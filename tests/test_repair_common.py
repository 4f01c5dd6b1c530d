"""What the transformers of ``fairsk.repair`` take, refuse and compose with, whichever of them it is.

A new one gets a line in ``TRANSFORMERS``.
"""

from __future__ import annotations

import pickle
import warnings
from functools import partial

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from imblearn.pipeline import make_pipeline as make_resampling_pipeline
from imblearn.under_sampling import RandomUnderSampler
from scipy import sparse
from sklearn import config_context
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import TransformedTargetRegressor, make_column_transformer
from sklearn.decomposition import PCA
from sklearn.ensemble import BaggingClassifier
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV, HalvingGridSearchCV, cross_validate
from sklearn.pipeline import make_pipeline, make_union
from sklearn.preprocessing import StandardScaler

from fairsk import (
    ConstrainedClassifier,
    FairClassifier,
    FairResampler,
    GroupThresholdOptimizer,
    ReweightedClassifier,
    SensitiveRouter,
)
from fairsk.repair import ConceptEraser, DistributionRepairer, GaussianRepairer
from fairsk.scoring import make_fair_scorer, make_group_scorer

#: Of few features, many tests take all directions out on purpose.
pytestmark = pytest.mark.filterwarnings("ignore:All .* directions of the features")


#: The transformers, and variants of them.
TRANSFORMERS = {
    "eraser": ConceptEraser,
    "eraser within labels": partial(ConceptEraser, within_label=True),
    "eraser, aware": partial(ConceptEraser, aware=True),
    "GaussianRepairer": GaussianRepairer,
    "DistributionRepairer": partial(DistributionRepairer, ties="mean"),  # means are exact then
}
#: Those that need no group in ``transform``.
GROUP_AT_FIT_ONLY = ["eraser", "eraser within labels"]
GROUP_AT_TRANSFORM = [name for name in TRANSFORMERS if name not in GROUP_AT_FIT_ONLY]

every = pytest.mark.parametrize("name", TRANSFORMERS)
needs_groups = pytest.mark.parametrize("name", GROUP_AT_TRANSFORM)
needs_none = pytest.mark.parametrize("name", GROUP_AT_FIT_ONLY)

N = 120
RNG = np.random.default_rng(0)
GROUP = np.array(["a", "b", "c"])[np.arange(N) % 3]
NAMES = ["age", "skill", "score", "height", "size", "days"]
X = RNG.normal(size=(N, 6)) * [1, 20, 3, 1, 1, 1] + 5
X[:, 0] += GROUP == "a"
X[:, 1] *= np.where(GROUP == "b", 2, 1)
Y = (2 * X[:, 2:].sum(1) + RNG.normal(size=N) > 40).astype(int)
NUMBERS = pd.DataFrame(X, columns=NAMES)
PEOPLE = NUMBERS.assign(sex=GROUP)


def fitted(name, **params):
    """Return a transformer fitted to the people, whose column it knows by name."""
    return TRANSFORMERS[name](sensitive_features="sex", **params).fit(PEOPLE, Y)


def repaired(name, X=X, group=GROUP, y=Y, *, at_transform=None, **params):
    """Fit to an array and groups beside it, and return its transformed rows."""
    model = TRANSFORMERS[name](**params).fit(X, y, sensitive_features=group)
    return model.transform(X, sensitive_features=group if at_transform is None else at_transform)


def gap(rows, group=GROUP, within=None, scale=None):
    """Return the largest difference between group means, in standard deviations, by brute force."""
    rows, gaps = np.asarray(rows, dtype=float), []
    scale = np.maximum(rows.std(0), 1e-300) if scale is None else scale
    for label in np.zeros(1) if within is None else np.unique(within):
        there = np.full(len(rows), True) if within is None else within == label
        means = [rows[there & (group == g)].mean(0) for g in np.unique(group[there])]
        gaps.append(np.max(np.ptp(means, axis=0) / scale))
    return max(gaps)


# --- where the group comes from ---------------------------------------------------------------------------


@every
def test_column_values_position_and_function_give_the_same(name):
    expected = repaired(name)
    coded = np.unique(GROUP, return_inverse=True)[1]
    array = np.column_stack([X[:, :1], coded, X[:, 1:]])
    for selector, rows in (
        ("sex", PEOPLE),
        (["sex"], PEOPLE),
        (6, PEOPLE),
        (1, array),
        (-6, array),
    ):
        model = TRANSFORMERS[name](sensitive_features=selector)
        np.testing.assert_allclose(model.fit_transform(rows, Y), expected, rtol=1e-12)
        np.testing.assert_allclose(model.transform(rows), expected, rtol=1e-12)
    by_function = TRANSFORMERS[name](sensitive_features=lambda rows: GROUP[: len(rows)])
    np.testing.assert_allclose(by_function.fit_transform(X, Y), expected, rtol=1e-12)
    # Values passed to a method override the column, which is left out nevertheless.
    other = PEOPLE.assign(sex="x")
    model = TRANSFORMERS[name](sensitive_features="sex").fit(other, Y, sensitive_features=GROUP)
    np.testing.assert_allclose(model.transform(other, sensitive_features=GROUP), expected, rtol=1e-12)


@every
def test_an_intersection_of_columns_is_read_by_name(name):
    race = np.array(["w", "v"])[np.arange(N) % 2]
    people = PEOPLE.assign(race=race)
    both = np.char.add(GROUP, race)
    expected = repaired(name, group=both)
    model = TRANSFORMERS[name](sensitive_features=["sex", "race"])
    np.testing.assert_allclose(model.fit_transform(people, Y), expected, rtol=1e-12)
    swapped = people[["race", "sex"]]
    np.testing.assert_allclose(model.transform(people, sensitive_features=swapped), expected, rtol=1e-12)


@needs_none
def test_the_column_may_be_absent_in_transform(name):
    model = fitted(name)
    expected = model.transform(PEOPLE)
    np.testing.assert_array_equal(model.transform(NUMBERS), expected)
    np.testing.assert_array_equal(model.transform(NUMBERS, sensitive_features=["?"] * N), expected)
    np.testing.assert_array_equal(model.transform(PEOPLE.assign(sex=None)), expected)
    assert model.set_output(transform="pandas").transform(NUMBERS).columns.tolist() == NAMES
    with pytest.raises(ValueError, match="feature names should match"):
        model.transform(NUMBERS[NAMES[::-1]])


@needs_groups
def test_a_group_that_is_needed_is_asked_for(name):
    model = fitted(name)
    otherwise = "aware=False" if "aware" in name else "ConceptEraser"
    for given in (model, fitted(name, unknown_group="overall")):  # a column is no missing value
        with pytest.raises(ValueError, match=f"needs the group of every new row.*{otherwise}") as seen:
            given.transform(NUMBERS)
        assert "estimator" not in str(seen.value)
        assert "Router" not in str(seen.value)
    np.testing.assert_array_equal(model.transform(NUMBERS, sensitive_features=GROUP), model.transform(PEOPLE))
    unnamed = TRANSFORMERS[name]().fit(X, Y, sensitive_features=GROUP)
    with pytest.raises(
        ValueError, match=rf"needs the groups to transform rows\. Name the column.*{otherwise}"
    ):
        unnamed.transform(X)
    array = np.column_stack([X, np.unique(GROUP, return_inverse=True)[1]])
    with pytest.raises(ValueError, match=r"needs the group of every new row.*\(6\) is not in X"):
        TRANSFORMERS[name](sensitive_features=6).fit(array, Y).transform(X)


@every
def test_a_column_that_is_absent_in_fit(name):
    """The advice is one for a transformer, also inside of a router, which took the column out."""
    model = make_pipeline(
        StandardScaler(), TRANSFORMERS[name](sensitive_features="sex"), LogisticRegression()
    )
    for outer in (model, SensitiveRouter(model, sensitive_features="sex")):
        with pytest.raises(ValueError, match=r"earlier step left it out: put .* before that step") as seen:
            outer.fit(NUMBERS if outer is model else PEOPLE, Y)
        assert "meta-estimator" not in str(seen.value)


@needs_groups
@pytest.mark.parametrize("stranger", ["z", None, np.nan])
def test_groups_that_are_unknown_in_transform(name, stranger):
    """They are refused, or treated as all rows are: in the same way whatever else is in the batch."""
    group = GROUP.astype(object)
    group[:3] = stranger
    with pytest.raises(ValueError, match="3 of 120 rows"):
        fitted(name).transform(NUMBERS, sensitive_features=group)
    model = fitted(name, unknown_group="overall")
    found = model.transform(NUMBERS, sensitive_features=group)
    np.testing.assert_array_equal(found[3:], model.transform(PEOPLE)[3:])
    alone = model.transform(NUMBERS[:1], sensitive_features=[stranger])
    np.testing.assert_array_equal(alone, found[:1])
    assert np.isfinite(found).all()
    with pytest.warns(UserWarning, match="None of 120 rows has a group that occurred in fit"):
        model.transform(NUMBERS, sensitive_features=[stranger] * N)


# --- containers -------------------------------------------------------------------------------------------


def read_only(rows):
    rows = rows.copy()
    rows.flags.writeable = False
    return rows


ARRAYS = {
    "list": lambda rows: rows.tolist(),
    "objects": lambda rows: rows.astype(object),
    "Fortran's order": np.asfortranarray,
    "every other column": lambda rows: np.repeat(rows, 2, axis=1)[:, ::2],
    "read-only": read_only,
    "masked array without a mask": np.ma.masked_array,
    "extended precision": lambda rows: rows.astype(np.longdouble),
    "texts of numbers": lambda rows: rows.astype(str),
}
FRAMES = {
    "pandas": lambda columns: pd.DataFrame(columns),
    "pandas nullable": lambda columns: pd.DataFrame(columns).convert_dtypes(),
    "pandas on Arrow": lambda columns: pd.DataFrame(columns).convert_dtypes(dtype_backend="pyarrow"),
    "pandas category": lambda columns: pd.DataFrame(columns).astype({"sex": "category"}),
    "pandas objects": lambda columns: pd.DataFrame(columns).astype(object),
    "polars": pl.DataFrame,
    "polars categories": lambda columns: pl.DataFrame(columns).cast({"sex": pl.Categorical}),
    "pyarrow": pa.table,
}


@every
@pytest.mark.parametrize("kind", ARRAYS)
def test_any_array_gives_the_same_and_is_left_alone(name, kind):
    rows = ARRAYS[kind](X)
    np.testing.assert_allclose(repaired(name, rows), repaired(name), rtol=1e-12)
    np.testing.assert_array_equal(np.asarray(rows, dtype=float), X)


@every
@pytest.mark.parametrize("kind", FRAMES)
def test_any_frame_gives_the_same_and_is_left_alone(name, kind):
    frame = FRAMES[kind](PEOPLE.to_dict("list"))
    model = TRANSFORMERS[name](sensitive_features="sex")
    np.testing.assert_allclose(model.fit_transform(frame, Y), repaired(name), rtol=1e-12)
    np.testing.assert_allclose(model.transform(frame), repaired(name), rtol=1e-12)
    assert model.feature_names_in_.tolist() == [*NAMES, "sex"]
    kept = clone(model).set_params(keep_sensitive=True).fit(frame, Y).transform(frame)
    assert isinstance(kept, type(frame))  # a frame stays one, for the column may hold anything
    native = kept.to_pandas() if hasattr(kept, "to_pandas") else kept
    assert native.columns.tolist() == [*NAMES, "sex"]
    np.testing.assert_allclose(native[NAMES].to_numpy(dtype=float), repaired(name), rtol=1e-12)
    assert native["sex"].tolist() == GROUP.tolist()


@every
@pytest.mark.parametrize(
    ("kind", "out"),
    [
        (np.float32, np.float32),
        (np.float16, np.float64),
        (np.int64, np.float64),
        (np.uint8, np.float64),
        (bool, np.float64),
    ],
)
def test_the_precision_of_what_comes_out(name, kind, out):
    rows = (X > 5 if kind is bool else np.maximum(X, 0)).astype(kind)
    found = repaired(name, rows)
    assert found.dtype == out
    np.testing.assert_allclose(found, repaired(name, rows.astype(float)), rtol=2e-5, atol=2e-5)


@every
@pytest.mark.parametrize("library", ["pandas", "nullable", "polars", "pyarrow"])
def test_frames_in_single_precision_stay_so(name, library):
    frame = PEOPLE.astype(dict.fromkeys(NAMES, "Float32" if library == "nullable" else np.float32))
    if library == "pyarrow":
        frame = pa.Table.from_pandas(frame)
    elif library == "polars":
        frame = pl.DataFrame({column: frame[column].to_numpy() for column in frame})
    found = TRANSFORMERS[name](sensitive_features="sex").fit_transform(frame, Y)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, repaired(name, X.astype(np.float32)))
    if library == "polars":  # mixed with numbers that single precision does not hold
        mixed = frame.with_columns(age=pl.Series(X[:, 0]))
        assert TRANSFORMERS[name](sensitive_features="sex").fit_transform(mixed, Y).dtype == np.float64


@every
def test_rows_may_lie_in_a_file(name, tmp_path):
    np.save(tmp_path / "rows.npy", X)
    np.testing.assert_array_equal(
        repaired(name, np.load(tmp_path / "rows.npy", mmap_mode="r")), repaired(name)
    )


@every
@pytest.mark.parametrize("output", ["default", "pandas", "polars"])
@pytest.mark.parametrize("keep", [False, True])
def test_what_set_output_asks_for_comes_out(name, output, keep):
    index = RNG.permutation(N) + 1000
    people = PEOPLE.set_index(index).astype({"sex": "category"})
    model = TRANSFORMERS[name](sensitive_features="sex", keep_sensitive=keep).set_output(transform=output)
    found = model.fit_transform(people, Y)
    names = [*NAMES, "sex"] if keep else NAMES
    assert model.get_feature_names_out().tolist() == names
    assert found.shape == (N, len(names))
    features = found
    if output != "default" or keep:
        assert list(found.columns) == names
        features = found[NAMES].to_numpy()
    np.testing.assert_allclose(np.asarray(features, dtype=float), repaired(name), rtol=1e-12)
    if isinstance(found, pd.DataFrame):
        assert found.index.tolist() == index.tolist()
        assert not keep or found["sex"].dtype == "category"
    if keep:
        assert list(found["sex"]) == GROUP.tolist()


@every
def test_names_that_come_out(name):
    model = TRANSFORMERS[name](sensitive_features=1).fit(np.column_stack([X[:, 0], Y, X[:, 1]]), Y)
    assert model.get_feature_names_out().tolist() == ["x0", "x2"]
    assert model.get_feature_names_out(["p", "q", "r"]).tolist() == ["p", "r"]
    with pytest.raises(ValueError, match="2 names, and X had 3 columns"):
        model.get_feature_names_out(["p", "q"])
    with pytest.raises(ValueError, match="not equal to feature_names_in_"):
        fitted(name).get_feature_names_out(list("pqrstuv"))


# --- what is refused, and how -----------------------------------------------------------------------------


class Dataset:
    """Looks like one of torch."""

    def __len__(self):
        return N


Dataset.__module__ = "torch.utils.data.dataset"


def with_value(value, dtype=float):
    rows = X.astype(dtype)
    rows[3, 1] = value
    return rows


SPARSE = ["csr", "csc", "coo", "dok", "lil", "bsr", "dia"]
#: X, the error, and what it says.
REFUSED = {
    **{
        f"sparse, {kind}": (
            getattr(sparse, f"{kind}_array")(np.eye(N, 6)),
            TypeError,
            "no sparse X",
        )
        for kind in SPARSE
    },
    "sparse matrix": (sparse.csr_matrix(X), TypeError, r"X\.toarray\(\).*CounterfactualAverager"),
    "text": (with_value("no", object), ValueError, r"hold none: those with 'no'\. Encode them"),
    "long text": (with_value("no" * 9999, object), ValueError, r"those with 'no.*\.\.\..*o'\. Encode"),
    "texts": (["she left"] * N, ValueError, "hold none: those with 'she left'"),
    "column of text": (NUMBERS.assign(town="x"), ValueError, r"hold none: town\. Encode"),
    "column of categories": (NUMBERS.assign(age=pd.Categorical(GROUP)), ValueError, "hold none: age"),
    "dates": (NUMBERS.assign(age=pd.Timestamp(0)), ValueError, "hold none: age"),
    "polars text": (pl.DataFrame({"a": [1.0] * N, "b": ["x"] * N}), ValueError, "hold none: b"),
    "NaN": (with_value(np.nan), ValueError, "X contains NaN"),
    "None": (with_value(None, object), ValueError, "X contains NaN"),
    "NA": (NUMBERS.convert_dtypes().mask(NUMBERS > 6), ValueError, "X contains NaN"),
    "masked": (np.ma.masked_array(X, X > 6), ValueError, "X contains NaN"),
    "infinite": (with_value(np.inf), ValueError, "X contains infinity"),
    "complex": (X.astype(complex), ValueError, "Complex data not supported"),
    "one dimension": (X[:, 0], ValueError, "Expected 2D array"),
    "a column": (NUMBERS["age"], ValueError, "Expected a 2-dimensional container"),
    "three dimensions": (X[:, :, None], ValueError, "dim 3"),
    "dict": (dict(NUMBERS), TypeError, "X is of type dict"),
    "nothing": (None, TypeError, "X is of type NoneType"),
    "a text": ("x" * N, TypeError, "X is of type str"),
    "lazy": (pl.LazyFrame({"a": [1.0] * N}), TypeError, "no rows yet: collect it first"),
    "Dataset of torch": (Dataset(), TypeError, "torch Dataset"),
    "no columns": (X[:, :0], ValueError, r"0 feature\(s\)"),
    "names that occur twice": (
        pd.DataFrame(X[:, :3], columns=["a", "a", "b"]),
        ValueError,
        "Several columns of a DataFrame are called 'a'",
    ),
    "too large": (X * 1e200, ValueError, r"The features go up to .*e\+20\d: numbers as large"),
    "much too large": (X * 1e306, ValueError, "StandardScaler"),
    "too small for single precision": ((X * 1e-40).astype(np.float32), ValueError, r"go up to .*e-3\d"),
    "too small": (X * 1e-200, ValueError, "The features go up to .*e-19"),
}


@every
@pytest.mark.parametrize("what", REFUSED)
def test_bad_rows_are_refused_in_words(name, what):
    rows, error, message = REFUSED[what]
    with pytest.raises(error, match=message) as seen:
        TRANSFORMERS[name]().fit(rows, Y, sensitive_features=GROUP)
    assert len(str(seen.value)) < 2000
    if isinstance(rows, np.ndarray | list | sparse.sparray) and "too" not in what:
        model = TRANSFORMERS[name]().fit(X, Y, sensitive_features=GROUP)
        with pytest.raises(error):
            model.transform(rows, sensitive_features=GROUP)


@every
def test_the_way_out_of_missing_numbers(name):
    """The steps that the message names are ones that work."""
    gaps = X.copy()
    gaps[:3, 1] = gaps[2, 2] = np.nan
    with pytest.raises(ValueError, match=r"in 3 of 120 rows.*make_pipeline\(SimpleImputer\(\)") as seen:
        TRANSFORMERS[name]().fit(gaps, Y, sensitive_features=GROUP)
    assert "HistGradientBoosting" not in str(seen.value)
    people = pd.DataFrame(gaps, columns=NAMES).assign(sex=GROUP)
    model = TRANSFORMERS[name](sensitive_features="sex")
    with pytest.raises(ValueError, match=r"in 3 of 120 rows.*make_column_transformer\(\(SimpleImputer"):
        model.fit(people, Y)
    imputer = make_column_transformer(
        (SimpleImputer(), NAMES), remainder="passthrough", verbose_feature_names_out=False
    ).set_output(transform="pandas")
    found = make_pipeline(imputer, model).fit(people, Y).transform(people)
    np.testing.assert_allclose(found, repaired(name, SimpleImputer().fit_transform(gaps)), rtol=1e-12)


@every
@pytest.mark.parametrize(
    ("params", "rows", "given", "error", "message"),
    [
        ({"sensitive_features": "sx"}, PEOPLE, {}, ValueError, r"'sx' is not in X.*Did you mean 'sex'\?"),
        ({"sensitive_features": 9}, X, {}, ValueError, "column 9 is not in X, which has 6 columns"),
        ({"sensitive_features": "sex"}, X, {}, ValueError, "Give its index instead of its name"),
        ({"sensitive_features": 1.5}, X, {}, TypeError, "selects columns of X"),
        ({"sensitive_features": ["sex", 6]}, PEOPLE, {}, ValueError, "selects a column twice"),
        ({}, X, {}, ValueError, "Which column is sensitive"),
        ({}, X, {"sensitive_features": "sex"}, TypeError, "must be values, one per row"),
        ({}, X, {"sensitive_features": GROUP[1:]}, ValueError, "119 rows where 120 are expected"),
        ({}, X, {"sensitive_features": [None, *GROUP[1:]]}, ValueError, "is missing .* in 1 of 120 rows"),
        ({}, X, {"sensitive_features": X[:, 1]}, ValueError, "looks continuous: it has 120 distinct values"),
        ({"sensitive_features": "sex"}, PEOPLE[["sex"]], {}, ValueError, "every column of X is a sensitive"),
        (
            {"sensitive_features": 6, "keep_sensitive": True},
            PEOPLE.to_numpy(),
            {},
            ValueError,
            "cannot keep a column of text in an array of numbers: pass a frame",
        ),
        (
            {"unknown_group": "ignore"},
            X,
            {"sensitive_features": GROUP},
            ValueError,
            "'unknown_group' parameter",
        ),
        (
            {},
            X,
            {"sensitive_features": GROUP, "sample_weight": [1.0]},
            ValueError,
            "must hold a number per row",
        ),
        ({}, X, {"sensitive_features": GROUP, "sample_weight": -np.ones(N)}, ValueError, "not negative"),
        ({}, X, {"sensitive_features": GROUP, "sample_weight": np.zeros(N)}, ValueError, "not all zero"),
    ],
    ids=lambda value: "",
)
def test_bad_groups_and_weights_are_refused_in_words(name, params, rows, given, error, message):
    with pytest.raises(error, match=message) as seen:
        TRANSFORMERS[name](**params).fit_transform(rows, Y, **given)
    assert len(str(seen.value)) < 2000


@every
def test_other_columns_than_in_fit_are_refused(name):
    model = fitted(name)
    for rows in (
        PEOPLE[[*NAMES[::-1], "sex"]],
        PEOPLE[["sex", *NAMES]],
        PEOPLE.rename(columns={"age": "years"}),
        PEOPLE.drop(columns="score"),
        PEOPLE.assign(more=1.0),
    ):
        with pytest.raises(ValueError, match="feature names should match"):
            model.transform(rows)
    unnamed = TRANSFORMERS[name]().fit(X, Y, sensitive_features=GROUP)
    for rows in (X[:, :2], np.column_stack([X, X])):
        with pytest.raises(ValueError, match=r"features, but .* is expecting 6 features"):
            unnamed.transform(rows, sensitive_features=GROUP)


@every
def test_shuffled_indexes_are_refused(name):
    order = RNG.permutation(N)
    model = TRANSFORMERS[name]()
    with pytest.raises(ValueError, match="sensitive_features has the index of X in another order"):
        model.fit(NUMBERS, Y, sensitive_features=PEOPLE["sex"].iloc[order])
    with pytest.raises(ValueError, match="y has the index of X in another order"):
        model.fit(NUMBERS, pd.Series(Y).iloc[order], sensitive_features=GROUP)
    with pytest.raises(ValueError, match="in another order"):
        model.fit(NUMBERS, Y, sensitive_features=GROUP, sample_weight=pd.Series(X[:, 0]).iloc[order])
    model.fit(NUMBERS, Y, sensitive_features=GROUP)
    with pytest.raises(ValueError, match="sensitive_features has the index of X in another order"):
        model.transform(NUMBERS, sensitive_features=PEOPLE["sex"].iloc[order])


LABELLED = {
    "within_label": {"within_label": True},
    "preserve_label": {"preserve_label": True},
}


@pytest.mark.parametrize("params", LABELLED.values(), ids=LABELLED)
@pytest.mark.parametrize(
    ("y", "message", "note"),
    [
        (None, "requires y to be passed, but the target y is None", ""),
        (Y[1:], "inconsistent numbers of samples", ""),
        (X[:, 0], "continuous", "pd.qcut"),
        (np.where(np.arange(N), Y, np.nan), "missing labels", ""),
        (np.column_stack([Y, Y]), "should be a 1d array", ""),
        (["x", *Y[1:]], "labels of different kinds", ""),
    ],
    ids=["none", "short", "amounts", "missing", "two columns", "mixed"],
)
def test_labels_that_are_needed_are_checked(params, y, message, note):
    with pytest.raises(ValueError, match=message) as seen:
        ConceptEraser(**params).fit(X, y, sensitive_features=GROUP)
    assert note in "".join(getattr(seen.value, "__notes__", [""]))


@pytest.mark.parametrize("name", [name for name in TRANSFORMERS if name != "eraser within labels"])
def test_labels_that_are_not_needed_are_not_looked_at(name):
    expected = repaired(name)
    for y in (None, X[:, 0], ["x", *Y[1:]], np.full(N, np.nan), np.column_stack([Y, Y])):
        np.testing.assert_array_equal(repaired(name, y=y), expected)


def test_a_continuous_attribute():
    """The way out is named; with it numbers are taken, and nothing else."""
    age = X[:, 0] + RNG.normal(size=N)
    with pytest.raises(ValueError, match=r"looks continuous.*continuous=True"):
        ConceptEraser().fit(X, sensitive_features=age)
    with pytest.warns(UserWarning, match=r"120 distinct numbers.*continuous=True"):
        ConceptEraser().fit(X, sensitive_features=np.arange(N))
    model = ConceptEraser(continuous=True)
    for values, message in (
        (GROUP, r"must hold a number per row, and no text\. Encode it as numbers first.*erased together"),
        ([None, *age[1:]], "is missing .* in 1 of 120 rows"),
        (np.where(np.arange(N), age, np.inf), "must be finite"),
        (age * 1e200, "The sensitive values go up to"),
    ):
        with pytest.raises(ValueError, match=message):
            model.fit(X, sensitive_features=pd.Series(values, name="age"))
    erased = model.fit_transform(X, sensitive_features=age)
    np.testing.assert_allclose(np.corrcoef(age, erased.T)[0, 1:], 0, atol=1e-12)
    aware = ConceptEraser(continuous=True, aware=True, unknown_group="overall").fit(X, sensitive_features=age)
    unknown = aware.transform(X, sensitive_features=np.where(np.arange(N) < 2, np.nan, age))
    np.testing.assert_array_equal(unknown[:2], X[:2])
    np.testing.assert_array_equal(unknown[2:], aware.transform(X, sensitive_features=age)[2:])


def test_batches_that_do_not_go_together():
    """They are refused, and the eraser stays as it was."""
    model = ConceptEraser().partial_fit(X, sensitive_features=GROUP)
    expected = model.transform(X)
    for change, rows, error, message in (
        ({"continuous": True}, X, TypeError, "do not add up"),
        ({"within_label": True}, X, ValueError, "tells rows apart by their labels"),
        ({}, X[:, :2], ValueError, "expecting 6 features"),
    ):
        other = pickle.loads(pickle.dumps(model)).set_params(**change)
        with pytest.raises(error, match=message):
            other.partial_fit(rows, Y, sensitive_features=Y if "continuous" in change else GROUP)
        np.testing.assert_array_equal(other.set_params(**model.get_params()).transform(X), expected)
    with pytest.raises(ValueError, match="Which column is sensitive"):
        model.partial_fit(X)


# --- data that are hard -----------------------------------------------------------------------------------


@every
@pytest.mark.parametrize(
    "rows",
    [
        np.column_stack([X, np.full(N, 0.1)]),
        np.full((N, 3), 0.1),
        np.column_stack([X, X, X[:, :1] + 2 * X[:, 1:2]]),
        RNG.normal(size=(N, 2 * N)) + (GROUP == "a")[:, None],
        X[:, :1],
        X * 1e150,
        X * 1e-150,
        X * 10.0 ** np.array([100, 0, -100, 50, -50, 0]),
        X + 1e8,
        (X + 1e4).astype(np.float32),
        (X * 1e-30).astype(np.float32),
        (X * 1e30).astype(np.float32),
    ],
    ids=[
        "a constant",
        "all constant",
        "duplicated and made of others",
        "more columns than rows",
        "one column",
        "huge",
        "tiny",
        "of all scales",
        "mean 1e8",
        "single, mean 1e4",
        "single, tiny",
        "single, huge",
    ],
)
def test_group_means_are_equal_whatever_the_features(name, rows):
    found = repaired(name, rows)
    assert np.isfinite(found).all()
    varies = np.ptp(rows, axis=0) > 0
    np.testing.assert_array_equal(found[:, ~varies], rows[:, ~varies])
    digits = np.finfo(rows.dtype).eps * (
        1 + np.abs(rows).max(0) / np.maximum(rows.std(0, dtype=float), 1e-300)
    )
    if varies.any():
        within = Y if name == "eraser within labels" else None
        scale = rows.astype(float)[:, varies].std(0)
        assert gap(found[:, varies], within=within, scale=scale) < 100 * digits[varies].max()


@every
def test_a_feature_that_is_missing_is_named_though_the_sensitive_column_is_there(name):
    people = pd.DataFrame(X, columns=list("abcdef")).assign(group=GROUP)
    fitted = TRANSFORMERS[name](sensitive_features="group").fit(people, Y)
    with pytest.raises(ValueError, match="now missing:\n- c\n") as error:
        fitted.transform(people.drop(columns="c"))
    assert "group" not in str(error.value)


@every
def test_a_group_of_one_row_and_of_none(name):
    group = GROUP.copy()
    group[0] = "z"
    found = repaired(name, group=group)
    assert gap(found, group, Y if name == "eraser within labels" else None, scale=X.std(0)) < 1e-12
    weights = (group != "b").astype(float)
    with pytest.warns(UserWarning, match="No row with a weight belongs to: b"):
        weighted = TRANSFORMERS[name]().fit(X, Y, sensitive_features=group, sample_weight=weights)
    found = weighted.transform(X, sensitive_features=group)
    assert np.isfinite(found).all()
    counted = group != "b"
    left_out = TRANSFORMERS[name]().fit(X[counted], Y[counted], sensitive_features=group[counted])
    np.testing.assert_allclose(
        found[counted], left_out.transform(X[counted], sensitive_features=group[counted]), rtol=1e-9
    )


@every
def test_one_group_is_warned_of_and_nothing_is_changed(name):
    with pytest.warns(UserWarning, match="There is only one group, a: the features stay as they are"):
        found = repaired(name, group=np.full(N, "a"))
    np.testing.assert_array_equal(found, X)
    with pytest.warns(UserWarning, match="only one group"):
        np.testing.assert_array_equal(repaired(name, X[:1], GROUP[:1], Y[:1]), X[:1])


@every
def test_one_label_is_no_label(name):
    np.testing.assert_allclose(
        repaired(name, y=np.ones(N)), repaired("eraser" if "within" in name else name), rtol=1e-12
    )


def test_one_label_is_preserved():
    found = ConceptEraser(preserve_label=True).fit_transform(X, np.ones(N), sensitive_features=GROUP)
    np.testing.assert_allclose(found, repaired("eraser"), rtol=1e-12)


@every
def test_thousands_of_groups(name):
    n = 2000
    group = np.array([f"group {i}" for i in np.arange(n) % 1000])
    rows, y = RNG.normal(size=(n, 3)), np.arange(n) // 1000
    assert gap(repaired(name, rows, group, y), group, y if "within" in name else None, scale=1) < 1e-10


HOSTILE = ["<script>alert('x')</script>", "=cmd|' /C calc'!A1", "a\n\x1b[31mb" + "n" * 9999, "&amp;"]


@every
def test_hostile_names_of_groups(name):
    group = np.array(HOSTILE, dtype=object)[np.arange(N) % 4]
    model = TRANSFORMERS[name](unknown_group="overall").fit(X, Y, sensitive_features=group)
    pages = [model._repr_html_()]
    for result in (getattr(model, "erased_", None), getattr(model, "moments_", None)):
        if result is not None:
            pages.append(result._repr_html_())
            assert "n" * 500 not in str(result)
            assert "\x1b" not in str(result)
    for page in pages:
        assert "<script>alert" not in page
        assert "n" * 500 not in page
    with pytest.warns(UserWarning, match="only one group") as caught:
        TRANSFORMERS[name]().fit(X, Y, sensitive_features=[HOSTILE[2]] * N)
    with pytest.raises(ValueError, match="did not occur in fit") as seen:
        TRANSFORMERS["eraser, aware"]().fit(X, Y, sensitive_features=GROUP).transform(
            X, sensitive_features=group
        )
    assert max(len(str(caught[0].message)), len(str(seen.value))) < 2000


# --- composition ------------------------------------------------------------------------------------------


def classifier(name, **params):
    """Return a logistic regression behind a transformer, which is called "step"."""
    model = make_pipeline(TRANSFORMERS[name](**params), LogisticRegression())
    model.steps[0] = ("step", model.steps[0][1])
    return model


def by_hand(name, then=None):
    """Return what the classifier predicts, with nothing but fit and transform."""
    return LogisticRegression().fit(repaired(name), Y).predict(repaired(name))


BINARY = np.where(GROUP == "a", "a", "b")  # for tools that compare groups under a bound


TOOLS = {
    "halving search": lambda model: HalvingGridSearchCV(
        model,
        {"logisticregression__C": [0.5, 1]},
        cv=2,
        factor=2,
        min_resources=60,
        random_state=0,
        error_score="raise",
    ),
    "calibrated": lambda model: CalibratedClassifierCV(model, cv=2),
    "in a pipeline": lambda model: make_pipeline("passthrough", model),
    "reweighted": lambda model: ReweightedClassifier(model, sensitive_features="sex"),
    "thresholds": lambda model: GroupThresholdOptimizer(
        model, sensitive_features="sex", max_difference=0.9, cv=2, min_group_size=5
    ),
    "resampled before": lambda model: make_resampling_pipeline(
        FairResampler(sensitive_features="sex", random_state=0), *[step for _, step in model.steps]
    ),
    "resampled behind": lambda model: make_resampling_pipeline(
        model[0], RandomUnderSampler(random_state=0), model[1]
    ),
}


@every
@pytest.mark.parametrize("tool", TOOLS)
def test_named_columns_work_in_any_tool(name, tool):
    """The same decisions for frames of any library, in either mode, and far better ones than a coin's."""
    model = TOOLS[tool](classifier(name, sensitive_features="sex"))
    decided = model.fit(PEOPLE, Y).predict(PEOPLE)
    assert np.mean(decided == Y) > 0.75
    if tool == "in a pipeline":
        np.testing.assert_array_equal(decided, by_hand(name))
    if name in GROUP_AT_FIT_ONLY and tool != "thresholds":
        np.testing.assert_array_equal(model.predict(NUMBERS), decided)
    if tool != "resampled behind":  # imbalanced-learn's own samplers take no polars frames
        people = pl.DataFrame(PEOPLE.to_dict("list"))
        with config_context(enable_metadata_routing=True):
            np.testing.assert_array_equal(clone(model).fit(people, Y).predict(people), decided)


@every
def test_values_as_metadata(name, routing):
    key = "sensitive_features" if routing else "step__sensitive_features"
    model = classifier(name).fit(NUMBERS, Y, **{key: GROUP})
    validate = partial(
        cross_validate, classifier(name), NUMBERS, Y, cv=2, params={key: GROUP}, error_score="raise"
    )
    if routing or name in GROUP_AT_FIT_ONLY:
        # Before scikit-learn 1.7 its own scorers hand on nothing to the steps of a pipeline.
        scoring = make_group_scorer("accuracy", comparison="overall") if routing else "accuracy"
        assert validate(scoring=scoring)["test_score"].min() > 0.7
    else:
        with pytest.raises(ValueError, match="Name the column"):
            validate()
    if name in GROUP_AT_FIT_ONLY:
        np.testing.assert_array_equal(model.predict(NUMBERS), by_hand(name))
    elif routing:
        np.testing.assert_array_equal(model.predict(NUMBERS, sensitive_features=GROUP), by_hand(name))
    else:
        with pytest.raises(ValueError, match="Name the column"):
            model.predict(NUMBERS)


@every
def test_a_router_reads_the_column(name, routing, library):
    people = PEOPLE if library == "pandas" else pl.DataFrame(PEOPLE.to_dict("list"))
    numbers = NUMBERS if library == "pandas" else people.drop("sex")
    inner = make_pipeline(StandardScaler(), make_pipeline(TRANSFORMERS[name]()), LogisticRegression())
    model = SensitiveRouter(inner, sensitive_features="sex").fit(people, Y, sample_weight=np.ones(N))
    scaled = StandardScaler().fit_transform(X)
    rows = repaired(name, scaled)
    expected = LogisticRegression().fit(rows, Y).predict(rows)
    np.testing.assert_array_equal(model.predict(people), expected)
    np.testing.assert_array_equal(model.predict(numbers, sensitive_features=GROUP), expected)
    if name in GROUP_AT_FIT_ONLY:
        np.testing.assert_array_equal(model.predict(numbers), expected)
    else:
        with pytest.raises(ValueError, match=r"'sex' is not in X.*needs the group of every row") as seen:
            model.predict(numbers)
        assert "wrap" not in str(seen.value)  # in what it is wrapped in already


def test_a_router_refuses_to_predict_with_transformers_alone():
    for inner in (GaussianRepairer(), make_pipeline(StandardScaler(), ConceptEraser())):
        with pytest.raises(ValueError, match="nothing to predict with: put a classifier behind"):
            SensitiveRouter(inner, sensitive_features="sex").fit(PEOPLE, Y)
    searched = GridSearchCV(classifier("eraser"), {"logisticregression__C": [1.0]}, cv=2)
    assert SensitiveRouter(searched, sensitive_features="sex").fit(PEOPLE, Y).predict(PEOPLE).shape == (N,)
    with pytest.raises(ValueError, match=r"'sx' is not in X.*Did you mean"):
        SensitiveRouter(classifier("eraser"), sensitive_features="sx").fit(PEOPLE, Y)
    with pytest.raises(ValueError, match=r"'ethnicity' is not in X.*put SensitiveRouter around that step"):
        SensitiveRouter(classifier("eraser"), sensitive_features="ethnicity").fit(PEOPLE, Y)


@every
def test_beside_other_transformers(name, routing):
    columns = make_column_transformer(
        (TRANSFORMERS[name](sensitive_features="sex"), [*NAMES[:5], "sex"]), ("passthrough", NAMES[5:])
    )
    expected = np.column_stack([repaired(name, X[:, :5]), X[:, 5]])
    np.testing.assert_allclose(columns.fit_transform(PEOPLE, Y), expected, rtol=1e-12)
    assert [each.partition("__")[2] for each in columns.get_feature_names_out()] == NAMES
    union = make_union(TRANSFORMERS[name](), PCA(1))
    of_numbers = make_column_transformer((TRANSFORMERS[name](), NAMES[:5]), ("passthrough", NAMES[5:]))
    if routing:
        asked = {} if name in GROUP_AT_FIT_ONLY else {"sensitive_features": GROUP}
        for model in (union, of_numbers):
            at_once = model.fit_transform(NUMBERS, Y, sensitive_features=GROUP)
            later = model.fit(NUMBERS, Y, sensitive_features=GROUP).transform(NUMBERS, **asked)
            np.testing.assert_allclose(at_once, later, rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(later, expected, rtol=1e-12)


@pytest.mark.parametrize("name", [name for name in TRANSFORMERS if name != "eraser within labels"])
def test_regressors_behind_it(name, routing):
    amounts = X[:, 2] * 100
    inner = make_pipeline(TRANSFORMERS[name](sensitive_features="sex"), Ridge())
    predicted = (
        TransformedTargetRegressor(inner, transformer=StandardScaler()).fit(PEOPLE, amounts).predict(PEOPLE)
    )
    assert gap(predicted[:, None]) < 1e-9


@every
def test_bagged_by_position(name):
    array = np.column_stack([X, np.unique(GROUP, return_inverse=True)[1]])
    bag = BaggingClassifier(classifier(name, sensitive_features=6), n_estimators=2, random_state=0)
    assert np.mean(bag.fit(array, Y).predict(array) == Y) > 0.75


@every
def test_kept_columns_serve_the_next_step(name):
    kept = TRANSFORMERS[name](sensitive_features="sex", keep_sensitive=True)
    twice = make_pipeline(kept, TRANSFORMERS[name](sensitive_features="sex"), LogisticRegression())
    assert np.mean(twice.fit(PEOPLE, Y).predict(PEOPLE) == Y) > 0.75
    inner = make_pipeline(make_column_transformer(("passthrough", NAMES)), LogisticRegression())
    thresholds = GroupThresholdOptimizer(
        inner, sensitive_features="sex", max_difference=0.9, cv=2, min_group_size=5
    )
    decided = make_pipeline(kept, thresholds).fit(PEOPLE, Y).predict(PEOPLE)
    assert np.mean(decided == Y) > 0.75


@every
def test_columns_that_cannot_be_kept(name):
    """There is nothing to keep of values, and none in an X without the column: both are said."""
    unnamed = TRANSFORMERS[name](keep_sensitive=True)
    with pytest.warns(UserWarning, match="keep_sensitive=True keeps nothing") as caught:
        found = unnamed.fit_transform(X, Y, sensitive_features=GROUP)
    assert len(caught) == 1
    np.testing.assert_array_equal(found, repaired(name))
    by_function = TRANSFORMERS[name](sensitive_features=lambda rows: GROUP, keep_sensitive=True)
    with pytest.warns(UserWarning, match="keep_sensitive=True keeps nothing"):
        by_function.fit(X, Y)
    kept = fitted(name, keep_sensitive=True)
    for given in ({}, {"sensitive_features": GROUP}):
        with pytest.raises(ValueError, match=r"keep_sensitive=True passes .*\('sex'\) on.*not in X"):
            kept.transform(NUMBERS, **given)
    with pytest.raises(ValueError, match="feature names should match"):
        kept.transform(PEOPLE.drop(columns="age"))  # as many columns
    array = np.column_stack([X, np.unique(GROUP, return_inverse=True)[1]])
    kept = TRANSFORMERS[name](sensitive_features=6, keep_sensitive=True).fit(array, Y)
    with pytest.raises(ValueError, match="keep_sensitive=True passes"):
        kept.transform(X)


@pytest.mark.parametrize("aware", [False, True])
@pytest.mark.parametrize("output", ["default", "pandas"])
def test_a_named_column_beside_moments(aware, output):
    """Moments know of the features only; the column is taken out of X wherever it stands."""
    moments = fitted("eraser").moments_
    expected = fitted("eraser", aware=aware).transform(PEOPLE)
    model = ConceptEraser(sensitive_features="sex", aware=aware).set_output(transform=output)
    model.fit_moments(moments)
    for people in (PEOPLE, PEOPLE[["sex", *NAMES]]):
        np.testing.assert_array_equal(model.transform(people), expected)
    np.testing.assert_array_equal(model.transform(NUMBERS, sensitive_features=GROUP), expected)
    assert model.get_feature_names_out().tolist() == NAMES
    with pytest.raises(ValueError, match="keep_sensitive=True does not go with fit_moments"):
        clone(model).set_params(keep_sensitive=True).fit_moments(moments)
    for rows in (PEOPLE.drop(columns="age"), PEOPLE.assign(more=1.0), PEOPLE[["sex", *NAMES[::-1]]]):
        with pytest.raises(ValueError, match="feature names should match"):
            model.transform(rows)
    more = clone(model).fit_moments(moments).partial_fit(PEOPLE)
    assert more.moments_.n == 2 * N
    # Arrays have no names: a position is taken out of one with more columns.
    unnamed = ConceptEraser().fit(X, sensitive_features=np.arange(N) % 3).moments_
    by_position = ConceptEraser(sensitive_features=0, aware=aware).fit_moments(unnamed)
    array = np.column_stack([np.arange(N) % 3, X])
    np.testing.assert_allclose(by_position.transform(array), expected, rtol=1e-12)
    for more in (by_position, clone(model).fit_moments(unnamed)):
        with pytest.raises(ValueError, match=r"features, but .* is expecting 6 features"):
            more.transform(np.column_stack([X, X]))


def test_tables_that_do_not_add_up_say_why():
    def table(columns, **params):
        return ConceptEraser(sensitive_features="sex", **params).fit(PEOPLE[columns], Y).moments_

    whole = table([*NAMES, "sex"])
    renamed = ConceptEraser(sensitive_features="sex").fit(PEOPLE.rename(columns={"age": "years"})).moments_
    for other, message in (
        (renamed, "the first table only has age, and the second table only has years"),
        (table(["sex", *NAMES[:2]]), "the first table only has score, height, size, days"),
        (table(["sex", *NAMES[::-1]]), "another order: at position 0 is age in the first table, and days"),
        (ConceptEraser().fit(X[:, :5], sensitive_features=PEOPLE["sex"]).moments_, "in the same order"),
        (
            table([*NAMES, "sex"], within_label=True),
            "Fit every eraser with within_label=True or preserve_lab",
        ),
    ):
        with pytest.raises(ValueError, match=f"do not add up.*{message}"):
            whole + other
    with pytest.raises(ValueError, match="fit every site's eraser with one of them set, and with y"):
        ConceptEraser(within_label=True).fit_moments(whole)


def test_kept_columns_serve_a_net(routing):
    net = FairClassifier(
        sensitive_features="sex",
        hidden_layer_sizes=(),
        penalty_weight=0.1,
        max_epochs=50,
        lr=0.1,
        batch_size=-1,
        min_group_size=5,
        random_state=0,
    )
    kept = ConceptEraser(sensitive_features="sex", keep_sensitive=True)
    scaled = make_column_transformer(
        (StandardScaler(), NAMES), remainder="passthrough", verbose_feature_names_out=False
    ).set_output(transform="pandas")
    decided = make_pipeline(scaled, kept, net).fit(PEOPLE, Y).predict(PEOPLE)
    assert np.mean(decided == Y) > 0.75


def test_a_search_over_what_is_erased(routing):
    """Also over ``aware``, with which the request for groups in ``transform`` comes and goes."""
    model = classifier("eraser", sensitive_features="sex")
    grid = [{"step__within_label": [False, True]}, {"step__aware": [True]}, {"step__metric": ["identity"]}]
    by_column = GridSearchCV(model, grid, cv=2, error_score="raise").fit(PEOPLE, Y)
    assert by_column.predict(PEOPLE).shape == (N,)
    router = SensitiveRouter(classifier("eraser"), sensitive_features="sex")
    nested = [{f"estimator__{name}": values for name, values in each.items()} for each in grid]
    search = GridSearchCV(router, nested, cv=2, error_score="raise").fit(PEOPLE, Y)
    scores = by_column.cv_results_["mean_test_score"]
    np.testing.assert_array_equal(search.cv_results_["mean_test_score"], scores)
    assert len(set(scores)) > 1


def test_a_search_over_aware_with_metadata():
    """Scorers of fairsk hand groups to the candidates that ask; scikit-learn's cannot."""
    fair = make_fair_scorer("demographic_parity")
    column = make_fair_scorer("demographic_parity", sensitive_features="sex")
    grid = {"step__aware": [False, True]}
    with config_context(enable_metadata_routing=True):
        search = GridSearchCV(classifier("eraser"), grid, scoring=fair, cv=2, error_score="raise")
        search.fit(NUMBERS, Y, sensitive_features=GROUP)
        plain = GridSearchCV(classifier("eraser"), grid, cv=2, error_score="raise")
        with pytest.raises(ValueError, match="Name the column"):
            plain.fit(NUMBERS, Y, sensitive_features=GROUP)
    named = GridSearchCV(classifier("eraser", sensitive_features="sex"), grid, scoring=column, cv=2).fit(
        PEOPLE, Y
    )
    np.testing.assert_array_equal(search.cv_results_["mean_test_score"], named.cv_results_["mean_test_score"])


def test_requests_follow_the_parameters():
    """A clone, or a pickle, of an eraser that became aware later asks for groups in ``transform``."""
    with config_context(enable_metadata_routing=True):
        model = classifier("eraser")
        with pytest.raises(TypeError, match="unexpected argument"):
            model.fit(NUMBERS, Y, sensitive_features=GROUP).predict(NUMBERS, sensitive_features=GROUP)
        later = pickle.loads(pickle.dumps(clone(model.set_params(step__aware=True))))
        later.fit(NUMBERS, Y, sensitive_features=GROUP)
        np.testing.assert_array_equal(
            later.predict(NUMBERS, sensitive_features=GROUP), by_hand("eraser, aware")
        )
        weighted = make_pipeline(
            ConceptEraser().set_fit_request(sample_weight=True),
            LogisticRegression().set_fit_request(sample_weight=True),
        )
        times = np.arange(N) // 3 % 3
        weighted.fit(NUMBERS, Y, sensitive_features=GROUP, sample_weight=times)
        repeated = make_pipeline(ConceptEraser(), LogisticRegression()).fit(
            np.repeat(X, times, axis=0), np.repeat(Y, times), sensitive_features=np.repeat(GROUP, times)
        )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # names of columns
        np.testing.assert_allclose(weighted.predict_proba(X), repeated.predict_proba(X), atol=1e-4)


@needs_none
def test_fitted_with_routing_and_used_without(name):
    with config_context(enable_metadata_routing=True):
        model = classifier(name).fit(NUMBERS, Y, sensitive_features=GROUP)
    np.testing.assert_array_equal(model.predict(NUMBERS), by_hand(name))


@needs_none
def test_under_a_bound_without_the_group_at_prediction(name, routing):
    model = ConstrainedClassifier(
        classifier(name, sensitive_features="sex"),
        sensitive_features="sex",
        max_difference=0.5,
        cv=2,
        max_models=2,
        min_group_size=5,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # few people
        model.fit(PEOPLE, Y)
    np.testing.assert_array_equal(model.predict(PEOPLE), model.predict(NUMBERS))
