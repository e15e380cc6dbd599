//! The test cards and test tokens: what the simulated processor does with each.
//!
//! [`TEST_CARDS`] and [`TEST_TOKENS`] are the whole table; `TEST-CARDS.md` is printed from it.

use oxcart_types::DeclineReason;

use super::{card::CardNumber, token::PaymentToken};

/// What the simulated processor answers in the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The money is taken.
    Paid,
    /// The payment is refused.
    Declined(DeclineReason),
}

impl Verdict {
    /// What a card gets. A number that is no test card is declined, so that a real card that is typed
    /// in by mistake seems to buy nothing.
    #[must_use]
    pub fn of_card(number: &CardNumber) -> Self {
        let known = TEST_CARDS.iter().find(|card| number.is(card.number));
        known.map_or(Self::Declined(DeclineReason::Generic), |card| card.verdict)
    }
}

/// What goes wrong on the way to the verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// Nothing.
    None,
    /// The processor decides after `--slow-ms`.
    Slow,
    /// The processor decides after `--late-ms`.
    Late,
    /// The first Charge call's answer is lost once the payment is decided: it fails as if the
    /// connection broke. Other calls tell the truth.
    ReplyLost,
    /// No Charge call is ever answered before its deadline. Resolve and `GetPayment` tell the truth.
    NoReply,
    /// The first Charge call fails with INTERNAL once the payment is decided. Other calls tell the
    /// truth.
    ErrorAfterCapture,
    /// The first `calls` Charge calls of a key fail with UNAVAILABLE and leave no trace.
    Unavailable {
        /// How many, from 1 to [`MAX_UNAVAILABLE_CALLS`].
        calls: u32,
    },
}

/// What happens to a payment with a certain token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scenario {
    /// How it ends.
    pub verdict: Verdict,
    /// What goes wrong before.
    pub trouble: Trouble,
}

/// The largest N of `tok_unavailable_N`.
pub const MAX_UNAVAILABLE_CALLS: u32 = 1_000;

const UNAVAILABLE_PREFIX: &str = "tok_unavailable_";

impl Scenario {
    /// The scenario of a named test token; `None` for every other token.
    #[must_use]
    pub fn of_named(token: &PaymentToken) -> Option<Self> {
        let name = token.expose();
        if let Some(known) = TEST_TOKENS.iter().find(|known| known.name == name) {
            return Some(known.scenario);
        }
        let digits = name.strip_prefix(UNAVAILABLE_PREFIX)?;
        let calls =
            digits.parse().ok().filter(|calls| (1..=MAX_UNAVAILABLE_CALLS).contains(calls))?;
        Some(paid_after(Trouble::Unavailable { calls }))
    }
}

/// A card of the test table.
#[derive(Debug)]
pub struct TestCard {
    /// Its number, without spaces.
    pub number: &'static str,
    /// What happens when it is charged.
    pub verdict: Verdict,
    /// The same in words.
    pub meaning: &'static str,
}

/// A token that needs no card.
#[derive(Debug)]
pub struct TestToken {
    /// What to pass as `payment_token`.
    pub name: &'static str,
    /// What happens when it is charged.
    pub scenario: Scenario,
    /// The same in words.
    pub meaning: &'static str,
}

const fn card(number: &'static str, verdict: Verdict, meaning: &'static str) -> TestCard {
    TestCard { number, verdict, meaning }
}

const fn paid_after(trouble: Trouble) -> Scenario {
    Scenario { verdict: Verdict::Paid, trouble }
}

const fn paid(name: &'static str, trouble: Trouble, meaning: &'static str) -> TestToken {
    TestToken { name, scenario: paid_after(trouble), meaning }
}

const fn declined(name: &'static str, reason: DeclineReason, meaning: &'static str) -> TestToken {
    let verdict = Verdict::Declined(reason);
    TestToken { name, scenario: Scenario { verdict, trouble: Trouble::None }, meaning }
}

/// The cards, in Stripe's numbering. Any month from now on and any code go with them. Every other
/// number with a correct check digit is declined without a reason.
pub const TEST_CARDS: &[TestCard] = &[
    card("4242424242424242", Verdict::Paid, "paid (Visa)"),
    card("5555555555554444", Verdict::Paid, "paid (Mastercard)"),
    card("378282246310005", Verdict::Paid, "paid (American Express)"),
    card(
        "4000000000000002",
        Verdict::Declined(DeclineReason::Generic),
        "declined, no reason given",
    ),
    card(
        "4000000000009995",
        Verdict::Declined(DeclineReason::InsufficientFunds),
        "declined: not enough money",
    ),
    card("4000000000009987", Verdict::Declined(DeclineReason::LostCard), "declined: card lost"),
    card("4000000000009979", Verdict::Declined(DeclineReason::StolenCard), "declined: card stolen"),
    card(
        "4000000000000069",
        Verdict::Declined(DeclineReason::ExpiredCard),
        "declined: card expired",
    ),
    card(
        "4000000000000119",
        Verdict::Declined(DeclineReason::ProcessingError),
        "declined: the processor could not handle the card",
    ),
];

