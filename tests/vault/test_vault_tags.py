"""Lookup tags: equal for equal texts of one tenant and kind, and for nothing else."""

import os

from hypothesis import given
from hypothesis import strategies as st

from customary.app.ports import TagKind
from customary.domain.customer import TenantID
from customary.vault import OpenedTenant, RootVault

VAULT = RootVault(os.urandom(32))


def new_tenant(tenant_id: str) -> OpenedTenant:
    name = TenantID(tenant_id)
    return VAULT.tenant(name, list(VAULT.fresh_tenant_keys(name)))


TENANT = new_tenant("0b6d7c3e-52a1-4d0e-9a57-1f0e8c2b7a11")
FOREIGN = new_tenant("9f1c2d4b-7e6a-4b3c-8d2e-5a4f3b2c1d0e")
KINDS = st.sampled_from(TagKind)
TEXTS = st.lists(st.text(st.characters(), max_size=8) | st.binary(max_size=8), max_size=4)


def octets(texts: list[str | bytes]) -> list[bytes]:
    return [text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass") for text in texts]


@given(kind=KINDS, texts=TEXTS, other_kind=KINDS, other_texts=TEXTS)
def test_tags_are_equal_for_equal_kind_and_texts_only(
    kind: TagKind, texts: list[str | bytes], other_kind: TagKind, other_texts: list[str | bytes]
) -> None:
    """One tenant: the tag is a function of kind and texts, and no two of those share one."""
    tag, other = TENANT.tag(kind, *texts), TENANT.tag(other_kind, *other_texts)
    assert tag == TENANT.tag(kind, *texts)
    assert len(tag.digest) == 16
    is_same = kind == other_kind and octets(texts) == octets(other_texts)
    assert (tag == other) == is_same
    assert (tag.digest == other.digest) == is_same


@given(texts=TEXTS)
def test_equal_texts_leave_different_tags_in_two_kinds(texts: list[str | bytes]) -> None:
    """An external id that equals a customer number does not show: the digests differ, not just the kinds."""
    assert len({TENANT.tag(kind, *texts).digest for kind in TagKind}) == len(TagKind)


@given(kind=KINDS, texts=TEXTS)
def test_equal_texts_leave_different_tags_in_two_tenants(kind: TagKind, texts: list[str | bytes]) -> None:
    """Nobody who reads the store can tell that two tenants have the same customer."""
    assert TENANT.tag(kind, *texts).digest != FOREIGN.tag(kind, *texts).digest


@given(whole=st.binary(max_size=12), cut=st.integers(0, 12), kind=KINDS)
def test_moving_the_cut_between_texts_changes_the_tag(whole: bytes, cut: int, kind: TagKind) -> None:
    """``("1", "23")`` and ``("12", "3")`` are two lookups: lengths are digested, not only characters."""
    split = TENANT.tag(kind, whole[:cut], whole[cut:])
    assert split != TENANT.tag(kind, whole)
    for other_cut in range(len(whole) + 1):
        is_same = whole[:other_cut] == whole[:cut]
        assert (TENANT.tag(kind, whole[:other_cut], whole[other_cut:]) == split) == is_same


def test_a_tag_is_the_same_in_the_next_process() -> None:
    """Tags are looked up after a restart: they come from the stored keys alone."""
    root = os.urandom(32)
    name = TenantID("0b6d7c3e-52a1-4d0e-9a57-1f0e8c2b7a11")
    keys = list(RootVault(root).fresh_tenant_keys(name))
    first, second = (RootVault(root).tenant(name, keys).tag(TagKind.EMAIL, "a@example.com") for _ in range(2))
    assert first == second
