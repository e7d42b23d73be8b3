"""Reads the shape of the house from its source: sizes, imports, cycles; and prints them as a table.

    .venv/bin/python -m tools.house

`tests/test_architecture.py` judges what is read here. Migrations are Django's, so their sizes are not counted.
"""

import ast
import statistics
import sys
from collections import namedtuple
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("lifespan", "events", "config", "examples")

# lines: of the whole file. imports, lazy: dotted names, at the top and inside functions.
Module = namedtuple("Module", "path name tree lines imports lazy functions")
# body: lines from the first statement after the docstring to the last. node: the ast of the definition.
Function = namedtuple("Function", "where node body")


def modules(*folders):
    """Return what is known of each Python file of the folders, in order of their paths."""
    paths = [path for folder in folders or FOLDERS for path in sorted((ROOT / folder).rglob("*.py"))]
    return [read(path) for path in paths]


def read(path):
    """Read one file."""
    text = path.read_text(encoding="utf-8")
    tree = ast.parse(text)
    relative = path.relative_to(ROOT)
    name = ".".join(relative.with_suffix("").parts).replace(".__init__", "")
    inside = {id(node) for function in _definitions(tree) for node in ast.walk(function)}
    names = [(node, name) for node in ast.walk(tree) for name in _imported(node)]
    return Module(
        path=relative,
        name=name,
        tree=tree,
        lines=len(text.splitlines()),
        imports=[name for node, name in names if id(node) not in inside],
        lazy=[name for node, name in names if id(node) in inside],
        functions=[Function(f"{relative}:{node.lineno} {node.name}", node, _body(node)) for node in _definitions(tree)],
    )


def is_migration(module):
    return "migrations" in module.path.parts


def cycles(known):
    """Return the groups of modules that import each other, directly or in a circle."""
    names = {module.name for module in known}
    ahead = {module.name: {_module_of(name, names) for name in module.imports + module.lazy} for module in known}
    reached = {name: _reachable(name, ahead) for name in names}
    groups = {frozenset(other for other in reached[name] if name in reached[other]) for name in names}
    return sorted(sorted(group) for group in groups if group)


def _reachable(start, ahead):
    seen, waiting = set(), [start]
    while waiting:
        fresh = (ahead.get(waiting.pop()) or set()) - seen - {None}
        seen |= fresh
        waiting += fresh
    return seen


def _module_of(name, names):
    """Return the module that an imported name lives in: `a.b.C` is `a.b` unless `a.b.C` is a module."""
    return next((known for known in (name, name.rpartition(".")[0]) if known in names), None)


def _definitions(tree):
    return [node for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))]


def _imported(node):
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        return [f"{node.module}.{alias.name}" for alias in node.names]
    return []


def _body(node):
    body = node.body[1:] if ast.get_docstring(node) is not None else node.body
    return body[-1].end_lineno - body[0].lineno + 1 if body else 0


def figures():
    """Return the lines of the table as (what, figure)."""
    known = modules()
    ours = [module for module in known if not is_migration(module)]
    functions = [function for module in ours for function in module.functions]
    longest_file = max(ours, key=lambda module: module.lines)
    longest = max(functions, key=lambda function: function.body)
    lazy = [f"{module.path}: {name}" for module in known for name in module.lazy]
    return [
        ("files", str(len(known))),
        ("lines", str(sum(module.lines for module in known))),
        ("longest file", f"{longest_file.lines} lines, {longest_file.path}"),
        ("functions", str(len(functions))),
        ("longest function body", f"{longest.body} lines, {longest.where}"),
        ("median function body", f"{statistics.median(function.body for function in functions):g} lines"),
        ("import cycles", str(len(cycles(known)))),
        ("imports inside functions", f"{len(lazy)}" + "".join(f"\n{'':<28}{line}" for line in lazy)),
        (
            "import-linter contracts",
            str((ROOT / "pyproject.toml").read_text().count("[[tool.importlinter.contracts]]")),
        ),
    ]


def main():
    """Print the table: the whole, then files and lines of each folder."""
    for what, figure in figures():
        print(f"{what:<28}{figure}")
    for folder in FOLDERS:
        known = modules(folder)
        print(f"  {folder:<26}{len(known)} files, {sum(module.lines for module in known)} lines")
    return 0


if __name__ == "__main__":
    sys.exit(main())
