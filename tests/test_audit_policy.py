"""Policies: what a fairness.toml may say, what is refused and how, and that every engine reads it."""

from __future__ import annotations

import copy
import itertools
import json
import re
import tomllib
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.tree import DecisionTreeClassifier

from fairsk import Constraint, GroupThresholdOptimizer, Rate
from fairsk._cli import main
from fairsk.audit import FairnessPolicy, PolicyCriterion, audit_models, audit_predictions
from fairsk.audit._policy import as_policy
from fairsk.audit._policy.policy import _PROFILES
from fairsk.audit._policy.reading import CRITERION_KEYS, KEYS, RATE_KEYS, SCENARIO_KEYS, read_policy
from fairsk.audit._policy.toml import MOST_CHARACTERS, find_line, write_toml
from fairsk.rates import CONSTRAINTS, get_constraint
from fairsk.scoring import best_under

TEXT = """\
name = "Consumer loans"
owner = "Head of credit risk"
reviewed = 2026-11-02
next_review = 2027-05-03
sensitive_features = ["sex", "age"]
pos_label = "good"
min_group_size = 40
confidence = 0.9
min_cell = 10
profiles = ["four_fifths"]

[[criteria]]
constraint = "demographic_parity"
min_ratio = 0.8
reference = { sex = "male", "age & sex" = ["old", "male"] }
why = "Offers reach everybody."

[[criteria]]
constraint = "equalized_odds"
max_difference = 0.1
attributes = ["sex", "age & sex"]
owner = "Model validation"
on_breach = "The model is withdrawn."

[[criteria]]
name = "false discovery parity"
rates = [{ name = "fdr2", numerator = "2*fp", denominator = "2*tp+2*fp", lower_is_better = true }, "tpr"]

[[scenarios]]
group = "women above 60"
hazard = "Their work is not in the data."
"""
VALID: dict[str, Any] = json.loads(json.dumps(tomllib.loads(TEXT), default=str))
SHORT = {"name": "P", "sensitive_features": ["sex"], "criteria": [{"constraint": "f1_parity"}]}


def changed(old: str, new: str) -> str:
    assert TEXT.count(old) == 1
    return TEXT.replace(old, new)


# --- the file ---------------------------------------------------------------------------------------------


def test_a_file_says_what_stands_in_it(tmp_path: Path) -> None:
    path = tmp_path / "fairness.toml"
    path.write_text(TEXT)
    for policy in map(FairnessPolicy.from_toml, (path, str(path), TEXT, "\ufeff" + TEXT)):
        assert (policy.name, policy.owner, policy.summary) == ("Consumer loans", "Head of credit risk", "")
        assert (policy.reviewed, policy.next_review) == (date(2026, 11, 2), date(2027, 5, 3))
        assert (policy.sensitive_features, policy.intersections) == (("sex", "age"), True)
        assert (policy.pos_label, policy.min_group_size, policy.confidence) == ("good", 40, 0.9)
        assert (policy.min_cell, dict(policy.profiles)) == (10, {"four_fifths": {}})
        parity, odds, own = policy.criteria
        assert parity.constraint is CONSTRAINTS["demographic_parity"]
        assert (parity.min_ratio, parity.max_difference, parity.attributes) == (0.8, None, None)
        # An intersection is known by the order of the columns, and so are its labels.
        assert dict(parity.reference) == {"sex": "male", "sex & age": ("male", "old")}
        assert (odds.bound, odds.limit, odds.attributes) == (0.1, "max_difference", ("sex", "sex & age"))
        assert (odds.why, odds.owner, odds.on_breach) == ("", "Model validation", "The model is withdrawn.")
        assert (own.constraint.name, own.bound) == ("false discovery parity", None)
        assert own.constraint.rates[0] == Rate("fdr2", "2*fp", "2*tp+2*fp", lower_is_better=True)
        assert own.constraint.rates[1].name == "true_positive_rate"
        assert policy.scenarios[0].group == "women above 60"


def test_a_policy_says_little_if_little_is_said() -> None:
    policy = FairnessPolicy.from_dict(SHORT)
    assert (policy.owner, policy.reviewed, policy.pos_label, policy.scenarios) == ("", None, None, ())
    assert (policy.min_group_size, policy.confidence, policy.min_cell) == (30, 0.95, 0)
    assert dict(policy.profiles) == {}
    assert "None" not in policy.to_toml()


def test_text_is_told_from_a_path(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        FairnessPolicy.from_toml(tmp_path / "none.toml")
    with pytest.raises(FileNotFoundError):
        FairnessPolicy.from_toml("name=1.toml")
    with pytest.raises(TypeError, match="path or a text; got 3"):
        FairnessPolicy.from_toml(3)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"name = \n", "is no TOML: Invalid value .at line 1"),
        (b"name = '\xff'\n", "is not UTF-8 text"),
        (b"name = " + b"[" * 5000 + b"\n", "is nested too deeply"),
        (b"pos_label = " + b"9" * 5000 + b"\n", "is no TOML: Exceeds the limit"),
        (b"# " + b"x" * MOST_CHARACTERS, "more than the 200,000 of a policy"),
        ("é".encode() * 5 * MOST_CHARACTERS, "too long for a policy"),
    ],
    ids=["value", "bytes", "nested", "digits", "long", "longer"],
)
def test_what_is_no_policy_at_all_is_refused_by_the_name_of_the_file(
    tmp_path: Path, content: bytes, message: str
) -> None:
    path = tmp_path / "fairness.toml"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=message) as error:
        FairnessPolicy.from_toml(path)
    assert "fairness.toml" in str(error.value)
    assert len(str(error.value)) < 2000


