"""The front door: what is public, and what an import costs."""

from __future__ import annotations

import ast
import importlib
import inspect
import json
import pkgutil
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from sklearn.base import BaseEstimator
from sklearn.metrics import get_scorer
from sklearn.utils.metadata_routing import MetadataRequest

import fairsk

ROOT = Path(__file__).parents[1]


def is_public(name):
    return not any(part.startswith("_") for part in name.split("."))


@pytest.fixture(scope="module")
def fresh():
    """Return what a fresh interpreter sees, step by step; one for all tests, since torch takes seconds."""
    code = """
import json, sys

def loaded():
    return [name for name in ("torch", "skorch", "matplotlib", "transformers") if name in sys.modules]

import fairsk
seen = {"import": loaded(), "dir": dir(fairsk)}
rooms = [name for name in fairsk.__all__ if name.islower() and name != "neural"]
seen["subpackages"] = [getattr(fairsk, name).__name__ for name in rooms]
seen["all but the nets"] = loaded()
from fairsk import FairClassifier
seen["learning rate"], seen["the nets"] = FairClassifier().lr, loaded()
print(json.dumps(seen))
"""
    return json.loads(
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    )


def test_an_import_loads_neither_torch_nor_matplotlib(fresh):
    # scikit-learn itself may import pandas; what matters is that these wait until they are needed
    assert fresh["import"] == []
    assert fresh["all but the nets"] == []


def test_subpackages_are_there_without_being_imported(fresh):
    expected = [f"fairsk.{name}" for name in fairsk.__all__ if name.islower() and name != "neural"]
    assert fresh["subpackages"] == expected


def test_the_net_is_there_when_touched(fresh):
    assert fresh["learning rate"] > 0
    assert fresh["the nets"] == ["torch", "skorch"]
    with pytest.raises(AttributeError, match="has no attribute 'UnfairClassifier'"):
        _ = fairsk.UnfairClassifier


def test_dir_shows_public_names_only(fresh):
    assert fresh["dir"] == dir(fairsk) == sorted([*fairsk.__all__, "__version__"])
    assert all(is_public(name) for name in fairsk.__all__)


def modules():
    names = (m.name for m in pkgutil.walk_packages(fairsk.__path__, "fairsk."))
    return [name for name in names if is_public(name)]


def test_the_public_modules_are_those_of_the_front_door():
    assert modules() == [f"fairsk.{name}" for name in sorted(fairsk.__all__) if name.islower()]


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


#: A line in the wrong room, and the contract that it breaks.
MISPLACED = {
    "metrics/_decisions/table.py": ("import torch", "torch and skorch in neural only"),
    "neural/_loss.py": ("import matplotlib", "matplotlib in plotting only"),
    "_core/counts.py": ("import fairsk.statistics", "Layers: imports go downwards"),
    "thresholds/_search.py": ("import fairsk.calibration", "Layers: imports go downwards"),
    "rates/_rate.py": ("import fairsk.datasets", "Layers: imports go downwards"),
    "plotting/_rates.py": ("import fairsk.neural", "Estimators are imported by the front doors only"),
    "_pages/html.py": ("import fairsk._cli", "Layers: imports go downwards"),
    "plotting/_svg.py": ("import fairsk._pages", "Layers: imports go downwards"),
    "text/_llm/cost.py": ("import transformers", "torch and skorch in neural only"),
    "repair/_projection.py": ("import torch", "torch and skorch in neural only"),
    "repair/_gaussian.py": ("import fairsk.calibration", "Layers: imports go downwards"),
    "_pages/charts.py": ("import matplotlib", "matplotlib in plotting only"),
}
#: A room that has no layer.
NEW_ROOM = "_new_room.py"


@pytest.fixture(scope="module")
def contracts(tmp_path_factory):
    """Return what import-linter says of a copy of the package with all those lines in it."""
    pytest.importorskip("importlinter", reason="in the extra dev, which the oldest versions go without")
    copy = tmp_path_factory.mktemp("misplaced")
    shutil.copytree(ROOT / "fairsk", copy / "fairsk", ignore=shutil.ignore_patterns("__pycache__", "data"))
    shutil.copy(ROOT / "pyproject.toml", copy)
    for name, (line, _) in MISPLACED.items():
        with (copy / "fairsk" / name).open("a") as module:
            module.write(f"\n{line}\n")
    (copy / "fairsk" / NEW_ROOM).write_text("import torch\n")
    code = "from importlinter.cli import lint_imports; raise SystemExit(lint_imports(no_cache=True))"
    done = subprocess.run([sys.executable, "-c", code], cwd=copy, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stdout + done.stderr
    return done.stdout


def test_a_room_without_a_layer_breaks_a_contract(contracts):
    room = NEW_ROOM.removesuffix(".py")
    assert f"fairsk.{room}" in contracts or f"- {room}" in contracts
    assert f"fairsk.{room} -> torch (l.1)" in contracts


def test_only_the_command_line_imports_from_the_front_door():
    """Importing from ``fairsk`` itself would pass under every layer: it has them all."""
    for path in (ROOT / "fairsk").rglob("*.py"):
        if path.parent.name == "_cli" or path == ROOT / "fairsk" / "__init__.py":
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom):
                assert node.module != "fairsk", f"{path.name}:{node.lineno} imports from fairsk itself"
            if isinstance(node, ast.Import):
                assert "fairsk" not in {alias.name for alias in node.names}, f"{path.name}:{node.lineno}"


@pytest.mark.parametrize("name", MISPLACED)
def test_a_line_in_the_wrong_room_breaks_a_contract(name, contracts):
    line, contract = MISPLACED[name]
    broken = contracts.partition("Broken contracts")[2]
    assert contract in broken
    room = "fairsk." + name.removesuffix(".py").replace("/", ".")
    assert f"{room} -> {line.removeprefix('import ')} (l." in broken
