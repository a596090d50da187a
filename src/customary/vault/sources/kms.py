"""A lock by AWS KMS: the key that opens the root key never leaves there (extra ``customary[aws]``).

Credentials, region and endpoint are found as every AWS program finds them: environment, profile, role of the
machine. The library is loaded when the first key is opened, because a start without it must stay short.
"""

import base64
import binascii
import importlib
from typing import Any, Final

from customary.domain.errors import Unavailable
from customary.vault.rootkey import RootKeyRefused

SECONDS_MAX: Final = 5
CONTEXT: Final = {"purpose": "customary root key"}
"""Bound to what is locked: KMS opens it only for who says the same, and writes it into CloudTrail."""

_NOT_OURS: Final = frozenset(
    {"InvalidCiphertextException", "IncorrectKeyException", "InvalidKeyUsageException", "ValidationException"}
)


class KmsLock:
    """Closes root keys with one symmetric key of AWS KMS, named by its id, alias or ARN."""

    def __init__(self, key_id: str) -> None:
        self._key_id = key_id

    def told(self) -> str:
        """Return the name of the key."""
        return f"the AWS KMS key {self._key_id}"

    def closed(self, key: bytes) -> str:
        """Return the key encrypted by KMS, in Base64."""
        answer = self._asked("encrypt", Plaintext=key)
        return base64.b64encode(answer["CiphertextBlob"]).decode("ascii")

    def opened(self, text: str) -> bytes:
        """Return the key decrypted by KMS."""
        try:
            blob = base64.b64decode(text.strip(), validate=True)
        except binascii.Error:
            raise RootKeyRefused("The root key file holds nothing that AWS KMS has locked") from None
        plaintext: bytes = self._asked("decrypt", CiphertextBlob=blob)["Plaintext"]
        return plaintext

    def _asked(self, operation: str, **arguments: object) -> Any:
        try:
            exceptions: Any = importlib.import_module("botocore.exceptions")
            client = self._client()
            return getattr(client, operation)(KeyId=self._key_id, EncryptionContext=CONTEXT, **arguments)
        except ImportError:
            raise Unavailable("AWS KMS needs the extra: pip install 'customary[aws]'") from None
        except exceptions.ClientError as error:
            code = str(error.response.get("Error", {}).get("Code", ""))
            if code in _NOT_OURS:
                raise RootKeyRefused("AWS KMS does not open this root key", detail=code) from None
            raise Unavailable("AWS KMS refuses to open the root key", detail=code) from None
        except exceptions.BotoCoreError as error:
            raise Unavailable("AWS KMS cannot be reached", detail=type(error).__name__) from None

    def _client(self) -> Any:
        session: Any = importlib.import_module("botocore.session").get_session()
        config: Any = importlib.import_module("botocore.config").Config(
            connect_timeout=SECONDS_MAX, read_timeout=SECONDS_MAX, retries={"total_max_attempts": 2}
        )
        parts = self._key_id.split(":")
        region = parts[3] if len(parts) > 5 and parts[0] == "arn" else None
        return session.create_client("kms", region_name=region, config=config)