#: What is changed in the file above, and what the message says.
REFUSED = [
    ('name = "Consumer loans"', "# none", "name is missing"),
    ('name = "Consumer loans"', 'name = "  "', r"name .line 1. is empty"),
    ('name = "Consumer loans"', "name = 7", r"name .line 1. must be a text; got 7"),
    ('owner = "Head of', 'onwer = "Head of', r"onwer .line 2. is no key here. Did you mean 'owner'"),
    ("reviewed = 2026-11-02", "reviewed = 2026-11-02T10:00:00", r"reviewed .line 3. must be a date"),
    ("reviewed = 2026-11-02", 'reviewed = "2026-02-30"', r"must be a date, such as .*; got '2026-02-30'"),
    ("next_review = 2027", "next_review = 2026", r"2026-05-03 is not after reviewed, 2026-11-02"),
    ('["sex", "age"]', '"sex"', r"sensitive_features .line 5. must be a list; got 'sex'"),
    ('["sex", "age"]', "[]", "must have 1 to 20 entries; got 0"),
    ('["sex", "age"]', '["sex", "age", "sex"]', "names 'sex' twice"),
    ('["sex", "age"]', '["sex", "age", "a & b"]', "'a & b' cannot be told from an intersection"),
    ('pos_label = "good"', "pos_label = [1]", r"pos_label .line 6. must be a text, a number, true or false"),
    ("min_group_size = 40", "min_group_size = 0", "must be a whole number, 1 or more; got 0"),
    ("min_group_size = 40", "min_group_size = 1.5", "must be a whole number, 1 or more; got 1.5"),
    ("confidence = 0.9", "confidence = 95", "must be a number between 0 and 1, such as 0.95; got 95"),
    ("confidence = 0.9", "confidence = nan", "got nan"),
    ("min_cell = 10", "min_cell = true", "must be a whole number, 0 or more; got True"),
    ('["four_fifths"]', '["four_fifth"]', "no profile 'four_fifth'. Did you mean 'four_fifths'?"),
    (
        'profiles = ["four_fifths"]',
        'profiles.ll144.auditer = "x"',
        r"profiles.ll144.auditer .line 10. is no option",
    ),
    ('"demographic_parity"', '"demografic_parity"', r"criteria.0..constraint .line 13.: .* Did you mean"),
    ("min_ratio = 0.8", "min_ration = 0.8", r"criteria.0..min_ration .line 14. is no key here. Did you mean"),
    ("min_ratio = 0.8", 'min_ratio = "80%"', "must be a number from 0 to 1, such as 0.8; got '80%'"),
    ("min_ratio = 0.8", "min_ratio = 80", "must be a number from 0 to 1, such as 0.8; got 80"),
    ("min_ratio = 0.8", "min_ratio = 0.8\nmax_difference = 0.1", r"criteria.0. .line 12. has both"),
    (
        "max_difference = 0.1",
        "max_difference = 10",
        r"criteria.1..max_difference .line 20.: .*bounds nothing",
    ),
    ("max_difference = 0.1", "max_difference = -0.1", "must be a number, 0 or more"),
    ("reference = { sex =", "reference = { sexx =", "'sexx' is none of the attributes: sex, age, sex & age"),
    ('{ sex = "male",', '{ sex = ["male", "f"],', "reference.sex .line 15. must be a label; got"),
    ('= ["old", "male"]', '= "male"', "must be a list of 2 labels, one per column; got 'male'"),
    ('attributes = ["sex", "age & sex"]', 'attributes = ["race"]', r"criteria.1..attributes.0.*'race'"),
    ('attributes = ["sex", "age & sex"]', "attributes = []", "must have 1 to 20 entries"),
    ('"age & sex"]\nowner', '"sex & age", "age & sex"]\nowner', "names 'sex & age' twice"),
    ("intersections", "intersections", ""),
    ('"false discovery parity"', '"f1_parity"', "'f1_parity' is that of a built-in constraint"),
    ("2*tp+2*fp", "2*tp+2*x", r"criteria.2..rates.0. .line 27.: Cannot read '2\*x'"),
    ("2*tp+2*fp", "2*tp-2*fp", "must be a sum of confusion cells without subtraction"),
    ('name = "fdr2"', 'name = "precision"', "'precision' is the name of a built-in rate"),
    ('"tpr"]', '"trp"]', r"criteria.2..rates.1. .line 27.: Unknown rate 'trp'"),
    ('"tpr"]', '"tpr", "recall"]', "has two rates of one name"),
    ("lower_is_better = true", "lower_is_better = 1", "must be true or false; got 1"),
    ('hazard = "Their work is not in the data."', "", r"scenarios.0..hazard .line 29. is missing"),
]


