//! What clients may rely on, asked of the whole store over real channels.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod auth;
mod bad_input;
mod calls;
mod checkout;
mod flow;
mod outage;
mod processes;
mod proxy;
mod raw;
mod recovery;
mod reflection;
mod world;
