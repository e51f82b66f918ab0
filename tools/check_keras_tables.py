"""Compares ``rules/keras_tables`` with real Kerases: what a running one finds and accepts, with what the data says.

Three steps, for the middle one runs in an interpreter with the Keras in question (Python 3.6 or newer), without
modelreg::

    python tools/check_keras_tables.py questions Q.json            # what to ask: all names and arguments ever
    OTHER/python tools/check_keras_tables.py ask Q.json A.json     # ask this Keras (--package tf.keras, tf_keras)
    python tools/check_keras_tables.py compare A.json ...          # print each disagreement; exit 1 if any

Asked are: the tables that each ``deserialize`` looks names up in; for each class found there, which of all arguments
that a class of its name ever had, and of one that none had, its ``from_config`` refuses; and what the v3 dialect finds
for each module and name.
"""

import argparse
import importlib
import inspect
import json
import os
import sys
from pathlib import Path
from typing import Any

from check_keras_values import INNER, VALUES, WHOLE

BOGUS = "no_such_argument"

DESERIALIZERS = {
    "layer": ("legacy.saving.saving_utils:model_from_config", "layers:deserialize", "layers.serialization:deserialize"),
    "activation": ("activations:deserialize",),
    "initializer": ("initializers:deserialize",),
    "regularizer": ("regularizers:deserialize",),
    "constraint": ("constraints:deserialize",),
    "loss": ("losses:deserialize",),
    "metric": ("metrics:deserialize",),
    "optimizer": ("optimizers:deserialize",),
    "schedule": (
        "optimizers.schedules.learning_rate_schedule:deserialize",
        "optimizer_v2.learning_rate_schedule:deserialize",
        "optimizers.optimizer_v2.learning_rate_schedule:deserialize",
    ),
    "dtype_policy": (
        "dtype_policies:deserialize",
        "mixed_precision.policy:deserialize",
        "mixed_precision.experimental.policy:deserialize",
    ),
    "quantizer": ("quantizers:deserialize",),
}

REFUSALS = (
    "unexpected keyword",
    "Unrecognized keyword",
    "Unrecognized option",
    "Keyword argument not understood",
    "Unknown keyword argument",
    "not recognized",
    "not a valid argument",
    "Invalid keyword argument",
    "multiple values for",
    "Unexpected keyword",
    "is deprecated in",
    "is deprecated in the new Keras optimizer",
    "were passed to",
    "Received unexpected",
)


# Asking


class TableShownError(Exception):
    """Thrown out of a deserialiser once it has shown its table."""


class Keras:
    """The Keras that is asked: its package's root module, and the rest by name."""

    def __init__(self, package: str) -> None:
        self.package = package
        if package == "tf.keras":
            import tensorflow as tf

            self.root = "tensorflow.python.keras"
            self.distribution, self.version = "tensorflow", tf.__version__
            importlib.import_module(self.root)
        else:
            module = importlib.import_module(package)
            self.distribution, self.version = package.replace("_", "-"), module.__version__
            self.root = package
            try:
                importlib.import_module(package + ".src")
                self.root = package + ".src"
            except ImportError:
                pass

    def function(self, paths: Any) -> Any:
        for path in paths:
            module, _, name = path.partition(":")
            try:
                return getattr(importlib.import_module(self.root + "." + module), name)
            except (ImportError, AttributeError):
                continue
        return None

    def tables(self, role: str) -> Any:
        """Every table that a deserialiser looks in, by hand of a replaced ``deserialize_keras_object``."""
        function = self.function(DESERIALIZERS[role])
        if function is None:
            return []
        configs = [{"class_name": "X", "config": {}}, {"class_name": "X", "config": {"is_legacy_optimizer": False}}]
        return [table for config in configs for table in [self._shown(function, config)] if table is not None]

    def _shown(self, function: Any, config: Any) -> Any:
        caught = []

        def catch(*_args: Any, **kwargs: Any) -> Any:
            caught.append(kwargs["module_objects"])
            raise TableShownError

        replaced = []
        for module in list(sys.modules.values()):
            if getattr(module, "__name__", "").startswith(self.root):
                held = vars(module).get("deserialize_keras_object")
                if held is not None:
                    replaced.append((module, held))
                    vars(module)["deserialize_keras_object"] = catch
        try:
            function(config)
        except TableShownError:
            pass
        finally:
            for module, held in replaced:
                vars(module)["deserialize_keras_object"] = held
        return caught[0] if caught else None


