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
        "MR202",
        "A signature does not verify",
        "A bundle is there and is not what it claims: it signs another manifest or other files, names a trusted key "
        "that did not make it, or cannot be read. Somebody changed it, or what it signs.",
        "A signature on fraud names ada (6a1c2f0b93de) and is not by that key.",
        "get the version and its signatures from where it was pushed; sign it again only if you know its bytes",
        fixed=True,
    ),
    warn(
        "MR203",
        "Signed by a key that is not trusted",
        "The signature may be a good one; nothing here says whose key it is. Anybody can make a key and sign with it.",
        "fraud:3 is signed by the key 0d21b6c48a17, which nobody here trusts.",
        "do not use the version, or have the key added to what is trusted",
        escalates=False,
    ),
    refuse(
        "MR204",
        "Signed by a revoked key",
        "Those who keep the root keys revoked the key, for this version or for everything: a thief may have signed.",
        "fraud is signed by ada (6a1c2f0b93de), whose key is compromised: laptop stolen.",
        "do not use it before somebody has looked at it and signed it with a key that is trusted",
        fixed=True,
    ),
    warn(
        "MR205",
        "The key may not sign this model",
        "The key is known, and no role of the trust store lets it sign models of this name, or of this registry.",
        "bob (44e0a1b7f2c9) may not sign team/fraud: the role team/** is that of ada (6a1c2f0b93de).",
        "have one of the role's keys sign it, or those who keep the root keys change the role",
        escalates=False,
    ),
    warn(
        "MR206",
        "Too few signatures",
        "The role that governs the model asks for signatures by more of its keys than there are.",
        "fraud needs 2 signatures under the role fraud and has 1: ada (6a1c2f0b93de).",
        "have more of the role's keys sign it: modelreg sign",
        escalates=False,
    ),
    warn(
        "MR207",
        "Signed outside the role's time",
        "The key was in the role before or after this version, by its place in the log.",
        "ada (6a1c2f0b93de) may sign fraud at the log indices 0 to 99, and this version has 120.",
        "have a key sign it that may do so now, or prove the version's place in the log",
        escalates=False,
    ),
    refuse(
        "MR208",
        "The log does not prove it",
        "The trust store names the registry's log, and the version is not proved to stand in it, or a proof, a "
        "checkpoint or a signed history does not fit what was seen before. Somebody took entries away, put an old "
        "state back, or shows others another log. What is only not covered yet refuses where the store is enforced.",
        "fraud:3 is not proved to be in the log that the trust store names: no signed checkpoint covers it.",
        "modelreg log audit tells what is wrong with a log; modelreg log checkpoint covers what was pushed since",
    ),
    warn(
        "MR209",
        "The trust store cannot be used",
        "It cannot be read, has expired, or may not follow the one that was trusted before: nothing newer is known of "
        "who may sign. It refuses where the store that was trusted before is enforced, and where none was.",
        "Version 4 of the trust store expired at 2026-11-01T00:00:00Z.",
        "get the newest trust store from those who keep its root keys",
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
    refuse(
        "MR211",
        "Not what the lock file says",
        "The lock file that was named holds another version under this model, other signers, or another place in the "
        "log. An alias was moved since, or somebody put something else in the place of what was locked.",
        "fraud:9 is not what is locked: version 8 (sha256:c0ffee12ab34) is locked.",
        "modelreg lock NAME and look at its difference before you commit it",
        fixed=True,
    ),
    refuse(
        "MR212",
        "The alias is not where the log says",
        "The trust store names the registry's log, and the last signed move of the alias in it leads elsewhere, or is "
        "signed by nobody who may. Somebody put the alias back in the database, or it was moved without a signature. "
        "What is only not covered or not signed refuses where the store is enforced.",
        "fraud@production is fraud:9 by entry 41 of the log, and the database says fraud:3: somebody put it back.",
        "modelreg alias NAME ALIAS --history tells the moves; modelreg alias REF ALIAS --sign KEY states it anew",
    ),
)
