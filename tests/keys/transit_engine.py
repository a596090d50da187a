"""A stand-in for the transit engine of HashiCorp Vault: the two requests, as its HTTP API documents them.

It checks what the real one checks (path, method, token, associated data) and locks with AES-GCM. It must
never import ``customary``.
"""

import base64
import binascii
import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM


@dataclass
class TransitEngine:
    """One engine with one key. ``refusing`` is a status to answer instead, ``asked`` what it was asked."""

    address: str = ""
    token: str = field(default_factory=lambda: f"hvs.{os.urandom(12).hex()}")
    refusing: int = 0
    mute: bool = False
    asked: list[str] = field(default_factory=list)
    key: bytes = field(default_factory=lambda: os.urandom(32))

    def answer(self, path: str, token: str | None, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        """Return status and JSON of one request."""
        self.asked.append(path)
        if self.refusing:
            return self.refusing, {"errors": ["as the test wants it"]}
        if token != self.token:
            return 403, {"errors": ["permission denied"]}
        associated = base64.b64decode(body.get("associated_data", ""))
        if path == "/v1/secrets/transit/encrypt/customary":
            nonce = os.urandom(12)
            plaintext = base64.b64decode(body["plaintext"])
            locked = nonce + AESGCM(self.key).encrypt(nonce, plaintext, associated)
            return 200, {
                "data": {"ciphertext": "vault:v1:" + base64.b64encode(locked).decode(), "key_version": 1}
            }
        if path == "/v1/secrets/transit/decrypt/customary":
            return self._decrypted(str(body["ciphertext"]), associated)
        return 404, {"errors": []}

    def _decrypted(self, ciphertext: str, associated: bytes) -> tuple[int, dict[str, Any]]:
        try:
            locked = base64.b64decode(ciphertext.removeprefix("vault:v1:"), validate=True)
            plaintext = AESGCM(self.key).decrypt(locked[:12], locked[12:], associated)
        except (InvalidTag, binascii.Error, ValueError):
            return 400, {"errors": ["cipher: message authentication failed"]}
        return 200, {"data": {"plaintext": base64.b64encode(plaintext).decode()}}


@contextmanager
def transit_engine() -> Iterator[TransitEngine]:
    """Serve one engine on loopback until the block ends."""
    engine = TransitEngine()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            """Answer one request."""
            content = self.rfile.read(int(self.headers["Content-Length"]))
            status, told = engine.answer(self.path, self.headers["X-Vault-Token"], json.loads(content))
            body = b"<html>" if engine.mute else json.dumps(told).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        engine.address = f"http://127.0.0.1:{server.server_port}/secrets/transit/customary"
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield engine
        finally:
            server.shutdown()
            thread.join()
