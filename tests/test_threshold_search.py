"""The search for thresholds against brute force: every objective, constraint and requirement."""

from __future__ import annotations

import itertools
import warnings
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from threshold_tools import choose_thresholds

from fairsk import Constraint, Rate
from fairsk._core.bounds import Bound
from fairsk._core.curves import sorted_curves
from fairsk._core.groups import Grouping
from fairsk.rates import CELLS, CONSTRAINTS, RATES, get_rate
from fairsk.thresholds._group_curves import GroupCurves
from fairsk.thresholds._search import Search
from fairsk.thresholds._solvers.branch_and_bound import BranchAndBound, Duals
from fairsk.thresholds._solvers.envelope import Envelope, upper_hull
from fairsk.thresholds._solvers.knapsack import best_within_capacity
from fairsk.thresholds._solvers.linear_program import LinearProgramSolver
from fairsk.thresholds._solvers.problem import Clearance, OperatingPoints, Problem
from fairsk.thresholds._solvers.single_rate import WindowSolver
from fairsk.thresholds._spec import ThresholdSpec


def balanced_accuracy(cells):
    return (cells["tp"] / (cells["tp"] + cells["fn"]) + cells["tn"] / (cells["tn"] + cells["fp"])) / 2


def jaccard(cells):
    return cells["tp"] / (cells["tp"] + cells["fp"] + cells["fn"])


def geometric_mean(cells):
    return np.sqrt(cells["tp"] / (cells["tp"] + cells["fn"]) * cells["tn"] / (cells["tn"] + cells["fp"]))


def ratio(above, below):
    return above / below if below else np.nan


#: What to pass, and the value of it on the cells of all rows, written down once more: the oracle.
OBJECTIVES: dict[str, tuple[Any, Any]] = {
    "accuracy": ("accuracy", lambda tp, fp, fn, tn: (tp + tn) / (tp + fp + fn + tn)),
    "balanced accuracy": (
        "balanced_accuracy",
        lambda tp, fp, fn, tn: (tp / (tp + fn) + tn / (tn + fp)) / 2,
    ),
    "youden": ("youden", lambda tp, fp, fn, tn: tp / (tp + fn) - fp / (tn + fp)),
    "f1": ("f1", lambda tp, fp, fn, tn: ratio(2 * tp, 2 * tp + fp + fn)),
    "f2": ("f2", lambda tp, fp, fn, tn: ratio(5 * tp, 5 * tp + 4 * fn + fp)),
    "f0.5": ("f0.5", lambda tp, fp, fn, tn: ratio(1.25 * tp, 1.25 * tp + 0.25 * fn + fp)),
    "precision": ("precision", lambda tp, fp, fn, tn: ratio(tp, tp + fp)),
    "recall": ("recall", lambda tp, fp, fn, tn: ratio(tp, tp + fn)),
    "false discovery": (
        Rate("fdr", "fp", "tp+fp", lower_is_better=True),
        lambda tp, fp, fn, tn: -ratio(fp, tp + fp),
    ),
    "costs": ({"fn": -5, "fp": -1}, lambda tp, fp, fn, tn: -(5 * fn + fp) / (tp + fp + fn + tn)),
    "a linear function": (balanced_accuracy, lambda tp, fp, fn, tn: (tp / (tp + fn) + tn / (tn + fp)) / 2),
}
OWN = Constraint("fdr_parity", [Rate("false_discovery_rate", "fp", "tp+fp")])
SIGNED = Constraint("net_parity", [Rate("net", "tp-fp", "n")])
RULES = [*CONSTRAINTS.values(), OWN, SIGNED]


