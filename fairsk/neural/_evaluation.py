"""Evaluation of a net on some rows: sums that add up over batches, and the report of its training."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning

from fairsk._core.bounds import Bound, BoundedConstraint
from fairsk._core.counts import GroupCounts, label_sums, selected_sum, tabulate
from fairsk._core.groups import format_group
from fairsk._core.messages import list_texts, show
from fairsk._core.results import printable
from fairsk._core.typing import Floats, Ints
from fairsk._core.warnings import warn_user
from fairsk._held_out.objective import ACCURACY, make_objective
from fairsk._held_out.report import (
    BoundReport,
    ConstraintReport,
    MeasuredOn,
    reached,
    report_fields,
    warn_of_wide_intervals,
)
from fairsk._held_out.safety_margin import KeptMargin
from fairsk.neural._batches import Batches
from fairsk.neural._comparisons import GroupComparison, GroupComparisons
from fairsk.neural._confusion import (
    TINY,
    ConfusionTables,
    Target,
    as_cells,
    log_probabilities,
    on_device,
    predicted_class,
    sum_dtype,
)
from fairsk.neural._data import NetData
from fairsk.neural._loss import GroupLoss
from fairsk.neural._margins import Margins
from fairsk.rates import Constraint

__all__ = [
    "LARGE_BATCH",
    "EvaluationSums",
    "TrainingReport",
    "binding_disparity",
    "evaluate",
    "max_violation",
    "predict_classes",
    "training_report",
    "warn_of_violations",
]


#: Rows per batch where nothing is learned: large enough for speed, small enough for memory.
LARGE_BATCH = 8192
#: Rates are quotients of sums; a disparity this close to the bound is the bound.
_ROUNDING = 1e-9
#: Hardly any row is decided wrongly where it is one in twenty at most: under a wide bound more could be, and
#: would still be within it, but that many tell of what was learned.
_HARDLY_ANY = 0.05
#: How many of the other classes and columns a summary has a sentence for.
_MOST_OTHERS = 3


@dataclass(frozen=True)
class _Layout:
    """What stands where in the vector of :class:`EvaluationSums`.

    First the sums of the weighted task loss, of its squares and of its weights; then the joint table of the
    decisions, that of the squares of weights if rows have any, the weight of the rows in each comparison, and
    what the fairness term follows from.
    """

    confusion: ConfusionTables
    is_weighted: bool
    n_groups: tuple[int, ...]
    shapes: tuple[torch.Size, ...]


@dataclass(frozen=True)
class _Numbers:
    """The numbers in the vector of :class:`EvaluationSums`, read into the processor's memory."""

    loss: float
    squares: float
    weight: float
    hard_cells: tuple[Floats, ...]
    hard_squares: tuple[Floats, ...]
    group_weights: tuple[float, ...]
    group_sums: tuple[torch.Tensor, ...]
    correct: float
    row_weight: float


