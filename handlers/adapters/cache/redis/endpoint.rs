//! Where Redis is, and connections to it.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use ::redis::aio::{AsyncPushSender, ConnectionLike, MultiplexedConnection};
use ::redis::cluster::{ClusterClient, ClusterClientBuilder, NodeAddress};
use ::redis::cluster_async::ClusterConnection;
use ::redis::io::tcp::{TcpSettings, socket2};
use ::redis::{
    AsyncConnectionConfig, Client, Cmd, ConnectionAddr, ConnectionInfo, IntoConnectionInfo, Pipeline, ProtocolVersion,
    PushInfo, PushKind, RedisFuture, RedisResult, TlsCertificates, Value,
};
use azure_core::credentials::TokenCredential;

use super::login::{Credentials, Login};
use crate::ports::secrets::{SecretSource, Secrets};
use crate::settings::{RedisLogin, RedisSettings, SettingError};

/// TCP, TLS and the greeting of one connection.
const GREETING_LIMIT: Duration = Duration::from_secs(2);

/// What a call may take on its connection when nobody limits it from outside.
const ANSWER_LIMIT: Duration = Duration::from_secs(1);

/// Commands in flight at once, so that a stalled connection does not collect them without end.
const IN_FLIGHT: usize = 1024;

/// The user whom a password without a user is of (<https://redis.io/docs/latest/commands/auth/>).
const DEFAULT_USER: &str = "default";

/// A connection to one server or to all shards.
#[derive(Clone)]
pub(super) enum Connection {
    Single(MultiplexedConnection),
    Cluster(ClusterConnection),
}

impl Connection {
    pub(super) fn is_cluster(&self) -> bool {
        matches!(self, Self::Cluster(_))
    }
}

impl ConnectionLike for Connection {
    fn req_packed_command<'a>(&'a mut self, command: &'a Cmd) -> RedisFuture<'a, Value> {
        match self {
            Self::Single(connection) => connection.req_packed_command(command),
            Self::Cluster(connection) => connection.req_packed_command(command),
        }
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        match self {
            Self::Single(connection) => connection.req_packed_commands(pipeline, offset, count),
            Self::Cluster(connection) => connection.req_packed_commands(pipeline, offset, count),
        }
    }

    fn get_db(&self) -> i64 {
        match self {
            Self::Single(connection) => connection.get_db(),
            Self::Cluster(connection) => connection.get_db(),
        }
    }
}

/// An address with everything that a connection to it needs.
pub(super) struct Endpoint {
    client: Client,
    cluster: bool,
    certificates: Option<TlsCertificates>,
    login: Option<Credentials>,
}

impl Endpoint {
    pub(super) fn new(
        settings: &RedisSettings,
        secrets: Arc<dyn Secrets>,
        credential: Arc<dyn TokenCredential>,
        roots: Option<Vec<u8>>,
    ) -> Result<Self, SettingError> {
        let info = address(settings)?;
        let login = login(settings, secrets, credential)?;
        let certificates = roots.map(|roots| TlsCertificates { client_tls: None, root_cert: Some(roots) });
        let wrong = |_| SettingError::new("REDIS_URL", "expected rediss:// for the given certificates");
        let client = match &certificates {
            Some(certificates) => Client::build_with_tls(info, certificates.clone()).map_err(wrong)?,
            None => Client::open(info).map_err(wrong)?,
        };
        let endpoint = Self { client, cluster: settings.cluster, certificates, login };
        if endpoint.cluster {
            let wrong = |_| SettingError::new("REDIS_URL", "does not name a node of a cluster");
            endpoint.cluster_client(HashMap::new()).map_err(wrong)?;
        }
        Ok(endpoint)
    }

    /// A connection to where each key is; `lost` is called when a single server goes away.
    pub(super) async fn connect(&self, lost: impl Fn() + Send + Sync + 'static) -> RedisResult<Connection> {
        if self.cluster {
            let client = self.cluster_client(self.names_of_nodes().await?)?;
            return client.get_async_connection().await.map(Connection::Cluster);
        }
        let pushed = move |push: PushInfo| {
            if push.kind == PushKind::Disconnection {
                lost();
            }
            Ok::<_, std::convert::Infallible>(())
        };
        self.connect_to_one(pushed).await.map(Connection::Single)
    }

