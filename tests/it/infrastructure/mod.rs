//! The infrastructure, as far as it can be proven without Azure: its templates hold together and follow from the
//! code, its manifests are whole, its steps do what they say, and what they deliver runs.
//!
//! Every check is a function from files to complaints, so that each is also shown a broken file.

mod alerts;
mod bicep;
mod capacity;
mod delivery;
mod kubernetes;
mod package;
mod roles;
mod settings;
mod templates;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;

/// Files below `bicep/`, by path.
pub type Files = BTreeMap<String, String>;

pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A file of the repository.
pub fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

pub fn read_json(path: &str) -> Value {
    serde_json::from_str(&read(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// All files below `bicep/`.
pub fn files() -> Files {
    let base = root().join("bicep");
    let mut folders = vec![base.clone()];
    let mut found = Files::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path: PathBuf = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(&base).unwrap().to_str().unwrap().to_owned();
                found.insert(name, std::fs::read_to_string(path).unwrap());
            }
        }
    }
    found
}

/// The files with one text replaced, which must be there.
pub fn with(path: &str, old: &str, new: &str) -> Files {
    let mut files = files();
    let text = files.get_mut(path).unwrap_or_else(|| panic!("no {path}"));
    assert!(text.contains(old), "{path} does not hold {old}");
    *text = text.replacen(old, new, 1);
    files
}

/// The documents of a YAML file.
pub fn yaml(text: &str) -> Vec<Value> {
    serde_yaml_ng::Deserializer::from_str(text)
        .map(|document| serde::Deserialize::deserialize(document).unwrap())
        .collect()
}

/// Fails unless one of the complaints speaks of `word`.
#[track_caller]
pub fn complains(complaints: &[String], word: &str) {
    assert!(complaints.iter().any(|complaint| complaint.contains(word)), "nothing about {word}: {complaints:#?}");
}

#[track_caller]
pub fn content(complaints: Vec<String>) {
    assert!(complaints.is_empty(), "{complaints:#?}");
}
