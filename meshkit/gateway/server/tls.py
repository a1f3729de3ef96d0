"""With which certificate does a server speak TLS? And which of its files is it that is wrong?

OpenSSL says of most mistakes that there is one, of none in which file, and it asks a terminal for a password.
"""

from __future__ import annotations

import ssl
from pathlib import Path

from ...errors import ConfigError
from .options import Serve

__all__ = ["context"]

CERTIFICATE = b"-----BEGIN CERTIFICATE-----"
KEY, ENCRYPTED = b"PRIVATE KEY-----", b"ENCRYPTED"
OTHERS = "KEY_VALUES_MISMATCH"


def context(options: Serve) -> ssl.SSLContext:
    """TLS 1.2 and 1.3 with the certificate that there is now. Raises `ConfigError`."""
    certfile = options.certfile or ""
    keyfile = options.keyfile or certfile
    given = options.keyfile_password
    chain = _read("certfile", certfile)
    key = _read("keyfile", keyfile)
    if CERTIFICATE not in chain:
        raise ConfigError.of("Serve", "certfile", certfile, "there is no certificate in it, in PEM")
    if KEY not in key:
        fix = "there is no key in it, in PEM" + ("" if options.keyfile else ": give --keyfile")
        raise ConfigError.of("Serve", "keyfile", keyfile, fix)
    if ENCRYPTED in key and not given:
        raise ConfigError.of("Serve", "keyfile", keyfile, "it has a password: set MESHKIT_KEYFILE_PASSWORD")
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.set_alpn_protocols(["http/1.1"])
    try:
        made.load_cert_chain(certfile, keyfile, given)
    except ssl.SSLError as error:
        if error.reason == OTHERS:
            fix = f"it is not the key of the certificate in {certfile}"
        elif ENCRYPTED in key:
            fix = "it cannot be read: the password is not its, or it is damaged"
        elif not _is_certificate(certfile):
            raise ConfigError.of("Serve", "certfile", certfile, "the certificate in it cannot be read") from None
        else:
            fix = f"it cannot be used with the certificate in {certfile}: {error.reason or 'it is damaged'}"
        raise ConfigError.of("Serve", "keyfile", keyfile, fix) from None
    return made


def _read(option: str, path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except FileNotFoundError:
        fix = "there is no such file"
    except OSError as error:
        fix = f"it cannot be read: {error.strerror}"
    raise ConfigError.of("Serve", option, path, fix) from None


def _is_certificate(path: str) -> bool:
    """Whether OpenSSL can read it: here it is one of nobody in particular."""
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(path)
    except ssl.SSLError:
        return False
    return True
