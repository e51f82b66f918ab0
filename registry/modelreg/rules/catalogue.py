"""The rule catalogue: what each rule means, an example, the fix, and how far a policy may bend it.

``modelreg explain RULE`` and the page in ``docs/reference/rules.md`` are made from this table.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass

from modelreg.errors import NotFoundError
from modelreg.findings import Finding, Kind, Severity

_KINDS = {
    "1": Kind.CORRUPT,
    "2": Kind.UNTRUSTED,
    "3": Kind.UNSAFE,
    "4": Kind.INCOMPATIBLE,
    "5": Kind.POLICY,
}


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule.

    ``fixed`` rules guard the bytes themselves: no flag turns them off.  ``escalates`` tells whether ``--verify`` turns
    a warning of this rule into a refusal.
    """

    id: str
    title: str
    severity: Severity
    meaning: str
    example: str
    fix: str
    fixed: bool = False
    escalates: bool = True

    @property
    def kind(self) -> Kind:
        return _KINDS[self.id[2]]

    def found(
        self, message: str, *, where: str | None = None, fix: str | None = None, severity: Severity | None = None
    ) -> Finding:
        """A finding of this rule with its default severity, before any policy is applied."""
        return Finding(self.id, self.kind, severity or self.severity, message, where, fix or self.fix)


def _refuse(rule_id: str, title: str, meaning: str, example: str, fix: str, *, fixed: bool = False) -> Rule:
    return Rule(rule_id, title, Severity.REFUSE, meaning, example, fix, fixed=fixed)


def _warn(rule_id: str, title: str, meaning: str, example: str, fix: str, *, escalates: bool = True) -> Rule:
    return Rule(rule_id, title, Severity.WARN, meaning, example, fix, escalates=escalates)


def _info(rule_id: str, title: str, meaning: str, example: str, fix: str) -> Rule:
    return Rule(rule_id, title, Severity.INFO, meaning, example, fix, escalates=False)


