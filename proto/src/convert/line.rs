//! Lines of carts, with and without their prices.

use oxcart_types::{Line, PricedLine, Quantity, Version};

use crate::{BadFields, common};

impl From<&Line> for common::Line {
    fn from(line: &Line) -> Self {
        Self { sku: line.sku.to_string(), quantity: line.quantity.get() }
    }
}

/// At the price of a quote: for sale, and without a description.
impl From<&PricedLine> for common::PricedLine {
    fn from(line: &PricedLine) -> Self {
        Self {
            sku: line.sku.to_string(),
            name: line.name.to_string(),
            description: String::new(),
            quantity: line.quantity.get(),
            unit_price: Some(line.unit_price.into()),
            line_total: Some(line.line_total.into()),
            unavailable: false,
        }
    }
}

impl BadFields {
    /// Reads a line.
    pub fn line(&mut self, path: &str, line: &common::Line) -> Option<Line> {
        let sku = self.take(format!("{path}.sku"), line.sku.parse());
        let quantity = self.take(format!("{path}.quantity"), Quantity::try_from(line.quantity));
        Some(Line { sku: sku?, quantity: quantity? })
    }

    /// Reads a line with its price. One that is unavailable has none and is refused.
    pub fn priced_line(&mut self, path: &str, line: &common::PricedLine) -> Option<PricedLine> {
        let at = |field: &str| format!("{path}.{field}");
        let sku = self.take(at("sku"), line.sku.parse());
        let quantity = self.take(at("quantity"), Quantity::try_from(line.quantity));
        let unit_price = self.money(&at("unit_price"), line.unit_price.as_ref());
        let line_total = self.money(&at("line_total"), line.line_total.as_ref());
        if line.unavailable {
            self.push(at("unavailable"), "must be false: what is not for sale has no price");
        }
        let name = self.take(at("name"), line.name.parse());
        Some(PricedLine {
            sku: sku?,
            name: name?,
            quantity: quantity?,
            unit_price: unit_price?,
            line_total: line_total?,
        })
    }

    /// Reads several lines with their prices.
    pub fn priced_lines(
        &mut self,
        path: &str,
        lines: &[common::PricedLine],
    ) -> Option<Vec<PricedLine>> {
        let read = |(index, line)| self.priced_line(&format!("{path}[{index}]"), line);
        // Every line is read before the first bad one ends it.
        let lines: Vec<_> = lines.iter().enumerate().map(read).collect();
        lines.into_iter().collect()
    }

    /// Reads an etag that may be empty: then the caller names no version.
    pub fn optional_etag(&mut self, path: &str, etag: &str) -> Option<Option<Version>> {
        match etag {
            "" => Some(None),
            _ => self.take(path, Version::from_etag(etag).map(Some)),
        }
    }
}