def ask(package: str, questions: Any) -> Any:
    keras = Keras(package)
    legacy: Any = {}
    classes: Any = {}
    for role in DESERIALIZERS:
        names: Any = {}
        for table in keras.tables(role):
            for name, held in list(table.items()):
                value = inspect.unwrap(held) if inspect.isfunction(held) else held
                if inspect.isclass(value) or inspect.isfunction(value):
                    names.setdefault(name, []).append([value.__module__, value.__name__])
                if inspect.isclass(value) and hasattr(value, "from_config"):
                    classes[value.__module__ + ":" + value.__name__] = value
        legacy[role] = names
    answers = {}
    for key, value in sorted(classes.items()):
        answers[key] = arguments_of(value, questions["arguments"].get(value.__name__, {}))
    return {
        "distribution": keras.distribution,
        "version": keras.version,
        "root": keras.root,
        "legacy": legacy,
        "classes": answers,
        "found": found(keras, questions["pairs"]),
        "unimportable": unimportable({module for module, _, _ in questions["pairs"]}),
    }


def arguments_of(cls: Any, names: Any) -> Any:
    """For each argument whether ``from_config`` accepts or refuses it; ``failed`` where that cannot be told."""
    bases = [base_config(cls, module) for module in (None, "keras.layers", "keras.optimizers")]
    base = next((each for each in bases if outcome(cls, each) is None), bases[0])
    answers = {BOGUS: told(outcome(cls, dict(base, **{BOGUS: 1})), BOGUS)}
    for name, default in sorted(names.items()):
        value = base.get(name, VALUES.get(name) if default is None else default)
        answer = told(outcome(cls, dict(base, **{name: value})), name)
        if answer.startswith("failed") and default is None:
            answer = told(outcome(cls, dict(base, **{name: None})), name)
        answers[name] = answer
    error = outcome(cls, base)
    return {"base": error, "answers": answers, "config": own_config(cls, base) if error is None else None}


def base_config(cls: Any, module: Any) -> Any:
    """A configuration that should do: a value for each required argument."""
    if cls.__name__ in WHOLE:
        return WHOLE[cls.__name__]
    try:
        parameters = list(inspect.signature(inspect.unwrap(cls.__init__)).parameters.values())
    except (TypeError, ValueError):
        return {}
    plain = [each for each in parameters[1:] if each.kind in (each.POSITIONAL_OR_KEYWORD, each.KEYWORD_ONLY)]
    base = {}
    for name in [each.name for each in plain if each.default is each.empty]:
        base[name] = inner(cls, name, module) if name in INNER else VALUES.get(name, 1)
        if cls.__name__.startswith("Random") and name == "factor":
            base[name] = 0.2
    return base


def inner(cls: Any, name: str, module: Any) -> Any:
    class_name, config = INNER["forward_layer" if cls.__name__ == "Bidirectional" else name]
    made: Any = {"class_name": class_name, "config": config}
    if module is not None:
        made.update(module=module, registered_name=None)
    return [made] if name == "cells" else made


def outcome(cls: Any, config: Any) -> Any:
    """The message of what ``from_config`` raises, ``None`` if nothing."""
    try:
        cls.from_config(json.loads(json.dumps(config)))
    except Exception as error:  # whatever a constructor raises is the answer
        return type(error).__name__ + ": " + str(error)
    return None


def told(message: Any, name: str) -> Any:
    if message is None:
        return "accepted"
    if name in message and any(each in message for each in REFUSALS):
        return "refused"
    return "failed: " + message[:160]


def own_config(cls: Any, base: Any) -> Any:
    try:
        return sorted(cls.from_config(json.loads(json.dumps(base))).get_config())
    except Exception as error:
        return "failed: " + str(error)[:160]


def found(keras: Keras, pairs: Any) -> Any:
    """What the v3 dialect finds, for each of the pairs that it finds something for."""
    function = keras.function(("saving.serialization_lib:_retrieve_class_or_fn",))
    if function is None:
        return None
    answers = []
    for module, name, kind in pairs:
        config = {"module": module, "class_name": name, "registered_name": None, "config": name}
        try:
            value = inspect.unwrap(function(name, None, module, kind, config, {}))
        except Exception:  # a refusal, in whatever form
            continue
        if inspect.isclass(value) or inspect.isfunction(value):
            answers.append([module, name, kind, value.__module__, value.__name__])
    return answers


def unimportable(modules: Any) -> Any:
    """The modules that are there but need something that is not (``torch``)."""
    names = []
    for module in sorted(modules):
        try:
            importlib.import_module(module)
        except ImportError as error:
            missing = getattr(error, "name", None) or ""
            if module != missing and not module.startswith(missing + "."):
                names.append(module)
        except Exception:  # a module that runs code meant for another place
            names.append(module)
    return names


# Making the questions, and comparing


def questions() -> Any:
    """Every argument that a class of some name has had, and every module and name, over all releases."""
    from modelreg.rules.keras_tables.data import tables

    known = tables()
    arguments: Any = {}
    kinds = {}
    for key, kind, _, _, signature, _ in known.rows["entries"]:
        names = arguments.setdefault(known.keys[key][1], {})
        for argument in known.signatures[signature][0]:
            names[argument] = known.signatures[signature][2].get(argument, names.get(argument))
        kinds[key] = kind
    pairs = {(module, name, kinds.get(key, "class")) for module, name, key, _ in known.rows["imports"]}
    for path, key, _ in known.rows["registry"]:
        module, _, name = path.rpartition(".")
        pairs.add((module, name, kinds.get(key, "class")))
        if kinds.get(key) == "function":
            pairs.add(("builtins", name, "function"))
    return {"arguments": arguments, "pairs": sorted(pairs)}


