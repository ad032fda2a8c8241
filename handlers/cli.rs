//! The commands of the one program.

mod admin;
mod keys;

use std::collections::BTreeMap;
use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{Args, Parser, Subcommand};
use tokio::sync::watch;

use crate::app::{self, Application};
use crate::host::local::LocalHost;
use crate::infrastructure;
use crate::lifecycle;
use crate::registry::{self, FileProblem, Registry};
use crate::server::{Listener, Mode, Server};
use crate::services::tenants::Mover;
use crate::settings::{SettingError, Settings};
use crate::types::{Placement, Service, TenantId};

/// Where the Functions host tells its port.
const HOST_PORT: &str = "FUNCTIONS_CUSTOMHANDLER_PORT";

/// The Pravis Boutique API: shopping by voice, as Azure Functions custom handlers.
#[derive(Parser)]
#[command(version)]
pub struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    serve: ServeArgs,
}

#[derive(Subcommand)]
enum Command {
    /// Serves the API (the default)
    Serve(ServeArgs),
    /// Writes or checks the files that the Functions host reads
    Functions {
        #[command(subcommand)]
        command: FilesCommand,
    },
    /// Lays out a script root for `func start --script-root DIR` and for deployment
    Stage {
        dir: PathBuf,
        /// Only these services, parted by commas
        #[arg(long)]
        services: Option<String>,
    },
    /// Prints the OpenAPI document
    Openapi,
    /// Tells of the rules by which stored blobs live
    Lifecycle {
        #[command(subcommand)]
        command: LifecycleCommand,
    },
    /// Writes or checks the parts of bicep/ that follow from the code
    Infrastructure {
        #[command(subcommand)]
        command: InfrastructureCommand,
    },
    /// Makes the databases, containers and tables of the services that are set, and brings them up to date
    Migrate,
    /// Administrators
    Admin {
        #[command(subcommand)]
        command: admin::AdminCommand,
    },
    /// Signing keys
    Keys {
        #[command(subcommand)]
        command: keys::KeysCommand,
    },
    /// Moves tenants between databases
    Tenants {
        #[command(subcommand)]
        command: TenantsCommand,
    },
}

#[derive(Subcommand)]
enum FilesCommand {
    /// Writes functions/*/function.json and host.json
    Sync,
    /// Fails when they differ from the registry
    Check,
}

#[derive(Subcommand)]
enum InfrastructureCommand {
    /// Writes them
    Sync,
    /// Fails when they differ
    Check,
}

#[derive(Subcommand)]
enum LifecycleCommand {
    /// Prints them as a lifecycle management policy of Azure Storage
    Policy,
}

#[derive(Subcommand)]
enum TenantsCommand {
    /// Moves the documents of a tenant to another database, or goes on with a movement that was interrupted
    Move {
        tenant: TenantId,
        /// `shared` or `dedicated:NAME`
        #[arg(long)]
        to: Placement,
        /// Removes the documents from the old database at the end
        #[arg(long)]
        purge: bool,
        /// Counts what would be moved, and changes nothing
        #[arg(long)]
        dry_run: bool,
    },
    /// Removes the documents that a movement left in the old database
    Purge { tenant: TenantId },
}

#[derive(Args, Default)]
struct ServeArgs {
    /// Where to listen; under the Functions host its port is taken instead
    #[arg(long, value_name = "ADDR")]
    listen: Option<SocketAddr>,
    /// Where the embedded stores keep their files
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Serves only these services, parted by commas, whatever PRAVIS_SERVICES says
    #[arg(long, value_name = "NAMES")]
    services: Option<String>,
}

/// A failure of the application as an operator needs it: a wrong setting stands for itself.
fn told(error: crate::error::Error) -> Failure {
    let setting = std::error::Error::source(&error).and_then(|source| source.downcast_ref::<SettingError>());
    match setting {
        Some(setting) => setting.clone().into(),
        None => error.chain().into(),
    }
}

