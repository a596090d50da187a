"""npm hawk and fetch under Node, unmodified, against a real server (``node/client.mjs``)."""

import json
import os
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from e2e.conftest import Account

NODE = Path(__file__).parent / "node"
IN_CI = os.environ.get("CI", "").lower() in ("1", "true")
INSTALL_SECONDS_MAX = 180
CLIENT_SECONDS_MAX = 60
Seen = dict[str, Any]


def unavailable(reason: str) -> None:
    """Skip for that reason; where the suite must be whole, fail."""
    if IN_CI:
        pytest.fail(f"{reason}, and in CI this must run")
    pytest.skip(reason)


@pytest.fixture(scope="module")
def seen(account: Account, tmp_path_factory: pytest.TempPathFactory) -> Seen:
    """What the client saw, run once."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        unavailable("node or npm is not on this machine")
    folder = tmp_path_factory.mktemp("node") / "client"
    shutil.copytree(NODE, folder)
    quick = ["--fetch-retries=1", "--fetch-retry-mintimeout=1000", "--ignore-scripts"]
    install = [str(npm), "install", "--no-audit", "--no-fund", "--no-package-lock", *quick]
    try:
        installed = subprocess.run(
            install, cwd=folder, capture_output=True, text=True, timeout=INSTALL_SECONDS_MAX, check=False
        )
    except subprocess.TimeoutExpired:
        unavailable("npm did not install hawk in time")
    if installed.returncode:
        unavailable("npm cannot install hawk; is the machine offline?")
    done = subprocess.run(
        [str(node), "client.mjs"],
        cwd=folder,
        env=account.environment,
        capture_output=True,
        text=True,
        timeout=CLIENT_SECONDS_MAX,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: Seen = json.loads(done.stdout)
    return found


@pytest.mark.statement("S1", "S2", "S10")
def test_every_answer_is_verified_by_hawk(seen: Seen) -> None:
    """hawk.client.authenticate accepts every answer's Server-Authorization, refusals too, and the tsm."""
    answers = {name: one for name, one in seen.items() if isinstance(one, dict) and "verified" in one}
    assert len(answers) == 12
    assert {name: one["verified"] for name, one in answers.items()} == dict.fromkeys(answers, True)
    assert {name: one["status"] for name, one in answers.items()} == dict.fromkeys(answers, 200) | {
        "unknown": 404,
        "invalid": 400,
        "stale": 401,
    }


@pytest.mark.statement("S13", "S15")
def test_the_vendors_signup_sample_works(seen: Seen) -> None:
    """The page's JavaScript, with hawk under createCustomer: what was sent comes back, and is read again."""
    john = seen["John"]["body"]
    assert (john["firstName"], john["lastName"], john["orgId"]) == ("John", "Smith", None)
    assert john["address"] == {
        "addressLine1": "456 Main St",
        "addressLine2": None,
        "city": "Manchester",
        "postalCode": "M1 1AA",
        "country": "GB",
    }
    for name in ("read", "read hashed", "read with ext"):
        assert seen[name]["body"] == john
    changed = seen["changed"]["body"]
    assert (changed["lastName"], changed["address"]["city"], changed["firstName"]) == ("Jones", None, "John")


@pytest.mark.statement("S19")
def test_the_vendors_branch_sample_works(seen: Seen) -> None:
    """Two branches create a customer each, and ``orgId=branch-london`` lists the one of London."""
    assert seen["london"]["body"] == [seen["Alice"]["body"]]
    assert seen["Bob"]["body"]["orgId"] == "branch-manchester"


@pytest.mark.statement("S5", "S6")
def test_hawk_sets_its_clock_and_may_not_repeat_itself(seen: Seen) -> None:
    """S5: the stale answer's time corrects the clock. S6: a header sent twice is 401."""
    assert seen["told"]["error"] == "Stale timestamp"
    assert abs(int(seen["told"]["ts"]) - time.time()) < CLIENT_SECONDS_MAX
    assert seen["corrected"]["status"] == 200
    assert seen["replayed"] == 401


@pytest.mark.statement("S10")
def test_hawk_notices_an_answer_that_was_changed(seen: Seen) -> None:
    """The verification is worth something."""
    assert seen["changed on the way"] == "Bad response payload mac"
