"""What penalties measure, which way they push, and the loss that adds them to the cross-entropy."""

from __future__ import annotations

import ast
import pickle
import re
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import stats
from scipy.optimize import brentq, minimize
from scipy.special import expit, logit, rel_entr
from sklearn.base import clone
from skorch import NeuralNet
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader

import fairsk.neural._penalties
from fairsk import Constraint, FairClassifier, FairLoss, Rate
from fairsk.neural import BoundedLoss, register_penalty
from fairsk.neural._batches import Batches
from fairsk.neural._comparisons import GroupComparison
from fairsk.rates import CELLS, CONSTRAINTS, RATES, get_constraint, soft_cells

ON_RATES = ["squared_gap", "absolute_gap", "ermi", "mutual_information"]
ON_DISTRIBUTIONS = ["kl_projection", "hsic", "mmd", "wasserstein"]
BUILT_IN = [*ON_RATES, *ON_DISTRIBUTIONS, "covariance"]


def gap_of_means(probabilities, labels, groups):
    """Return the largest less the smallest mean."""
    means = torch.stack([probabilities[groups == g].mean() for g in groups.unique()])
    return means.max() - means.min()


def spread_of_weighted_means(probabilities, labels, groups, sample_weight):
    """Return how far the groups' weighted means are from the mean of all, squared."""
    overall = (probabilities * sample_weight).sum() / sample_weight.sum()
    total = 0 * overall
    for g in groups.unique():
        weight = sample_weight * (groups == g)
        total = total + ((probabilities * weight).sum() / weight.sum() - overall) ** 2
    return total


PENALTIES = [*BUILT_IN, spread_of_weighted_means]

#: Part of the labels counts twice, so that outcomes are not just probabilities.
OWN = Constraint("alarm_parity", [Rate("alarm_rate", "2*tp+fp", "2*tp+2*fn+fp+tn")])
#: Denominators that follow from the labels, so that every penalty can treat them, and others.
FIXED = ["demographic_parity", "equalized_odds", "error_rate_parity", OWN]
FREE = ["predictive_parity", "f1_parity"]
CASES = [
    pytest.param(penalty, constraint, id=f"{getattr(penalty, '__name__', penalty)}-{constraint_id}")
    for penalty in PENALTIES
    for constraint in [*FIXED, *FREE]
    for constraint_id in [getattr(constraint, "name", constraint)]
    if constraint not in FREE or penalty not in ("kl_projection", "covariance")
]


def make_target(n, seed=0, k=3, n_classes=2):
    """Return the target of some rows of k groups, and logits that differ between these."""
    rng = np.random.default_rng(seed)
    group = rng.integers(0, k, n)
    target = {
        "y": torch.tensor(rng.integers(0, n_classes, n)),
        "group": torch.tensor(group),
        "weight": torch.tensor(rng.integers(1, 4, n).astype(float)),
    }
    logits = rng.normal(size=(n, n_classes)) + 0.7 * group[:, None] * (np.arange(n_classes) == 1)
    return torch.tensor(logits), target


def take(logits, target, rows):
    return logits[rows], {name: values[rows] for name, values in target.items()}


def make_loss(penalty, constraint="demographic_parity", n_groups=3, **params):
    """Return the loss in double precision, with a penalty weight of one."""
    params = {"penalty_weight": 1.0, "memory": 0.0, **params}
    return FairLoss(constraint, n_groups=n_groups, penalty=penalty, **params).double()


def fairness(loss, logits, target):
    """Return what the loss adds to the cross-entropy."""
    return loss(logits, target) - loss.task_loss(logits.log_softmax(1), target)


def measure(penalty, constraint, logits, target, n_groups=3, **params):
    """Return the penalty of these rows alone."""
    return float(fairness(make_loss(penalty, constraint, n_groups, **params).eval(), logits, target))


def push(loss, logits, target):
    """Return the gradient of the fairness term."""
    logits = logits.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(fairness(loss.train(), logits, target), logits)
    return gradient


def two_columns(probabilities):
    """Return logits of two classes that mean these probabilities of the second."""
    p = torch.as_tensor(probabilities, dtype=torch.float64)
    return torch.stack([(1 - p).log(), p.log()], 1)


def outcomes_of(rate, logits, target):
    """Return what each row adds to a rate per unit of its denominator, and how much it has of this."""
    cells = soft_cells(logits.softmax(1)[:, 1].numpy(), target["y"].numpy())
    support = rate.support(cells)
    return np.divide(rate.part(cells), support, out=np.zeros(len(support)), where=support > 0), support


def soft_tables(rate, logits, target):
    """Return the weighted part and the rest of each group's denominator."""
    cells = soft_cells(logits.softmax(1)[:, 1].numpy(), target["y"].numpy())
    group, weight = target["group"].numpy(), target["weight"].numpy()
    sums = {cell: np.bincount(group, cells[cell] * weight) for cell in CELLS}
    return np.stack([rate.part(sums), rate.support(sums) - rate.part(sums)])


# --- gradients ------------------------------------------------------------------------------------------


def check_gradient(loss, logits, target):
    """Compare the gradient of training with differences of the value of evaluation, in random directions."""
    gradient = torch.autograd.grad(loss.train()(logits.requires_grad_(), target), logits)[0]
    exact = torch.autograd.grad(loss.eval()(logits, target), logits)[0]
    torch.testing.assert_close(gradient, exact, rtol=1e-9, atol=1e-12)
    step, draw = 1e-6, torch.Generator().manual_seed(0)
    with torch.no_grad():
        for _ in range(6):  # each direction moves every logit
            direction = torch.randn(logits.shape, generator=draw, dtype=torch.float64)
            up, down = (loss(logits + sign * step * direction, target) for sign in (1, -1))
            slope = float((up - down) / (2 * step))
            assert float((gradient * direction).sum()) == pytest.approx(slope, rel=1e-5, abs=1e-8)


@pytest.mark.parametrize(("penalty", "constraint"), CASES)
def test_the_gradient_is_that_of_finite_differences(penalty, constraint):
    check_gradient(make_loss(penalty, constraint, penalty_weight=3.0), *make_target(60))