@pytest.mark.parametrize(
    ("old", "new", "message"), [row for row in REFUSED if row[2]], ids=lambda text: text[:30]
)
def test_mistakes_are_named_with_their_place(old: str, new: str, message: str) -> None:
    with pytest.raises(ValueError, match=message) as error:
        FairnessPolicy.from_toml(changed(old, new))
    assert len(str(error.value)) < 1000


def test_a_reference_to_an_intersection_needs_intersections() -> None:
    with pytest.raises(ValueError, match=r"criteria.0..reference.age & sex") as error:
        FairnessPolicy.from_toml(changed("min_cell = 10", "intersections = false"))
    assert "Intersections are of all sensitive features, if intersections = true" in str(error.value)


def test_the_same_is_not_asked_twice() -> None:
    again = {"constraint": "statistical_parity", "min_ratio": 0.9, "attributes": ["sex"]}
    with pytest.raises(ValueError, match=r"criteria.3. asks for demographic_parity with min_ratio of 'sex'"):
        FairnessPolicy.from_dict(VALID | {"criteria": [*VALID["criteria"], again]})
    difference = {"constraint": "statistical_parity", "max_difference": 0.1}
    FairnessPolicy.from_dict(VALID | {"criteria": [*VALID["criteria"], difference]})
    other = {"name": "false discovery parity", "rates": ["fdr"], "max_difference": 0.1}
    with pytest.raises(ValueError, match=r"criteria.3..rates are not those of criteria.2."):
        FairnessPolicy.from_dict(VALID | {"criteria": [*VALID["criteria"], other]})


def test_a_ratio_of_a_rate_that_may_be_negative_is_refused() -> None:
    benefit = {"name": "benefit", "numerator": "tp-fp", "denominator": "n"}
    criterion = {"name": "benefit parity", "rates": [benefit], "min_ratio": 0.8}
    with pytest.raises(ValueError, match=r"criteria.0..min_ratio: .*can be negative"):
        FairnessPolicy.from_dict(SHORT | {"criteria": [criterion]})


def test_every_problem_is_named_at_once_and_no_message_is_long() -> None:
    text = changed("min_ratio = 0.8", "min_ratio = 8").replace("confidence = 0.9", "confidence = 9")
    with pytest.raises(
        ValueError, match=r"The policy has 2 problems:\n- confidence .line 8.*\n- criteria.0."
    ):
        FairnessPolicy.from_toml(text)
    hostile = "\N{RIGHT-TO-LEFT OVERRIDE}<script>" * 10_000
    wrong = [{hostile: 1, "constraint": hostile, "why": hostile, "min_ratio": hostile}] * 100
    with pytest.raises(ValueError, match="and 3") as error:
        FairnessPolicy.from_dict(SHORT | {"criteria": wrong, hostile: hostile, "pos_label": 9**9999})
    assert len(str(error.value)) < 2000


@pytest.mark.parametrize(
    ("where", "line"),
    [
        ("name", 1),
        ("criteria[0].min_ratio", 14),
        ("criteria[1]", 18),
        ("criteria[1].min_ratio", 18),  # not said there: the line of the table
        ("criteria[2].rates[1]", 27),
        ("scenarios[0].hazard", 31),
        ("absent", None),
    ],
)
def test_the_line_of_a_problem(where: str, line: int | None) -> None:
    assert find_line(TEXT, where, VALID) == line


def test_no_line_is_named_where_a_text_looks_like_tables() -> None:
    text = changed('why = "Offers reach everybody."', 'why = """\n[[criteria]]\n"""')
    values = tomllib.loads(text)
    assert len(values["criteria"]) == 3
    assert find_line(text, "criteria[1].max_difference", values) is None


# --- there and back ---------------------------------------------------------------------------------------


def test_a_policy_is_read_back_from_what_it_writes() -> None:
    policy = FairnessPolicy.from_toml(TEXT)
    record = policy.to_dict()
    assert json.loads(json.dumps(record, allow_nan=False)) == record
    for other in (
        FairnessPolicy.from_toml(policy.to_toml()),
        FairnessPolicy.from_dict(record),
        FairnessPolicy.from_dict(json.loads(json.dumps(record))),
        copy.deepcopy(policy),
    ):
        assert other.to_dict() == record
        assert str(other) == str(policy)
    assert record["criteria"][1] == {
        "constraint": "equalized_odds",
        "max_difference": 0.1,
        "attributes": ["sex", "sex & age"],
        "owner": "Model validation",
        "on_breach": "The model is withdrawn.",
    }


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
labels = st.one_of(texts, st.integers(-(2**63) + 1, 2**63 - 1), st.booleans(), st.floats(-1e18, 1e18))


