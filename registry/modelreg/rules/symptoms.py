"""What an error message of Keras, HDF5 or Python means: the failure mode, and the rules that see it in a file.

The messages are those that real Kerases raised on recorded files; a pattern is the part of a message that names the
mode and nothing that depends on the model.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

ERROR_LENGTH_MAX = 100_000
"""Characters of a pasted traceback that are looked at."""


@dataclass(frozen=True, slots=True)
class Symptom:
    """One failure mode; ``rules`` are those that find its sign in a file."""

    name: str
    pattern: str
    cause: str
    rules: tuple[str, ...]
    advice: str

    def matches(self, text: str) -> bool:
        return re.search(self.pattern, text, re.IGNORECASE | re.DOTALL) is not None


SYMPTOMS = (
    Symptom(
        "bad marshal data",
        r"bad marshal data|EOF read where (object|not) expected|marshal data too short|codeobject\.c:\d+",
        "a Lambda layer holds bytecode that another Python version wrote: Keras stores functions with marshal, whose "
        "layout differs between Pythons",
        ("MR401", "MR307"),
        "load it with the Python that wrote it, or: modelreg repair FILE -o OUT",
    ),
    Symptom(
        "the interpreter dies",
        r"segmentation fault|core dumped|SIGSEGV|signal 11|SIGABRT|exit(ed)? (code|status)?:? ?-?(11|139|134)\b",
        "bytecode of a neighbouring Python version was read without complaint and then ran as nonsense",
        ("MR401", "MR307"),
        "load it with the Python that wrote it, or: modelreg repair FILE -o OUT",
    ),
    Symptom(
        "unknown opcode",
        r"unknown opcode|XXX lineno: \d+, opcode: \d+|no locals found when setting up annotations",
        "the Lambda's bytecode has instructions that this Python does not have: another version wrote it, or Windows "
        "changed each byte 0x5C of it to 0x2F while saving (opcode 47)",
        ("MR401", "MR307"),
        "save the model again on Linux or macOS, or: modelreg repair FILE -o OUT",
    ),
    Symptom(
        "unknown class or function",
        r"Unknown (layer|activation|initializer|regularizer|constraint|metric|loss|optimizer)|"
        r"Could not locate (class|function)"
        r"|Cannot deserialize object of type|Could not interpret (activation|initializer)",
        "the model needs a class or function that this Keras does not have: one of your own, or one that left or was "
        "renamed",
        ("MR413", "MR416", "MR420", "MR421", "MR424"),
        "pass it in custom_objects if it is yours; otherwise use a Keras that has it",
    ),
    Symptom(
        "module moved",
        r"parent module [\w.]+ cannot be imported",
        "the .keras file names a module of the Keras that wrote it",
        ("MR415", "MR420"),
        "modelreg repair FILE -o OUT --target current renames Keras's own modules",
    ),
    Symptom(
        "argument not accepted",
        r"Unrecognized keyword argument|Error when deserializing class|could not be deserialized properly|"
        r"unexpected keyword argument|Keyword argument not understood|"
        r"Argument\(s\) not recognized",
        "a layer's configuration has an argument that this release of its class does not take",
        ("MR403", "MR414", "MR424"),
        "modelreg repair FILE -o OUT --target current drops arguments that do nothing",
    ),
    Symptom(
        "truncated file",
        r"truncated file|stored_eof|Unable to (synchronously )?open (file|object).*(eof|addr overflow)",
        "the file is shorter than HDF5 says it is: an interrupted copy or download",
        ("MR114", "MR103"),
        "download or copy it again, and compare its checksum",
    ),
    Symptom(
        "not HDF5",
        r"file signature not found|is not (a|an accessible) (hdf5|zip)|not a zip file|File not found: filepath=|"
        r"SavedModel file does not exist|accessible `?\.keras`? zip",
        "the bytes are not what the suffix says: a Git LFS pointer, an error page, a renamed or unfinished file, or a "
        ".keras file that is HDF5",
        ("MR110", "MR111", "MR112", "MR113", "MR115", "MR406", "MR408"),
        "modelreg inspect FILE says what the bytes are",
    ),
    Symptom(
        "weights only",
        r"No model (config )?found in (the|config) file|Cannot create group in read.?only mode",
        "the file holds weights and no architecture",
        ("MR410",),
        "build the model in code, then model.load_weights(FILE)",
    ),
    Symptom(
        "decode",
        r"'str' object has no attribute 'decode'",
        "Keras before 2.4 with h5py 3, which decodes attributes by itself",
        ("MR426",),
        "pip install 'h5py<3', or a newer Keras",
    ),
    Symptom(
        "format not supported",
        r"File format not supported|Keras 3 only supports V3",
        "Keras 3 reads .keras archives and .h5 files only, told by their suffix",
        ("MR405", "MR406", "MR408"),
        "keras.layers.TFSMLayer for a SavedModel; the right suffix for the others",
    ),
    Symptom(
        "name not defined in a Lambda",
        r"name '\w+' is not defined|could not automatically infer the (output )?shape of the Lambda|"
        r"infer the shape of the Lambda",
        "the Lambda's code uses a module or helper that the loader does not give it (Keras 3 hides the NameError "
        "behind a message about the shape)",
        ("MR417",),
        "modelreg repair FILE -o OUT writes the function into a module that imports what it needs",
    ),
    Symptom(
        "Lambda's values",
        r"arg [45] \((defaults|closure)\) must be|requires closure of length|'(str|dict)' object is not callable|"
        r"missing \d+ required (keyword-only|positional) argument",
        "defaults or captured values of a Lambda were stored incompletely",
        ("MR418",),
        "modelreg repair FILE -o OUT writes the values into a function",
    ),
    Symptom(
        "safe mode",
        r"Requested the deserialization of a (Python )?[Ll]ambda|safe_mode|enable_unsafe_deserialization",
        "the model holds bytecode, and Keras's safe mode does not run any",
        ("MR301", "MR310"),
        "modelreg repair FILE -o OUT removes the need; safe_mode=False only for bytes that you trust",
    ),
    Symptom(
        "not a KerasSaveable",
        r"is not a KerasSaveable subclass",
        "Keras 3 does not restore a bare loss or metric name such as 'mse' from a .h5 file, not even its own",
        ("MR424",),
        "load_model(FILE, compile=False), then compile again",
    ),
    Symptom(
        "weights do not match",
        r"expected \d+ variables?, but received \d+|objects could not be loaded|Layer count mismatch|"
        r"weight file containing \d+ layers|Weight count mismatch|Shape mismatch in layer",
        "the saved weights and the model that was built from the configuration do not fit together",
        ("MR422", "MR414", "MR417", "MR117"),
        "load it with the Keras that wrote it",
    ),
    Symptom(
        "dtype policy",
        r"quantization_mode|Could not locate class 'Policy'|has no attribute '(convert_input|variable_dtype)'",
        "a mixed precision policy of Keras 2",
        ("MR425",),
        "load it with tf-keras, or: modelreg repair FILE -o OUT --target current",
    ),
    Symptom(
        "damaged archive",
        r"Bad CRC-32|BadZipFile|no item named|Expected a model\.weights",
        "the archive is damaged or a member is missing",
        ("MR115", "MR116", "MR117"),
        "download or copy it again",
    ),
    Symptom(
        "damaged configuration",
        r"JSONDecodeError|UnicodeDecodeError|not a valid Keras configuration|object '[\w/:]+' doesn't exist",
        "the configuration or a group of weights is damaged; with a SavedModel, it is newer than TensorFlow 2.4",
        ("MR117", "MR427"),
        "restore the file from where it was made",
    ),
    Symptom(
        "graph operation",
        r"Op type not registered|pyfunc_\d+ is not found|callback .* is not found",
        "the SavedModel's graph needs an operation that this TensorFlow does not have, or Python code that was "
        "not saved",
        ("MR427", "MR306"),
        "install the TensorFlow that wrote it, or the package that brings the operation",
    ),
    Symptom(
        "file locked",
        r"unable to lock file|Resource temporarily unavailable",
        "another process has the file open, or its file system has no locks; the file itself is not at fault",
        (),
        "HDF5_USE_FILE_LOCKING=FALSE, or load a copy",
    ),
)


def recognise(text: str) -> tuple[Symptom, ...]:
    """The failure modes that an error message speaks of, in the order of the catalogue."""
    return tuple(symptom for symptom in SYMPTOMS if symptom.matches(text[:ERROR_LENGTH_MAX]))
