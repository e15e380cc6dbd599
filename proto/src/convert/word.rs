//! Closed words. They are matched by name, so that a new value needs no line here: `X` of the enum
//! `DeclineReason` is `DECLINE_REASON_X` of the contract.

use oxcart_types::{CartFilter, CartState, DeclineReason, UnknownWord};

use crate::common;

macro_rules! same_words {
    ($($word:ty = $wire:ty, $prefix:literal;)+) => {$(
        impl From<$word> for $wire {
            fn from(word: $word) -> Self {
                // The test below holds that there is always one.
                Self::from_str_name(&[$prefix, word.as_str()].concat()).unwrap_or_default()
            }
        }

        /// Fails for `UNSPECIFIED`.
        impl TryFrom<$wire> for $word {
            type Error = UnknownWord;

            fn try_from(wire: $wire) -> Result<Self, UnknownWord> {
                let name = wire.as_str_name();
                name.strip_prefix($prefix).unwrap_or(name).parse()
            }
        }
    )+};
}

same_words! {
    CartState = common::CartState, "CART_STATE_";
    CartFilter = common::CartFilter, "CART_FILTER_";
    DeclineReason = common::DeclineReason, "DECLINE_REASON_";
}

#[cfg(test)]
mod tests {
    use std::fmt::Debug;

    use super::*;

    /// Every word has its value in the contract, and every value but 0 its word.
    fn hold_the_same<W, P>(words: &[W])
    where
        W: Copy + Debug + PartialEq + TryFrom<P, Error: Debug>,
        P: From<W> + TryFrom<i32> + Into<i32> + Copy + Debug,
    {
        for word in words {
            let wire = P::from(*word);
            assert_ne!(wire.into(), 0, "{word:?} is not in the contract");
            assert_eq!(W::try_from(wire).unwrap(), *word);
        }
        let values = (1..1_000).filter_map(|number| P::try_from(number).ok());
        for value in values {
            assert!(W::try_from(value).is_ok(), "{value:?} has no word");
        }
        assert!(P::try_from(0).is_ok_and(|unspecified| W::try_from(unspecified).is_err()));
    }

    #[test]
    fn the_contract_and_the_types_have_the_same_words() {
        hold_the_same::<_, common::CartState>(CartState::ALL);
        hold_the_same::<_, common::CartFilter>(CartFilter::ALL);
        hold_the_same::<_, common::DeclineReason>(DeclineReason::ALL);
    }
}