/// Why a command failed, to be printed.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Runs a command with the variables of the process.
///
/// # Errors
/// What made it fail.
pub async fn run(cli: Cli, variables: BTreeMap<String, String>) -> Result<(), Failure> {
    match cli.command {
        None => serve(cli.serve, variables).await,
        Some(Command::Serve(args)) => serve(args, variables).await,
        Some(Command::Functions { command }) => files(command, Path::new(".")),
        Some(Command::Stage { dir, services }) => stage(&dir, services, variables),
        Some(Command::Lifecycle { command: LifecycleCommand::Policy }) => print(&lifecycle::policy_text()),
        Some(Command::Infrastructure { command }) => infrastructure(command, Path::new(".")),
        Some(Command::Migrate) => {
            let settings = Settings::from_variables(&variables)?;
            let done = app::migrate(&settings).await.map_err(told)?;
            match done.is_empty() {
                true => print("Nothing to prepare: everything is embedded.\n"),
                false => print(&done.iter().map(|line| format!("{line}\n")).collect::<String>()),
            }
        }
        Some(Command::Admin { command }) => admin::run(command, variables).await,
        Some(Command::Keys { command }) => keys::run(command),
        Some(Command::Tenants { command }) => tenants(command, &variables).await,
        Some(Command::Openapi) => {
            let settings = Settings::from_variables(&variables)?;
            let registry = Registry::of(&settings.services)?;
            print(&registry::openapi(&registry, &settings.public_url).to_pretty_json()?)
        }
    }
}

async fn tenants(command: TenantsCommand, variables: &BTreeMap<String, String>) -> Result<(), Failure> {
    let settings = Settings::from_variables(variables)?;
    let mover = app::mover(&settings, |line| drop(print(&format!("{line}\n")))).await.map_err(told)?;
    match command {
        TenantsCommand::Move { tenant, to, dry_run: true, .. } => {
            let counts = mover.count(&tenant).await.map_err(chain)?;
            let lines = counts.iter().map(|counted| format!("{:12} {}\n", counted.container, counted.documents));
            let wait = mover.waits.fence.as_secs();
            print(&format!(
                "{}{tenant} would go to {to}; no writes for twice {wait} s and the time of copying\n",
                lines.collect::<String>()
            ))
        }
        TenantsCommand::Move { tenant, to, purge, .. } => {
            mover.run(&tenant, &to).await.map_err(chain)?;
            if purge { remove(&mover, &tenant).await } else { Ok(()) }
        }
        TenantsCommand::Purge { tenant } => remove(&mover, &tenant).await,
    }
}

async fn remove(mover: &Mover, tenant: &TenantId) -> Result<(), Failure> {
    let removed = mover.purge(tenant).await.map_err(chain)?;
    print(&format!("{removed} documents of {tenant} removed from where it was\n"))
}

/// A failure with its causes on one line.
fn chain(error: impl std::error::Error) -> Failure {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        line.push_str(&format!(": {error}"));
        cause = error.source();
    }
    line.into()
}

async fn serve(args: ServeArgs, mut variables: BTreeMap<String, String>) -> Result<(), Failure> {
    if let Some(dir) = args.data_dir {
        variables.insert("PRAVIS_DATA_DIR".into(), dir.to_string_lossy().into_owned());
    }
    if let Some(services) = args.services {
        variables.insert("PRAVIS_SERVICES".into(), services);
    }
    let host_port = match variables.get(HOST_PORT) {
        Some(port) => Some(port.parse::<u16>().map_err(|_| format!("{HOST_PORT}: expected a port"))?),
        None => None,
    };
    let address = match host_port {
        Some(port) => SocketAddr::from(([127, 0, 0, 1], port)),
        None => args.listen.unwrap_or(SocketAddr::from(([127, 0, 0, 1], 7071))),
    };
    // Bound before all else, so that a port in use is told before a data directory is made.
    let listener = Listener::bind(address).await?;
    if host_port.is_none() {
        variables.entry("PRAVIS_PUBLIC_URL".into()).or_insert_with(|| format!("http://{}", listener.address()));
    }
    let settings = Settings::from_variables(&variables)?;
    let Application { state, registry, stores } = app::build(settings).await.map_err(told)?;
    if let Some(port) = host_port {
        let server = Server::new(state, registry, Mode::FunctionsHost { port })?;
        // The platform ends the process without a word; there is no signal to wait for.
        listener.serve(Arc::new(server), std::future::pending()).await;
        return Ok(());
    }
    announce(&listener, &state.settings)?;
    let (stop, stopped) = watch::channel(false);
    let host = LocalHost::new(state.clone(), registry.clone(), stores.clone());
    let host = tokio::spawn(host.run(stopped));
    let audit = state.audit.clone();
    let server = Server::new(state, registry, Mode::Standalone { blobs: stores.embedded.blobs })?;
    listener.serve(Arc::new(server), told_to_stop()).await;
    stop.send_replace(true);
    host.await?;
    if let Err(error) = audit.flush().await {
        tracing::warn!(%error, "the last audit records are not written");
    }
    Ok(())
}

