//! Which crate may depend on which other one of the workspace.

use toml::{Table, Value};

use super::SERVICES;

/// What each crate may build on, beside what is not ours. Tests may know no more.
fn allowed(krate: &str) -> Option<Vec<&'static str>> {
    let common = ["oxcart-proto", "oxcart-types", "service-kit"];
    let with_services = || SERVICES.into_iter().chain(common);
    match krate {
        "oxcart-types" => Some(Vec::new()),
        "oxcart-proto" => Some(vec!["oxcart-types"]),
        // The client is built into a shop's own programs as well.
        "service-kit" | "oxcart-client" => Some(vec!["oxcart-proto", "oxcart-types"]),
        "loadgen" => Some(vec!["oxcart-client", "oxcart-proto", "oxcart-types"]),
        "oxcart" => Some(with_services().chain(["oxcart-client"]).collect()),
        "e2e" => Some(with_services().chain(["oxcart-client", "oxcart", "loadgen"]).collect()),
        service if SERVICES.contains(&service) => Some(common.to_vec()),
        _ => None,
    }
}

const OURS: [&str; 7] =
    ["oxcart-proto", "oxcart-types", "service-kit", "oxcart-client", "oxcart", "e2e", "loadgen"];

fn is_ours(krate: &str) -> bool {
    OURS.contains(&krate) || SERVICES.contains(&krate)
}

/// What is wrong with a `Cargo.toml`.
#[must_use]
pub fn check_manifest(file: &str, text: &str) -> Vec<String> {
    let Ok(manifest) = text.parse::<Table>() else { return vec!["is no TOML".to_owned()] };
    let Some(name) = manifest.get("package").and_then(|package| package.get("name")?.as_str())
    else {
        // The workspace's own manifest has no package.
        return if file == "Cargo.toml" { Vec::new() } else { vec!["names no package".to_owned()] };
    };
    let Some(allowed) = allowed(name) else {
        return vec![format!("the house rules know no crate {name}: say what it may depend on")];
    };
    let forbidden = |krate: &String| is_ours(krate) && !allowed.contains(&krate.as_str());
    let mut wrong: Vec<String> = dependencies(&manifest)
        .into_iter()
        .filter(forbidden)
        .map(|krate| format!("{name} must not depend on {krate}"))
        .collect();
    let inherits = |table: &Table| table.get("lints")?.get("workspace")?.as_bool();
    if inherits(&manifest) != Some(true) {
        wrong.push(format!("{name} must have the workspace's lints"));
    }
    wrong
}

/// The real names of all dependencies, of whatever kind and platform.
fn dependencies(manifest: &Table) -> Vec<String> {
    let mut found = Vec::new();
    for (key, value) in manifest {
        let Value::Table(table) = value else { continue };
        if key.ends_with("dependencies") {
            found.extend(table.iter().map(|(name, wanted)| real_name(name, wanted)));
        } else if key == "target" {
            let platforms = table.values().filter_map(Value::as_table);
            found.extend(platforms.flat_map(dependencies));
        }
    }
    found
}

fn real_name(name: &str, wanted: &Value) -> String {
    wanted.get("package").and_then(Value::as_str).unwrap_or(name).to_owned()
}