@dataclass(frozen=True)
class Case:
    """A small problem, and what is asked of the thresholds."""

    scores: np.ndarray
    actual: np.ndarray
    codes: np.ndarray
    weights: np.ndarray | None
    constraints: tuple[Constraint, ...]
    bounds: tuple[float, ...]
    by_ratio: tuple[bool, ...]
    objective: str
    min_rates: dict[str, float]
    capacity: float | None
    level_up: bool | float

    def spec(self, policy="threshold"):
        pairs = list(zip(self.bounds, self.by_ratio, strict=True))
        return ThresholdSpec.from_parameters(
            list(self.constraints),
            [None if by_ratio else bound for bound, by_ratio in pairs],
            [bound if by_ratio else None for bound, by_ratio in pairs],
            objective=OBJECTIVES[self.objective][0],
            min_rates=self.min_rates,
            capacity=self.capacity,
            level_up=self.level_up,
            policy=policy,
            margin=0.0,
            min_group_size=1,
        )

    def curves(self):
        n_groups = int(self.codes.max()) + 1
        return GroupCurves.from_rows(
            self.scores, self.actual, Grouping(("group",), tuple(range(n_groups)), self.codes), self.weights
        )


@st.composite
def cases(draw, n_constraints=(1, 2), side=True):
    n_groups = draw(st.integers(2, 4))
    most = {2: 14, 3: 8, 4: 5}[n_groups]
    sizes = [draw(st.integers(1, most)) for _ in range(n_groups)]
    n = sum(sizes)
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    levels = draw(st.sampled_from([3, 8, 1000]))  # many ties, some, none
    actual = rng.random(n) < draw(st.sampled_from([0.2, 0.5, 0.8]))
    actual[0], actual[-1] = True, False
    # Scores that say something of the labels, or nothing.
    signal = draw(st.sampled_from([0.0, 0.5]))
    scores = np.floor((rng.random(n) + signal * actual) * levels) / levels
    constraints = tuple(draw(st.sampled_from(RULES)) for _ in range(draw(st.integers(*n_constraints))))
    by_ratio = tuple(c is not SIGNED and draw(st.booleans()) for c in constraints)
    bounds = tuple(
        draw(st.sampled_from([0.0, 0.5, 0.8, 1.0] if r else [0.0, 0.05, 0.2, 0.5])) for r in by_ratio
    )
    return Case(
        scores,
        actual,
        np.repeat(np.arange(n_groups), sizes),
        rng.integers(1, 4, n).astype(float) if draw(st.booleans()) else None,
        constraints,
        bounds,
        by_ratio,
        draw(st.sampled_from(sorted(OBJECTIVES))),
        {"true_positive_rate": 0.5} if side and draw(st.integers(0, 3)) == 0 else {},
        draw(st.sampled_from([0.3, 0.6])) if side and draw(st.integers(0, 3)) == 0 else None,
        draw(st.sampled_from([True, 0.4])) if side and draw(st.integers(0, 3)) == 0 else False,
    )


