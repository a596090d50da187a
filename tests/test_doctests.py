"""The examples in the product's docstrings are run: one that is wrong misleads more than none."""

import doctest
import importlib
import pkgutil

import pytest

import customary

MODULES = sorted(
    found.name
    for found in pkgutil.walk_packages(customary.__path__, "customary.")
    if not found.name.endswith("__main__")  # to import it is to run it
)


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_of_a_module_are_true(name: str) -> None:
    """What a docstring shows is what the code does."""
    outcome = doctest.testmod(importlib.import_module(name))
    assert outcome.failed == 0, "see the captured output"


def test_examples_are_found() -> None:
    """The collection looks where the examples are."""
    finder = doctest.DocTestFinder(exclude_empty=True)
    examples = [
        test for name in MODULES for test in finder.find(importlib.import_module(name)) if test.examples
    ]
    assert len(examples) >= 20
