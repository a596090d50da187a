"""The API page in a real browser: it renders, asks nobody else for anything, and its requests are answered.

The server is the built wheel, so that what the page is made of is known to be in it.
"""

import json
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from browser.chromium import Page, browsing, executable
from serving import Key, Server, Tenancy

CHROMIUM = executable()
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")

_PUT = """(() => {
    const set = Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, "value").set;
    const form = document.querySelector(".auth-container:has(input)");
    const put = (kind, value) => {
        const input = form.querySelector(`input[type=${kind}]`);
        set.call(input, value);
        input.dispatchEvent(new Event("input", { bubbles: true }));
    };
    put("text", %s);
    put("password", %s);
    form.querySelector(".btn.authorize").click();
})()"""


@pytest.fixture
def page() -> Iterator[Page]:
    """A page of a fresh browser, which must neither complain nor ask another origin when the test is over."""
    assert CHROMIUM is not None
    with browsing(CHROMIUM) as opened:
        yield opened
        assert opened.complaints == []


def _opened(page: Page, server: Server, document: str) -> None:
    page.open(f"{server.url}/docs/{document}")
    page.wait_for(f"location.pathname === '/docs/{document}' && document.querySelector('.opblock')")


def _authorize(page: Page, key: Key) -> None:
    page.evaluate("document.querySelector('.btn.authorize').click()")
    page.wait_for("document.querySelector('.auth-container input[type=password]')")
    page.evaluate(_PUT % (json.dumps(key.key_id), json.dumps(key.secret)))
    page.wait_for("document.querySelector('.auth-container .btn-done')")
    page.evaluate("document.querySelector('.close-modal').click()")


def _executed(page: Page, operation: str) -> tuple[int, object]:
    """Return status and body that the page shows after one operation was tried out."""
    block = f"document.querySelector('.opblock[id$={operation}]')"
    page.evaluate(f"{block}.querySelector('.opblock-summary-control').click()")
    page.wait_for(f"{block}.querySelector('.execute') && {block}.querySelector('textarea')?.value")
    page.evaluate(f"{block}.querySelector('.execute').click()")
    page.wait_for(f"{block}.querySelector('.live-responses-table .response-col_status')")
    live = f"{block}.querySelector('.live-responses-table tbody"
    status = page.evaluate(f"{live} .response-col_status').innerText")
    body = page.evaluate(f"{live} .highlight-code code, .live-responses-table .microlight').innerText")
    return int(status.split()[0]), json.loads(body)


def _asked(page: Page) -> set[str]:
    """Return the origins that the page asked; icons inside the style sheet ask nobody."""
    parts = (urlsplit(address) for address in page.requested)
    return {f"{one.scheme}://{one.netloc}" for one in parts if one.scheme != "data"}


@pytest.mark.parametrize(("document", "least"), [("trustly", 4), ("trustist", 5), ("native", 8)])
def test_the_page_renders_each_document_and_asks_no_other_origin(
    page: Page, server: Server, document: str, least: int
) -> None:
    """Every operation, its schemas and its examples are shown, and all that was fetched came from here."""
    served = server.send("GET", f"/openapi/{document}.json").json
    operations = sum(len(item) for item in served["paths"].values())
    assert operations >= least
    _opened(page, server, document)
    assert page.evaluate("document.querySelectorAll('.opblock').length") == operations
    headings = "[...document.querySelectorAll('.opblock-tag')].map((one) => one.dataset.tag)"
    tags = [tag.get("x-displayName", tag["name"]) for tag in served["tags"]]
    assert tags[0] == "Customers"  # not the vendor's name of its tag, which is for programs
    assert page.evaluate(headings) == tags
    page.evaluate("document.querySelectorAll('.opblock-summary-control').forEach((one) => one.click())")
    page.wait_for(f"document.querySelectorAll('.opblock-body .responses-table').length === {operations}")
    page.evaluate("document.querySelector('.models-control').click()")
    page.wait_for("document.querySelectorAll('section.models .json-schema-2020-12').length > 5")
    assert page.evaluate("document.querySelectorAll('.errors-wrapper').length") == 0
    assert (
        page.evaluate('document.querySelectorAll(\'iframe, [src^="http:"]:not([src*="127.0.0.1"])\').length')
        == 0
    )
    assert f"{server.url}/openapi/{document}.json" in page.requested
    assert _asked(page) == {server.url}


