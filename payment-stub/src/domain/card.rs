//! A payment card as it is handed over. Exists for the length of one call.
//!
//! Deliberately absent: `Debug`, `Display` and any way to get the number out. What is left of a card
//! afterwards is a [`KeptCard`].

use time::OffsetDateTime;

use super::{luhn, scenario::Verdict};

/// Why a part of a card was refused. The message fits behind the name of the field and repeats
/// nothing of what was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CardError {
    /// The number is not 12 to 19 digits.
    #[error("must be 12 to 19 digits, spaces allowed")]
    NotDigits,
    /// The number's last digit does not fit the others.
    #[error("must have a correct check digit")]
    WrongCheckDigit,
    /// The month is not from 1 to 12.
    #[error("must be from 1 to 12")]
    NotMonth,
    /// The year does not have four digits.
    #[error("must be a year of four digits, for example 2030")]
    NotYear,
    /// The card has expired.
    #[error("must not be in the past")]
    Expired,
    /// The verification code is not 3 or 4 digits.
    #[error("must be 3 or 4 digits")]
    NotCvc,
}

/// Who issued a card, as far as its number says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Brand {
    /// Begins with 4.
    Visa,
    /// Begins with 51 to 55 or 2221 to 2720.
    Mastercard,
    /// Begins with 34 or 37.
    Amex,
    /// Anything else.
    Other,
}

impl Brand {
    /// Every brand.
    pub const ALL: [Self; 4] = [Self::Visa, Self::Mastercard, Self::Amex, Self::Other];

    /// The name, for a database and for documents.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Visa => "VISA",
            Self::Mastercard => "MASTERCARD",
            Self::Amex => "AMEX",
            Self::Other => "OTHER",
        }
    }

    /// The brand that [`Self::name`] names.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|brand| brand.name() == name)
    }
}

/// A card's number: 12 to 19 digits with a correct check digit.
pub struct CardNumber(Vec<u8>);

impl CardNumber {
    /// Reads digits, with spaces anywhere between them.
    ///
    /// # Errors
    /// [`CardError::NotDigits`], [`CardError::WrongCheckDigit`].
    pub fn parse(text: &str) -> Result<Self, CardError> {
        // Nobody writes more spaces than digits: a huge text is refused without copying it.
        if text.len() > 40 || !text.bytes().all(|byte| byte.is_ascii_digit() || byte == b' ') {
            return Err(CardError::NotDigits);
        }
        let digits: Vec<u8> =
            text.bytes().filter(|&byte| byte != b' ').map(|byte| byte - b'0').collect();
        match digits.len() {
            12..=19 if luhn::holds(&digits) => Ok(Self(digits)),
            12..=19 => Err(CardError::WrongCheckDigit),
            _ => Err(CardError::NotDigits),
        }
    }

    /// The last four digits, to show to the card's owner.
    #[must_use]
    pub fn last_four(&self) -> String {
        let tail = &self.0[self.0.len() - 4..];
        tail.iter().map(|digit| char::from(b'0' + digit)).collect()
    }

    /// Who issued it.
    #[must_use]
    pub fn brand(&self) -> Brand {
        let prefix =
            self.0[..4].iter().fold(0_u32, |number, &digit| 10 * number + u32::from(digit));
        match prefix {
            4000..=4999 => Brand::Visa,
            5100..=5599 | 2221..=2720 => Brand::Mastercard,
            3400..=3499 | 3700..=3799 => Brand::Amex,
            _ => Brand::Other,
        }
    }

    /// Whether it is `number`, which is all digits.
    #[must_use]
    pub fn is(&self, number: &str) -> bool {
        number.bytes().eq(self.0.iter().map(|digit| b'0' + digit))
    }
}

/// Reads a month of expiry.
///
/// # Errors
/// [`CardError::NotMonth`].
pub fn month(number: i32) -> Result<u8, CardError> {
    u8::try_from(number).ok().filter(|month| (1..=12).contains(month)).ok_or(CardError::NotMonth)
}

