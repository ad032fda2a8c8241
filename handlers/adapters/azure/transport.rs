//! The one HTTP client that all clients of the Azure SDK send with, and how they repeat calls.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use azure_core::http::policies::{Policy, PolicyResult};
use azure_core::http::{
    ClientOptions, Context, ExponentialRetryOptions, Request, RetryOptions, StatusCode, Transport, check_success,
};
use azure_core::{Error as AzureError, error::ErrorKind, time};
use reqwest::Certificate;

use super::failure::retry_after;
use crate::settings::SettingError;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// The longest silence within an answer; the length of a call is its adapter's to limit.
const READ_TIMEOUT: Duration = Duration::from_secs(30);
/// Azure's load balancers forget an idle connection after 4 minutes
/// (<https://learn.microsoft.com/azure/load-balancer/load-balancer-tcp-idle-timeout>).
const IDLE_TIMEOUT: Duration = Duration::from_secs(90);
const IDLE_PER_HOST: usize = 32;
const KEEP_ALIVE: Duration = Duration::from_secs(30);

const RETRIES: u32 = 2;
/// Doubled before each retry, with up to 255 ms of jitter besides.
const FIRST_DELAY: time::Duration = time::Duration::milliseconds(50);
const LAST_DELAY: time::Duration = time::Duration::seconds(1);
const RETRYING: time::Duration = time::Duration::seconds(2);
/// Who is asked to stay away for longer is better told than kept waiting.
const LONGEST_WAIT: Duration = Duration::from_secs(1);

/// How clients of the Azure SDK reach their services. Cheap to clone: all clones share one pool of
/// connections.
#[derive(Clone, Debug)]
pub struct AzureTransport(Transport);

impl AzureTransport {
    /// Trusts the roots of the system, or of `SSL_CERT_FILE`. Opens no connection.
    ///
    /// # Errors
    /// When there are no such roots.
    pub fn new() -> Result<Self, SettingError> {
        Self::of(client())
    }

    /// The same with further trusted roots, in PEM; takes no proxy from the environment.
    ///
    /// # Errors
    /// When `roots` holds no certificates.
    pub fn trusting(roots: &[u8]) -> Result<Self, SettingError> {
        let roots = Certificate::from_pem_bundle(roots)
            .map_err(|_| SettingError::new("SSL_CERT_FILE", "expected certificates in PEM"))?;
        Self::of(client().no_proxy().tls_certs_merge(roots))
    }

    /// Over a transport of the caller's choice.
    pub fn over(transport: Transport) -> Self {
        Self(transport)
    }

    fn of(client: reqwest::ClientBuilder) -> Result<Self, SettingError> {
        let client = client
            .build()
            .map_err(|_| SettingError::new("SSL_CERT_FILE", "no trusted certificates: install ca-certificates"))?;
        Ok(Self(Transport::new(Arc::new(client))))
    }

    /// Options for a client of the Azure SDK: this transport, and at most two retries within about two
    /// seconds. A service that asks for a pause of more than a second is not asked again.
    pub fn client_options(&self) -> ClientOptions {
        ClientOptions {
            transport: Some(self.0.clone()),
            retry: RetryOptions::exponential(ExponentialRetryOptions {
                initial_delay: FIRST_DELAY,
                max_retries: RETRIES,
                max_total_elapsed: RETRYING,
                max_delay: LAST_DELAY,
            }),
            per_try_policies: vec![Arc::new(NoLongWaits)],
            ..ClientOptions::default()
        }
    }
}

/// Stored blobs may be compressed: what is sent is what is read, so nothing is unpacked on the way.
fn client() -> reqwest::ClientBuilder {
    reqwest::Client::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .read_timeout(READ_TIMEOUT)
        .pool_idle_timeout(IDLE_TIMEOUT)
        .pool_max_idle_per_host(IDLE_PER_HOST)
        .tcp_keepalive(KEEP_ALIVE)
        .redirect(reqwest::redirect::Policy::none())
        .no_gzip()
        .no_deflate()
}

/// Ends a call with the service's answer when it asks for a pause that nobody would wait for: the SDK's
/// own retries sleep as long as they are told to.
#[derive(Debug)]
struct NoLongWaits;

#[async_trait]
impl Policy for NoLongWaits {
    async fn send(&self, context: &Context, request: &mut Request, next: &[Arc<dyn Policy>]) -> PolicyResult {
        let Some((first, rest)) = next.split_first() else {
            return Err(AzureError::with_message(ErrorKind::Other, "no transport"));
        };
        let response = first.send(context, request, rest).await?;
        let patience = matches!(response.status(), StatusCode::TooManyRequests | StatusCode::ServiceUnavailable);
        if patience && retry_after(response.headers()).is_some_and(|pause| pause > LONGEST_WAIT) {
            return check_success(response, None).await;
        }
        Ok(response)
    }
}
