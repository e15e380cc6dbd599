//! oxcart
