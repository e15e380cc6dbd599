module example.com/shop

go 1.24

require (
	google.golang.org/genproto/googleapis/rpc v0.0.0-20250922171735-9219d122eba9
	google.golang.org/grpc v1.76.0
	google.golang.org/protobuf v1.36.10
)
