"""A TLS end in front of a plain server, as hosting services put it there: with a chain only they have signed."""

import asyncio
import contextlib
import ssl
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

YEAR = timedelta(days=365)


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _certificate(
    name: str, key: ec.EllipticCurvePrivateKey, issuer: str, issuers_key: ec.EllipticCurvePrivateKey, *, is_ca: bool
) -> x509.Certificate:
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(_named(name))
        .issuer_name(_named(issuer))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - YEAR)
        .not_valid_after(now + YEAR)
        .add_extension(x509.BasicConstraints(ca=is_ca, path_length=None), critical=True)
    )
    if not is_ca:
        names = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
        made = made.add_extension(names, critical=False)
    return made.sign(issuers_key, hashes.SHA256())


def self_signed_chain(folder: Path) -> Path:
    """One file with the key, the server's certificate, and the authority that signed it and itself."""
    root_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    root = _certificate("Their own authority", root_key, "Their own authority", root_key, is_ca=True)
    leaf = _certificate("127.0.0.1", key, "Their own authority", root_key, is_ca=False)
    pem = serialization.Encoding.PEM
    secret = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "authority.pem").write_bytes(root.public_bytes(pem))
    file = folder / "chain.pem"
    file.write_bytes(secret + leaf.public_bytes(pem) + root.public_bytes(pem))
    return file


async def _pass_on(read: asyncio.StreamReader, write: asyncio.StreamWriter) -> None:
    try:
        while some := await read.read(65536):
            write.write(some)
            await write.drain()
    except OSError:
        pass
    finally:
        write.transport.abort()


async def _ended(server: asyncio.Server) -> None:
    server.close()
    left = asyncio.all_tasks() - {asyncio.current_task()}
    for task in left:
        task.cancel()
    await asyncio.gather(*left, return_exceptions=True)
    await asyncio.sleep(0.05)  # what was broken off is closed in the next turns of the loop


@contextlib.contextmanager
def tls_in_front_of(port: int, chain: Path) -> Iterator[int]:
    """The port on which the server of this one is reached by TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain)
    loop, listening = asyncio.new_event_loop(), Future[asyncio.Server]()

    async def connected(read: asyncio.StreamReader, write: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(_pass_on(read, back), _pass_on(there, write))

    def serve() -> None:
        """In a thread of its own: this one may have a running loop already (a browser's)."""
        loop.set_exception_handler(lambda *_: None)  # a client that does not like the certificate is no fault of ours
        listening.set_result(loop.run_until_complete(asyncio.start_server(connected, "127.0.0.1", 0, ssl=context)))
        loop.run_forever()
        loop.run_until_complete(_ended(listening.result()))
        loop.close()

    thread = threading.Thread(target=serve, name="tls")
    thread.start()
    try:
        yield listening.result(10).sockets[0].getsockname()[1]
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
