"""Offsets per class and group: against brute force over all decisions, and the search for two classes."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import linprog

from fairsk._core.bounds import bounded_constraints
from fairsk._core.class_events import ClassEvents
from fairsk._core.groups import Grouping
from fairsk.rates import Rate, get_rate
from fairsk.thresholds._classes.cells import all_offsets, number_of_cells, offsets_near
from fairsk.thresholds._classes.problem import OffsetProblem, decide, tables_of
from fairsk.thresholds._classes.rows import GroupRows
from fairsk.thresholds._classes.solve import best_overall, solve
from fairsk.thresholds._group_curves import GroupCurves
from fairsk.thresholds._search import Search
from fairsk.thresholds._spec import ThresholdSpec

FIXED = ("demographic_parity", "equal_opportunity", "equalized_odds", "accuracy_parity")


def between(values):
    """Return a number below all values, one in each gap between them, and one above."""
    values = np.unique(values)
    return np.concatenate([[values[0] - 1], (values[1:] + values[:-1]) / 2, [values[-1] + 1]])


def all_tables(scores, labels, weights):
    """Return the tables of all that offsets can decide: the oracle, by crossing all lines where rows turn."""
    n_classes = scores.shape[1]
    x = scores[:, 0] - scores[:, 1]
    if n_classes == 2:
        vectors = [(0, b) for b in between(x)]
    else:
        y = scores[:, 0] - scores[:, 2]
        firsts = between(np.concatenate([x, (y[:, None] - (y - x)).ravel()]))
        vectors = [(0, a, b) for a in firsts for b in between(np.concatenate([y, a + y - x]))]
    tables = {}
    for vector in vectors:
        table = np.zeros((n_classes, n_classes))
        np.add.at(table, (labels, (scores + vector).argmax(1)), weights)
        tables[table.tobytes()] = table
    return np.array(list(tables.values()))


class Oracle:
    """All choices of two groups: the best single one, and the best mixture."""

    def __init__(self, problem):
        self.problem, self.total = problem, problem.weights.sum()
        self.tables = []
        for g in range(problem.n_groups):
            rows = problem.codes == g
            self.tables.append(all_tables(problem.scores[rows], problem.labels[rows], problem.weights[rows]))
        self.rates = [problem.values(tables) for tables in self.tables]
        self.worth = [(tables * problem.worth).sum((1, 2)) / self.total for tables in self.tables]
        self.shares = [
            tables.sum(1) @ problem.events.members.T.astype(float) / self.total for tables in self.tables
        ]

    def best_single(self):
        problem, (first, second) = self.problem, self.rates
        total = self.worth[0][:, None] + self.worth[1]
        fits = np.ones(total.shape, dtype=bool)
        for j, bound in enumerate(problem.bounds):
            if problem.covered[j].all():
                low = np.minimum(first[:, None, j], second[None, :, j])
                high = np.maximum(first[:, None, j], second[None, :, j])
                fits &= high <= bound.upper(low)
        if problem.capacity is not None:
            fits &= (self.shares[0][:, None] + self.shares[1] <= problem.capacity + 1e-12).all(-1)
        for rate, least in problem.floors:
            for g, shape in enumerate([(-1, 1), (1, -1)]):
                values = rate(problem.events.cells(self.tables[g]))
                fits &= ((values >= least - 1e-12) | np.isnan(values)).all(-1).reshape(shape)
        return total[fits].max(initial=-np.inf)

    def best_mixture(self):
        problem, n = self.problem, len(self.worth[0])
        rows, rhs = [], []
        for j, bound in enumerate(problem.bounds):
            factor, slack = bound.line
            if problem.covered[j].all():
                first, second = self.rates[0][:, j], self.rates[1][:, j]
                rows += [np.concatenate([factor * first, -second])]
                rows += [np.concatenate([-first, factor * second])]
                rhs += [slack, slack]
        if problem.capacity is not None:
            limited = np.isfinite(problem.capacity)
            rows += list(np.concatenate(self.shares).T[limited])
            rhs += list(problem.capacity[limited])
        m = len(self.worth[1])
        each = np.array([[1.0] * n + [0.0] * m, [0.0] * n + [1.0] * m])
        answer = linprog(
            -np.concatenate(self.worth),
            A_ub=np.array(rows) if rows else None,
            b_ub=rhs if rows else None,
            A_eq=each,
            b_eq=[1, 1],
        )
        return -answer.fun if answer.status == 0 else -np.inf


def make_problem(random, constraint=None, n_classes=None, n_rows=None):
    """Return a small problem of two groups: any kind of bound, events, weights, ties and worth."""
    k = n_classes or int(random.choice([2, 3]))
    n = 2 * (n_rows or int(random.integers(3, 7)))
    scores = random.dirichlet(np.ones(k), n)
    if random.random() < 0.3:
        scores = np.round(4 * scores) / 4  # ties
    if random.random() < 0.5:
        scores = np.log(scores + 1e-3)
    labels = np.where(random.random(n) < 0.6, scores.argmax(1), random.integers(0, k, n))
    codes = np.arange(n) % 2
    weights = np.ones(n) if random.random() < 0.5 else random.integers(1, 4, n) * 0.5
    kind = random.random()
    if kind < 0.25:
        events = ClassEvents.of(list(range(k)), grades=list(range(k)))
    else:
        events = ClassEvents.of(list(range(k)), None if kind < 0.7 else [int(random.integers(k))])
    constraint = constraint or str(random.choice([*FIXED, "predictive_parity"]))
    if random.random() < 0.7 or constraint == "equalized_odds":
        constraints = bounded_constraints(constraint, float(random.choice([0, 0.05, 0.1, 0.3])), None)
    else:
        constraints = bounded_constraints(constraint, None, float(random.choice([0.5, 0.8, 1])))
    if random.random() < 0.2:
        constraints += bounded_constraints("demographic_parity", 0.4, None)
    worth = np.eye(k) if random.random() < 0.7 else random.normal(size=(k, k))
    n_rates = sum(len(each.constraint.rates) for each in constraints) * len(events.labels)
    problem = OffsetProblem(
        scores, labels, codes, 2, weights, worth, events, constraints, np.ones((n_rates, 2), dtype=bool)
    )
    # A rate is covered where its denominator has rows, whatever is decided.
    spread = [
        np.repeat(tables_of(labels[own], labels[own], weights[own], k).sum(1)[:, None] / k, k, axis=1)
        for own in (codes == 0, codes == 1)
    ]
    return replace(problem, covered=~np.isnan(problem.values(np.array(spread))).T)


def applied(problem, solution):
    """Return the tables of the groups under the offsets, decided row by row."""
    tables = []
    for g, mixture in enumerate(solution.mixtures):
        own = problem.codes == g
        each = [
            tables_of(
                problem.labels[own], decide(problem.scores[own], o), problem.weights[own], problem.n_classes
            )
            for o in mixture.offsets
        ]
        tables.append(np.tensordot(mixture.probabilities, each, 1))
    return np.array(tables)


def assert_within(problem, tables, tolerance):
    rates = problem.values(tables)
    for j, bound in enumerate(problem.bounds):
        if problem.covered[j].all():
            assert rates[:, j].max() <= bound.upper(rates[:, j].min() + tolerance)


def test_all_decisions_are_found():
    random = np.random.default_rng(0)
    for n_classes, n in [(2, 9), (3, 7), (4, 5), (5, 4)]:
        rows = GroupRows(
            random.normal(size=(n_classes, n)), np.zeros(n, dtype=int), random.integers(1, 3, n) * 1.0
        )
        offsets = all_offsets(rows)
        decisions = {tuple(rows.decide(each)) for each in offsets}
        assert len(decisions) == len(offsets) == number_of_cells(n, n_classes)
        sampled = {tuple(rows.decide(each)) for each in random.normal(size=(500, n_classes)) * 2}
        assert sampled <= decisions
    near = offsets_near(rows, np.zeros(5), 20, rows.payoffs(np.eye(5)))
    assert {tuple(rows.decide(each)) for each in near} <= decisions
    assert len(near) >= 20


def test_equals_brute_force():
    random = np.random.default_rng(1)
    n_single = n_mixed = 0
    for _ in range(80):
        problem = make_problem(random)
        if not problem.compared.any():
            continue
        oracle = Oracle(problem)
        best = oracle.best_single()
        if best == -np.inf:
            with pytest.raises(ValueError, match=r"meet|be measured"):
                solve(problem, "threshold")
            continue
        single = solve(problem, "threshold")
        assert all(mixture.is_single for mixture in single.mixtures)
        assert single.value == pytest.approx(best, abs=1e-9)
        assert single.value <= single.upper_bound + 1e-9
        assert single.is_proven
        np.testing.assert_allclose(applied(problem, single), single.tables, atol=1e-12)
        assert_within(problem, single.tables, 0.0)
        n_single += 1
        if problem.can_mix:
            mixed = solve(problem, "randomized")
            assert mixed.value == pytest.approx(oracle.best_mixture(), abs=1e-7)
            np.testing.assert_allclose(applied(problem, mixed), mixed.tables, atol=1e-12)
            assert_within(problem, mixed.tables, 1e-9)
            n_mixed += 1
    assert n_single > 60
    assert n_mixed > 45


def test_floors_and_capacity_equal_brute_force():
    random = np.random.default_rng(2)
    n_found = 0
    for _ in range(16):
        problem = make_problem(random, "demographic_parity", 3)
        events = problem.events
        capacity = random.choice([0.3, 0.5, np.inf], len(events.labels))
        floors = ((get_rate("true_positive_rate"), 0.4),) if random.random() < 0.5 else ()
        problem = replace(problem, capacity=capacity, floors=floors)
        oracle = Oracle(problem)
        best = oracle.best_single()
        if best == -np.inf:
            with pytest.raises(ValueError, match="together with what else"):
                solve(problem, "threshold")
            continue
        assert solve(problem, "threshold").value == pytest.approx(best, abs=1e-9)
        if not floors:
            assert solve(problem, "randomized").value == pytest.approx(oracle.best_mixture(), abs=1e-7)
        n_found += 1
    assert n_found > 5


def test_searches_of_many_rows_come_close_to_all_decisions(monkeypatch):
    # With the list of all decisions forbidden, columns come from priced searches alone.
    random = np.random.default_rng(3)
    problems = [make_problem(random, constraint, 3, 16) for constraint in FIXED[:2]]
    exact = [[solve(problem, policy) for policy in ("randomized", "threshold")] for problem in problems]
    monkeypatch.setattr("fairsk.thresholds._classes.solve._MOST_CELLS", 1)
    for problem, (mixed, single) in zip(problems, exact, strict=True):
        found = solve(problem, "randomized")
        assert not found.is_proven or found.upper_bound >= mixed.value - 1e-9
        assert found.proven_bound >= mixed.value - 1e-9
        assert mixed.value - 1e-3 < found.value <= mixed.value + 1e-9
        found = solve(problem, "threshold")
        assert single.value - 1e-3 < found.value <= single.value + 1e-9
        assert_within(problem, found.tables, 0.0)


def test_an_answer_under_another_bound_helps_where_it_meets_the_bound(monkeypatch):
    random = np.random.default_rng(3)
    problems = []
    for _ in range(4):
        problem = make_problem(random, "demographic_parity", 3, 7)
        covered = problem.covered[: problem.n_events]
        problems.append(replace(problem, covered=covered, floors=(), capacity=None))

    def under(problem, difference):
        return replace(problem, constraints=bounded_constraints("demographic_parity", difference, None))

    exact = {(i, d): solve(under(p, d), "threshold") for i, p in enumerate(problems) for d in (0.1, 0.4)}
    # Searches alone, which look at few vectors and miss the best.
    for name in ("_MOST_CELLS", "_WALKED_ROWS"):
        monkeypatch.setattr(f"fairsk.thresholds._classes.solve.{name}", 0)
    n_missed = 0
    for (i, difference), best in exact.items():
        problem = under(problems[i], difference)
        n_missed += solve(problem, "threshold", prove=False).value < best.value - 1e-9
        found = solve(problem, "threshold", near=exact[i, 0.1], prove=False)
        assert exact[i, 0.1].value - 1e-9 <= found.value <= best.value + 1e-9
        assert found.proven_bound is None
        found = solve(problem, "threshold", near=exact[i, 0.4], prove=False)  # which may exceed the bound
        assert found.value <= best.value + 1e-9
        assert_within(problem, found.tables, 1e-9)
    assert n_missed > 0


@pytest.mark.parametrize("n_rows", [12, 60])
def test_two_classes_as_the_search_for_thresholds(n_rows):
    random = np.random.default_rng(n_rows)
    for constraint, policy in itertools.product(FIXED, ("threshold", "randomized", "auto")):
        problem = make_problem(random, constraint, 2, n_rows)
        problem = replace(
            problem,
            events=ClassEvents.of([0, 1], 1),
            worth=np.eye(2),
            constraints=bounded_constraints(constraint, 0.1, None),
        )
        n_rates = len(problem.bounds)
        problem = replace(problem, covered=np.ones((n_rates, 2), dtype=bool))
        spec = ThresholdSpec.from_parameters(
            constraint,
            0.1,
            None,
            objective="accuracy",
            min_rates=None,
            capacity=None,
            level_up=False,
            policy=policy,
            margin=0.0,
            min_group_size=1,
        )
        scores = problem.scores[:, 1] - problem.scores[:, 0]
        groups = Grouping(("group",), (0, 1), problem.codes)
        curves = GroupCurves.from_rows(scores, problem.labels == 1, groups, problem.weights)
        try:
            expected = Search.prepare(curves, spec).choose()
        except ValueError:
            with pytest.raises(ValueError, match="meet"):
                solve(problem, policy)
            continue
        found = solve(problem, policy)
        assert found.value == pytest.approx(expected.value, abs=1e-7)
        assert found.upper_bound == pytest.approx(expected.upper_bound, abs=1e-7)


@pytest.fixture(scope="module")
def many_rows():
    """1,600 rows, three groups, four classes."""
    random = np.random.default_rng(4)
    codes = np.repeat([0, 1, 2], [1_100, 300, 200])
    logits = random.normal(size=(1_600, 4)) + random.normal(size=(3, 4))[codes]
    scores = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    labels = (scores.cumsum(1) > random.random((1_600, 1))).argmax(1)
    events = ClassEvents.of(list("abcd"))
    constraints = bounded_constraints("demographic_parity", 0.03, None)
    covered = np.ones((4, 3), dtype=bool)
    return OffsetProblem(scores, labels, codes, 3, np.ones(1_600), np.eye(4), events, constraints, covered)


def test_many_rows(many_rows):
    mixed, single = solve(many_rows, "randomized"), solve(many_rows, "threshold")
    assert single.value <= mixed.value + 1e-9 <= mixed.upper_bound + 2e-9
    # Seen gaps are below .002; half a percent would be worth mixing.
    assert single.value > mixed.value - 0.005
    assert_within(many_rows, applied(many_rows, single), 0.0)
    assert_within(many_rows, applied(many_rows, mixed), 1e-9)
    again = solve(many_rows, "threshold")
    for one, other in zip(single.mixtures, again.mixtures, strict=True):
        np.testing.assert_array_equal(one.offsets, other.offsets)
    auto = solve(many_rows)
    assert auto.value == single.value
    assert auto.reason.startswith("mixing would gain")
    assert all(mixture.offsets[0, 0] == 0 and np.isfinite(mixture.offsets).all() for mixture in auto.mixtures)


def test_groups_that_are_not_covered_have_the_overall_offsets(many_rows):
    covered = many_rows.covered.copy()
    covered[:, 2] = False
    problem = replace(many_rows, covered=covered)
    solution = solve(problem, "threshold")
    overall = best_overall(problem)
    np.testing.assert_array_equal(solution.mixtures[2].offsets, overall[None])
    np.testing.assert_allclose(applied(problem, solution), solution.tables)
    rates = problem.values(solution.tables)[:2]
    assert np.ptp(rates, axis=0).max() <= 0.03 + 1e-12
    alone = covered.copy()
    alone[:, 1] = False  # one group has nothing to be compared with
    nothing = solve(replace(many_rows, covered=alone))
    assert nothing.reason == "nothing can be compared"
    assert all(np.array_equal(mixture.offsets, overall[None]) for mixture in nothing.mixtures)


def test_distances_to_the_ends_of_windows_are_kept(many_rows):
    distances = np.array([0.01, 0.004, 0.0])[None, :] * np.ones((4, 1))
    for policy in ("threshold", "randomized"):
        solution = solve(replace(many_rows, distances=distances), policy)
        rates = many_rows.values(solution.tables)
        high, low = rates + distances.T, rates - distances.T
        assert (high.max(0) - low.min(0)).max() <= 0.03 + 1e-9


def test_what_cannot_be_is_refused(many_rows):
    floors = ((get_rate("true_positive_rate"), 0.9),)
    with pytest.raises(ValueError, match=r"together with what else is asked for: .* exceeds some of them by"):
        solve(replace(many_rows, floors=floors))
    precision = bounded_constraints("predictive_parity", 0.4, None)
    with pytest.raises(ValueError, match="fixed denominators; use policy='threshold'"):
        solve(replace(many_rows, constraints=precision), "randomized")
    single = solve(replace(many_rows, constraints=precision), "auto")
    assert all(mixture.is_single for mixture in single.mixtures)
    assert_within(replace(many_rows, constraints=precision), single.tables, 0.0)


def test_parity_of_all_is_kept_by_mixtures(many_rows):
    problem = replace(many_rows, constraints=bounded_constraints("demographic_parity", 0.0, None))
    solution = solve(problem)
    assert solution.reason.startswith("single offsets would lose")
    assert np.ptp(problem.values(solution.tables), axis=0).max() < 1e-9


def test_mixtures_at_parity_of_several_rates_are_no_worse_than_those_of_random_offsets():
    # No column alone gains then: one of every group must be there before the program's value rises.
    random = np.random.default_rng(1)
    codes = np.arange(600) % 3
    logits = 1.2 * random.normal(size=(600, 5)) + 0.6 * random.normal(size=(3, 5))[codes]
    scores = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    labels = (scores.cumsum(1) > random.random((600, 1))).argmax(1)
    constraints = bounded_constraints("equalized_odds", 0.0, None)
    arguments = (np.log(scores), labels, codes, 3, np.ones(600), np.eye(5), ClassEvents.of(list("abcde")))
    problem = OffsetProblem(*arguments, constraints, np.ones((10, 3), dtype=bool))
    worth, rates = [], []  # of the decisions of 300 vectors per group: worth, and shares of each label's rows
    for group in (0, 1, 2):
        own, of = np.log(scores[codes == group]), labels[codes == group]
        decided = (own + random.normal(0, 0.7, (300, 1, 5))).argmax(2)
        worth += [-(decided == of).sum(1) / 600]
        is_event = decided[:, :, None] == np.arange(5)
        inside = [is_event[:, of == k, k].mean(1) for k in range(5)]
        outside = [is_event[:, of != k, k].mean(1) for k in range(5)]
        rates += [np.array(inside + outside)]
    none = np.zeros((10, 300))
    equal = [[rates[0], -rates[1], none], [rates[0], none, -rates[2]]]
    each_is_one = np.repeat(np.eye(3), 300, axis=1)
    expected = linprog(
        np.hstack(worth), A_eq=np.vstack([np.block(equal), each_is_one]), b_eq=[0] * 20 + [1, 1, 1]
    )
    assert expected.success
    assert solve(problem, "randomized").value >= -expected.fun


def test_own_rates(many_rows):
    # Of the decisions that are wrong, whatever the class: a rate of the user's own.
    constraint = bounded_constraints("accuracy_parity", 0.05, None)[0]
    own = replace(constraint.constraint, rates=(Rate("errors", "fp+fn", "n", lower_is_better=True),))
    problem = replace(many_rows, constraints=(replace(constraint, constraint=own),))
    built_in = replace(many_rows, constraints=(constraint,))
    assert solve(problem, "randomized").value == pytest.approx(solve(built_in, "randomized").value, abs=2e-3)
