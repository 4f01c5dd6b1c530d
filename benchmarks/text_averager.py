"""What averaging over the groups that a text could name costs, beside augmentation and masking.

Run: python benchmarks/text_averager.py --data FILE [--seeds N]

FILE is a table with the columns ``text``, ``group`` (who a comment is about) and ``biased`` (0 or 1), such as
RedditBias. For each of three lists of terms (English gender; religions; black and white), with 40% of rows
held out:

- ``plain``: weighted words and pairs of words, before a logistic regression;
- ``augmented``: the same, trained on every text with its swaps, of weight 1/copies;
- ``averaged``: CounterfactualAverager around the plain model, of probabilities or of log-odds;
- ``both``: the average over the augmented model;
- ``masked``: the plain model with one word in the place of all terms, in training too.

``accuracy`` is that on held-out texts that name one group alone, ``all`` that on all of them. ``flips`` is
the share of these texts of which a swap changes the prediction, with Wilson's interval; ``one way`` and
``other`` how many are positive only as the first group, and only as the second; ``gap`` the mean difference
of the score as the one and as the other. ``listed that change`` counts the sentences about any listed term
whose scores change in any bit with a swap. ``time`` is that of predict_proba on all held-out texts, over that
of the plain model. All are means over the seeds. No text is ever printed.
"""

from __future__ import annotations

import argparse
import re
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from fairsk.text import (
    CounterfactualAugmenter,
    CounterfactualAverager,
    TermSwapper,
    counterfactual_audit,
    english_gender,
)

#: Lists of our own making: nouns and adjectives in aligned rows, none of them in two.
RELIGIONS = {
    "muslim": ["muslim", "muslims", "islam", "mosque", "mosques", "imam", "quran", "allah"],
    "jewish": ["jew", "jews", "judaism", "synagogue", "synagogues", "rabbi", "torah", "yahweh"],
    "christian": [
        "christian",
        "christians",
        "christianity",
        "church",
        "churches",
        "priest",
        "bible",
        "jesus",
    ],
}
RACES = {
    "black": ["black", "blacks", "african american", "african americans", "african", "africans"],
    "white": ["white", "whites", "european american", "european americans", "european", "europeans"],
}
LISTS: dict[str, Callable[[], TermSwapper]] = {
    "gender": english_gender,
    "religion": lambda: TermSwapper(RELIGIONS),
    "race": lambda: TermSwapper(RACES),
}
METHODS = ("plain", "augmented", "averaged", "averaged log-odds", "both", "masked")


def pipeline() -> Any:
    return make_pipeline(
        TfidfVectorizer(ngram_range=(1, 2), min_df=2), LogisticRegression(C=5, max_iter=1000)
    )


def fitted(method: str, swapper: TermSwapper, texts: list[str], y: Any) -> Any:
    if method == "masked":
        mask = FunctionTransformer(lambda rows: ["TERM".join(swapper.parse(row).texts) for row in rows])
        return make_pipeline(mask, *pipeline()).fit(texts, y)
    if method == "averaged":
        return CounterfactualAverager(pipeline(), swapper).fit(texts, y)
    if method == "averaged log-odds":
        return CounterfactualAverager(pipeline(), swapper, response_method="decision_function").fit(texts, y)
    if method in ("augmented", "both"):
        augmenter = CounterfactualAugmenter(swapper)
        rows, labels = augmenter.fit_resample(texts, y)
        weights = augmenter.sample_weight_
        if method == "both":
            return CounterfactualAverager(pipeline(), swapper).fit(rows, labels, sample_weight=weights)
        return pipeline().fit(rows, labels, logisticregression__sample_weight=weights)
    return pipeline().fit(texts, y)


def respond(model: Any, texts: list[str]) -> Any:
    method = "predict_proba" if hasattr(model, "predict_proba") else "decision_function"
    return getattr(model, method)(texts)


def seconds(model: Any, texts: list[str], repeats: int = 3) -> float:
    taken = []
    for _ in range(repeats):
        start = time.process_time()
        respond(model, texts)
        taken.append(time.process_time() - start)
    return min(taken)


def all_texts_with_listed_terms(swapper: TermSwapper) -> list[str]:
    """Return every listed term in a few sentences, for the guarantee."""
    frames = ("{} came.", "I saw {} there.", "{}!", "Then {} and {} left, so they say.")
    return [frame.format(term, term) for term in swapper.terms for frame in frames]


def run(data: pd.DataFrame, name: str, seed: int) -> list[dict[str, Any]]:
    swapper = LISTS[name]()
    train, test = train_test_split(
        data, test_size=0.4, stratify=data["group"] + data["biased"].astype(str), random_state=seed
    )
    texts, y = train["text"].tolist(), train["biased"].to_numpy()
    held_out, truth = test["text"].tolist(), test["biased"].to_numpy()
    mentioned = swapper.mentioned(held_out)
    named = ~np.isin(mentioned, ["none", "several"])
    rows, base = [], 0.0
    for method in METHODS:
        model = fitted(method, swapper, texts, y)
        predicted = model.predict(held_out)
        audit = counterfactual_audit(model, held_out, swapper, control=None, n_resamples=99)
        pair = audit.pairs[0]
        taken = seconds(model, held_out)
        base = taken if method == "plain" else base
        listed = all_texts_with_listed_terms(swapper)
        answers = respond(model, listed).reshape(len(listed), -1)
        swaps = [[swapper.swap(text, group) for text in listed] for group in swapper.group_names]
        changed = sum(
            (respond(model, swapped).reshape(len(listed), -1) != answers).any(1).sum() for swapped in swaps
        )
        rows.append(
            {
                "terms": name,
                "method": method,
                "n named": int(named.sum()),
                "accuracy": (predicted == truth)[named].mean(),
                "all": (predicted == truth).mean(),
                "flips": audit.flips.rate,
                "low": audit.flips.low,
                "high": audit.flips.high,
                "one way": pair.only_group,
                "other": pair.only_other,
                "gap": pair.gap,
                "listed that change": int(changed),
                "time": taken / base,
            }
        )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--data", required=True, help="a table with the columns text, group and biased")
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    data = pd.read_csv(options.data).dropna()
    data["text"] = data["text"].str.replace(re.compile(r"\s+"), " ", regex=True)
    warnings.simplefilter("error")
    results = pd.DataFrame(
        [row for name in LISTS for seed in range(options.seeds) for row in run(data, name, seed)]
    )
    table = results.groupby(["terms", "method"], sort=False).mean()
    print(table.round(4).to_string())


if __name__ == "__main__":
    main()
