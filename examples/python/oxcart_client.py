"""A client of the store: signs a user in, and repeats what may be repeated until it is answered.

Deliberately absent: keeping the password, logging, and names for purchases: who buys must keep the
name, and chooses it. Answers are the contract's own messages.
"""

import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, Self

from google.protobuf.message import Message

from oxcart_call import FIRST_BACKOFF_S, StoreError, call_once, connect, repeat
from oxcart_contract import (
    Cart,
    Checkout,
    CheckoutState,
    Item,
    Line,
    Money,
    controller,
    controller_grpc,
    idp,
    idp_grpc,
)

__all__ = ["Store", "StoreError"]

TRY_S = 10.0  # deadline of one try; Checkout, the slowest, is answered within 8 s
WATCH_S = 60.0  # deadline of one try to watch: a peer that has vanished is noticed then
PATIENCE_S = 30.0  # for all tries of a call together: outlasts a restart of the store
RENEW_AT = 0.8  # share of a token's life after which it is replaced
RENEW_PATIENCE_S = 2.0  # for replacing it: the call that needs it has patience of its own
RENEW_PAUSE_S = 10.0  # pause after a token that is still good could not be replaced


class Store:
    """The store as one user sees it. Threads may share it.

    Every call raises `StoreError` if it fails. One that is safe to repeat waits `patience_s` for a
    store that is away; the others, `delete_cart` and `set_item` with an etag, are tried once.
    """

    def __init__(self, address: str, *, patience_s: float = PATIENCE_S) -> None:
        """`address` is the controller's, HOST:PORT or a URL. Nothing is connected yet."""
        self._channel = connect(address)
        self._controller = controller_grpc.ControllerServiceStub(self._channel)
        self._session: _Session | None = None
        self._patience_s = patience_s

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes the connections. The session ends when its tokens expire."""
        self._channel.close()
        if self._session:
            self._session.close()

    def sign_in(self, username: str, password: str) -> None:
        """Signs a user in, where the store says. A wrong password is CREDENTIALS_WRONG."""
        session = _Session(self._where_to_sign_in(), self._patience_s)
        try:
            session.sign_in(username, password)
        except Exception:
            session.close()
            raise
        if self._session:
            self._session.close()
        self._session = session

    def storefront(self, *, page_size: int = 0) -> controller.GetStorefrontResponse:
        """Returns the first items for sale, and the user's unpurchased carts."""
        request = controller.GetStorefrontRequest(page_size=page_size)
        return self._call(self._controller.GetStorefront, request)

    def items(self, *, page_size: int = 0) -> Iterator[Item]:
        """Yields all items for sale by SKU; each page is asked for once it is reached."""
        request = controller.ListItemsRequest(page_size=page_size)
        for page in self._pages(self._controller.ListItems, request):
            yield from page.items

    def create_cart(self, quantities: Mapping[str, int], *, cart_id: str | None = None) -> Cart:
        """Creates a cart of so many pieces by SKU. Its id is a UUID, yours or a new one."""
        request = controller.CreateCartRequest(
            # Not left to the store, so that however often it is repeated, there is one cart.
            cart_id=cart_id or str(uuid.uuid4()),
            lines=[Line(sku=sku, quantity=quantity) for sku, quantity in quantities.items()],
        )
        return self._call(self._controller.CreateCart, request).cart

    def get_cart(self, cart_id: str) -> Cart:
        """Returns a cart of the user. Somebody else's is CART_NOT_FOUND."""
        request = controller.GetCartRequest(cart_id=cart_id)
        return self._call(self._controller.GetCart, request).cart

    def set_item(self, cart_id: str, sku: str, quantity: int, *, etag: str = "") -> Cart:
        """Sets how many of an item a cart holds. With an etag that is out of date: CART_STALE.

        With an etag it is tried once: after a lost answer a second try would meet the change of the
        first, and be told CART_STALE as if somebody else had made it.
        """
        line = Line(sku=sku, quantity=quantity)
        request = controller.SetItemRequest(cart_id=cart_id, line=line, etag=etag)
        return self._call(self._controller.SetItem, request, is_repeatable=not etag).cart

    def delete_cart(self, cart_id: str, *, etag: str = "") -> None:
        """Deletes an open cart. Tried once: a second try could be told that there is no cart."""
        request = controller.DeleteCartRequest(cart_id=cart_id, etag=etag)
        self._call(self._controller.DeleteCart, request, is_repeatable=False)

    def checkout(
        self,
        cart_id: str,
        *,
        request_id: str,
        payment_token: str,
        etag: str = "",
        expected_total: Money | None = None,
        deadline_s: float = TRY_S,
    ) -> Checkout:
        """Purchases a cart once for each `request_id`, however often it is repeated.

        Without an `expected_total` the cart is bought AT WHATEVER IT COSTS by now.
        Keep the `request_id` before you call: whoever has it can ask again after a crash. What is
        not decided within `deadline_s` (or 8 s) is answered with PENDING.
        """
        request = controller.CheckoutRequest(
            request_id=request_id,
            cart_id=cart_id,
            etag=etag,
            expected_total=expected_total,
            payment_token=payment_token,
            accept_any_total=expected_total is None,
        )
        # Repeated with an etag too: the store looks for the request_id first.
        return self._call(self._controller.Checkout, request, try_s=deadline_s).checkout

    def watch_until_decided(self, checkout_id: str, *, patience_s: float = 300.0) -> Checkout:
        """Returns a checkout once it is PAID or FAILED. Outlasts restarts of the store."""
        request = controller.WatchCheckoutRequest(checkout_id=checkout_id)
        end = time.monotonic() + patience_s
        while True:
            left_s = end - time.monotonic()
            checkout: Checkout = self._call(
                self._last_change, request, try_s=WATCH_S, patience_s=left_s
            )
            if checkout.state != CheckoutState.CHECKOUT_STATE_PENDING:
                return checkout
            # The store ends a watch after 5 minutes, whatever became of the checkout.
            time.sleep(FIRST_BACKOFF_S)

    def purchases(self, *, page_size: int = 0) -> Iterator[Cart]:
        """Yields the purchased carts, the last purchase first, as `items` does."""
        request = controller.ListPurchasesRequest(page_size=page_size)
        for page in self._pages(self._controller.ListPurchases, request):
            yield from page.carts

    def _last_change(self, request: controller.WatchCheckoutRequest, **options: Any) -> Checkout:
        checkout = Checkout(state=CheckoutState.CHECKOUT_STATE_PENDING)
        for change in self._controller.WatchCheckout(request, **options):
            checkout = change.checkout
        return checkout

    def _pages(self, method: Callable[..., Any], request: Any) -> Iterator[Any]:
        while True:
            page = self._call(method, request)
            yield page
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token

    def _where_to_sign_in(self) -> str:
        """Asks for the storefront without a token, to be told where to get one."""
        ask = partial(
            call_once, self._controller.GetStorefront, controller.GetStorefrontRequest(page_size=1)
        )
        try:
            repeat(ask, try_s=TRY_S, patience_s=self._patience_s)
        except StoreError as error:
            if error.reason == "SIGN_IN_REQUIRED":
                return error.metadata["sign_in"]
            raise
        raise RuntimeError("the store lets strangers in, and does not say where to sign in")

    def _call(
        self,
        method: Callable[..., Any],
        request: Message,
        *,
        is_repeatable: bool = True,
        try_s: float = TRY_S,
        patience_s: float | None = None,
    ) -> Any:
        call = partial(self._call_as_user, method, request)
        if not is_repeatable:
            return call(try_s)
        patience_s = self._patience_s if patience_s is None else patience_s
        return repeat(call, try_s=try_s, patience_s=patience_s)

    def _call_as_user(self, method: Callable[..., Any], request: Message, timeout_s: float) -> Any:
        token = self._session.token() if self._session else None
        try:
            return call_once(method, request, timeout_s, token)
        except StoreError as error:
            if error.reason != "TOKEN_INVALID" or not self._session:
                raise
        # The token was refused before its time, perhaps because this machine slept. The call took
        # no effect, so any call may be made again.
        return call_once(method, request, timeout_s, self._session.token(refused=token))


