"""Groups after ``fit``: the same in any container, and what happens to those that ``fit`` did not have."""

from __future__ import annotations

from functools import cache

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from fairsk import (
    GroupCalibratedClassifier,
    GroupThresholdOptimizer,
    PredictionRepair,
    Reweigher,
    ScoreRepair,
)
from fairsk.repair import ConceptEraser, DistributionRepairer, GaussianRepairer

N = 240
RNG = np.random.default_rng(0)
CODES = RNG.integers(0, 2, N)
SKILL = RNG.normal(size=N) + CODES
X = np.column_stack([SKILL, RNG.normal(size=N)])
Y = (SKILL + RNG.normal(size=N) > 0.5).astype(int)

#: What the two groups are called.
NAMES = {"text": ["F", "Männer"], "numbers": [0, 1], "booleans": [False, True]}

#: Containers of the values of an array.
CONTAINERS = {
    "array": lambda v: v,
    "objects": lambda v: v.astype(object),
    "column": lambda v: v.reshape(-1, 1),
    "list": lambda v: v.tolist(),
    "tuple": lambda v: tuple(v.tolist()),
    "masked array without a mask": np.ma.masked_array,
    "pandas": pd.Series,
    "pandas with another index": lambda v: pd.Series(v, index=[f"row {i}" for i in range(len(v))]),
    "pandas column": lambda v: pd.DataFrame({"any name": v}),
    "pandas objects": lambda v: pd.Series(v, dtype=object),
    "pandas categories": lambda v: pd.Series(pd.Categorical(v)),
    "pandas nullable": lambda v: pd.Series(v).convert_dtypes(),
    "pandas on Arrow": lambda v: pd.Series(v).convert_dtypes(dtype_backend="pyarrow"),
    "polars": lambda v: pl.Series(v.tolist()),
    "polars column": lambda v: pl.DataFrame({"any name": v.tolist()}),
    "pyarrow": lambda v: pa.array(v.tolist()),
    "pyarrow dictionary": lambda v: pa.array(v.tolist()).dictionary_encode(),
    "pyarrow chunks": lambda v: pa.chunked_array([v[:1].tolist(), v[1:].tolist()]),
}

#: One threshold per group: a mixture of them decides by a hash of the score, and the last bit of a score may
#: differ between a row alone and the same row among others, whose products another kernel of BLAS sums.
MODELS = {
    "thresholds": lambda: GroupThresholdOptimizer(
        LogisticRegression(), max_difference=0.2, policy="threshold"
    ),
    "classes": lambda: GroupThresholdOptimizer(LogisticRegression(), max_difference=0.4, policy="threshold"),
    "repair": lambda: ScoreRepair(LogisticRegression()),
    "amounts": lambda: PredictionRepair(LinearRegression()),
    "calibration": lambda: GroupCalibratedClassifier(LogisticRegression(), shrinkage=5),
}
#: What they are fitted to, where it is not the labels.
TARGETS = {"classes": np.digitize(SKILL, [-0.5, 1]), "amounts": SKILL + RNG.normal(size=N)}


@cache
def fitted(model, kind, container, unknown_group="error"):
    who = CONTAINERS[container](np.array(NAMES[kind])[CODES])
    return (
        MODELS[model]()
        .set_params(unknown_group=unknown_group)
        .fit(X, TARGETS.get(model, Y), sensitive_features=who)
    )


def answers(model, X, who):
    """Return everything that depends on the groups."""
    found = [model.predict(X, sensitive_features=who)]
    if hasattr(model, "predict_proba"):
        found.append(model.predict_proba(X, sensitive_features=who))
    if hasattr(model, "decided_rows"):
        found.append(model.decided_rows(X, sensitive_features=who).codes)
    return found


@pytest.mark.parametrize("model", MODELS)
@given(
    kind=st.sampled_from(sorted(NAMES)),
    fitted_in=st.sampled_from(["array", "list", "pandas categories", "polars"]),
    container=st.sampled_from(sorted(CONTAINERS)),
    rows=st.lists(st.integers(0, N - 1), min_size=1, max_size=9),
)
@settings(max_examples=60)
def test_groups_are_the_same_in_any_container(model, kind, fitted_in, container, rows):
    names = np.array(NAMES[kind])
    expected = answers(fitted(model, kind, "array"), X, names[CODES])
    who = CONTAINERS[container](names[CODES[rows]])
    for all_rows, some in zip(expected, answers(fitted(model, kind, fitted_in), X[rows], who), strict=True):
        np.testing.assert_allclose(some, all_rows[rows], atol=1e-12)


#: The transformers of features that need the group of each row.
TRANSFORMERS = {
    "aware": lambda: ConceptEraser(aware=True),
    "Gaussian": GaussianRepairer,
    "distribution": DistributionRepairer,
}


