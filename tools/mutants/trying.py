"""A plugin of pytest that, in place of running the tests once, runs for each mutant those that could see it.

First all tests run once with nothing changed, and the lines that each of them runs are written down, and its seconds.
A mutant is then tried by the tests that run its lines, the quickest first, until one fails; where there are none by all
that run anything of its function, and outside of every function by all that run anything of its module.  Files of tests
that have used it before any test ran (in the parameters of a test) try it last, and are imported anew for that.  Each
trial is a fork of a process that has imported everything and run nothing.  A fault that no test notices within the
budget survives: it has no quick test.
"""

from __future__ import annotations

import ast
import importlib
import os
import pickle
import resource
import select
import signal
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from itertools import accumulate
from pathlib import Path
from types import FrameType, ModuleType
from typing import Any, TypeVar

import pytest

from mutants.grafting import graft, run
from mutants.making import Mutant, mutants_of

OPTIONS = (
    *("-qq", "--tb=no", "--no-header", "--no-summary", "-p", "no:randomly", "-p", "no:cacheprovider"),
    *("--hypothesis-profile", "mutants", "-m", "not tensorflow and not servers"),
)
LEAST_S = 5
BUDGET_S = 20
"""So long tests try one mutant, as they took with nothing changed: what needs longer to be seen is not seen."""
PATIENCE = 5
MEMORY_BYTES = 4 << 30
Line = tuple[str, int]
T = TypeVar("T")


class BrokenTestsError(Exception):
    """The tests fail with nothing changed."""


@dataclass
class Tally:
    """What became of the mutants of one module."""

    path: str
    killed: int = 0
    by_time: int = 0
    survivors: list[str] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def made(self) -> int:
        return self.killed + self.by_time + len(self.survivors)


@dataclass
class Reach:
    """The tests that run each line, by their places in the list of all, and each one's seconds."""

    tests: dict[Line, set[int]]
    seconds: list[float]

    def of(self, path: str, lines: Iterable[int]) -> set[int]:
        return {index for line in lines for index in self.tests.get((path, line), ())}

    def of_module(self, path: str) -> set[int]:
        return {index for (reached, _), tests in self.tests.items() if reached == path for index in tests}


def within_budget(seconds: Mapping[T, float]) -> list[T]:
    """What is quickest, as much of it as the budget lasts for."""
    ordered = sorted(seconds, key=seconds.__getitem__)
    spent = accumulate(map(seconds.__getitem__, ordered))
    return [one for one, after in zip(ordered, spent, strict=True) if after <= BUDGET_S]


@dataclass(frozen=True)
class Chosen:
    """What tries a mutant: tests by their places in the list of all, the quickest first, and then files of tests."""

    tests: list[int]
    files: list[str]
    seconds: float


class Tracer:
    """Writes down which lines of some files are run."""

    def __init__(self, names: dict[str, str]) -> None:
        self._names = names
        self._lines: set[Line] = set()

    @contextmanager
    def lines(self) -> Iterator[set[Line]]:
        """The set that the lines go into, as they are run."""
        self._lines = set()
        threading.settrace(self._of_call)
        sys.settrace(self._of_call)
        try:
            yield self._lines
        finally:
            sys.settrace(None)
            threading.settrace(None)

    def _of_call(self, frame: FrameType, event: str, argument: object) -> Callable[..., Any] | None:
        path = self._names.get(frame.f_code.co_filename)
        if path is None:
            return None
        lines = self._lines

        def of_line(frame: FrameType, event: str, argument: object) -> Callable[..., Any]:  # noqa: ARG001
            lines.add((path, frame.f_lineno))
            return of_line

        return of_line(frame, event, argument)


