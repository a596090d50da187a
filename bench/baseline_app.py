"""The yardstick for writes: the stack most teams would reach for, written with care and nothing withheld.

FastAPI, Pydantic, SQLAlchemy 2 (asyncio) and aiosqlite; WAL, `synchronous=FULL`, one commit a
request. It comes in two styles. `usual` is what the frameworks' own pages show: one engine with its
default pool, and an upsert that looks the externalId up, then inserts or updates. `tuned` is what a
second look gives: one connection for writes, so that they wait in the pool's queue rather than in
SQLite's busy handler, and an INSERT that is tried first. Both take the credential from the
environment, which costs no query.

It must never know customary: it shares no line with what it is compared to.
"""

import os
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

from fastapi import Depends, FastAPI, HTTPException
from fastapi.security import HTTPBasic, HTTPBasicCredentials
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import JSON, BigInteger, String, UniqueConstraint, event, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

DATABASE = os.environ["BASELINE_DATABASE"]
ACCESS_ID = os.environ["BASELINE_ACCESS_ID"].encode()
ACCESS_KEY = os.environ["BASELINE_ACCESS_KEY"].encode()
TUNED = os.environ.get("BASELINE_STYLE", "usual") == "tuned"
MERCHANT_ID = "1004000"


class Address(BaseModel):
    """A postal address; only the country is required."""

    address1: Annotated[str | None, Field(min_length=1)] = None
    address2: str | None = None
    city: Annotated[str | None, Field(min_length=1)] = None
    state: Annotated[str | None, Field(min_length=2)] = None
    zip: Annotated[str | None, Field(min_length=5)] = None
    country: Annotated[str, Field(min_length=2)]


class CustomerIn(BaseModel):
    """What a caller posts; members that it does not name are ignored."""

    name: Annotated[str, Field(min_length=1)]
    address: Address
    phone: str
    email: Annotated[str, Field(min_length=1)]
    taxId: str | None = None
    dateOfBirth: str | None = None
    externalId: Annotated[str | None, Field(min_length=1)] = None
    enrollDate: int | None = None
    vip: str | None = None
    customData: dict[str, Any] | None = None


class CustomerOut(CustomerIn):
    """What a caller gets back."""

    model_config = ConfigDict(from_attributes=True)

    customerId: str
    merchantId: str
    createdAt: int
    updatedAt: int


class Answer(BaseModel):
    """The envelope of a single customer."""

    customer: CustomerOut


class Base(DeclarativeBase):
    """The declarative base that SQLAlchemy asks for."""


class CustomerRow(Base):
    """One customer in clear text, one column a member."""

    __tablename__ = "customer"
    __table_args__ = (UniqueConstraint("merchantId", "externalId"),)

    customerId: Mapped[str] = mapped_column(String, primary_key=True)
    merchantId: Mapped[str]
    externalId: Mapped[str | None]
    name: Mapped[str]
    address: Mapped[dict[str, Any]] = mapped_column(JSON)
    phone: Mapped[str]
    email: Mapped[str]
    taxId: Mapped[str | None]
    dateOfBirth: Mapped[str | None]
    enrollDate: Mapped[int | None] = mapped_column(BigInteger)
    vip: Mapped[str | None]
    customData: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    createdAt: Mapped[int] = mapped_column(BigInteger)
    updatedAt: Mapped[int] = mapped_column(BigInteger)


def _engine(**pool: int) -> AsyncEngine:
    """Return an engine on the file whose connections sync every commit to disk."""
    # SQLAlchemy's 30 s would turn a slow disk into refusals, which are not what is measured.
    engine = create_async_engine(f"sqlite+aiosqlite:///{DATABASE}", pool_timeout=120, **pool)

    @event.listens_for(engine.sync_engine, "connect")
    def prepare(connection: Any, _record: Any) -> None:
        cursor = connection.cursor()
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "busy_timeout=30000", "foreign_keys=ON"):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    return engine


# SQLite lets one connection write at a time; several meet in its busy handler, which sleeps up to 100 ms.
writing = _engine(pool_size=1, max_overflow=0) if TUNED else _engine()
reading = _engine() if TUNED else writing
writing_session = async_sessionmaker(writing, expire_on_commit=False)
reading_session = async_sessionmaker(reading, expire_on_commit=False)


@asynccontextmanager
async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
    """Make the table on the way in and close the pools on the way out."""
    async with writing.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    yield
    await writing.dispose()
    await reading.dispose()


async def to_write() -> AsyncIterator[AsyncSession]:
    """Yield a session on the writing connection."""
    async with writing_session() as session:
        yield session


async def to_read() -> AsyncIterator[AsyncSession]:
    """Yield a session on one of the reading connections."""
    async with reading_session() as session:
        yield session


async def authenticated(credentials: Annotated[HTTPBasicCredentials, Depends(HTTPBasic())]) -> str:
    """Return the merchant of the credential, or refuse with 401; both comparisons take constant time."""
    known = secrets.compare_digest(credentials.username.encode(), ACCESS_ID)
    right = secrets.compare_digest(credentials.password.encode(), ACCESS_KEY)
    if not (known and right):
        raise HTTPException(401, "Access not authorized", {"WWW-Authenticate": "Basic"})
    return MERCHANT_ID


async def named(session: AsyncSession, merchant_id: str, external_id: str | None) -> CustomerRow | None:
    """Return the merchant's customer of that externalId, if there is one."""
    if external_id is None:
        return None
    of_that_name = select(CustomerRow).where(
        CustomerRow.merchantId == merchant_id, CustomerRow.externalId == external_id
    )
    return (await session.scalars(of_that_name)).one_or_none()


def shown(row: CustomerRow) -> Answer:
    """Return the customer as callers see it, its tax id masked but for the last four."""
    customer = CustomerOut.model_validate(row)
    if customer.taxId:
        customer.taxId = "#" * (len(customer.taxId) - 4) + customer.taxId[-4:]
    return Answer(customer=customer)


app = FastAPI(lifespan=lifespan)


@app.post("/api/v1/customers", response_model_exclude_none=True)
async def upsert(
    body: CustomerIn,
    merchant_id: Annotated[str, Depends(authenticated)],
    session: Annotated[AsyncSession, Depends(to_write)],
) -> Answer:
    """Create the customer, or update the one that has its externalId."""
    now = time.time_ns() // 1_000_000
    row = CustomerRow(
        **body.model_dump(),
        customerId=str(secrets.randbelow(9 * 10**14) + 10**14),
        merchantId=merchant_id,
        createdAt=now,
        updatedAt=now,
    )
    found = None if TUNED else await named(session, merchant_id, body.externalId)
    if found is None:
        session.add(row)
        try:
            await session.commit()
            return shown(row)
        except IntegrityError:  # another request, or in the tuned style an earlier one, took the externalId
            await session.rollback()
        found = await named(session, merchant_id, body.externalId)
        if found is None:
            raise HTTPException(503)
    for member, value in body.model_dump(exclude_unset=True).items():
        setattr(found, member, value)
    found.updatedAt = now
    await session.commit()
    return shown(found)


@app.get("/api/v1/customers/{customer_id}", response_model_exclude_none=True)
async def fetch(
    customer_id: str,
    merchant_id: Annotated[str, Depends(authenticated)],
    session: Annotated[AsyncSession, Depends(to_read)],
) -> Answer:
    """Return one customer of the caller's merchant, or 404."""
    row = await session.get(CustomerRow, customer_id)
    if row is None or row.merchantId != merchant_id:
        raise HTTPException(404, "Could not find a customer")
    return shown(row)