@pytest.mark.parametrize("penalty", PENALTIES)
def test_the_gradient_of_three_classes_and_two_columns_is_that_of_finite_differences(penalty):
    columns = ((0, 0, 1, 1), (0, 1, -1, 2))  # in the second, one of the four groups takes no part
    comparisons = [GroupComparison(k, index) for k in range(3) for index in columns]
    loss = make_loss(penalty, "equalized_odds", 4, n_classes=3, comparisons=comparisons, penalty_weight=3.0)
    check_gradient(loss, *make_target(120, k=4, n_classes=3))


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("penalty", ["squared_gap", "hsic"])
def test_the_gradient_is_right_with_class_weights_and_without_weights(penalty, n_classes):
    logits, target = make_target(60, n_classes=n_classes)
    class_weight = torch.tensor([1.0, 3.0, 0.5][:n_classes])
    unweighted = {name: values for name, values in target.items() if name != "weight"}
    for params, rows in (({"class_weight": class_weight}, target), ({}, unweighted)):
        check_gradient(make_loss(penalty, n_classes=n_classes, **params), logits, rows)
        ones = {**rows, "weight": torch.ones(len(logits))} if rows is unweighted else rows
        loss = make_loss(penalty, n_classes=n_classes, **params)
        torch.testing.assert_close(loss(logits, rows), loss.eval()(logits, ones))


@pytest.mark.parametrize("penalty", ["squared_gap", "hsic"])
def test_a_term_may_be_added_to_the_loss_in_place(penalty):
    logits, target = make_target(30)
    loss = make_loss(penalty)(logits.requires_grad_(), target)
    before = loss.item()
    loss += (logits**2).sum()
    loss.backward()
    expected = torch.autograd.grad(make_loss(penalty)(logits, target), logits)[0] + 2 * logits
    torch.testing.assert_close(logits.grad, expected)
    assert loss.item() == pytest.approx(before + (logits**2).sum().item())


def test_second_derivatives_are_refused_where_there_are_none():
    logits, target = make_target(30)
    loss = make_loss("squared_gap")(logits.requires_grad_(), target)
    with pytest.raises(RuntimeError, match="no second derivative: leave out create_graph"):
        torch.autograd.grad(loss, logits, create_graph=True)


