"""By what a record is found: the tags of its particulars, made with any index key of its tenant.

It must never know how a tag is made.
"""

from customary.app.ports import Tag, Tagger, TagKind, TenantVault
from customary.domain.customer import Particulars


def tags_by(
    tagger: Tagger, merchant_no: int, particulars: Particulars
) -> tuple[tuple[Tag, ...], tuple[Tag, ...]]:
    """Return the unique and the other lookup tags of these particulars, made by any index key."""
    unique: tuple[Tag, ...] = ()
    if particulars.external_id is not None:
        unique = (external_id_tag(tagger, merchant_no, particulars.external_id),)
    return unique, tags_shared(tagger, particulars)


def tags_held(
    tenant: TenantVault, merchant_no: int, particulars: Particulars
) -> tuple[tuple[Tag, ...], tuple[Tag, ...]]:
    """Return all tags that a record may hold, unique and others, by every index key that is in use."""
    unique, tags = tags_by(tenant, merchant_no, particulars)
    for tagger in (tenant.coming, tenant.leaving):
        if tagger is not None:
            more_unique, more = tags_by(tagger, merchant_no, particulars)
            unique, tags = unique + more_unique, tags + more
    return unique, tags


def external_id_tag(tagger: Tagger, merchant_no: int, external_id: str) -> Tag:
    """Return the tag of an external id, which is unique within one merchant."""
    return tagger.tag(TagKind.EXTERNAL_ID, str(merchant_no), external_id)


def tags_shared(tagger: Tagger, particulars: Particulars) -> tuple[Tag, ...]:
    """Return the tags that many records may share."""
    tags: tuple[Tag, ...] = ()
    if particulars.email is not None:
        tags = (tagger.tag(TagKind.EMAIL, particulars.email),)
    if particulars.org_id is not None:
        tags += (tagger.tag(TagKind.ORG_ID, particulars.org_id),)
    return tags
