"""The rules MR5xx: what somebody decided."""

from modelreg.rules.catalogue.definition import refuse

RULES = (
    refuse(
        "MR501",
        "Withdrawn",
        "Somebody withdrew this version and said why.",
        "fraud:3 was withdrawn: trained on leaked labels.",
        "pull another version; --allow MR501 if you must have this one",
    ),
)
