"""Makes a client of each service and reads an error, without a server."""

import importlib
import pathlib

import grpc
from google.rpc import error_details_pb2

from oxcart.controller.v1 import controller_service_pb2, controller_service_pb2_grpc
from oxcart.type.v1 import error_reason_pb2, line_pb2

for module in pathlib.Path(__file__).parent.rglob("*_pb2*.py"):
    path = module.relative_to(pathlib.Path(__file__).parent).with_suffix("")
    importlib.import_module(".".join(path.parts))

with grpc.insecure_channel("127.0.0.1:1") as channel:
    client = controller_service_pb2_grpc.ControllerServiceStub(channel)
    line = line_pb2.Line(sku="KITE-OCTO", quantity=2)
    try:
        client.SetItem(controller_service_pb2.SetItemRequest(line=line), timeout=5)
        raise SystemExit("nobody listens there")
    except grpc.RpcError as error:
        assert error.code() == grpc.StatusCode.UNAVAILABLE, error

name = error_reason_pb2.ErrorReason.Name(error_reason_pb2.ERROR_REASON_CART_NOT_FOUND)
info = error_details_pb2.ErrorInfo(domain="oxcart", reason=name.removeprefix("ERROR_REASON_"))
print("python:", info.reason)
