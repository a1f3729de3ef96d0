"""Which file is wrong, and what is wrong with it?"""

from __future__ import annotations

import ssl
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
import trustme
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from meshkit.errors import ConfigError
from meshkit.gateway.server.options import Serve
from meshkit.gateway.server.tls import context


@pytest.fixture(scope="module", name="folder")
def a_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tls")
    authority = trustme.CA()
    ours, other = authority.issue_cert("localhost"), authority.issue_cert("elsewhere")
    ours.cert_chain_pems[0].write_to_path(folder / "chain.pem")
    ours.private_key_pem.write_to_path(folder / "key.pem")
    other.private_key_pem.write_to_path(folder / "other.pem")
    ours.private_key_and_cert_chain_pem.write_to_path(folder / "both.pem")
    key: Any = load_pem_private_key((folder / "key.pem").read_bytes(), None)
    sealed = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"open sesame"))
    (folder / "sealed.pem").write_bytes(sealed)
    for name, what in (("certificate", "odd.pem"), ("private key", "odd-key.pem")):
        word = name.upper()
        (folder / what).write_text(f"-----BEGIN {word}-----\nbm9uc2Vuc2U=\n-----END {word}-----\n", "utf-8")
    return folder


def serve(folder: Path, certfile: str, keyfile: str | None = None, password: str | None = None) -> Serve:
    key = None if keyfile is None else str(folder / keyfile)
    return Serve(certfile=str(folder / certfile), keyfile=key, keyfile_password=password)


@pytest.mark.parametrize(
    "given", [("chain.pem", "key.pem"), ("both.pem",), ("chain.pem", "sealed.pem", "open sesame")], ids=" ".join
)
def test_what_fits(folder: Path, given: tuple[str, ...]) -> None:
    made = context(serve(folder, *given))
    assert made.minimum_version >= ssl.TLSVersion.TLSv1_2


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (("none.pem",), "certfile=*none.pem': there is no such file"),
        ((".",), "certfile=*': it cannot be read: Is a directory"),
        (("key.pem",), "certfile=*key.pem': there is no certificate in it, in PEM"),
        (("odd.pem", "key.pem"), "certfile=*odd.pem': the certificate in it cannot be read"),
        (("chain.pem",), "keyfile=*chain.pem': there is no key in it, in PEM: give --keyfile"),
        (("chain.pem", "none.pem"), "keyfile=*none.pem': there is no such file"),
        (("chain.pem", "odd.pem"), "keyfile=*odd.pem': there is no key in it, in PEM"),
        (("chain.pem", "other.pem"), "keyfile=*other.pem': it is not the key of the certificate in *chain.pem"),
        (("chain.pem", "odd-key.pem"), "keyfile=*odd-key.pem': it cannot be used with the certificate in *"),
        (("chain.pem", "sealed.pem"), "keyfile=*sealed.pem': it has a password: set MESHKIT_KEYFILE_PASSWORD"),
        (("chain.pem", "sealed.pem", "sesame"), "keyfile=*sealed.pem': it cannot be read: the password is not its, *"),
    ],
)
def test_what_does_not(folder: Path, given: tuple[str, ...], said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        context(serve(folder, *given))
    assert fnmatch(str(caught.value), f"Serve: {said}")
    assert "sesame" not in str(caught.value)
