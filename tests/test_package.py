"""The front door: what is public, and what an import costs."""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest
from sklearn.base import BaseEstimator
from sklearn.metrics import get_scorer
from sklearn.utils.metadata_routing import MetadataRequest

import fairsk


def is_public(name):
    return not any(part.startswith("_") for part in name.split("."))


def run_python(code):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout


def test_import_does_not_load_torch_nor_a_frame_library():
    loaded = run_python(
        "import sys, fairsk, fairsk.metrics, fairsk.scoring, fairsk.datasets, fairsk.model_selection;"
        "print([m for m in ('torch', 'skorch', 'matplotlib', 'pandas', 'polars') if m in sys.modules])"
    )
    # scikit-learn itself may import pandas; what matters is that torch waits until it is needed
    assert "torch" not in loaded
    assert "skorch" not in loaded


def test_the_net_is_there_when_touched():
    assert run_python("from fairsk import FairClassifier; print(FairClassifier().lr > 0)") == "True\n"
    assert "FairClassifier" in dir(fairsk)
    with pytest.raises(AttributeError, match="has no attribute 'UnfairClassifier'"):
        _ = fairsk.UnfairClassifier


def modules():
    names = (m.name for m in pkgutil.walk_packages(fairsk.__path__, "fairsk."))
    return [name for name in names if is_public(name)]


def test_the_public_modules_are_those_of_the_front_door():
    assert modules() == [f"fairsk.{name}" for name in sorted(fairsk.__all__) if name.islower()]


def test_subpackages_are_there_without_being_imported_and_dir_shows_public_names_only():
    found = run_python("import fairsk, sys; fairsk.metrics; print('torch' in sys.modules, dir(fairsk))")
    assert found.startswith("False")
    assert dir(fairsk) == sorted([*fairsk.__all__, "__version__"])
    assert all(is_public(name) for name in fairsk.__all__)


@pytest.mark.parametrize("name", ["fairsk", *modules()])
def test_public_names_exist_and_are_documented(name):
    module = importlib.import_module(name)
    assert module.__doc__
    for public in module.__all__:
        item = getattr(module, public)
        if inspect.isclass(item) or inspect.isfunction(item):
            assert item.__doc__, f"{name}.{public} has no docstring"


def private_attributes():
    """Return the private attributes of scikit-learn's estimators, scorers and requests."""
    owners = [BaseEstimator(), get_scorer("accuracy"), MetadataRequest(owner="x")]
    names = {name for owner in owners for name in {*dir(owner), *vars(owner)}}
    return {name for name in names | {"_metadata_request"} if name.startswith("_") and name[1] != "_"}


def test_private_names_are_read_in_one_module_only():
    private = private_attributes()
    assert {"_score_func", "_get_metadata_request", "_metadata_request"} <= private
    for path in Path(fairsk.__file__).parent.rglob("*.py"):
        if path.parts[-2:] == ("_sklearn", "compat.py"):
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            where = f"{path.name}:{getattr(node, 'lineno', 0)}"
            if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "sklearn":
                names = [*node.module.split("."), *(alias.name for alias in node.names)]
                assert not any(name.startswith("_") for name in names), f"{where} imports a private name"
            elif isinstance(node, ast.Import):
                parts = [part for alias in node.names for part in alias.name.split(".")]
                assert "sklearn" not in parts or not any(p.startswith("_") for p in parts), where
            elif isinstance(node, ast.Attribute) and node.attr in private:
                assert getattr(node.value, "id", "") == "self", f"{where} reads the private {node.attr}"


def test_the_package_is_typed():
    assert (Path(fairsk.__file__).parent / "py.typed").exists()