/// The named tokens, but for `tok_unavailable_N`: for N from 1 to [`MAX_UNAVAILABLE_CALLS`] the first
/// N Charge calls of a key fail with UNAVAILABLE and leave no trace, then it is paid. A token that is
/// neither named nor given out by Tokenize is declined as unknown.
pub const TEST_TOKENS: &[TestToken] = &[
    paid("tok_visa", Trouble::None, "paid"),
    paid("tok_mastercard", Trouble::None, "paid"),
    declined("tok_declined", DeclineReason::Generic, "declined, no reason given"),
    declined(
        "tok_insufficient_funds",
        DeclineReason::InsufficientFunds,
        "declined: not enough money",
    ),
    declined("tok_lost", DeclineReason::LostCard, "declined: card lost"),
    declined("tok_stolen", DeclineReason::StolenCard, "declined: card stolen"),
    declined("tok_expired", DeclineReason::ExpiredCard, "declined: card expired"),
    declined(
        "tok_processing_error",
        DeclineReason::ProcessingError,
        "declined: the processor could not handle the card",
    ),
    paid("tok_slow", Trouble::Slow, "paid after 3 s (`--slow-ms`), PROCESSING until then"),
    paid("tok_late", Trouble::Late, "paid after 20 s (`--late-ms`), PROCESSING until then"),
    paid(
        "tok_reply_lost",
        Trouble::ReplyLost,
        "paid, but the first Charge call's answer is lost: UNAVAILABLE without an ErrorInfo; \
         every other call tells the truth",
    ),
    paid(
        "tok_no_reply",
        Trouble::NoReply,
        "paid, but no Charge call is ever answered before its deadline; Resolve and GetPayment tell \
         the truth",
    ),
    paid(
        "tok_error_after_capture",
        Trouble::ErrorAfterCapture,
        "paid, but the first Charge call fails with INTERNAL; every other call tells the truth",
    ),
];

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, fmt::Write};

    use super::*;

    fn scenario(token: &str) -> Option<Scenario> {
        Scenario::of_named(&token.parse().unwrap())
    }

    #[test]
    fn every_test_card_can_be_a_cards_number() {
        for card in TEST_CARDS {
            let number = CardNumber::parse(card.number).ok().unwrap();
            assert_eq!(Verdict::of_card(&number), card.verdict, "{}", card.number);
        }
    }

    #[test]
    fn a_card_that_is_no_test_card_is_declined() {
        let number = CardNumber::parse("6011 1111 1111 1117").ok().unwrap();
        assert_eq!(Verdict::of_card(&number), Verdict::Declined(DeclineReason::Generic));
    }

    #[test]
    fn every_named_token_is_named_once_and_found() {
        let names: BTreeSet<_> = TEST_TOKENS.iter().map(|token| token.name).collect();
        assert_eq!(names.len(), TEST_TOKENS.len());
        for token in TEST_TOKENS {
            assert_eq!(scenario(token.name), Some(token.scenario), "{}", token.name);
        }
    }

    #[test]
    fn the_number_of_unavailable_calls_is_read_from_the_token() {
        assert_eq!(
            scenario("tok_unavailable_3"),
            Some(paid_after(Trouble::Unavailable { calls: 3 }))
        );
        for other in
            ["tok_unavailable_", "tok_unavailable_0", "tok_unavailable_1001", "visa", "tok_"]
        {
            assert_eq!(scenario(other), None, "{other}");
        }
    }

    #[test]
    fn the_documented_table_is_this_table() {
        let mut table = "| card | what happens |\n|---|---|\n".to_owned();
        for card in TEST_CARDS {
            writeln!(table, "| `{}` | {} |", card.number, card.meaning).unwrap();
        }
        table.push_str("\n| token | what happens |\n|---|---|\n");
        for token in TEST_TOKENS {
            writeln!(table, "| `{}` | {} |", token.name, token.meaning).unwrap();
        }
        let document = include_str!("../../TEST-CARDS.md");
        for line in table.lines() {
            assert!(document.lines().any(|other| other == line), "TEST-CARDS.md lacks: {line}");
        }
    }
}
