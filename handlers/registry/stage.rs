//! The script root: what `func start --script-root DIR` and a deployment take.

use std::fs;
use std::io;
use std::path::Path;

use super::Registry;
use super::files::{FALLBACK, fallback_json, function_json, host_json};
use serde_json::Value;

/// Lays out `dir`: `host.json`, one folder for each function, and the program `binary` as `handler`. A
/// folder that was staged before is replaced; another one that is not empty is refused.
///
/// # Errors
/// Those of the file system, and `AlreadyExists` for a folder that holds something else.
pub fn stage(registry: &Registry, binary: &Path, dir: &Path) -> io::Result<()> {
    match fs::read_dir(dir) {
        Ok(mut entries) => {
            if entries.next().is_some() && !dir.join("host.json").exists() {
                let problem = format!("{} is not empty and not a staged script root", dir.display());
                return Err(io::Error::new(io::ErrorKind::AlreadyExists, problem));
            }
            fs::remove_dir_all(dir)?;
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    fs::create_dir_all(dir)?;
    write(&dir.join("host.json"), &host_json())?;
    for function in registry.functions() {
        let folder = dir.join(function.name);
        fs::create_dir(&folder)?;
        write(&folder.join("function.json"), &function_json(function))?;
    }
    let fallback = dir.join(FALLBACK);
    fs::create_dir(&fallback)?;
    write(&fallback.join("function.json"), &fallback_json())?;
    // A copy keeps the mode of the program, so the execute bit goes with it.
    fs::copy(binary, dir.join("handler"))?;
    Ok(())
}

fn write(path: &Path, value: &Value) -> io::Result<()> {
    fs::write(path, serde_json::to_vec_pretty(value)?)
}