_ALL = (
    _refuse(
        "MR101",
        "The manifest is not the one that was asked for",
        "The stored manifest is missing, cannot be parsed, or its SHA-256 is not the version's digest. Nothing that "
        "it says can be believed.",
        "The store returns 4,211 bytes whose SHA-256 is 9c1f..., while the version's digest is 7ab0....",
        "restore the store from a backup, or push the model again",
        fixed=True,
    ),
    _refuse(
        "MR102",
        "The database disagrees with the manifest",
        "The database is only an index over the manifests. A row that says something else than the manifest it points "
        "at was changed by something other than modelreg.",
        "The row says Keras 3.15.1, the manifest says 2.13.1.",
        "restore the database from a backup; the manifest is the truth",
        fixed=True,
    ),
    _refuse(
        "MR103",
        "A file is missing or has another size",
        "The store has no blob for a file of the manifest, or one that is shorter or longer than what was pushed.",
        "plain.h5 is 17,000 bytes long; 17,208 were pushed.",
        "push the same file again: the store takes it back under the same digest",
        fixed=True,
    ),
    _refuse(
        "MR104",
        "Bytes differ from what was pushed",
        "A chunk of a file does not have the BLAKE3 digest that the manifest names. The finding gives the byte range "
        "and the tensors that lie in it.",
        "plain.h5, bytes 8,192 to 12,287: the chunk differs; it holds 'model_weights/dense/dense/kernel:0'.",
        "push the same file again: a damaged blob is replaced; then look at the disk that holds the store",
        fixed=True,
    ),
    _refuse(
        "MR105",
        "A file's SHA-256 differs",
        "The whole file does not have the SHA-256 that the manifest names (checked with --full).",
        "model.keras: SHA-256 is 5f1c..., 11aa... was pushed.",
        "push the same file again",
        fixed=True,
    ),
    _refuse(
        "MR106",
        "A pulled folder holds a file that was not pushed",
        "A loader may read files beside the model (a SavedModel's assets, shards of weights), so a file that was added "
        "later is not harmless.",
        "assets/vocab.txt is not in the manifest.",
        "move the file elsewhere, or pull again with --force",
    ),
    _refuse(
        "MR110",
        "The file is empty or all zeros",
        "There is no model in it: a failed write, or a download that allocated space and never filled it.",
        "model.h5 is 0 bytes long.",
        "save or download the model again",
    ),
    _refuse(
        "MR111",
        "A Git LFS pointer instead of the model",
        "The repository was cloned without Git LFS, so the file holds a pointer of about 130 bytes.",
        "model.h5 starts with 'version https://git-lfs.github.com/spec/v1'.",
        "run `git lfs pull` in the repository, then push again",
    ),
    _refuse(
        "MR112",
        "A web page or an error document instead of the model",
        "The download saved the server's answer (a login page, 'not found', a JSON error), not the file.",
        "model.h5 starts with '<!DOCTYPE html>'.",
        "open the address in a browser, sign in or correct it, and download again",
    ),
    _refuse(
        "MR113",
        "A compressed file instead of the model",
        "Keras does not read gzip.",
        "model.h5 starts with the gzip magic 1f 8b.",
        "run `gunzip` on it, then push the result",
    ),
    _refuse(
        "MR114",
        "The HDF5 file is truncated",
        "The superblock says where the file ends, and the file is shorter: a copy or download stopped early. Keras "
        "says 'Unable to open file (truncated file: eof = ...)'.",
        "The file is 9,000 bytes long; its superblock says 17,208.",
        "copy or download it again and compare sizes",
    ),
    _refuse(
        "MR115",
        "The .keras archive is truncated",
        "The zip's central directory, which stands at its end, is missing. Keras says 'File not found ... Please "
        "ensure the file is an accessible .keras zip file', although the file is there.",
        "The archive starts like a zip and has no end record.",
        "copy or download it again and compare sizes",
    ),
    _refuse(
        "MR116",
        "The .keras archive is damaged",
        "A member does not have its CRC-32, or the archive's own records contradict each other.",
        "model.weights.h5: CRC-32 is 6d3e7a10, the archive says 0b1fa2c4.",
        "copy or download it again",
    ),
    _refuse(
        "MR117",
        "The model is damaged inside",
        "The container opens, but what Keras needs in it cannot be read: a broken HDF5 structure, a configuration that "
        "is not JSON, a SavedModel without its variables.",
        "model_config is not valid JSON: Expecting ',' delimiter at character 412.",
        "save the model again, or restore the file from a backup",
    ),
    _refuse(
        "MR118",
        "The file killed or hung its reader",
        "modelreg reads files in a child process with strict limits; this file crashed it or kept it busy beyond them. "
        "A file that does this to a careful reader is not handed to Keras.",
        "The reader was killed by signal 11 while it read model.h5.",
        "do not load the file; save the model again from its source",
    ),
    _warn(
        "MR201",
        "No signature by a trusted key",
        "Nothing proves who pushed this version: whoever can write to both store and database could have replaced it.",
        "fraud:3 has no signature.",
        "decide whether the registry's own access control is enough; require_signature = true refuses instead",
        escalates=False,
    ),
    _warn(
        "MR301",
        "Executes Python bytecode stored in the file",
        "A Lambda layer carries marshalled bytecode, which runs with the rights of whoever loads the model.",
        "layer 'scale' (Lambda) executes stored bytecode.",
        "replace the Lambda by a registered layer; if you trust its author, --allow MR301",
    ),
    _refuse(
        "MR302",
        "Reaches outside the file",
        "The file makes its reader open other files: HDF5 external storage, external or soft links, virtual datasets, "
        "ONNX external data. This is how CVE-2026-1669 reads a host's files.",
        "'layers/dense/vars/0' takes its bytes from /etc/passwd.",
        "do not load the file; a model written by Keras has none of these",
    ),
    _refuse(
        "MR303",
        "Exhausts whoever reads it",
        "The file declares data far beyond what it stores, as in CVE-2026-0897.",
        "'layers/dense/vars/0' declares 4 TiB and stores 48 KB.",
        "do not load the file",
    ),
    _refuse(
        "MR304",
        "An archive member that escapes or hides",
        "A member's name climbs out of the folder, is absolute, is a link, or stands twice, so that two readers see "
        "two different models.",
        "The archive holds '../../.ssh/authorized_keys'.",
        "do not load the file; a model written by Keras has none of these",
    ),
    _warn(
        "MR305",
        "Content that Keras did not write there",
        "An archive member, a user block or a dataset that a Keras model does not have. It may be harmless and is "
        "not checked.",
        "The archive holds 'payload.py'.",
        "ask who added it; --allow MR305 if it is known",
    ),
    _warn(
        "MR306",
        "A graph operation that runs code or touches files",
        "The SavedModel's graph holds an operation that calls Python or reads and writes files.",
        "The graph holds PyFunc.",
        "export the model without it; --allow MR306 if it is known",
    ),
    _refuse(
        "MR307",
        "Bytecode that cannot be read",
        "The Lambda's bytes are no code that any Python from 2.6 to 3.14 writes, so nothing can be said about what "
        "they do. Saving on Windows does this too: Keras replaced each backslash byte in the code.",
        "layer 'scale' (Lambda): the marshalled code ends at byte 91 of 120.",
        "save the model again, on Linux or macOS, or replace the Lambda by a layer",
    ),
    _warn(
        "MR308",
        "Not everything could be read",
        "A bound of the reader was reached, or a part is in a form that it does not know; what lies beyond was not "
        "checked.",
        "The file has more than 200,000 tensors.",
        "--allow MR308 if you know the file",
    ),
    _warn(
        "MR309",
        "A dataset that does not hold numbers",
        "An object, string or reference dataset. Weights are numbers; Keras before 3.15 could be made to unpickle "
        "object arrays.",
        "'model_weights/top/names' has dtype object.",
        "ask what it is for; --allow MR309 if it is known",
    ),
    _refuse(
        "MR310",
        "safe_mode does not load bytecode",
        "The model has a Lambda, and load() was asked to keep Keras's safe mode, which refuses Lambdas.",
        "layer 'scale' (Lambda) needs safe_mode=False.",
        "load(..., safe_mode=False) if you trust the author",
    ),
    _refuse(
        "MR401",
        "Bytecode of another Python",
        "marshal is not compatible between Python versions. Another layout group fails with 'bad marshal data' "
        "(also EOFError or SystemError); within a group the interpreter dies or computes other numbers, silently.",
        "layer 'scale' (Lambda) holds bytecode of Python 3.8 or 3.9; the target is Python 3.11.",
        "load it with the Python that wrote it, or replace the Lambda by a registered layer and save again",
    ),
    _warn(
        "MR402",
        "Bytecode that may be of another Python",
        "The bytes do not tell between Python versions of one layout group, and the target is only one of them.",
        "layer 'scale' (Lambda) was written by Python 3.11 or 3.12; the target is Python 3.11.",
        "ask which Python saved it; --allow MR402 if it was the target's",
    ),
    _refuse(
        "MR403",
        "Written by Keras 3, target has Keras 2",
        "Keras 2 does not read Keras 3's configuration ('Unrecognized keyword arguments: batch_shape').",
        "Written by Keras 3.15.1; the target has Keras 2.15.0.",
        "install Keras 3 there, or load the weights into a model that is built there",
    ),
    _warn(
        "MR404",
        "Written by Keras 2, target has Keras 3",
        "Keras 3 reads much of what Keras 2 wrote, but not all: removed arguments, moved modules, other weight names.",
        "Written by Keras 2.13.1; the target has Keras 3.15.1.",
        "pip install tf-keras there and set TF_USE_LEGACY_KERAS=1, or save the model again with Keras 3",
    ),
    _refuse(
        "MR405",
        "A SavedModel, target has Keras 3",
        "load_model of Keras 3 does not read SavedModel folders ('File format not supported').",
        "A SavedModel by TensorFlow 2.13.1; the target has Keras 3.15.1.",
        "keras.layers.TFSMLayer(PATH, call_endpoint='serving_default') runs it; --allow MR405 says you will do that",
    ),
    _refuse(
        "MR406",
        "HDF5 under the name .keras",
        "TensorFlow before 2.12 wrote HDF5 under any name. Keras 3 opens .keras as a zip only and says 'File not "
        "found'.",
        "model.keras is HDF5; the target has Keras 3.15.1.",
        "rename it to .h5 and push it again",
    ),
    _warn(
        "MR407",
        "Python of the target is not known",
        "The model has bytecode, and whether it runs depends on the Python version.",
        "requirements.txt does not say which Python it is for.",
        "write FILE@3.11, or a line '# python==3.11.7' in the file",
    ),
    _warn(
        "MR410",
        "Holds weights only",
        "There is no architecture in the file, so load_model fails ('No model config found').",
        "plain_weights_only.h5 holds the weights of 2 layers and no configuration.",
        "build the model, then model.load_weights(PATH)",
    ),
    _warn(
        "MR411",
        "Not a model that can be judged",
        "modelreg keeps and verifies the bytes, but knows nothing of their content.",
        "weights.bin is of no known format.",
        "if this should be a model, look at what was pushed; --allow MR411 otherwise",
    ),
    _info(
        "MR412",
        "Not for Keras's load_model",
        "TFLite and ONNX models are run by their own runtimes.",
        "model.tflite is a TFLite model.",
        "tf.lite.Interpreter(model_path=...) or onnxruntime.InferenceSession(...)",
    ),
    _warn(
        "MR420",
        "Custom objects that the loader must provide",
        "The model uses classes or functions that Keras does not have. Loading fails unless they are passed or "
        "registered.",
        "layer class 'Twice' (my_package.layers)",
        "load with custom_objects={'Twice': Twice}, or import the module that registers it",
        escalates=False,
    ),
    _info(
        "MR421",
        "Custom objects needed for training only",
        "A loss, metric or optimizer of one's own is only needed to go on training.",
        "loss 'custom_loss'",
        "load with compile=False, or pass custom_objects",
    ),
    _warn(
        "MR430",
        "The target has no Keras",
        "Neither keras nor a TensorFlow that carries it is in the target's description, so that only its Python could "
        "be judged.",
        "environment.json lists neither keras nor tensorflow.",
        "describe the environment where the model will be loaded: modelreg env capture --python EXE",
    ),
    _info(
        "MR431",
        "The target differs from where it was pushed",
        "Versions differ in a way that is not known to break anything.",
        "numpy: 1.26.4 at push, 2.4.6 in the target",
        "nothing to do",
    ),
    _refuse(
        "MR501",
        "Withdrawn",
        "Somebody withdrew this version and said why.",
        "fraud:3 was withdrawn: trained on leaked labels.",
        "pull another version; --allow MR501 if you must have this one",
    ),
)

RULES = {rule.id: rule for rule in _ALL}
"""Every rule by its id."""


def rule(rule_id: str) -> Rule:
    """The rule with that id, in any case; raises ``NotFoundError`` that proposes the nearest."""
    try:
        return RULES[rule_id.upper()]
    except KeyError:
        near = difflib.get_close_matches(rule_id.upper(), RULES, n=1)
        raise NotFoundError(
            f"there is no rule {rule_id!r}", hint=f"modelreg explain {near[0]}" if near else "modelreg explain"
        ) from None
