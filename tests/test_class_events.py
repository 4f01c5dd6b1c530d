"""Class events: the four cells of each, against counting rows; and what they are called."""

import numpy as np
import pytest
from sklearn.metrics import confusion_matrix

from fairsk._core.class_events import ClassEvents


@pytest.mark.parametrize("grades", [None, ["bronze", "silver", "gold"]])
def test_cells_are_those_of_rows_counted_one_event_at_a_time(grades):
    rng = np.random.default_rng(0)
    classes = np.array(["bronze", "gold", "silver"])
    events = ClassEvents.of(classes, grades=grades)
    assert events.labels == (("bronze", "gold", "silver") if grades is None else ("silver", "gold"))
    actual, decided = rng.choice(classes, (2, 300))
    weights = rng.uniform(0.5, 2, 300)
    table = confusion_matrix(actual, decided, labels=classes, sample_weight=weights)
    cells = events.cells(np.stack([table, 2 * table]))
    rank = {"bronze": 0, "silver": 1, "gold": 2}
    for e, label in enumerate(events.labels):
        inside = {c: c == label if grades is None else rank[c] >= rank[label] for c in classes.tolist()}
        a = np.array([inside[c] for c in actual.tolist()])
        d = np.array([inside[c] for c in decided.tolist()])
        expected = {"tp": a & d, "fp": ~a & d, "fn": a & ~d, "tn": ~a & ~d}
        for cell, rows in expected.items():
            assert cells[cell][0, e] == pytest.approx(weights[rows].sum())
            assert cells[cell][1, e] == pytest.approx(2 * weights[rows].sum())


def test_named_classes_are_the_events_in_the_order_named():
    assert ClassEvents.of([1, 2, 3], pos_label=[3, 1]).labels == (3, 1)
    assert ClassEvents.of([1, 2, 3], pos_label=2).members.tolist() == [[False, True, False]]
    graded = ClassEvents.of([1, 2, 3], pos_label=2, grades=[3, 2, 1])
    assert graded.members.tolist() == [[True, True, False]]
    assert graded.in_words(0) == "2 or better"
    # Named by equal numbers of other kinds, they are called what the classes are.
    for named in (np.array([2, 1]), [2.0, True]):
        assert list(map(repr, ClassEvents.of(np.array([1, 2, 3]), named).labels)) == ["2", "1"]
    assert list(map(repr, ClassEvents.of([1, 2, 3], grades=np.array([3, 1, 2])).labels)) == ["1", "2"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"pos_label": "tin"}, "'tin' is not one of the classes"),
        ({"pos_label": ["gold", "gold"]}, "each once"),
        ({"pos_label": []}, "each once; got none"),
        ({"pos_label": [["gold"]]}, "each once"),
        ({"pos_label": {"gold"}}, "each once"),
        ({"grades": []}, "from the worst to the best; got none"),
        ({"grades": [["bronze"], "silver", "gold"]}, "every class once, from the worst"),
        ({"grades": ["silver", "gold"]}, "every class once, from the worst"),
        ({"grades": ["gold", "silver", "bronze"], "pos_label": "gold"}, "worst of the grades"),
    ],
)
def test_what_is_no_event_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        ClassEvents.of(np.array(["bronze", "gold", "silver"]), **options)
