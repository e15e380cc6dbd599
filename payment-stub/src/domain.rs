//! What a payment is and what may happen to it; what the simulated processor does with which card.
//!
//! Pure: no clock, store, wire types or async. A card number exists only as a
//! [`card::CardNumber`], which cannot be printed or stored.

pub mod acquirer;
pub mod card;
pub mod key;
pub mod luhn;
pub mod payment;
pub mod scenario;
pub mod token;
