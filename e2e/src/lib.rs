//! Tests across services, and what they share.
//!
//! The tests stand in `tests/`: each asks the whole store, through the controller, what a client
//! would ask. Deliberately absent: what one service can be asked alone, which its own tests do.

pub mod house_rules;
