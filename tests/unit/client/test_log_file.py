"""A proof and a checkpoint in files, checked by whoever has the log's public key and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.notes import ORIGIN, log_key, signed
from tests.proofs import MemoryLog

from modelreg.client.logproof import LogChecked, check_log_file, read_note_file, write_log_file
from modelreg.digest import sha256_hex
from modelreg.errors import DocumentError, NotFoundError, PlacementError, UntrustedError, UsageError
from modelreg.trust.leaf import LogLeaf
from modelreg.trust.note import NOTE_SIZE_BYTES_MAX
from modelreg.trust.proof import PROOF_SIZE_BYTES_MAX, LogProof

SIGNER = sha256_hex(b"a signer")
LEAVES = [LogLeaf("manifest", sha256_hex(b"%d" % number), (SIGNER,)) for number in range(5)]
KEY = str(log_key())
LOG = MemoryLog()
for _leaf in LEAVES:
    LOG.append(_leaf.to_bytes())
HEAD = signed(LOG.roots[5], 5)
DIGEST = LEAVES[3].payload_sha256
FOUND = LogChecked(ORIGIN, 5, LOG.roots[5].hex(), 3, "manifest", DIGEST, (SIGNER,))


@pytest.fixture
def proof(tmp_path: Path) -> Path:
    path = tmp_path / "proof"
    path.write_bytes(LogProof.make(LOG.read, LEAVES[3], 3, HEAD).to_bytes())
    return path


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    path = tmp_path / "checkpoint"
    path.write_bytes(HEAD.note.to_bytes())
    return path


@pytest.mark.parametrize("digest", [None, DIGEST, f"sha256:{DIGEST}"])
def test_a_proof_is_checked_by_the_log_s_key(proof: Path, digest: str | None) -> None:
    """Claim: it says of which manifest it is, and is the one of the manifest that is asked about."""
    assert check_log_file(proof, [KEY, str(log_key("elsewhere"))], digest) == FOUND


def test_a_proof_of_another_manifest_proves_nothing(proof: Path) -> None:
    """Claim: nor does one of another log, or with no key at all; each is untrusted."""
    with pytest.raises(UntrustedError, match="proves nothing: the proof is one of the manifest"):
        check_log_file(proof, [KEY], LEAVES[2].payload_sha256)
    for keys in ([], [str(log_key("elsewhere"))]):
        with pytest.raises(UntrustedError, match="not signed by a log that is trusted here"):
            check_log_file(str(proof), keys)


def test_a_checkpoint_is_checked_and_proves_no_version(checkpoint: Path) -> None:
    """Claim: the log's size and root; whoever asks about a version is told that it says nothing of one."""
    assert check_log_file(checkpoint, [KEY]) == LogChecked(ORIGIN, 5, LOG.roots[5].hex())
    with pytest.raises(UntrustedError, match="is a checkpoint, which proves nothing of one version"):
        check_log_file(checkpoint, [KEY], DIGEST)
    with pytest.raises(UntrustedError, match="not signed by a log that is trusted here"):
        check_log_file(checkpoint, [str(log_key("elsewhere"))])


def test_what_is_no_key_and_no_digest_is_told(proof: Path) -> None:
    """Claim: as the caller's mistake, before the file is read."""
    with pytest.raises(UsageError) as caught:
        check_log_file("nowhere", ["log.example+0123abcd+AAAA"])
    assert "modelreg log key" in str(caught.value.hint)
    with pytest.raises(UsageError, match="'abc' is no SHA-256"):
        check_log_file("nowhere", [KEY], "sha256:abc")


def test_a_file_has_a_bound(tmp_path: Path) -> None:
    """Claim: as long as a proof or a note can be, and no longer; what cannot be read is told."""
    path, most = tmp_path / "long", max(NOTE_SIZE_BYTES_MAX, PROOF_SIZE_BYTES_MAX)
    path.write_bytes(b"x" * most)
    assert len(read_note_file(path)) == most
    path.write_bytes(b"x" * (most + 1))
    with pytest.raises(DocumentError, match="is longer than"):
        read_note_file(path)
    with pytest.raises(NotFoundError, match="there is no proof or checkpoint"):
        read_note_file(tmp_path / "nothing")
    with pytest.raises(DocumentError, match="cannot be read"):
        read_note_file(tmp_path)


def test_a_file_is_written_whole_or_told(tmp_path: Path) -> None:
    """Claim: the bytes as they are, in the place of what was there."""
    path = tmp_path / "file"
    for data in (b"one", b"other"):
        write_log_file(path, data)
        assert path.read_bytes() == data
    with pytest.raises(PlacementError, match="cannot be written"):
        write_log_file(path / "below", b"")
