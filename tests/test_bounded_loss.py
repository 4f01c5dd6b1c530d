"""How bounds are held: the update of multipliers, and what each setting of controller and schedule does."""

from __future__ import annotations

import re
import warnings
from dataclasses import fields
from typing import ClassVar

import numpy as np
import pytest
import torch
from scipy import sparse
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from skorch.callbacks import Callback

from fairsk import FairClassifier, FairLoss
from fairsk._core.bounds import Bound, BoundedConstraint
from fairsk.datasets import load_adult
from fairsk.neural import BoundedLoss
from fairsk.neural._callbacks import _RunningEvaluation
from fairsk.neural._comparisons import GroupComparison
from fairsk.neural._controller import Controller, RateTable, balanced_centre
from fairsk.neural._evaluation import LARGE_BATCH, EvaluationSums
from fairsk.neural._training import Defaults, TrainingPlan
from fairsk.rates import get_constraint

NEVER = 1e9
TWO_GROUPS = (GroupComparison(1, (0, 1)),)


@pytest.fixture(scope="module")
def most_of_adult():
    """Return seven tenths of Adult, drawn at random: prepared columns, labels, and the column of groups."""
    data = load_adult(backend="pandas")
    frame, _, y, _ = train_test_split(
        data.data.drop(columns="fnlwgt"), data.target, test_size=0.3, stratify=data.target, random_state=11
    )
    encode = make_column_transformer(
        (StandardScaler(), make_column_selector(dtype_include="number")),
        remainder=OneHotEncoder(sparse_output=False),
    )
    return encode.fit_transform(frame).astype(np.float32), np.asarray(y), frame["sex"]


def make_rows(n=400, n_classes=2):
    rng = np.random.default_rng(0)
    group = rng.choice(["a", "b"], n)
    X = rng.normal(size=(n, 3)) + 0.8 * (group[:, None] == "b") * [1, 0, 0]
    score = X[:, 0] + X[:, 1] + rng.normal(size=n)
    return X, np.digitize(score, np.quantile(score, np.arange(1, n_classes) / n_classes)), group


def violation(data, seed=0, params=None, **settings):
    """Return by how much the bound is exceeded on training rows, which it is held on, by these settings."""
    X, y, group = data
    controller = {"criterion__controller": Controller(**settings)}
    params = {"bound_on": "training", "random_state": seed, **(params or {})}
    net = FairClassifier(net_params=controller, **params)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        net.fit(X, y, sensitive_features=group)
    return max(part.violation for part in net.report_.worst)


def make_loss(max_difference=0.1, comparisons=TWO_GROUPS, **settings):
    controller = Controller(**settings)
    return BoundedLoss(max_difference=max_difference, comparisons=comparisons, controller=controller)


def selection_table(*rates, rows=100):
    """Return hard cells of groups of so many rows, half of them positives, with these selection rates."""
    selected = rows / 2 * torch.tensor(rates, dtype=torch.float64)
    return torch.stack([selected, selected, rows / 2 - selected, rows / 2 - selected])[None]


def net_forces(loss):
    return loss.forces[0, 0].numpy()


# --- the update ------------------------------------------------------------------------------------------


def test_without_violations_nothing_is_pushed():
    loss = make_loss(shrink=0.0)
    loss.update_multipliers(selection_table(0.5, 0.59), 0.1)
    assert not net_forces(loss).any()
    assert not loss.multipliers.any()
    assert not loss.prices.any()


def test_forces_cancel_and_point_into_the_window():
    loss = make_loss()
    loss.update_multipliers(selection_table(0.3, 0.7), 0.01)
    down_a, down_b = net_forces(loss)
    assert down_b > 0 > down_a
    assert down_a == pytest.approx(-down_b)


def test_the_force_of_a_first_violation_is_the_gain_times_stiffness_by_variance():
    """The formula of the docstring by hand: two halves of the rows, selection rates .3 and .7."""
    loss = make_loss(gain=2.0, shrink=0.0)
    loss.update_multipliers(selection_table(0.3, 0.7), 0.0)  # no time has passed: no multipliers yet
    stiffness = np.sqrt(0.5)  # 1 / (sigma^2 s^1.5) with sigma = 1 / s
    variance = 0.5 * (1 - 0.5)  # of being selected: half of all rows are
    expected = 2.0 * stiffness / variance * (0.2 - 0.05)  # rho k (|h - c| - epsilon / 2) / sigma^2
    assert net_forces(loss) == pytest.approx([-expected, expected])
    assert float(loss.offset) == pytest.approx(expected * (0.7 - 0.3))
    # One more selected row of a group, a share of 1/2 of all, moves its rate by 1 / .5.
    assert loss.prices[0].tolist() == pytest.approx([-2 * expected] * 2 + [2 * expected] * 2, rel=1e-6)


