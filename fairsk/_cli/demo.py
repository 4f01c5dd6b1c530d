"""The demo: every approach of fairsk on bundled data, compared in one table of test rows."""

from __future__ import annotations

import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import accuracy_score, balanced_accuracy_score
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler

from fairsk import FairClassifier, GroupThresholdOptimizer, ReweightedClassifier, SensitiveRouter
from fairsk._core.columns import drop_columns, sensitive_columns
from fairsk._core.counts import GroupCounts
from fairsk._core.groups import encode_groups, format_group
from fairsk._core.messages import in_words
from fairsk._core.results import Table, with_interval
from fairsk.datasets import load_adult, load_german_credit
from fairsk.rates import get_constraint
from fairsk.scoring import best_under, make_fair_scorer
from fairsk.statistics import difference_interval

__all__ = ["run"]

_LOADERS = {"adult": load_adult, "german_credit": load_german_credit}
_POSITIVE = {"adult": ">50K", "german_credit": "good"}
#: The census bureau's sampling weight is no property of a person.
_NOT_FEATURES = {"adult": ["fnlwgt"], "german_credit": []}
#: Shown beside the bounded constraint, because bounding one disparity can widen another.
_ALSO_SHOWN = ("demographic_parity", "equal_opportunity")


_LEGEND = """
plain                   gradient boosted trees, nothing done about fairness
reweighted              the same trees, on rows weighted so that label and group are independent
net with a bound        a small neural net that holds the bound on its training rows
group thresholds        the same trees, with the best threshold per group under the bound
search under the bound  a grid search over tighter and looser thresholds; it picks the most accurate candidate
                        whose gap in cross-validation is within the bound"""


@dataclass(frozen=True)
class _Row:
    """One line of the table: a model on the unseen rows."""

    name: str
    accuracy: float
    balanced_accuracy: float
    disparities: dict[str, tuple[float, float, float]]
    seconds: float
    counts: GroupCounts


def _trees() -> Pipeline:
    """Return gradient boosted trees on the columns as they are."""
    text = make_column_selector(dtype_exclude="number")
    encode = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    prepare = make_column_transformer((encode, text), remainder="passthrough")
    return make_pipeline(prepare, HistGradientBoostingClassifier(random_state=0))


def _net(max_difference: float, constraint: str, seed: int) -> Pipeline:
    """Return a net that holds the bound while it trains, on standardised and one-hot columns."""
    text = make_column_selector(dtype_exclude="number")
    prepare = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore", sparse_output=False), text), remainder=StandardScaler()
    )
    net = FairClassifier(constraint=constraint, max_difference=max_difference, random_state=seed)
    return make_pipeline(prepare, net)


def _models(sensitive: Any, constraint: str, bound: float, seed: int) -> dict[str, Any]:
    thresholds = GroupThresholdOptimizer(
        _trees(), sensitive_features=sensitive, constraint=constraint, max_difference=bound, cv=3
    )
    scoring = {"acc": "accuracy", "gap": make_fair_scorer(constraint, sensitive_features=sensitive)}
    return {
        "plain": _trees(),
        "reweighted": ReweightedClassifier(_trees(), sensitive_features=sensitive),
        "net with a bound": SensitiveRouter(_net(bound, constraint, seed), sensitive_features=sensitive),
        "group thresholds": thresholds,
        "search under the bound": GridSearchCV(
            thresholds,
            {"max_difference": [0.4 * bound, 0.6 * bound, 0.8 * bound, bound]},
            scoring=scoring,
            refit=best_under("acc", gap=bound),
            cv=3,
            error_score="raise",
        ),
    }


