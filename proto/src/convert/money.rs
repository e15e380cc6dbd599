//! Amounts of money.

use oxcart_types::{Money, MoneyError, Price};

use crate::{BadFields, common};

impl From<Money> for common::Money {
    fn from(amount: Money) -> Self {
        Self {
            currency_code: amount.currency().code().to_owned(),
            minor_units: amount.minor_units(),
        }
    }
}

impl BadFields {
    /// Reads an amount of money that must be set.
    pub fn money(&mut self, path: &str, amount: Option<&common::Money>) -> Option<Money> {
        let amount = self.required(path, amount)?;
        let money = Money::from_parts(&amount.currency_code, amount.minor_units);
        let part = match money {
            Err(MoneyError::UnknownCurrency) => "currency_code",
            _ => "minor_units",
        };
        self.take(format!("{path}.{part}"), money)
    }

    /// Reads the price of one piece, which must be set.
    pub fn price(&mut self, path: &str, price: Option<&common::Money>) -> Option<Price> {
        let money = self.money(path, price)?;
        self.take(format!("{path}.minor_units"), Price::try_from(money))
    }
}