@dataclass(frozen=True)
class EvaluationSums:
    """Sums over some rows: one vector that stays where the net is until a number is asked for.

    Attributes
    ----------
    vector : tensor
        All sums.
    layout : _Layout
        What stands where.
    """

    vector: torch.Tensor
    layout: _Layout

    @classmethod
    @torch.no_grad()
    def from_logits(cls, criterion: GroupLoss, logits: torch.Tensor, target: Target) -> EvaluationSums:
        """Add up over the rows of a batch what the net returned for them."""
        logits = criterion.checked(logits, target).detach()
        target, dtype = on_device(target, logits.device), sum_dtype(logits.device)
        logs = log_probabilities(logits)
        losses, weight = criterion.task_losses(logs, target)
        weighted = losses * weight
        totals = torch.stack([weighted.sum(), losses @ weighted, weight.sum()]).to(dtype)
        predicted, of_rows = predicted_class(logits), target.get("weight")
        joint = [criterion.confusion.count(target, predicted)]
        if of_rows is not None:
            joint.append(criterion.confusion.count({**target, "weight": of_rows**2}, predicted))
        sums = criterion.group_sums(logits, target, logs)
        weights = [
            each.reshape(1).to(dtype) if isinstance(each, torch.Tensor) else totals.new_full((1,), each)
            for _, each in sums
        ]
        vector = torch.cat([totals, *joint, *weights, *(table.flatten().to(dtype) for table, _ in sums)])
        n_groups = tuple(each.n_groups for each in criterion.comparisons)
        shapes = tuple(table.shape for table, _ in sums)
        return cls(vector, _Layout(criterion.confusion, of_rows is not None, n_groups, shapes))

    def __add__(self, other: EvaluationSums) -> EvaluationSums:
        """Combine the sums over two disjoint sets of rows, of which one may have weights and one none."""
        one, two = self, other
        if one.layout.is_weighted != two.layout.is_weighted:
            one, two = one._with_squares(), two._with_squares()
        return EvaluationSums(one.vector + two.vector, one.layout)

    def _with_squares(self) -> EvaluationSums:
        """Return the sums with the counts of squared weights, which without weights are the counts."""
        if self.layout.is_weighted:
            return self
        n = 3 + self.layout.confusion.n_joint
        vector = torch.cat([self.vector[:n], self.vector[3:n], self.vector[n:]])
        return EvaluationSums(vector, replace(self.layout, is_weighted=True))

    @cached_property
    def _numbers(self) -> _Numbers:
        layout, n_joint = self.layout, self.layout.confusion.n_joint
        n, sizes = len(layout.shapes), [math.prod(shape) for shape in layout.shapes]
        n_squares = n_joint if layout.is_weighted else 0
        totals, joint, squares, weights, sums = self.vector.split([3, n_joint, n_squares, n, sum(sizes)])
        parts = [joint, squares] if layout.is_weighted else [joint]
        tables = torch.stack([layout.confusion.tables(part) for part in parts])
        table = joint.view(-1, layout.confusion.n_classes, layout.confusion.n_classes)
        correct = table.diagonal(dim1=1, dim2=2).sum()
        # Whatever is read is read at once: a device is waited for once.
        read = torch.cat([totals, correct[None], joint.sum()[None], weights, sums, tables.flatten()]).cpu()
        scalars, weights, sums, cells = read.split([5, n, sum(sizes), tables.numel()])
        loss, squares, weight, correct_weight, row_weight = scalars.tolist()
        hard = [
            tuple(each[:, :n_groups] for each, n_groups in zip(part, layout.n_groups, strict=True))
            for part in cells.view(tables.shape).double().numpy()
        ]
        return _Numbers(
            loss,
            squares,
            weight,
            hard[0],
            hard[-1],  # without weights these are 1, as their squares are
            tuple(weights.tolist()),
            tuple(
                part.view(shape).double()
                for part, shape in zip(sums.split(sizes), layout.shapes, strict=True)
            ),
            correct_weight,
            row_weight,
        )

    @property
    def loss(self) -> float:
        """The sum of the weighted task loss."""
        return self._numbers.loss

    @property
    def weight(self) -> float:
        """The sum of its weights."""
        return self._numbers.weight

    @property
    def row_weight(self) -> float:
        """The weight of all rows, whatever their class weighs."""
        return self._numbers.row_weight

    @property
    def hard_cells(self) -> tuple[Floats, ...]:
        """The cells of the decisions of shape (4, n_groups), for every comparison."""
        return self._numbers.hard_cells

    @property
    def hard_squares(self) -> tuple[Floats, ...]:
        """The same with the square of each row's weight."""
        return self._numbers.hard_squares

    @property
    def task_loss(self) -> float:
        """The weighted mean of the task loss."""
        return self.loss / self.weight

    @property
    def accuracy(self) -> float:
        """The (weighted) share of rows that are decided right."""
        return self._numbers.correct / self.row_weight

    @property
    def standard_error(self) -> float:
        """The standard error of the task loss."""
        return math.sqrt(max(self._numbers.squares / self.weight - self.task_loss**2, 0.0) / self.weight)

    def fairness(self, criterion: GroupLoss) -> float:
        """Return the fairness term of the loss."""
        sums = self._numbers.group_sums or tuple(map(torch.from_numpy, self.hard_cells))
        weights = self._numbers.group_weights or tuple(float(table.sum()) for table in self.hard_cells)
        shares = [table / max(weight, TINY) for table, weight in zip(sums, weights, strict=True)]
        return float(criterion.fairness(shares))

    def disparity_by_comparison(
        self, constraint: Constraint, comparison: Literal["difference", "ratio"]
    ) -> list[float]:
        """Return the constraint's difference or ratio in every comparison, NaN where there is none."""
        return [float(constraint.compare(as_cells(table), comparison)) for table in self.hard_cells]

    def disparities(self, bounds: Sequence[BoundedConstraint]) -> dict[str, float]:
        """Return the disparity of every constraint by its name, the worst over the comparisons."""
        worst = {}
        for bounded in bounds:
            kind = bounded.bound.comparison
            values = self.disparity_by_comparison(bounded.constraint, kind)
            defined = [value for value in values if not math.isnan(value)] or [math.nan]
            worst[bounded.constraint.name] = max(defined) if kind == "difference" else min(defined)
        return worst


