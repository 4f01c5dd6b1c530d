"""Terms of groups in texts: who a text mentions, and the same text about another group."""

from fairsk.text._terms.english import english_gender
from fairsk.text._terms.families import AmbiguousTerm as AmbiguousTerm
from fairsk.text._terms.swapper import TermPair as TermPair
from fairsk.text._terms.swapper import TermSwapper
from fairsk.text._terms.template import Slot as Slot
from fairsk.text._terms.template import Template as Template

__all__ = ["TermSwapper", "english_gender"]
