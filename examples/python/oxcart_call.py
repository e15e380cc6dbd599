"""What becomes of a call: what an error says, and whether and when to make the call again.

Deliberately absent: which calls are safe to repeat; the client knows, from the contract.
"""

import random
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar
from urllib.parse import urlsplit

import grpc
from google.protobuf.message import Message
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RetryInfo
from grpc_status import rpc_status

from oxcart_contract import Cart, Money

DOMAIN = "oxcart"
FIRST_BACKOFF_S = 0.2
LONGEST_BACKOFF_S = 2.0

CHANNEL_OPTIONS = [
    # A channel connects again as often as calls are repeated: by default it waits up to 2 minutes.
    ("grpc.initial_reconnect_backoff_ms", int(FIRST_BACKOFF_S * 1000)),
    ("grpc.max_reconnect_backoff_ms", int(LONGEST_BACKOFF_S * 1000)),
    # A page of large carts is larger than the 4 MB that are taken by default.
    ("grpc.max_receive_message_length", 64 * 1024 * 1024),
]

# Reasons by which the store says that the same call may succeed later.
TRANSIENT_REASONS = {"DEADLINE_EXCEEDED", "INTERNAL", "OVERLOADED", "UNAVAILABLE"}

# Codes of a connection that was not there, was cut, or brought no answer in time.
TRANSPORT_CODES = {
    grpc.StatusCode.CANCELLED,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.INTERNAL,
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.UNKNOWN,
}

M = TypeVar("M", bound=Message)
T = TypeVar("T")


class StoreError(Exception):
    """A call that the store refused, or that nobody answered. Decide by `reason`, not by `code`."""

    def __init__(self, failure: grpc.RpcError) -> None:
        assert isinstance(failure, grpc.Call)
        status = rpc_status.from_call(failure)
        details = status.details if status else []
        info = _detail(details, ErrorInfo)
        is_ours = info.domain == DOMAIN
        cart, total = _detail(details, Cart), _detail(details, Money)
        violations = _detail(details, BadRequest).field_violations

        self.code: grpc.StatusCode = failure.code()
        # As in docs/errors.md; None if a transport made the error.
        self.reason: str | None = info.reason if is_ours else None
        self.metadata: Mapping[str, str] = dict(info.metadata) if is_ours else {}
        # What is wrong with each bad field.
        self.bad_fields: Mapping[str, str] = {bad.field: bad.description for bad in violations}
        # The cart as it is now, of CART_STALE, CART_EXISTS and CHECKOUT_IN_PROGRESS. None if it is
        # too large for an error: `metadata` has `detail_omitted` then, and the store has the cart.
        self.cart: Cart | None = cart if cart.cart_id else None
        # The new total, of PRICE_CHANGED.
        self.total: Money | None = total if total.currency_code else None
        retry_delay = _detail(details, RetryInfo).retry_delay
        self.retry_delay_s: float = retry_delay.ToTimedelta().total_seconds()
        super().__init__(f"{self.reason or self.code.name}: {failure.details()}")

    @property
    def is_transient(self) -> bool:
        """Whether the same call may succeed later. Nobody knows whether this one took effect."""
        return self.reason in TRANSIENT_REASONS if self.reason else self.code in TRANSPORT_CODES


def connect(address: str) -> grpc.Channel:
    """Returns a channel to HOST:PORT or to a URL. It connects when it is first used."""
    url = urlsplit(address if "://" in address else f"http://{address}")
    is_server = bool(url.hostname) and url.path in ("", "/") and "@" not in url.netloc
    if url.scheme not in ("http", "https") or not is_server:
        # Not shown, because somebody may have written a password into it.
        raise ValueError("an address must read HOST:PORT, http://HOST:PORT or https://HOST:PORT")
    is_https = url.scheme == "https"
    target = url.netloc if url.port else f"{url.netloc}:{443 if is_https else 80}"
    if is_https:
        return grpc.secure_channel(target, grpc.ssl_channel_credentials(), CHANNEL_OPTIONS)
    return grpc.insecure_channel(target, CHANNEL_OPTIONS)


def call_once(
    method: Callable[..., Any], request: Message, timeout_s: float, token: str | None = None
) -> Any:
    """Makes a call, as the user of `token` if there is one. Raises `StoreError`."""
    metadata = [("authorization", f"Bearer {token}")] if token else []
    try:
        return method(request, timeout=timeout_s, metadata=metadata)
    except grpc.RpcError as failure:
        raise StoreError(failure) from failure


def repeat(call: Callable[[float], T], *, try_s: float, patience_s: float) -> T:
    """Makes a call that is safe to repeat until it is answered, refused, or `patience_s` are over.

    `call` makes it once, with the deadline that it is given: `try_s`, or what is left.

    gRPC could repeat calls by itself, by a retry policy in its service config. But it decides by
    the code and the method, where the store says a reason and the same method may be repeated with
    one request and not with another; and its 5 tries are over in 3 s, where a store that restarts
    is away for up to 10. Only one of the two may do it, or the tries of one multiply the other's.
    """
    end = time.monotonic() + patience_s
    backoff_s = FIRST_BACKOFF_S
    while True:
        try:
            return call(min(try_s, end - time.monotonic()))
        except StoreError as error:
            # Full jitter, so that clients that failed together do not come back together.
            pause_s = error.retry_delay_s + random.uniform(0, backoff_s)
            if not error.is_transient or time.monotonic() + pause_s >= end:
                raise
        time.sleep(pause_s)
        backoff_s = min(2 * backoff_s, LONGEST_BACKOFF_S)


def _detail(details: Iterable[Any], kind: type[M]) -> M:
    """Returns the first of the details that is a `kind`; an empty one if there is none."""
    message = kind()
    for detail in details:
        if detail.Unpack(message):
            break
    return message
