//! Dependencies point one way: a module names only modules of the rows above its own, or the ones
//! that its row allows.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Each module of the crate, and what it may name besides itself.
const ALLOWED: &[(&str, &[&str])] = &[
    ("types", &[]),
    ("ports", &["types"]),
    ("error", &["ports"]),
    ("telemetry", &["error"]),
    ("caching", &["types", "error", "ports", "telemetry"]),
    ("seed", &["types"]),
    ("panics", &[]),
    ("audio", &["types", "panics"]),
    ("pictures", &["types", "panics"]),
    ("understanding", &["types"]),
    ("settings", &["ports", "types"]),
    ("containers", &["ports", "types"]),
    ("lifecycle", &["ports", "types", "containers"]),
    ("identity", &["types", "error", "ports", "containers"]),
    ("catalogue", &["types", "error", "understanding"]),
    ("ordering", &["types", "catalogue"]),
    ("tenants", &["types", "ports", "containers"]),
    ("tiers", &["types", "error", "ports", "containers"]),
    ("http", &["types", "error", "ports", "caching", "identity", "containers"]),
    ("audit", &["types", "ports", "containers", "http"]),
    (
        "state",
        &[
            "types",
            "error",
            "ports",
            "caching",
            "identity",
            "audit",
            "catalogue",
            "tenants",
            "tiers",
            "settings",
            "http",
        ],
    ),
    ("function", &["types", "error", "ports", "identity", "http", "state"]),
    (
        "services",
        &[
            "types",
            "error",
            "ports",
            "caching",
            "identity",
            "catalogue",
            "ordering",
            "tenants",
            "tiers",
            "understanding",
            "audio",
            "pictures",
            "seed",
            "settings",
            "containers",
            "lifecycle",
            "http",
            "audit",
            "state",
            "function",
            "telemetry",
        ],
    ),
    ("registry", &["types", "error", "http", "function", "services"]),
    ("infrastructure", &["types", "containers", "lifecycle", "function", "services", "registry"]),
    ("adapters", &["types", "ports", "audio", "settings"]),
    ("host", &["types", "error", "ports", "http", "state", "function", "registry", "adapters", "telemetry"]),
    (
        "server",
        &[
            "types",
            "error",
            "ports",
            "caching",
            "identity",
            "tiers",
            "http",
            "audit",
            "state",
            "function",
            "registry",
            "host",
            "adapters",
            "telemetry",
        ],
    ),
    (
        "app",
        &[
            "types",
            "error",
            "ports",
            "caching",
            "identity",
            "audit",
            "catalogue",
            "tenants",
            "tiers",
            "understanding",
            "settings",
            "containers",
            "state",
            "registry",
            "services",
            "adapters",
            "host",
            "telemetry",
        ],
    ),
    (
        "cli",
        &[
            "types",
            "error",
            "ports",
            "identity",
            "settings",
            "lifecycle",
            "services",
            "registry",
            "infrastructure",
            "host",
            "server",
            "app",
        ],
    ),
    ("lib", &[]),
];

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// The modules that a source names by `crate::`, in code and not in comments.
fn named(text: &str) -> BTreeSet<String> {
    let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
    code.flat_map(|line| line.match_indices("crate::").map(|(at, mark)| &line[at + mark.len()..]).collect::<Vec<_>>())
        .map(|rest| rest.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect())
        .collect()
}

#[test]
fn dependencies_point_one_way() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("handlers");
    let allowed: BTreeMap<&str, &[&str]> = ALLOWED.iter().copied().collect();
    let mut files = Vec::new();
    sources(&root, &mut files);
    assert!(files.len() > 50, "{} sources", files.len());
    let mut wrong = Vec::new();
    for file in files {
        let path = file.strip_prefix(&root).unwrap();
        let module = path.iter().next().unwrap().to_str().unwrap().trim_end_matches(".rs");
        // Tests may build what they test from anything.
        if module == "main" || path.ends_with("tests.rs") {
            continue;
        }
        let text = std::fs::read_to_string(&file).unwrap();
        let may = allowed.get(module).unwrap_or_else(|| panic!("{module} has no row"));
        for other in named(&text) {
            if other != module && !may.contains(&other.as_str()) && allowed.contains_key(other.as_str()) {
                wrong.push(format!("{} names {other}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn the_table_itself_has_no_circle() {
    for (position, (module, may)) in ALLOWED.iter().enumerate() {
        for other in *may {
            let above = ALLOWED[..position].iter().any(|(name, _)| name == other);
            assert!(above, "{module} may name {other}, which is not above it");
        }
    }
}

#[test]
fn services_know_no_adapter_and_no_warp() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("handlers");
    let mut files = Vec::new();
    for module in [
        "services",
        "http",
        "understanding",
        "catalogue",
        "ordering",
        "audio",
        "pictures",
        "identity",
        "lifecycle",
        "ports",
        "caching",
    ] {
        sources(&root.join(module), &mut files);
    }
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        for name in ["warp::", "rusqlite::", "crate::adapters"] {
            let used = text.lines().any(|line| !line.trim_start().starts_with("//") && line.contains(name));
            assert!(!used, "{} names {name}", file.display());
        }
    }
}