@pytest.mark.parametrize("constraint", ["demographic_parity", "equalized_odds", "predictive_parity"])
def test_the_variance_is_that_of_what_rows_count_in_the_rate(constraint):
    """Against rows written out one by one, of all groups that can be measured."""
    rng = np.random.default_rng(1)
    counts = rng.integers(1, 30, (4, 3))
    rates = [(rate, Bound(difference=0.1)) for rate in get_constraint(constraint).rates]
    table = RateTable(rates, min_rate=1e-3)
    counts[:, 2] = 0
    found = table.measure(torch.from_numpy(counts / counts.sum())[None]).variance
    for j, (rate, _) in enumerate(rates):
        is_part = np.repeat([factor != 0 for factor in rate.numerator_coefficients], counts.sum(1))
        in_rate = np.repeat([factor != 0 for factor in rate.denominator_coefficients], counts.sum(1))
        assert float(found[0, j]) == pytest.approx(np.var(is_part[in_rate]))


def test_where_all_are_decided_alike_a_rate_varies_as_if_a_few_were_not():
    loss = make_loss(min_rate=0.01)
    table = loss._rates.measure(selection_table(0.0, 0.0) / 200)
    assert float(table.variance) == 0.01


def test_multipliers_grow_by_the_time_that_a_violation_lasts():
    once, twice = (make_loss(backoff=1.0, max_price=NEVER) for _ in range(2))  # scales stay at one
    once.update_multipliers(selection_table(0.3, 0.7), 0.01)
    for _ in range(2):
        twice.update_multipliers(selection_table(0.3, 0.7), 0.005)
    assert float(once.multipliers.max()) > 0
    torch.testing.assert_close(once.multipliers, twice.multipliers)


def test_a_violation_that_lasts_as_long_as_decisions_are_remembered_has_twice_the_force():
    loss = make_loss(backoff=1.0)
    loss.update_multipliers(selection_table(0.3, 0.7), 0.0)
    first = net_forces(loss)[1]
    for _ in range(5):
        loss.update_multipliers(selection_table(0.3, 0.7), 0.01)
    assert net_forces(loss)[1] == pytest.approx(2 * first)
    loss.update_multipliers(selection_table(0.3, 0.7), 0.5)  # one update counts for a fifth of that at most
    assert net_forces(loss)[1] == pytest.approx(2.2 * first)


def test_small_groups_are_pushed_less():
    groups = (GroupComparison(1, (0, 1, 2, 3)),)
    loss = make_loss(comparisons=groups)
    table = selection_table(0.2, 0.8, 0.2, 0.8) * torch.tensor([1.0, 1.0, 0.04, 0.04])
    loss.update_multipliers(table, 0.01)
    force = np.abs(net_forces(loss))
    assert force[2] < force[0] / 2
    assert force[3] < force[1] / 2


def scalar_imbalance(centre, values, half_width, down, up, gain):
    """Return how much more the groups are pushed up than down for a window around this centre."""
    total = 0.0
    for value, mu_down, mu_up, rho in zip(values, down, up, gain, strict=True):
        total += max(0.0, mu_up + rho * (centre - value - half_width))
        total -= max(0.0, mu_down + rho * (value - centre - half_width))
    return total


def bisected(function, low, high):
    """Return the middle of where an increasing function is zero."""
    ends = []
    for is_left in (lambda y: y < -1e-12, lambda y: y <= 1e-12):
        a, b = low, high
        for _ in range(200):
            middle = (a + b) / 2
            a, b = (middle, b) if is_left(function(middle)) else (a, middle)
        ends.append(a)
    return sum(ends) / 2


def test_the_centre_balances_forces_up_and_down():
    """Against bisection of the plain sum, for many windows at once; some groups take no part."""
    rng = np.random.default_rng(0)
    values = rng.random((5, 3, 6))
    half_width = rng.choice([0.01, 0.2, 0.6], (5, 3, 1))
    gain = rng.random((5, 3, 6)) * (rng.random((5, 3, 6)) > 0.2)
    multipliers = rng.random((2, 5, 3, 6)) * (rng.random((2, 5, 3, 6)) > 0.6) * gain
    lead = multipliers / np.where(gain, gain, 1)
    found = balanced_centre(*map(torch.from_numpy, (values, half_width, lead, gain))).numpy()
    for i, j in np.ndindex(5, 3):
        args = values[i, j], half_width[i, j, 0], *multipliers[:, i, j], gain[i, j]
        centre = bisected(lambda c, args=args: scalar_imbalance(c, *args), -9.0, 9.0)
        assert found[i, j, 0] == pytest.approx(centre, abs=1e-9)


