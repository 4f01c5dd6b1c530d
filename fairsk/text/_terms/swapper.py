"""TermSwapper: who a text mentions, and the same text about another group."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fairsk._core.messages import list_texts, show
from fairsk._core.texts import read_texts
from fairsk.text._terms.checking import NONE, SEVERAL
from fairsk.text._terms.families import Resolve
from fairsk.text._terms.lists import TermLists
from fairsk.text._terms.reading import parse
from fairsk.text._terms.template import Template

__all__ = ["TermPair", "TermSwapper"]


@dataclass(frozen=True)
class TermPair:
    """A text that names one group, and the same text about another one.

    Parameters
    ----------
    row : int
        The position of the text.
    source, target : str
        The group that it names, and the other one.
    text, counterfactual : str
        The text, and the other one.
    """

    row: int
    source: str
    target: str
    text: str
    counterfactual: str


class TermSwapper:
    """Find the terms of groups in texts, and write the same texts about other groups.

    Parameters
    ----------
    groups : mapping of str to sequence of str
        The terms of each group, at least two groups. They are aligned: ``groups[a][i]`` and ``groups[b][i]``
        are a row, and stand for each other. A term may be a phrase. Texts may have it in any case, and
        accents composed or not.
    resolve : callable, optional
        Tells rows apart that share a term, as him/her and his/her do. It receives an ``AmbiguousTerm`` and
        returns one of its ``rows``. Its ``choices`` are the terms of these; its ``word``, ``next_word``,
        ``text``, ``start`` and ``end`` say where it stands. Without it, lists with such terms are refused.
        Of terms in ``ask`` it may return None: no term stands here.
    kinds : sequence of length n_rows, optional
        A label for each row. Rows of one kind may stand in for each other within a group, which makes
        controls (:meth:`control`); those of kind None never do. By default all rows are of one kind: every
        term may stand in for every other one of its group.
    keep : sequence of str, default=()
        Phrases in which no term is looked for, such as "Burger King".
    ask : sequence of str, default=()
        Terms that name a group in some places only, such as German "sie" (she, they): ``resolve`` is asked
        about them wherever they stand, also if they have one row. Where it returns None, the word stays as it
        is and names no group, and so would its counterparts in its place.

    Raises
    ------
    TypeError
        If anything is no text, or a list has no order.
    ValueError
        If the lists are empty or of different lengths, a term is empty, of two groups, or, without
        ``resolve``, in two rows of a group or in ``ask``, or a group is called "none" or "several".

    See Also
    --------
    english_gender : A swapper with English terms.
    fairsk.GroupThresholdOptimizer : Takes :meth:`mentioned` as ``sensitive_features``, as all estimators and
        scorers do.

    Notes
    -----
    **Where a term begins and ends.** All terms are looked for at once, from left to right, the longest one
    first. One that begins or ends with a letter or digit is found where no letter, digit or mark goes on with
    the word. Apostrophes, hyphens and underscores end a word: "she's", "she-wolf" and "_she_" have the term
    "she", "shell" has not. Scripts that are written without blanks (Han, kana, Thai, Lao, Tibetan, Myanmar,
    Khmer) have no such boundaries: their terms are found inside of any run of characters, and what only looks
    like one belongs in ``keep``. Korean terms begin at a boundary and may be followed by a particle.

    **Spelling.** Terms and texts are compared as canonical caseless matches of Unicode [1]_; typographic
    apostrophes and hyphens count as plain ones, blanks inside of a phrase as any blanks, and the Turkish i
    without a dot as an i. What is not a term comes back as it was, character by character. A term is written
    in the case of the one whose place it takes: as listed, with its first letter, the first letter of each
    word, or all letters as capitals, or with none. A mixture ("hE") counts as listed, and so do all cases in
    a row one of whose terms cannot show them.

    **A text and its swaps have one template.** ``parse(parse(text).render(group)) == parse(text)`` for every
    text and group, and so it is with :meth:`swap` and :meth:`exchange`: whatever depends on the template is
    the same for all of them. This is why ``resolve`` is asked about a text that is written as if all its
    terms named one group, and why it decides on all rows that share terms at once: where "her" is a
    possessive, "him" is read as one. It must depend on nothing but what it receives. A term that would make
    another one with the words around it, were it written for another group, is left as it is: "best woman",
    where "best man" is listed and stands for "maid of honour". Where even that does not help, all terms of
    the text are; and so they are, with lists of that kind, in a text with several of so many groups that
    there are more than 100 exchanges to try.

    **What it is not.** A swap changes listed terms and nothing else: neither what only hints at a group, nor
    words that must agree with a term, as in languages with grammatical gender.

    References
    ----------
    .. [1] The Unicode Standard, section 3.13, definition D145.

    Examples
    --------
    >>> from fairsk.text import TermSwapper
    >>> swapper = TermSwapper(
    ...     {"female": ["she", "her", "woman", "lady"], "male": ["he", "him", "man", "gentleman"]},
    ...     kinds=[None, None, "noun", "noun"])
    >>> swapper.swap("She's a WOMAN; I saw her.", "male")
    "He's a MAN; I saw him."
    >>> swapper.mentioned(["She left.", "He left her.", "It rains."]).tolist()
    ['female', 'several', 'none']
    >>> swapper.exchange("He left her.", "female", "male")
    'She left him.'
    >>> swapper.control("A woman came.")
    'A lady came.'

    Who a comment mentions, as the group that an estimator looks at:

    >>> from fairsk import GroupThresholdOptimizer
    >>> from sklearn.feature_extraction.text import TfidfVectorizer
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.pipeline import make_pipeline
    >>> comments = ["She left.", "A man came.", "He left again.", "A woman came again."] * 20
    >>> model = GroupThresholdOptimizer(
    ...     make_pipeline(TfidfVectorizer(), LogisticRegression()), max_difference=0.1,
    ...     sensitive_features=swapper.mentioned)
    >>> model.fit(comments, [0, 1, 1, 0] * 20).groups_
    ('female', 'male')

    Rows that share a term need ``resolve``, a rule such as that of :func:`english_gender`, or a tagger, which
    gets the text and where the term stands in it. With one of spaCy:

    >>> def of_spacy(term):  # nlp = spacy.load("en_core_web_sm")
    ...     token = nlp(term.text).char_span(term.start, term.end)[0]
    ...     return term.rows[1 if token.tag_ == "PRP$" else 0]
    >>> by_tagger = TermSwapper(
    ...     {"female": ["her", "her", "hers"], "male": ["him", "his", "his"]}, resolve=of_spacy)
    """

    _lists: TermLists
    _resolve: Resolve | None

    def __init__(
        self,
        groups: Mapping[str, Sequence[str]],
        *,
        resolve: Resolve | None = None,
        kinds: Sequence[Hashable] | None = None,
        keep: Sequence[str] = (),
        ask: Sequence[str] = (),
    ) -> None:
        if resolve is not None and not callable(resolve):
            raise TypeError(
                f"resolve must be a callable that receives an AmbiguousTerm and returns one of its rows, or "
                f"None, got {show(resolve)}."
            )
        lists = TermLists(groups, kinds, keep, ask, is_resolved=resolve is not None)
        self._set(lists=lists, resolve=resolve)

    def _set(self, **values: Any) -> None:
        for name, value in values.items():
            object.__setattr__(self, f"_{name}", value)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"A TermSwapper cannot be changed: make another one instead of setting {name}.")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"A TermSwapper cannot be changed: make another one instead of deleting {name}.")

    def __reduce__(self) -> tuple[Any, ...]:
        return _restored, (self._lists, self._resolve)

    def __copy__(self) -> TermSwapper:
        return self

    def __deepcopy__(self, memo: object) -> TermSwapper:
        return self

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, TermSwapper):
            return NotImplemented
        return self._lists == other._lists and self._resolve == other._resolve

    def __hash__(self) -> int:
        return hash(self._lists)

    def __repr__(self) -> str:
        n_rows = len(self._lists.kinds)
        shown = [
            f"{show(name)}: [{list_texts(map(repr, terms[:3]), longest=30)}{', ...' if n_rows > 3 else ''}]"
            for name, terms in list(self.groups.items())[:5]
        ]
        more = f", and {len(self.group_names) - 5:,} more" if len(self.group_names) > 5 else ""
        return f"TermSwapper({{{', '.join(shown)}{more}}}, n_rows={n_rows:,})"

    @property
    def groups(self) -> dict[str, tuple[str, ...]]:
        """The terms of each group."""
        return dict(self._lists.groups)

    @property
    def group_names(self) -> tuple[str, ...]:
        """The names of the groups."""
        return self._lists.names

    @property
    def terms(self) -> tuple[str, ...]:
        """All terms, each of them once."""
        return tuple(dict.fromkeys(term for terms in self._lists.groups.values() for term in terms))

    @property
    def resolve(self) -> Resolve | None:
        """What tells rows apart that share a term."""
        return self._resolve

    @property
    def kinds(self) -> tuple[Hashable, ...]:
        """The kind of each row."""
        return self._lists.kinds

    @property
    def keep(self) -> tuple[str, ...]:
        """The phrases in which no term is looked for."""
        return self._lists.keep

    @property
    def ask(self) -> tuple[str, ...]:
        """The terms that name a group in some places only."""
        return self._lists.ask

    def mentioned(self, X: Any, text: str | int | None = None) -> NDArray[np.object_]:
        """Return the group that each text names.

        Parameters
        ----------
        X : array-like of shape (n_samples,), or frame
            Texts, or a frame with a column of them.
        text : str or int, optional
            The column of the texts, where X has several.

        Returns
        -------
        ndarray of shape (n_samples,)
            The name of a group, "none" or "several".

        Raises
        ------
        ValueError
            If a row has no text, or the column of texts is not there or not named.
        TypeError
            If a value is no text.

        Notes
        -----
        As ``sensitive_features`` of an estimator, scorer or audit it is given itself,
        ``sensitive_features=swapper.mentioned``; for frames with several columns
        ``functools.partial(swapper.mentioned, text="comment")``. Both can be pickled if ``resolve`` can.
        """
        mentioned = np.empty(len(texts := read_texts(X, text)), dtype=object)
        for i, one in enumerate(texts):
            groups = self._groups_in(one)
            mentioned[i] = next(iter(groups)) if len(groups) == 1 else SEVERAL if groups else NONE
        return mentioned

    def _groups_in(self, text: str) -> Collection[str]:
        """Return the groups that a text names; what may be no term must be read for that."""
        if self._lists.ask:
            return self.parse(text).groups
        return [self.group_names[group] for group in self._lists.groups_in(text)]

    def parse(self, text: str) -> Template:
        """Return a text as a template: what stands between its terms, and a slot for each of them.

        Parameters
        ----------
        text : str
            A text.

        Returns
        -------
        Template
            ``slots`` and ``groups`` say what the text names, ``render(group)`` writes it for a group. Texts
            that differ in nothing but the groups that they name have equal templates.

        Raises
        ------
        TypeError
            If it is no text.
        """
        return parse(_checked_text(text), self._lists, self._resolve)

    def swap(self, text: str, group: str) -> str:
        """Return a text with all its terms written for one group; those of this group stay as they are.

        Parameters
        ----------
        text : str
            A text.
        group : str
            The group.

        Returns
        -------
        str
            The text about that group.

        Raises
        ------
        ValueError
            If there is no such group.
        TypeError
            If it is no text.
        """
        self._lists.group_position(group)
        return self.parse(text).swap(dict.fromkeys(self.group_names, group))

    def exchange(self, text: str, a: str, b: str) -> str:
        """Return a text in which two groups have changed places.

        Parameters
        ----------
        text : str
            A text.
        a, b : str
            The groups.

        Returns
        -------
        str
            The text; terms of other groups stay as they are.

        Raises
        ------
        ValueError
            If there is no such group.
        TypeError
            If it is no text.
        """
        for group in (a, b):
            self._lists.group_position(group)
        return self.parse(text).swap({a: b, b: a})

    def pairs(self, texts: Any, text: str | int | None = None) -> tuple[TermPair, ...]:
        """Return each text that names one group beside the same text about each other group.

        Parameters
        ----------
        texts : array-like of shape (n_samples,), or frame
            Texts, or a frame with a column of them.
        text : str or int, optional
            The column of the texts, where there are several.

        Returns
        -------
        tuple of TermPair
            The pairs, in the order of the texts and of the groups: ``row`` is the position of the text,
            ``source`` the group that it names, ``target`` the group of the ``counterfactual``.

        Raises
        ------
        ValueError
            If a row has no text, or the column of texts is not there or not named.
        TypeError
            If a value is no text.

        Notes
        -----
        Texts that name no group or several have no pair, nor have those all of whose terms are left as they
        are; :meth:`mentioned` counts them, and :meth:`exchange` is there for two groups in one text.
        """
        pairs = []
        for row, one in enumerate(read_texts(texts, text, name="texts")):
            template = self.parse(one)
            if len(template.groups) != 1 or not template.slots:
                continue
            (source,) = template.groups
            pairs += [
                TermPair(row, source, target, one, template.render(target))
                for target in self.group_names
                if target != source
            ]
        return tuple(pairs)

    def control(self, text: str) -> str | None:
        """Return a text with every term replaced by another one of its kind and group.

        Parameters
        ----------
        text : str
            A text.

        Returns
        -------
        str or None
            The text; None if it names no term, or one without another of its kind, or if the words around
            would make something else of the other term.

        Raises
        ------
        TypeError
            If it is no text.

        Notes
        -----
        Each term becomes that of the next row of its kind that has another one, after the last row the
        first: an edit as large as a swap, after which the text names the same groups. Give rare words a kind
        of their own, or None: to a model that has not seen a word, writing it takes the term away.
        """
        control = self.parse(text).render_control()
        if control is None or not (self._lists.may_run_together or self._lists.ask):
            return control
        return control if set(self._groups_in(control)) == set(self._groups_in(text)) else None


def _checked_text(text: Any) -> str:
    if not isinstance(text, str):
        raise TypeError(f"text must be a text, got {show(text)}, of type {type(text).__name__}.")
    return text


def _restored(lists: TermLists, resolve: Resolve | None) -> TermSwapper:
    swapper = TermSwapper.__new__(TermSwapper)
    swapper._set(lists=lists, resolve=resolve)
    return swapper