def brute_force(case, overall):
    """Try every combination of thresholds; groups that cannot be measured have the overall one."""
    n_groups = int(case.codes.max()) + 1
    weights = np.ones(len(case.scores)) if case.weights is None else case.weights
    rates = [rate for constraint in case.constraints for rate in constraint.rates]
    labels = {label: np.bincount(case.codes, case.actual == label, n_groups) for label in (True, False)}
    zero = np.zeros(n_groups)
    ends = [
        {"tp": labels[True], "fp": labels[False], "fn": zero, "tn": zero},
        {"tp": zero, "fp": zero, "fn": labels[True], "tn": labels[False]},
    ]
    measured = [g for g in range(n_groups) if all(max(r.support(end)[g] for end in ends) >= 1 for r in rates)]
    if len(measured) < 2:
        measured = []
    highest = {True: overall, False: np.inf}.get(case.level_up, case.level_up)
    options = []
    for g in range(n_groups):
        own = case.codes == g
        levels = np.unique(case.scores[own])
        # A threshold just above a level leaves it out; it must not lie above the highest one.
        sets = [case.scores[own] >= level for level in levels if level <= np.inf]
        sets.append(np.zeros(own.sum(), dtype=bool))
        if g not in measured:
            sets = [case.scores[own] >= overall]
        elif highest < np.inf:
            sets = [s for s in sets if not (~s & (case.scores[own] >= highest)).any()]
        table = []
        for chosen in sets:
            cells = {}
            for cell, part in {
                "tp": chosen & case.actual[own],
                "fp": chosen & ~case.actual[own],
                "fn": ~chosen & case.actual[own],
                "tn": ~chosen & ~case.actual[own],
            }.items():
                cells[cell] = weights[own][part].sum()
            if g in measured and not all(
                (
                    np.isnan(value := float(get_rate(name)({c: np.float64(v) for c, v in cells.items()})))
                    and labels[True][g] == 0
                )
                or value >= least - 1e-12
                for name, least in case.min_rates.items()
            ):
                continue
            table.append([cells[cell] for cell in CELLS])
        options.append(np.array(table).reshape(-1, 4))
    if not all(map(len, options)):
        return None
    picks = np.array(list(itertools.product(*[range(len(option)) for option in options])))
    table = np.stack([option[picks[:, g]] for g, option in enumerate(options)])  # groups, combinations, cells
    allowed = np.ones(len(picks), dtype=bool)
    cells = {cell: table[measured][:, :, i] for i, cell in enumerate(CELLS)}
    if measured:
        for constraint, bound, by_ratio in zip(case.constraints, case.bounds, case.by_ratio, strict=True):
            for rate in constraint.rates:
                allowed &= ~np.isnan(rate(cells)).any(0)
            with np.errstate(invalid="ignore"):
                if by_ratio:
                    allowed &= constraint.ratio(cells) >= bound - 1e-9
                else:
                    allowed &= constraint.difference(cells) <= bound + 1e-9
        if case.capacity is not None:
            allowed &= table[:, :, :2].sum((0, 2)) <= case.capacity * weights.sum() + 1e-9
    totals = table.sum(0)[allowed]
    value = OBJECTIVES[case.objective][1]
    values = [value(*(float(v) for v in total)) for total in np.unique(totals, axis=0)] if len(totals) else []
    defined = [v for v in values if not np.isnan(v)]
    if not len(totals):
        return None
    return max(defined, default=np.nan)


def quietly(case, policy="threshold"):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # tiny groups, constant decisions
        return choose_thresholds(case.curves(), case.spec(policy))


def overall_of(case):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return Search.prepare(case.curves(), case.spec()).overall.threshold


def check(case):
    if case.capacity is not None and case.level_up == 0.4:
        weights = np.ones(len(case.scores)) if case.weights is None else case.weights
        if weights[case.scores >= 0.4].sum() > case.capacity * weights.sum() + 1e-9:
            with pytest.raises(ValueError, match="No threshold for all rows alike has"):
                quietly(case)
            return
    overall = overall_of(case)
    expected = brute_force(case, overall)
    if expected is None:
        with pytest.raises(ValueError, match="No threshold"):
            quietly(case)
        return
    found = quietly(case)
    sign = -1 if getattr(OBJECTIVES[case.objective][0], "lower_is_better", False) else 1
    assert sign * found.report.value == pytest.approx(expected, abs=1e-9, nan_ok=True)
    gap = found.report.optimality_gap
    assert gap is None or gap >= 0
    # What the report says is what the rules do to the rows.
    weights = np.ones(len(case.scores)) if case.weights is None else case.weights
    selected = np.concatenate(
        [rule.selection_probability(case.scores[case.codes == g]) > 0.5 for g, rule in enumerate(found.rules)]
    )
    counted = found.report.counts
    for cell, part in {"tp": selected & case.actual, "fn": ~selected & case.actual}.items():
        np.testing.assert_allclose(counted.cells[cell], np.bincount(case.codes, weights * part))


@settings(max_examples=400, deadline=None, derandomize=True)
@given(cases(n_constraints=(1, 1), side=False))
def test_one_constraint_equals_brute_force(case):
    check(case)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(cases(n_constraints=(2, 2), side=False))
def test_several_constraints_equal_brute_force(case):
    check(case)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(cases())
def test_requirements_equal_brute_force(case):
    """Minimum rates, a capacity, levelling up, alone and together."""
    check(case)