@pytest.mark.parametrize("penalty", ["squared_gap", "hsic"])
def test_logits_may_be_of_less_precision_than_the_loss(penalty):
    logits, target = make_target(30)
    loss, single = make_loss(penalty), logits.float().requires_grad_()
    loss(single, {**target, "weight": target["weight"].float()}).backward()
    (expected,) = torch.autograd.grad(make_loss(penalty)(logits.requires_grad_(), target), logits)
    torch.testing.assert_close(single.grad.double(), expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("weighted", [True, False])
def test_a_bounded_loss_pushes_each_decision_by_its_price(weighted):
    logits, target = make_target(80, k=4, n_classes=3)
    if not weighted:
        del target["weight"]
    comparisons = [GroupComparison(0, (0, 1, 2, 3)), GroupComparison(2, (0, 1, -1, 1))]
    class_weight = torch.tensor([1.0, 2.0, 0.5])
    params = {"n_classes": 3, "comparisons": comparisons, "class_weight": class_weight}
    loss = BoundedLoss("equalized_odds", n_updates=9, **params).double()
    logits.requires_grad_()
    weight = target.get("weight", torch.ones(80)).double()
    probabilities = logits.softmax(1)
    expected = loss.task_loss(logits.log_softmax(1), target)
    for i, comparison in enumerate(comparisons):
        prices = torch.randn(2 * comparison.n_groups, generator=torch.Generator().manual_seed(i)).double()
        loss.prices[i, : len(prices)] = prices
        place = torch.tensor(comparison.group_index)[target["group"]]
        part = weight * (place >= 0)
        slot = (2 * place + (target["y"] == comparison.class_index)).clamp_min(0)
        paid = (probabilities[:, comparison.class_index] * prices[slot] * part).sum() / part.sum()
        expected = expected + paid
    (exact,) = torch.autograd.grad(expected, logits)
    (gradient,) = torch.autograd.grad(loss(logits, target), logits)
    torch.testing.assert_close(gradient, exact, rtol=1e-9, atol=1e-12)


def test_several_comparisons_and_classes_are_averaged():
    logits, target = make_target(200, k=4, n_classes=3)
    columns = ((0, 0, 1, 1), (0, 1, 0, 1))
    comparisons = [GroupComparison(k, index) for k in range(3) for index in columns]
    params = {"n_groups": 4, "n_classes": 3}
    each = [
        measure("mmd", "equalized_odds", logits, target, comparisons=[one], **params) for one in comparisons
    ]
    together = measure("mmd", "equalized_odds", logits, target, comparisons=comparisons, **params)
    assert together == pytest.approx(np.mean(each))
    assert min(each) > 0


# --- parity ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("penalty", "constraint"), CASES)
def test_groups_of_the_same_rows_have_no_penalty_and_others_have_one(penalty, constraint):
    logits, target = make_target(40, k=1)
    group = torch.arange(3).repeat_interleave(40)
    everyone = {name: values.repeat(3) for name, values in target.items()} | {"group": group}
    assert measure(penalty, constraint, logits.repeat(3, 1), everyone) == pytest.approx(0, abs=1e-12)
    moved = logits.repeat(3, 1)
    moved[group == 2, 1] += 1.0
    assert measure(penalty, constraint, moved, everyone) > 1e-6


@pytest.mark.parametrize("penalty", BUILT_IN)
def test_equal_rates_with_unequal_distributions(penalty):
    """Half of the penalties ask for the same means, the others for the same distributions."""
    logits = two_columns([0.5, 0.5, 0.2, 0.8])
    target = {"y": torch.tensor([0, 1, 0, 1]), "group": torch.tensor([0, 0, 1, 1])}
    value = measure(penalty, "demographic_parity", logits, target, n_groups=2)
    if penalty in ("hsic", "mmd", "wasserstein"):
        assert value > 1e-3
    else:
        assert value == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("penalty", PENALTIES)
def test_a_penalty_follows_the_rate_that_it_is_of(penalty):
    """Positives are treated alike, negatives are not."""
    logits = two_columns([0.3, 0.6, 0.3, 0.6])
    target = {"y": torch.tensor([0, 1, 0, 1]), "group": torch.tensor([0, 0, 1, 1])}
    logits[2, 1] += 1.0
    if penalty in BUILT_IN:
        assert measure(penalty, "equal_opportunity", logits, target, 2) == pytest.approx(0, abs=1e-12)
    assert measure(penalty, "predictive_equality", logits, target, 2) > 1e-3


@pytest.mark.parametrize("penalty", PENALTIES)
def test_one_group_has_nothing_to_be_compared_with(penalty):
    logits, target = make_target(40, k=1)
    loss = make_loss(penalty, "equalized_odds")
    assert float(fairness(loss.train(), logits, target)) == pytest.approx(0, abs=1e-12)
    assert float(fairness(loss.eval(), logits, target)) == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("penalty", PENALTIES)
def test_groups_that_never_occur_change_nothing(penalty):
    logits, target = make_target(80, k=2)
    apart = {**target, "group": 3 * target["group"]}
    expected = measure(penalty, "equal_opportunity", logits, target, n_groups=2)
    assert measure(penalty, "equal_opportunity", logits, apart, n_groups=5) == pytest.approx(expected)
    assert expected > 0


@pytest.mark.parametrize("kind", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("size", [4.0, 20.0, 200.0])
@pytest.mark.parametrize("penalty", BUILT_IN)
def test_predictions_as_certain_as_can_be_are_penalized_with_finite_gradients(penalty, size, kind):
    _, target = make_target(40, k=2)
    sign = 2.0 * target["group"] - 1
    logits = (size * torch.stack([-sign, sign], 1)).to(kind)
    loss = make_loss(penalty, "equalized_odds", 2).to(kind).eval()
    assert float(fairness(loss, logits, target)) > 0.1
    gradient = torch.autograd.grad(loss(logits.requires_grad_(), target), logits)[0]
    assert torch.isfinite(gradient).all()


# --- what each penalty is -------------------------------------------------------------------------------


def rates_of(constraint, logits, target):
    for rate in get_constraint(constraint).rates:
        part, rest = soft_tables(rate, logits, target)
        yield part / (part + rest), np.stack([part, rest])


@pytest.mark.parametrize("constraint", [*FIXED, *FREE], ids=lambda each: getattr(each, "name", each))
def test_gaps_are_means_over_pairs_of_groups(constraint):
    logits, target = make_target(200, k=4)
    squared = absolute = 0.0
    for values, _ in rates_of(constraint, logits, target):
        pairs = np.array([a - b for a, b in combinations(values, 2)])
        squared, absolute = squared + np.mean(pairs**2), absolute + np.mean(np.abs(pairs))
    assert measure("squared_gap", constraint, logits, target, 4) == pytest.approx(squared)
    assert measure("absolute_gap", constraint, logits, target, 4) == pytest.approx(absolute)


@pytest.mark.parametrize("constraint", [*FIXED, *FREE], ids=lambda each: getattr(each, "name", each))
def test_ermi_is_the_chi_square_statistic_per_unit_of_weight(constraint):
    logits, target = make_target(200, k=4)
    tables = [table for _, table in rates_of(constraint, logits, target)]
    expected = sum(stats.chi2_contingency(table, correction=False)[0] / table.sum() for table in tables)
    assert measure("ermi", constraint, logits, target, 4) == pytest.approx(expected)


@pytest.mark.parametrize("constraint", [*FIXED, *FREE], ids=lambda each: getattr(each, "name", each))
def test_mutual_information_is_that_of_groups_and_decisions(constraint):
    logits, target = make_target(200, k=4)
    tables = [table for _, table in rates_of(constraint, logits, target)]
    joint = [table / table.sum() for table in tables]
    expected = sum(rel_entr(p, p.sum(0) * p.sum(1, keepdims=True)).sum() for p in joint)
    assert measure("mutual_information", constraint, logits, target, 4) == pytest.approx(expected)


def embedded(constraint, n=150):
    """Return the outcomes of the rows of three groups under each rate: those that it is measured on."""
    logits, target = make_target(n)
    target = {**target, "weight": torch.ones(n)}
    found = []
    for rate in get_constraint(constraint).rates:
        outcome, support = outcomes_of(rate, logits, target)
        found.append((outcome[support > 0], target["group"].numpy()[support > 0]))
    return logits, target, found


def gaussian(a, b):
    return np.exp(-((a[:, None] - b) ** 2) / (2 * 0.25**2))


WHOLE_ROWS = ["demographic_parity", "equalized_odds", "error_rate_parity"]


@pytest.mark.parametrize("constraint", WHOLE_ROWS)
def test_hsic_is_the_trace_of_the_centred_kernels(constraint):
    logits, target, found = embedded(constraint)
    expected = 0.0
    for outcome, group in found:
        n = len(outcome)
        centre = np.eye(n) - 1 / n
        same = (group[:, None] == group).astype(float)
        expected += np.trace(gaussian(outcome, outcome) @ centre @ same @ centre) / n**2
    assert measure("hsic", constraint, logits, target) == pytest.approx(expected, rel=0.01)


@pytest.mark.parametrize("constraint", WHOLE_ROWS)
def test_mmd_is_the_mean_distance_between_kernel_means(constraint):
    logits, target, found = embedded(constraint)
    expected = 0.0
    for outcome, group in found:
        a = [outcome[group == g] for g in range(3)]
        expected += np.mean(
            [
                gaussian(x, x).mean() + gaussian(z, z).mean() - 2 * gaussian(x, z).mean()
                for x, z in combinations(a, 2)
            ]
        )
    assert measure("mmd", constraint, logits, target) == pytest.approx(expected, rel=0.01)


@pytest.mark.parametrize("constraint", WHOLE_ROWS)
def test_wasserstein_is_the_mean_distance_between_distributions(constraint):
    logits, target, found = embedded(constraint)
    expected = 0.0
    for outcome, group in found:
        a = [outcome[group == g] for g in range(3)]
        expected += np.mean([stats.wasserstein_distance(x, z) for x, z in combinations(a, 2)])
    assert measure("wasserstein", constraint, logits, target) == pytest.approx(expected, rel=0.02)


@pytest.mark.parametrize("constraint", ["demographic_parity", "equal_opportunity", "error_rate_parity"])
def test_kl_projection_is_the_divergence_to_the_closest_predictions_with_equal_rates(constraint):
    """Found by brute force: whatever predictions of each group have the rate of all, not tilted ones only."""
    logits, target, [(outcome, group)] = embedded(constraint, n=45)
    expected = 0.0

    def divergence(q, p):
        return (rel_entr(q, p) + rel_entr(1 - q, 1 - p)).sum()

    for g in range(3):
        p = outcome[group == g]
        closest = minimize(
            divergence,
            np.full(len(p), outcome.mean()),
            args=(p,),
            jac=lambda q, p: np.log(q / p) - np.log((1 - q) / (1 - p)),
            bounds=[(1e-6, 1 - 1e-6)] * len(p),
            constraints={"type": "eq", "fun": lambda q: q.mean() - outcome.mean()},
            method="SLSQP",
            options={"ftol": 1e-12, "maxiter": 500},
        )
        assert closest.success
        expected += closest.fun / len(outcome)
    assert measure("kl_projection", constraint, logits, target) == pytest.approx(expected, rel=0.01)


@pytest.mark.parametrize("far", [0.002, 0.5, 0.9995])
def test_kl_projection_finds_tilts_however_far_they_are(far):
    """A group of equal predictions is moved to the rate of all as it is."""
    p = np.repeat([far, 0.4], [90, 10])
    target = {"y": torch.arange(100) % 2, "group": torch.tensor(np.repeat([0, 1], [90, 10]))}
    mean = p.mean()
    expected = np.mean(rel_entr(mean, p) + rel_entr(1 - mean, 1 - p))
    found = measure("kl_projection", "demographic_parity", two_columns(p), target, 2)
    assert found == pytest.approx(expected, rel=0.02)


@pytest.mark.parametrize("selected", [0.05, 0.5, 0.9])
def test_kl_projection_finds_tilts_of_predictions_that_are_nearly_decisions(selected):
    """There Newton's steps go far astray if nothing holds them."""
    n = [round(100 * (1 - selected)), round(100 * selected), 210, 90]
    p = np.repeat([0.0005, 0.9995, 0.0005, 0.9995], n)
    group = np.repeat([0, 0, 1, 1], n)
    target = {"y": torch.arange(400) % 2, "group": torch.tensor(group)}
    expected = 0.0
    for each in (p[group == 0], p[group == 1]):
        tilt = brentq(lambda tilt, each=each: expit(logit(each) + tilt).mean() - p.mean(), -20, 20)
        tilted = expit(logit(each) + tilt)
        expected += (rel_entr(tilted, each) + rel_entr(1 - tilted, 1 - each)).sum() / len(p)
    found = measure("kl_projection", "demographic_parity", two_columns(p), target, 2)
    assert found == pytest.approx(expected, rel=0.02)


def test_covariance_is_that_of_membership_and_log_odds():
    logits, target = make_target(200)
    margin, weight = (logits[:, 1] - logits[:, 0]).numpy(), target["weight"].numpy()
    y, group = target["y"].numpy(), target["group"].numpy()

    def covariances(rows, margin):
        columns = [np.stack([group == g, margin])[:, rows] for g in range(3)]
        return [np.cov(column, aweights=weight[rows], bias=True)[0, 1] for column in columns]

    everyone = np.full(200, True)
    for constraint, parts in {
        "demographic_parity": [covariances(everyone, margin)],
        "equalized_odds": [covariances(y == 1, margin), covariances(y == 0, margin)],
        "error_rate_parity": [covariances(everyone, np.where(y == 1, -margin, margin))],
    }.items():
        expected = sum(np.sum(np.square(part)) for part in parts)
        assert measure("covariance", constraint, logits, target) == pytest.approx(expected)


def test_the_margin_of_a_class_among_three_is_the_log_odds():
    logits, target = make_target(200, n_classes=3)
    p = logits.softmax(1).numpy()
    memberships = [(target["group"] == g).numpy() for g in range(3)]
    expected = 0.0
    for k in range(3):
        margin = np.log(p[:, k] / (1 - p[:, k]))
        covariances = [np.cov(one, margin, aweights=target["weight"], bias=True)[0, 1] for one in memberships]
        expected += np.sum(np.square(covariances)) / 3
    found = measure("covariance", "demographic_parity", logits, target, n_classes=3)
    assert found == pytest.approx(expected)


# --- weights --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("penalty", "constraint"), CASES)
def test_weighted_rows_are_repeated_rows(penalty, constraint):
    logits, target = make_target(60)
    times = target["weight"].long()
    rows = torch.arange(60).repeat_interleave(times)
    repeated_logits, repeated = take(logits, target, rows)
    repeated = {name: values for name, values in repeated.items() if name != "weight"}
    assert measure(penalty, constraint, repeated_logits, repeated) == pytest.approx(
        measure(penalty, constraint, logits, target), rel=1e-9
    )
    loss, other = make_loss(penalty, constraint), make_loss(penalty, constraint)
    summed = torch.zeros_like(logits).index_add(0, rows, push(other, repeated_logits, repeated))
    torch.testing.assert_close(push(loss, logits, target), summed, rtol=1e-7, atol=1e-10)


@pytest.mark.parametrize("penalty", PENALTIES)
def test_only_proportions_of_weights_matter(penalty):
    logits, target = make_target(60)
    scaled = {**target, "weight": 1000 * target["weight"]}
    assert measure(penalty, "equalized_odds", logits, scaled) == pytest.approx(
        measure(penalty, "equalized_odds", logits, target), rel=1e-9
    )


# --- running sums ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("penalty", "constraint"), CASES)
def test_a_group_missing_from_batches_does_no_harm(penalty, constraint):
    logits, target = make_target(90)
    loss = make_loss(penalty, constraint, memory=0.9)
    for missing in (2, None, 1, 0):
        rows = torch.arange(90) if missing is None else torch.nonzero(target["group"] != missing)[:, 0]
        batch = take(logits, target, rows)
        assert torch.isfinite(fairness(loss.train(), *batch))
        gradient = push(loss, *batch)
        assert torch.isfinite(gradient).all()
        pulled = [(gradient[batch[1]["group"] == g] != 0).any() for g in range(3) if g != missing]
        # Absolute gaps pull at the largest and at the smallest, not at what is between them.
        assert any(pulled) if penalty in ("absolute_gap", "wasserstein") else all(pulled)


@pytest.mark.parametrize("penalty", PENALTIES)
def test_a_batch_of_rows_that_take_no_part_adds_nothing(penalty):
    logits, target = make_target(90)
    comparisons = [GroupComparison(1, (0, 1, -1))]
    loss = make_loss(penalty, "equalized_odds", memory=0.9, comparisons=comparisons)
    loss(logits, target)
    before = loss.running_sums_0.clone()
    nobody = take(logits, target, target["group"] == 2)
    torch.testing.assert_close(push(loss, *nobody), torch.zeros_like(nobody[0]), rtol=0, atol=1e-15)
    torch.testing.assert_close(loss.running_sums_0, 0.9 * before)
    assert float(fairness(loss.eval(), *nobody)) == 0


@pytest.mark.parametrize("penalty", BUILT_IN)
def test_batches_of_one_group_each_still_tell_where_to_go(penalty):
    """No batch has anything to compare; the running sums have."""
    logits, target = make_target(90)
    batches = [take(logits, target, target["group"] == g) for g in range(3)]
    forgetful, loss = (
        make_loss(penalty, "equal_opportunity"),
        make_loss(penalty, "equal_opportunity", memory=0.9),
    )
    for _ in range(5):
        for batch in batches:
            loss(*batch)
    alone = [push(forgetful, *batch) for batch in batches]
    known = [push(loss, *batch)[:, 1].sum() for batch in batches]
    assert all(torch.allclose(gradient, torch.zeros(()).double(), atol=1e-12) for gradient in alone)
    assert known[0] < 0 < known[2]  # raise the lowest group, lower the highest


@pytest.mark.parametrize("penalty", BUILT_IN)
def test_the_value_is_that_of_the_running_sums(penalty):
    """Sums that are worth half as much with every batch are those of rows whose weights halve."""
    logits, target = make_target(120)
    loss = make_loss(penalty, "equalized_odds", memory=0.5)
    parts = torch.arange(120).split(40)
    for rows in parts:
        value = float(fairness(loss, *take(logits, target, rows)))
    age = torch.tensor([0.25, 0.5, 1.0]).double().repeat_interleave(40)
    aged = {**target, "weight": target["weight"] * age}
    assert value == pytest.approx(measure(penalty, "equalized_odds", logits, aged), rel=1e-9)


def test_the_running_value_of_a_function_is_the_weighted_mean_over_batches():
    logits, target = make_target(120)
    loss = make_loss(spread_of_weighted_means, memory=0.5)
    batches = [take(logits, target, rows) for rows in torch.arange(120).split(40)]
    value = [float(fairness(loss, *batch)) for batch in batches][-1]
    each = [measure(spread_of_weighted_means, "demographic_parity", *batch) for batch in batches]
    weights = [
        float(batch[1]["weight"].sum()) * age for batch, age in zip(batches, (0.25, 0.5, 1), strict=True)
    ]
    assert value == pytest.approx(np.average(each, weights=weights))


@pytest.mark.parametrize("penalty", PENALTIES)
def test_evaluation_measures_the_batch_and_leaves_the_running_sums(penalty):
    logits, target = make_target(90)
    loss = make_loss(penalty, "equalized_odds", memory=0.9)
    first, second = (take(logits, target, rows) for rows in torch.arange(90).split(45))
    loss(*first)
    before = {name: value.clone() for name, value in loss.state_dict().items()}
    value = float(fairness(loss.eval(), *second))
    assert value == pytest.approx(measure(penalty, "equalized_odds", *second))
    assert all(torch.equal(value, before[name]) for name, value in loss.state_dict().items())
    assert loss.running_weight_0 == pytest.approx(float(first[1]["weight"].sum()))


@pytest.mark.parametrize("penalty", PENALTIES)
def test_many_batches_of_the_same_rows_are_these_rows(penalty):
    """With the memory of the default, whose slopes are looked up anew every few steps."""
    logits, target = make_target(60)
    loss = make_loss(penalty, "equalized_odds", memory=0.98)
    for _ in range(100):
        value = float(fairness(loss, logits, target))
    assert value == pytest.approx(measure(penalty, "equalized_odds", logits, target), rel=1e-9)
    whole = push(make_loss(penalty, "equalized_odds"), logits, target)
    torch.testing.assert_close(push(loss, logits, target), whole, rtol=1e-7, atol=1e-12)


@pytest.mark.parametrize("penalty", BUILT_IN)
def test_small_batches_add_up_to_all_rows(penalty):
    """The value of tiny batches, whose own rates are all noise, becomes that of the data they are of."""
    logits, target = make_target(400)
    whole = measure(penalty, "equalized_odds", logits, target)
    loss = make_loss(penalty, "equalized_odds", memory=0.98)
    draw = torch.Generator().manual_seed(0)
    running, alone = [], []
    for _ in range(8):
        for rows in torch.randperm(400, generator=draw).split(16):
            batch = take(logits, target, rows)
            running.append(float(fairness(loss, *batch)))
            alone.append(measure(penalty, "equalized_odds", *batch))
    assert np.mean(running[-50:]) == pytest.approx(whole, rel=0.15)
    assert np.mean(alone) > 1.4 * whole  # why sums run


@pytest.mark.parametrize("memory", [0.0, 0.9])
def test_single_precision_is_precise_enough(memory):
    logits, target = make_target(500)
    for penalty in BUILT_IN:
        double = make_loss(penalty, "equalized_odds", memory=memory)
        single = make_loss(penalty, "equalized_odds", memory=memory).float()
        short = {**target, "weight": target["weight"].float()}
        torch.testing.assert_close(
            push(single, logits.float(), short).double(), push(double, logits, target), rtol=1e-3, atol=1e-7
        )


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16], ids=str)
@pytest.mark.parametrize("penalty", BUILT_IN)
def test_nets_in_half_precision_are_counted_in_full(penalty, kind):
    """Added up in half precision, thousands of rows would be some hundreds."""
    logits, target = make_target(5000)
    logits, weight = logits.to(kind), target["weight"].float()
    loss = FairLoss("equalized_odds", n_groups=3, penalty=penalty)
    value = float(loss.eval()(logits, {**target, "weight": weight}))
    expected = float(make_loss(penalty, "equalized_odds").eval()(logits.double(), target))
    assert value == pytest.approx(expected, rel=1e-5)
    gradient = torch.autograd.grad(loss.train()(logits.requires_grad_(), target), logits)[0]
    assert torch.isfinite(gradient).all()
    assert gradient.dtype == kind


