//! Rows of a CSV file by the names of their columns.

use std::{
    fmt::Display,
    path::{Path, PathBuf},
    str::FromStr,
};

use csv::{Reader, ReaderBuilder, StringRecord};

use super::FileError;

/// A CSV file that is being read.
pub struct Table<'a> {
    path: PathBuf,
    header: StringRecord,
    reader: Reader<&'a [u8]>,
}

impl<'a> Table<'a> {
    /// Reads the first line.
    pub fn new(path: &Path, bytes: &'a [u8]) -> Result<Self, FileError> {
        let mut reader = ReaderBuilder::new().has_headers(true).from_reader(bytes);
        let header = reader.headers().cloned().map_err(|error| bad_csv(path, &error))?;
        Ok(Self { path: path.to_owned(), header, reader })
    }

    /// The place of the column `name`.
    pub fn column(&self, name: &str) -> Result<usize, FileError> {
        self.find_column(|column| column == name)
            .map(|(index, _)| index)
            .ok_or_else(|| FileError::NoColumn { path: self.path.clone(), column: name.to_owned() })
    }

    /// The place and the name of the first column that `is_wanted`.
    pub fn find_column(&self, is_wanted: impl Fn(&str) -> bool) -> Option<(usize, &str)> {
        self.header.iter().enumerate().find(|(_, column)| is_wanted(column))
    }

    /// The next row, or none at the end.
    pub fn next_row(&mut self) -> Result<Option<Row>, FileError> {
        let mut record = StringRecord::new();
        let found =
            self.reader.read_record(&mut record).map_err(|error| bad_csv(&self.path, &error))?;
        Ok(found.then(|| Row { path: self.path.clone(), record }))
    }
}

/// One row.
pub struct Row {
    path: PathBuf,
    record: StringRecord,
}

impl Row {
    /// The text in a column.
    pub fn text(&self, column: usize) -> &str {
        self.record.get(column).unwrap_or_default()
    }

    /// What the text in a column stands for.
    pub fn parse<T>(&self, column: usize, name: &str) -> Result<T, FileError>
    where
        T: FromStr<Err: Display>,
    {
        self.text(column).parse().map_err(|error| self.wrong(name, error))
    }

    /// The refusal of this row because of one column.
    pub fn wrong(&self, name: &str, problem: impl Display) -> FileError {
        self.refuse(format!("{name} {problem}"))
    }

    /// The refusal of this row.
    pub fn refuse(&self, problem: impl Into<String>) -> FileError {
        let line = self.record.position().map_or(0, csv::Position::line);
        FileError::Row { path: self.path.clone(), line, problem: problem.into() }
    }
}

fn bad_csv(path: &Path, error: &csv::Error) -> FileError {
    let line = error.position().map_or(1, csv::Position::line);
    let problem = match error.kind() {
        csv::ErrorKind::Utf8 { .. } => "is not UTF-8".to_owned(),
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
            format!("has {len} fields, the first line has {expected_len}")
        }
        _ => error.to_string(),
    };
    FileError::Row { path: path.to_owned(), line, problem }
}
