"""The rules MR3xx: content that executes, reaches outside or was not read."""

from modelreg.rules.catalogue.definition import refuse, warn

RULES = (
    warn(
        "MR301",
        "Executes Python bytecode stored in the file",
        "A Lambda layer carries marshalled bytecode, which runs with the rights of whoever loads the model.",
        "layer 'scale' (Lambda) executes stored bytecode.",
        "replace the Lambda by a registered layer; if you trust its author, --allow MR301",
    ),
    refuse(
        "MR302",
        "Reaches outside the file",
        "The file makes its reader open other files: HDF5 external storage, external or soft links, virtual datasets, "
        "ONNX external data. This is how CVE-2026-1669 reads a host's files.",
        "'layers/dense/vars/0' takes its bytes from /etc/passwd.",
        "do not load the file; a model written by Keras has none of these",
    ),
    refuse(
        "MR303",
        "Exhausts whoever reads it",
        "The file declares data far beyond what it stores, as in CVE-2026-0897, inflates to many times its size, or "
        "nests deeper than any model.",
        "'layers/dense/vars/0' declares 4 TiB and stores 48 KB.",
        "do not load the file",
    ),
    refuse(
        "MR304",
        "An archive member that escapes or hides",
        "A member's name climbs out of the folder, is absolute or a link; or two readers see two different models: a "
        "name stands twice, headers disagree, members overlap or are encrypted, the file is an HDF5 file as well.",
        "The archive holds '../../.ssh/authorized_keys'.",
        "do not load the file; a model written by Keras has none of these",
    ),
    warn(
        "MR305",
        "Content that Keras did not write there",
        "An archive member, a user block or a dataset that a Keras model does not have. It may be harmless and is "
        "not checked.",
        "The archive holds 'payload.py'.",
        "ask who added it; --allow MR305 if it is known",
    ),
    warn(
        "MR306",
        "A graph operation that needs more than the graph",
        "The graph holds an operation that calls its writer's Python, or that reads the records of an input pipeline. "
        "What reads or writes any file is MR314.",
        "The graph holds PyFunc.",
        "export the model without it; --allow MR306 if it is known",
    ),
    refuse(
        "MR307",
        "Bytecode that cannot be read",
        "The Lambda's bytes are no code that any Python from 2.6 to 3.14 writes, so nothing can be said about what "
        "they do. Saving on Windows does this too: Keras replaced each backslash byte in the code.",
        "layer 'scale' (Lambda): the marshalled code ends at byte 91 of 120.",
        "save the model again, on Linux or macOS, or replace the Lambda by a layer",
    ),
    warn(
        "MR308",
        "Not everything could be read",
        "A bound of the reader was reached, or a part is in a form that it does not know; what lies beyond was not "
        "checked.",
        "The file has more than 200,000 tensors.",
        "--allow MR308 if you know the file",
    ),
    warn(
        "MR309",
        "A dataset that does not hold numbers",
        "An object, string or reference dataset. Weights are numbers; Keras before 3.15 could be made to unpickle "
        "object arrays.",
        "'model_weights/top/names' has dtype object.",
        "ask what it is for; --allow MR309 if it is known",
    ),
    refuse(
        "MR310",
        "safe_mode does not load bytecode",
        "The model has a Lambda, and load() was asked to keep Keras's safe mode, which refuses Lambdas.",
        "layer 'scale' (Lambda) needs safe_mode=False.",
        "load(..., safe_mode=False) if you trust the author",
    ),
    refuse(
        "MR311",
        "Imports a module that has no place in a model",
        "The configuration names a module that is neither Keras's nor one that a custom object of this model can come "
        "from: a part of Python itself, or of a package that starts programs. Keras 3.0 to 3.8 imported and called it "
        "(CVE-2025-1550).",
        "layer 'x' takes 'system' from the module 'os'.",
        "do not load the file",
    ),
    refuse(
        "MR312",
        "Calls a Keras function that is no part of a model",
        "The configuration names a function of Keras that downloads, unpacks, or changes settings, so that loading the "
        "model does so (CVE-2025-8747, CVE-2025-9906).",
        "layer 'x' is keras.utils.get_file.",
        "do not load the file",
    ),
    refuse(
        "MR313",
        "A layer that loads something else",
        "The layer opens another model or unpickles a module as it is built: TFSMLayer (CVE-2026-1462), "
        "TorchModuleWrapper (CVE-2025-49655); or it is Keras's own by its name and registered as another.",
        "layer 'tfsm' (TFSMLayer) loads '/srv/other_model'.",
        "do not load the file unless you made it; then --allow MR313",
    ),
    refuse(
        "MR314",
        "Names a file or an address to open",
        "A lookup layer's vocabulary is a path or an address, which Keras before 3.12.0 opens while it loads "
        "(CVE-2025-12058); or a SavedModel's graph reads or writes files, connects somewhere, or has an asset outside "
        "its folder; or a weight map names a shard elsewhere.",
        "layer 'lookup' (StringLookup) reads its vocabulary from '/etc/passwd'.",
        "save the model with the vocabulary inside it, and without operations on files; --allow MR314 if you know them",
    ),
    refuse(
        "MR315",
        "Stored bytecode that reaches the system",
        "The Lambda's code uses names that import modules, run programs, open files or take Python's objects apart. "
        "Arithmetic on tensors needs none of them.",
        "layer 'scale' (Lambda) uses __import__, os, system.",
        "do not load the file; --allow MR315 if you have read the code and trust it",
    ),
    refuse(
        "MR316",
        "A configuration in YAML",
        "Old Kerases load YAML with an unsafe loader, which runs what it names (CVE-2021-37678).",
        "model.yaml: the configuration is YAML and holds !!python/object/apply.",
        "save the architecture as JSON, or the whole model",
    ),
    refuse(
        "MR317",
        "A layer name that is a path",
        "Keras makes file names of layer names; one that holds '..' or a slash in the wrong place writes elsewhere "
        "(CVE-2026-12479).",
        "layer '../../etc/cron.d/x' has '..' in its name.",
        "do not load the file",
    ),
    refuse(
        "MR318",
        "Pickled objects among the weights",
        "An array of objects is stored by pickle, and reading it runs what it says.",
        "model.weights.npz: 'layers/dense/0.npy' has dtype object.",
        "do not load the file; save the weights as numbers",
    ),
)
