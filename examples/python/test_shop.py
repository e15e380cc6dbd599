"""What a client relies on, asked of the store that runs at OXCART_CONTROLLER.

The tests leave nothing behind but purchases of alice, a user of the development seed, and may be
repeated. They fail if no store answers.
"""

import os
import uuid
from collections.abc import Iterator
from itertools import islice

import grpc
import pytest

from oxcart_client import Store, StoreError
from oxcart_contract import Cart, CartState, Checkout, CheckoutState, DeclineReason, Item

CONTROLLER = os.environ.get("OXCART_CONTROLLER", "localhost:8080")


def signed_in(user: str) -> Iterator[Store]:
    with Store(CONTROLLER, patience_s=10) as store:
        store.sign_in(user, f"{user}-password")
        yield store


@pytest.fixture(scope="session", name="alice")
def make_alice() -> Iterator[Store]:
    yield from signed_in("alice")


@pytest.fixture(scope="session", name="bob")
def make_bob() -> Iterator[Store]:
    yield from signed_in("bob")


@pytest.fixture(scope="session", name="item")
def make_item(alice: Store) -> Item:
    return next(item for item in alice.items() if item.price.minor_units > 0)


@pytest.fixture(name="cart")
def make_cart(alice: Store, item: Item) -> Iterator[Cart]:
    cart = alice.create_cart({item.sku: 2})
    yield cart
    # A user may have 100 unpurchased carts, and the tests may run more often.
    if alice.get_cart(cart.cart_id).state == CartState.CART_STATE_OPEN:
        alice.delete_cart(cart.cart_id)


def new_id() -> str:
    return str(uuid.uuid4())


def test_the_controller_says_where_to_sign_in() -> None:
    with Store(CONTROLLER, patience_s=10) as stranger:
        with pytest.raises(StoreError) as caught:
            stranger.storefront()
        assert caught.value.code == grpc.StatusCode.UNAUTHENTICATED
        assert caught.value.reason == "SIGN_IN_REQUIRED"
        assert caught.value.metadata["sign_in"].startswith("http")
        stranger.sign_in("alice", "alice-password")
        assert stranger.storefront().items


def test_a_wrong_password_is_refused_without_being_repeated_in_the_error() -> None:
    with Store(CONTROLLER, patience_s=10) as stranger:
        with pytest.raises(StoreError) as caught:
            stranger.sign_in("alice", "not-her-password")
        assert caught.value.reason == "CREDENTIALS_WRONG"
        assert "not-her-password" not in f"{caught.value!r} {caught.value.__cause__!r}"


def test_all_items_come_once_whatever_the_page(alice: Store) -> None:
    skus = [item.sku for item in alice.items(page_size=5)]
    assert skus == [item.sku for item in alice.items(page_size=200)]
    assert skus == sorted(set(skus), key=str.encode)


def test_the_same_cart_id_makes_one_cart(alice: Store, item: Item, cart: Cart) -> None:
    again = alice.create_cart({item.sku: 2}, cart_id=cart.cart_id)
    assert again == cart
    with pytest.raises(StoreError) as caught:
        alice.create_cart({item.sku: 3}, cart_id=cart.cart_id)
    assert caught.value.reason == "CART_EXISTS"
    assert caught.value.cart == cart


def test_a_stale_etag_shows_the_current_cart(alice: Store, item: Item, cart: Cart) -> None:
    current = alice.set_item(cart.cart_id, item.sku, 3, etag=cart.etag)
    with pytest.raises(StoreError) as caught:
        alice.set_item(cart.cart_id, item.sku, 4, etag=cart.etag)
    assert (caught.value.code, caught.value.reason) == (grpc.StatusCode.ABORTED, "CART_STALE")
    assert caught.value.cart == current
    assert not caught.value.is_transient
    assert alice.get_cart(cart.cart_id).lines[0].quantity == 3


