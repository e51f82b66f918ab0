"""modelreg: a model artifact registry that verifies before Keras touches the bytes.

The names below are the whole public surface.  They are imported on first use, so that ``import modelreg`` is cheap and
needs no extra.

    with modelreg.Registry.open() as registry:
        registry.push("fraud.h5")
        model = registry.load("fraud")
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from modelreg.client.anchor import ImportedTrust, Remembered, import_trust_store, remembered_beside
    from modelreg.client.care import Checked, Healed, Healing, Loss, LossKind, Problem, ProblemKind, Rebuilt
    from modelreg.client.checks import Checks
    from modelreg.client.diagnose import Diagnosis, Diagnostics, Explained, Judged, inspect_many
    from modelreg.client.diff import diff_models
    from modelreg.client.doctor import examine
    from modelreg.client.folder import is_pulled_folder, replay_folder, verify_folder
    from modelreg.client.golden import GoldenRequest
    from modelreg.client.keyring import Keyring, StoredKey, UnreadableKey, read_stored_key
    from modelreg.client.locks import LockChange, find_lock, locked_reference, read_lock, write_lock
    from modelreg.client.log_audit import LogAudit, LogFinding, LogFlaw
    from modelreg.client.logproof import LogChecked, check_log_file, read_note_file, write_log_file
    from modelreg.client.memory import address_of, forget_log
    from modelreg.client.proof import Proof, ProofOutcome, ProofRequest
    from modelreg.client.push import default_name
    from modelreg.client.reading import parse_share
    from modelreg.client.rebuild import rebuild_database
    from modelreg.client.repair import Repaired, repair_model
    from modelreg.client.replay import Replayed, ReplayRequest
    from modelreg.client.results import (
        AliasMoved,
        Check,
        Exported,
        FoundSignature,
        LeaseHolder,
        LogHead,
        LogLine,
        LogProven,
        Move,
        Moved,
        Outcome,
        Pulled,
        Pushed,
        Received,
        Reindexed,
        Signed,
        SignedFiles,
        Swept,
        TrustAnnounced,
        Verified,
        Version,
        Withdrawn,
    )
    from modelreg.client.schema import schema_status, upgrade_schema
    from modelreg.client.signature_file import SignatureRequest, verify_files
    from modelreg.client.signers import certified, export_public, open_signer
    from modelreg.client.trust_file import TrustFile
    from modelreg.client.trust_pair import Awaited, SavedTrust, TrustDraft
    from modelreg.client.witnessing import Witnessed
    from modelreg.comparison import Change, LayerChange, ModelDifference, Relation, Side, TensorChange
    from modelreg.config import Setting, Settings, load_place, load_settings
    from modelreg.config.values import is_key_elsewhere
    from modelreg.db.migrate import SchemaStatus
    from modelreg.environment import Difference, Environment, capture, diff, resolve_target, to_document
    from modelreg.errors import (
        BlobMissingError,
        ConflictError,
        ConnectionLostError,
        DatabaseError,
        DocumentError,
        InspectionError,
        LoadError,
        ModelregError,
        NotFoundError,
        PassphraseError,
        PlacementError,
        RefusedError,
        SchemaRevisionError,
        SigningError,
        StoreAbsentError,
        StoreError,
        UnreachableError,
        UsageError,
    )
    from modelreg.facets import VersionFilter, parse_filter
    from modelreg.facts import Container, Distance, Facts
    from modelreg.findings import Decision, Finding, Kind, Severity, Verdict
    from modelreg.inspect import Inspector, inspect_path
    from modelreg.loading import Registry
    from modelreg.manifest import Golden, IndexEntry, Manifest
    from modelreg.masking import masked
    from modelreg.records import Json, to_json
    from modelreg.refs import Reference, parse_reference
    from modelreg.replay import OutputReport, PredictionRun
    from modelreg.rules import RULES, Mode, Policy, Purpose, Rule, Target, judge, rule
    from modelreg.rules.landscape import Cell
    from modelreg.trust.lock import Lock, LockedVersion
    from modelreg.trust.signer import Signer
    from modelreg.trust.trust_store import TrustStore

__version__ = "0.1.0"

_HOMES = {
    "modelreg.client.anchor": ("ImportedTrust", "Remembered", "import_trust_store", "remembered_beside"),
    "modelreg.client.care": (
        "Checked",
        "Healed",
        "Healing",
        "Loss",
        "LossKind",
        "Problem",
        "ProblemKind",
        "Rebuilt",
    ),
    "modelreg.client.checks": ("Checks",),
    "modelreg.client.diagnose": ("Diagnosis", "Diagnostics", "Explained", "Judged", "inspect_many"),
    "modelreg.client.diff": ("diff_models",),
    "modelreg.client.doctor": ("examine",),
    "modelreg.client.folder": ("is_pulled_folder", "replay_folder", "verify_folder"),
    "modelreg.client.golden": ("GoldenRequest",),
    "modelreg.client.keyring": ("Keyring", "StoredKey", "UnreadableKey", "read_stored_key"),
    "modelreg.client.locks": ("LockChange", "find_lock", "locked_reference", "read_lock", "write_lock"),
    "modelreg.client.log_audit": ("LogAudit", "LogFinding", "LogFlaw"),
    "modelreg.client.logproof": ("LogChecked", "check_log_file", "read_note_file", "write_log_file"),
    "modelreg.client.memory": ("address_of", "forget_log"),
    "modelreg.client.proof": ("Proof", "ProofOutcome", "ProofRequest"),
    "modelreg.client.reading": ("parse_share",),
    "modelreg.client.rebuild": ("rebuild_database",),
    "modelreg.client.push": ("default_name",),
    "modelreg.client.repair": ("Repaired", "repair_model"),
    "modelreg.client.replay": ("ReplayRequest", "Replayed"),
    "modelreg.client.results": (
        "AliasMoved",
        "Check",
        "Exported",
        "FoundSignature",
        "LeaseHolder",
        "LogHead",
        "LogLine",
        "LogProven",
        "Move",
        "Moved",
        "Outcome",
        "Pulled",
        "Pushed",
        "Received",
        "Reindexed",
        "Signed",
        "SignedFiles",
        "Swept",
        "TrustAnnounced",
        "Verified",
        "Version",
        "Withdrawn",
    ),
    "modelreg.client.witnessing": ("Witnessed",),
    "modelreg.client.schema": ("schema_status", "upgrade_schema"),
    "modelreg.client.signature_file": ("SignatureRequest", "verify_files"),
    "modelreg.client.signers": ("certified", "export_public", "open_signer"),
    "modelreg.client.trust_file": ("TrustFile",),
    "modelreg.client.trust_pair": ("Awaited", "SavedTrust", "TrustDraft"),
    "modelreg.comparison": (
        "Change",
        "LayerChange",
        "ModelDifference",
        "Relation",
        "Side",
        "TensorChange",
    ),
    "modelreg.config.values": ("is_key_elsewhere",),
    "modelreg.config": ("Setting", "Settings", "load_place", "load_settings"),
    "modelreg.db.migrate": ("SchemaStatus",),
    "modelreg.environment": ("Difference", "Environment", "capture", "diff", "resolve_target", "to_document"),
    "modelreg.errors": (
        "BlobMissingError",
        "ConflictError",
        "ConnectionLostError",
        "DatabaseError",
        "DocumentError",
        "InspectionError",
        "LoadError",
        "ModelregError",
        "NotFoundError",
        "PassphraseError",
        "PlacementError",
        "RefusedError",
        "SchemaRevisionError",
        "SigningError",
        "StoreAbsentError",
        "StoreError",
        "UnreachableError",
        "UsageError",
    ),
    "modelreg.facets": ("VersionFilter", "parse_filter"),
    "modelreg.facts": ("Container", "Distance", "Facts"),
    "modelreg.findings": ("Decision", "Finding", "Kind", "Severity", "Verdict"),
    "modelreg.inspect": ("Inspector", "inspect_path"),
    "modelreg.loading": ("Registry",),
    "modelreg.manifest": ("Golden", "IndexEntry", "Manifest"),
    "modelreg.masking": ("masked",),
    "modelreg.records": ("Json", "to_json"),
    "modelreg.refs": ("Reference", "parse_reference"),
    "modelreg.replay": ("OutputReport", "PredictionRun"),
    "modelreg.rules.landscape": ("Cell",),
    "modelreg.trust.lock": ("Lock", "LockedVersion"),
    "modelreg.trust.signer": ("Signer",),
    "modelreg.trust.trust_store": ("TrustStore",),
    "modelreg.rules": ("RULES", "Mode", "Policy", "Purpose", "Rule", "Target", "judge", "rule"),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "RULES",
    "AliasMoved",
    "Awaited",
    "BlobMissingError",
    "Cell",
    "Change",
    "Check",
    "Checked",
    "Checks",
    "ConflictError",
    "ConnectionLostError",
    "Container",
    "DatabaseError",
    "Decision",
    "Diagnosis",
    "Diagnostics",
    "Difference",
    "Distance",
    "DocumentError",
    "Environment",
    "Explained",
    "Exported",
    "Facts",
    "Finding",
    "FoundSignature",
    "Golden",
    "GoldenRequest",
    "Healed",
    "Healing",
    "ImportedTrust",
    "IndexEntry",
    "InspectionError",
    "Inspector",
    "Json",
    "Judged",
    "Keyring",
    "Kind",
    "LayerChange",
    "LeaseHolder",
    "LoadError",
    "Lock",
    "LockChange",
    "LockedVersion",
    "LogAudit",
    "LogChecked",
    "LogFinding",
    "LogFlaw",
    "LogHead",
    "LogLine",
    "LogProven",
    "Loss",
    "LossKind",
    "Manifest",
    "Mode",
    "ModelDifference",
    "ModelregError",
    "Move",
    "Moved",
    "NotFoundError",
    "Outcome",
    "OutputReport",
    "PassphraseError",
    "PlacementError",
    "Policy",
    "PredictionRun",
    "Problem",
    "ProblemKind",
    "Proof",
    "ProofOutcome",
    "ProofRequest",
    "Pulled",
    "Purpose",
    "Pushed",
    "Rebuilt",
    "Received",
    "Reference",
    "RefusedError",
    "Registry",
    "Reindexed",
    "Relation",
    "Remembered",
    "Repaired",
    "ReplayRequest",
    "Replayed",
    "Rule",
    "SavedTrust",
    "SchemaRevisionError",
    "SchemaStatus",
    "Setting",
    "Settings",
    "Severity",
    "Side",
    "SignatureRequest",
    "Signed",
    "SignedFiles",
    "Signer",
    "SigningError",
    "StoreAbsentError",
    "StoreError",
    "StoredKey",
    "Swept",
    "Target",
    "TensorChange",
    "TrustAnnounced",
    "TrustDraft",
    "TrustFile",
    "TrustStore",
    "UnreachableError",
    "UnreadableKey",
    "UsageError",
    "Verdict",
    "Verified",
    "Version",
    "VersionFilter",
    "Withdrawn",
    "Witnessed",
    "__version__",
    "address_of",
    "capture",
    "certified",
    "check_log_file",
    "default_name",
    "diff",
    "diff_models",
    "examine",
    "export_public",
    "find_lock",
    "forget_log",
    "import_trust_store",
    "inspect_many",
    "inspect_path",
    "is_key_elsewhere",
    "is_pulled_folder",
    "judge",
    "load_place",
    "load_settings",
    "locked_reference",
    "masked",
    "open_signer",
    "parse_filter",
    "parse_reference",
    "parse_share",
    "read_lock",
    "read_note_file",
    "read_stored_key",
    "rebuild_database",
    "remembered_beside",
    "repair_model",
    "replay_folder",
    "resolve_target",
    "rule",
    "schema_status",
    "to_document",
    "to_json",
    "upgrade_schema",
    "verify_files",
    "verify_folder",
    "write_lock",
    "write_log_file",
]


def __getattr__(name: str) -> object:
    home = _HOME_OF.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(home), name)


def __dir__() -> list[str]:
    return __all__
