"""Policies: what an organisation promises, read from one small TOML file.

``parts`` holds a criterion and a bias scenario, ``reading`` checks every value, ``toml`` reads and writes the
file, and ``policy`` is what engines read.
"""

from fairsk.audit._policy.parts import BiasScenario, PolicyCriterion
from fairsk.audit._policy.policy import FairnessPolicy, as_policy

__all__ = ["BiasScenario", "FairnessPolicy", "PolicyCriterion", "as_policy"]