# --- it trains ------------------------------------------------------------------------------------------

#: Penalties differ in scale, so a weight that halves the gap does, too.
WEIGHTS = {
    "squared_gap": 3.0,
    "absolute_gap": 0.3,
    "ermi": 3.0,
    "mutual_information": 5.0,
    "kl_projection": 3.0,
    "hsic": 15.0,
    "mmd": 1.0,
    "wasserstein": 0.5,
    "covariance": 1.0,
    spread_of_weighted_means: 5.0,
}
QUICK = {"max_epochs": 6, "lr": 0.005, "random_state": 0}


def hidden(penalty):
    return () if penalty == "covariance" else (16,)


@pytest.fixture(scope="module")
def unfair(adult):
    """Return the gap of a net, and of a linear one, without a penalty."""
    X, y, frame = adult
    return {
        layers: FairClassifier(penalty_weight=0.0, hidden_layer_sizes=layers, **QUICK)
        .fit(X, y, sensitive_features=frame["sex"])
        .report_.disparity
        for layers in ((), (16,))
    }


@pytest.mark.parametrize("penalty", PENALTIES)
def test_every_penalty_moves_the_hard_gap(adult, unfair, penalty):
    X, y, frame = adult
    layers = hidden(penalty)
    classifier = FairClassifier(
        penalty=penalty, penalty_weight=WEIGHTS[penalty], hidden_layer_sizes=layers, **QUICK
    )
    classifier.fit(X, y, sensitive_features=frame["sex"])
    assert unfair[layers] > 0.15
    assert classifier.report_.disparity < 0.6 * unfair[layers]
    assert classifier.score(X, y) > 0.81  # .753 by predicting the same for all
    first, last = classifier.history_[0], classifier.history_[-1]
    assert last["loss"] == pytest.approx(last["task_loss"] + last["fairness"])
    assert last["task_loss"] < first["task_loss"]


