"""Fixtures of the command line's tests: an empty folder, a tenant in it, a merchant of the tenant."""

from pathlib import Path

import pytest

from command_line import CommandLine


@pytest.fixture
def line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> CommandLine:
    """A command line in an empty folder, with no setting in the environment."""
    monkeypatch.chdir(tmp_path)
    for name in ("CUSTOMARY_DATA", "CUSTOMARY_CONFIG", "UV_RUN_RECURSION_DEPTH"):
        monkeypatch.delenv(name, raising=False)
    return CommandLine(tmp_path, capsys)


@pytest.fixture
def tenant_id(line: CommandLine) -> str:
    """The only tenant of the folder."""
    made: str = line.made("tenant", "create", "Acme Group")["tenantId"]
    return made


@pytest.fixture
def merchant_id(line: CommandLine, tenant_id: str) -> str:
    """The first merchant of the only tenant."""
    made: str = line.made("merchant", "create", "Acme Shop", "--tenant", tenant_id)["merchantId"]
    return made
