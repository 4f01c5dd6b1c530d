"""Terms of groups in texts: who is mentioned, and the same text about another group."""

from __future__ import annotations

import copy
import pickle

import pytest

from fairsk.text import TermSwapper, english_gender


def test_terms_are_swapped_all_at_once_and_keep_their_case():
    swapper = TermSwapper({"female": ["she", "her", "woman"], "male": ["he", "him", "man"]})
    assert swapper.swap("She saw HER and the man.", "male") == "He saw HIM and the man."
    assert swapper.exchange("She saw him.", "female", "male") == "He saw her."
    assert swapper.mentioned(["She left.", "He saw her.", "The heat."]).tolist() == [
        "female",
        "several",
        "none",
    ]
    (pair,) = swapper.pairs(["She left.", "He saw her.", "The heat."])
    assert (pair.row, pair.source, pair.target) == (0, "female", "male")
    assert (pair.text, pair.counterfactual) == ("She left.", "He left.")
    assert swapper.control("She saw a woman.") == "Her saw a she."


@pytest.mark.parametrize(
    ("female", "male"),
    [
        ("She told her brother.", "He told his brother."),
        ("I saw her.", "I saw him."),
        ("It is hers.", "It is his."),
        ("She hurt herself", "He hurt himself"),
    ],
)
def test_her_and_his_are_told_apart_by_the_next_word(female, male):
    swapper = english_gender()
    male_at_home = male.replace("brother", "sister")
    assert swapper.swap(female.replace("brother", "sister"), "male") == male
    assert swapper.swap(male_at_home.replace("sister", "brother"), "female") == female.replace(
        "brother", "sister"
    )


def test_swappers_are_equal_by_value_and_travel():
    swapper = english_gender()
    assert pickle.loads(pickle.dumps(swapper)) == swapper
    assert copy.deepcopy(swapper) is swapper
    with pytest.raises(AttributeError, match="cannot be changed"):
        swapper.groups = {}