@pytest.mark.parametrize("name", TRANSFORMERS)
@given(
    kind=st.sampled_from(sorted(NAMES)),
    fitted_in=st.sampled_from(["array", "list", "pandas categories", "polars"]),
    container=st.sampled_from(sorted(CONTAINERS)),
    rows=st.lists(st.integers(0, N - 1), min_size=1, max_size=9),
)
@settings(max_examples=30)
def test_rows_are_repaired_the_same_in_any_container(name, kind, fitted_in, container, rows):
    names = np.array(NAMES[kind])[CODES]
    expected = TRANSFORMERS[name]().fit(X, sensitive_features=CODES).transform(X, sensitive_features=CODES)
    model = TRANSFORMERS[name]().fit(X, sensitive_features=CONTAINERS[fitted_in](names))
    found = model.transform(X[rows], sensitive_features=CONTAINERS[container](names[rows]))
    np.testing.assert_allclose(found, expected[rows], atol=1e-12)


@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize("kind", NAMES)
def test_weights_are_the_same_in_any_container(kind, container):
    values = np.array(NAMES[kind])[CODES]
    reweigher = Reweigher().fit(X, Y, sensitive_features=values)
    # By hand: P(s) P(y) / P(s, y), from the four cells.
    share = [[np.mean((s == CODES) & (label == Y)) for label in (0, 1)] for s in (0, 1)]
    by_hand = [
        np.mean(s == CODES) * np.mean(label == Y) / share[s][label] for s, label in zip(CODES, Y, strict=True)
    ]
    got = reweigher.sample_weight(Y, sensitive_features=CONTAINERS[container](values))
    np.testing.assert_allclose(got, by_hand)


# --- groups that fit did not have --------------------------------------------------------------------------

#: The groups of numbers, written in another way: as JSON or a CSV file brings them.
WRITTEN = {"numbers": {0: "0", 1: "1"}, "booleans": {False: "False", True: "True"}}


@pytest.mark.parametrize("model", MODELS)
@given(
    kind=st.sampled_from(sorted(WRITTEN)),
    container=st.sampled_from(["array", "list", "pandas", "pandas categories", "polars", "pyarrow"]),
    rows=st.lists(st.integers(0, N - 1), min_size=1, max_size=5),
)
@settings(max_examples=12)
def test_text_where_fit_had_numbers_is_never_taken_in_silence(model, kind, container, rows):
    """Refused, or under the lenient policy warned of, in the same words: also for a row alone."""
    who = CONTAINERS[container](np.array([WRITTEN[kind][NAMES[kind][code]] for code in CODES[rows]]))
    n, known = len(rows), "0, 1" if kind == "numbers" else "False, True"
    words = rf"^{n} of {n} rows .* in fit: '.*' \(text\)\. Those of fit are {known} \(numbers\)\."
    with pytest.raises(ValueError, match=words):
        fitted(model, kind, "array").predict(X[rows], sensitive_features=who)
    with pytest.warns(UserWarning, match=words) as told:
        fitted(model, kind, "array", "overall").predict(X[rows], sensitive_features=who)
    assert len(told) == 1


@pytest.mark.parametrize("model", MODELS)
def test_numbers_where_fit_had_text_are_never_taken_in_silence(model):
    words = r"in fit: 0, 1 \(numbers\)\. Those of fit are 'F', 'Männer' \(text\)\."
    with pytest.raises(ValueError, match=words):
        fitted(model, "text", "array").predict(X, sensitive_features=CODES)
    with pytest.warns(UserWarning, match=words):
        fitted(model, "text", "array", "overall").predict(X, sensitive_features=CODES)


@pytest.mark.parametrize("name", TRANSFORMERS)
@pytest.mark.parametrize(("there", "here"), [(CODES, CODES.astype(str)), (CODES.astype(str), CODES)])
def test_transformers_take_no_groups_of_another_kind_in_silence(name, there, here):
    model = TRANSFORMERS[name]().fit(X, sensitive_features=there)
    words = rf"^{N} of {N} rows .* in fit: .* \((text|numbers)\)\. Those of fit are .* \((numbers|text)\)\."
    with pytest.raises(ValueError, match=words):
        model.transform(X, sensitive_features=here)
    with pytest.warns(UserWarning, match=words) as told:
        model.set_params(unknown_group="overall").transform(X, sensitive_features=here)
    assert len(told) == 1


def same(found, expected):
    """Return whether labels are equal, and amounts but for the last bits."""
    return np.allclose(found, expected, rtol=1e-12, atol=0)


