"""English terms of gender, and the rule that tells what "her" and "his" are."""

from __future__ import annotations

from functools import cache

from fairsk.text._terms.families import AmbiguousTerm
from fairsk.text._terms.swapper import TermSwapper

__all__ = ["english_gender"]

#: Which of the first three is meant is decided by the next word.
_PRONOUNS = "him/her, his/her, his/hers, he/she, himself/herself, hes/shes"
#: The row of "his book" and "her book".
_POSSESSIVE = ("his", "her")

#: The other rows, by kind: those of one kind can stand in for each other. Rare words have kinds of their own,
#: so that no common one has them as a control: to a model that does not know them they are no words. Of
#: several rows with one term the first is the one that the term is written as in the other group.
_KINDS = {
    "person": "man/woman, boy/girl, gentleman/lady",
    "persons": "men/women, boys/girls, gentlemen/ladies",
    "person, rare": "lad/lass, schoolboy/schoolgirl",
    "persons, rare": "males/females, lads/lasses, schoolboys/schoolgirls",
    "fellow": "guy/gal",
    "fellows": "guys/gals",
    "noun and adjective": "male/female",
    "adjective": "masculine/feminine, manly/womanly",
    "quality": "masculinity/femininity, manhood/womanhood, manliness/womanliness, boyhood/girlhood",
    "relative": "father/mother, brother/sister, son/daughter, dad/mom, uncle/aunt, grandfather/grandmother, "
    "grandpa/grandma, nephew/niece",
    "relatives": "fathers/mothers, brothers/sisters, sons/daughters, dads/moms, uncles/aunts, "
    "grandfathers/grandmothers, nephews/nieces",
    "relative, rare": "dad/mum, daddy/mommy, daddy/mummy, papa/mama, grandpa/granny, granddad/grandmom, "
    "granddad/grandmum, grandad/nana, uncle/auntie, grandson/granddaughter, stepfather/stepmother, "
    "stepdad/stepmom, stepbrother/stepsister, stepson/stepdaughter, godfather/godmother, "
    "godson/goddaughter",
    "relatives, rare": "dads/mums, daddies/mommies, daddies/mummies, grandpas/grandmas, uncles/aunties, "
    "grandsons/granddaughters, stepfathers/stepmothers, stepbrothers/stepsisters, "
    "stepsons/stepdaughters, godfathers/godmothers, godsons/goddaughters",
    "sibling": "bro/sis",
    "of a parent": "fatherly/motherly, paternal/maternal",
    "being a parent": "fatherhood/motherhood, paternity/maternity",
    "raising": "fathering/mothering",
    "of a sibling": "brotherly/sisterly",
    "being siblings": "brotherhood/sisterhood",
    "partner": "husband/wife, boyfriend/girlfriend",
    "partners": "husbands/wives, boyfriends/girlfriends",
    "partner, rare": "hubby/wifey, fianc\u00e9/fianc\u00e9e, fiance/fiancee",
    "partners, rare": "fianc\u00e9s/fianc\u00e9es, fiances/fiancees",
    "at a wedding": "groom/bride, bridegroom/bride, groomsman/bridesmaid",
    "at weddings": "grooms/brides, bridegrooms/brides, groomsmen/bridesmaids",
    "widowed": "widower/widow",
    "unmarried": "bachelor/bachelorette",
    "the widowed": "widowers/widows",
    "the unmarried": "bachelors/bachelorettes",
    "noble": "king/queen, prince/princess, emperor/empress, duke/duchess, baron/baroness",
    "nobles": "kings/queens, princes/princesses, emperors/empresses, dukes/duchesses, barons/baronesses",
    "title": "Mr/Ms, Mr/Mrs, Mister/Missus",
    "address": "sir/madam, sir/ma'am",
    "worker": "actor/actress, waiter/waitress, steward/stewardess, businessman/businesswoman, "
    "salesman/saleswoman, policeman/policewoman, fireman/firewoman, cameraman/camerawoman, "
    "sportsman/sportswoman, handyman/handywoman, craftsman/craftswoman, mailman/mailwoman, "
    "serviceman/servicewoman, cowboy/cowgirl, landlord/landlady",
    "workers": "actors/actresses, waiters/waitresses, stewards/stewardesses, businessmen/businesswomen, "
    "salesmen/saleswomen, policemen/policewomen, firemen/firewomen, cameramen/camerawomen, "
    "sportsmen/sportswomen, handymen/handywomen, craftsmen/craftswomen, mailmen/mailwomen, "
    "servicemen/servicewomen, cowboys/cowgirls, landlords/landladies",
    "office": "chairman/chairwoman, spokesman/spokeswoman, congressman/congresswoman, "
    "councilman/councilwoman, assemblyman/assemblywoman, alderman/alderwoman",
    "offices": "chairmen/chairwomen, spokesmen/spokeswomen, congressmen/congresswomen, "
    "councilmen/councilwomen, assemblymen/assemblywomen, aldermen/alderwomen",
    "cleric": "monk/nun, priest/priestess, clergyman/clergywoman",
    "clerics": "monks/nuns, priests/priestesses, clergymen/clergywomen",
    "heir": "heir/heiress",
    "heirs": "heirs/heiresses",
}

