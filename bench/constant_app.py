"""The yardstick for reads: the same framework and HTTP server with nothing behind them.

Starlette matches a route with an id in it and sends bytes that were encoded once: no credential, no
store, no JSON encoder. It is the ceiling of this framework, so a share of it says what
authentication, look-up, opening and encoding cost.

It must never do work that a request could vary.
"""

import json

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

BODY = json.dumps(
    {
        "customer": {
            "customerId": "410027364519",
            "merchantId": "1004000",
            "externalId": "bench-5f3a91c2-0004211",
            "name": "Margarethe Achterberg",
            "address": {
                "address1": "2000 Broadway Street",
                "address2": "Apartment 4211",
                "city": "Redwood City",
                "state": "CA",
                "zip": "94063",
                "country": "US",
            },
            "phone": "+16505551212",
            "email": "margarethe.achterberg.0004211@example.com",
            "taxId": "#####4211",
            "dateOfBirth": "1984-03-17",
            "enrollDate": 1555696836548,
            "vip": "2",
            "customData": {"segment": "retail", "branch": 7},
            "createdAt": 1737469800123,
            "updatedAt": 1737469800123,
        }
    },
    separators=(",", ":"),
).encode()


async def constant(_request: Request) -> Response:
    """Return the same bytes for every id."""
    return Response(BODY, media_type="application/json")


app = Starlette(routes=[Route("/api/v1/customers/{customer_id}", constant)])