def make_rows(n=400, n_classes=2):
    rng = np.random.default_rng(0)
    group = rng.choice(["a", "b"], n)
    X = rng.normal(size=(n, 3)) + 0.8 * (group == "b")[:, None] * [1, 0, 0]
    score = X[:, 0] + X[:, 1] + rng.normal(size=n)
    return X, np.searchsorted(np.quantile(score, np.arange(1, n_classes) / n_classes), score), group


def test_covariance_refuses_nets_that_are_not_linear():
    X, y, group = make_rows()
    shared = {"penalty": "covariance", "penalty_weight": 1.0, "max_epochs": 2, "random_state": 0}
    message = r"penalty='covariance' lowers the disparity of linear nets only.*hidden_layer_sizes=\(\)"
    with pytest.raises(ValueError, match=message):
        FairClassifier(**shared).fit(X, y, sensitive_features=group)
    own = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))
    with pytest.raises(ValueError, match=message):
        FairClassifier(own, **shared).fit(X, y, sensitive_features=group)
    deep = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2))  # many layers, and a linear function all the same
    FairClassifier(deep, **shared).fit(X, y, sensitive_features=group)
    FairClassifier(hidden_layer_sizes=(), **shared).fit(X, y, sensitive_features=group)


class OfDict(nn.Linear):
    def forward(self, X):
        return super().forward(X)


