//! Cuts a CSV file into records that know their line.
//!
//! RFC 4180 with either line ending; lines with nothing in them are passed over. Written here
//! because a mistake in the quoting has to be reported by its line: readers that forgive let one
//! quote too many swallow the rest of the file.

use std::borrow::Cow;

/// Why a record could not be cut into fields. The text fits behind the name of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum QuoteError {
    /// The file ends inside a quoted field.
    #[error("must close the quote that it opens")]
    Unclosed,
    /// A quoted field goes on after its closing quote.
    #[error("must have a comma or the end of the line after a closing quote")]
    TextAfterQuote,
}

/// One row of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record<'a> {
    /// The line it begins on, from 1. Quoted line breaks count.
    pub line: usize,
    /// Its fields without their quotes, as bytes that need not be UTF-8.
    pub fields: Result<Vec<Cow<'a, [u8]>>, QuoteError>,
}

/// Cuts `file` into its records. A byte order mark at the beginning is passed over.
#[must_use]
pub fn records(file: &[u8]) -> Records<'_> {
    Records { rest: file.strip_prefix(b"\xef\xbb\xbf").unwrap_or(file), line: 1 }
}

/// The records of a file that were not read yet.
#[derive(Debug, Clone)]
pub struct Records<'a> {
    rest: &'a [u8],
    line: usize,
}

impl<'a> Iterator for Records<'a> {
    type Item = Record<'a>;

    fn next(&mut self) -> Option<Record<'a>> {
        while self.skip_line_end() {}
        if self.rest.is_empty() {
            return None;
        }
        let line = self.line;
        Some(Record { line, fields: self.fields() })
    }
}

impl<'a> Records<'a> {
    /// Takes the fields up to the end of the record; after a mistake goes on with the next line.
    fn fields(&mut self) -> Result<Vec<Cow<'a, [u8]>>, QuoteError> {
        let mut fields = Vec::new();
        loop {
            fields.push(match self.rest.strip_prefix(b"\"") {
                Some(quoted) => self.quoted(quoted)?,
                None => self.plain(),
            });
            if self.skip_line_end() || self.rest.is_empty() {
                return Ok(fields);
            }
            let Some(next_field) = self.rest.strip_prefix(b",") else {
                self.plain_line();
                return Err(QuoteError::TextAfterQuote);
            };
            self.rest = next_field;
        }
    }

    fn plain(&mut self) -> Cow<'a, [u8]> {
        let is_end = |(index, byte): (usize, &u8)| {
            matches!(byte, b',' | b'\n') || self.rest[index..].starts_with(b"\r\n")
        };
        let length = self.rest.iter().enumerate().position(is_end).unwrap_or(self.rest.len());
        let (field, rest) = self.rest.split_at(length);
        self.rest = rest;
        Cow::Borrowed(field)
    }

    /// Takes a field that begins at `text`, behind its opening quote. Two quotes stand for one.
    fn quoted(&mut self, text: &'a [u8]) -> Result<Cow<'a, [u8]>, QuoteError> {
        let mut field = Cow::Borrowed(&text[..0]);
        let mut rest = text;
        loop {
            let Some(length) = rest.iter().position(|byte| *byte == b'"') else {
                self.rest = &[];
                return Err(QuoteError::Unclosed);
            };
            self.line += line_ends(&rest[..length]);
            if field.is_empty() {
                field = Cow::Borrowed(&rest[..length]);
            } else {
                field.to_mut().extend_from_slice(&rest[..length]);
            }
            rest = &rest[length + 1..];
            let Some(after_pair) = rest.strip_prefix(b"\"") else {
                self.rest = rest;
                return Ok(field);
            };
            field.to_mut().push(b'"');
            rest = after_pair;
        }
    }

    fn plain_line(&mut self) {
        let length = self.rest.iter().position(|byte| *byte == b'\n').unwrap_or(self.rest.len());
        self.rest = &self.rest[length..];
        self.skip_line_end();
    }

    fn skip_line_end(&mut self) -> bool {
        let rest = self.rest.strip_prefix(b"\r\n").or_else(|| self.rest.strip_prefix(b"\n"));
        self.line += usize::from(rest.is_some());
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }
}

fn line_ends(text: &[u8]) -> usize {
    text.split(|byte| *byte == b'\n').skip(1).count()
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prop_assert_eq, proptest};

    use super::*;

    type Read = (usize, Result<Vec<String>, QuoteError>);

    fn read(file: &str) -> Vec<Read> {
        let text = |field: &Cow<'_, [u8]>| String::from_utf8(field.to_vec()).unwrap();
        let fields = |record: Record<'_>| record.fields.map(|all| all.iter().map(text).collect());
        records(file.as_bytes()).map(|record| (record.line, fields(record))).collect()
    }

    fn row(line: usize, fields: &[&str]) -> Read {
        (line, Ok(fields.iter().map(ToString::to_string).collect()))
    }

    #[test]
    fn both_line_endings_and_a_byte_order_mark_are_taken() {
        let expected = vec![row(1, &["a", "b"]), row(2, &["", ""]), row(4, &["c", "d"])];
        assert_eq!(read("a,b\n,\n\nc,d"), expected);
        assert_eq!(read("\u{feff}a,b\r\n,\r\n\r\nc,d\r\n"), expected);
        assert_eq!(read(""), []);
        assert_eq!(read("\u{feff}\r\n\n"), []);
    }

    #[test]
    fn quoted_fields_hold_commas_quotes_and_line_breaks() {
        assert_eq!(
            read("\"a,\"\"b\"\"\",\"\"\r\n\"two\r\nlines\",\"\"\"\"\nx,y 5\" z"),
            [row(1, &["a,\"b\"", ""]), row(2, &["two\r\nlines", "\""]), row(4, &["x", "y 5\" z"])]
        );
    }

    #[test]
    fn a_mistake_in_the_quoting_is_reported_by_its_line() {
        assert_eq!(
            read("a\n\"b\" c,d\ne\n\"f\ng"),
            [
                row(1, &["a"]),
                (2, Err(QuoteError::TextAfterQuote)),
                row(3, &["e"]),
                (4, Err(QuoteError::Unclosed)),
            ]
        );
    }

    proptest! {
        #[test]
        fn what_another_program_writes_reads_back(
            rows in vec(vec("[a-c \",\r\n£]{0,6}", 2..5), 0..5)
        ) {
            let mut writer = ::csv::WriterBuilder::new().flexible(true).from_writer(Vec::new());
            for row in &rows {
                writer.write_record(row).unwrap();
            }
            let file = String::from_utf8(writer.into_inner().unwrap()).unwrap();
            let fields: Vec<_> = read(&file).into_iter().map(|(_, row)| row.unwrap()).collect();
            prop_assert_eq!(fields, rows);
        }

        #[test]
        fn no_bytes_stop_the_reader(file in vec(proptest::sample::select(b"a,\"\r\n\xff".to_vec()), 0..40)) {
            let lines = 1 + line_ends(&file);
            for record in records(&file) {
                assert!(record.line <= lines);
            }
        }
    }
}
