"""The association test of two sets of words with two sets of attributes (WEAT; SEAT of sentences)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np

from fairsk._core.messages import list_labels
from fairsk._core.results import Backend, Result, Table, number, p_value, percent
from fairsk._core.typing import Bools, Floats, RandomStateLike
from fairsk._core.validation import check_choice, generator
from fairsk.statistics._intervals import check_confidence
from fairsk.statistics._resampling import check_resamples
from fairsk.text._association.splits import TIE, can_count, count_splits, draw_splits
from fairsk.text._association.vectors import Embedding, Missing, WordSet, read_sets

__all__ = ["AssociationTest", "association_test"]

Alternative: TypeAlias = Literal["greater", "less", "two-sided"]

#: So many numbers of the bootstrap are held at a time.
_CELLS = 2**20
#: So many words of either end are printed.
_SHOWN = 5


@dataclass(frozen=True, eq=False, repr=False)
class AssociationTest(Result):
    """How much more one set of words is associated with some attributes than another. Prints itself.

    Parameters
    ----------
    effect_size : float
        The difference of the mean associations of X and Y by the standard deviation of all targets.
    low, high : float
        Its interval over words: targets and attributes are both drawn again.
    p_value : float
        The share of splits of the targets with such a difference; attributes are taken as given.
    difference : float
        The difference of the mean associations, in cosines.
    alternative : {"greater", "less", "two-sided"}
        What p is the evidence for.
    confidence : float
        The coverage probability of the interval.
    exact : bool
        Whether p counts all splits of the targets; else it comes from random ones.
    n_splits : int
        How many splits there are, or were drawn.
    n_resamples : int
        How many sets of words the interval comes from.
    sizes : mapping of str to int
        How many words X, Y, A and B have.
    words : tuple of str of length n_targets
        The targets, those of X first.
    in_x : array of shape (n_targets,)
        Which of them are of X.
    associations : array of shape (n_targets,)
        Mean cosine with A minus mean cosine with B of each.
    dropped : mapping of str to tuple of str
        Words of each set that have no vector, and were left out as ``missing="drop"`` allows.
    """

    effect_size: float
    low: float
    high: float
    p_value: float
    difference: float
    alternative: Alternative
    confidence: float
    exact: bool
    n_splits: int
    n_resamples: int
    sizes: Mapping[str, int]
    words: tuple[str, ...]
    in_x: Bools
    associations: Floats
    dropped: Mapping[str, tuple[str, ...]]
    library: Backend | None = None

    @property
    def disagree(self) -> bool:
        """Whether p says yes and the interval does not: it holds 0, so that the choice of words decides."""
        return self.p_value <= 1 - self.confidence and self.low <= 0 <= self.high

    def _tables(self) -> list[Table]:
        columns: dict[str, list[Any]] = {
            name: [getattr(self, name)] for name in ("effect_size", "low", "high", "difference", "p_value")
        }
        columns |= {f"n_{name}": [n] for name, n in self.sizes.items()}
        text = {
            "effect size d": [number(self.effect_size)],
            f"{percent(self.confidence)} over words": [f"[{number(self.low)}, {number(self.high)}]"],
            "p over splits": [p_value(self.p_value)],
            "difference of cosines": [number(self.difference)],
        }
        n = self.sizes
        caption = (
            f"Association of X ({n['X']} words) rather than Y ({n['Y']}) with A ({n['A']}) rather than B "
            f"({n['B']})"
        )
        return [Table(columns, text, caption, self._notes()), self._target_table()]

    def _notes(self) -> list[str]:
        n, way = self.sizes, {"greater": "as large", "less": "as small", "two-sided": "as far from 0"}
        splits = f"splits of these {n['X'] + n['Y']} targets into {n['X']} and {n['Y']}"
        share = (
            f"the share of all {self.n_splits:,} {splits} whose difference is {way[self.alternative]}"
            if self.exact
            else f"from {self.n_splits:,} random {splits}, (b + 1) / (m + 1) with the b of m whose "
            f"difference is {way[self.alternative]}"
        )
        notes = [
            f"p: {share}. It takes the attributes as given: would these targets, mixed, do as well?",
            "Interval: targets and attributes are both drawn again (percentiles of "
            f"{self.n_resamples:,} draws): how far would d be off with other words of these kinds?",
        ]
        if self.disagree:
            notes.append(
                "They disagree: p is small and the interval holds 0, so the choice of words decides."
            )
        notes += [
            f"Left out of {name}, without a vector: {len(words)}, {list_labels(words, 5)}."
            for name, words in self.dropped.items()
            if words
        ]
        notes.append(
            "An association of vectors says little about what a model does with them: audit its answers, too."
        )
        return notes

    def _target_table(self) -> Table:
        """Return the targets that lie furthest out, from A to B."""
        order = np.argsort(-self.associations, kind="stable").tolist()
        if cut := len(order) - 2 * _SHOWN > 0:
            order = order[:_SHOWN] + order[-_SHOWN:]
        columns: dict[str, list[Any]] = {
            "target": [self.words[i] for i in order],
            "of": ["X" if self.in_x[i] else "Y" for i in order],
            "association": [float(self.associations[i]) for i in order],
        }
        notes = [f"The {_SHOWN} next to A and the {_SHOWN} next to B; .associations has all."] if cut else []
        caption = "Targets: mean cosine with A minus that with B"
        return Table(columns, caption=caption, notes=notes, words=("of",))


def association_test(
    X: Any,
    Y: Any,
    A: Any,
    B: Any,
    *,
    embedding: Embedding | None = None,
    alternative: Alternative = "greater",
    n_resamples: int = 100_000,
    confidence: float = 0.95,
    missing: Missing = "error",
    random_state: RandomStateLike = 0,
) -> AssociationTest:
    """Test whether one set of words is associated with some attributes more than another set is.

    Parameters
    ----------
    X, Y : array-like of shape (n_words, n_features), or sequence of str
        The targets, such as names of two groups: their vectors, or with ``embedding`` the words or sentences.
    A, B : array-like of shape (n_words, n_features), or sequence of str
        The attributes, such as pleasant and unpleasant words.
    embedding : mapping or callable, optional
        The vectors of words: a mapping (a dictionary, gensim's ``KeyedVectors``, a pandas frame with a row
        per word and the words as its index), or a function that takes a list of texts and returns an array of
        shape (n_texts, n_features), with a row of NaN for a text that it does not know. It is called once,
        with the list of all distinct texts.
    alternative : {"greater", "less", "two-sided"}, default="greater"
        What a small p is evidence for: X is associated with A rather than B more than Y is, less, or either.
    n_resamples : int, default=100_000
        How many draws of words the interval comes from, and how many random splits p comes from where there
        are too many to count.
    confidence : float in (0, 1), default=0.95
        The coverage probability of the interval.
    missing : {"error", "drop"}, default="error"
        What becomes of words that have no vector: an error that names them, or they are left out and told.
    random_state : int, Generator, RandomState or None, default=0
        Seed of the draws.

    Returns
    -------
    AssociationTest
        The effect size with its interval over words, p over splits of the targets, and the association of
        each target.

    Raises
    ------
    ValueError
        If words have no vector, stand twice or in both sets; a set has fewer than two; vectors are zero, hold
        NaN or differ in length; all targets have the same association; or an option is out of range.
    TypeError
        If words come without an embedding, or something else with it.

    See Also
    --------
    fairsk.statistics.adjust_p_values : For several tests at once.
    fairsk.audit.audit_dataset : Beside which words a collection of texts names whom.

    Notes
    -----
    The association of a word is s(w) = mean cos(w, a) over A - mean cos(w, b) over B, and the effect size of
    the word embedding association test [1]_ is d = (mean of s over X - mean of s over Y) / (standard
    deviation of s over X and Y, with n - 1). It lies between about -2 and 2 for sets of one size. With
    vectors of sentences this is the sentence encoder association test [2]_.

    p and the interval answer two questions. p is about the targets alone: the share of all ways to split them
    into sets of these sizes in which the difference is as large. All C(n, m) splits are counted where each
    half of the words has at most 2^22 subsets, as up to 44 words do whatever the sizes; else p =
    (b + 1) / (m + 1) over random splits. Sums closer than 1e-12 per word are ties, and count. The two-sided
    p is twice the smaller of both one-sided ones, at most 1; for sets of one size that is the share of splits
    whose difference is as far from 0. The interval takes the attributes for a sample of words, too:
    percentiles of d over draws, with replacement, from each of the four sets. With fewer than about eight
    words a set it is rough. A small p with an interval around 0 says that other words might well have told
    another story.

    References
    ----------
    .. [1] Caliskan, Bryson & Narayanan, Semantics Derived Automatically from Language Corpora Contain
       Human-Like Biases, Science 356, 2017.
    .. [2] May, Wang, Bordia, Bowman & Rudinger, On Measuring Social Biases in Sentence Encoders, NAACL 2019.

    Examples
    --------
    >>> from fairsk.text import association_test
    >>> vectors = {"rose": [4, 1], "lily": [5, 2], "wasp": [1, 4], "flea": [2, 5],
    ...            "joy": [3, 0], "love": [3, 1], "ugly": [0, 3], "evil": [1, 3]}
    >>> result = association_test(
    ...     ["rose", "lily"], ["wasp", "flea"], ["joy", "love"], ["ugly", "evil"], embedding=vectors)
    >>> print(f"d = {result.effect_size:.2f}, p = 1 in {1 / result.p_value:.0f} splits")
    d = 1.72, p = 1 in 6 splits
    """
    check_choice("alternative", alternative, Alternative)
    check_choice("missing", missing, Missing)
    check_resamples(n_resamples)
    check_confidence(confidence)
    x, y, a, b = sets = read_sets({"X": X, "Y": Y, "A": A, "B": B}, embedding, missing)
    if embedding is not None:
        _refuse_shared(x, y)
        _refuse_shared(a, b)
    targets = np.concatenate([x.directions, y.directions])
    with_a, with_b = targets @ a.directions.T, targets @ b.directions.T
    associations = with_a.mean(1) - with_b.mean(1)
    spread = associations.std(ddof=1)
    if spread <= TIE * len(targets):
        raise ValueError(
            "All targets have the same association, so that there is no spread to measure an effect by: are "
            "these vectors of different words, and A and B different attributes?"
        )
    n_x, rng = len(x.words), generator(random_state)
    difference = associations[:n_x].mean() - associations[n_x:].mean()
    centred = associations - associations.mean()
    exact = can_count(len(targets), n_x)
    tails = count_splits(centred, n_x) if exact else draw_splits(centred, n_x, n_resamples, rng)
    draws = _bootstrap(with_a, with_b, n_x, n_resamples, rng)
    low, high = np.nanquantile(draws, [(1 - confidence) / 2, (1 + confidence) / 2])
    return AssociationTest(
        effect_size=float(difference / spread),
        low=float(low),
        high=float(high),
        p_value=tails.p(alternative),
        difference=float(difference),
        alternative=alternative,
        confidence=confidence,
        exact=exact,
        n_splits=tails.total if exact else n_resamples,
        n_resamples=n_resamples,
        sizes={part.name: len(part.words) for part in sets},
        words=x.words + y.words,
        in_x=np.arange(len(targets)) < n_x,
        associations=associations,
        dropped={part.name: part.dropped for part in sets},
    )


def _refuse_shared(first: WordSet, second: WordSet) -> None:
    """Refuse words that two opposite sets share."""
    shared = [word for word in first.words if word in set(second.words)]
    if shared:
        raise ValueError(
            f"{first.name} and {second.name} share words, which cannot be on both sides: "
            f"{list_labels(shared)}."
        )


def _bootstrap(
    with_a: Floats, with_b: Floats, n_x: int, n_resamples: int, rng: np.random.Generator
) -> Floats:
    """Return effect sizes of words drawn with replacement from each of the four sets; NaN without spread."""
    n, draws = len(with_a), []
    batch = max(1, _CELLS // max(n, with_a.shape[1], with_b.shape[1]))
    for start in range(0, n_resamples, batch):
        size = min(batch, n_resamples - start)
        drawn = [rng.multinomial(k, np.full(k, 1 / k), size) / k for k in (with_a.shape[1], with_b.shape[1])]
        association = drawn[0] @ with_a.T - drawn[1] @ with_b.T
        places = np.concatenate(
            [rng.integers(0, n_x, (size, n_x)), rng.integers(n_x, n, (size, n - n_x))], axis=1
        )
        association = np.take_along_axis(association, places, axis=1)
        gap = association[:, :n_x].mean(1) - association[:, n_x:].mean(1)
        spread = association.std(axis=1, ddof=1)
        draws.append(np.divide(gap, spread, out=np.full(size, np.nan), where=spread > TIE * n))
    return np.concatenate(draws)
