"""What `customary backup` and `customary restore` say of a copy."""

import json

from command_line import CommandLine


def test_an_account_of_a_copy_says_when_the_erased_were_erased(line: CommandLine, tenant_id: str) -> None:
    """A bare count of the erased would read as all whom the store ever erased."""
    assert tenant_id
    told = line("backup", "one.db")
    assert told.code == 0, told.err
    counts = [row.rsplit(None, 1) for row in told.out.splitlines()]
    assert ["erased while copying", "0"] in counts
    restored = line("restore", "one.db", "--force", "--json")
    assert restored.code == 0, restored.err
    said = json.loads(restored.out)
    assert said["erasedMeanwhile"] == 0
    assert "erased" not in said
