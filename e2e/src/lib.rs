//! Tests across services, and what they share.
//!
//! The tests stand in `tests/`: each asks the whole store, through the controller, what a client
//! would ask. What one service can be asked alone is tested by the service.

pub mod house_rules;