def test_rates_are_measured_as_those_of_single_groups():
    """Values and slopes against the Rate itself, one group at a time, and against difference quotients."""
    constraints = [get_constraint(name) for name in ("equalized_odds", "predictive_parity")]
    rates = [rate for constraint in constraints for rate in constraint.rates]
    pairs = [(rate, bound) for bound in (Bound(difference=0.1), Bound(ratio=0.8)) for rate in rates]
    shares = torch.from_numpy(np.random.default_rng(0).random((2, 4, 3))) / 10
    shares[1, :, 2] = 0.0  # a group that has no rows there
    measured = RateTable(pairs, min_rate=1e-3).measure(shares)

    def value_of(j, cells):
        rate, bound = pairs[j]
        value = float(rate(dict(zip(("tp", "fp", "fn", "tn"), cells, strict=True))))
        return value if bound.comparison == "difference" else np.log(value)

    for i, j, g in np.ndindex(2, len(pairs), 3):
        assert bool(measured.measured[i, j, g]) == (i != 1 or g != 2)
        if (i, g) == (1, 2):
            continue
        cells = shares[i, :, g].numpy()
        assert float(measured.values[i, j, g]) == pytest.approx(value_of(j, cells))
        for label, moved in enumerate(([0, 1, 0, -1], [1, 0, -1, 0])):
            step = 1e-6 * np.array(moved)
            quotient = (value_of(j, cells + step) - value_of(j, cells - step)) / 2e-6
            assert float(measured.slopes[i, j, label, g]) == pytest.approx(quotient, rel=1e-6, abs=1e-6)


# --- a loop of one's own ---------------------------------------------------------------------------------


def linear_rows(n=1500, seed=0):
    """Return features, of which the first tells the group, and the target of a loss."""
    generator = torch.Generator().manual_seed(seed)
    group = (torch.rand(n, generator=generator) < 0.4).long()
    X = torch.randn(n, 3, generator=generator)
    X[:, 0] += 1.5 * group
    noise = torch.randn(n, generator=generator)
    return X, {"y": (X[:, 0] + X[:, 1] + noise > 0.5).long(), "group": group}


def gap(net, X, group):
    selected = net(X).argmax(1).double()
    return abs(float(selected[group == 1].mean() - selected[group == 0].mean()))


def trained_by_hand(criterion, batch_size, steps, X, target, lr=0.02):
    torch.manual_seed(0)
    net = torch.nn.Linear(3, 2)
    optimizer = torch.optim.Adam(net.parameters(), lr=lr)
    for step in range(steps):
        rows = torch.randint(len(X), (batch_size,)) if batch_size < len(X) else torch.arange(len(X))
        batch = {name: values[rows] for name, values in target.items()}
        logits = net(X[rows])
        optimizer.zero_grad()
        criterion(logits, batch).backward()
        optimizer.param_groups[0]["lr"] = lr * (1 - 0.98 * step / steps)
        optimizer.step()
        criterion.update(logits, batch)
    return net


@pytest.mark.parametrize(("batch_size", "steps"), [(1500, 300), (100, 600)])
def test_a_loop_of_ones_own_is_held_to_the_bound(batch_size, steps):
    X, target = linear_rows()
    net = trained_by_hand(BoundedLoss(max_difference=0.1, n_updates=steps), batch_size, steps, X, target)
    assert gap(net, X, target["group"]) < 0.12
    free = trained_by_hand(BoundedLoss(max_difference=1.0, n_updates=steps), batch_size, steps, X, target)
    assert gap(free, X, target["group"]) > 0.3


def test_counts_of_decisions_forget_by_the_part_of_the_training():
    _, target = linear_rows(4)
    target = {"y": torch.tensor([1, 0, 1, 0]), "group": torch.tensor([0, 0, 1, 1])}
    logits = torch.tensor([[0.0, 1.0], [0.0, 1.0], [1.0, 0.0], [1.0, 0.0]])
    loss = BoundedLoss(n_updates=100, controller=Controller(memory=0.05))  # five updates
    for _ in range(3):
        loss.update(logits, target)
    kept = 1 + 0.8 + 0.8**2
    assert loss.counts[0].numpy() == pytest.approx(kept * np.array([[1, 0], [1, 0], [0, 1], [0, 1]]))
    few = BoundedLoss(n_updates=4)  # a quarter of the training is more than is remembered
    for _ in range(3):
        few.update(logits, target)
    assert float(few.counts.sum()) == 4


def test_weights_count_in_the_decisions_that_update_is_given():
    target = {
        "y": torch.tensor([1, 0, 1]),
        "group": torch.tensor([0, 0, 1]),
        "weight": torch.tensor([2.0, 3, 4]),
    }
    loss = BoundedLoss(n_updates=1)
    loss.update(torch.tensor([[0.0, 1.0], [1.0, 0.0], [1.0, 0.0]]), target)
    assert loss.counts[0].tolist() == [[2, 0], [0, 0], [0, 4], [3, 0]]


def test_the_state_of_a_loss_goes_on_in_another():
    X, target = linear_rows()
    losses = [BoundedLoss("equalized_odds", max_difference=0.05, n_updates=10) for _ in range(2)]
    logits = torch.stack([-X[:, 0], X[:, 0]], 1)
    for _ in range(3):
        losses[0].update(logits, target)
    losses[1].load_state_dict(losses[0].state_dict())
    for loss in losses:
        loss.update(-logits, target)
    first, second = losses
    assert all(torch.equal(value, second.state_dict()[name]) for name, value in first.state_dict().items())
    assert torch.equal(first(logits, target), second(logits, target))


