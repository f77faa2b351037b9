"""An authority and a server certificate of it, made for one server and thrown away with it."""

from __future__ import annotations

import datetime
import ipaddress
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

_DAY = datetime.timedelta(days=1)


@dataclass(frozen=True)
class Certificate:
    """Three files in PEM: the authority that a client trusts, the server's certificate, its key."""

    ca_file: Path
    certificate_file: Path
    key_file: Path


def make_certificate(directory: Path, host: str = "127.0.0.1", is_expired: bool = False) -> Certificate:
    """Make a certificate for a numeric address; the loopback addresses of the proxy are in it as well."""
    ca_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    addresses = {host, "127.0.0.2"} if host == "127.0.0.1" else {host}
    names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address)) for address in addresses])
    authority = _sign("Tierline test authority", ca_key.public_key(), ca_key, x509.BasicConstraints(True, None))
    certificate = _sign(host, key.public_key(), ca_key, names, is_expired)
    pem = serialization.Encoding.PEM
    made = Certificate(directory / "ca.pem", directory / "server.pem", directory / "server.key")
    made.ca_file.write_bytes(authority.public_bytes(pem))
    made.certificate_file.write_bytes(certificate.public_bytes(pem))
    key_format, no_passphrase = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    made.key_file.write_bytes(key.private_bytes(pem, key_format, no_passphrase))
    return made


def _sign(
    name: str,
    key: ec.EllipticCurvePublicKey,
    ca_key: ec.EllipticCurvePrivateKey,
    extension: x509.ExtensionType,
    is_expired: bool = False,
) -> x509.Certificate:
    today = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(_name(name))
        .issuer_name(_name("Tierline test authority"))
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(today - 10 * _DAY)
        .not_valid_after(today - _DAY if is_expired else today + 10 * _DAY)
        .add_extension(extension, critical=isinstance(extension, x509.BasicConstraints))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()), critical=False)
        .sign(ca_key, hashes.SHA256())
    )


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)])