    /// A connection to the address itself; what Redis says unasked goes to `pushed`.
    pub(super) async fn connect_to_one(&self, pushed: impl AsyncPushSender) -> RedisResult<MultiplexedConnection> {
        let mut config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(GREETING_LIMIT))
            .set_response_timeout(Some(ANSWER_LIMIT))
            .set_concurrency_limit(IN_FLIGHT)
            .set_push_sender(pushed);
        if let Some(login) = &self.login {
            config = config.set_credentials_provider(login.clone());
        }
        self.client.get_multiplexed_async_connection_with_config(&config).await
    }

    fn cluster_client(&self, names: HashMap<NodeAddress, NodeAddress>) -> RedisResult<ClusterClient> {
        let info = self.client.get_connection_info().clone();
        let mut builder = ClusterClientBuilder::new([info])
            .tcp_settings(tcp_settings())
            .connection_timeout(GREETING_LIMIT)
            .response_timeout(ANSWER_LIMIT)
            .connection_concurrency_limit(IN_FLIGHT)
            .retries(3)
            .min_retry_wait(10)
            .max_retry_wait(100)
            .node_address_map(names);
        if let Some(certificates) = &self.certificates {
            builder = builder.certs(certificates.clone());
        }
        if let Some(login) = &self.login {
            builder = builder.set_credentials_provider(login.clone());
        }
        builder.build()
    }

    /// The name under which to reach each node that is known by a number. Nodes tell their addresses as
    /// numbers (Azure Managed Redis: the endpoint's own, with ports 85xx), which no certificate is for.
    async fn names_of_nodes(&self) -> RedisResult<HashMap<NodeAddress, NodeAddress>> {
        let ConnectionAddr::TcpTls { host, port, .. } = self.client.get_connection_info().addr() else {
            return Ok(HashMap::new());
        };
        if host.parse::<IpAddr>().is_ok() {
            return Ok(HashMap::new());
        }
        let own: Vec<IpAddr> =
            tokio::net::lookup_host((host.as_str(), *port)).await?.map(|address: SocketAddr| address.ip()).collect();
        let mut connection = self.connect_to_one(|_| Ok::<_, std::convert::Infallible>(())).await?;
        let slots: Value = ::redis::cmd("CLUSTER").arg("SLOTS").query_async(&mut connection).await?;
        let renamed = nodes(&slots)
            .into_iter()
            .filter(|(node, _)| node.parse().is_ok_and(|number| own.contains(&number)))
            .map(|(node, port)| (NodeAddress::new(node, port), NodeAddress::new(host.as_str(), port)));
        Ok(renamed.collect())
    }
}

/// The nodes in an answer to `CLUSTER SLOTS`: rows of a first and a last slot followed by nodes, each a
/// host and a port and more (<https://redis.io/docs/latest/commands/cluster-slots/>).
fn nodes(slots: &Value) -> Vec<(String, u16)> {
    let items = |value: &Value| value.as_sequence().map(<[Value]>::to_vec).unwrap_or_default();
    let rows = items(slots);
    let nodes = rows.iter().flat_map(|row| items(row).into_iter().skip(2));
    nodes
        .filter_map(|node| match node.as_sequence()? {
            [Value::BulkString(host), Value::Int(port), ..] => {
                Some((String::from_utf8(host.clone()).ok()?, u16::try_from(*port).ok()?))
            }
            _ => None,
        })
        .collect()
}

fn address(settings: &RedisSettings) -> Result<ConnectionInfo, SettingError> {
    let url = &settings.url;
    // A fragment could switch the check of certificates off.
    if url.query().is_some() || url.fragment().is_some() {
        return Err(SettingError::new("REDIS_URL", "expected no query and no fragment"));
    }
    let wrong = |_| SettingError::new("REDIS_URL", "expected redis:// or rediss:// with a host and a port");
    let info = url.as_str().into_connection_info().map_err(wrong)?;
    let redis = info.redis_settings().clone().set_protocol(ProtocolVersion::RESP3);
    Ok(info.set_redis_settings(redis).set_tcp_settings(tcp_settings()))
}

/// Small packets go at once, and a peer that vanished is noticed although nothing is sent.
fn tcp_settings() -> TcpSettings {
    let keepalive =
        socket2::TcpKeepalive::new().with_time(Duration::from_secs(30)).with_interval(Duration::from_secs(5));
    TcpSettings::default().set_nodelay(true).set_keepalive(keepalive)
}

fn login(
    settings: &RedisSettings,
    secrets: Arc<dyn Secrets>,
    credential: Arc<dyn TokenCredential>,
) -> Result<Option<Credentials>, SettingError> {
    let login = match (&settings.login, &settings.user) {
        (RedisLogin::None, None) => return Ok(None),
        (RedisLogin::None, Some(_)) => {
            return Err(SettingError::new("REDIS_PASSWORD", "required with REDIS_USER"));
        }
        (RedisLogin::Password(reference), user) => Login::Password {
            user: user.clone().unwrap_or_else(|| DEFAULT_USER.to_owned()),
            password: SecretSource::new(reference.clone(), secrets),
        },
        (RedisLogin::Entra, _) if settings.url.scheme() != "rediss" => {
            return Err(SettingError::new("REDIS_URL", "expected rediss:// with REDIS_AUTH=entra"));
        }
        (RedisLogin::Entra, Some(user)) => Login::Entra { user: user.clone(), credential },
        (RedisLogin::Entra, None) => {
            return Err(SettingError::new("REDIS_USER", "required with REDIS_AUTH=entra: the identity's object id"));
        }
    };
    Ok(Some(Credentials(Arc::new(login))))
}