class Trial:
    """Tries the mutants of modules by whatever tests pytest has collected; ``told`` gets the lines of progress."""

    def __init__(self, root: Path, paths: list[str], told: Callable[[str], None]) -> None:
        self._root = root
        self._paths = paths
        self._told = told
        self._tracer = Tracer({str(root / path): path for path in paths})
        self._imports: dict[Line, set[str]] = defaultdict(set)
        self._items: list[pytest.Item] = []
        self.tallies: list[Tally] = []

    @pytest.hookimpl(tryfirst=True)
    def pytest_configure(self) -> None:
        """Tell Hypothesis of a profile that finds the same each time, and does not look for a smaller example."""
        from hypothesis import HealthCheck, Phase, settings  # pytest rewrites it before anybody imports it

        settings.register_profile(
            "mutants",
            deadline=None,
            derandomize=True,
            database=None,
            max_examples=15,
            phases=[Phase.explicit, Phase.generate],
            suppress_health_check=list(HealthCheck),
        )

    @pytest.hookimpl(wrapper=True)
    def pytest_make_collect_report(self, collector: pytest.Collector) -> Generator[None, T, T]:
        """See which lines the import of a file of tests runs."""
        with self._tracer.lines() as lines:
            report = yield
        if isinstance(collector, pytest.Module):
            for line in lines:
                self._imports[line].add(str(collector.path))
        return report

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Take the place of pytest's own loop; raises ``BrokenTestsError`` where a test fails with nothing changed."""
        self._items = session.items
        began = time.monotonic()
        reach = in_child(self._reached, None)
        self._told(f"{len(self._items)} tests, {time.monotonic() - began:.0f} s")
        for path in self._paths:
            tally = Tally(path)
            began = time.monotonic()
            source = (self._root / path).read_text()
            bodies = _bodies(source)
            for mutant in mutants_of(source):
                self._try(mutant, self._chosen(mutant, path, bodies, reach), tally)
            tally.seconds = time.monotonic() - began
            self.tallies.append(tally)
            self._told(f"{path}: {tally.made} mutants, {len(tally.survivors)} survived, {tally.seconds:.0f} s")
        return True

    def _chosen(self, mutant: Mutant, path: str, bodies: list[range], reach: Reach) -> Chosen:
        """What could see a mutant."""
        lines = range(mutant.first_line, mutant.last_line + 1)
        files = {file for line in lines for file in self._imports.get((path, line), ())}
        body = next((body for body in bodies if mutant.first_line in body), None)
        if body is not None:
            tests = reach.of(path, lines) or reach.of(path, body)
        else:
            tests = reach.of_module(path)
            files |= {str(item.path) for item in self._items if item.path.stem == f"test_{Path(path).stem}"}
        by_test = {index: reach.seconds[index] for index in tests}
        by_file = dict.fromkeys(files, 0.0)
        for item, seconds in zip(self._items, reach.seconds, strict=True):
            if str(item.path) in by_file:
                by_file[str(item.path)] += seconds
        chosen, anew = within_budget(by_test), within_budget(by_file)
        return Chosen(chosen, anew, sum(by_test[index] for index in chosen) + sum(by_file[file] for file in anew))

    def _try(self, mutant: Mutant, chosen: Chosen, tally: Tally) -> None:
        """Count a mutant as killed, stopped by its time, or a survivor."""
        limit = LEAST_S + PATIENCE * chosen.seconds
        try:
            killed = in_child(lambda: self._is_killed(mutant, tally.path, chosen), limit)
        except TimeoutError:
            tally.by_time += 1
            return
        except ChildProcessError:
            killed = True
        if killed:
            tally.killed += 1
        else:
            tally.survivors.append(f"{tally.path}:{mutant.first_line} {mutant}")
            self._told(f"    {tally.survivors[-1]}")

    def _reached(self) -> Reach:
        """Run every test, with each module put into itself, and see which lines of the modules it runs."""
        for path in self._paths:
            module = _module(path)
            graft(run(ast.parse((self._root / path).read_text()), module), module)
        reach = Reach(defaultdict(set), [])
        for index, item in enumerate(self._items):
            began = time.monotonic()
            with self._tracer.lines() as lines:
                failed = self._fails([item])
            if failed:
                raise BrokenTestsError(f"{item.nodeid} fails with nothing changed")
            reach.seconds.append(time.monotonic() - began)
            for line in lines:
                reach.tests[line].add(index)
        return reach

    def _is_killed(self, mutant: Mutant, path: str, chosen: Chosen) -> bool:
        module = _module(path)
        try:
            other = run(mutant.tree, module)
        except Exception:  # whatever it is, the module cannot be imported
            return True
        graft(other, module)
        return self._fails([self._items[index] for index in chosen.tests]) or fails_anew(chosen.files)

    @staticmethod
    def _fails(items: list[pytest.Item]) -> bool:
        """Run tests until one fails, without a word."""
        if not items:
            return False
        plugins = items[0].config.pluginmanager
        if plugins.has_plugin("terminalreporter"):
            plugins.unregister(name="terminalreporter")
        for item, following in zip(items, [*items[1:], None], strict=True):
            try:
                item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
            except BaseException:  # what pytest lets through is no less of a failure
                return True
            if item.session.testsfailed:
                return True
        return False


def fails_anew(files: list[str]) -> bool:
    """Whether a test fails of files that are imported once more, and use the mutant as they are."""
    if not files:
        return False
    for name in [name for name in sys.modules if name.split(".")[0] == "tests"]:
        del sys.modules[name]
    options = [*OPTIONS, "-x", "-W", "ignore::pytest.PytestAssertRewriteWarning"]
    with Path(os.devnull).open("w") as silence, redirect_stdout(silence), redirect_stderr(silence):
        return pytest.main([*options, *files]) != pytest.ExitCode.OK


def in_child(work: Callable[[], T], limit_s: float | None) -> T:
    """What ``work`` answers in a process of its own.

    Raises what it raises, ``TimeoutError``, or ``ChildProcessError`` where the process dies.
    """
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        os.setsid()
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
        try:
            answer: tuple[Any, BaseException | None] = (work(), None)
        except BaseException as error:  # the parent raises it
            answer = (None, error)
        with os.fdopen(writing, "wb") as pipe:
            pickle.dump(answer, pipe)
        os._exit(0)
    os.close(writing)
    try:
        with os.fdopen(reading, "rb") as pipe:
            if not select.select([pipe], [], [], limit_s)[0]:
                raise TimeoutError
            try:
                value, raised = pickle.load(pipe)  # our own child's words
            except EOFError:
                raise ChildProcessError from None
    finally:
        os.killpg(child, signal.SIGKILL)
        os.waitpid(child, 0)
    if raised is not None:
        raise raised
    answered: T = value
    return answered


def _module(path: str) -> ModuleType:
    """The module whose file is ``path``, below one of the source roots."""
    return importlib.import_module(".".join(Path(path).with_suffix("").parts[1:]))


def _bodies(source: str) -> list[range]:
    """The lines of each function's body, those of the outermost first."""
    functions = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.FunctionDef)]
    return [range(node.body[0].lineno, (node.end_lineno or node.lineno) + 1) for node in functions]
