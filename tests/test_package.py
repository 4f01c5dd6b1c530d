"""The front door: what is public, and what an import costs."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import subprocess
import sys

import pytest

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


def test_only_one_module_touches_private_sklearn_names():
    import ast
    from pathlib import Path

    for path in Path(fairsk.__file__).parent.rglob("*.py"):
        if path.parent.name == "_sklearn" and path.name == "compat.py":
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("sklearn"):
                assert "._" not in node.module, f"{path.name} imports from {node.module}"
                for alias in node.names:
                    assert not alias.name.startswith("_"), f"{path.name} imports {alias.name}"


def test_the_package_is_typed():
    from pathlib import Path

    assert (Path(fairsk.__file__).parent / "py.typed").exists()