@given(
    name=texts.filter(str.strip),
    columns=st.lists(
        texts.filter(lambda text: text and " & " not in text), min_size=2, max_size=3, unique=True
    ),
    group=labels,
    labels=st.lists(labels, min_size=2, max_size=3),
    bound=st.floats(0, 1),
    options=st.dictionaries(st.sampled_from(["auditor", "data_kind", "race"]), labels, max_size=3),
)
@settings(max_examples=60, deadline=None)
def test_any_text_and_label_is_read_back(
    name: str, columns: list[str], group: Any, labels: list[Any], bound: float, options: dict[str, Any]
) -> None:
    reference = {columns[0]: group}
    if len(labels) == len(columns):
        reference[" & ".join(columns)] = labels
    policy = FairnessPolicy.from_dict(
        {
            "name": name,
            "sensitive_features": columns,
            "pos_label": group,
            "profiles": {"ll144": options},
            "criteria": [{"constraint": "equalized_odds", "min_ratio": bound, "reference": reference}],
        }
    )
    assert policy.sensitive_features == tuple(columns)
    assert policy.criteria[0].reference[columns[0]] == group
    again = FairnessPolicy.from_toml(policy.to_toml())
    assert again.to_dict() == policy.to_dict()
    assert type(again.pos_label) is type(group)


@given(
    st.recursive(
        st.one_of(texts, st.booleans(), st.integers(-(2**63), 2**63 - 1), st.floats(), st.dates()),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
        max_leaves=8,
    )
)
@settings(max_examples=60, deadline=None)
def test_the_writer_writes_what_the_standard_reader_reads(value: Any) -> None:
    said = {"a": 1, "key": value}
    assert repr(tomllib.loads(write_toml(said))) == repr(said)


def test_a_policy_is_made_of_parts_too() -> None:
    own = Constraint("fdr parity", Rate("fdr", "fp", "tp+fp", lower_is_better=True))
    criteria = [
        PolicyCriterion(get_constraint("f1_parity"), max_difference=0.1, reference={"sex": "m"}),
        PolicyCriterion(own, min_ratio=0.5),
    ]
    policy = FairnessPolicy("Own", ["sex"], criteria)  # type: ignore[arg-type]
    assert FairnessPolicy.from_dict(policy.to_dict()).to_dict() == policy.to_dict()
    assert policy.criteria[1].constraint.rates == own.rates
    with pytest.raises(ValueError, match="has both"):
        FairnessPolicy("Own", ("sex",), (PolicyCriterion(own, 0.1, 0.5),))
    with pytest.raises(ValueError, match="confidence must be a number between"):
        FairnessPolicy("Own", ("sex",), tuple(criteria), confidence=2)
    with pytest.raises(TypeError, match="criteria must be a list of PolicyCriterion"):
        FairnessPolicy("Own", ("sex",), ({"constraint": "f1_parity"},))  # type: ignore[arg-type]


def test_policies_are_taken_in_every_form(tmp_path: Path) -> None:
    policy = FairnessPolicy.from_toml(TEXT)
    (tmp_path / "fairness.toml").write_text(TEXT)
    assert as_policy(policy) is policy
    for form in (TEXT, tmp_path / "fairness.toml", str(tmp_path / "fairness.toml"), VALID):
        assert as_policy(form).to_dict() == policy.to_dict()
    with pytest.raises(TypeError, match="policy must be a FairnessPolicy"):
        as_policy(["fairness.toml"])


# --- the JSON Schema --------------------------------------------------------------------------------------