def binding_disparity(bounds: Sequence[BoundedConstraint], disparities: Mapping[str, float]) -> float:
    """Return the disparity that is farthest beyond its bound, or closest to it; NaN if none is defined."""
    pairs = [(bounded.bound, disparities[bounded.constraint.name]) for bounded in bounds]
    defined = [(bound.excess(value), value) for bound, value in pairs if not math.isnan(value)]
    return max(defined)[1] if defined else math.nan


def max_violation(bounds: Sequence[BoundedConstraint], sums: EvaluationSums) -> float:
    """Return how far the decisions are beyond the bound that they violate most.

    It is 0 where all bounds are held, and infinite where a disparity is undefined: that is no epoch to keep.
    """
    disparities = sums.disparities(bounds)
    excesses = [bounded.bound.excess(disparities[bounded.constraint.name]) for bounded in bounds]
    if any(map(math.isnan, excesses)):
        return math.inf
    return max(excesses) if max(excesses) > _ROUNDING else 0.0


@torch.no_grad()
def evaluate(net: Any, dataset: Any, batch_size: int = LARGE_BATCH) -> EvaluationSums:
    """Return the sums over a dataset whose target is that of a :class:`FairLoss`."""
    batches = Batches(dataset, batch_size=batch_size).on(net.device)
    first, *others = (
        EvaluationSums.from_logits(net.criterion_, net.evaluation_step(batch), batch[1]) for batch in batches
    )
    return sum(others, start=first)


@torch.no_grad()
def predict_classes(net: Any, dataset: Any, batch_size: int = LARGE_BATCH) -> Ints:
    """Return the index of the class that a net predicts for each row of a dataset."""
    batches = Batches(dataset, batch_size=batch_size).on(net.device)
    logits = (net.criterion_.checked(net.evaluation_step(batch), batch[1]) for batch in batches)
    return torch.cat([predicted_class(each) for each in logits]).cpu().numpy()


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class TrainingReport(BoundReport):
    """What the decisions of a trained net achieve on the rows that it was trained on.

    With more than two classes (each against the rest), or several columns whose groups are compared by
    themselves, it is about the class and column whose bound is exceeded by most, or comes nearest to be;
    ``others`` has the reports of the rest. With strata, ``constraints`` are about the worst of them.

    Parameters
    ----------
    pos_label, objective, value, lower_is_better, constraints, counts, measured_on
        As in :class:`~fairsk._held_out.report.BoundReport`.
    value_without_bound, group_value_without_bound, counts_without_bound : None
        Not known: the net was trained under the bound, and no other one beside it.
    exempt, uncertain, margin
        Likewise.
    column : str or None
        The column whose groups are compared, if several are, each by itself.
    strata_names, within, not_compared, cells_not_compared
        Likewise.
    others : tuple of TrainingReport
        The other classes and columns.
    """

    column: str | None = None
    others: tuple[TrainingReport, ...] = ()

    @property
    def policy(self) -> Literal["net"]:
        """How decisions are made: by one net for all rows, which does not see the groups unless asked to."""
        return "net"

    @property
    def worst(self) -> tuple[ConstraintReport, ...]:
        """Each constraint where it is exceeded by most, over all classes, columns and strata."""
        each = zip(*(report.constraints for report in (self, *self.others)), strict=True)
        return tuple(_most_violated(parts) for parts in each)

    def _decided_by(self) -> str:
        is_bounded = any(np.isfinite(part.bound) for part in self.constraints)
        return f"One net, trained {'under the' if is_bounded else 'without a'} bound, decides for all rows"

    def _takes_margin(self) -> bool:
        return self.counts.strata is None  # on training rows as well

    def summary(self) -> str:
        """Return what the report says in plain sentences, a line each.

        They are about the class and column whose bound is exceeded by most, or comes nearest to be; the
        others have a line each, as long as they are few. What the net would do without the bound is not among
        them: fit one with ``penalty_weight=0`` and compare the two.

        Returns
        -------
        str
            Plain text; group names are as the data have them, so escape it before it goes into HTML.
        """
        lines = [super().summary(), *(f"Beside this, {each}." for _, each in self._others[:_MOST_OTHERS])]
        if len(self.others) > _MOST_OTHERS:
            lines.append(f"{len(self.others) - _MOST_OTHERS} more are in report_.others.")
        return "\n".join(map(str, lines))

    def _content(self) -> dict[str, Any]:
        mine = {"column": self.column, "worst": self.worst, "others": self.others}
        return super()._content() | mine

    def _group_lines(self) -> list[tuple[str, str]]:
        return [*self._margin_lines(), *super()._group_lines()]

    def _lines(self) -> list[tuple[str, str]]:
        column = [("column", self.column)] if self.column else []
        return [*column, *super()._lines(), *self._others]

    @property
    def _others(self) -> list[tuple[str, str]]:
        """A line for each of the other classes and columns."""
        return [
            (
                "beside",
                f"{printable(str(report.pos_label))}{f' by {report.column}' if report.column else ''}: "
                f"{reached(report.binding)}",
            )
            for report in self.others
        ]


