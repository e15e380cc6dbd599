"""What the client does when the store fails, asked of a small server that stands in for it."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status
from grpc_status import rpc_status

from oxcart_client import Store, StoreError
from oxcart_contract import (
    Cart,
    Checkout,
    CheckoutState,
    controller,
    controller_grpc,
    idp,
    idp_grpc,
)

UNAUTHENTICATED = grpc.StatusCode.UNAUTHENTICATED
RESOURCE_EXHAUSTED = grpc.StatusCode.RESOURCE_EXHAUSTED
UNAVAILABLE = grpc.StatusCode.UNAVAILABLE

PENDING = CheckoutState.CHECKOUT_STATE_PENDING
PAID = CheckoutState.CHECKOUT_STATE_PAID


class FakeStore(controller_grpc.ControllerServiceServicer, idp_grpc.IdpServiceServicer):
    """Signs everybody in. Fails as often as there are `failures`, and then answers."""

    def __init__(self) -> None:
        self.failures: list[Status] = []
        # Calls to carts that were let in.
        self.calls = 0
        # What each watch shows before it ends.
        self.watches: list[list[CheckoutState]] = []
        self.token_life_s = 900
        self.can_refresh = True
        # The number of the only access token that is let in.
        self.good_token = 0
        # The refresh tokens that were used.
        self.refreshed: list[str] = []
        self.port = 0
        self.start()

    def start(self) -> None:
        self.server = grpc.server(ThreadPoolExecutor(8))
        controller_grpc.add_ControllerServiceServicer_to_server(self, self.server)
        idp_grpc.add_IdpServiceServicer_to_server(self, self.server)
        self.port = self.server.add_insecure_port(f"127.0.0.1:{self.port}")
        self.server.start()

    def stop(self) -> None:
        self.server.stop(grace=None).wait()

    def GetStorefront(self, request: Any, context: Any) -> controller.GetStorefrontResponse:
        self.authenticate(context)
        return controller.GetStorefrontResponse()

    def SetItem(self, request: Any, context: Any) -> controller.SetItemResponse:
        self.authenticate(context)
        self.fail(context)
        return controller.SetItemResponse(cart=Cart(cart_id=request.cart_id, etag="v2"))

    def DeleteCart(self, request: Any, context: Any) -> controller.DeleteCartResponse:
        self.authenticate(context)
        self.fail(context)
        return controller.DeleteCartResponse()

    def WatchCheckout(self, request: Any, context: Any) -> Iterator[Any]:
        self.authenticate(context)
        for state in self.watches.pop(0):
            checkout = Checkout(checkout_id=request.checkout_id, state=state)
            yield controller.WatchCheckoutResponse(checkout=checkout)
        self.fail(context)

    def SignIn(self, request: Any, context: Any) -> idp.SignInResponse:
        return idp.SignInResponse(tokens=self.new_tokens())

    def Refresh(self, request: Any, context: Any) -> idp.RefreshResponse:
        self.refreshed.append(request.refresh_token)
        if not self.can_refresh:
            refuse(context, failure("UNAVAILABLE", retry_delay_s=5))
        return idp.RefreshResponse(tokens=self.new_tokens())

    def new_tokens(self) -> idp.UserTokens:
        self.good_token += 1
        return idp.UserTokens(
            access_token=f"access-{self.good_token}",
            refresh_token=f"refresh-{self.good_token}",
            expires_in=Duration(seconds=self.token_life_s),
        )

    def authenticate(self, context: Any) -> None:
        bearer = dict(context.invocation_metadata()).get("authorization")
        if bearer != f"Bearer access-{self.good_token}":
            reason = "TOKEN_INVALID" if bearer else "SIGN_IN_REQUIRED"
            sign_in = f"http://127.0.0.1:{self.port}"
            refuse(context, failure(reason, UNAUTHENTICATED, metadata={"sign_in": sign_in}))

    def fail(self, context: Any) -> None:
        self.calls += 1
        if self.failures:
            refuse(context, self.failures.pop(0))


def refuse(context: Any, status: Status) -> None:
    context.abort_with_status(rpc_status.to_status(status))


def failure(
    reason: str | None,
    code: grpc.StatusCode = UNAVAILABLE,
    *,
    metadata: dict[str, str] | None = None,
    retry_delay_s: int = 0,
) -> Status:
    """An error as the store makes it; as a transport makes it, if it has no reason."""
    status = Status(code=code.value[0], message="it is so")
    if reason:
        status.details.add().Pack(ErrorInfo(reason=reason, domain="oxcart", metadata=metadata))
    if retry_delay_s:
        status.details.add().Pack(RetryInfo(retry_delay=Duration(seconds=retry_delay_s)))
    return status


@pytest.fixture(name="fake")
def make_fake() -> Iterator[FakeStore]:
    fake = FakeStore()
    yield fake
    fake.stop()


@pytest.fixture(name="shopper")
def make_shopper(fake: FakeStore) -> Iterator[Store]:
    with Store(f"127.0.0.1:{fake.port}", patience_s=10) as store:
        store.sign_in("grace", "a-secret-password")
        yield store


@pytest.mark.parametrize("reason", ["UNAVAILABLE", None])
def test_a_call_is_repeated_after_unavailable(
    fake: FakeStore, shopper: Store, reason: str | None
) -> None:
    fake.failures = [failure(reason), failure(reason)]
    assert shopper.set_item("cart", "DUCK-RED", 3).etag == "v2"
    assert fake.calls == 3


@pytest.mark.parametrize("reason", ["UNAVAILABLE", None])
def test_a_call_with_an_etag_is_not_repeated(
    fake: FakeStore, shopper: Store, reason: str | None
) -> None:
    fake.failures = [failure(reason)]
    with pytest.raises(StoreError) as caught:
        shopper.set_item("cart", "DUCK-RED", 3, etag="v1")
    assert (caught.value.code, caught.value.reason) == (UNAVAILABLE, reason)
    assert caught.value.is_transient
    assert fake.calls == 1


def test_a_deletion_is_not_repeated(fake: FakeStore, shopper: Store) -> None:
    fake.failures = [failure(None)]
    with pytest.raises(StoreError):
        shopper.delete_cart("cart")
    assert fake.calls == 1


def test_a_refusal_is_not_repeated(fake: FakeStore, shopper: Store) -> None:
    fake.failures = [failure("TOO_MANY_CARTS", RESOURCE_EXHAUSTED, metadata={"limit": "100"})]
    with pytest.raises(StoreError) as caught:
        shopper.set_item("cart", "DUCK-RED", 3)
    assert (caught.value.reason, caught.value.metadata) == ("TOO_MANY_CARTS", {"limit": "100"})
    assert fake.calls == 1


def test_the_delay_that_the_store_asks_for_is_waited_for(fake: FakeStore, shopper: Store) -> None:
    fake.failures = [failure("OVERLOADED", RESOURCE_EXHAUSTED, retry_delay_s=1)]
    began = time.monotonic()
    shopper.set_item("cart", "DUCK-RED", 3)
    assert time.monotonic() - began >= 1
    assert fake.calls == 2


def test_a_delay_beyond_the_patience_is_not_waited_for(fake: FakeStore, shopper: Store) -> None:
    fake.failures = [failure("UNAVAILABLE", retry_delay_s=60)]
    began = time.monotonic()
    with pytest.raises(StoreError) as caught:
        shopper.set_item("cart", "DUCK-RED", 3)
    assert caught.value.retry_delay_s == 60
    assert time.monotonic() - began < 1


def test_a_store_that_restarts_is_waited_for(fake: FakeStore, shopper: Store) -> None:
    fake.stop()
    threading.Timer(4, fake.start).start()
    assert shopper.set_item("cart", "DUCK-RED", 3).etag == "v2"
    assert fake.calls == 1


def test_a_watch_outlives_a_shutdown_and_a_cut(fake: FakeStore, shopper: Store) -> None:
    fake.watches = [[PENDING], [PENDING], [], [PENDING, PAID]]
    fake.failures = [failure(None), failure("UNAVAILABLE")]
    checkout = shopper.watch_until_decided("checkout", patience_s=10)
    assert (checkout.checkout_id, checkout.state) == ("checkout", PAID)
    assert fake.watches == []


def test_a_watch_ends_when_the_patience_does(fake: FakeStore, shopper: Store) -> None:
    fake.watches = [[PENDING]] * 100
    with pytest.raises(StoreError) as caught:
        shopper.watch_until_decided("checkout", patience_s=1)
    assert caught.value.code == grpc.StatusCode.DEADLINE_EXCEEDED


def grow_old(shopper: Store) -> None:
    """As if 80 % of the token's life were over."""
    shopper._session._renew_at = 0.0


