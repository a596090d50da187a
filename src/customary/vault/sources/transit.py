"""A lock by the transit engine of HashiCorp Vault or OpenBao: the key that opens the root key stays there.

Two requests of its HTTP API, ``encrypt`` and ``decrypt`` of one key. The token is sent to the address that
the operator has set and to no other: redirects are not followed.
"""

import base64
import binascii
import http.client
import json
import ssl
from typing import Any, Final
from urllib.parse import quote, urlsplit

from customary.domain.errors import Unavailable
from customary.vault.rootkey import RootKeyRefused

SECONDS_MAX: Final = 5
ANSWER_BYTES_MAX: Final = 65_536
CONTEXT: Final = base64.b64encode(b"customary root key").decode("ascii")
"""Sent as associated data: Vault opens what was locked with it only for who says the same."""


class TransitLock:
    """Closes root keys with one key of a transit engine: ``https://host:8200/transit/key-name``."""

    def __init__(self, address: str, token: str) -> None:
        parts = urlsplit(address)
        self._secure = parts.scheme == "https"
        self._host = parts.hostname or ""
        self._port = parts.port or (443 if self._secure else 80)
        mount, _, self._name = parts.path.strip("/").rpartition("/")
        self._mount = mount or "transit"
        self._token = token

    def told(self) -> str:
        """Return the address of the key."""
        return f"the key {self._name} of {self._mount} at {self._host}:{self._port}"

    def closed(self, key: bytes) -> str:
        """Return the key encrypted by the transit engine, in its own form."""
        plaintext = base64.b64encode(key).decode("ascii")
        ciphertext = self._asked("encrypt", {"plaintext": plaintext}).get("ciphertext")
        if not isinstance(ciphertext, str) or not ciphertext.isascii() or not ciphertext.isprintable():
            raise Unavailable("The transit engine has answered without a ciphertext")
        return ciphertext

    def opened(self, text: str) -> bytes:
        """Return the key decrypted by the transit engine."""
        plaintext = self._asked("decrypt", {"ciphertext": text.strip()}).get("plaintext")
        try:
            return base64.b64decode(plaintext if isinstance(plaintext, str) else "", validate=True)
        except binascii.Error:
            raise Unavailable("The transit engine has answered without a plaintext") from None

    def _asked(self, operation: str, asked: dict[str, str]) -> dict[str, Any]:
        """Return the member ``data`` of the answer to one request."""
        path = f"/v1/{quote(self._mount)}/{operation}/{quote(self._name, safe='')}"
        body = json.dumps({**asked, "associated_data": CONTEXT})
        headers = {
            "X-Vault-Token": self._token,
            "X-Vault-Request": "true",
            "Content-Type": "application/json",
        }
        connection = self._connection()
        try:
            connection.request("POST", path, body, headers)
            response = connection.getresponse()
            content = response.read(ANSWER_BYTES_MAX)
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise Unavailable("The transit engine cannot be reached", detail=type(error).__name__) from None
        finally:
            connection.close()
        if response.status == 400 and operation == "decrypt":
            raise RootKeyRefused("The transit engine does not open this root key", detail="status 400")
        if response.status != 200:
            raise Unavailable("The transit engine refuses", detail=f"status {response.status}")
        try:
            answered = json.loads(content)["data"]
        except (ValueError, KeyError, TypeError):
            raise Unavailable("The transit engine has answered something else than JSON") from None
        return answered if isinstance(answered, dict) else {}

    def _connection(self) -> http.client.HTTPConnection:
        if self._secure:
            context = ssl.create_default_context()
            return http.client.HTTPSConnection(self._host, self._port, timeout=SECONDS_MAX, context=context)
        return http.client.HTTPConnection(self._host, self._port, timeout=SECONDS_MAX)
