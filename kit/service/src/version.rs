//! Which build this is.

use std::sync::LazyLock;

/// The commit that this was built from, if whoever built it said so.
const COMMIT: Option<&str> = option_env!("OXCART_COMMIT");

static VERSION: LazyLock<String> = LazyLock::new(|| describe(COMMIT));

/// The version and the commit, such as `0.1.0 (commit 5ba11eb)`, as `--version` shows them. The commit
/// is what `OXCART_COMMIT` was at compile time.
#[must_use]
pub fn version() -> &'static str {
    &VERSION
}

fn describe(commit: Option<&str>) -> String {
    let commit = commit.filter(|commit| !commit.is_empty()).unwrap_or("unknown");
    format!("{} (commit {commit})", env!("CARGO_PKG_VERSION"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_names_the_commit_or_says_that_it_is_unknown() {
        assert!(describe(Some("5ba11eb")).ends_with(" (commit 5ba11eb)"));
        assert!(describe(Some("")).ends_with(" (commit unknown)"));
        assert_eq!(version(), describe(COMMIT));
    }
}
