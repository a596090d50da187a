"""A credential's row is bound to its secrets: who can write the store cannot widen what a key may do."""

from datetime import timedelta
from functools import partial
from pathlib import Path

import apsw
import pytest

from customary import config
from customary.app import credentials
from customary.bootstrap.house import House
from customary.domain.access import Permission, Scheme
from customary.vault.cipher import SealBroken

EDITS = {
    "permissions": "UPDATE credentials SET permissions = replace(permissions, 'customers', 'payments')",
    "merchant": "UPDATE credentials SET merchant_no = 2",
    "expiry": "UPDATE credentials SET expires_at = NULL",
    "fields": "UPDATE credentials SET fields = '[]'",
    "one field more": """UPDATE credentials SET fields = '["name","email","tax_id"]'""",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "house"


def opened(folder: Path) -> House:
    return House(config.load({"CUSTOMARY_DATA": str(folder)}, overrides={}, cwd=folder.parent))


@pytest.mark.parametrize("edit", EDITS)
def test_an_edited_row_of_a_key_opens_nothing(folder: Path, edit: str) -> None:
    """Permissions, merchant, expiry and limit are part of what the secret was hashed or sealed with."""
    with opened(folder) as house:
        vault, dice = house.unsealed, house.dice
        (tenant,) = house.engine.perform_now([lambda: credentials.create_tenant(vault, dice, "T")])
        merchants = [
            house.engine.perform_now([partial(credentials.create_merchant, dice, tenant.tenant_id, name)])[0]
            for name in ("one", "two")
        ]
        create = partial(
            credentials.create_key,
            vault,
            dice,
            tenant_id=tenant.tenant_id,
            merchant_id=merchants[0].merchant_id,
            permissions=frozenset({Permission.READ_CUSTOMERS}),
            fields=("name", "tax_id:last4"),
            expires_at=dice.now() + timedelta(days=1),
        )
        issued = {scheme: house.engine.perform_now([partial(create, scheme=scheme)])[0] for scheme in Scheme}
    connection = apsw.Connection(str(folder / "customary.db"))
    connection.execute(EDITS[edit])
    connection.close()
    with opened(folder) as house:
        basic, hmac = issued[Scheme.BASIC], issued[Scheme.HMAC]
        known = house.engine.read_now(lambda: credentials.find_key(house.unsealed, basic.credential.key_id))
        assert known is not None
        presented = house.unsealed.hashed_secret(known.credential.terms, basic.secret.encode())
        assert presented not in known.secrets_at(house.dice.now())
        with pytest.raises(SealBroken):
            house.engine.read_now(lambda: credentials.find_key(house.unsealed, hmac.credential.key_id))
