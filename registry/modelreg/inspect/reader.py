"""Composes the readers: an artifact's files in, one ``Facts`` out.

Everything here sees hostile bytes and runs in the child process only.  Facts are the same for the same bytes and
paths, on every machine: lists are in the order of the file, or sorted.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from modelreg.facts import Container, Defect, DefectKind, Facts, Hazard, HazardKind
from modelreg.inspect import limits
from modelreg.inspect.config import ConfigFacts, common_pythons, read_model_config, read_training_config
from modelreg.inspect.json_text import BadJsonError, parse_json_text
from modelreg.inspect.keras_zip import METADATA, WEIGHTS, ZipContents, read_zip
from modelreg.inspect.loose_texts import in_file, read_loose_texts
from modelreg.inspect.sharded import read_sharded, shard_index
from modelreg.inspect.sniff import Format, Sniffed, appended_archive_hazards, sniff
from modelreg.inspect.source import SourceFile, window
from modelreg.inspect.text import plain
from modelreg.inspect.yaml_text import yaml_hazards

if TYPE_CHECKING:
    from modelreg.inspect.values import Values

SAVED_MODEL_MARKS = frozenset({"saved_model.pb", "saved_model.pbtxt", "saved_model.cpb"})
"""Any of these at the root makes a folder a SavedModel (TensorFlow ``python/saved_model/constants.py``)."""


def read_artifact(files: Sequence[SourceFile], *, values: Values | None = None) -> Facts:
    """Read one file, or the files of a folder; never raises for bad bytes.

    A folder with ``saved_model.pb`` at its root is a SavedModel.  A folder in which exactly one file is a model is
    that model; one without, but with one index of shards, is those weights.  Any other folder is opaque.

    With ``values``, the digests of the tensors and of the whole model are taken too.
    """
    if any(file.path in SAVED_MODEL_MARKS for file in files):
        from modelreg.inspect.saved_model import read_saved_model

        facts = read_saved_model(files, values=values)
    else:
        facts = read_file(files[0], values) if len(files) == 1 else _with_rest(_read_folder(files, values), files)
    if len(facts.hazards) > limits.HAZARDS_MAX:
        more = Hazard(HazardKind.TOO_MUCH, facts.file, f"{len(facts.hazards):,} hazards; the first are listed")
        facts = replace(facts, hazards=(*facts.hazards[: limits.HAZARDS_MAX - 1], more))
    if values is None:
        return facts
    from modelreg.semantic import semantic_digest

    return replace(facts, semantic_digest=semantic_digest(facts))


def _read_folder(files: Sequence[SourceFile], values: Values | None) -> Facts:
    if not files:
        return Facts(Container.OPAQUE, ".", defects=(Defect(DefectKind.EMPTY, ".", "a folder without files"),))
    if len(files) > limits.FOLDER_FILES_READ_MAX:
        detail = f"{len(files):,} files and no saved_model.pb; they were not read"
        return Facts(Container.OPAQUE, ".", hazards=(Hazard(HazardKind.TOO_MUCH, ".", detail),))
    found = [(file, sniffed) for file in files if (sniffed := sniff(file)).format is not Format.OPAQUE]
    read = [(file, sniffed, _read_sniffed(file, sniffed, None)) for file, sniffed in found]
    models = [(file, sniffed, facts) for file, sniffed, facts in read if facts.container in _WHOLE_MODELS]
    if not models:
        return _read_shards(files, values)
    if len(models) > 1:
        return Facts(Container.OPAQUE, ".")
    ((file, sniffed, facts),) = models
    return facts if values is None else _read_sniffed(file, sniffed, values)


def _with_rest(facts: Facts, files: Sequence[SourceFile]) -> Facts:
    """``facts`` and the hazards of the folder's other files, for Keras may be pointed at any of them."""
    if len(files) > limits.FOLDER_FILES_READ_MAX:
        return facts
    known = {facts.file, *(tensor.file for tensor in facts.tensors)}
    rest = [(file, sniff(file)) for file in files if file.path not in known]
    lambdas, hazards = read_loose_texts(pair for pair in rest if pair[1].format is Format.OPAQUE)
    for file, sniffed in rest:
        if sniffed.format is not Format.OPAQUE:
            beside = _read_sniffed(file, sniffed, None)
            lambdas, hazards = (*lambdas, *beside.lambdas), (*hazards, *in_file(file.path, beside.hazards))
    return replace(facts, lambdas=(*facts.lambdas, *lambdas), hazards=(*facts.hazards, *hazards))


def _read_shards(files: Sequence[SourceFile], values: Values | None) -> Facts:
    """Weights in shards, if exactly one file of the folder is an index of some."""
    documents = (file for file in files if sniff(file).defect is DefectKind.JSON_DOCUMENT)
    found = [(file, index) for file in documents if (index := shard_index(file)) is not None]
    return read_sharded(*found[0], files, values) if len(found) == 1 else Facts(Container.OPAQUE, ".")


_WHOLE_MODELS = frozenset({Container.KERAS_HDF5, Container.KERAS_ZIP, Container.TFLITE, Container.ONNX})


def read_file(file: SourceFile, values: Values | None = None) -> Facts:
    """Read one file by what its bytes are."""
    return _read_sniffed(file, sniff(file), values)


