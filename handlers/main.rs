use std::process::ExitCode;

use clap::Parser;
use pravis::cli::{self, Cli};
use pravis::settings;
use tracing_subscriber::EnvFilter;

fn main() -> ExitCode {
    let cli = Cli::parse();
    // JSON lines on stdout: the Functions host takes stderr for errors.
    let filter =
        EnvFilter::try_from_env(settings::LOG).unwrap_or_else(|_| EnvFilter::new("warn,tiberius=off,pravis=info"));
    tracing_subscriber::fmt().json().flatten_event(true).with_span_list(false).with_env_filter(filter).init();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("error: the runtime does not start: {error}");
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(cli::run(cli, std::env::vars().collect())) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
