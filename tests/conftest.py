from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import hypothesis
import numpy as np
import pytest
import sklearn
from sklearn.compose import make_column_transformer
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from fairsk.datasets import load_adult

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


@pytest.fixture(scope="session")
def adult() -> tuple[np.ndarray, np.ndarray, Any]:
    """Return 4,000 prepared rows of Adult, their labels, and the frame that they come from."""
    data = load_adult(backend="pandas")
    frame, y = data.data.iloc[:4000], np.asarray(data.target)[:4000]
    text = [name for name in frame.select_dtypes(exclude="number").columns if name not in ("sex", "race")]
    numbers = list(frame.select_dtypes("number").columns)
    encode = make_column_transformer((StandardScaler(), numbers), (OneHotEncoder(sparse_output=False), text))
    return encode.fit_transform(frame), y, frame
