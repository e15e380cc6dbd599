#!/usr/bin/env python3
"""A shopper of the store: fills a cart, meets a stale etag and a declined card, pays, waits.

Run `oxcart up` first. What it prints is all that happens; it leaves no cart behind.
"""

import argparse
import os
import sys
import uuid
from collections import Counter
from decimal import Decimal
from pathlib import Path

from oxcart_client import Store, StoreError
from oxcart_contract import Cart, Checkout, CheckoutState, DeclineReason, Item, Money

# Decimals of a currency's minor unit (ISO 4217), for the currencies that this example knows. Any
# other is a KeyError: to guess 2 would show 100 yen as 1.00.
DECIMALS = {"EUR": 2, "GBP": 2, "JPY": 0, "USD": 2}

SHOWN = 3


def main() -> int:
    """Shops, and returns the exit code."""
    args = parse_args()
    try:
        with Store(args.controller) as store:
            store.sign_in(args.user, read_password(args))
            print(f"{args.user} is signed in at {args.controller}")
            shop(store)
    except StoreError as error:
        print(f"shop: {error}", file=sys.stderr)
        return 1
    return 0


def parse_args() -> argparse.Namespace:
    """Reads the command line. A password has no flag, because every process can read flags."""
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0] if __doc__ else None,
        epilog="Without --password-file, the password is in OXCART_PASSWORD; without that, it is "
        "USER-password, as for the users of the development seed.",
    )
    parser.add_argument("--controller", default="localhost:8080", metavar="HOST:PORT")
    parser.add_argument("--user", default="alice", metavar="NAME")
    parser.add_argument("--password-file", type=Path, metavar="FILE")
    return parser.parse_args()


def read_password(args: argparse.Namespace) -> str:
    """Returns the user's password, which must not be printed."""
    if args.password_file:
        return str(args.password_file.read_text().rstrip("\n"))
    return os.environ.get("OXCART_PASSWORD", f"{args.user}-password")


def shop(store: Store) -> None:
    """Does what a shopper does."""
    item = look_around(store)
    cart = fill_cart(store, item)
    pay(store, cart)
    pay_slowly(store, item)
    show_purchases(store)


def look_around(store: Store) -> Item:
    """Shows what is for sale, and chooses something that costs something."""
    storefront = store.storefront(page_size=SHOWN)
    print(f"\nUnpurchased carts from last time: {len(storefront.carts)}. For sale, among others:")
    for item in storefront.items:
        print(f"  {money(item.price):>12}  {item.name}")
    priced = (item for item in store.items() if item.price.minor_units > 0)
    chosen = next(priced, None)
    if chosen is None:
        sys.exit("shop: nothing is for sale")
    return chosen


def fill_cart(store: Store, item: Item) -> Cart:
    """Changes a cart in two windows at once: the second change is out of date."""
    cart = store.create_cart({item.sku: 2})
    print(f"\nA cart: {contents(cart)}")
    changed = store.set_item(cart.cart_id, item.sku, 3, etag=cart.etag)
    print(f"Changed: {contents(changed)}")
    try:
        changed = store.set_item(cart.cart_id, item.sku, 4, etag=cart.etag)
    except StoreError as error:
        if error.reason != "CART_STALE":
            raise
        # The error brings the cart as it is now, unless that is too large for an error.
        current = error.cart or store.get_cart(cart.cart_id)
        print(f"Changed in another window meanwhile: {error.reason}, {contents(current)}")
        # A shop would ask the shopper here. This one has seen the cart, and still wants 4.
        changed = store.set_item(cart.cart_id, item.sku, 4, etag=current.etag)
    print(f"Changed: {contents(changed)}")
    return changed


def pay(store: Store, cart: Cart) -> None:
    """Pays with a card that is declined, then with a good one, and repeats that."""
    print()
    declined = check_out(store, cart, "tok_insufficient_funds", new_request_id())
    print(f"First card: {outcome(declined)}; the cart is open again")
    # Another try is another purchase, so it has another name.
    request_id = new_request_id()
    paid = check_out(store, cart, "tok_visa", request_id)
    print(f"Second card: {outcome(paid)}")
    again = check_out(store, cart, "tok_visa", request_id)
    payment = "the same" if again.payment_id == paid.payment_id else "another"
    print(f"The same request again: {outcome(again)}, {payment} payment")


def pay_slowly(store: Store, item: Item) -> None:
    """Pays by a processor that takes its time, without waiting for it at first."""
    cart = store.create_cart({item.sku: 1})
    checkout = check_out(store, cart, "tok_slow", new_request_id(), deadline_s=1)
    print(f"\nA slow payment: {outcome(checkout)}")
    print(f"A moment later: {outcome(store.watch_until_decided(checkout.checkout_id))}")


def show_purchases(store: Store) -> None:
    """Shows the newest purchases, and what all of them cost."""
    print("\nThe last purchases:")
    totals: Counter[str] = Counter()
    count = 0
    for count, cart in enumerate(store.purchases(), start=1):
        if count <= SHOWN:
            print(f"  {cart.create_time.ToDatetime():%Y-%m-%d %H:%M}  {contents(cart)}")
        totals[cart.total.currency_code] += cart.total.minor_units
    sums = [money(Money(currency_code=code, minor_units=units)) for code, units in totals.items()]
    print(f"All {count} purchases: {', '.join(sums)}")


def check_out(
    store: Store, cart: Cart, payment_token: str, request_id: str, *, deadline_s: float = 10
) -> Checkout:
    """Purchases a cart as it was shown: at that total, or not at all."""
    return store.checkout(
        cart.cart_id,
        request_id=request_id,
        payment_token=payment_token,
        expected_total=cart.total,
        deadline_s=deadline_s,
    )


def new_request_id() -> str:
    """Names a purchase. A shop keeps the name with the order before it calls."""
    return str(uuid.uuid4())


def contents(cart: Cart) -> str:
    """Says what a cart holds and costs."""
    lines = ", ".join(f"{line.quantity} x {line.name or line.sku}" for line in cart.lines)
    return f"{lines or 'nothing'}, {money(cart.total) if cart.HasField('total') else 'no total'}"


def outcome(checkout: Checkout) -> str:
    """Says how far a checkout has come."""
    state = CheckoutState.Name(checkout.state).removeprefix("CHECKOUT_STATE_")
    if checkout.decline_reason:
        reason = DeclineReason.Name(checkout.decline_reason).removeprefix("DECLINE_REASON_")
        return f"{state}, {reason}"
    return f"{state}, {money(checkout.total)}"


def money(amount: Money) -> str:
    """Writes an amount with its currency."""
    decimals = DECIMALS[amount.currency_code]
    value = Decimal(amount.minor_units).scaleb(-decimals)
    return f"{amount.currency_code} {value:,.{decimals}f}"


if __name__ == "__main__":
    sys.exit(main())