@pytest.mark.parametrize("model", MODELS)
def test_where_every_row_is_unknown_the_overall_policy_warns_once(model):
    estimator = fitted(model, "text", "array", "overall")
    for who in (["X"] * N, ["X", "Y"] * (N // 2), [None] * N):
        with pytest.warns(UserWarning, match=f"None of {N} rows has a group that occurred in fit") as told:
            predicted = estimator.predict(X, sensitive_features=who)
        assert len(told) == 1
        # As a row alone is predicted, which may well be of a new group: without a word.
        alone = [estimator.predict(X[[i]], sensitive_features=[who[i]])[0] for i in range(20)]
        assert same(predicted[:20], alone)
    some = ["F", *["X"] * (N - 1)]
    with pytest.warns(
        UserWarning, match="None of"
    ):  # the same answer beside known groups, which need no warning
        everybody = estimator.predict(X, sensitive_features=["X"] * N)
    assert same(estimator.predict(X, sensitive_features=some)[1:], everybody[1:])


@pytest.mark.parametrize("model", sorted(MODELS))
def test_unknown_groups_are_refused_before_an_encoder_sees_them(model):
    table = pd.DataFrame({"skill": SKILL, "sex": np.array(NAMES["text"])[CODES]})
    encode = make_column_transformer((OneHotEncoder(), ["sex"]), remainder="passthrough")
    inner = make_pipeline(encode, LinearRegression() if model == "amounts" else LogisticRegression())
    fair = MODELS[model]().set_params(estimator=inner, sensitive_features="sex")
    fair.fit(table, TARGETS.get(model, Y))
    respond = fair.predict_proba if model == "repair" else fair.predict
    with pytest.raises(ValueError, match=r"did not occur in fit: x+\.\.\.x+\. Fit on data") as told:
        respond(table.assign(sex="x" * 9999))
    assert len(str(told.value)) < 2000
    with pytest.raises(ValueError, match=r"did not occur in fit: 0, 1 \(numbers\)\. .* \(text\)"):
        respond(table.assign(sex=CODES))


@pytest.mark.parametrize("model", MODELS)
def test_masked_groups_are_missing(model):
    who = np.ma.masked_array(CODES, mask=np.arange(N) < 3)
    with pytest.raises(ValueError, match="missing"):
        fitted(model, "numbers", "array").predict(X, sensitive_features=who)
    with pytest.raises(ValueError, match="missing"):
        MODELS[model]().fit(X, Y, sensitive_features=who)
    overall = fitted(model, "numbers", "array", "overall")
    as_none = np.where(np.arange(N) < 3, None, CODES)
    expected = overall.predict(X, sensitive_features=as_none)
    assert overall.predict(X, sensitive_features=who).tolist() == expected.tolist()


def test_weights_of_unknown_groups_and_labels():
    reweigher = Reweigher().fit(X, Y, sensitive_features=CODES)
    with pytest.raises(ValueError, match=r"'0', '1' .text.* Those of fit are 0, 1 .numbers."):
        reweigher.sample_weight(Y, CODES.astype(str))
    with pytest.raises(
        ValueError, match="240 of 240 rows belong to groups that did not occur in fit: 5, 6"
    ) as e:
        reweigher.sample_weight(Y, CODES + 5)
    assert "unknown_group" not in str(e.value)  # which it does not have
    with pytest.raises(
        ValueError, match=r"labels that did not occur in fit: '0', '1'.* those of fit are 0, 1"
    ):
        reweigher.sample_weight(Y.astype(str), CODES)
    with pytest.raises(ValueError, match=r"labels that did not occur in fit: 7.* those of fit are 0, 1"):
        reweigher.sample_weight(np.where(np.arange(N) == 3, 7, Y), CODES)
    with pytest.raises(ValueError, match="missing"):
        reweigher.sample_weight(np.where(np.arange(N) == 3, np.nan, Y), CODES)


def test_messages_stay_short():
    long = [f"{'long ' * 999}{i}" for i in range(N)]
    model = ScoreRepair(LogisticRegression(), unknown_group="overall").fit(X, Y, sensitive_features=CODES)
    with pytest.warns(UserWarning, match="240 of 240 rows") as told:
        model.predict(X, sensitive_features=long)
    assert len(str(told[0].message)) < 2000
    labels = np.repeat(long[:120], 2)
    reweigher = Reweigher().fit(X, labels, sensitive_features=["a"] * N)
    for call in (
        lambda: reweigher.sample_weight(np.char.add(labels, "!"), ["a"] * N),
        lambda: reweigher.sample_weight(labels, long),
        lambda: model.set_params(unknown_group="error").predict(X, sensitive_features=long),
        lambda: model.score(X, long, sensitive_features=CODES),
    ):
        with pytest.raises(ValueError, match=r"in fit|and fit had") as caught:
            call()
        assert len(str(caught.value)) < 2000
