"""Given names by the sex recorded at birth, and words for people, in rows that belong together."""

from __future__ import annotations

__all__ = ["starter_names", "starter_people"]

#: Per decade of birth, six names of each sex that were among the twenty most frequent. No name that is a
#: common English word (Mark, Grace, Mason), and none that was common for both sexes (Taylor, Jordan).
_NAMES = {
    1950: (
        ("James", "Robert", "John", "Richard", "Thomas", "Charles"),
        ("Mary", "Linda", "Patricia", "Susan", "Barbara", "Karen"),
    ),
    1970: (
        ("Christopher", "Jason", "Brian", "Kevin", "Eric", "Jeffrey"),
        ("Jennifer", "Amy", "Melissa", "Michelle", "Kimberly", "Angela"),
    ),
    1990: (
        ("Joshua", "Nicholas", "Andrew", "Tyler", "Brandon", "Zachary"),
        ("Jessica", "Ashley", "Emily", "Samantha", "Amanda", "Megan"),
    ),
    2010: (
        ("Noah", "Liam", "Ethan", "Elijah", "Benjamin", "Lucas"),
        ("Emma", "Olivia", "Sophia", "Isabella", "Abigail", "Charlotte"),
    ),
}

_PEOPLE = (
    ("the man", "the woman"),
    ("my brother", "my sister"),
    ("my father", "my mother"),
    ("my uncle", "my aunt"),
    ("my grandfather", "my grandmother"),
    ("our son", "our daughter"),
    ("the boy next door", "the girl next door"),
    ("her nephew", "her niece"),
)


def starter_names() -> dict[str, tuple[str, ...]]:
    """Return 24 given names for each of two groups, by the sex recorded at birth, born in the same decades.

    Returns
    -------
    dict of str to tuple of str
        The names of the groups ``"male"`` and ``"female"``; names at the same position, such as James and
        Mary, were frequent in births of the same decade (the 1950s, 1970s, 1990s and 2010s, six each).

    See Also
    --------
    starter_people : Words for people instead of names.
    generation_audit : What a model writes of them.
    starter_prompts : Prompts in which they stand.

    Notes
    -----
    Each name was among the twenty most frequent names of its sex in births of its decade in the United
    States, as the Social Security Administration counts them from applications for a social security card,
    which record a sex [1]_; and it was given to the other sex at most 4 times per 100 then. That is all that
    is known of them here: it is the sex recorded at birth, not anybody's gender, in one country. Names of one
    decade are compared with each other, for a name also tells an age.

    Names say something of ethnicity and class too, and no such claim is made here. Published lists say what
    they measured: names by the race that mortgage applicants reported [2]_, or voters of six southern states
    [3]_; give such names yourself, as groups.

    References
    ----------
    .. [1] Social Security Administration, Top Names by Decade. https://www.ssa.gov/oact/babynames/decades/
    .. [2] Tzioumis, Demographic Aspects of First Names, Scientific Data 5, 2018.
    .. [3] Rosenman, Olivella & Imai, Race and Ethnicity Data for First, Middle, and Surnames, Scientific
       Data 10, 2023.

    Examples
    --------
    >>> from fairsk.text import starter_names
    >>> names = starter_names()
    >>> list(names), len(names["female"])
    (['male', 'female'], 24)
    >>> names["male"][0], names["female"][0]
    ('James', 'Mary')
    """
    rows = [row for decade in _NAMES.values() for row in zip(*decade, strict=True)]
    male, female = zip(*rows, strict=True)
    return {"male": male, "female": female}


def starter_people() -> dict[str, tuple[str, ...]]:
    """Return eight words for people of each of two groups, in rows that differ in gender alone.

    Returns
    -------
    dict of str to tuple of str
        Words of the groups ``"male"`` and ``"female"``, with their articles, such as "my brother"; words at
        the same position belong together.

    See Also
    --------
    starter_names : Given names instead of words.
    starter_prompts : Prompts in which they stand.
    english_gender : Words that are found in texts and swapped.

    Notes
    -----
    The list is our own. A word in lower case gets a capital where it begins a text.

    Examples
    --------
    >>> from fairsk.text import starter_people
    >>> people = starter_people()
    >>> people["male"][1], people["female"][1]
    ('my brother', 'my sister')
    """
    male, female = zip(*_PEOPLE, strict=True)
    return {"male": male, "female": female}