def _most_violated(parts: Sequence[ConstraintReport]) -> ConstraintReport:
    return max(parts, key=_severity)


def _severity(part: ConstraintReport) -> tuple[bool, float, float]:
    """Return what parts are sorted by: the violation, if it is defined, then the disparity."""
    if math.isnan(part.violation):
        return False, 0.0, 0.0
    return True, part.violation, part.disparity


def training_report(
    predicted: Ints,
    data: NetData,
    bounds: tuple[BoundedConstraint, ...],
    compared: GroupComparisons,
    comparisons: Sequence[GroupComparison],
    margins: Margins,
    measured_on: MeasuredOn = "training",
) -> TrainingReport:
    """Measure decisions about the rows of a fit.

    Parameters
    ----------
    predicted : array of int of shape (n_samples,)
        The index of the class that is predicted for each row.
    data : NetData
        The rows.
    bounds : tuple of BoundedConstraint
        The constraints with their bounds.
    compared : GroupComparisons
        All comparisons that there could be.
    comparisons : sequence of GroupComparison
        Those that training regarded: of groups with enough rows.
    margins : Margins
        How far rates were to stay from the ends of what bounds allow.
    measured_on : {"training", "out of fold"}
        Whether the net learned from the rows, or each was decided about by a replica that did not.
    """
    weight = data.weight
    accuracy = float(np.average(predicted == data.labels, weights=weight))
    regarded = {(*each.family, each.stratum): each for each in comparisons}
    strata = (-1,) if data.strata is None else range(len(data.strata.labels))
    reports = []
    for family in compared.families:
        for k in compared.class_indices:
            counts = tabulate(
                data.labels == k,
                predicted == k,
                family.groups,
                data.strata,
                weight,
                None if weight is None else weight**2,
            )
            covered = {s: _covered_groups(regarded.get((family.column, k, s))) for s in strata}
            tables = None if data.strata is None else _tables_within(counts, covered)
            anywhere = set[int]().union(*covered.values())
            compared_in = {
                each: counts.take([counts.groups[g] for g in sorted(covered[s])])
                if tables is None or counts.strata is None
                else tables[counts.strata[s]]
                for s in strata
                if (each := regarded.get((family.column, k, s))) is not None
            }
            fields = report_fields(
                counts,
                bounds,
                make_objective(ACCURACY, *label_sums(counts)),
                pos_label=data.classes.tolist()[k],
                value_without_bound=None,
                measured_on=measured_on,
                exempt=[label for g, label in enumerate(counts.groups) if g not in anywhere],
                margin=margins.kept(compared_in),
                tables=tables,
                strata_names=() if data.strata is None else data.strata.names,
            )
            fields |= {"margin_asked": margins.asked, "value": accuracy, "column": family.column or None}
            reports.append(TrainingReport(**fields))
    first = max(reports, key=lambda report: _severity(report.binding))
    return replace(first, others=tuple(report for report in reports if report is not first))


def _covered_groups(comparison: GroupComparison | None) -> set[int]:
    """Return the indices of the groups that a comparison covers, if there is one."""
    return set() if comparison is None else set(comparison.group_index) - {-1}


