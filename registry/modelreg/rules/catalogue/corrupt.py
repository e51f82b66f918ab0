"""The rules MR1xx: damage and disagreement."""

from modelreg.rules.catalogue.definition import refuse

RULES = (
    refuse(
        "MR101",
        "The manifest is not the one that was asked for",
        "The stored manifest is missing, cannot be parsed, or its SHA-256 is not the version's digest. Nothing that "
        "it says can be believed.",
        "The store returns 4,211 bytes whose SHA-256 is 9c1f..., while the version's digest is 7ab0....",
        "restore the store from a backup, or push the model again",
        fixed=True,
    ),
    refuse(
        "MR102",
        "The database disagrees with the manifest",
        "The database is only an index over the manifests. A row that says something else than the manifest it points "
        "at was changed by something other than modelreg.",
        "The row says Keras 3.15.1, the manifest says 2.13.1.",
        "restore the database from a backup; the manifest is the truth",
        fixed=True,
    ),
    refuse(
        "MR103",
        "A file is missing or has another size",
        "The store has no blob for a file of the manifest, or one that is shorter or longer than what was pushed.",
        "plain.h5 is 17,000 bytes long; 17,208 were pushed.",
        "push the same file again: the store takes it back under the same digest",
        fixed=True,
    ),
    refuse(
        "MR104",
        "Bytes differ from what was pushed",
        "A chunk of a file does not have the BLAKE3 digest that the manifest names. The finding gives the byte range "
        "and the tensors that lie in it.",
        "plain.h5, bytes 8,192 to 12,287: the chunk differs; it holds 'model_weights/dense/dense/kernel:0'.",
        "push the same file again: a damaged blob is replaced; then look at the disk that holds the store",
        fixed=True,
    ),
    refuse(
        "MR105",
        "A file's SHA-256 differs",
        "The whole file does not have the SHA-256 that the manifest names (checked with --full).",
        "model.keras: SHA-256 is 5f1c..., 11aa... was pushed.",
        "push the same file again",
        fixed=True,
    ),
    refuse(
        "MR106",
        "A pulled folder holds a file that was not pushed",
        "A loader may read files beside the model (a SavedModel's assets, shards of weights), so a file that was added "
        "later is not harmless.",
        "assets/vocab.txt is not in the manifest.",
        "move the file elsewhere, or pull again with --force",
    ),
    refuse(
        "MR107",
        "The archive is damaged, or none of ours",
        "An archive that modelreg exports has one form only. This one is cut short, holds something beside its "
        "versions, or says something else than its own index.",
        "The archive is 9,000 bytes long; its index tells of 17,208.",
        "copy the archive again and compare sizes; or export the versions again",
        fixed=True,
    ),
    refuse(
        "MR110",
        "The file is empty or all zeros",
        "There is no model in it: a failed write, or a download that allocated space and never filled it.",
        "model.h5 is 0 bytes long.",
        "save or download the model again",
    ),
    refuse(
        "MR111",
        "A Git LFS pointer instead of the model",
        "The repository was cloned without Git LFS, so the file holds a pointer of about 130 bytes.",
        "model.h5 starts with 'version https://git-lfs.github.com/spec/v1'.",
        "run `git lfs pull` in the repository, then push again",
    ),
    refuse(
        "MR112",
        "A web page or an error document instead of the model",
        "The download saved the server's answer (a login page, 'not found', a JSON error), not the file.",
        "model.h5 starts with '<!DOCTYPE html>'.",
        "open the address in a browser, sign in or correct it, and download again",
    ),
    refuse(
        "MR113",
        "A compressed file instead of the model",
        "Keras does not read gzip.",
        "model.h5 starts with the gzip magic 1f 8b.",
        "run `gunzip` on it, then push the result",
    ),
    refuse(
        "MR114",
        "The HDF5 file is truncated",
        "The superblock says where the file ends, and the file is shorter: a copy or download stopped early. Keras "
        "says 'Unable to open file (truncated file: eof = ...)'.",
        "The file is 9,000 bytes long; its superblock says 17,208.",
        "copy or download it again and compare sizes",
    ),
    refuse(
        "MR115",
        "The .keras archive is truncated",
        "The zip's central directory, which stands at its end, is missing. Keras says 'File not found ... Please "
        "ensure the file is an accessible .keras zip file', although the file is there.",
        "The archive starts like a zip and has no end record.",
        "copy or download it again and compare sizes",
    ),
    refuse(
        "MR116",
        "The .keras archive is damaged",
        "A member does not have its CRC-32, or the archive's own records contradict each other.",
        "model.weights.h5: CRC-32 is 6d3e7a10, the archive says 0b1fa2c4.",
        "copy or download it again",
    ),
    refuse(
        "MR117",
        "The model is damaged inside",
        "The container opens, but what Keras needs in it cannot be read: a broken HDF5 structure, a configuration that "
        "is not JSON, a SavedModel without its variables.",
        "model_config is not valid JSON: Expecting ',' delimiter at character 412.",
        "save the model again, or restore the file from a backup",
    ),
    refuse(
        "MR118",
        "The file killed or hung its reader",
        "modelreg reads files in a child process with strict limits; this file crashed it or kept it busy beyond them. "
        "A file that does this to a careful reader is not handed to Keras.",
        "The reader was killed by signal 11 while it read model.h5.",
        "do not load the file; save the model again from its source",
    ),
)
