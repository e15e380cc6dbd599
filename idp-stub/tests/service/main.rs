//! The identity provider as its callers see it: over a real gRPC channel and over real HTTP.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod browser;
mod grpc;
mod harness;
mod http;
mod secrets;
mod verifiers;
