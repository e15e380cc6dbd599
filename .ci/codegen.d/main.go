// Makes a client and reads an error, without a server.
package main

import (
	"context"
	"fmt"
	"os"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	controllerv1 "example.com/shop/oxcart/controller/v1"
	typev1 "example.com/shop/oxcart/type/v1"
)

// A connection on which every call is refused.
type refusing struct{ grpc.ClientConnInterface }

func (refusing) Invoke(_ context.Context, method string, _, _ any, _ ...grpc.CallOption) error {
	refused, err := status.New(codes.NotFound, method).WithDetails(&errdetails.ErrorInfo{
		Domain: "oxcart",
		Reason: typev1.ErrorReason_ERROR_REASON_CART_NOT_FOUND.String()[len("ERROR_REASON_"):],
	})
	if err != nil {
		panic(err)
	}
	return refused.Err()
}

func main() {
	client := controllerv1.NewControllerServiceClient(refusing{})
	_, err := client.SetItem(context.Background(), &controllerv1.SetItemRequest{
		Line: &typev1.Line{Sku: "KITE-OCTO", Quantity: proto.Int32(2)},
	})
	for _, detail := range status.Convert(err).Details() {
		if info, ok := detail.(*errdetails.ErrorInfo); ok && info.Reason == "CART_NOT_FOUND" {
			fmt.Println("go:", info.Reason)
			return
		}
	}
	os.Exit(1)
}
