//! Connections to the server: address, login, and the redirection with which Azure SQL answers.

use std::sync::Arc;
use std::time::Duration;

use azure_core::credentials::TokenCredential;
use tiberius::error::Error;
use tiberius::{AuthMethod, Client, Config};
use tokio::net::TcpStream;
use tokio_util::compat::{Compat, TokioAsyncWriteCompatExt};

use super::connection_string::{Login, PasswordFrom, Target};
use super::failure::Failure;
use crate::ports::PortError;

/// <https://learn.microsoft.com/azure/azure-sql/database/authentication-aad-overview>
const SCOPE: &str = "https://database.windows.net/.default";
/// The gateway refers to the node that has the database, at most from there to another
/// (<https://learn.microsoft.com/azure/azure-sql/database/connectivity-architecture>).
const REDIRECTIONS: usize = 2;

/// An open connection.
pub(super) type Session = Client<Compat<TcpStream>>;

/// Opens connections to one server, with one intent.
pub(super) struct Connector {
    target: Target,
    credential: Arc<dyn TokenCredential>,
    time_limit: Duration,
}

impl Connector {
    /// `read_only` lets the gateway choose a readable secondary
    /// (<https://learn.microsoft.com/azure/azure-sql/database/read-scale-out>).
    pub(super) fn new(
        mut target: Target,
        read_only: bool,
        credential: Arc<dyn TokenCredential>,
        time_limit: Duration,
    ) -> Self {
        target.config.readonly(read_only);
        // Calls are limited as a whole, and what is broken off is closed.
        target.config.handshake_timeout(None);
        target.config.command_timeout(None);
        Self { target, credential, time_limit }
    }

    pub(super) async fn open(&self) -> Result<Session, Failure> {
        match tokio::time::timeout(self.time_limit, self.log_in()).await {
            Ok(outcome) => outcome,
            Err(_) => Err(Failure::timed_out("no connection to the database server in time")),
        }
    }

    async fn log_in(&self) -> Result<Session, Failure> {
        let mut config = self.target.config.clone();
        config.authentication(self.authentication().await?);
        for _ in 0..REDIRECTIONS {
            match Client::connect(config.clone(), reach(&config).await?).await {
                Err(Error::Routing { host, port }) => {
                    config.host(host);
                    config.port(port);
                }
                outcome => return Ok(outcome?),
            }
        }
        Ok(Client::connect(config.clone(), reach(&config).await?).await?)
    }

    /// Read anew for each connection, so that a password or token that was replaced is in use at once.
    async fn authentication(&self) -> Result<AuthMethod, Failure> {
        match &self.target.login {
            Login::Password { user, password } => {
                let password = match password {
                    PasswordFrom::String(password) => password.clone(),
                    PasswordFrom::Source(source) => source.get().await?,
                };
                Ok(AuthMethod::sql_server(user, password.expose()))
            }
            Login::Token => match self.credential.get_token(&[SCOPE], None).await {
                Ok(token) => Ok(AuthMethod::aad_token(token.token.secret())),
                Err(error) => {
                    let error = PortError::unavailable(format!("no token for the database: {error}"));
                    Err(Failure { error, transient: true })
                }
            },
        }
    }
}

/// Opens the stream to the server.
async fn reach(config: &Config) -> Result<Compat<TcpStream>, Failure> {
    let opened = async {
        let stream = TcpStream::connect(config.get_addr()).await?;
        stream.set_nodelay(true)?;
        Ok::<_, std::io::Error>(stream)
    };
    match opened.await {
        Ok(stream) => Ok(stream.compat_write()),
        Err(error) => {
            let error = PortError::unavailable(format!("the database server cannot be reached: {error}"));
            Err(Failure { error, transient: true })
        }
    }
}