def test_covariance_refuses_inputs_that_are_dicts():
    X, y, group = make_rows()
    classifier = FairClassifier(OfDict(3, 2), penalty="covariance", penalty_weight=1.0, random_state=0)
    with pytest.raises(ValueError, match="linear nets only"):
        classifier.fit({"X": X}, y, sensitive_features=group)
    classifier.set_params(penalty="mmd", max_epochs=2).fit({"X": X}, y, sensitive_features=group)


@pytest.mark.parametrize("penalty", PENALTIES)
def test_every_penalty_trains_on_three_classes_and_on_separate_columns(penalty):
    X, y, group = make_rows(n_classes=3)
    both = np.column_stack([group, np.where(np.arange(400) % 3, "x", "y")])
    classifier = FairClassifier(
        penalty=penalty,
        penalty_weight=1.0,
        combine="separate",
        constraint=["demographic_parity", OWN],
        hidden_layer_sizes=hidden(penalty),
        batch_size=50,
        max_epochs=2,
        random_state=0,
    )
    classifier.fit(X, y, sensitive_features=both)
    assert [part.constraint for part in classifier.report_.constraints] == ["demographic_parity", OWN.name]
    assert classifier.history_[-1]["fairness"] > 0
    assert classifier.report_.bound == float("inf")


# --- functions and names of one's own -------------------------------------------------------------------


@pytest.fixture
def registry(monkeypatch):
    """Forget afterwards what a test registers."""
    monkeypatch.setattr(fairsk.neural._penalties, "_PENALTIES", dict(fairsk.neural._penalties._PENALTIES))


@pytest.mark.usefixtures("registry")
def test_a_registered_name_is_the_function():
    register_penalty("spread", spread_of_weighted_means)
    register_penalty("spread", spread_of_weighted_means)  # again, as a cell of a notebook is run
    logits, target = make_target(60)
    assert measure("spread", "demographic_parity", logits, target) == pytest.approx(
        measure(spread_of_weighted_means, "demographic_parity", logits, target)
    )
    X, y, group = make_rows()
    fits = [
        FairClassifier(penalty=penalty, penalty_weight=5.0, max_epochs=2, random_state=0)
        .fit(X, y, sensitive_features=group)
        .predict_proba(X)
        for penalty in ("spread", spread_of_weighted_means)
    ]
    np.testing.assert_array_equal(*fits)


@pytest.mark.usefixtures("registry")
def test_names_that_are_taken_and_what_is_no_function_are_refused():
    with pytest.raises(ValueError, match="There is a penalty 'ermi' already; choose another name"):
        register_penalty("ermi", gap_of_means)
    register_penalty("mine", gap_of_means)
    with pytest.raises(ValueError, match="There is a penalty 'mine' already"):
        register_penalty("mine", spread_of_weighted_means)
    with pytest.raises(TypeError, match="A penalty is a function of probabilities, labels and groups; got 0"):
        register_penalty("zero", 0.0)


def test_an_unknown_name_gives_a_suggestion():
    with pytest.raises(ValueError, match=r"Unknown penalty 'hisc'\. Did you mean 'hsic'\?") as caught:
        FairLoss(penalty="hisc")
    assert all(name in str(caught.value) for name in BUILT_IN)
    with pytest.raises(TypeError, match="penalty must be a name or a function, got 3"):
        FairLoss(penalty=3)


@pytest.mark.parametrize("documented", [FairLoss, FairClassifier])
def test_every_penalty_is_documented(documented):
    quoted = re.findall(r'``"?(\w+)"?``', documented.__doc__)
    assert set(BUILT_IN) <= set(quoted)