def test_the_index_leads_to_all_documents(page: Page, server: Server) -> None:
    """/docs names them, and its links are answered."""
    page.open(f"{server.url}/docs")
    page.wait_for("document.querySelector('main.index')")
    links = page.evaluate("[...document.querySelectorAll('a')].map((one) => one.getAttribute('href'))")
    names = ("trustly", "trustist", "native")
    wanted = {address for name in names for address in (f"/docs/{name}", f"/openapi/{name}.json")}
    assert wanted <= set(links)
    assert {server.send("GET", link).status for link in links} == {200}
    assert _asked(page) == {server.url}


def test_the_policy_would_stop_what_asks_another_origin(server: Server) -> None:
    """The check above can fail: the same browser notes a forbidden request, a script and a style inside."""
    assert CHROMIUM is not None
    with browsing(CHROMIUM) as page:
        _opened(page, server, "trustly")
        page.evaluate("fetch('http://127.0.0.1:9/').catch(() => 0)")
        page.evaluate(
            "document.head.append(Object.assign(document.createElement('script'), {text: 'self.x = 1'}))"
        )
        page.evaluate(
            "document.head.append(Object.assign(document.createElement('style'), {textContent: 'p{}'}))"
        )
        for directive in ("connect-src", "script-src", "style-src"):
            page.wait_for_complaint(directive)
        assert page.evaluate("typeof self.x") == "undefined"


def test_a_customer_can_be_made_with_basic_credentials_in_the_page(
    page: Page, server: Server, tenancy: Tenancy
) -> None:
    """Authorize, try out, execute: the request goes to this server and is answered 200."""
    _opened(page, server, "trustly")
    _authorize(page, tenancy.key)
    status, body = _executed(page, "post-customers")
    assert status == 200
    assert isinstance(body, dict)
    assert body["customer"]["name"] == "Joe User"
    assert f"{server.url}/api/v1/customers" in page.requested
    assert _asked(page) == {server.url}


def test_a_customer_can_be_made_with_a_signed_request_in_the_page(
    page: Page, server: Server, tenancy: Tenancy
) -> None:
    """The page signs with Hawk itself; the secret is in no request."""
    key = server.create_key(tenancy.tenant_id, scheme="hmac")
    _opened(page, server, "trustist")
    _authorize(page, key)
    status, body = _executed(page, "post-customers")
    assert status == 200
    assert isinstance(body, dict)
    assert body["firstName"] == "Sarah"
    assert _asked(page) == {server.url}
    assert not any(key.secret in address for address in page.requested)


def test_pages_and_files_have_their_types_and_a_strict_policy(server: Server) -> None:
    """Nothing is guessed and nothing inside a page runs; who has a file is not sent it again."""
    types = {
        "/docs": "text/html; charset=utf-8",
        "/docs/trustly": "text/html; charset=utf-8",
        "/openapi/trustly.json": "application/json",
        "/docs/assets/swagger-ui-bundle.js": "text/javascript; charset=utf-8",
        "/docs/assets/swagger-ui.css": "text/css; charset=utf-8",
        "/docs/assets/favicon-32x32.png": "image/png",
    }
    for address, content_type in types.items():
        answer = server.send("GET", address)
        assert (answer.status, answer.header("content-type")) == (200, content_type)
        assert answer.header("x-content-type-options") == "nosniff"
        policy = answer.header("content-security-policy") or ""
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        tag = answer.header("etag") or ""
        assert server.send("GET", address, [("If-None-Match", tag)]).status == 304
