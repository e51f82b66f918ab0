"""Run by test_second_file: builds models that name a second file in every way known, and reads each as a push does.

python reaching_files.py make FOLDER SECRET     writes them; SECRET is what they name
python reaching_files.py read FOLDER            through the inspecting child
python reaching_files.py alone FOLDER           in this process, confined as where there is no Landlock
"""

from __future__ import annotations

import json
import os
import stat
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py

MODELS = Path(__file__).parents[1] / "models"


# Making


def hdf5(path: Path, change: Callable[[h5py.File], None]) -> None:
    """A model of Keras 2 whose first kernel was taken out for ``change`` to put something else there."""
    path.write_bytes((MODELS / "py38" / "plain.h5").read_bytes())
    with h5py.File(path, "r+") as file:
        names: list[str] = []
        file.visititems(lambda name, item: names.append(name) if isinstance(item, h5py.Dataset) else None)
        del file[names[0]]
        file.attrs["first"] = names[0]
        change(file)


def put(file: h5py.File, link: Any) -> None:
    file[str(file.attrs["first"])] = link


def external_storage(file: h5py.File, secret: str) -> None:
    file.create_dataset(str(file.attrs["first"]), (4, 3), "f4", external=[(secret, 0, 48)])


def virtual(file: h5py.File, secret: str) -> None:
    layout = h5py.VirtualLayout(shape=(4, 3), dtype="f4")
    layout[:] = h5py.VirtualSource(secret, "x", shape=(4, 3))
    file.create_virtual_dataset(str(file.attrs["first"]), layout)


def archive(path: Path, config: Any, *, linked: str | None = None) -> None:
    with (
        zipfile.ZipFile(MODELS / "py313" / "plain.keras") as original,
        zipfile.ZipFile(path, "w") as changed,
    ):
        for name in original.namelist():
            changed.writestr(name, json.dumps(config) if name == "config.json" and config else original.read(name))
        if linked:
            member = zipfile.ZipInfo("assets/vocabulary.txt")
            member.external_attr = (stat.S_IFLNK | 0o777) << 16
            changed.writestr(member, linked)


def model(layer: dict[str, Any]) -> dict[str, Any]:
    return {"class_name": "Sequential", "module": "keras", "config": {"name": "s", "layers": [layer]}}


def saved_model(folder: Path, asset: str) -> None:
    """The folder of a real one, with an asset of that name in its graph (``MetaGraphDef.asset_file_def``, 6)."""
    source = MODELS / "py38" / "savedmodel_plain"
    for each in sorted(source.rglob("*")):
        if each.is_file():
            path = folder / each.relative_to(source)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(each.read_bytes())
    definition = record(6, record(2, asset.encode()))
    path = folder / "saved_model.pb"
    path.write_bytes(path.read_bytes() + record(2, definition))


def record(number: int, content: bytes) -> bytes:
    assert len(content) < 1 << 14
    return bytes([number << 3 | 2, len(content) & 0x7F | 0x80, len(content) >> 7]) + content


def make(folder: Path, secret: str) -> None:
    lookup = {"name": "l", "vocabulary": secret, "max_tokens": None}
    hdf5(folder / "storage.h5", lambda file: external_storage(file, secret))
    hdf5(folder / "link.h5", lambda file: put(file, h5py.ExternalLink(secret, "/x")))
    hdf5(folder / "soft.h5", lambda file: put(file, h5py.SoftLink(secret)))
    hdf5(folder / "virtual.h5", lambda file: virtual(file, secret))
    archive(folder / "symbolic.keras", None, linked=secret)
    for name in ("StringLookup", "IntegerLookup", "TextVectorization"):
        layer = {"class_name": name, "module": "keras.layers", "registered_name": None, "config": lookup}
        archive(folder / f"{name}.keras", model(layer))
    with h5py.File(folder / "lookup.h5", "w") as file:
        file.attrs["model_config"] = json.dumps(model({"class_name": "StringLookup", "config": lookup}))
        file.create_group("model_weights").attrs["layer_names"] = [b"l"]
    index = {"metadata": {"total_size": 8}, "weight_map": {"/layers/dense/vars": secret, "/layers/d/vars": "../x.h5"}}
    (folder / "model.weights.json").write_text(json.dumps(index))
    (folder / "shards").mkdir()
    (folder / "shards" / "model.weights.json").write_text(json.dumps(index))
    (folder / "shards" / "x_00000.weights.h5").write_bytes((MODELS / "py313" / "plain.weights.h5").read_bytes())
    saved_model(folder / "absolute", secret)
    saved_model(folder / "climbing", "../" * 20 + secret.lstrip("/"))
    onnx = (MODELS / "onnx" / "external.onnx").read_bytes()
    assert onnx.count(b"external.bin") > 0
    location = secret.encode().rjust(len(b"external.bin"), b"/")[-len(b"external.bin") :]  # lengths stay as they are
    (folder / "external.onnx").write_bytes(onnx.replace(b"external.bin", location))
    (folder / "model.yaml").write_text(f"config: !!python/object/apply:open ['{secret}']\nclass_name: Sequential\n")


# Reading


def read(folder: Path) -> None:
    from modelreg.artifact import open_artifact
    from modelreg.inspect import Inspector

    with Inspector(expect_hdf5=True) as inspector:
        for path in sorted(folder.iterdir()):
            for values in (False, True):
                with open_artifact(path) as files:
                    facts = inspector.inspect([(file.path, file.descriptor) for file in files], values=values)
                hazards = sorted({hazard.kind.value for hazard in facts.hazards})
                defects = sorted({defect.kind.value for defect in facts.defects})
                sys.stdout.write(json.dumps([path.name, [*hazards, *defects], facts.file]) + "\n")


def alone(folder: Path) -> None:
    """One process for each, forked as the starter forks its readers; ``confine`` finds no Landlock."""
    from modelreg.artifact import open_artifact
    from modelreg.inspect import child, confine
    from modelreg.inspect.reader import read_artifact
    from modelreg.inspect.source import SourceFile, descriptor_stream
    from modelreg.inspect.values import Values

    child._prepare()
    child._warm_up()
    confine.landlock_abi = lambda: 0
    for path in sorted(folder.iterdir()):
        with open_artifact(path) as files:
            if os.fork() == 0:
                given = [SourceFile(f.path, f.size_bytes, descriptor_stream(f.descriptor, f.size_bytes)) for f in files]
                confine.confine()
                read_artifact(given, values=Values.for_artifact(1 << 20))
                os._exit(0)
            assert os.wait()[1] == 0


if __name__ == "__main__":
    what, where, *rest = sys.argv[1:]
    if what == "make":
        make(Path(where), *rest)
    else:
        {"read": read, "alone": alone}[what](Path(where))
