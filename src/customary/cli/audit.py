"""The commands about the audit trail, put together; and the one that tells the key that signs it."""

from cyclopts import App

from customary.cli.entries import list_entries
from customary.cli.frame import AsJson, Data, open_house, print_json
from customary.cli.trail_export import export
from customary.cli.verifying import checkpoints, verify

audit = App(name="audit", help="List the audit trail, and verify that nobody changed it.")

audit.command(list_entries, name="list")
audit.command(verify)
audit.command(export)
audit.command(checkpoints)


@audit.command(name="public-key")
def public_key(*, data: Data = None, as_json: AsJson = False) -> None:
    """Print the trail's public key (Ed25519) in hex: with it anybody can check its signatures.

    Keep it where you keep the checkpoints.

    Example: customary audit public-key
    """
    with open_house(data) as house:
        key, store_id = house.unsealed.trail_public_key.hex(), house.store_id
    if as_json:
        print_json({"publicKey": key, "store": store_id})
    else:
        print(key)