@settings(max_examples=80, deadline=None, derandomize=True)
@given(cases(side=False))
def test_mixtures_are_never_below_single_thresholds_nor_above_the_bound_of_the_report(case):
    if not all(rate.has_fixed_denominator for c in case.constraints for rate in c.rates):
        return
    try:
        single = quietly(case)
    except ValueError:
        return
    mixed = quietly(case, "randomized")
    sign = -1 if getattr(OBJECTIVES[case.objective][0], "lower_is_better", False) else 1
    assert sign * mixed.report.value >= sign * single.report.value - 1e-7 or np.isnan(single.report.value)
    if single.report.optimality_gap is not None and not np.isnan(single.report.value):
        reached = sign * single.report.value + single.report.optimality_gap
        assert sign * mixed.report.value == pytest.approx(reached, abs=1e-7)
    for part in mixed.report.constraints:
        if np.isfinite(part.disparity):
            beyond = part.disparity - part.bound
            assert (beyond if part.comparison == "difference" else -beyond) <= 1e-6


# --- functions of the cells -----------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("objective", [balanced_accuracy, jaccard], ids=["linear", "ratio"])
def test_linear_and_ratio_functions_are_maximised_like_the_rates_that_they_are(objective, seed):
    rng = np.random.default_rng(seed)
    n = 400
    actual = rng.random(n) < 0.4
    curves = GroupCurves.from_rows(
        rng.random(n) + 0.5 * actual, actual, Grouping(("g",), (0, 1, 2), rng.integers(0, 3, n))
    )
    known = "balanced_accuracy" if objective is balanced_accuracy else Rate("jaccard", "tp", "tp+fp+fn")
    values = []
    for goal in (objective, known):
        spec = ThresholdSpec.from_parameters(
            "demographic_parity", 0.03, None, objective=goal, min_rates=None, capacity=None,
            level_up=False, policy="threshold", margin=0.0, min_group_size=1,
        )  # fmt: skip
        values.append(choose_thresholds(curves, spec).report.value)
    assert values[0] == pytest.approx(values[1], abs=1e-9)


@pytest.mark.parametrize("one_at_a_time", [False, True])
@pytest.mark.parametrize("seed", range(6))
def test_other_functions_come_close_to_the_optimum(seed, one_at_a_time):
    """The geometric mean is neither linear nor a ratio; a function may also refuse arrays."""

    def scalar(cells):
        return float(geometric_mean({cell: float(value) for cell, value in cells.items()}))

    rng = np.random.default_rng(seed)
    n = 70
    actual = rng.random(n) < 0.4
    scores, codes = rng.random(n) + 0.4 * actual, np.arange(n) % 2
    rules = (CONSTRAINTS["equal_opportunity"],)
    case = Case(scores, actual, codes, None, rules, (0.05,), (False,), "accuracy", {}, None, False)
    goal = scalar if one_at_a_time else geometric_mean
    spec = replace(case.spec(), objective=goal)
    found = choose_thresholds(case.curves(), spec).report
    OBJECTIVES["geometric mean"] = (goal, lambda tp, fp, fn, tn: np.sqrt(tp / (tp + fn) * tn / (tn + fp)))
    expected = brute_force(replace(case, objective="geometric mean"), np.inf)
    del OBJECTIVES["geometric mean"]
    assert found.optimality_gap is None
    assert "many directions" in found.solver
    assert expected - 0.02 <= found.value <= expected + 1e-9


# --- the parts, against other ways to the same ------------------------------------------------------------


def random_problem(rng, n_groups, n, *, capacity=False, bound=None):
    """Return a problem of one rate, and its ROC points."""
    actual = rng.random(n) < 0.4
    scores = rng.random(n) + 0.6 * actual
    ((curves, _),) = sorted_curves(scores, actual, rng.integers(0, n_groups, n), n_groups)
    groups = []
    for curve in curves:
        cells = curve.cells
        groups.append(
            OperatingPoints(
                np.arange(len(curve)),
                np.array([RATES["selection_rate"](cells)]),
                cells["tp"] + cells["tn"],
                cells["tp"] + cells["fp"],
            )
        )
    limit = 0.3 * n if capacity else None
    return Problem(groups, (bound or Bound(difference=0.02),), limit), curves


