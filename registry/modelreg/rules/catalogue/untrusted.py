"""The rules MR2xx: signatures."""

from modelreg.rules.catalogue.definition import refuse, warn

RULES = (
    warn(
        "MR201",
        "No signature by a trusted key",
        "Nothing proves who pushed this version: whoever can write to both store and database could have replaced it.",
        "fraud:3 has no signature.",
        "decide whether the registry's own access control is enough; require_signature = true refuses instead",
        escalates=False,
    ),
    refuse(
        "MR210",
        "The manifest hides what its files hold",
        "A pull judges a version by the facts in its manifest. When a version comes from elsewhere its files are read "
        "again, and they hold something dangerous that the manifest does not tell, or are not what it says.",
        "The manifest tells of no Lambda; layer 'scale' of model.h5 is one.",
        "do not trust whoever sent it; if an older modelreg wrote the manifest, get the file and push it here",
    ),
)