def _read_sniffed(file: SourceFile, sniffed: Sniffed, values: Values | None) -> Facts:
    if sniffed.defect is DefectKind.JSON_DOCUMENT and (index := shard_index(file)) is not None:
        return read_sharded(file, index, [file], values)
    if sniffed.defect is not None:
        defect = Defect(sniffed.defect, file.path, plain(sniffed.detail))
        return Facts(_CONTAINER_OF_DEFECT.get(sniffed.defect, Container.OPAQUE), file.path, defects=(defect,))
    match sniffed.format:
        case Format.HDF5:
            facts = _read_hdf5(file, values)
            return replace(facts, hazards=(*_user_block(file, sniffed.start), *facts.hazards))
        case Format.ZIP:
            facts = _read_keras_zip(file, values)
            return replace(facts, hazards=(*_user_block(file, sniffed.start), *facts.hazards))
        case Format.TFLITE:
            from modelreg.inspect.tflite import read_tflite

            facts = read_tflite(file, values=values)
            return replace(facts, hazards=(*facts.hazards, *appended_archive_hazards(file)))
        case Format.ONNX:
            from modelreg.inspect.onnx import read_onnx

            return read_onnx(file, values=values)
    return Facts(Container.OPAQUE, file.path, hazards=tuple(yaml_hazards(file)))


_CONTAINER_OF_DEFECT = {DefectKind.TRUNCATED_HDF5: Container.HDF5}
"""What a cut-off file was is not known beyond its first bytes."""


def _user_block(file: SourceFile, start: int) -> Iterable[Hazard]:
    if start:
        detail = f"{start:,} bytes of something else stand before the container's signature"
        yield Hazard(HazardKind.USER_BLOCK, file.path, detail)


# HDF5


def _read_hdf5(file: SourceFile, values: Values | None) -> Facts:
    from modelreg.inspect.hdf5 import read_hdf5

    read = read_hdf5(file.stream, file=file.path, base=0, size_bytes=file.size_bytes, values=values)
    configs = []
    model = training = None
    if read.model_config is not None:
        configs.append(model := read_model_config(read.model_config, file=file.path))
    if read.training_config is not None:
        configs.append(training := read_training_config(read.training_config, file=file.path))
    hazards = list(read.hazards)
    hazards.extend(appended_archive_hazards(file))
    facts = Facts(
        read.container,
        file.path,
        keras_version=read.keras_version,
        backend=read.backend,
        has_training_config=read.training_config is not None if read.container is Container.KERAS_HDF5 else None,
        tensors=tuple(read.tensors),
        hazards=tuple(hazards),
        defects=tuple(read.defects),
        config=model.text if model else None,
        training_config=training.text if training else None,
        weight_groups=read.weight_groups,
    )
    return with_configs(facts, configs)


# ZIP


def _read_keras_zip(file: SourceFile, values: Values | None) -> Facts:
    read = read_zip(file, values=values is not None)
    if not read.is_keras:
        return Facts(Container.OPAQUE, file.path, hazards=tuple(read.hazards), defects=tuple(read.defects))
    facts = Facts(
        Container.KERAS_ZIP,
        file.path,
        hazards=tuple(read.hazards),
        defects=tuple(read.defects),
    )
    facts = _with_metadata(facts, read.metadata)
    configs = [] if read.config is None else [read_model_config(read.config, file=file.path)]
    facts = replace(
        with_configs(facts, configs),
        has_training_config=any(c.has_training_config for c in configs),
        config=configs[0].text if configs else None,
        assets=tuple(read.assets),
    )
    return _with_weights(facts, file, read, values)


def _with_metadata(facts: Facts, metadata: bytes | None) -> Facts:
    """``keras_version`` out of ``metadata.json``."""
    if metadata is None:
        return facts
    try:
        value = parse_json_text(metadata).value
    except BadJsonError as error:
        defect = Defect(DefectKind.DAMAGED_CONFIG, facts.file, plain(f"{METADATA} {error}"))
        return replace(facts, defects=(*facts.defects, defect))
    version = value.get("keras_version") if isinstance(value, dict) else None
    return replace(facts, keras_version=plain(version) if isinstance(version, str) else None)


def _with_weights(facts: Facts, file: SourceFile, read: ZipContents, values: Values | None) -> Facts:
    from modelreg.inspect.hdf5 import read_hdf5

    if read.weights_offset is not None:
        stream = window(file.stream, read.weights_offset, read.weights_size_bytes)
    elif read.weights is not None:
        stream = io.BytesIO(read.weights)
    else:
        return facts
    base, size_bytes = read.weights_offset or 0, read.weights_size_bytes
    weights = read_hdf5(stream, file=file.path, base=base, size_bytes=size_bytes, values=values)
    tensors = tuple(weights.tensors)
    if read.weights_offset is None:
        tensors = tuple(replace(tensor, extents=()) for tensor in tensors)
    hazards = (replace(hazard, where=f"{WEIGHTS}/{hazard.where}") for hazard in weights.hazards)
    defects = (replace(defect, detail=f"{WEIGHTS}: {defect.detail}") for defect in weights.defects)
    return replace(
        facts,
        tensors=tensors,
        hazards=(*facts.hazards, *hazards),
        defects=(*facts.defects, *defects),
    )


# Configurations


def with_configs(facts: Facts, configs: Sequence[ConfigFacts]) -> Facts:
    """``facts`` and what its configurations say."""
    lambdas = tuple(code for config in configs for code in config.lambdas)
    return replace(
        facts,
        writer_pythons=common_pythons(lambdas),
        layers=tuple(layer for config in configs for layer in config.layers),
        custom_objects=tuple(item for config in configs for item in config.custom_objects),
        lambdas=lambdas,
        hazards=(*facts.hazards, *(hazard for config in configs for hazard in config.hazards)),
        defects=(*facts.defects, *(defect for config in configs for defect in config.defects)),
    )