@pytest.mark.parametrize("bound", [Bound(difference=0.0), Bound(difference=0.03), Bound(ratio=0.8)], ids=str)
@pytest.mark.parametrize("seed", range(10))
def test_the_linear_program_agrees_with_the_envelopes(seed, bound):
    problem, _ = random_problem(np.random.default_rng(seed), 2 + seed % 4, 600, bound=bound)
    window, program = WindowSolver(problem), LinearProgramSolver(problem)
    assert program.upper_bound == pytest.approx(window.upper_bound, abs=1e-6 * 600)
    for solver in (window, program):
        rates, total = [], 0.0
        for group, mixture in zip(problem.groups, solver.mixtures(), strict=True):
            rates.append(float(group.rates[0, mixture.positions] @ mixture.probabilities))
            total += float(group.utility[mixture.positions] @ mixture.probabilities)
        assert total == pytest.approx(window.upper_bound, abs=1e-5)
        assert max(rates) <= bound.upper(np.array(min(rates))) + 1e-7
    assert program.thresholds() is not None
    singles = [
        sum(g.utility[i] for g, i in zip(problem.groups, s.thresholds(), strict=True))
        for s in (window, program)
    ]
    assert singles[0] == singles[1]  # branch and bound finds what the window finds


@pytest.mark.parametrize("seed", range(10))
def test_column_generation_equals_the_program_over_all_hull_vertices(seed):
    """Equalized odds, against the whole linear program at once."""
    from scipy.optimize import linprog

    rng = np.random.default_rng(seed)
    _, curves = random_problem(rng, 3, 500)
    bounds = (Bound(difference=0.02), Bound(difference=0.03))
    groups, blocks = [], []
    for curve in curves:
        cells = curve.cells
        rates = np.array([RATES["true_positive_rate"](cells), RATES["false_positive_rate"](cells)])
        groups.append(OperatingPoints(np.arange(len(curve)), rates, cells["tp"] + cells["tn"], cells["tp"]))
        upper = Envelope.over(curve.fp, curve.tp).vertices
        blocks.append(np.union1d(upper, Envelope.over(curve.fp, -curve.tp).vertices))
    found = LinearProgramSolver(Problem(groups, bounds)).upper_bound
    n = sum(map(len, blocks))
    cost, one, rows, limits = np.zeros(n + 2), np.zeros((3, n + 2)), [], []
    start = 0
    for g, (group, block) in enumerate(zip(groups, blocks, strict=True)):
        own = slice(start, start + len(block))
        start += len(block)
        cost[own], one[g, own] = -group.utility[block], 1
        for j, bound in enumerate(bounds):
            above, below = np.zeros(n + 2), np.zeros(n + 2)
            above[own], above[n + j] = -group.rates[j, block], 1
            below[own], below[n + j] = group.rates[j, block], -1
            rows += [above, below]
            limits += [0.0, bound.difference]
    whole = linprog(cost, rows, limits, one, np.ones(3), [(0, None)] * n + [(None, None)] * 2)
    assert found == pytest.approx(-whole.fun, abs=1e-4)


@pytest.mark.parametrize("seed", range(20))
def test_windows_are_left_out_only_if_they_cannot_win(seed):
    """Large enough for the envelopes to cut: equal to looking at every window."""
    from fairsk.thresholds._solvers.single_rate import slide

    problem, _ = random_problem(
        np.random.default_rng(seed), 2 + seed % 5, 3000, bound=Bound(difference=[0.0, 0.01, 0.1][seed % 3])
    )
    groups = [group.sorted_by(0) for group in problem.groups]
    every = np.unique(np.concatenate([group.rates[0] for group in groups]))
    best = slide(groups, problem.bounds[0], 0, every).best()
    chosen = WindowSolver(problem).thresholds()
    total = sum(group.utility[i] for group, i in zip(problem.groups, chosen, strict=True))
    assert total == best[1]


