//! `handler admin`: what only the operator does, at the stores that the settings choose.

use std::collections::BTreeMap;
use std::io::{BufRead, IsTerminal, Read};
use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{Failure, print, told};
use crate::app;
use crate::ports::secrets::Secret;
use crate::services::accounts::Appointed;
use crate::settings::Settings;
use crate::types::TenantId;

/// Bytes of a line that may hold a password.
const MAX_LINE: u64 = 4096;

#[derive(Subcommand)]
pub(super) enum AdminCommand {
    /// Makes the owner of an address an administrator; the password is read from stdin
    Create(CreateArgs),
}

#[derive(Args)]
pub(super) struct CreateArgs {
    #[arg(long)]
    email: String,
    /// The boutique; PRAVIS_TENANT where nothing is said
    #[arg(long)]
    tenant: Option<TenantId>,
    /// Also when there is an administrator already
    #[arg(long)]
    another: bool,
    /// Where the embedded stores keep their files
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
}

pub(super) async fn run(command: AdminCommand, mut variables: BTreeMap<String, String>) -> Result<(), Failure> {
    let AdminCommand::Create(asked) = command;
    if let Some(dir) = asked.data_dir {
        variables.insert("PRAVIS_DATA_DIR".into(), dir.to_string_lossy().into_owned());
    }
    let settings = Settings::from_variables(&variables)?;
    let tenant = asked.tenant.unwrap_or_else(|| settings.tenant.clone());
    let password = password()?;
    let appointed = app::appoint(settings, &tenant, &asked.email, password, asked.another).await.map_err(told)?;
    print(match appointed {
        Appointed::Created => "The administrator can sign in now.\n",
        Appointed::Raised => {
            "The account is an administrator's now; it has the new password, and its sessions have ended.\n"
        }
    })
}

/// The first line of stdin. It is not typed at a terminal, which would show it.
fn password() -> Result<Secret, Failure> {
    let stdin = std::io::stdin().lock();
    if stdin.is_terminal() {
        return Err("pipe the password in, for example: read -rs P && printf %s \"$P\" | handler admin create …".into());
    }
    let mut line = String::new();
    stdin.take(MAX_LINE).read_line(&mut line).map_err(|_| "the password on stdin is no text in UTF-8")?;
    let password = line.trim_end_matches(['\r', '\n']);
    match password.is_empty() {
        true => Err("expected the password on stdin".into()),
        false => Ok(Secret::new(password)),
    }
}
