//! Tables for people: each column as wide as its widest cell, numbers to the right.

use std::io::{self, Write};

/// Cells are cut to this many characters, so that one long name does not spoil a table.
const MAX_CELL_CHARS: usize = 48;

/// On which side of its column a cell stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Align {
    /// For words.
    Left,
    /// For numbers, so that their digits stand below each other.
    Right,
}

/// Rows below a line of headings.
#[derive(Debug, Clone)]
pub struct Table<const N: usize> {
    headings: [&'static str; N],
    aligns: [Align; N],
    rows: Vec<[String; N]>,
}

impl<const N: usize> Table<N> {
    /// A table without rows.
    #[must_use]
    pub fn new(columns: [(&'static str, Align); N]) -> Self {
        Self { headings: columns.map(|c| c.0), aligns: columns.map(|c| c.1), rows: Vec::new() }
    }

    /// Adds a row.
    pub fn row(&mut self, cells: [String; N]) {
        self.rows.push(cells.map(|cell| tidy(&cell)));
    }

    /// Writes the headings, a rule and the rows, each line two spaces in.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn write_to(&self, out: &mut impl Write) -> io::Result<()> {
        let widths = self.widths();
        self.write_line(out, &widths, &self.headings)?;
        let rules = widths.map(|width| "-".repeat(width));
        self.write_line(out, &widths, &rules)?;
        self.rows.iter().try_for_each(|row| self.write_line(out, &widths, row))
    }

    fn widths(&self) -> [usize; N] {
        let mut widths = self.headings.map(|heading| heading.chars().count());
        for row in &self.rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.chars().count());
            }
        }
        widths
    }

    fn write_line(
        &self,
        out: &mut impl Write,
        widths: &[usize; N],
        cells: &[impl AsRef<str>; N],
    ) -> io::Result<()> {
        let padded = (cells.iter().zip(widths)).zip(self.aligns).map(|((cell, &width), align)| {
            let cell = cell.as_ref();
            match align {
                Align::Left => format!("  {cell:<width$}"),
                Align::Right => format!("  {cell:>width$}"),
            }
        });
        let line: String = padded.collect();
        writeln!(out, "{}", line.trim_end())
    }
}

/// Cuts what is too long, and takes out what would move the cursor of a terminal.
fn tidy(cell: &str) -> String {
    let plain = |c: char| if c.is_control() { '\u{fffd}' } else { c };
    let mut kept: String = cell.chars().take(MAX_CELL_CHARS).map(plain).collect();
    if cell.chars().nth(MAX_CELL_CHARS).is_some() {
        kept.pop();
        kept.push('…');
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown<const N: usize>(table: &Table<N>) -> String {
        let mut out = Vec::new();
        table.write_to(&mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn columns_stand_below_each_other() {
        let mut table = Table::new([("item", Align::Left), ("price", Align::Right)]);
        table.row(["Café crème".into(), "GBP 1.00".into()]);
        table.row(["Tea".into(), "GBP 12.50".into()]);
        let expected = "  item            price
  ----------  ---------
  Café crème   GBP 1.00
  Tea         GBP 12.50
";
        assert_eq!(shown(&table), expected);
    }

    #[test]
    fn a_hostile_name_cannot_spoil_the_table() {
        let mut table = Table::new([("item", Align::Left)]);
        table.row([format!("\u{1b}[2J\n{}", "x".repeat(4_000))]);
        let text = shown(&table);
        assert!(text.lines().count() == 3 && !text.contains('\u{1b}'), "{text}");
        assert!(text.lines().all(|line| line.chars().count() <= 2 + MAX_CELL_CHARS), "{text}");
    }
}
