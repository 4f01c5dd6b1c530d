from __future__ import annotations

from collections.abc import Iterator

import hypothesis
import pytest
import sklearn

# A busy machine is slow now and then; that is not what the tests are about.
hypothesis.settings.register_profile("without deadline", deadline=None)
hypothesis.settings.load_profile("without deadline")


@pytest.fixture(params=[False, True], ids=["routing off", "routing on"])
def routing(request: pytest.FixtureRequest) -> Iterator[bool]:
    """Run a test with scikit-learn's metadata routing off and on."""
    with sklearn.config_context(enable_metadata_routing=request.param):
        yield request.param


@pytest.fixture(params=["pandas", "polars"])
def library(request: pytest.FixtureRequest) -> str:
    """Run a test with frames of both libraries."""
    return request.param
