"""Every setting that there is: one row each, of which documentation, environment and files all know."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class Kind(enum.StrEnum):
    """What a setting's value is, and so how its text is read."""

    PATH = "path"
    URL = "url"
    TEXT = "text"
    ENVIRONMENT = "environment"
    FLAG = "true or false"
    RULES = "rule ids"
    NAMES = "names"
    KEY = "key name"


@dataclass(frozen=True, slots=True)
class Specification:
    """One row of the table: a setting's name, kind, variable, default (as documented) and one sentence."""

    name: str
    kind: Kind
    variable: str
    default: str
    doc: str


SCHEMA = (
    Specification("home", Kind.PATH, "MODELREG_HOME", "the user's data folder", "Where the embedded registry lives."),
    Specification(
        "database_url",
        Kind.URL,
        "MODELREG_DATABASE_URL",
        "sqlite:///HOME/registry.db",
        "The database that lists models and versions, as an SQLAlchemy URL or the path of a SQLite file.",
    ),
    Specification(
        "storage_url",
        Kind.URL,
        "MODELREG_STORAGE_URL",
        "file://HOME/store",
        "The store that holds the blobs: the path of a folder, a URL of one, or s3://BUCKET/PREFIX?endpoint=URL.",
    ),
    Specification(
        "target",
        Kind.ENVIRONMENT,
        "MODELREG_TARGET",
        "current",
        "The environment that pulled models are judged for: none, current, a document, an interpreter or a lock file.",
    ),
    Specification(
        "require_signature",
        Kind.FLAG,
        "MODELREG_REQUIRE_SIGNATURE",
        "false",
        "Refuse a version that no trusted key has signed.",
    ),
    Specification("allow", Kind.RULES, "MODELREG_ALLOW", "none", "Rules whose refusals and warnings only inform."),
    Specification("strict", Kind.RULES, "MODELREG_STRICT", "none", "Rules whose warnings refuse."),
    Specification(
        "provides",
        Kind.NAMES,
        "MODELREG_PROVIDES",
        "not known",
        "The custom objects that the loading program provides; none says that it provides nothing.",
    ),
    Specification("user", Kind.TEXT, "MODELREG_USER", "the login name", "Who is recorded as having pushed."),
    Specification(
        "keys",
        Kind.PATH,
        "MODELREG_KEYS",
        "keys beside the user's config.toml",
        "Where the user's keys are kept; no project's file can say so.",
    ),
    Specification(
        "sign",
        Kind.KEY,
        "MODELREG_SIGN",
        "default, made by the first push",
        "The key that signs what is pushed, one of the keyring or elsewhere (awskms:...); none signs nothing.",
    ),
    Specification(
        "trust_store",
        Kind.PATH,
        "MODELREG_TRUST_STORE",
        "none: the user's own keys are trusted",
        "The signed document of who may sign what; no project's file can name it.",
    ),
    Specification(
        "certificate_roots",
        Kind.PATH,
        "MODELREG_CERTIFICATE_ROOTS",
        "none",
        "X.509 roots (PEM) that vouch for keys where no trust store is named; no project's file can name them.",
    ),
    Specification(
        "log_key",
        Kind.PATH,
        "MODELREG_LOG_KEY",
        "HOME/log.key of the embedded registry",
        "The file of the key that signs the log's checkpoints; no project's file can name it.",
    ),
)