def test_until_an_update_the_loss_is_the_cross_entropy():
    X, target = linear_rows()
    expected = torch.nn.functional.cross_entropy(X[:, :2], target["y"])
    torch.testing.assert_close(BoundedLoss(n_updates=9)(X[:, :2], target), expected)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"n_groups": 0}, "n_groups must be at least 1"),
        ({"n_updates": 0}, "n_updates must be at least 1"),
        ({"max_difference": 0.1, "min_ratio": 0.8}, "Give max_difference or min_ratio, not both"),
    ],
)
def test_what_a_loss_cannot_be_made_of(params, message):
    with pytest.raises(ValueError, match=message):
        BoundedLoss(**params)


def test_updates_need_to_know_their_number_and_codes_that_there_are():
    X, target = linear_rows()
    with pytest.raises(ValueError, match="give n_updates to the loss"):
        BoundedLoss().update(X[:, :2], target)
    loss = BoundedLoss(n_updates=10)
    for call in (loss, loss.update):
        with pytest.raises(ValueError, match="The target has the group 2, but n_groups is 2"):
            call(X[:, :2], {**target, "group": target["group"] + 1})
        with pytest.raises(ValueError, match="it has no 'group'"):
            call(X[:, :2], {"y": target["y"]})


# --- settings of the controller --------------------------------------------------------------------------


def test_the_settings_are_those_that_have_tests():
    assert {field.name for field in fields(Controller)} == {
        "gain",
        "memory",
        "backoff",
        "max_price",
        "shrink",
        "min_rate",
        "update_interval",
    }


def test_without_growth_a_bound_is_approached_but_not_met():
    data = make_rows()
    assert violation(data) <= 0
    assert violation(data, memory=NEVER) > 0.03


def test_small_groups_in_few_full_steps_need_the_gain():
    X, y, group = make_rows(800)
    town = np.random.default_rng(7).choice(["n", "s", "w"], 800)
    X[:, 1] += 0.9 * (town == "w")
    y = (X[:, 0] + X[:, 1] + np.random.default_rng(8).normal(size=800) > 0.6).astype(int)
    data, params = (X, y, np.column_stack([group, town])), {"max_difference": 0.08}
    assert violation(data, params=params) <= 0
    assert violation(data, params=params, gain=0.01) > 0


def scales(loss, *updates):
    """Return the scale of the forces after updates with these rates, a fifth of the memory apart."""
    found = []
    for rates in updates:
        loss.update_multipliers(selection_table(*rates), 0.01)
        found.append(float(loss.step_scale))
    return found


FAR, OVER, INSIDE = (0.3, 0.7), (0.7, 0.3), (0.5, 0.55)


def test_forces_grow_while_a_violation_lasts_and_return_to_their_size():
    pace = 0.7**-0.1  # in twice the memory, what one turn takes away
    found = scales(make_loss(), FAR, FAR, INSIDE, INSIDE, INSIDE)
    assert found == pytest.approx([pace, pace**2, pace, 1, 1])


def test_forces_stop_growing_where_training_goes_on_without_end():
    found = scales(make_loss(max_price=NEVER), *[FAR] * 300)
    assert found[99] == pytest.approx(0.7**-10)  # all of one training
    assert found[-1] == pytest.approx(0.7**-10)


def test_however_long_ago_the_last_update_was_it_counts_for_a_fifth_of_the_memory():
    once, late, soon = (make_loss() for _ in range(3))
    for loss, elapsed in ((once, 0.2 * Controller().memory), (late, 1.0), (soon, 0.1 * Controller().memory)):
        loss.update_multipliers(selection_table(*FAR), elapsed)
    assert torch.equal(once.forces, late.forces)
    assert soon.forces.max() < once.forces.max()


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_on_rows_held_out_scales_grow_only_where_violations_are_beyond_chance():
    # Rates of .4 and .6: .05 outside of the window. The larger of two normal deviations is .59 on average.
    for rows, grows in ((20, False), (100, True)):
        assert (0.59 * np.sqrt(0.25 / rows) < 0.05) == grows
        loss = make_loss()
        loss.is_held_out = True
        for _ in range(5):
            loss.update_multipliers(selection_table(0.4, 0.6, rows=rows), 0.01)
        assert (float(loss.step_scale) > 1) == grows
    loss.update_multipliers(selection_table(0.6, 0.4), 0.01)
    assert float(loss.step_scale) < 1  # they shrink where violations turn over
    X, y, group = make_rows(600)
    for bound_on in ("training", "held_out"):
        net = FairClassifier(bound_on=bound_on, max_difference=0.2, max_epochs=20, random_state=0)
        net.fit(X, y, sensitive_features=group)
        assert net.net_.criterion_.is_held_out == (bound_on == "held_out")