class _Session:
    """The tokens of a signed-in user, which it replaces before they expire."""

    def __init__(self, address: str, patience_s: float) -> None:
        self._channel = connect(address)
        self._idp = idp_grpc.IdpServiceStub(self._channel)
        self._patience_s = patience_s
        self._lock = threading.Lock()

    def close(self) -> None:
        self._channel.close()

    def sign_in(self, username: str, password: str) -> None:
        # Repeated although each try begins a session: one that nobody uses does no harm.
        request = idp.SignInRequest(username=username, password=password)
        self._get_tokens(self._idp.SignIn, request, self._patience_s)

    def token(self, refused: str | None = None) -> str:
        """Returns an access token, another one than the store has `refused`."""
        # One thread at a time: a refresh token that is used twice ends the session.
        with self._lock:
            is_good = self._access_token != refused and time.monotonic() < self._expires_at
            if not is_good or time.monotonic() >= self._renew_at:
                self._renew(is_good)
            return self._access_token

    def _renew(self, is_good: bool) -> None:
        """Replaces the token. One that is still good serves on if nobody answers."""
        # Repeated although a refresh token works once. If it was used up and the answer lost, so is
        # the session, either way; if the call was not heard, this saves it.
        request = idp.RefreshRequest(refresh_token=self._refresh_token)
        try:
            self._get_tokens(self._idp.Refresh, request, RENEW_PATIENCE_S)
        except StoreError as error:
            if not (is_good and error.is_transient):
                raise
            self._renew_at = time.monotonic() + RENEW_PAUSE_S

    def _get_tokens(
        self, method: Callable[..., Any], request: Message, patience_s: float
    ) -> None:
        asked_at = time.monotonic()
        call = partial(call_once, method, request)
        tokens = repeat(call, try_s=TRY_S, patience_s=patience_s).tokens
        life_s = tokens.expires_in.ToTimedelta().total_seconds()
        self._access_token = tokens.access_token
        self._refresh_token = tokens.refresh_token
        self._renew_at = asked_at + RENEW_AT * life_s
        self._expires_at = asked_at + life_s
