"""The faults that ``tools/mutants`` puts into a module, and that they are there for whoever imported it before."""

from __future__ import annotations

import ast
import sys
import textwrap
import types

import pytest
from mutants.grafting import graft, run
from mutants.making import mutants_of


def faults(source: str) -> list[str]:
    return [str(mutant) for mutant in mutants_of(textwrap.dedent(source))]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("if a == b: pass", ["condition: a == b -> True", "condition: a == b -> False"]),
        ("x = a == b", ["comparison: a == b -> a != b"]),
        ("x = 0 < a", ["comparison: 0 < a -> 0 <= a", "number: 0 < a -> 1 < a"]),
        ("x = a and b", ["part: a and b -> True and b", "part: a and b -> a and True"]),
        ("x = a or b", ["part: a or b -> False or b", "part: a or b -> a or False"]),
        ("x = not a", ["not: not a -> a"]),
        ("x = [a for a in b if a]", ["filter: a -> True"]),
        ("x = any(a)", ["call: any(a) -> all(a)"]),
        ("x = a + b", ["arithmetic: a + b -> a - b"]),
        ("x = f(strict=True)", ["flip: strict=True -> strict=False"]),
        ("check(a)", ["left out: check(a) -> pass"]),
        ("for a in b: continue", ["loop: continue -> break"]),
        ("if a:\n    raise Error(1 + 2)", ["condition: a -> True", "condition: a -> False"]),
        ("def f(): raise Error(1 + 2)", ["left out: raise Error(1 + 2) -> pass"]),
        (
            "try: pass\nexcept (A, B): pass",
            ["except: (A, B) -> (B,)", "except: (A, B) -> (A,)"],
        ),
        ("def f() -> bool: return a", ["answer: a -> True", "answer: a -> False"]),
    ],
)
def test_a_fault_of_each_kind(source: str, expected: list[str]) -> None:
    """Claim: each place has these and no others, in words that show it."""
    assert faults(source) == expected


def test_what_is_only_said_stays() -> None:
    """Claim: texts, annotations, decorators, enumerations and what is there for the types."""
    said = """
        '''A text.'''
        if TYPE_CHECKING:
            import x
        @decorator(order=True)
        class Kind(enum.IntEnum):
            ONE = 1
        x: Literal[1] = f"{a + 1}"
    """
    assert faults(said) == []


def test_a_fault_leaves_the_rest_alone() -> None:
    """Claim: each mutant is the whole module with one place changed, and can be compiled."""
    source = "def f(a, b):\n    if a and not b:\n        return 1\n    return 2\n"
    made = list(mutants_of(source))
    texts = [ast.unparse(mutant.tree) for mutant in made]
    assert len(set(texts)) == len(texts) == 6
    assert ast.unparse(ast.parse(source)) not in texts
    for mutant in made:
        compile(mutant.tree, "x", "exec")


SOURCE = """
import dataclasses
MAX = 3

def reaches(value, most=MAX):
    return value >= most

@dataclasses.dataclass(frozen=True, slots=True)
class Bound:
    most: int = MAX

    @property
    def next(self):
        return self.most + 1

    @classmethod
    def of(cls, most):
        return cls(most * 2)
"""


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
    """A module that another one has imported all of."""
    made, user = types.ModuleType("modelreg.subject"), types.ModuleType("tests.user")
    made.__dict__["__file__"] = "subject.py"
    monkeypatch.setitem(sys.modules, made.__name__, made)
    monkeypatch.setitem(sys.modules, user.__name__, user)
    exec(SOURCE, made.__dict__)
    user.__dict__.update({name: value for name, value in vars(made).items() if not name.startswith("__")})
    graft(run(ast.parse(SOURCE), made), made)
    return user


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ("", "", [3, False, 3, 4, 4]),
        ("MAX = 3", "MAX = 5", [5, False, 5, 6, 4]),
        (">=", "<", [3, True, 3, 4, 4]),
        ("self.most + 1", "self.most - 1", [3, False, 3, 2, 4]),
        ("most * 2", "most // 2", [3, False, 3, 4, 1]),
    ],
)
def test_a_fault_is_there_for_whoever_imported_the_module(
    module: types.ModuleType, before: str, after: str, expected: list[object]
) -> None:
    """Claim: constants, functions with their defaults, properties, class methods and fields of a class."""
    subject = sys.modules["modelreg.subject"]
    graft(run(ast.parse(SOURCE.replace(before, after) if before else SOURCE), subject), subject)
    found = [module.MAX, module.reaches(2), module.Bound().most, module.Bound().next, module.Bound.of(2).most]
    assert found == expected