def parts_of(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    keys = value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    return [path, *(each for key in keys for each in parts_of(value[key], (*path, key)))]


FULL = VALID | {
    "schema_version": "fairsk.policy/1",
    "summary": "All keys",
    "intersections": True,
    "profiles": {
        "ll144": {"auditor": "a"},
        "air_smd": {"quantiles": [0.5], "reference": {"a": 1, "b": [1, 2]}},
    },
}
FULL["scenarios"] = [dict.fromkeys(SCENARIO_KEYS, "said")]
PLACES = parts_of(FULL)[1:]
ODD = [
    None,
    True,
    False,
    0,
    1,
    -1,
    0.5,
    30.0,
    2,
    21,
    1e7,
    1e300,
    float("nan"),
    float("inf"),
    10**30,
    "",
    " ",
    "\n",
    "sex",
    "2026-13-01",
    "2026-12-01",
    "2026-12-01\n",
    "20261201",
    "f1_parity",
    "tpr",
    "tp",
    "x" * 200,
    "x" * 201,
    "x" * 2001,
    "air_smd",
    "\ud800",
    [],
    {},
    [[]],
    [{}],
    ["sex"],
    ["sex", "sex"],
    ["a", "b"],
    [1, 2],
    [None],
    ["ll144", "ll144"],
    ["ll144", "\ud800"],
    list("abcdefghijklmnopqrstu"),
    {"sex": "male"},
    {"ll144": {}},
    {"ll144": {"a": [1, ["b"]]}},
    {"ll144": 1},
    {"none": {}},
    {"constraint": "f1_parity"},
    {"a": 1},
    {"name": "x", "numerator": "fp", "denominator": "n"},
    {str(n): "a" for n in range(21)},
    {"x" * 201: "a"},
    {"reference": {"a": {"b": 1}}},
    [{"group": "a", "hazard": "b"}],
]


MORE = [*KEYS, *CRITERION_KEYS, *RATE_KEYS, "other"]
changes = st.lists(
    st.tuples(
        st.sampled_from(PLACES),
        st.sampled_from(["change", "change", "drop", "add"]),
        st.sampled_from(ODD),
        st.sampled_from(MORE),
    ),
    min_size=1,
    max_size=3,
)


def mutated(changes: list[tuple[tuple[Any, ...], str, Any, str]]) -> Any:
    """Return the full policy with places changed, taken out or added, where they are still there."""
    policy = copy.deepcopy(FULL)
    for (*above, key), action, odd, more in changes:
        place: Any = policy
        try:
            for each in above:
                place = place[each]
            place[key]
        except (LookupError, TypeError):
            continue
        if action == "drop" and isinstance(place, dict | list):
            del place[key]
        elif action == "change" and isinstance(place, dict | list):
            place[key] = copy.deepcopy(odd)
        elif isinstance(place, list):
            place.append(copy.deepcopy(odd))
        elif isinstance(place, dict):
            place[more] = copy.deepcopy(odd)
    return policy


@pytest.fixture(scope="module")
def validator() -> Any:
    jsonschema = pytest.importorskip("jsonschema", reason="in the extra test")
    kind = jsonschema.Draft202012Validator
    schema = FairnessPolicy.json_schema()
    kind.check_schema(schema)
    return kind(schema, format_checker=kind.FORMAT_CHECKER)


def test_the_schema_accepts_what_policies_write(validator: Any) -> None:
    for policy in (FULL, VALID, SHORT):
        assert validator.is_valid(policy)
        assert validator.is_valid(FairnessPolicy.from_dict(policy).to_dict())


@given(changes=changes)
@settings(max_examples=500, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_schema_and_reader_agree(validator: Any, changes: Any) -> None:
    """The schema refuses exactly what the reader finds wrong of form."""
    policy = mutated(changes)
    _, problems = read_policy(policy, _PROFILES)
    wrong = [problem for problem in problems if problem.of_form]
    errors = [error.message[:200] for error in validator.iter_errors(policy)]
    assert bool(wrong) == bool(errors), (wrong, errors)
    if problems:
        with pytest.raises(ValueError, match=r"^The policy") as error:
            FairnessPolicy.from_dict(policy)
        assert len(str(error.value)) < 2000
    else:
        assert FairnessPolicy.from_toml(FairnessPolicy.from_dict(policy).to_toml()).name


def test_the_schema_has_every_key_and_name() -> None:
    schema = FairnessPolicy.json_schema()
    parts = schema["$defs"]
    assert tuple(schema["properties"]) == KEYS
    assert tuple(parts["criterion"]["properties"]) == CRITERION_KEYS
    assert tuple(parts["rate"]["properties"]) == RATE_KEYS
    assert tuple(parts["scenario"]["properties"]) == SCENARIO_KEYS
    names = parts["criterion"]["properties"]["constraint"]["enum"]
    assert set(CONSTRAINTS) <= set(names)
    assert {get_constraint(name).name for name in names} == set(CONSTRAINTS)
    of_list, of_table = schema["properties"]["profiles"]["anyOf"]
    assert of_list["items"]["enum"] == of_table["propertyNames"]["enum"] == list(_PROFILES)


# --- what it leaves open, and how it reads ----------------------------------------------------------------


def test_gaps_are_said_in_sentences() -> None:
    policy = FairnessPolicy.from_toml(TEXT)
    day = date(2026, 12, 1)
    assert policy.gaps(day) == (
        "criteria[0] (demographic_parity) says nothing of: on_breach.",
        "criteria[1] (equalized_odds) says nothing of: why.",
        "criteria[2] (false discovery parity) says nothing of: bound, why, on_breach.",
        "scenarios[0] says nothing of: measure, threshold, mitigation, review_trigger.",
    )
    assert "The review of 2027-05-03 is overdue." in policy.gaps(date(2027, 5, 4))
    assert "The review on 2026-11-02 is in the future." in policy.gaps(date(2026, 11, 1))
    short = FairnessPolicy.from_dict(SHORT | {"reviewed": (date.today() - timedelta(1)).isoformat()}).gaps()
    assert "No owner is named." in short
    assert "It is not said when the policy is reviewed next." in short
    assert "No bias scenario is written down." in short
    one = {"constraint": "f1_parity", "attributes": ["sex"]}
    two = FairnessPolicy.from_dict(SHORT | {"sensitive_features": ["sex", "age"], "criteria": [one]})
    assert {"Nothing is asked of age.", "Nothing is asked of sex & age."} <= set(two.gaps())


def test_a_policy_prints_what_it_promises() -> None:
    text = str(FairnessPolicy.from_toml(TEXT))
    for part in (
        "Consumer loans",
        "demographic parity      the smallest ratio is at least 0.8       all    "
        "sex: with male; age: all pairs of groups are compared; sex & age: with male & old",
        "equalized odds          the largest difference is at most 0.1  sex; sex & age  "
        "all pairs of groups are compared",
        "false discovery parity  measured only      all             all pairs of groups are compared",
        "Every group is selected (predicted positive) equally often. Why: Offers reach everybody. "
        "Owner: Head of credit risk. On a breach: not stated.",
        "Agreement between groups of fdr2 = (2*fp) / (2*tp+2*fp) and true positive rate. Why: not stated.",
        "Owner: Model validation. On a breach: The model is withdrawn.",
        "hazard: Their work is not in the data.",
    ):
        assert " ".join(part.split()) in " ".join(text.split())


def test_a_page_has_every_part_of_the_policy() -> None:
    policy = FairnessPolicy.from_toml("summary = 'Loans up to 10,000 euros'\n" + TEXT)
    for page in (policy.to_html(), policy.to_markdown()):
        plain_text = re.sub(r"<[^>]*>|\\\\", "", page)
        for part in ("Consumer loans", "Loans up to 10,000 euros", "Head of credit risk", "2027-05-03"):
            assert part in plain_text
        assert "Why: Offers reach everybody." in plain_text
        assert "women above 60" in plain_text
        assert "It shows no results" in plain_text
        # Said in words, once, and each criterion with its definition.
        assert not re.search("demographic_parity|equalized_odds|&gt;=|&lt;=|>=|<=", plain_text)
        assert "the smallest ratio is at least 0.8" in plain_text
        assert "Both the true and the false positive rate agree between groups." in plain_text
    assert len(policy.to_html()) < 20_000
    body = policy.to_html().split("<main")[1]
    assert body.count("What is promised") == 1
    assert "Bias scenarios" not in FairnessPolicy.from_dict(SHORT).to_html()


def test_what_groups_are_compared_with_is_said_of_each_attribute() -> None:
    parity = PolicyCriterion(get_constraint("demographic_parity"), min_ratio=0.8, reference={"sex": "m"})
    assert parity.title == "demographic parity"
    assert parity.reference_text() == "sex: with m"
    assert parity.reference_text(["sex", "sex & age"]) == (
        "sex: with m; sex & age: all pairs of groups are compared"
    )
    own = PolicyCriterion(Constraint("my_own", "precision"), max_difference=0.05)
    assert (own.title, own.bound_text()) == ("my_own", "the largest difference is at most 0.05")
    assert own.reference_text(["sex"]) == "all pairs of groups are compared"
    assert own.definition() == "Agreement between groups of precision."


def test_hostile_texts_are_inert() -> None:
    bad = "<script>alert(1)</script>\u202e"
    policy = FairnessPolicy.from_dict(
        SHORT | {"name": bad, "sensitive_features": [bad], "scenarios": [{"group": bad, "hazard": bad}]}
    )
    shown = policy._repr_html_()
    assert "<script" not in shown
    assert "\u202e" not in shown + str(policy)
    for page in (policy.to_html(), policy.to_markdown()):
        assert "<script" not in page
        assert "\u202e" not in page


# --- engines read it --------------------------------------------------------------------------------------


def test_criteria_of_an_attribute() -> None:
    policy = FairnessPolicy.from_toml(TEXT)
    names = {
        attribute: [each.constraint.name for each in policy.criteria_for(attribute)]
        for attribute in ("sex", "age", "sex & age")
    }
    own = "false discovery parity"
    assert names["sex"] == ["demographic_parity", "equalized_odds", own]
    assert names["age"] == ["demographic_parity", own]
    assert names["sex & age"] == ["demographic_parity", "equalized_odds", own]
    assert policy.criteria_for(["age", "sex"]) == policy.criteria_for("sex & age")
    with pytest.raises(ValueError, match=r"attribute='sexx' is none of .* Did you mean 'sex'"):
        policy.criteria_for("sexx")


def test_bounds_as_estimators_take_them() -> None:
    policy = FairnessPolicy.from_toml(TEXT)
    assert policy.bound_parameters("age") == {
        "constraint": "demographic_parity",
        "max_difference": None,
        "min_ratio": 0.8,
    }
    assert policy.bound_parameters(["sex", "age"]) == {
        "constraint": ["demographic_parity", "equalized_odds"],
        "max_difference": [None, 0.1],
        "min_ratio": [0.8, None],
    }
    own = {"name": "own parity", "rates": ["fdr"], "max_difference": 0.1}
    made = FairnessPolicy.from_dict(SHORT | {"criteria": [own]}).bound_parameters("sex")["constraint"]
    assert made == Constraint("own parity", "false_discovery_rate")
    with pytest.raises(ValueError, match="The policy 'P' bounds nothing of 'sex'"):
        FairnessPolicy.from_dict(SHORT).bound_parameters("sex")


RNG = np.random.default_rng(0)
N = 1200
PEOPLE = pd.DataFrame(
    {"score": RNG.normal(size=N), "sex": RNG.choice(["f", "m"], N), "age": RNG.integers(0, 2, N)}
)
HIRED = (PEOPLE["score"] + 0.8 * (PEOPLE["sex"] == "m") + RNG.normal(size=N) > 0.4).map(
    {True: "yes", False: "no"}
)
HIRING = FairnessPolicy.from_dict(
    {
        "name": "Hiring",
        "sensitive_features": ["sex", "age"],
        "pos_label": "yes",
        "criteria": [
            {
                "constraint": "demographic_parity",
                "min_ratio": 0.8,
                "reference": {"sex": "m"},
                "attributes": ["sex"],
            },
            {"constraint": "equal_opportunity", "max_difference": 0.3},
            {"constraint": "predictive_parity"},
        ],
    }
)


def test_an_estimator_holds_the_bounds_of_a_policy() -> None:
    X = PEOPLE.assign(man=PEOPLE["sex"] == "m").drop(columns="sex")
    policy = FairnessPolicy.from_dict(
        {
            "name": "Hiring",
            "sensitive_features": ["man"],
            "criteria": [
                {"constraint": "demographic_parity", "min_ratio": 0.9},
                {"constraint": "equal_opportunity", "max_difference": 0.2},
            ],
        }
    )
    model = GroupThresholdOptimizer(
        LogisticRegression(), sensitive_features="man", pos_label="yes", **policy.bound_parameters("man")
    ).fit(X, HIRED)
    parity, opportunity = model.report_.constraints
    assert parity.disparity >= 0.9 - 1e-9
    assert opportunity.disparity <= 0.2 + 1e-9


def selection_rates(decided: Any) -> pd.Series:
    return pd.Series(decided == "yes").groupby(PEOPLE["sex"].to_numpy()).mean()


def test_a_search_scores_and_refits_by_a_policy() -> None:
    X = PEOPLE.assign(sex=(PEOPLE["sex"] == "m").astype(int))
    policy = FairnessPolicy.from_dict(
        HIRING.to_dict() | {"criteria": [HIRING.to_dict()["criteria"][0] | {"reference": {"sex": 1}}]}
    )
    scoring = policy.scoring({"acc": "accuracy"}).of(X)
    rule = scoring.best_under("acc", confidence=policy.confidence, require="value", **policy.bounds())
    tree = DecisionTreeClassifier(random_state=0)
    search = GridSearchCV(tree, {"max_depth": [1, 2, 8]}, scoring=scoring, refit=rule, cv=3).fit(X, HIRED)
    name = "sex/demographic_parity/min_ratio"
    assert set(policy.bounds()["min_ratio"]) == {name}
    ratios = search.cv_results_[f"mean_test_{name}"]
    assert ((ratios >= 0) & (ratios <= 1)).all()
    # The plain rule takes the same bounds, of means over folds.
    plain = best_under("acc", **policy.bounds())
    assert dict(plain.min_ratio) == {name: 0.8}


def test_scorers_measure_what_the_policy_asks() -> None:
    scorers = HIRING.scorers()
    assert list(scorers) == [
        "sex/demographic_parity/min_ratio",
        "sex/equal_opportunity/max_difference",
        "sex/predictive_parity/difference",
        "age/equal_opportunity/max_difference",
        "age/predictive_parity/difference",
        "sex & age/equal_opportunity/max_difference",
        "sex & age/predictive_parity/difference",
    ]
    assert HIRING.bounds() == {
        "min_ratio": {"sex/demographic_parity/min_ratio": 0.8},
        "sex/equal_opportunity/max_difference": 0.3,
        "age/equal_opportunity/max_difference": 0.3,
        "sex & age/equal_opportunity/max_difference": 0.3,
    }

    class Decides(ClassifierMixin, BaseEstimator):
        classes_ = np.array(["no", "yes"])

        def predict(self, X: pd.DataFrame) -> Any:
            return np.where(X["score"] + 0.3 * (X["sex"] == "m") > 0, "yes", "no")

    decided = Decides().predict(PEOPLE)
    rates = selection_rates(decided)
    values = HIRING.scoring({}).of(PEOPLE)(Decides(), PEOPLE, HIRED)
    assert values["sex/demographic_parity/min_ratio"] == pytest.approx(rates["f"] / rates["m"])
    hired = HIRED == "yes"
    found = pd.Series(decided[hired] == "yes").groupby(
        [PEOPLE["sex"][hired].to_numpy(), PEOPLE["age"][hired].to_numpy()]
    ).mean()  # fmt: skip
    assert -values["sex & age/equal_opportunity/max_difference"] == pytest.approx(found.max() - found.min())


def test_audits_ask_what_the_policy_asks() -> None:
    decided = np.where(PEOPLE["score"] + 0.3 * (PEOPLE["sex"] == "m") > 0, "yes", "no")
    rates = selection_rates(decided)
    policy = FairnessPolicy.from_dict(
        HIRING.to_dict()
        | {"min_group_size": 50, "confidence": 0.9}
        | {
            "criteria": [
                {"constraint": "demographic_parity", "min_ratio": 0.8, "attributes": ["sex"]},
                {
                    "constraint": "equal_opportunity",
                    "max_difference": 0.3,
                    "attributes": ["sex & age"],
                    "reference": {"sex & age": ["m", 1]},
                },
            ]
        }
    )
    for columns in (["sex", "age"], ["age", "sex"]):  # in whatever order the data have them
        both = " & ".join(columns)
        report = audit_predictions(HIRED, decided, sensitive_features=PEOPLE[columns], policy=policy)
        parity, opportunity = report.criteria
        assert parity.id == "sex/demographic_parity/min_ratio"
        assert parity.value == pytest.approx(rates["f"] / rates["m"])
        assert (parity.bound, parity.confidence) == (0.8, 0.9)
        assert opportunity.id == f"{both}/equal_opportunity/max_difference"
        assert dict(zip(columns, opportunity.reference, strict=True)) == {"sex": "m", "age": 1}
        assert report.settings.min_group_size == 50
    with pytest.raises(
        ValueError, match="'Hiring' is about sex, age, and the groups are by sex: pass exactly"
    ):
        audit_predictions(HIRED, decided, sensitive_features=PEOPLE[["sex"]], policy=policy)


def test_an_audit_of_models_reads_the_positive_label_of_a_policy() -> None:
    model = DecisionTreeClassifier(max_depth=3, random_state=0).fit(PEOPLE[["score"]], HIRED)
    policy = {"name": "Hiring", "sensitive_features": ["age"], "pos_label": "no"} | {
        "criteria": [{"constraint": "demographic_parity", "min_ratio": 0.8}]
    }
    report = audit_models(
        {"tree": model}, PEOPLE[["score"]], HIRED, sensitive_features=PEOPLE[["age"]], policy=policy
    )
    shares = pd.Series(model.predict(PEOPLE[["score"]]) == "no").groupby(PEOPLE["age"]).mean()
    (row,) = report.criteria
    assert sorted(row.group_rates) == pytest.approx(sorted(shares))


# --- on the command line ----------------------------------------------------------------------------------


def test_policies_are_checked_on_the_command_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("fairness.toml").write_text(TEXT, encoding="utf-8")
    assert main(["policy", "check", "fairness.toml", "--out", "policy.html"]) == 0
    printed = capsys.readouterr().out
    assert "demographic_parity" in printed
    assert "- criteria[1] (equalized_odds) says nothing of: why." in printed
    assert printed.endswith("Written: policy.html\n")
    assert Path("policy.html").read_text(encoding="utf-8") == FairnessPolicy.from_toml(TEXT).to_html()
    assert main(["policy", "check", "fairness.toml", "--out", "policy.md"]) == 0
    assert Path("policy.md").read_text(encoding="utf-8") == FairnessPolicy.from_toml(TEXT).to_markdown()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["wrong.toml"], "wrong.toml: criteria[0].min_ratio (line 14) must be a number from 0 to 1"),
        (["none.toml"], "No such file or directory: 'none.toml'"),
        (["fairness.toml", "--out", "policy.pdf"], "'policy.pdf' must end with .html or .md"),
        ([], "the following arguments are required: FILE"),
    ],
)
def test_what_cannot_be_read_ends_with_status_2(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("fairness.toml").write_text(TEXT, encoding="utf-8")
    Path("wrong.toml").write_text(changed("min_ratio = 0.8", "min_ratio = 80"), encoding="utf-8")
    with pytest.raises(SystemExit) as stopped:
        main(["policy", "check", *arguments])
    assert stopped.value.code == 2
    assert message in capsys.readouterr().err


# --- the page about policies ------------------------------------------------------------------------------

PAGE = (Path(__file__).parents[1] / "docs" / "policy.md").read_text(encoding="utf-8")


def test_the_file_on_the_page_leaves_nothing_open() -> None:
    text = re.search(r"```toml\n(.*?)```", PAGE, flags=re.DOTALL)[1]  # type: ignore[index]
    gaps = FairnessPolicy.from_toml(text).gaps(date(2026, 11, 26))
    assert gaps == ("criteria[2] (loans that fail) says nothing of: bound.",)


def test_the_page_runs_as_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"^```(\w*)\n(.*?)^```$", PAGE, flags=re.DOTALL | re.MULTILINE)
    assert {kind for kind, _ in blocks} == {"toml", "python", ""}
    namespace: dict[str, Any] = {}
    for (kind, text), (_, printed) in itertools.pairwise([*blocks, ("", "")]):
        if kind == "toml":
            Path("fairness.toml").write_text(text, encoding="utf-8")
        elif kind == "python":
            exec(text, namespace)
            assert capsys.readouterr().out == printed
    assert namespace["search"].best_params_


def test_the_page_claims_nothing_it_must_not() -> None:
    assert "complian" not in PAGE.lower()
    rows = PAGE.split("## What people are held to")[1].split("###")[0]
    for name in ("GDPR", "EU AI Act", "ISO/IEC TS 12791", "IEEE 7003", "OECD", "29 CFR 1607", "Regulation B"):
        assert name in rows
    assert "Nothing in this library makes a use lawful" in rows