def test_a_token_is_renewed_before_it_expires(fake: FakeStore, shopper: Store) -> None:
    shopper.storefront()
    assert fake.refreshed == []
    for number in (1, 2):
        grow_old(shopper)
        shopper.storefront()
        shopper.storefront()
        assert fake.refreshed[number - 1 :] == [f"refresh-{number}"]


def test_a_token_that_is_still_good_serves_on_while_nobody_renews_it(
    fake: FakeStore, shopper: Store
) -> None:
    fake.can_refresh = False
    grow_old(shopper)
    for _ in range(3):
        assert shopper.set_item("cart", "DUCK-RED", 3, etag="v1").etag == "v2"
    assert fake.refreshed == ["refresh-1"]


def test_a_refused_token_is_renewed_once(fake: FakeStore, shopper: Store) -> None:
    fake.good_token = 7
    shopper.set_item("cart", "DUCK-RED", 3, etag="v1")
    assert fake.refreshed == ["refresh-1"]
    assert fake.calls == 1


def test_threads_use_a_refresh_token_once(fake: FakeStore, shopper: Store) -> None:
    fake.good_token = 7
    with ThreadPoolExecutor(8) as threads:
        fronts = [threads.submit(shopper.storefront) for _ in range(8)]
        for front in fronts:
            front.result()
    assert fake.refreshed == ["refresh-1"]


def test_secrets_are_not_shown(shopper: Store) -> None:
    shown = repr(shopper) + repr(list(vars(shopper).values()))
    for secret in ("a-secret-password", "access-1", "refresh-1"):
        assert secret not in shown
