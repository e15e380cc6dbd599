//! The rules of the house, checked over manifests and sources as text: who may know whom, and
//! which modules every service has.
//!
//! Text is enough: the rules are about names, and a name that a macro hides from us would be hidden
//! from a reader as well. What the compiler or clippy can refuse is left to them.

mod manifests;
mod modules;
mod paths;
mod rust_text;
mod sources;

use std::{fmt, fs, io, path::Path};

pub use manifests::check_manifest;
pub use modules::check_modules;
pub use sources::check_source;

/// The five services, as crates.
pub const SERVICES: [&str; 5] =
    ["cart-svc", "catalog-svc", "controller-svc", "idp-stub", "payment-stub"];

/// A rule that a file breaks.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Violation {
    /// The file, from the workspace's root.
    pub file: String,
    /// What is wrong with it.
    pub what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.file, self.what)
    }
}

/// Checks every manifest and source of the workspace at `root`, and says how many files it read.
///
/// # Errors
/// If a file cannot be read.
pub fn check_workspace(root: &Path) -> io::Result<(usize, Vec<Violation>)> {
    let mut files = Vec::new();
    collect(root, root, &mut files)?;
    let mut violations = check_modules(&files);
    for file in &files {
        let text = fs::read_to_string(root.join(file))?;
        let found =
            if is_rust(file) { check_source(file, &text) } else { check_manifest(file, &text) };
        violations.extend(found.into_iter().map(|what| Violation { file: file.clone(), what }));
    }
    violations.sort();
    Ok((files.len(), violations))
}

/// The sources and manifests below `folder`, by their paths from `root` with `/` between the parts.
fn collect(root: &Path, folder: &Path, files: &mut Vec<String>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let (path, kind) = entry.and_then(|entry| Ok((entry.path(), entry.file_type()?)))?;
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if kind.is_dir() {
            if name != "target" && !name.starts_with('.') {
                collect(root, &path, files)?;
            }
        } else if is_rust(name) || name == "Cargo.toml" {
            let relative = path.strip_prefix(root).map_err(io::Error::other)?;
            let parts: Vec<_> = relative.iter().map(|part| part.to_string_lossy()).collect();
            files.push(parts.join("/"));
        }
    }
    Ok(())
}

fn is_rust(file: &str) -> bool {
    Path::new(file).extension().is_some_and(|extension| extension == "rs")
}
