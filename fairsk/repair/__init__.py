"""Repair of features: transformers that free numbers, such as embeddings, of what they tell about a group.

``_eraser`` takes out what features tell linearly, by ``_projection``, learned from the mergeable sums of
``_moments``. ``_gaussian`` moves means and covariances of ``_group_gaussians`` by ``_transport``, and
``_distribution`` every feature by ``_quantile_maps``. All of them read groups by ``_transformer``.

The classes of results can be imported from here, too; they are not in ``__all__``, for estimators make them.
"""

from fairsk.repair._distribution import DistributionRepairer
from fairsk.repair._eraser import ConceptEraser
from fairsk.repair._gaussian import GaussianRepairer
from fairsk.repair._moments.groups import GroupMoments as GroupMoments
from fairsk.repair._moments.measurements import MeasurementMoments as MeasurementMoments
from fairsk.repair._moments.moments import FeatureMoments
from fairsk.repair._report import ErasureReport as ErasureReport

__all__ = ["ConceptEraser", "DistributionRepairer", "FeatureMoments", "GaussianRepairer"]
