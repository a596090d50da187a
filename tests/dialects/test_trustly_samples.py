"""The vendor's own request samples, run as published but for the address and the credentials.

``samples/*.txt`` are copied from Trustly's API reference. A client that nobody here wrote sends each.
"""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from merchant import Json, Merchant, shop
from serving import Tenancy

SAMPLES = Path(__file__).parent / "samples"
VENDOR_URL = "https://sandbox.trustly.one"
GUZZLE = Path("/usr/share/php/GuzzleHttp/autoload.php")
"""Where Debian's package php-guzzlehttp-guzzle has the client that the vendor's PHP sample needs."""


def interpreter(language: str) -> list[str]:
    """Return the command that runs a sample, or skip the test where there is none."""
    if language == "py":
        return [sys.executable]
    name = {"mjs": "node", "rb": "ruby", "php": "php"}[language]
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not on this machine")
    if language == "php" and not GUZZLE.exists():
        pytest.skip("the vendor's PHP sample needs Guzzle, which is not on this machine")
    return [found]


def sent(tenancy: Tenancy, sample: str, folder: Path, *, customer_id: str = "") -> str:
    """Run a sample in a folder and return what it prints; only address and credentials are replaced."""
    language = sample.rpartition(".")[2]
    command = interpreter(language)
    text = (SAMPLES / f"{sample}.txt").read_text()
    replaced = {
        VENDOR_URL: tenancy.server.url,
        "<username>": tenancy.key.key_id,
        "<password>": tenancy.key.secret,
    }
    if customer_id:
        replaced["/customers/customerId"] = f"/customers/{customer_id}"
    if language == "rb":
        replaced["http.use_ssl = true"] = (
            "http.use_ssl = false"  # the test's server is on loopback, without TLS
        )
    for published, ours in replaced.items():
        assert published in text, f"{sample} has no {published}"
        text = text.replace(published, ours)
    script = folder / sample
    script.write_text(text)
    if language == "php":
        (folder / "vendor").mkdir(exist_ok=True)
        (folder / "vendor" / "autoload.php").write_text(f"<?php require_once '{GUZZLE}';\n")
    done = subprocess.run(
        [*command, str(script)], cwd=folder, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def printed_customer(output: str, language: str) -> Json:
    """Return the customer that a sample has printed, in the notation of its language."""
    if language == "py":
        output = output.replace("'", '"')
    if language == "mjs":
        output = node_json(output)
    customer: Json = json.loads(output)["customer"]
    return customer


def node_json(output: str) -> str:
    """Return what ``console.log`` printed as JSON."""
    script = "process.stdout.write(JSON.stringify(eval('(' + require('fs').readFileSync(0, 'utf8') + ')')))"
    return subprocess.run(
        [shutil.which("node") or "node", "-e", script],
        input=output,
        capture_output=True,
        text=True,
        check=True,
    ).stdout


LANGUAGES = ("py", "mjs", "rb", "php")


@pytest.mark.statement("a", "T6", "T14")
@pytest.mark.parametrize("language", LANGUAGES)
def test_the_create_sample_works_as_published(
    tenant: Callable[..., Tenancy], tmp_path: Path, language: str
) -> None:
    """It prints the customer; run twice, it is still one."""
    interpreter(language)
    tenancy = tenant()
    program: Merchant = shop(tenancy)
    first, second = (sent(tenancy, f"trustly_create.{language}", tmp_path) for _ in range(2))
    (customer,) = program.list("externalId=4567890")
    assert printed_customer(first, language) == printed_customer(second, language) == customer
    assert customer["taxId"] == "#####5678"


@pytest.mark.statement("g", "T14", "T22")
@pytest.mark.parametrize("language", LANGUAGES)
def test_the_update_sample_works_as_published(
    tenant: Callable[..., Tenancy], tmp_path: Path, language: str
) -> None:
    """On a customer whose taxId has the mask that the sample sends."""
    interpreter(language)
    tenancy = tenant()
    program: Merchant = shop(tenancy)
    created = program.create(taxId="123456790")
    output = sent(tenancy, f"trustly_update.{language}", tmp_path, customer_id=created["customerId"])
    customer = program.fetch(created["customerId"])
    assert printed_customer(output, language) == customer
    assert (customer["name"], customer["taxId"]) == ("John Smith", "#####6790")
