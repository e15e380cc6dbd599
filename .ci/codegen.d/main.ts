// Makes a client and reads an error, without a server.
import { create } from "@bufbuild/protobuf";
import { Code, ConnectError, createClient, createRouterTransport } from "@connectrpc/connect";

import { ErrorInfoSchema } from "./google/rpc/error_details_pb.js";
import { ControllerService } from "./oxcart/controller/v1/controller_service_pb.js";
import { ErrorReason } from "./oxcart/type/v1/error_reason_pb.js";
import { LineSchema } from "./oxcart/type/v1/line_pb.js";

const value = { domain: "oxcart", reason: ErrorReason[ErrorReason.CART_NOT_FOUND]! };
const transport = createRouterTransport(({ service }) => {
  service(ControllerService, {
    setItem(request) {
      const details = [{ desc: ErrorInfoSchema, value }];
      throw new ConnectError(request.line?.sku ?? "", Code.NotFound, undefined, details);
    },
  });
});

const client = createClient(ControllerService, transport);
try {
  await client.setItem({ line: create(LineSchema, { sku: "KITE-OCTO", quantity: 2 }) });
  process.exitCode = 1;
} catch (thrown) {
  const [info] = ConnectError.from(thrown).findDetails(ErrorInfoSchema);
  console.log("typescript:", info?.reason);
  process.exitCode = info?.reason === "CART_NOT_FOUND" ? 0 : 1;
}
