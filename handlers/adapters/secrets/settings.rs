//! Secrets from the settings and, for a development machine, from a file beside the data.
//!
//! A value that the settings give always wins. What the product has to make up itself (signing
//! keys) is kept in a JSON object in a file that only its owner can read. The file is replaced
//! whole: the new text is written beside it, synchronised, renamed over it, and the directory is
//! synchronised. Creation happens under an exclusive lock on a second file, which is never replaced,
//! so that of several processes that start at once one wins and all get its value.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use async_trait::async_trait;

use super::rules::check_name;
use crate::adapters::sqlite::database::blocking;
use crate::ports::secrets::{Secret, Secrets};
use crate::ports::{PortError, PortErrorKind, PortResult};

/// Named values from the settings, then from a file.
pub struct SettingsSecrets {
    values: BTreeMap<String, Secret>,
    file: Option<PathBuf>,
}

impl SettingsSecrets {
    /// `values` by name from the settings; `file` is where created secrets are kept, and `None`
    /// where none may be created. The file's directory must exist.
    pub fn new(values: BTreeMap<String, Secret>, file: Option<PathBuf>) -> Self {
        Self { values, file }
    }
}

#[async_trait]
impl Secrets for SettingsSecrets {
    async fn get(&self, name: &str) -> PortResult<Option<Secret>> {
        check_name(name)?;
        if let Some(value) = self.values.get(name) {
            return Ok(Some(value.clone()));
        }
        let Some(file) = self.file.clone() else { return Ok(None) };
        let mut stored = blocking(move || read(&file)).await?;
        Ok(stored.remove(name).map(Secret::new))
    }
}

impl SettingsSecrets {
    /// Stores a value that survives a restart, unless one is there; gives the one that is stored.
    ///
    /// # Errors
    /// `InvalidRequest` that names the secret when there is neither a value nor a file to keep one in.
    pub async fn get_or_create(&self, name: &str, fresh: Secret) -> PortResult<Secret> {
        if let Some(present) = self.get(name).await? {
            return Ok(present);
        }
        let Some(file) = self.file.clone() else {
            return Err(PortError::invalid(format!("the secret {name:?} must be given by the settings")));
        };
        let name = name.to_owned();
        blocking(move || create(&file, name, fresh)).await
    }
}

fn create(file: &Path, name: String, fresh: Secret) -> PortResult<Secret> {
    let lock = private(OpenOptions::new().write(true).create(true).truncate(false))
        .open(beside(file, "lock"))
        .map_err(|error| file_failed(file, error))?;
    // Let go when the handle is closed, be it by the death of the process.
    lock.lock().map_err(|error| file_failed(file, error))?;
    let mut stored = read(file)?;
    if let Some(present) = stored.get(&name) {
        return Ok(Secret::new(present));
    }
    stored.insert(name, fresh.expose().to_owned());
    replace(file, &stored).map_err(|error| file_failed(file, error))?;
    Ok(fresh)
}

fn read(file: &Path) -> PortResult<BTreeMap<String, String>> {
    match fs::read(file) {
        // The cause is not kept: serde_json's message may quote the text.
        Ok(text) => serde_json::from_slice(&text)
            .map_err(|_| PortError::corrupt(format!("{} is not a JSON object of texts", file.display()))),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(BTreeMap::new()),
        Err(error) => Err(file_failed(file, error)),
    }
}

fn replace(file: &Path, secrets: &BTreeMap<String, String>) -> io::Result<()> {
    let draft_path = beside(file, "new");
    // What a process that died may have left; the lock keeps all others out.
    match fs::remove_file(&draft_path) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut draft = private(OpenOptions::new().write(true).create_new(true)).open(&draft_path)?;
    draft.write_all(&serde_json::to_vec_pretty(secrets)?)?;
    draft.sync_all()?;
    fs::rename(&draft_path, file)?;
    sync_directory_of(file)
}

fn beside(file: &Path, suffix: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".");
    name.push(suffix);
    PathBuf::from(name)
}

/// Makes a file that is created readable by its owner only.
#[cfg(unix)]
fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600)
}

#[cfg(not(unix))]
fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    options
}

/// Makes a rename survive a loss of power (POSIX keeps it in the directory).
#[cfg(unix)]
fn sync_directory_of(file: &Path) -> io::Result<()> {
    let directory = file.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(directory)?.sync_all()
}

/// Other systems keep their directories themselves.
#[cfg(not(unix))]
fn sync_directory_of(_file: &Path) -> io::Result<()> {
    Ok(())
}

fn file_failed(file: &Path, error: io::Error) -> PortError {
    PortError::new(PortErrorKind::Unavailable, format!("the secrets' file {} failed", file.display()))
        .with_source(error)
}
