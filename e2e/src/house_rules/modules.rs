//! Which modules every service has, by the same names, so that who knows one service finds the way in
//! all of them.

use super::{SERVICES, Violation};

/// The modules of every service, below its `src/`.
const EVERYWHERE: [&str; 10] = [
    "main.rs",
    "lib.rs",
    "config.rs",
    "api.rs",
    "api/request.rs",
    "api/response.rs",
    "api/status.rs",
    "app.rs",
    "app/error.rs",
    "domain.rs",
];

/// The modules of every service that keeps something.
const STORE: [&str; 4] = ["store.rs", "store/memory.rs", "store/row.rs", "store/sql.rs"];

/// The modules that a service lacks. `files` are the paths of the workspace's files from its root.
#[must_use]
pub fn check_modules(files: &[String]) -> Vec<Violation> {
    let missing = |service: &str| {
        // The controller keeps nothing.
        let store = STORE.iter().filter(|_| service != "controller-svc");
        let paths = EVERYWHERE.iter().chain(store).map(|module| format!("{service}/src/{module}"));
        paths.filter(|path| !files.contains(path)).collect::<Vec<_>>()
    };
    let missing = SERVICES.into_iter().flat_map(missing);
    let what = || "is missing: every service has this module".to_owned();
    missing.map(|file| Violation { file, what: what() }).collect()
}