def test_a_function_gets_probabilities_labels_groups_and_weights():
    seen = {}

    def look(probabilities, labels, groups, sample_weight):
        seen.update(p=probabilities, y=labels, group=groups, weight=sample_weight)
        return 0 * probabilities.sum()

    logits, target = make_target(60, n_classes=3)
    make_loss(look, n_classes=3, comparisons=[GroupComparison(2, (0, -1, 1))])(logits, target)
    part = target["group"] != 1
    torch.testing.assert_close(seen["p"], logits.softmax(1)[part, 2])
    assert torch.equal(seen["y"], (target["y"] == 2).long()[part])
    assert torch.equal(seen["group"], target["group"][part] // 2)
    assert torch.equal(seen["weight"], target["weight"][part])


def test_weights_of_rows_reach_a_function_in_the_classifier():
    """Weighted rows are repeated rows for the net as a whole, if the function takes weights."""
    X, y, group = make_rows()
    weight = 1 + np.arange(400) % 3
    shared = {
        "penalty": spread_of_weighted_means,
        "penalty_weight": 20.0,
        "batch_size": -1,
        "dtype": "float64",
    }
    weighted, repeated = (FairClassifier(max_epochs=30, lr=0.01, random_state=0, **shared) for _ in range(2))
    weighted.fit(X, y, sensitive_features=group, sample_weight=weight)
    rows = np.repeat(np.arange(400), weight)
    repeated.fit(X[rows], y[rows], sensitive_features=group[rows])
    np.testing.assert_allclose(weighted.predict_proba(X), repeated.predict_proba(X), atol=1e-6)


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda p, y, s: 0.5, "must return a tensor with one number.*it returned 0.5"),
        (lambda p, y, s: None, "it returned None"),
        (lambda p, y, s: p, r"it returned one of shape \(\d+,\)"),
        (lambda p, y, s: (p > 0.5).double().mean(), "without a gradient.*not from decisions"),
        (lambda p, y, s: torch.tensor(p.detach().numpy().mean()), "without a gradient"),
    ],
    ids=["a float", "nothing", "a vector", "of decisions", "of numpy"],
)
def test_what_a_function_must_return(function, message):
    X, y, group = make_rows()
    with pytest.raises(ValueError, match=message):
        FairClassifier(penalty=function, penalty_weight=1.0, random_state=0).fit(
            X, y, sensitive_features=group
        )


def test_a_function_may_have_nothing_to_say_about_a_batch():
    logits, target = make_target(30)
    loss = make_loss(lambda p, y, s: torch.tensor(0.0))
    assert float(fairness(loss, logits.requires_grad_(), target).detach()) == 0


@pytest.mark.parametrize(
    ("penalty", "constraint", "message"),
    [
        ("ermi", "treatment_equality", "false_negatives_per_false_positive: it must count a part"),
        ("mutual_information", "treatment_equality", "it must count a part of its denominator"),
        ("mmd", "treatment_equality", "it must count a part of its denominator"),
        ("kl_projection", "predictive_parity", "precision: its denominator depends on the predictions"),
        ("covariance", "f1_parity", "f1: its denominator depends on the predictions"),
        ("covariance", ["demographic_parity", "predictive_parity"], "cannot treat precision"),
    ],
)
def test_rates_that_a_penalty_cannot_treat_are_refused(penalty, constraint, message):
    X, y, group = make_rows()
    for make in (
        lambda: FairLoss(constraint, penalty=penalty),
        lambda: FairClassifier(constraint=constraint, penalty=penalty, penalty_weight=1.0).fit(
            X, y, sensitive_features=group
        ),
    ):
        with pytest.raises(ValueError, match=f"penalty='{penalty}' cannot treat .*{message}|{message}"):
            make()
    FairLoss(constraint, penalty="squared_gap")  # what the message advises


# --- the loss in plain skorch nets ----------------------------------------------------------------------


def plain_net(**params):
    return NeuralNet(
        nn.Linear,
        module__in_features=3,
        module__out_features=2,
        criterion=FairLoss,
        optimizer=torch.optim.Adam,
        **{"lr": 0.05, "max_epochs": 10, "train_split": None, "verbose": 0, **params},
    )


def plain_rows():
    X, y, group = make_rows()
    weight = np.random.default_rng(1).uniform(0.5, 2, 400)
    target = {"y": y.astype(np.int64), "group": (group == "b").astype(np.int64), "weight": weight}
    return X.astype(np.float32), target


def gaps(net, X, target):
    """Return how far the groups' mean probabilities are apart, and how far their selection rates."""
    positive = net.predict_proba(X)[:, 1]
    return [
        abs(each[target["group"] == 0].mean() - each[target["group"] == 1].mean())
        for each in (positive, positive > 0.5)
    ]


@pytest.mark.parametrize("iterator", [Batches, DataLoader], ids=["batches", "stock loader"])
@pytest.mark.parametrize(("penalty", "weight"), [("squared_gap", 20.0), ("mmd", 8.0), (gap_of_means, 2.0)])
def test_a_plain_net_trains_with_the_loss(iterator, penalty, weight):
    X, target = plain_rows()
    net = plain_net(
        max_epochs=30,
        iterator_train=iterator,
        iterator_valid=iterator,
        iterator_train__shuffle=True,
        criterion__penalty=penalty,
        criterion__memory=0.75,  # one epoch is four batches
    )
    found = []
    for penalty_weight in (0.0, weight):
        torch.manual_seed(0)
        net.set_params(criterion__penalty_weight=penalty_weight).fit(X, target)
        found.append(gaps(net, X, target))
    (soft, hard), (soft_after, hard_after) = found
    assert net.criterion_.penalty_weight == weight
    assert soft_after < 0.5 * soft
    assert hard_after < 0.8 * hard
    assert np.mean(net.predict_proba(X).argmax(axis=1) == target["y"]) > 0.7


def test_a_plain_net_predicts_probabilities():
    X, target = plain_rows()
    net = plain_net().fit(X, target)
    with torch.no_grad():
        logits = net.module_(torch.from_numpy(X))
    np.testing.assert_allclose(net.predict_proba(X), logits.softmax(1), rtol=1e-6)


