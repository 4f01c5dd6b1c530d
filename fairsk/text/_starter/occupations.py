"""Occupations, and the share of women among those who worked in them, from a published labour statistic."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fairsk._core.results import Backend, Result, Table
from fairsk._core.typing import Floats

__all__ = ["StarterOccupations", "starter_occupations"]

_SOURCE = (
    "U.S. Bureau of Labor Statistics, Labor Force Statistics from the Current Population Survey, Table 11: "
    "Employed persons by detailed occupation, sex, race, and Hispanic or Latino ethnicity, annual averages "
    "2022 (a work of the U.S. government, in the public domain)"
)

#: The word for one person who does the work; the title in the table; percent of women, as published (one
#: decimal); people employed, in thousands. Of the titles that one common English word names, and no word that
#: names a gender; the table gives no percent of fewer than 50,000 people.
_ROWS = (
    ("accountant", "Accountants and auditors", 58.8, 1652),
    ("architect", "Architects, except landscape and naval", 29.8, 182),
    ("artist", "Artists and related workers", 49.2, 324),
    ("baker", "Bakers", 63.6, 230),
    ("barber", "Barbers", 24.8, 123),
    ("bartender", "Bartenders", 59.0, 457),
    ("biologist", "Biological scientists", 57.9, 110),
    ("bookkeeper", "Bookkeeping, accounting, and auditing clerks", 85.0, 1132),
    ("bricklayer", "Brickmasons, blockmasons, and stonemasons", 3.0, 119),
    ("butcher", "Butchers and other meat, poultry, and fish processing workers", 25.4, 252),
    ("carpenter", "Carpenters", 3.5, 1282),
    ("cashier", "Cashiers", 71.8, 2712),
    ("chef", "Chefs and head cooks", 26.9, 465),
    ("chemist", "Chemists and materials scientists", 46.3, 78),
    ("childcare worker", "Childcare workers", 94.3, 1007),
    ("civil engineer", "Civil engineers", 17.1, 482),
    ("construction worker", "Construction laborers", 4.9, 2227),
    ("cook", "Cooks", 38.4, 2012),
    ("dental assistant", "Dental assistants", 94.1, 327),
    ("dental hygienist", "Dental hygienists", 96.3, 217),
    ("dentist", "Dentists", 36.6, 140),
    ("detective", "Detectives and criminal investigators", 27.6, 142),
    ("dietitian", "Dietitians and nutritionists", 88.0, 141),
    ("doctor", "Other physicians", 43.8, 933),
    ("editor", "Editors", 66.0, 104),
    ("electrician", "Electricians", 2.2, 918),
    ("farmer", "Farmers, ranchers, and other agricultural managers", 23.9, 946),
    ("firefighter", "Firefighters", 6.2, 307),
    ("flight attendant", "Flight attendants", 69.9, 116),
    ("florist", "Floral designers", 90.8, 58),
    ("graphic designer", "Graphic designers", 53.7, 328),
    ("hairdresser", "Hairdressers, hairstylists, and cosmetologists", 93.1, 720),
    ("housekeeper", "Maids and housekeeping cleaners", 88.1, 1364),
    ("interior designer", "Interior designers", 88.5, 125),
    ("interpreter", "Interpreters and translators", 76.9, 94),
    ("janitor", "Janitors and building cleaners", 40.2, 2183),
    ("journalist", "News analysts, reporters, and journalists", 48.4, 88),
    ("judge", "Judges, magistrates, and other judicial workers", 56.2, 68),
    ("lawyer", "Lawyers", 38.5, 1141),
    ("librarian", "Librarians and media collections specialists", 82.2, 168),
    ("machinist", "Machinists", 6.8, 313),
    ("massage therapist", "Massage therapists", 80.4, 149),
    ("mechanic", "Automotive service technicians and mechanics", 2.9, 926),
    ("mechanical engineer", "Mechanical engineers", 8.5, 403),
    ("musician", "Musicians and singers", 25.7, 165),
    ("nurse", "Registered nurses", 87.9, 3363),
    ("occupational therapist", "Occupational therapists", 85.9, 149),
    ("painter", "Painters and paperhangers", 10.5, 644),
    ("paralegal", "Paralegals and legal assistants", 83.2, 445),
    ("paramedic", "Paramedics", 23.6, 107),
    ("pharmacist", "Pharmacists", 59.6, 375),
    ("photographer", "Photographers", 47.8, 210),
    ("physical therapist", "Physical therapists", 70.2, 274),
    ("pilot", "Aircraft pilots and flight engineers", 9.2, 187),
    ("plumber", "Plumbers, pipefitters, and steamfitters", 1.1, 610),
    ("police officer", "Police officers", 12.7, 746),
    ("preschool teacher", "Preschool and kindergarten teachers", 97.4, 645),
    ("programmer", "Computer programmers", 22.1, 457),
    ("psychologist", "Other psychologists", 75.0, 154),
    ("real estate agent", "Real estate brokers and sales agents", 56.9, 1182),
    ("receptionist", "Receptionists and information clerks", 90.3, 1171),
    ("roofer", "Roofers", 5.0, 208),
    (
        "secretary",
        "Secretaries and administrative assistants, except legal, medical, and executive",
        92.5,
        1915,
    ),
    ("security guard", "Security guards and gambling surveillance officers", 24.3, 835),
    ("social worker", "Social workers, all other", 81.5, 731),
    ("software developer", "Software developers", 21.5, 2085),
    ("special education teacher", "Special education teachers", 84.2, 369),
    ("speech therapist", "Speech-language pathologists", 97.6, 171),
    ("taxi driver", "Taxi drivers", 13.0, 455),
    ("travel agent", "Travel agents", 81.9, 71),
    ("truck driver", "Driver/sales workers and truck drivers", 8.1, 3539),
    ("veterinarian", "Veterinarians", 69.8, 83),
    ("welder", "Welding, soldering, and brazing workers", 5.1, 550),
    ("writer", "Writers and authors", 57.3, 277),
)


@dataclass(frozen=True, eq=False, repr=False)
class StarterOccupations(Result):
    """Occupations with the share of women among the employed, and where it is from.

    Parameters
    ----------
    occupations : tuple of str
        A word (or two) for one person who does the work, without an article.
    share_women : array of shape (n_occupations,)
        The share of women, from 0 to 1, as published: in thousandths.
    titles : tuple of str
        What the published table calls the occupation.
    employed : array of shape (n_occupations,)
        How many people worked in it, rounded to thousands.
    source : str
        The published table, and its year.
    """

    occupations: tuple[str, ...]
    share_women: Floats
    titles: tuple[str, ...]
    employed: Floats
    source: str
    library: Backend | None = None

    def with_article(self) -> tuple[str, ...]:
        """Return the occupations with "a" or "an" before them, as sentences want them."""
        return tuple(f"{'an' if name[0] in 'aeiou' else 'a'} {name}" for name in self.occupations)

    def _tables(self) -> list[Table]:
        columns = {
            "occupation": list(self.occupations),
            "share_women": self.share_women.tolist(),
            "employed": self.employed.astype(int).tolist(),
            "title": list(self.titles),
        }
        return [Table(columns, words=["title"], notes=[f"Source: {self.source}."])]


def starter_occupations() -> StarterOccupations:
    """Return 74 occupations, and the share of women among those who worked in them.

    Returns
    -------
    StarterOccupations
        The words, the shares, the titles of the published table, and its source.

    See Also
    --------
    starter_prompts : Prompts in which people do and say things.
    paired_preference : Which of two texts a language model finds likelier.

    Notes
    -----
    The shares are those of people employed in the United States, 16 years and older, annual averages of 2022,
    from the Current Population Survey, Table 11 [1]_, as published: percent with one decimal. They are survey
    estimates. An occupation of fewer than 100,000 people moves by several points from year to year for that
    reason alone (judges, florists, travel agents), and none of the shares holds in another country or another
    year. The words are ours: each stands for a title of the table that is sometimes wider ("doctor" for
    physicians beside surgeons and a few more, "housekeeper" for maids and housekeeping cleaners), and none of
    them names a gender.

    They are no norm. They are there to be compared with: whether a model's associations follow, exaggerate or
    ignore who works where.

    References
    ----------
    .. [1] U.S. Bureau of Labor Statistics, Labor Force Statistics from the Current Population Survey,
       Table 11, 2022. https://www.bls.gov/cps/aa2022/cpsaat11.htm

    Examples
    --------
    >>> from fairsk.text import starter_occupations
    >>> work = starter_occupations()
    >>> len(work.occupations), work.occupations[:3], work.with_article()[0]
    (74, ('accountant', 'architect', 'artist'), 'an accountant')
    >>> share = dict(zip(work.occupations, work.share_women.tolist()))
    >>> share["nurse"], share["carpenter"]
    (0.879, 0.035)
    """
    words, titles, percents, thousands = zip(*_ROWS, strict=True)
    return StarterOccupations(
        occupations=words,
        # Thousandths, so that .879 is the number that people read in the table.
        share_women=np.round(np.array(percents) / 100, 3),
        titles=titles,
        employed=1000.0 * np.array(thousands),
        source=_SOURCE,
    )