@pytest.mark.parametrize("class_weight", [None, torch.tensor([1.0, 3.0])])
def test_forces_end_where_a_positive_decision_costs_two_on_average(class_weight):
    loss = BoundedLoss(max_difference=0.05, class_weight=class_weight)
    shares = torch.tensor([[0.05, 0.5], [0.05, 0.2], [0.05, 0.0], [0.05, 0.1]], dtype=torch.float64)[None]
    for _ in range(400):
        loss.update_multipliers(shares, 0.01)
    # The shares of the groups and labels, in the order of the prices: without the label, then with it.
    rows = torch.stack([shares[0, 1] + shares[0, 3], shares[0, 0] + shares[0, 2]], 1).flatten()
    paid = (loss.prices[0] * rows).view(2, 2).sum(1)
    most = 2.0 if class_weight is None else 6.0  # an error on a row of the heavier class counts three times
    assert paid.tolist() == pytest.approx([-most, most])
    # A price of two is where the decision about a row of certain label turns.
    p = np.linspace(0.01, 0.99, 99)
    assert p[np.argmin(-np.log(p) + 2 * p)] == pytest.approx(0.5)


def test_forces_shrink_when_violations_turn_over():
    pace = 0.7**-0.1
    found = scales(make_loss(), FAR, OVER, INSIDE, INSIDE, FAR)
    # Where nothing is outside, the sides of before are remembered.
    turned = 0.7 * np.sqrt(pace)  # a turn takes back half of what scales had grown as well
    assert found == pytest.approx([pace, turned, turned * pace, turned * pace**2, turned * pace**2 * 0.7])
    assert scales(make_loss(), FAR, OVER, *[INSIDE] * 20)[-1] == 1.0


def test_tight_bounds_on_two_rates_are_met(most_of_adult):
    params = {"constraint": "equalized_odds", "max_difference": 0.02}
    assert violation(most_of_adult, 11, params) < 0.005


def violations(data, params, **settings):
    return [max(0, violation(data, seed, params, **settings)) for seed in range(4)]


def test_few_small_batches_need_the_gain():
    data = make_rows(2000)
    params = {"max_epochs": 2, "batch_size": 16, "lr": 0.01, "max_difference": 0.02}
    assert np.mean(violations(data, params)) < 0.04
    assert np.mean(violations(data, params, gain=0.05)) > 0.1


def test_few_epochs_need_updates_within_them():
    data, params = make_rows(2000), {"max_epochs": 5, "lr": 0.02, "max_difference": 0.02}
    assert np.mean(violations(data, params)) < 0.02
    assert np.mean(violations(data, params, update_interval=10**6)) > 0.05


def test_a_ratio_to_no_one_selected_is_held_as_if_a_few_were():
    def force(rate, **settings):
        loss = BoundedLoss(min_ratio=0.8, controller=Controller(**settings))
        loss.update_multipliers(selection_table(rate, 0.5), 0.01)
        return net_forces(loss)

    assert np.isfinite(force(0.0)).all()
    assert force(0.0) == pytest.approx(force(1e-6), rel=1e-3)
    assert abs(force(1e-6, min_rate=1e-9)[0]) < 0.01 * abs(force(1e-6)[0])  # hardly moved any more


def test_a_strong_net_with_few_epochs_needs_decisions_to_be_forgotten(adult):
    X, y, frame = adult
    params = {"max_epochs": 2, "batch_size": 32, "hidden_layer_sizes": (256, 256), "lr": 0.004}
    data = X, y, frame["sex"]
    exceeded, without = (
        [violation(data, seed, params, **settings) for seed in (1, 2)] for settings in ({}, {"memory": 1.0})
    )
    assert np.mean(exceeded) < 0.015
    assert np.mean(without) > 0.025


def test_ratios_of_many_classes_need_multipliers_with_an_end():
    data, params = make_rows(600, n_classes=3), {"min_ratio": 0.95}
    assert violation(data, params=params) <= 0
    assert violation(data, params=params, max_price=NEVER) > 0.1  # a class is never predicted


def planted_gap(n, share, leads, seed=0):
    """Return rows of which this share is positive, in groups whose features lead by so much."""
    rng = np.random.default_rng(seed)
    group = rng.integers(0, len(leads), n)
    X = rng.normal(size=(n, 6))
    X[:, 0] += np.array(leads)[group]
    score = 3 * X[:, 0] + 2 * X[:, 1] + 2 * X[:, 2] + rng.logistic(size=n)
    return X, (score > np.quantile(score, 1 - share)).astype(int), group.astype(str)