fn announce(listener: &Listener, settings: &Settings) -> Result<(), Failure> {
    let url = &settings.public_url;
    let address = listener.address();
    print(&format!(
        "Pravis Boutique API {} on http://{address}\n  products  {url}/api/v1/products\n  docs      {url}/api/docs\n  health    {url}/api/v1/health\n  data      {}\n",
        env!("CARGO_PKG_VERSION"),
        settings.data_dir.display()
    ))
}

/// Ends when the process is told to stop, by Ctrl-C or SIGTERM.
async fn told_to_stop() {
    let interrupted = async {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    #[cfg(unix)]
    let terminated = async {
        match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
            Ok(mut signal) => {
                signal.recv().await;
            }
            Err(_) => std::future::pending().await,
        }
    };
    #[cfg(not(unix))]
    let terminated = std::future::pending::<()>();
    tokio::select! {
        () = interrupted => {}
        () = terminated => {}
    }
}

fn files(command: FilesCommand, root: &Path) -> Result<(), Failure> {
    let registry = Registry::of(&Service::ALL)?;
    match command {
        FilesCommand::Sync => {
            let changed = registry::sync(&registry, root)?;
            let lines: String = changed.iter().map(|path| format!("{}\n", path.display())).collect();
            print(&format!("{lines}{} files changed\n", changed.len()))
        }
        FilesCommand::Check => {
            let problems = registry::check(&registry, root)?;
            if problems.is_empty() {
                return print("The files are those of the registry.\n");
            }
            let lines = problems.iter().map(|problem| match problem {
                FileProblem::Missing(path) => format!("missing: {}\n", path.display()),
                FileProblem::Different(path) => format!("different: {}\n", path.display()),
                FileProblem::Stray(path) => format!("no such function: {}\n", path.display()),
            });
            Err(format!("{}run `handler functions sync`", lines.collect::<String>()).into())
        }
    }
}

fn infrastructure(command: InfrastructureCommand, root: &Path) -> Result<(), Failure> {
    let different = infrastructure::different(root)?;
    let lines = different.iter().map(|path| format!("{path}\n")).collect::<String>();
    match command {
        InfrastructureCommand::Sync => {
            infrastructure::write(root)?;
            print(&format!("{lines}{} files changed\n", different.len()))
        }
        InfrastructureCommand::Check if different.is_empty() => print("The files follow from the code.\n"),
        InfrastructureCommand::Check => Err(format!("{lines}run `handler infrastructure sync`").into()),
    }
}

fn stage(dir: &Path, services: Option<String>, mut variables: BTreeMap<String, String>) -> Result<(), Failure> {
    if let Some(services) = services {
        variables.insert("PRAVIS_SERVICES".into(), services);
    }
    let settings = Settings::from_variables(&variables)?;
    let registry = Registry::of(&settings.services)?;
    registry::stage(&registry, &settings.services, &std::env::current_exe()?, dir)?;
    print(&format!("{} functions staged in {}\n", registry.functions().len(), dir.display()))
}

/// Writes to stdout; a reader that went away is no failure.
fn print(text: &str) -> Result<(), Failure> {
    let mut stdout = std::io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}