def test_a_bad_field_is_named(alice: Store, item: Item, cart: Cart) -> None:
    with pytest.raises(StoreError) as caught:
        alice.set_item(cart.cart_id, item.sku, -1)
    assert caught.value.code == grpc.StatusCode.INVALID_ARGUMENT
    assert caught.value.reason == "FIELD_INVALID"
    assert list(caught.value.bad_fields) == ["line.quantity"]


def test_somebody_elses_cart_is_not_found(bob: Store, item: Item, cart: Cart) -> None:
    for call in (
        lambda: bob.get_cart(cart.cart_id),
        lambda: bob.set_item(cart.cart_id, item.sku, 1),
        lambda: bob.delete_cart(cart.cart_id),
        lambda: bob.checkout(cart.cart_id, request_id=new_id(), payment_token="tok_visa"),
    ):
        with pytest.raises(StoreError) as caught:
            call()
        assert caught.value.reason == "CART_NOT_FOUND"


def test_a_declined_card_leaves_the_cart_usable(alice: Store, item: Item, cart: Cart) -> None:
    declined = alice.checkout(
        cart.cart_id, request_id=new_id(), payment_token="tok_insufficient_funds"
    )
    assert declined.state == CheckoutState.CHECKOUT_STATE_FAILED
    assert declined.decline_reason == DeclineReason.DECLINE_REASON_INSUFFICIENT_FUNDS
    assert alice.get_cart(cart.cart_id).state == CartState.CART_STATE_OPEN
    assert alice.set_item(cart.cart_id, item.sku, 1).lines[0].quantity == 1
    paid = alice.checkout(cart.cart_id, request_id=new_id(), payment_token="tok_visa")
    assert paid.state == CheckoutState.CHECKOUT_STATE_PAID


def test_the_same_request_id_charges_once(alice: Store, cart: Cart) -> None:
    request_id = new_id()

    def buy(payment_token: str) -> Checkout:
        return alice.checkout(
            cart.cart_id,
            request_id=request_id,
            payment_token=payment_token,
            etag=cart.etag,
            expected_total=cart.total,
        )

    paid = buy("tok_visa")
    assert paid.state == CheckoutState.CHECKOUT_STATE_PAID
    assert paid.total == cart.total
    assert buy("tok_visa") == paid
    with pytest.raises(StoreError) as caught:
        buy("tok_mastercard")
    assert caught.value.reason == "REQUEST_ID_REUSED"
    purchases = [purchase for purchase in alice.purchases() if purchase.cart_id == cart.cart_id]
    assert [purchase.total for purchase in purchases] == [cart.total]


def test_another_total_than_expected_is_not_paid(alice: Store, item: Item, cart: Cart) -> None:
    now = alice.set_item(cart.cart_id, item.sku, 3)
    with pytest.raises(StoreError) as caught:
        alice.checkout(
            cart.cart_id,
            request_id=new_id(),
            payment_token="tok_visa",
            expected_total=cart.total,
        )
    assert caught.value.reason == "PRICE_CHANGED"
    assert caught.value.total == now.total


def test_a_slow_payment_is_pending_and_then_paid(alice: Store, cart: Cart) -> None:
    slow = alice.checkout(cart.cart_id, request_id=new_id(), payment_token="tok_slow", deadline_s=1)
    assert slow.state == CheckoutState.CHECKOUT_STATE_PENDING
    assert alice.get_cart(cart.cart_id).state == CartState.CART_STATE_PENDING
    decided = alice.watch_until_decided(slow.checkout_id, patience_s=30)
    assert decided.checkout_id == slow.checkout_id
    assert decided.state == CheckoutState.CHECKOUT_STATE_PAID
    assert alice.get_cart(cart.cart_id).state == CartState.CART_STATE_PAID


def test_purchases_come_by_pages(alice: Store, item: Item) -> None:
    bought = []
    for _ in range(3):
        cart = alice.create_cart({item.sku: 1})
        alice.checkout(cart.cart_id, request_id=new_id(), payment_token="tok_visa")
        bought.append(cart.cart_id)
    newest = [cart.cart_id for cart in islice(alice.purchases(page_size=2), 50)]
    assert [cart_id for cart_id in newest if cart_id in bought] == bought[::-1]
