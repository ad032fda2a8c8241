//! The script root: what `func start --script-root DIR` and a deployment take.

use std::fs;
use std::io;
use std::path::Path;

use serde_json::Value;

use super::Registry;
use super::files::{FALLBACK, fallback_json, function_json, host_json};
use crate::types::Service;

/// The name of the program in a script root, as `host.json` says.
const PROGRAM: &str = "handler";
/// What the Functions tools keep in a script root for one developer; left as it is.
const LOCAL_SETTINGS: &str = "local.settings.json";

/// Lays out `dir`: `host.json`, one folder for each function of `registry`, and the program `binary` as
/// `handler`. `services` are those of the registry: where they are not all, `host.json` starts the
/// program with them, so that it serves what is staged. What was staged before is replaced; a
/// folder that holds anything else is refused untouched.
///
/// # Errors
/// Those of the file system, and `AlreadyExists` for a folder that holds something else.
pub fn stage(registry: &Registry, services: &[Service], binary: &Path, dir: &Path) -> io::Result<()> {
    clear(dir)?;
    fs::create_dir_all(dir)?;
    write(&dir.join("host.json"), &host_json(&arguments(services)))?;
    for function in registry.functions() {
        let folder = dir.join(function.name);
        fs::create_dir(&folder)?;
        write(&folder.join("function.json"), &function_json(function))?;
    }
    let fallback = dir.join(FALLBACK);
    fs::create_dir(&fallback)?;
    write(&fallback.join("function.json"), &fallback_json())?;
    // A copy keeps the mode of the program, so the execute bit goes with it.
    fs::copy(binary, dir.join(PROGRAM))?;
    Ok(())
}

/// What the program is started with, to serve only `services`. The host joins arguments with blanks and
/// does not quote them; none of these has one.
fn arguments(services: &[Service]) -> Vec<String> {
    if Service::ALL.iter().all(|service| services.contains(service)) {
        return Vec::new();
    }
    let names: Vec<&str> = services.iter().map(|service| service.name()).collect();
    vec!["serve".into(), "--services".into(), names.join(",")]
}

/// Removes what an earlier call left, after looking at all of it: somebody's project has a `host.json` too.
fn clear(dir: &Path) -> io::Result<()> {
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>()?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    for entry in &entries {
        if !staged(entry)? {
            let problem = format!("{} holds {}, which is not staged", dir.display(), entry.display());
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, problem));
        }
    }
    for entry in entries {
        if entry.is_dir() {
            fs::remove_dir_all(entry)?;
        } else if entry.file_name().is_some_and(|name| name != LOCAL_SETTINGS) {
            fs::remove_file(entry)?;
        }
    }
    Ok(())
}

/// Whether an entry of a script root is one that staging makes: a folder with at most `function.json` in
/// it, or one of a few files.
fn staged(entry: &Path) -> io::Result<bool> {
    if fs::symlink_metadata(entry)?.is_dir() {
        let mut names = fs::read_dir(entry)?.map(|inner| Ok(inner?.file_name()));
        return names.try_fold(true, |so_far, name: io::Result<_>| Ok(so_far && name? == "function.json"));
    }
    Ok(entry.file_name().is_some_and(|name| name == "host.json" || name == PROGRAM || name == LOCAL_SETTINGS))
}

fn write(path: &Path, value: &Value) -> io::Result<()> {
    fs::write(path, serde_json::to_vec_pretty(value)?)
}
