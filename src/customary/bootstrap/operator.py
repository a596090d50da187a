"""Who acts when nobody has presented a credential: the operator, who holds the root key."""

from customary.app.credentials import OPERATOR
from customary.domain.access import Permission, Principal
from customary.domain.customer import TenantID


def operator(tenant_id: str, *permissions: Permission, merchant_no: int | None = None) -> Principal:
    """Return the operator as a principal of that tenant, or of one merchant of it.

    Only what the deed at hand needs is permitted, so that the trail and the use cases mean what they say.
    """
    return Principal(TenantID(tenant_id), OPERATOR, merchant_no, frozenset(permissions))
