"""Makes keys, a certificate and token sets; run by the rig inside its virtual environment.

Never signs twice what a file already holds: a set of tokens is named for all that it depends on.
"""

import base64
import datetime
import ipaddress
import json
import multiprocessing
import sys
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils

ISSUER = "https://issuer.example"
FAR_AHEAD = 4_102_444_800
LONG_AGO = 1_000_000_000
KEY_IDS = {"RS256": "rsa-1", "ES256": "ec-1"}


def base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def number(value: int, size: int) -> str:
    return base64url(value.to_bytes(size, "big"))


def write_key(path: Path, key) -> None:
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )


def read_key(path: Path):
    return serialization.load_pem_private_key(path.read_bytes(), None)


def make_keys(folder: Path) -> None:
    keys = {"RS256": rsa.generate_private_key(65537, 2048), "ES256": ec.generate_private_key(ec.SECP256R1())}
    for algorithm, key in keys.items():
        write_key(folder / f"{algorithm}.key", key)
        public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        (folder / f"{algorithm}.pub.pem").write_bytes(public)
    modulus = keys["RS256"].public_key().public_numbers()
    point = keys["ES256"].public_key().public_numbers()
    key_set = [
        {"kty": "RSA", "kid": KEY_IDS["RS256"], "alg": "RS256", "use": "sig", "n": number(modulus.n, 256), "e": "AQAB"},
        {"kty": "EC", "kid": KEY_IDS["ES256"], "alg": "ES256", "use": "sig", "crv": "P-256",
         "x": number(point.x, 32), "y": number(point.y, 32)},
    ]
    (folder / "keys.json").write_text(json.dumps({"keys": key_set}))


def make_certificate(folder: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    names = x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    certificate = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(x509.random_serial_number()).not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=3650)).add_extension(names, False).sign(key, hashes.SHA256())
    )
    pem = certificate.public_bytes(serialization.Encoding.PEM)
    (folder / "tls.crt").write_bytes(pem)
    write_key(folder / "tls.key", key)
    (folder / "tls.pem").write_bytes(pem + (folder / "tls.key").read_bytes())


def sign(key, algorithm: str, claims: dict) -> str:
    header = {"alg": algorithm, "typ": "at+jwt", "kid": KEY_IDS[algorithm]}
    signed = ".".join(base64url(json.dumps(part, separators=(",", ":")).encode()) for part in (header, claims))
    if algorithm == "RS256":
        signature = key.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256())
    else:
        r, s = utils.decode_dss_signature(key.sign(signed.encode(), ec.ECDSA(hashes.SHA256())))
        signature = r.to_bytes(32, "big") + s.to_bytes(32, "big")
    return f"{signed}.{base64url(signature)}"


def claims(consumer_key: str, index: int, expires: int = FAR_AHEAD, scope: str = "read write") -> dict:
    return {
        "iss": ISSUER, "sub": f"subject-{index}", "aud": "https://api.example", "azp": consumer_key, "scope": scope,
        "iat": 1_760_000_000, "nbf": 1_760_000_000, "exp": expires, "jti": f"{index:036d}",
    }


def sign_some(order: tuple) -> list[str]:
    key_file, algorithm, first, last, count, spread = order
    key = read_key(Path(key_file))
    return [sign(key, algorithm, claims(f"consumer-key-{i * spread // count}", i)) for i in range(first, last)]


def make_tokens(folder: Path, algorithm: str, count: int, spread: int) -> None:
    """`count` tokens, all different, of `spread` consumer keys, each key's tokens equally many."""
    target = folder / f"tokens-{algorithm}-{count}-{spread}.txt"
    if target.exists():
        return
    step = max(1, min(2000, count // 8))
    orders = [
        (str(folder / f"{algorithm}.key"), algorithm, first, min(first + step, count), count, spread)
        for first in range(0, count, step)
    ]
    with multiprocessing.Pool() as pool:
        tokens = [token for part in pool.imap(sign_some, orders) for token in part]
    unfinished = target.with_suffix(".part")
    unfinished.write_text("\n".join(tokens) + "\n")
    unfinished.rename(target)


def make_samples(folder: Path) -> None:
    """Tokens for the check of correctness: what must be taken and what must not."""
    key, curve = read_key(folder / "RS256.key"), read_key(folder / "ES256.key")
    stranger = rsa.generate_private_key(65537, 2048)
    good = claims("consumer-key-1", 0)
    samples = {
        "RS256": sign(key, "RS256", good),
        "ES256": sign(curve, "ES256", good),
        "expired": sign(key, "RS256", claims("consumer-key-1", 1, expires=LONG_AGO)),
        "bad": sign(stranger, "RS256", good),
        "issuer": sign(key, "RS256", good | {"iss": "https://elsewhere.example"}),
        "unknown": sign(key, "RS256", claims("nobody", 2)),
        "scope": sign(key, "RS256", claims("consumer-key-1", 3, scope="write")),
    }
    (folder / "samples.json").write_text(json.dumps(samples))


def main() -> None:
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "samples.json").exists():
        make_keys(folder)
        make_certificate(folder)
        make_samples(folder)
    for order in sys.argv[2:]:
        algorithm, count, spread = order.split(":")
        make_tokens(folder, algorithm, int(count), int(spread))


if __name__ == "__main__":
    main()
