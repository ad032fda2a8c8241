//! `handler keys`: the documents of signing keys. The operator stores what it prints; nothing is stored
//! here.

use std::io::Read;

use clap::Subcommand;

use super::{Failure, print};
use crate::identity::{Rotate, rotate};

/// More than the secret store takes (25 KiB in Key Vault).
const MAX_DOCUMENT: u64 = 32 * 1024;

#[derive(Subcommand)]
pub(super) enum KeysCommand {
    /// Reads the present value of the secret jwt-signing-key from stdin and prints the next one
    Rotate {
        /// The present key has leaked: what it signed is refused at once
        #[arg(long)]
        revoke: bool,
    },
}

pub(super) fn run(command: KeysCommand) -> Result<(), Failure> {
    let KeysCommand::Rotate { revoke } = command;
    let mut present = String::new();
    let read = std::io::stdin().lock().take(MAX_DOCUMENT).read_to_string(&mut present);
    read.map_err(|_| "what is on stdin is no text in UTF-8")?;
    let how = if revoke { Rotate::Revoke } else { Rotate::Retire };
    let next = rotate(present.trim(), how, chrono::Utc::now()).map_err(|error| error.chain())?;
    for (state, name) in &next.keys {
        eprintln!("{:9} {name}", format!("{state:?}").to_lowercase());
    }
    print(&format!("{}\n", next.document.expose()))
}
