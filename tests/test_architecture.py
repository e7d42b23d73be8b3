"""The house rules that the source can show: direction, size, form, words, tests."""

import ast
import re
import statistics
import subprocess
import sys

import pytest

from tools import house

KNOWN = house.modules()
OURS = [module for module in KNOWN if not house.is_migration(module)]
AROUND = house.modules("tests", "tools", "benchmarks")
FUNCTIONS = [function for module in OURS for function in module.functions]

NAMELESS = {"utils", "util", "helpers", "helper", "common", "misc", "base", "types"}
EMPTY_NAMES = ("Manager", "Handler", "Service", "Factory", "Usecase", "Helper")
LEFTOVERS = re.compile(
    "|".join(["TO" + "DO", "FIX" + "ME", r"\bX" + "XX", "NotImplemented" + "Error", "no " + "cover"])
)

# Why each of these imports inside a function stands at the file that does it.
MAY_IMPORT_LAZILY = {"config/asgi.py", "lifespan/daphne.py"}
# Names that the ASGI specification gives, in this order: nobody calls these by keyword.
ASGI = ["scope", "receive", "send"]
# The optional part of `lifespan`, which alone may know asgiref.
REQUEST_THREADS = {"lifespan/threads.py", "lifespan/lending.py", "lifespan/stuck.py"}
# Settings of a public class, each by keyword and with a default: nobody gives them all, and a dataclass would be one
# more name to import for whoever gives two.
MANY_OPTIONS = {("lifespan/threads.py", "RequestThreads")}


def _in(*places):
    """The modules whose path starts with one of the places."""
    return [module for module in KNOWN if str(module.path).startswith(places)]


def _imports(module):
    return module.imports + module.lazy


def _imports_any(module, *roots):
    """The imports of a module that are, or lie below, one of the roots."""
    return [name for name in _imports(module) if any(f"{name}.".startswith(f"{root}.") for root in roots)]


def _offenders(modules, *roots):
    return [f"{module.path} imports {name}" for module in modules for name in _imports_any(module, *roots)]


def none(offenders):
    """Fail with each offender on a line of its own."""
    if offenders:
        pytest.fail("\n".join(map(str, offenders)), pytrace=False)


# Direction


def test_lifespan_knows_neither_django_nor_kafka_nor_us():
    none(_offenders(_in("lifespan/"), "django", "aiokafka", "events", "config", "examples"))


def test_the_core_is_plain_python():
    none(_offenders(_in("events/core/"), "django", "asgiref", "aiokafka", "confluent_kafka"))


def test_the_face_of_the_client_knows_no_django():
    none(_offenders(_in("events/kafka/"), "django"))


def test_only_events_kafka_imports_the_client():
    others = [module for module in KNOWN if not str(module.path).startswith("events/kafka/")]

    none(_offenders(others, "aiokafka"))


def test_production_code_never_imports_the_test_kit():
    others = [module for module in KNOWN if not str(module.path).startswith("events/testing/")]

    none(_offenders(others, "events.testing", "tests", "pytest"))


def test_of_lifespan_only_request_threads_import_asgiref_and_nothing_else_imports_them():
    others = [module for module in _in("lifespan/") if str(module.path) not in REQUEST_THREADS]

    none(_offenders(others, "asgiref", "lifespan.threads", "lifespan.lending", "lifespan.stuck"))


def test_in_events_only_the_worker_and_commands_import_lifespan():
    allowed = ("events/worker.py", "events/management/commands/", "events/testing/")
    others = [module for module in _in("events/") if not str(module.path).startswith(allowed)]

    none(_offenders(others, "lifespan"))


def test_examples_use_public_names_only():
    public = {"events", "events.publishing", "events.testing"}
    used = [(module.path, name) for module in _in("examples/") for name in _imports_any(module, "events")]
    others = [pair for pair in used if pair[1] not in public and pair[1].rpartition(".")[0] not in public]

    none([(path, name) for path, name in others if not (path.name == "asgi.py" and name.startswith("events.worker."))])


def test_the_two_services_never_import_each_other():
    none(_offenders(_in("examples/quotes/"), "examples.likes"))
    none(_offenders(_in("examples/likes/"), "examples.quotes"))


def test_only_settings_of_examples_import_config():
    others = [module for module in _in("examples/") if module.path.stem not in ("settings", "asgi")]

    none(_offenders(others, "config"))


def test_config_names_the_examples_by_string_only():
    none(_offenders(_in("config/"), "examples"))


def test_there_is_no_circle_of_imports():
    none(house.cycles(KNOWN))


def test_imports_stand_at_the_top():
    lazy = {str(module.path): module.lazy for module in KNOWN if module.lazy}

    none([f"{path}: {names}" for path, names in lazy.items() if path not in MAY_IMPORT_LAZILY])


