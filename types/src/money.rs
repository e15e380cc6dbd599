//! Amounts of money: whole minor units of one currency, checked arithmetic, no floats.

use std::{fmt, str::FromStr};

/// The largest amount that [`Money`] holds, in minor units. A thousand times below what an `i64`
/// holds, so that sums can be checked before they overflow, and exact in a JSON number.
pub const MAX_AMOUNT: i64 = 1_000_000_000_000_000;

/// Why an amount was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MoneyError {
    /// The code is not in ISO 4217.
    #[error("must be an ISO 4217 currency code in upper case, for example GBP")]
    UnknownCurrency,
    /// Prices and totals are never negative.
    #[error("must not be negative")]
    Negative,
    /// The amount is over [`MAX_AMOUNT`].
    #[error("must be at most {MAX_AMOUNT} minor units")]
    TooLarge,
    /// The text is no plain decimal number.
    #[error("must be a plain decimal number, for example 12.50")]
    NotDecimal,
    /// The text has more decimals than the currency.
    #[error("must have at most {allowed} decimals")]
    TooManyDecimals {
        /// How many the currency has.
        allowed: u32,
    },
    /// Two amounts of different currencies were to be added.
    #[error("must be in {expected}")]
    OtherCurrency {
        /// The currency of the first amount.
        expected: Currency,
    },
}

/// A currency of ISO 4217.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Currency(iso_currency::Currency);

impl Currency {
    /// The three-letter code, for example `GBP`.
    #[must_use]
    pub fn code(self) -> &'static str {
        self.0.code()
    }

    /// How many decimals an amount has: 2 for GBP, 0 for JPY, 3 for KWD.
    #[must_use]
    pub fn decimals(self) -> u32 {
        self.0.exponent().map_or(0, u32::from)
    }
}

impl FromStr for Currency {
    type Err = MoneyError;

    fn from_str(code: &str) -> Result<Self, MoneyError> {
        iso_currency::Currency::from_code(code).map(Self).ok_or(MoneyError::UnknownCurrency)
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

/// An amount from 0 to [`MAX_AMOUNT`] minor units of one currency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Money {
    currency: Currency,
    minor_units: i64,
}

impl Money {
    /// An amount of `minor_units`: pence for GBP.
    ///
    /// # Errors
    /// [`MoneyError::Negative`] and [`MoneyError::TooLarge`].
    pub const fn new(currency: Currency, minor_units: i64) -> Result<Self, MoneyError> {
        match Self::check_minor_units(minor_units) {
            Ok(minor_units) => Ok(Self { currency, minor_units }),
            Err(error) => Err(error),
        }
    }

    /// Checks a number of minor units; the limits are those of every currency.
    ///
    /// # Errors
    /// [`MoneyError::Negative`] and [`MoneyError::TooLarge`].
    pub const fn check_minor_units(minor_units: i64) -> Result<i64, MoneyError> {
        match minor_units {
            ..0 => Err(MoneyError::Negative),
            0..=MAX_AMOUNT => Ok(minor_units),
            _ => Err(MoneyError::TooLarge),
        }
    }

    /// Nothing, in `currency`.
    #[must_use]
    pub const fn zero(currency: Currency) -> Self {
        Self { currency, minor_units: 0 }
    }

    /// Parses an amount and a code as they stand on the wire and in databases.
    ///
    /// # Errors
    /// [`MoneyError::UnknownCurrency`], [`MoneyError::Negative`], [`MoneyError::TooLarge`].
    pub fn from_parts(currency_code: &str, minor_units: i64) -> Result<Self, MoneyError> {
        Self::new(currency_code.parse()?, minor_units)
    }

    /// Parses a plain decimal such as `12.5` or `12.50`: digits, at most one point, no sign but a
    /// minus that is refused as such.
    ///
    /// # Errors
    /// Any [`MoneyError`] but [`MoneyError::OtherCurrency`].
    pub fn parse_decimal(currency: Currency, text: &str) -> Result<Self, MoneyError> {
        let (negative, digits) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
        let is_number = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        if !is_number(whole) || !is_number(fraction) {
            return Err(MoneyError::NotDecimal);
        }
        if negative {
            return Err(MoneyError::Negative);
        }
        let decimals = currency.decimals();
        let significant = fraction.trim_end_matches('0');
        if significant.len() > decimals as usize {
            return Err(MoneyError::TooManyDecimals { allowed: decimals });
        }
        let minor_digits = format!("{whole}{significant:0<width$}", width = decimals as usize);
        let minor_units = minor_digits.parse().map_err(|_| MoneyError::TooLarge)?;
        Self::new(currency, minor_units)
    }

    /// The amount in the currency's minor unit.
    #[must_use]
    pub const fn minor_units(self) -> i64 {
        self.minor_units
    }

    /// What the amount is counted in.
    #[must_use]
    pub const fn currency(self) -> Currency {
        self.currency
    }