@pytest.mark.parametrize(
    ("share", "leads", "params"),
    [
        (0.06, (-0.8, -0.3, 0.3, 0.8), {"max_difference": 0.02}),
        (0.02, (-0.7, 0.7), {"max_difference": 0.05, "class_weight": "balanced"}),
    ],
    ids=["four groups of few positives", "classes weighed evenly"],
)
def test_bounds_on_rare_decisions_are_met_in_the_default_epochs(share, leads, params):
    data = planted_gap(6000, share, leads)
    assert violation(data, params=params) < 0.003


@pytest.mark.parametrize(
    ("data", "params"),
    [
        (make_rows(1500), {"max_difference": 0.02, "max_epochs": 3}),
        (planted_gap(6000, 0.02, (-0.7, 0.7)), {"class_weight": "balanced", "max_epochs": 4}),
    ],
    ids=["few steps", "classes weighed evenly"],
)
def test_the_advice_of_the_warning_works(data, params):
    X, y, group = data
    net = FairClassifier(bound_on="training", random_state=0, **params)
    with pytest.warns(ConvergenceWarning, match="it should be at most") as caught:
        net.fit(X, y, sensitive_features=group)
    [message] = [str(each.message) for each in caught if each.category is ConvergenceWarning]
    advised = int(re.search(r"Train longer \(max_epochs=(\d+)\)", message)[1])
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        net.set_params(max_epochs=advised).fit(X, y, sensitive_features=group)
    assert max(part.violation for part in net.report_.worst) <= 0


def test_the_window_is_narrower_than_the_bound():
    at_the_bound = selection_table(0.5, 0.6)
    kept, exact = make_loss(), make_loss(shrink=0.0)
    for loss in (kept, exact):
        loss.update_multipliers(at_the_bound, 0.01)
    assert net_forces(kept)[1] > 0
    assert net_forces(exact)[1] == pytest.approx(0, abs=1e-12)
    many = make_loss(comparisons=(GroupComparison(1, tuple(range(8))),))
    many.update_multipliers(selection_table(*[0.5, 0.6] * 4), 0.01)
    assert np.abs(net_forces(many)).sum() > np.abs(net_forces(kept)).sum()  # room grows with their number


class Updates(Callback):
    """Counts updates: for every batch, how many there have been."""

    def __init__(self):
        self.n_updates, self.counts = 0, []

    def on_train_begin(self, net, **kwargs):
        update = net.criterion_.update_multipliers

        def count(*args, **kwargs):
            self.n_updates += 1
            return update(*args, **kwargs)

        net.criterion_.update_multipliers = count

    def on_batch_end(self, net, training=False, **kwargs):
        self.counts.append(self.n_updates)