def test_nobody_pickles():
    none(_offenders(KNOWN, "pickle", "marshal", "shelve", "dill", "cloudpickle"))


@pytest.mark.parametrize("package", ["events", "lifespan"])
def test_importing_a_package_loads_neither_django_nor_the_client(package):
    code = f"import sys, {package}; print(sorted({{'django', 'asgiref', 'aiokafka'}} & set(sys.modules)))"

    said = subprocess.run([sys.executable, "-c", code], cwd=house.ROOT, capture_output=True, text=True, check=True)

    assert said.stdout.strip() == "[]"


# Size and form


def test_files_are_short():
    none([f"{module.path}: {module.lines}" for module in OURS + AROUND if module.lines > 300])


def test_functions_are_short():
    none([f"{function.where}: {function.body}" for function in FUNCTIONS if function.body > 30])


def test_the_median_function_is_very_short():
    assert statistics.median(function.body for function in FUNCTIONS) < 6


def test_each_file_opens_with_a_sentence_that_says_what_it_owns():
    openings = {module.path: (ast.get_docstring(module.tree) or "").split("\n\n")[0] for module in OURS + AROUND}

    none([path for path, opening in openings.items() if not re.search(r"\w.*[.:?!]$", opening.strip(), re.DOTALL)])


def test_each_file_is_named_after_its_concept():
    none([str(module.path) for module in OURS + AROUND if module.path.stem in NAMELESS])


def test_classes_are_not_named_after_nothing():
    classes = [(module, node) for module in OURS for node in ast.walk(module.tree) if isinstance(node, ast.ClassDef)]

    none([f"{module.path}: {node.name}" for module, node in classes if node.name.endswith(EMPTY_NAMES)])


def test_nothing_is_deeper_than_two_folders_but_for_django():
    depths = [module for module in OURS if len(module.path.parts) > 3]

    none([str(module.path) for module in depths if "management" not in module.path.parts])


def test_parameters_are_five_at_most():
    none([function.where for function in FUNCTIONS if len([*_positional(function), *_by_name(function)]) > 5])


def test_constructors_have_five_parameters_at_most():
    found = {(str(module.path), name) for module in OURS for name, many in _constructors(module) if many > 5}

    assert found == MANY_OPTIONS


def _constructors(module):
    """The classes with an `__init__` of their own, and how many parameters it has: a dataclass has none."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.ClassDef):
            for function in node.body:
                if isinstance(function, ast.FunctionDef) and function.name == "__init__":
                    given = function.args
                    yield node.name, len([*given.posonlyargs, *given.args, *given.kwonlyargs]) - 1


def test_parameters_after_the_second_are_keyword_only():
    none([f"{function.where}{_positional(function)}" for function in FUNCTIONS if len(_positional(function)) > 2])


def _positional(function):
    """The parameters that a caller may give by place, where the signature is ours to choose."""
    arguments = function.node.args
    names = [argument.arg for argument in arguments.posonlyargs + arguments.args]
    names = names[1:] if names[:1] in (["self"], ["cls"]) else names
    return [] if _follows_somebody_else(function.node) or names == ASGI else names


def _by_name(function):
    return [] if _follows_somebody_else(function.node) else function.node.args.kwonlyargs


def _follows_somebody_else(node):
    """A signature that is not ours to choose: a dunder, or marked with @override; or only told to type checkers."""
    marks = {ast.unparse(mark).rpartition(".")[2] for mark in node.decorator_list}
    return node.name.startswith("__") or bool(marks & {"override", "overload"})


@pytest.mark.parametrize("module", _in("events/management/commands/events_"), ids=lambda module: module.path.stem)
def test_commands_are_doors(module):
    classes = [node.name for node in module.tree.body if isinstance(node, ast.ClassDef)]

    assert classes == ["Command"]
    assert module.lines <= 60


def test_nothing_is_left_for_later():
    texts = {module.path: (house.ROOT / module.path).read_text() for module in OURS + AROUND}

    none([str(path) for path, text in texts.items() if LEFTOVERS.search(text)])


# Tests


def test_each_module_of_the_core_has_its_test_file():
    doing = [module for module in _in("events/core/", "lifespan/") if any(map(_does_something, module.functions))]
    missing = [module.path for module in doing if not _test_of(module.path).exists()]

    none([str(path) for path in missing])


def _does_something(function):
    """Whether a body says more than its docstring: those of a Protocol do not."""
    return function.body > 0 and ast.unparse(function.node.body[-1]) not in ("...", "pass")


def _test_of(path):
    return house.ROOT / "tests" / path.parent / f"test_{path.stem}.py"


def test_tests_of_the_core_use_neither_django_nor_mocks():
    plain = [module for module in AROUND if str(module.path).startswith("tests/events/core/")]

    none(_offenders(plain, "django", "unittest.mock", "pytest_django"))