    /// The sum of two amounts.
    ///
    /// # Errors
    /// [`MoneyError::OtherCurrency`], [`MoneyError::TooLarge`].
    pub fn checked_add(self, other: Self) -> Result<Self, MoneyError> {
        if self.currency != other.currency {
            return Err(MoneyError::OtherCurrency { expected: self.currency });
        }
        Self::new(self.currency, self.minor_units + other.minor_units)
    }

    /// The price of `quantity` pieces.
    ///
    /// # Errors
    /// [`MoneyError::TooLarge`].
    pub fn checked_mul(self, quantity: crate::Quantity) -> Result<Self, MoneyError> {
        let product = self.minor_units.checked_mul(i64::from(quantity.get()));
        let product = product.ok_or(MoneyError::TooLarge)?;
        Self::new(self.currency, product)
    }
}

/// Formats with thousands separated and the currency's decimals: `GBP 1,234.50`, `JPY 1,234`.
impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let decimals = self.currency.decimals() as usize;
        let digits = format!("{:0>width$}", self.minor_units, width = decimals + 1);
        let (whole, fraction) = digits.split_at(digits.len() - decimals);
        let mut text = format!("{} ", self.currency);
        for (index, digit) in whole.chars().enumerate() {
            if index > 0 && (whole.len() - index).is_multiple_of(3) {
                text.push(',');
            }
            text.push(digit);
        }
        if decimals > 0 {
            text.push('.');
            text.push_str(fraction);
        }
        f.pad(&text)
    }
}

#[cfg(test)]
mod tests {
    use proptest::{prop_assert_eq, proptest};

    use super::*;

    fn currency(code: &str) -> Currency {
        code.parse().unwrap()
    }

    fn gbp(minor_units: i64) -> Money {
        Money::new(currency("GBP"), minor_units).unwrap()
    }

    #[test]
    fn amounts_are_shown_in_the_decimals_of_their_currency() {
        for (code, minor_units, shown) in [
            ("GBP", 0, "GBP 0.00"),
            ("GBP", 5, "GBP 0.05"),
            ("GBP", 63_070_306, "GBP 630,703.06"),
            ("JPY", 1_234, "JPY 1,234"),
            ("KWD", 1_234_567, "KWD 1,234.567"),
        ] {
            assert_eq!(Money::from_parts(code, minor_units).unwrap().to_string(), shown);
        }
    }

    #[test]
    fn decimals_are_read_exactly() {
        for (code, text, minor_units) in [
            ("GBP", "12.5", 1_250),
            ("GBP", "0.10", 10),
            ("GBP", "12.500", 1_250),
            ("GBP", "7", 700),
            ("JPY", "7", 7),
            ("JPY", "7.00", 7),
        ] {
            let read = Money::parse_decimal(currency(code), text);
            assert_eq!(read.map(Money::minor_units), Ok(minor_units), "{code} {text}");
        }
    }

    #[test]
    fn what_is_no_price_is_refused_with_its_reason() {
        for (code, text, error) in [
            ("GBP", "", MoneyError::NotDecimal),
            ("GBP", "1e3", MoneyError::NotDecimal),
            ("GBP", "+1", MoneyError::NotDecimal),
            ("GBP", "1.", MoneyError::NotDecimal),
            ("GBP", ".5", MoneyError::NotDecimal),
            ("GBP", "1,000", MoneyError::NotDecimal),
            ("GBP", "NaN", MoneyError::NotDecimal),
            ("GBP", "-1", MoneyError::Negative),
            ("GBP", "1.005", MoneyError::TooManyDecimals { allowed: 2 }),
            ("JPY", "1.5", MoneyError::TooManyDecimals { allowed: 0 }),
            ("GBP", "10000000000000.01", MoneyError::TooLarge),
            ("GBP", "99999999999999999999999999", MoneyError::TooLarge),
        ] {
            assert_eq!(Money::parse_decimal(currency(code), text), Err(error), "{code} {text}");
        }
    }

    #[test]
    fn arithmetic_refuses_what_it_cannot_hold() {
        let most = gbp(MAX_AMOUNT);
        assert_eq!(most.checked_add(gbp(1)), Err(MoneyError::TooLarge));
        assert_eq!(most.checked_mul(1_000_000.try_into().unwrap()), Err(MoneyError::TooLarge));
        let yen = Money::from_parts("JPY", 1).unwrap();
        let expected = currency("GBP");
        assert_eq!(gbp(1).checked_add(yen), Err(MoneyError::OtherCurrency { expected }));
        assert_eq!(Money::from_parts("gbp", 1), Err(MoneyError::UnknownCurrency));
    }

    proptest! {
        #[test]
        fn what_is_shown_reads_back(minor_units in 0..=MAX_AMOUNT) {
            let amount = gbp(minor_units);
            let text = amount.to_string().replace("GBP ", "").replace(',', "");
            prop_assert_eq!(Money::parse_decimal(amount.currency(), &text), Ok(amount));
        }
    }
}
