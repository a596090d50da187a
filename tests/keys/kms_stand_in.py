"""A stand-in for AWS KMS: ``Encrypt`` and ``Decrypt`` in its JSON protocol, with signatures that are checked.

What a request must be is taken from AWS's documents (Signature Version 4, KMS API reference), and the
signature is computed here anew. It must never import ``customary`` or botocore.
"""

import base64
import hashlib
import hmac
import json
import os
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

ARN = "arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"


@dataclass
class KeyManagement:
    """A region of KMS with one key."""

    url: str = ""
    access_id: str = "AKIAIOSFODNN7EXAMPLE"
    secret: str = field(default_factory=lambda: os.urandom(20).hex())
    refusing: str = ""
    asked: list[str] = field(default_factory=list)
    key: bytes = field(default_factory=lambda: os.urandom(32))

    @property
    def environment(self) -> dict[str, str]:
        """Return what leads an AWS program here, and nowhere else."""
        return {
            "AWS_ACCESS_KEY_ID": self.access_id,
            "AWS_SECRET_ACCESS_KEY": self.secret,
            "AWS_ENDPOINT_URL_KMS": self.url,
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def answer(self, headers: Message, body: bytes) -> tuple[int, dict[str, Any]]:
        """Return status and JSON of one request."""
        operation = headers["X-Amz-Target"]
        self.asked.append(operation)
        if not self._is_signed(headers, body):
            return 400, {"__type": "InvalidSignatureException", "message": "no"}
        if self.refusing:
            return 400, {"__type": self.refusing, "message": "as the test wants it"}
        asked = json.loads(body)
        if asked.get("KeyId") != ARN:
            return 400, {"__type": "NotFoundException", "message": "no such key"}
        context = json.dumps(asked.get("EncryptionContext", {}), sort_keys=True).encode()
        if operation == "TrentService.Encrypt":
            nonce = os.urandom(12)
            plaintext = base64.b64decode(asked["Plaintext"])
            locked = nonce + AESGCM(self.key).encrypt(nonce, plaintext, context)
            return 200, {"CiphertextBlob": base64.b64encode(locked).decode(), "KeyId": ARN}
        locked = base64.b64decode(asked["CiphertextBlob"])
        try:
            plaintext = AESGCM(self.key).decrypt(locked[:12], locked[12:], context)
        except (InvalidTag, ValueError):
            return 400, {"__type": "InvalidCiphertextException", "message": None}
        return 200, {"Plaintext": base64.b64encode(plaintext).decode(), "KeyId": ARN}

    def _is_signed(self, headers: Message, body: bytes) -> bool:
        """Return whether the request has a signature of Version 4 by this account, for this region."""
        found = re.fullmatch(
            r"AWS4-HMAC-SHA256 Credential=([^/]+)/(\d{8})/eu-central-1/kms/aws4_request, "
            r"SignedHeaders=([a-z0-9;-]+), Signature=([0-9a-f]{64})",
            headers["Authorization"] or "",
        )
        if found is None or found[1] != self.access_id:
            return False
        names = found[3].split(";")
        lines = "".join(f"{name}:{' '.join((headers[name] or '').split())}\n" for name in names)
        canonical = f"POST\n/\n\n{lines}\n{found[3]}\n{hashlib.sha256(body).hexdigest()}"
        scope = f"{found[2]}/eu-central-1/kms/aws4_request"
        digest = hashlib.sha256(canonical.encode()).hexdigest()
        signed = f"AWS4-HMAC-SHA256\n{headers['X-Amz-Date']}\n{scope}\n{digest}"
        key = f"AWS4{self.secret}".encode()
        for part in (found[2], "eu-central-1", "kms", "aws4_request"):
            key = hmac.digest(key, part.encode(), "sha256")
        expected = hmac.digest(key, signed.encode(), "sha256").hex()
        return {"host", "x-amz-date", "x-amz-target"} <= set(names) and hmac.compare_digest(
            expected, found[4]
        )


@contextmanager
def key_management() -> Iterator[KeyManagement]:
    """Serve KMS on loopback until the block ends."""
    management = KeyManagement()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            """Answer one request."""
            content = self.rfile.read(int(self.headers["Content-Length"]))
            status, told = management.answer(self.headers, content)
            body = json.dumps(told).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/x-amz-json-1.1")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        management.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield management
        finally:
            server.shutdown()
            thread.join()
