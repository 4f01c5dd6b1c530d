"""Text and language models: who is mentioned, whether that changes an answer, and what is done about it.

``_terms`` says who a text mentions, and rewrites it for another group; ``_counterfactual`` asks models about
such pairs of texts, and averages over them; ``_llm`` makes a language model a classifier, over the scorers of
``_scorers`` (endpoints) and ``_local`` (models on this machine); ``_likelihood`` and ``_generation`` audit
what a model prefers and writes, ``_starter`` has prompts, names and occupations to begin with, and
``_association`` tests vectors of words.

The classes of results can be imported from here, too; they are not in ``__all__``, for functions make them.
"""

from fairsk._core.corpus import CorpusCounts
from fairsk.text._association.association import AssociationTest as AssociationTest
from fairsk.text._association.association import association_test
from fairsk.text._counterfactual.audit import counterfactual_audit
from fairsk.text._counterfactual.augmenter import CounterfactualAugmenter
from fairsk.text._counterfactual.averager import CounterfactualAverager
from fairsk.text._counterfactual.edits import counterfactual_texts
from fairsk.text._counterfactual.records import ChangedText as ChangedText
from fairsk.text._counterfactual.records import ControlComparison as ControlComparison
from fairsk.text._counterfactual.records import CounterfactualPair as CounterfactualPair
from fairsk.text._counterfactual.records import FlipShare as FlipShare
from fairsk.text._counterfactual.records import MoveComparison as MoveComparison
from fairsk.text._counterfactual.results import CounterfactualAudit as CounterfactualAudit
from fairsk.text._counterfactual.scorer import CounterfactualScorer as CounterfactualScorer
from fairsk.text._counterfactual.scorer import make_counterfactual_scorer
from fairsk.text._generation.audit import generation_audit, generation_cost
from fairsk.text._generation.logged import logged_generation_audit
from fairsk.text._generation.results import GenerationAudit as GenerationAudit
from fairsk.text._likelihood.perplexity import perplexity_by_group
from fairsk.text._likelihood.preference import paired_preference
from fairsk.text._likelihood.results import GroupPerplexity as GroupPerplexity
from fairsk.text._likelihood.results import PairedPreference as PairedPreference
from fairsk.text._llm.classifier import LLMClassifier
from fairsk.text._llm.cost import RunCost as RunCost
from fairsk.text._local.scorer import LocalScorer
from fairsk.text._scorers.cached import CachedScorer
from fairsk.text._scorers.coverage import AnswerCoverage as AnswerCoverage
from fairsk.text._scorers.credentials import EndpointError
from fairsk.text._scorers.openai import OpenAIScorer
from fairsk.text._starter.names import starter_names, starter_people
from fairsk.text._starter.occupations import StarterOccupations as StarterOccupations
from fairsk.text._starter.occupations import starter_occupations
from fairsk.text._starter.prompts import starter_prompts
from fairsk.text._terms import AmbiguousTerm as AmbiguousTerm
from fairsk.text._terms import Slot as Slot
from fairsk.text._terms import Template as Template
from fairsk.text._terms import TermPair as TermPair
from fairsk.text._terms import TermSwapper, english_gender

__all__ = [
    # who is mentioned
    "TermSwapper",
    "english_gender",
    # does it change the answer
    "CounterfactualAugmenter",
    "CounterfactualAverager",
    "counterfactual_audit",
    "counterfactual_texts",
    "make_counterfactual_scorer",
    # a language model as a classifier
    "CachedScorer",
    "EndpointError",
    "LLMClassifier",
    "LocalScorer",
    "OpenAIScorer",
    # what a language model prefers and writes
    "generation_audit",
    "generation_cost",
    "logged_generation_audit",
    "paired_preference",
    "perplexity_by_group",
    "starter_names",
    "starter_occupations",
    "starter_people",
    "starter_prompts",
    # vectors of words
    "association_test",
    # a collection of texts, counted
    "CorpusCounts",
]
