"""The import graph of the package, file by file. Run as a program, it prints one line per import."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import classifier

PACKAGE = Path(classifier.__file__).parent


def modules() -> dict[str, Path]:
    """Return the file of each module; a package is named after its folder."""
    paths = sorted(PACKAGE.rglob("*.py"))
    names = [".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts) for path in paths]
    return {name.removesuffix(".__init__"): path for name, path in zip(names, paths, strict=True)}


def import_graph() -> dict[str, set[str]]:
    """Return, for each module, the modules it imports when it runs, also inside functions."""
    known = modules()
    return {name: set(_imported(path, known)) - {name} for name, path in known.items()}


def stage(module: str) -> str:
    """Return the first part of a module's name below the package."""
    return module.split(".")[1] if "." in module else "__init__"


def _imported(path: Path, known: dict[str, Path]) -> Iterator[str]:
    nodes: list[ast.AST] = [ast.parse(path.read_text(encoding="utf-8"))]
    for node in nodes:
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            continue  # for type checkers only
        nodes += ast.iter_child_nodes(node)
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in known)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute in this package"
            for alias in node.names:
                submodule = f"{node.module}.{alias.name}"
                if submodule in known:
                    yield submodule
                elif node.module in known:
                    yield node.module


if __name__ == "__main__":
    for importer, imported in import_graph().items():
        for module in sorted(imported):
            print(importer, "->", module)