def run(
    *, data: str, sensitive: Sequence[str], constraint: str, max_difference: float, seed: int
) -> list[_Row]:
    """Fit every approach, print one table of unseen rows and what it shows.

    Parameters
    ----------
    data : {"adult", "german_credit"}
        The bundled data set.
    sensitive : sequence of str
        Sensitive columns; several make an intersection.
    constraint : str
        Name of a built-in constraint.
    max_difference : float
        The bound.
    seed : int
        Seeds the split and the net.

    Returns
    -------
    list
        The rows of the table.

    Raises
    ------
    ValueError
        If a column is not in the data.
    ImportError
        If the extra ``fairsk[demo]`` is not installed.
    """
    try:
        from threadpoolctl import threadpool_limits
        from tqdm import tqdm
    except ImportError:
        raise ImportError('The demo needs a progress bar: pip install "fairsk[demo]" brings it.') from None
    if not 0 <= max_difference <= 0.5:
        raise ValueError("--max-difference must lie between 0 and 0.5.")
    loaded = _LOADERS[data]()
    X, y = drop_columns(loaded.data, _NOT_FEATURES[data]), loaded.target
    columns = list(sensitive) if len(sensitive) > 1 else sensitive[0]
    encode_groups(sensitive_columns(X, columns))  # a wrong column fails here, before any work
    X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.3, stratify=y, random_state=seed)
    constraints = tuple(dict.fromkeys((constraint, *_ALSO_SHOWN)))

    rows, notes = [], dict[str, None]()
    for name, model in tqdm(
        _models(columns, constraint, max_difference, seed).items(), desc="fitting", unit="model"
    ):
        # Fits this small gain little from threads, and lose a hundredfold to them on a busy machine.
        with threadpool_limits(1, "openmp"), warnings.catch_warnings(record=True) as recorded:
            warnings.simplefilter("always")
            start = time.perf_counter()
            model.fit(X_train, y_train)
            seconds = time.perf_counter() - start
            predicted = model.predict(X_test)
            counts = GroupCounts.from_predictions(
                y_test,
                predicted,
                sensitive_features=sensitive_columns(X_test, columns),
                pos_label=_POSITIVE[data],
            )
            rows.append(
                _Row(
                    name,
                    accuracy_score(y_test, predicted),
                    balanced_accuracy_score(y_test, predicted),
                    {c: (counts.compare(c), *difference_interval(counts, c)) for c in constraints},
                    seconds,
                    counts,
                )
            )
        notes.update(dict.fromkeys(f"{name}: {warning.message}" for warning in recorded))

    print(
        f"\n{data}: {len(X_train):,} training rows, {len(X_test):,} unseen rows; "
        f"groups by {', '.join(sensitive)}"
    )
    print(f"bound: a difference of at most {max_difference:g} in {constraint.replace('_', ' ')}\n")
    print(_table(rows, constraints))
    print(_LEGEND)
    print("\nWhat the numbers show")
    for sentence in _words(rows, constraint, max_difference):
        print(f"- {sentence}")
    if notes:
        print("\nNotes from fitting")
        for note in list(notes)[:8]:
            print(f"- {note}")
    return rows


def _table(rows: Sequence[_Row], constraints: Sequence[str]) -> str:
    gaps = {f"{name.replace('_', ' ')} gap": [row.disparities[name] for row in rows] for name in constraints}
    columns = {
        "": [row.name for row in rows],
        "accuracy": [f"{row.accuracy:.4f}" for row in rows],
        "balanced acc.": [f"{row.balanced_accuracy:.4f}" for row in rows],
        **{title: [with_interval(*values) for values in column] for title, column in gaps.items()},
        "fit s": [f"{row.seconds:.1f}" for row in rows],
    }
    caption = "(gaps on unseen rows with 95% intervals, simultaneous over all pairs of groups)"
    return Table(columns, notes=[caption]).text()


def _words(rows: Sequence[_Row], constraint: str, bound: float) -> list[str]:
    """Say in plain words what the table shows."""
    plain, rate = rows[0], get_constraint(constraint).rates[0]
    values = plain.counts.rate(rate)
    low, high = int(np.nanargmin(values)), int(np.nanargmax(values))
    quantity = in_words(rate.name)
    gap, lowest, _ = plain.disparities[constraint]
    sentences = [
        f"Without fairness, the {quantity} is {values[high]:.1%} for "
        f"{format_group(plain.counts.groups[high])} and {values[low]:.1%} for "
        f"{format_group(plain.counts.groups[low])}."
    ]
    if lowest == 0:
        sentences.append(
            "The interval of that gap reaches 0: on so few unseen rows it cannot be told from no gap at all, "
            "and differences between the models below may be noise."
        )
    for row in rows[1:]:
        now, interval_low, interval_high = row.disparities[constraint]
        cost = plain.accuracy - row.accuracy
        price = f"{'costs' if cost > 0 else 'gains'} {abs(cost) * 100:.2f} percentage points of accuracy"
        if interval_high <= bound:
            verdict = "is within the bound, even at the upper end of its interval"
        elif interval_low > bound:
            verdict = "is above the bound"
        else:
            verdict = "cannot be told from the bound on this many rows"
        sentences.append(
            f"{row.name.capitalize()}: the gap goes from {gap:.3f} to {now:.3f}, which {verdict}; it {price}."
        )
    for other in plain.disparities:
        before = plain.disparities[other][0]
        wider = [row.name for row in rows[1:] if row.disparities[other][1] > before]
        bounded = set(get_constraint(other).rates) <= set(get_constraint(constraint).rates)
        if wider and not bounded:
            sentences.append(
                f"A warning: the {other.replace('_', ' ')} gap became wider with {', '.join(wider)}. "
                "It was not bounded, and the two aims can pull apart."
            )
    return sentences