def update_times(data, settings, **params):
    X, y, group = data
    net = FairClassifier(
        random_state=0,
        callbacks=[("updates", Updates())],
        net_params={"criterion__controller": Controller(**settings)},
        **params,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        net.fit(X, y, sensitive_features=group)
    return dict(net.net_.callbacks_)["updates"].counts


def test_multipliers_are_updated_every_few_steps():
    data, params = make_rows(), {"batch_size": 20, "max_epochs": 2}  # 20 steps in each epoch
    often = update_times(data, {}, **params)
    assert len(set(often)) == 8  # after 5, 10 and 15 steps and at the end; the last one is not seen here
    rarely = update_times(data, {"update_interval": 10}, **params)
    assert len(set(rarely)) == 4
    always = update_times(data, {"update_interval": 1}, **params)
    assert len(set(always)) > 30


# --- the schedule ----------------------------------------------------------------------------------------


def schedule(n_samples, n_bounds=1, **params):
    data = {"batch_size": "auto", "max_epochs": "auto", "early_stopping": False, "net_params": {}, **params}
    bounds = (BoundedConstraint(get_constraint("demographic_parity"), Bound(difference=0.1)),) * n_bounds
    rest = dict.fromkeys(field.name for field in fields(TrainingPlan))
    plan = TrainingPlan(
        **{**rest, **data, "n_samples": n_samples, "bounds": bounds, "is_bounded": True, "is_partial": False}
    )
    return plan.schedule


def test_the_defaults_are_those_that_have_tests():
    assert {field.name for field in fields(Defaults)} == {
        "full_batch",
        "batches_per_epoch",
        "min_batch_size",
        "max_batch_size",
        "min_batch_size_in_few_epochs",
        "epochs",
        "min_steps",
        "min_full_steps",
        "few_steps",
        "final_lr",
        "full_final_lr",
        "late_part",
        "weight_scale",
        "predicted_per_trained",
        "tried_rows",
        "n_folds",
    }


@pytest.mark.parametrize(
    ("n_samples", "batch_size"),
    [
        (1024, 1024),  # all rows at once
        (1025, 128),  # else batches of 128 at least
        (20_000, 500),  # 40 of them
        (200_000, 2048),  # of 2048 at most
    ],
)
def test_batches_follow_from_the_number_of_rows(n_samples, batch_size):
    assert schedule(n_samples).batch_size == batch_size


@pytest.mark.parametrize(
    ("n_samples", "n_bounds", "n_epochs"),
    [
        (1000, 1, 250),  # 250 steps over all rows
        (1025, 1, 67),  # 600 steps over batches, of which there are 9
        (20_000, 1, 25),  # 25 epochs for each bound
        (20_000, 3, 75),
    ],
)
def test_epochs_follow_from_steps_and_bounds(n_samples, n_bounds, n_epochs):
    assert schedule(n_samples, n_bounds).n_epochs == n_epochs


@pytest.mark.parametrize(
    ("n_samples", "max_epochs", "batch_size"),
    [
        (4000, 3, 48),  # 250 steps in all
        (1000, 2, 16),  # but no batch of less than 16 rows
        (4000, 10, 100),  # ten epochs of 40 are enough
        (4, 1, 4),
    ],
)
def test_few_epochs_have_small_batches(n_samples, max_epochs, batch_size):
    assert schedule(n_samples, max_epochs=max_epochs).batch_size == batch_size


def test_a_module_of_the_user_predicts_for_few_batches_at_once():
    rest = dict.fromkeys(field.name for field in fields(TrainingPlan))
    numbers = {
        "n_samples": 5000,
        "batch_size": 100,
        "max_epochs": 1,
        "early_stopping": False,
        "is_partial": False,
        "net_params": {},
    }
    assert TrainingPlan(**{**rest, **numbers, "bounds": (), "module": torch.nn.Linear}).rows_at_once == 400
    assert TrainingPlan(**{**rest, **numbers, "bounds": ()}).rows_at_once == LARGE_BATCH


class Sizes(torch.nn.Module):
    """Notes for how many rows it is called."""

    seen: ClassVar[list[int]] = []

    def __init__(self, n_features, n_classes):
        super().__init__()
        self.linear = torch.nn.Linear(n_features, n_classes)

    def forward(self, X):
        self.seen.append(len(X))
        return self.linear(X)


@pytest.mark.parametrize(("batch_size", "memory"), [(100, 0.75), (4, 0.98)])
def test_a_module_is_tried_on_few_rows_and_sums_remember_an_epoch_or_fifty_batches(batch_size, memory):
    X, y, group = make_rows()
    Sizes.seen.clear()
    net = FairClassifier(Sizes, penalty_weight=1.0, batch_size=batch_size, max_epochs=1, random_state=0)
    net.fit(X, y, sensitive_features=group)
    assert Sizes.seen[:2] == [64, batch_size]
    assert net.net_.criterion_.memory == pytest.approx(memory)


def test_outputs_of_batches_are_counted_many_at_a_time():
    criterion, running = FairLoss(n_groups=2), _RunningEvaluation()
    rng = np.random.default_rng(0)
    batches = []
    for _ in range(3):
        n = 4 * LARGE_BATCH
        logits = torch.from_numpy(rng.normal(size=(n, 2)))
        target = {name: torch.from_numpy(rng.integers(0, 2, n)) for name in ("y", "group")}
        batches.append((logits, target))
        running.add(criterion, logits, target)
    assert (len(running.sums), len(running.waiting)) == (1, 1)
    parts = [EvaluationSums.from_logits(criterion, *batch) for batch in batches]
    assert running.total(criterion).loss == pytest.approx(sum(part.loss for part in parts))


def test_a_tenth_is_held_out_from_ten_thousand_rows_on():
    assert schedule(9_999, early_stopping="auto").n_trained == 9_999
    assert schedule(10_000, early_stopping="auto").n_trained == 9_000
    assert schedule(100, early_stopping=True).n_trained == 90
    # A split of the user's takes its place.
    assert schedule(10_000, early_stopping="auto", net_params={"train_split": None}).n_trained == 10_000


def test_parameters_of_the_loader_count_in_the_schedule():
    assert schedule(1000, net_params={"iterator_train__batch_size": 300}).steps_per_epoch == 4
    assert schedule(1000, batch_size=300, net_params={"iterator_train__drop_last": True}).steps_per_epoch == 3
    assert schedule(100, batch_size=300, net_params={"iterator_train__drop_last": True}).steps_per_epoch == 1


@pytest.mark.parametrize(("batch_size", "part"), [(200, 0.02), (-1, 0.3)], ids=["batches", "all rows"])
@pytest.mark.parametrize("max_epochs", [3, 30], ids=["few", "many"])
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_the_learning_rate_ends_low_but_not_where_all_rows_are_one_batch(batch_size, part, max_epochs):
    X, y, group = make_rows()
    net = FairClassifier(batch_size=batch_size, max_epochs=max_epochs, lr=0.01, random_state=0)
    net.fit(X, y, sensitive_features=group)
    last, _ = net.net_.optimizer_.param_groups
    assert last["lr"] == pytest.approx(part * 0.01, rel=0.02)


def test_under_a_bound_an_early_epoch_is_never_kept():
    """Before the last quarter learning rates are high, and nets know next to nothing."""
    X, y, group = make_rows(150)
    X = np.column_stack([X, np.random.default_rng(1).normal(size=(150, 30))])  # room to overfit
    net = FairClassifier(early_stopping=True, max_difference=0.9, lr=0.02, random_state=0)
    net.fit(X, y, sensitive_features=group)
    losses = [record["valid_task_loss"] for record in net.history_]
    assert 1 + int(np.argmin(losses)) < net.n_iter_ / 2
    assert net.best_epoch_ > 0.75 * net.n_iter_


# --- few rows --------------------------------------------------------------------------------------------


def make_noisy_rows(n, seed):
    """Return 20 features, of which 6 tell of the label and 4 of the group as well."""
    rng = np.random.default_rng(seed)
    group = rng.integers(0, 2, n)
    X = rng.normal(size=(n, 20)).astype(np.float32)
    X[:, :4] += 0.5 * group[:, None]
    return X, (X[:, :6].sum(axis=1) + 2 * rng.normal(size=n) > 1).astype(int), group


def decays(classifier, partial=False):
    """Return the weight decay of weight matrices, and that of biases."""
    X, y, group = make_noisy_rows(200, 0)
    method = classifier.partial_fit if partial else classifier.fit
    net = method(X, y, sensitive_features=group).net_
    biases = {id(value) for name, value in net.module_.named_parameters() if name.endswith("bias")}
    found = {True: set(), False: set()}
    for part in net.optimizer_.param_groups:
        for value in part["params"]:
            found[id(value) in biases].add(part["weight_decay"])
    return *found[False], *found[True]


def test_weights_of_the_default_net_decay_by_the_number_of_rows():
    settings = {"max_epochs": 2, "penalty_weight": 1.0, "random_state": 0}
    assert decays(FairClassifier(**settings)) == (pytest.approx(1 / (200 * 0.5**2)), 0.0)
    held_out = FairClassifier(**settings, early_stopping=True)
    assert decays(held_out) == (pytest.approx(1 / (180 * 0.5**2)), 0.0)
    assert decays(FairClassifier(**settings), partial=True) == (0.0, 0.0)  # of a stream
    assert decays(FairClassifier(torch.nn.Linear(20, 2), **settings)) == (0, 0)
    assert decays(FairClassifier(**settings, optimizer=torch.optim.AdamW)) == (0.01, 0.01)  # torch's own
    mine = FairClassifier(**settings, net_params={"optimizer__weight_decay": 0.25})
    assert decays(mine) == (0.25, 0.25)
    own_groups = {"optimizer__param_groups": [("*weight", {"weight_decay": 0.5})]}
    assert decays(FairClassifier(**settings, net_params=own_groups)) == (0.5, 0)
    # Whole weights are numbers of rows; others have proportions only.
    X, y, group = make_noisy_rows(200, 0)
    for weight, n in ((np.full(200, 3.0), 600), (np.full(200, 2.5), 200)):
        weighted = FairClassifier(**settings).fit(X, y, sensitive_features=group, sample_weight=weight)
        found = max(part["weight_decay"] for part in weighted.net_.optimizer_.param_groups)
        assert found == pytest.approx(1 / (n * 0.5**2))
    # A fit, and then a stream, go on with one optimizer.
    first = FairClassifier(**settings)
    assert decays(first) == decays(first, partial=True)


def test_decay_keeps_a_net_from_learning_few_rows_by_heart():
    ratios = []
    for seed in range(2):
        X, y, group = make_noisy_rows(3300, seed)
        losses = []
        for net_params in ({}, {"optimizer__weight_decay": 0.0}):
            fair = FairClassifier(penalty_weight=1.0, random_state=seed, net_params=net_params)
            fair.fit(X[:300], y[:300], sensitive_features=group[:300])
            losses.append(-np.log(fair.predict_proba(X[300:])[np.arange(3000), y[300:]]).mean())
        ratios.append(losses[0] / losses[1])
    assert np.mean(ratios) < 0.8  # weights of unit scale reach .9


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_decay_leaves_few_texts_under_a_bound_something_to_learn():
    """Entries of normalized texts are small, and their weights large; at .3 all get the same prediction."""
    rng = np.random.default_rng(1)
    words = np.minimum(rng.exponential(60, (1300, 12)).astype(int), 399)
    of_words, group = rng.normal(size=400), rng.integers(0, 2, 1300)
    score = of_words[words].sum(axis=1) / 2 + 0.5 * group + rng.logistic(size=1300)
    entries = np.full(words.size, 12**-0.5), (np.repeat(np.arange(1300), 12), words.ravel())
    X, y = sparse.csr_array(entries, shape=(1300, 400)), (score > np.median(score)).astype(int)
    fair = FairClassifier(max_difference=0.05, random_state=1)
    fair.fit(X[:300], y[:300], sensitive_features=group[:300])
    assert fair.score(X[300:], y[300:]) > 0.57
