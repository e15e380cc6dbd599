//! What a payment is and what may happen to it; what the simulated processor does with which card.
//!
//! Pure. Deliberately absent: clock, store, wire types, async, and card numbers outside
//! [`card::CardNumber`], which cannot be printed or stored.

pub mod acquirer;
pub mod card;
pub mod key;
pub mod luhn;
pub mod payment;
pub mod scenario;
pub mod token;
