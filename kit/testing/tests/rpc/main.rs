//! What servers and callers of the kit do, over real sockets.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod auth;
mod body;
mod calls;
mod channel;
mod metrics;
mod probe;
mod server;
mod traces;
