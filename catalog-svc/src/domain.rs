//! What an item is, what a CSV file of items has to look like, and which items answer a search.
//! Pure: no clock, no store, no wire types.

pub mod csv;
pub mod import;
pub mod item;
pub mod search;