@pytest.mark.parametrize("seed", range(20))
def test_sharing_a_capacity_equals_brute_force(seed):
    rng = np.random.default_rng(seed)
    groups = [
        OperatingPoints(
            np.arange(m),
            np.zeros((1, m)),
            rng.integers(0, 20, m).astype(float),
            rng.integers(0, 10, m).astype(float),
        )
        for m in rng.integers(1, 7, 4)
    ]
    capacity = float(rng.integers(0, 25))
    totals = [
        sum(g.utility[i] for g, i in zip(groups, pick, strict=True))
        for pick in itertools.product(*(range(len(g)) for g in groups))
        if sum(g.selected[i] for g, i in zip(groups, pick, strict=True)) <= capacity
    ]
    for price in (0.0, 0.7, 5.0):
        found = best_within_capacity(groups, capacity, price, -np.inf)
        if not totals:
            assert found is None
            continue
        assert found[1] == max(totals)
        assert sum(g.utility[i] for g, i in zip(groups, found[0], strict=True)) == found[1]
        assert best_within_capacity(groups, capacity, price, found[1]) is None


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.lists(st.tuples(st.integers(0, 8), st.integers(-9, 9)), min_size=1, max_size=12))
def test_the_envelope_is_the_least_concave_function_above_the_points(points):
    points = sorted(points)
    x, y = (np.array(values, dtype=float) for values in zip(*points, strict=True))
    envelope = Envelope.over(x, y)
    assert set(zip(envelope.rate, envelope.utility, strict=True)) <= set(zip(x, y, strict=True))
    at = np.unique(x)
    reach = np.interp(at, envelope.rate, envelope.utility)
    for value, reached in zip(at, reach, strict=True):
        # By definition: the best mixture of any two points around it.
        best = max(
            y1 if x1 == x2 else y1 + (y2 - y1) * (value - x1) / (x2 - x1)
            for (x1, y1), (x2, y2) in itertools.product(points, points)
            if x1 <= value <= x2 and (x1 < x2 or x1 == value)
        )
        assert reached == pytest.approx(best, abs=1e-9)
    assert len(upper_hull(envelope.rate, envelope.utility)) == len(envelope.rate)


def clear_problem(rng, bounds, capacity):
    """Return a small problem whose groups keep clear of the ends of their windows."""
    groups = []
    for m in rng.integers(2, 8, 3):
        shares = rng.random(len(bounds)) * rng.choice([0.0, 0.3, 0.9])  # of half the window
        shift = [
            0.0 if b.difference is None else s * b.difference / 2 for s, b in zip(shares, bounds, strict=True)
        ]
        factor = [
            b.ratio ** (-s / 2) if b.difference is None else 1.0 for s, b in zip(shares, bounds, strict=True)
        ]
        groups.append(
            OperatingPoints(
                np.arange(m),
                rng.integers(0, 20, (len(bounds), m)) / 20,
                rng.integers(0, 20, m).astype(float),
                rng.integers(0, 10, m).astype(float),
                Clearance(np.array(shift), np.array(factor)),
            )
        )
    return Problem(groups, bounds, capacity)


def best_of_all_combinations(problem):
    """Return the greatest utility of points whose intervals all lie within the bounds; None if none do."""
    totals = []
    for pick in itertools.product(*(range(len(group)) for group in problem.groups)):
        points = list(zip(problem.groups, pick, strict=True))
        allowed = problem.capacity is None or sum(g.selected[i] for g, i in points) <= problem.capacity
        for j, bound in enumerate(problem.bounds):
            rooms = [(g.rates[j, i], g.clearance.shift[j], g.clearance.factor[j]) for g, i in points]
            lowest = min((rate - shift) / factor for rate, shift, factor in rooms)
            highest = max(rate * factor + shift for rate, shift, factor in rooms)
            if bound.difference is not None:
                allowed &= highest - lowest <= bound.difference + 1e-9
            else:
                allowed &= lowest >= bound.ratio * highest - 1e-9
        if allowed:
            totals.append(sum(g.utility[i] for g, i in points))
    return max(totals, default=None)