def compare(answers: Any) -> Any:
    """Each disagreement between the tables and one Keras's answers, as a sentence."""
    from modelreg.rules.keras_tables import release_of

    release = release_of(answers["distribution"], answers["version"])
    for role, names in answers["legacy"].items():
        yield from _compare_names(release, role, names)
    for key, answer in answers["classes"].items():
        yield from _compare_arguments(release, key, answer)
    if answers["found"] is not None:
        yield from _compare_found(release, answers["found"], frozenset(answers["unimportable"]))


def _compare_names(release: Any, role: str, names: Any) -> Any:
    from modelreg.rules.keras_tables.release import _index_of, _legacy

    in_table = {name for each, name in _legacy(_index_of(release)) if each == role}
    for name in sorted(in_table - set(names)):
        entries = release.legacy_all(role, name)
        if any(entry.kind != "external" for entry in entries):
            yield f"{role} {name!r}: in the tables only"
    for name, targets in sorted(names.items()):
        entries = release.legacy_all(role, name)
        real = {(module, each) for module, each in targets if module.startswith(_root(release))}
        if not entries and real:
            yield f"{role} {name!r}: {targets} in Keras only"
        elif entries and real and not real & {(entry.module, entry.name) for entry in entries}:
            yield f"{role} {name!r}: {targets} in Keras, {[(e.module, e.name) for e in entries]} in the tables"


def _root(release: Any) -> str:
    return {"tensorflow": "tensorflow.python", "tf-keras": "tf_keras"}.get(release.distribution, "keras")


def _compare_arguments(release: Any, key: str, answer: Any) -> Any:
    from modelreg.rules.keras_tables.release import _entries, _index_of

    module, _, name = key.partition(":")
    entries = _entries(_index_of(release)).values()
    entry = next((each for each in entries if (each.module, each.name) == (module, name)), None)
    if entry is None:
        if module.startswith(_root(release)):
            yield f"{key}: not in the tables"
        return
    for argument, told_ in sorted(answer["answers"].items()):
        expected = argument in entry.arguments or argument in entry.drops
        if entry.open:
            continue  # the tables promise nothing
        if told_ == "refused" and expected:
            yield f"{key}: {argument!r} is refused, the tables accept it"
        elif told_ == "accepted" and not expected:
            yield f"{key}: {argument!r} is accepted, the tables refuse it"
    if isinstance(answer["config"], list) and not entry.open:
        for argument in sorted(set(answer["config"]) - entry.arguments - entry.drops):
            yield f"{key}: get_config has {argument!r}, the tables refuse it"


def _compare_found(release: Any, found_: Any, left_out: Any) -> Any:
    from modelreg.rules.keras_tables.release import _entries, _index_of

    roles = {(entry.module, entry.name): entry.role for entry in _entries(_index_of(release)).values()}
    real = {(module, name, kind): (in_module, in_name) for module, name, kind, in_module, in_name in found_}
    for module, name, kind in questions()["pairs"]:
        if module in left_out:
            continue
        entry = release.imported(module, name)
        target = real.get((module, name, kind))
        if entry is None and target is not None and target[0].startswith(_root(release)):
            if kind == "function" and not roles.get((target[0], target[1])):
                continue  # of functions that are not exported the tables have those that play a role
            yield f"{module}.{name} ({kind}): {target} in Keras only"
        elif entry is not None and target is None and entry.kind == kind:
            yield f"{module}.{name} ({kind}): {(entry.module, entry.name)} in the tables only"
        elif module != "builtins" and entry and target and target != (entry.module, entry.name):
            yield f"{module}.{name}: {target} in Keras, {(entry.module, entry.name)} in the tables"


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("step", choices=("questions", "ask", "compare"))
    parser.add_argument("files", nargs="+")
    parser.add_argument("--package", default="keras", help="keras, tf.keras or tf_keras")
    options = parser.parse_args()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")
    if options.step == "questions":
        Path(options.files[0]).write_text(json.dumps(questions()))
        return 0
    if options.step == "ask":
        answers = ask(options.package, json.loads(Path(options.files[0]).read_text()))
        Path(options.files[1]).write_text(json.dumps(answers))
        return 0
    disagreements = 0
    for path in options.files:
        answers = json.loads(Path(path).read_text())
        for sentence in compare(answers):
            disagreements += 1
            print(f"{answers['distribution']} {answers['version']}: {sentence}")
    print(f"{disagreements} disagreements", file=sys.stderr)
    return 1 if disagreements else 0


if __name__ == "__main__":
    sys.exit(main())