def _tables_within(counts: GroupCounts, covered: Mapping[int, set[int]]) -> dict[Hashable, GroupCounts]:
    """Return, of each stratum in which groups are compared, the counts of these groups."""
    tables: dict[Hashable, GroupCounts] = {}
    for s, groups in covered.items():
        if groups and counts.strata is not None:
            rows = sorted(groups)
            tables[counts.strata[s]] = GroupCounts(
                [counts.groups[g] for g in rows],
                {cell: table[rows, s] for cell, table in counts.cells.items()},
                {cell: table[rows, s] for cell, table in counts.squares.items()},
                names=counts.names,
            )
    return tables


#: What the rows are called that a report is about.
_ROWS: dict[MeasuredOn, str] = {
    "training": "training rows",
    "out of fold": "rows of fit, each decided by the replica that did not learn from it,",
}


def warn_of_violations(
    report: TrainingReport, classes: NDArray[Any], margins: Margins, n_epochs: int, ended: str = ""
) -> None:
    """Warn of bounds that are violated, or met in a way that says little of new rows.

    The advice is to train four times the epochs that there were: forces grow with the steps, and the net has
    time to follow them. What ended training before its last epoch, if anything did, is said in ``ended``.
    """
    rows, every = _ROWS[report.measured_on], (report, *report.others)
    messages = []
    for part in report.worst:
        if not part.violation <= _ROUNDING:  # or NaN
            word = "most" if part.comparison == "difference" else "least"
            bound = f"{'max_difference' if part.comparison == 'difference' else 'min_ratio'}={part.bound:g}"
            within = "" if part.stratum is None else f" in the stratum {format_group(part.stratum)}"
            messages.append(
                f"The {part.constraint} {part.comparison} of the {rows}{within} is "
                f"{part.disparity:.5g}; it should be at {word} {bound}."
            )
    if messages:
        longer = f"{ended} Leave it out" if ended else f"Train longer (max_epochs={4 * n_epochs})"
        # Training ends near what it aims at, and a margin has it aim within the bound.
        margin = "give a margin, " if report._takes_margin() and not margins.is_asked_for else ""
        advice = f"{longer}, {margin}loosen the bound or merge small groups."
        warn_user(" ".join([*messages, advice]), ConvergenceWarning)
        return
    selected = selected_sum(report.counts)
    if len(classes) == 2 and selected in (0.0, float(report.counts.n.sum())):
        [other] = [label for label in classes.tolist() if label != report.pos_label]
        only = report.pos_label if selected else other
        warn_user(
            f"The bound is met by predicting {show(only)} for every row of fit. Loosen it, train longer "
            "(max_epochs) or merge small groups.",
            ConvergenceWarning,
        )
        return
    if report.measured_on == "training" and all(map(_is_met_by_accuracy, every)):
        names = list_texts(part.constraint for part in report.constraints)
        warn_user(
            f"The bound on {names} is met because hardly any training row is decided wrongly "
            f"({1 - report.value:.1%} are). A net that knows its rows by heart does that, too, and may treat "
            "new rows far beyond the bound: set bound_on='held_out', or train less (fewer epochs, weight "
            "decay)."
        )
    if margins.is_asked_for:
        margins.warn_of_less([KeptMargin(each.margin, None, each.margins) for each in every])
        return
    remedies = {} if report.counts.strata is None else {"remedies": ""}
    warn_of_wide_intervals([part for each in every for part in each.constraints], **remedies)


def _is_met_by_accuracy(report: TrainingReport) -> bool:
    """Whether no group's rate is farther from that of right decisions than groups may be from each other.

    Where right decisions have equal rates, any bound is met then, whatever the net has learned. The share of
    wrong decisions is no larger than that distance either: rates can be right where errors cancel out.
    """
    if 1 - report.value > _HARDLY_ANY:
        return False
    counts = report.counts_by_group.take([group for group in report.groups if group not in report.exempt])
    cells, none = counts.cells, np.zeros(len(counts.groups))
    right = {"tp": cells["tp"] + cells["fn"], "fp": none, "fn": none, "tn": cells["tn"] + cells["fp"]}
    for part in report.constraints:
        bounds: dict[str, float] = {part.comparison: part.bound}
        for rate in part.rates:
            rates, ideal = rate(cells), rate(right)
            lowest = np.append(np.minimum(rates, ideal), ideal.min())
            highest = np.append(np.maximum(rates, ideal), ideal.max())
            is_difference = part.comparison == "difference"
            allowed = part.bound if is_difference else (1 - part.bound) * highest.max()
            if (Bound(**bounds).violation(lowest, highest) > 0).any() or 1 - report.value > allowed:
                return False
    return True