/// Reads a year of expiry.
///
/// # Errors
/// [`CardError::NotYear`].
pub fn year(number: i32) -> Result<i32, CardError> {
    (1000..=9999).contains(&number).then_some(number).ok_or(CardError::NotYear)
}

/// Checks that a card is good at `now`: until the end of its month, in UTC.
///
/// # Errors
/// [`CardError::Expired`].
pub fn not_expired(month: u8, year: i32, now: OffsetDateTime) -> Result<(), CardError> {
    let today = (now.year(), u8::from(now.month()));
    if (year, month) < today { Err(CardError::Expired) } else { Ok(()) }
}

/// Checks a verification code, which nobody needs afterwards.
///
/// # Errors
/// [`CardError::NotCvc`].
pub fn check_cvc(text: &str) -> Result<(), CardError> {
    let is_cvc = matches!(text.len(), 3 | 4) && text.bytes().all(|byte| byte.is_ascii_digit());
    is_cvc.then_some(()).ok_or(CardError::NotCvc)
}

/// What is kept of a card under its token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptCard {
    /// What the simulated processor answers when it is charged.
    pub verdict: Verdict,
    /// Who issued it.
    pub brand: Brand,
    /// Its last four digits.
    pub last_four: String,
}

impl From<&CardNumber> for KeptCard {
    fn from(number: &CardNumber) -> Self {
        let verdict = Verdict::of_card(number);
        Self { verdict, brand: number.brand(), last_four: number.last_four() }
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn a_number_is_read_with_spaces_and_keeps_its_tail() {
        for (text, brand, last_four) in [
            ("4242 4242 4242 4242", Brand::Visa, "4242"),
            ("5555555555554444", Brand::Mastercard, "4444"),
            ("2223003122003222", Brand::Mastercard, "3222"),
            ("3782 822463 10005", Brand::Amex, "0005"),
            ("6011111111111117", Brand::Other, "1117"),
        ] {
            let number = CardNumber::parse(text).ok().unwrap();
            assert_eq!((number.brand(), number.last_four()), (brand, last_four.to_owned()));
        }
    }

    #[test]
    fn what_cannot_be_a_cards_number_is_refused() {
        for (text, error) in [
            ("", CardError::NotDigits),
            ("4242", CardError::NotDigits),
            ("4242-4242-4242-4242", CardError::NotDigits),
            ("42424242424242424242", CardError::NotDigits),
            ("٤٢٤٢٤٢٤٢٤٢٤٢٤٢٤٢", CardError::NotDigits),
            (&"4".repeat(10_000_000), CardError::NotDigits),
            ("4242424242424241", CardError::WrongCheckDigit),
        ] {
            assert_eq!(CardNumber::parse(text).err(), Some(error));
        }
    }

    #[test]
    fn a_card_is_good_until_its_month_ends() {
        let now = datetime!(2026-11-30 23:59:59 UTC);
        assert_eq!(not_expired(11, 2026, now), Ok(()));
        assert_eq!(not_expired(1, 2027, now), Ok(()));
        assert_eq!(not_expired(10, 2026, now), Err(CardError::Expired));
        assert_eq!(not_expired(12, 2025, now), Err(CardError::Expired));
    }

    #[test]
    fn months_years_and_codes_have_their_limits() {
        assert_eq!((month(1), month(12)), (Ok(1), Ok(12)));
        for wrong in [i32::MIN, -1, 0, 13, 257, i32::MAX] {
            assert_eq!(month(wrong), Err(CardError::NotMonth));
        }
        for wrong in [i32::MIN, 0, 30, 999, 10_000] {
            assert_eq!(year(wrong), Err(CardError::NotYear));
        }
        assert_eq!((check_cvc("123"), check_cvc("1234")), (Ok(()), Ok(())));
        for wrong in ["", "12", "12345", "12a", "-12"] {
            assert_eq!(check_cvc(wrong), Err(CardError::NotCvc));
        }
    }
}
