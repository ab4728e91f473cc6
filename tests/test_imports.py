"""Imports run one way: no package uses one that stands above it, and no circle of files."""

import ast
import configparser
import graphlib
import os
import pathlib
import subprocess
import sys
import textwrap

import pytest

PACKAGE = pathlib.Path(__file__).resolve().parent.parent / "keras_gans"
# Each may import those before it, never those behind it.
ORDER = (
    "typing errors validation files version registry plots data training layers losses networks "
    "restoration models convert metrics recipes tasks callbacks zoo runs studies app cli"
).split()


def modules_of(folder):
    """Dictionary, name of a module -> its file, of a package and all that is in it."""
    found = {}
    for path in sorted(folder.rglob("*.py")):
        parts = path.relative_to(folder.parent).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports_of(name, path, modules):
    """(line, module) of each import of the package's own modules, those in functions too."""
    own = next(iter(modules)).partition(".")[0]
    for node in ast.walk(ast.parse(path.read_text(), str(path))):
        if isinstance(node, ast.Import):
            targets = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:  # from . import x
                steps = node.level - (path.name == "__init__.py")
                here = name.split(".")[: len(name.split(".")) - steps]
                base = ".".join([*here, *filter(None, [base])])
            # `from package import x`: the module x where there is one, else the package itself.
            dotted = [f"{base}.{alias.name}" for alias in node.names]
            targets = [target if target in modules else base for target in dotted]
        else:
            continue
        for target in dict.fromkeys(targets):
            if target.partition(".")[0] == own:
                yield node.lineno, target


def graph_of(folder):
    """Dictionary, module -> list of (line, module that it imports); the face is left out."""
    modules = modules_of(folder)
    face = folder.name  # imports all
    return {m: list(imports_of(m, p, modules)) for m, p in modules.items() if m != face}


def upward(graph, order, known=()):
    """A line for each import of something that stands further right in `order`."""

    def place(module):
        return order.index(module.split(".")[1])

    return [
        f"{_file(module)}:{line} imports {target}"
        for module, imports in graph.items()
        for line, target in imports
        if target.count(".") == 0 or place(target) > place(module)
        if (_file(module), target) not in known
    ]


def circle(graph, known=()):
    """The modules of a circle of imports, first and last the same; none where there is none."""
    edges = {
        module: {t for _, t in imports if t in graph and (_file(module), t) not in known}
        for module, imports in graph.items()
    }
    try:
        graphlib.TopologicalSorter(edges).prepare()
    except graphlib.CycleError as error:
        return error.args[1][::-1]
    return []


def _file(module):
    path = PACKAGE.parent.joinpath(*module.split("."))
    path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    return path.relative_to(PACKAGE.parent).as_posix()


GRAPH = graph_of(PACKAGE)


def test_every_package_has_its_place():
    assert {module.split(".")[1] for module in GRAPH} <= set(ORDER)


def test_no_import_of_what_stands_above():
    found = upward(GRAPH, ORDER)
    assert not found, "These imports run against the order:\n" + "\n".join(found)


def test_no_circle_of_files():
    found = circle(GRAPH)
    assert not found, "These files import one another: " + " -> ".join(found)


@pytest.mark.parametrize(
    "text",
    [
        "import p.b.two",
        "from p.b import two",
        "from p.b.two import name",
        "from ..b import two",
        "def f():\n    from p import b\n    return b",
        "class C:\n    def f(self):\n        import p.b as other\n        return other",
    ],
)
def test_imports_of_every_form_are_seen(tmp_path, text):
    for file in ("__init__", "a/__init__", "a/one", "b/__init__", "b/two"):
        path = tmp_path / "p" / f"{file}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")
    (tmp_path / "p" / "a" / "one.py").write_text(text)
    graph = graph_of(tmp_path / "p")
    assert len(upward(graph, ["a", "b"])) == 1 and not upward(graph, ["b", "a"])
    assert circle(graph) == []
    (tmp_path / "p" / "b" / "two.py").write_text("from p import a")
    (tmp_path / "p" / "b" / "__init__.py").write_text("from p.b.two import x")
    (tmp_path / "p" / "a" / "__init__.py").write_text("from p.a import one")
    found = circle(graph_of(tmp_path / "p"))
    assert found[0] == found[-1] and {"p.a", "p.a.one", "p.b.two"} <= set(found)


def python(*arguments, **environment):
    """A fresh Python that has run."""
    environment = {**os.environ, "PYTHONPATH": str(PACKAGE.parent), **environment}
    return subprocess.run(
        [sys.executable, *map(str, arguments)], env=environment, capture_output=True, text=True
    )


@pytest.mark.parametrize("module", ["keras_gans_cli", "keras_gans.cli"])
def test_the_command_line_starts_without_keras(module):
    for command in (["--help"], ["zoo", "list"]):
        done = python("-X", "importtime", "-m", module, *command, KERAS_BACKEND="none")
        imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
        assert done.returncode == 0 and done.stdout, done.stderr
        assert "keras_gans.cli.main" in imported
        assert not imported & {"keras", "tensorflow", "jax", "torch"}


def test_any_other_program_gets_all_modules(tmp_path):
    text = """
        import keras_gans, keras
        print(keras.saving.get_registered_object("keras_gans>OSGAN").__name__)
    """
    script = tmp_path / "keras-gans"  # the name of a program says nothing
    script.write_text(textwrap.dedent(text))
    done = python(script)
    assert done.stdout.strip() == "OSGAN", done.stderr
    # What the command line has told this package is not told to the programs that it starts.
    text = "import os, keras_gans_cli; print(os.environ.get('KERAS_GANS_COMMAND_LINE'))"
    done = python("-c", text, KERAS_BACKEND="none")
    assert done.stdout.strip() == "None", done.stderr


def test_every_package_is_installed():
    """What a wheel has is listed by hand, and a clone works without the list."""
    config = configparser.ConfigParser()
    config.read(PACKAGE.parent / "setup.cfg")
    listed = set(config["options"]["packages"].split())
    found = {".".join(p.parent.relative_to(PACKAGE.parent).parts) for p in PACKAGE.rglob("*.py")}
    assert found <= listed, found - listed
