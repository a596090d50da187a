"""Answers what use cases ask of many customers: a page of them, by their lookup tags.

It must never know HTTP, SQL or how a cursor is spelled.
"""

from collections.abc import Callable, Generator, Mapping
from typing import Any

from customary.app.performing import Run
from customary.app.ports import ReadMerchants, ReadPage, Tag, TagKind
from customary.app.requests import FindByNumber, ListPage, Page
from customary.domain.access import Merchant
from customary.domain.errors import Invalid, NotFound, Violation


def list_page(run: Run, request: ListPage) -> Generator[Any, Any, Page]:
    """Answer with a page of customers, found by the tags of what is asked for."""
    if request.customer_number is not None:
        return (yield from _page_of_one(run, request, request.customer_number))
    principal, tag = run.principal, run.tenant.tag
    unique_tags: tuple[Tag, ...] = ()
    unique_tags_any: tuple[Tag, ...] = ()
    if request.external_id is not None and request.of_any_merchant and principal.merchant_no is None:
        merchants: list[Merchant] = yield ReadMerchants(principal.tenant_id)
        numbers = [one.merchant_no for one in merchants] or [principal.home_merchant_no]
        unique_tags_any = tuple(run.external_id_tag(number, request.external_id) for number in numbers)
    elif request.external_id is not None:
        unique_tags = (run.external_id_tag(principal.home_merchant_no, request.external_id),)
    tags = []
    if request.email is not None:
        tags.append(tag(TagKind.EMAIL, request.email))
    if request.org_id is not None:
        tags.append(tag(TagKind.ORG_ID, request.org_id))
    asked = ReadPage(
        tenant_id=principal.tenant_id,
        merchant_no=principal.merchant_no,
        unique_tags=unique_tags,
        tags=tuple(tags),
        newest_first=request.newest_first,
        offset=request.offset,
        limit=request.limit,
        counted=request.counted,
        after=request.after,
        unique_tags_any=unique_tags_any,
    )
    try:
        records, total = yield asked
    except NotFound:
        raise Invalid(Violation("cursor", "cursor", "cursor is none of this list")) from None
    if run.deed.reason:
        run.wrapped_keys.update({record.customer_id: record.wrapped_key for record in records})
    return Page(tuple(run.tenant.opened(record, request.clear) for record in records), total)


def _page_of_one(run: Run, request: ListPage, number: str) -> Generator[Any, Any, Page]:
    """Answer with the customer of a number, if the other conditions hold of it too; nobody comes after."""
    found = yield from run.find_by_number(FindByNumber(number, request.clear))
    if found is not None:
        has = found.particulars
        is_theirs = request.of_any_merchant or found.merchant_no == run.principal.home_merchant_no
        if (
            request.external_id not in (None, has.external_id if is_theirs else None)
            or request.email not in (None, has.email)
            or request.org_id not in (None, has.org_id)
        ):
            found = None
    matches = () if found is None or request.after is not None else (found,)
    page = matches[request.offset : request.offset + request.limit]
    return Page(page, len(matches) if request.counted else -1)


ANSWERS: Mapping[type, Callable[[Run, Any], Generator[Any, Any, Any]]] = {ListPage: list_page}
