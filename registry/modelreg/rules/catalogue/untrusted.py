"""The rules MR2xx: signatures."""

from modelreg.rules.catalogue.definition import warn

RULES = (
    warn(
        "MR201",
        "No signature by a trusted key",
        "Nothing proves who pushed this version: whoever can write to both store and database could have replaced it.",
        "fraud:3 has no signature.",
        "decide whether the registry's own access control is enough; require_signature = true refuses instead",
        escalates=False,
    ),
)