#: After "her" these say that it is no determiner ("I saw her today"), by part of speech. Words that a noun
#: phrase begins with as well ("her right hand", "her most famous book") are not among them, nor are nouns.
_NO_NOUN_FOLLOWS = {
    "articles, determiners": "a an the this that these those each every any some all both either neither "
    "another enough no such my your our their its what which whatever whichever",
    "pronouns": "i you he she it we they me him her us them mine hers yours ours theirs myself yourself "
    "itself ourselves themselves himself herself who whom whoever whose anyone anybody anything someone "
    "somebody something everyone everybody everything nobody nothing none",
    "their contractions": "im ive youre youve youd youll hes shes its weve were theyre theyve theyd theyll "
    "thats whats whos theres heres",
    "prepositions": "about above across after against along alongside among amongst around as at before "
    "behind below beneath beside besides between beyond by concerning despite down during except for from "
    "in inside into like near of off on onto out outside over past per regarding since through throughout "
    "till to toward towards under underneath unless unlike until up upon via with within without",
    "conjunctions": "and or but nor so yet because cause cuz although though if when whenever where "
    "wherever while whilst whereas whether than how why",
    "auxiliaries": "am is are was were be been being do does did have has had can could may might must "
    "shall should will would cannot cant couldnt wont wouldnt shouldnt dont doesnt didnt isnt arent wasnt "
    "werent hasnt havent hadnt gonna gotta",
    "adverbs": "again ago ahead alone already also always anymore anyway apart aside away back badly else "
    "ever everywhere exactly forever forward here home however instead just lately later maybe more much "
    "never not now nowhere often once otherwise perhaps please probably quite rather really sometimes "
    "somewhere soon still then there therefore though today together tomorrow tonight too twice usually "
    "very well yesterday",
    "verbs": "achieve agree appear ask become begin behave believe bring buy choose come decide describe "
    "die do earn eat enjoy exist explain feel find forget get give go grow happen hear keep know learn let "
    "listen live lose make meet move obey pick prove put quit realise realize recover remember remove say "
    "see seem sell send sit sleep speak spend stand start stop succeed suffer survive take teach tell "
    "think try understand wait walk wear write asking becoming being coming doing getting giving going "
    "having knowing making saying taking talking telling trying",
}
_NO_NOUN = frozenset(word for words in _NO_NOUN_FOLLOWS.values() for word in words.split())


def _whose(term: AmbiguousTerm) -> int:
    """Return the row that is meant: of "her", by the next word; of others, the first."""
    word = term.next_word.lower().replace("'", "").replace("\u2019", "")
    if _POSSESSIVE in term.choices and word and word not in _NO_NOUN:
        return term.rows[term.choices.index(_POSSESSIVE)]
    return term.rows[0]


def english_gender() -> TermSwapper:
    """Return a swapper of English terms of two genders.

    Returns
    -------
    TermSwapper
        Its groups are "male" and "female".

    See Also
    --------
    TermSwapper : Takes lists of your own, of any groups and language.

    Notes
    -----
    The lists are of our own making, from what grammars call gendered nouns: pronouns, adults and children,
    kin, partners, titles, nobility, and occupations that have two forms, in singular and plural, of American
    and British spelling. There are words for two genders only, and none for people who are neither. Words
    that are more often something else are left out, such as lord, miss, count, hero and god, as are insults.

    Whether "her" is that of "her book" or of "I saw her" is decided by the next word: a possessive, unless
    none follows, or one that no noun phrase begins with (articles, prepositions, conjunctions, auxiliaries,
    pronouns, frequent adverbs and verbs). The same rule decides on "his". It agrees with a tagger in 97% of
    881 cases in comments (``benchmarks/text_terms.py``). Where it takes "her" for a possessive, "him" and
    "hers" are read as one too, so that a text and its swaps have one template.

    Where several terms have one counterpart, such as mom and mum, that is written as the first: "mum" comes
    back from "dad" as "mom", and "Mrs" from "Mr" as "Ms". Rows are of kinds, so that a control changes a noun
    into another that could stand there, such as mother and sister, and no common word into a rare one where
    there is a choice; pronouns have no control. To add rows, or phrases to keep::

        english = english_gender()
        TermSwapper(
            {"male": [*english.groups["male"], "John"], "female": [*english.groups["female"], "Mary"]},
            resolve=english.resolve, kinds=[*english.kinds, "name"], keep=["Burger King"])

    Examples
    --------
    >>> from fairsk.text import english_gender
    >>> swapper = english_gender()
    >>> swapper.swap("She told her brother that it was HERS.", "male")
    'He told his brother that it was HIS.'
    >>> swapper.swap("Everybody likes him and his brother.", "female")
    'Everybody likes her and her sister.'
    >>> swapper.control("The actress told my mother.")
    'The waitress told my sister.'
    """
    return _swapper()


@cache
def _swapper() -> TermSwapper:
    rows: list[list[str]] = []
    kinds: list[str | None] = []
    for kind, listed in [(None, _PRONOUNS), *_KINDS.items()]:
        of_kind = [pair.split("/") for pair in listed.split(", ")]
        rows += of_kind
        kinds += [kind] * len(of_kind)
    return TermSwapper(
        {"male": [male for male, _ in rows], "female": [female for _, female in rows]},
        resolve=_whose,
        kinds=kinds,
    )
