//! The contents of a cart.

use std::collections::HashSet;

use oxcart_types::{IdError, Line, Quantity, Sku};

use super::{Limits, QuantityOverLimit};

/// The contents of a cart: each SKU once, in the order in which they were first put in.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Lines(Vec<Line>);

/// What is wrong with one of the lines that a caller sent. The text fits behind [`Self::path`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LineFault {
    /// There are too many.
    #[error("must be at most {limit} lines")]
    TooMany {
        /// How many are allowed.
        limit: usize,
    },
    /// The SKU at `index` is none.
    #[error("{why}")]
    Sku {
        /// Position of the line, from 0.
        index: usize,
        /// What is wrong with it.
        why: IdError,
    },
    /// The SKU at `index` stands in an earlier line too.
    #[error("must not be in two lines")]
    Repeated {
        /// Position of the later line, from 0.
        index: usize,
    },
    /// The quantity at `index` is out of range.
    #[error("{why}")]
    Quantity {
        /// Position of the line, from 0.
        index: usize,
        /// What is wrong with it.
        why: QuantityOverLimit,
    },
}

impl LineFault {
    /// Where the fault is in a request whose contents are called `lines`.
    #[must_use]
    pub fn path(&self) -> String {
        match self {
            Self::TooMany { .. } => "lines".to_owned(),
            Self::Sku { index, .. } | Self::Repeated { index } => format!("lines[{index}].sku"),
            Self::Quantity { index, .. } => format!("lines[{index}].quantity"),
        }
    }
}

impl Lines {
    /// Reads what a caller sent.
    ///
    /// # Errors
    /// Every fault at once, but only [`LineFault::TooMany`] if there are too many to look at.
    pub fn parse(raw: &[(&str, i32)], limits: &Limits) -> Result<Self, Vec<LineFault>> {
        if raw.len() > limits.max_lines {
            return Err(vec![LineFault::TooMany { limit: limits.max_lines }]);
        }
        let mut skus = HashSet::new();
        let mut faults = Vec::new();
        let mut lines = Vec::with_capacity(raw.len());
        for (index, (sku, pieces)) in raw.iter().enumerate() {
            let sku = sku.parse::<Sku>().map_err(|why| LineFault::Sku { index, why });
            let sku = sku.and_then(|sku| {
                let is_new = skus.insert(sku.clone());
                is_new.then_some(sku).ok_or(LineFault::Repeated { index })
            });
            let quantity =
                limits.quantity(*pieces).map_err(|why| LineFault::Quantity { index, why });
            match (sku, quantity) {
                (Ok(sku), Ok(quantity)) => lines.push(Line { sku, quantity }),
                (sku, quantity) => faults.extend(sku.err().into_iter().chain(quantity.err())),
            }
        }
        if faults.is_empty() { Ok(Self(lines)) } else { Err(faults) }
    }

    /// Takes what a store kept, where each SKU stands once.
    #[must_use]
    pub fn restore(lines: Vec<Line>) -> Self {
        Self(lines)
    }

    /// The lines in their order.
    #[must_use]
    pub fn as_slice(&self) -> &[Line] {
        &self.0
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The lines after one item was set: in its place if it is there, at the end if it is new,
    /// removed if `quantity` is `None`. `None` if there is no room for one more.
    #[must_use]
    pub fn with(&self, sku: &Sku, quantity: Option<Quantity>, max_lines: usize) -> Option<Self> {
        let mut lines = self.0.clone();
        let place = lines.iter().position(|line| line.sku == *sku);
        match (place, quantity) {
            (Some(place), Some(quantity)) => lines[place].quantity = quantity,
            (Some(place), None) => drop(lines.remove(place)),
            (None, Some(_)) if lines.len() >= max_lines => return None,
            (None, Some(quantity)) => lines.push(Line { sku: sku.clone(), quantity }),
            (None, None) => {}
        }
        Some(Self(lines))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits { max_carts: 1, max_lines: 3, max_quantity: 10 };

    fn sku(text: &str) -> Sku {
        text.parse().unwrap()
    }

    #[test]
    fn every_fault_is_named_at_once() {
        let raw = [("", 0), ("A", 11), ("A", i32::MIN)];
        let faults = Lines::parse(&raw, &LIMITS).unwrap_err();
        let paths: Vec<_> = faults.iter().map(LineFault::path).collect();
        let expected = [
            "lines[0].sku",
            "lines[0].quantity",
            "lines[1].quantity",
            "lines[2].sku",
            "lines[2].quantity",
        ];
        assert_eq!(paths, expected);
    }

    #[test]
    fn too_many_lines_are_refused_before_they_are_read() {
        let faults = Lines::parse(&[("", 0); 4], &LIMITS).unwrap_err();
        assert_eq!(faults, [LineFault::TooMany { limit: 3 }]);
    }

    #[test]
    fn an_item_keeps_its_place_and_zero_drops_it() {
        let lines = Lines::parse(&[("A", 1), ("B", 2)], &LIMITS).unwrap();
        let changed = lines.with(&sku("A"), 5.try_into().ok(), 3).unwrap();
        assert_eq!(changed, Lines::parse(&[("A", 5), ("B", 2)], &LIMITS).unwrap());
        let dropped = changed.with(&sku("A"), None, 3).unwrap();
        assert_eq!(dropped, Lines::parse(&[("B", 2)], &LIMITS).unwrap());
        assert_eq!(dropped.with(&sku("A"), None, 3), Some(dropped.clone()));
    }

    #[test]
    fn a_full_cart_takes_no_new_item_but_changes_the_ones_it_has() {
        let lines = Lines::parse(&[("A", 1), ("B", 2)], &LIMITS).unwrap();
        assert_eq!(lines.with(&sku("C"), 1.try_into().ok(), 2), None);
        assert!(lines.with(&sku("B"), 1.try_into().ok(), 2).is_some());
    }
}
