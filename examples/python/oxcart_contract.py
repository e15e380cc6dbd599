"""The contract's messages and stubs, as ./generate makes them; `proto/oxcart` explains them."""

import sys
from pathlib import Path

# protoc writes absolute imports, so the folder that it wrote to must be on the path.
sys.path.insert(0, str(Path(__file__).with_name("generated")))

from oxcart.controller.v1 import controller_service_pb2 as controller  # noqa: E402
from oxcart.controller.v1 import controller_service_pb2_grpc as controller_grpc  # noqa: E402
from oxcart.idp.v1 import idp_service_pb2 as idp  # noqa: E402
from oxcart.idp.v1 import idp_service_pb2_grpc as idp_grpc  # noqa: E402
from oxcart.type.v1.cart_state_pb2 import CartState  # noqa: E402
from oxcart.type.v1.checkout_state_pb2 import CheckoutState, DeclineReason  # noqa: E402
from oxcart.type.v1.item_pb2 import Item  # noqa: E402
from oxcart.type.v1.line_pb2 import Line  # noqa: E402
from oxcart.type.v1.money_pb2 import Money  # noqa: E402

Cart = controller.Cart
Checkout = controller.Checkout

__all__ = [
    "Cart",
    "CartState",
    "Checkout",
    "CheckoutState",
    "DeclineReason",
    "Item",
    "Line",
    "Money",
    "controller",
    "controller_grpc",
    "idp",
    "idp_grpc",
]