@pytest.mark.parametrize("capacity", [None, 12.0])
@pytest.mark.parametrize(
    "bounds",
    [
        (Bound(difference=0.3),),
        (Bound(ratio=0.6),),
        (Bound(difference=0.4), Bound(ratio=0.5)),
        (Bound(difference=0.3), Bound(difference=0.5)),
    ],
    ids=lambda bounds: " and ".join(map(str, bounds)),
)
def test_intervals_of_rates_within_a_window_equal_brute_force(bounds, capacity):
    found_some = 0
    for seed in range(60):
        problem = clear_problem(np.random.default_rng(seed), bounds, capacity)
        expected = best_of_all_combinations(problem)
        solvers = [LinearProgramSolver(problem)]
        if len(bounds) == 1 and capacity is None:
            solvers.append(WindowSolver(problem))
        for solver in solvers:
            positions = solver.thresholds()
            if expected is None:
                assert positions is None
                continue
            found_some += 1
            total = sum(g.utility[i] for g, i in zip(problem.groups, positions, strict=True))
            assert total == expected
            assert solver.upper_bound >= total - 1e-6
            for group, mixture in zip(problem.groups, solver.mixtures(), strict=True):
                assert mixture.probabilities.sum() == pytest.approx(1)
                assert set(mixture.positions) <= set(group.position)
        if len(solvers) == 2 and expected is not None:
            assert solvers[0].upper_bound == pytest.approx(solvers[1].upper_bound, abs=1e-5)
    assert found_some > 5


@pytest.mark.parametrize("bound", [Bound(difference=0.06), Bound(ratio=0.7)], ids=str)
@pytest.mark.parametrize("seed", range(6))
def test_mixtures_keep_clear_of_the_ends_as_well(seed, bound):
    problem, _ = random_problem(np.random.default_rng(seed), 4, 600, bound=bound)
    share = np.random.default_rng(seed).random(4)
    groups = [
        replace(
            group,
            clearance=Clearance(np.array([s * 0.03]), np.ones(1))
            if bound.difference
            else Clearance(np.zeros(1), np.array([0.7 ** (-s / 2)])),
        )
        for group, s in zip(problem.groups, share, strict=True)
    ]
    problem = Problem(groups, (bound,))
    window, program = WindowSolver(problem), LinearProgramSolver(problem)
    assert program.upper_bound == pytest.approx(window.upper_bound, abs=1e-5 * 600)
    for solver in (window, program):
        ends = []
        for group, mixture in zip(groups, solver.mixtures(), strict=True):
            rate = float(group.rates[0, mixture.positions] @ mixture.probabilities)
            shift, factor = group.clearance.shift[0], group.clearance.factor[0]
            ends.append(((rate - shift) / factor, rate * factor + shift))
        low, high = min(low for low, _ in ends), max(high for _, high in ends)
        assert high <= (low + 0.06 if bound.difference else low / 0.7) + 1e-7


def test_branching_without_dual_values_is_still_exact():
    """Dual values only cut the search short: with those of zero, the same is found."""
    rng = np.random.default_rng(0)
    _, curves = random_problem(rng, 3, 90)
    groups = []
    for curve in curves:
        cells = curve.cells
        rates = np.array([RATES["true_positive_rate"](cells), RATES["false_positive_rate"](cells)])
        groups.append(OperatingPoints(np.arange(len(curve)), rates, cells["tp"] + cells["tn"], cells["tp"]))
    problem = Problem(groups, (Bound(difference=0.1), Bound(difference=0.1)))
    positions = LinearProgramSolver(problem).thresholds()
    expected = sum(g.utility[i] for g, i in zip(groups, positions, strict=True))
    best = max(float(g.utility.max()) for g in groups)
    free = Duals([best - g.utility for g in groups], np.zeros((3, 2)), np.zeros(2), 0.0, value=3 * best)
    assert BranchAndBound(problem, free).search(-np.inf)[1] == expected