def test_a_plain_net_is_cloned_pickled_and_goes_on():
    X, target = plain_rows()
    net = plain_net(criterion__constraint=OWN, criterion__penalty=gap_of_means).fit(X, target)
    copied = pickle.loads(pickle.dumps(net))
    np.testing.assert_array_equal(copied.predict_proba(X), net.predict_proba(X))
    assert copied.criterion_.constraints == (OWN,)
    assert torch.equal(copied.criterion_.running_sums_0, net.criterion_.running_sums_0)
    copied.partial_fit(X, target)
    assert clone(net).fit(X, target).criterion_.penalty.name == "gap_of_means"
    changed = net.set_params(criterion__penalty_weight=9.0)  # skorch makes the criterion anew
    assert changed.criterion_.penalty_weight == 9.0
    changed.partial_fit(X, target)


def test_the_cross_entropy_is_that_of_torch():
    logits, target = make_target(60, n_classes=3)
    class_weight = torch.tensor([0.5, 1.0, 3.0]).double()
    loss = FairLoss(n_groups=3, n_classes=3, penalty_weight=0.0, class_weight=class_weight).double()
    unweighted = {"y": target["y"], "group": target["group"]}
    torch.testing.assert_close(loss(logits, unweighted), F.cross_entropy(logits, target["y"], class_weight))
    rows = torch.arange(60).repeat_interleave(target["weight"].long())
    expected = F.cross_entropy(logits[rows], target["y"][rows], class_weight)
    torch.testing.assert_close(loss(logits, target), expected)


@pytest.mark.parametrize("kind", [torch.bool, torch.uint8, torch.int32])
@pytest.mark.parametrize(
    "comparisons", [None, [GroupComparison(1, (1, 0))]], ids=["as they are", "renumbered"]
)
def test_labels_and_groups_may_be_whole_numbers_of_any_kind(kind, comparisons):
    logits, target = make_target(60, k=2)
    short = {**target, "y": target["y"].to(kind), "group": target["group"].to(kind)}
    for penalty in BUILT_IN:
        params = {"class_weight": torch.tensor([1.0, 2.0]).double(), "comparisons": comparisons}
        one, other = (make_loss(penalty, n_groups=2, **params) for _ in range(2))
        torch.testing.assert_close(one(logits, short), other(logits, target))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda target: target["y"], "must be a dict of 'y'.*got Tensor"),
        (lambda target: {"y": target["y"]}, "it has no 'group'"),
        (lambda target: {"group": target["group"]}, "it has no 'y'"),
        (lambda target: {**target, "group": target["group"].tolist()}, "'group' is a list: make it a tensor"),
        (lambda target: {**target, "group": target["group"] / 2}, "'group' holds fractions"),
        (lambda target: {**target, "group": target["group"][1:]}, r"'y' \(30,\), 'group' \(29,\)"),
        (lambda target: {**target, "group": target["group"][:, None]}, r"'y' \(30,\), 'group' \(30, 1\)"),
        (lambda target: {**target, "weight": torch.ones(29)}, r"'group' \(30,\), 'weight' \(29,\)"),
        (lambda target: {**target, "group": target["group"] + 1}, "the group 3, but n_groups is 3"),
        (lambda target: {**target, "group": target["group"] - 1}, "the group -1, but n_groups is 3"),
        (lambda target: {**target, "y": target["y"] + 1}, "the class 2, but n_classes is 2"),
        (lambda target: {**target, "y": target["y"] - 1}, "the class -1, but n_classes is 2"),
    ],
    ids=[
        "labels alone",
        "no groups",
        "no labels",
        "no tensor",
        "fractions",
        "a group too few",
        "a column of groups",
        "a weight too few",
        "unknown group",
        "negative group",
        "unknown class",
        "negative class",
    ],
)
@pytest.mark.parametrize("penalty", ["squared_gap", "hsic"])
@pytest.mark.parametrize("places", [(0, 1, 2), (0, 1, -1)], ids=["all groups", "some groups"])
def test_targets_that_are_no_targets_are_refused(change, message, penalty, places):
    logits, target = make_target(30)
    loss = make_loss(penalty, comparisons=[GroupComparison(1, places)])
    with pytest.raises(ValueError, match=message):
        loss(logits, change(target))


@pytest.mark.parametrize("shape", [(30,), (30, 1), (30, 3), (29, 2)])
def test_logits_of_the_wrong_shape_are_refused(shape):
    with pytest.raises(ValueError, match=r"logits of shape \(n_samples, 2\).*for a batch of 30 rows it"):
        make_loss("squared_gap")(torch.zeros(shape), make_target(30)[1])


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"memory": 1.0}, "memory must be at least 0 and below 1"),
        ({"memory": -0.1}, "memory must be at least 0 and below 1"),
        ({"penalty_weight": -1.0}, "penalty_weight must not be negative"),
        ({"penalty_weight": np.nan}, "penalty_weight must not be negative"),
        ({"n_groups": 0}, "n_groups must be at least 1"),
        ({"constraint": "demographic_party"}, "Did you mean 'demographic_parity'"),
        ({"constraint": []}, "name at least one"),
    ],
)
def test_parameters_out_of_range_are_refused(params, message):
    with pytest.raises(ValueError, match=message):
        FairLoss(**params)


# --- no criterion is a special case ---------------------------------------------------------------------


def literals(source):
    """Return the text literals of a module, but for docstrings and defaults of parameters."""
    tree = ast.parse(source)
    passed_over = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr):  # docstrings
            passed_over.add(node.value)
        if isinstance(node, ast.FunctionDef):
            passed_over |= {*node.args.defaults, *node.args.kw_defaults}
    return [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in passed_over
    ]


def test_no_constraint_or_rate_is_named_where_nets_are_trained():
    """What holds for built-in criteria holds for a user's own."""
    room = Path(fairsk.neural._penalties.__file__).parent
    names = {*CONSTRAINTS, *RATES}
    sources = sorted(room.glob("*.py"))
    assert len(sources) > 8
    for path in sources:
        source = path.read_text()
        for literal in literals(source):
            named = names & set(re.findall(r"\w+", literal))
            assert not named, f"{path.name} names {named} in {literal!r}"
        assert not re.search(r"\b(RATES|CONSTRAINTS|get_rate)\b", source), f"{path.name} looks up a criterion"


def test_the_search_for_names_finds_them():
    source = 'def f(constraint="demographic_parity"):\n    "f1"\n    return constraint == "equalized_odds"'
    assert literals(source) == ["equalized_odds"]
