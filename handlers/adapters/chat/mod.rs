//! Language models over the chat completions of OpenAI (<https://platform.openai.com/docs/api-reference/chat>),
//! which Azure OpenAI and servers such as vLLM and llama.cpp speak too.

mod wire;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use azure_core::credentials::TokenCredential;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderName, RETRY_AFTER};
use http::{HeaderMap, HeaderValue};
use tokio::sync::Semaphore;
use url::Url;

use crate::adapters::azure::failure::port_error;
use crate::adapters::dependency::Dependency;
use crate::ports::chat::{Asked, Chat, Completion};
use crate::ports::secrets::{Secret, SecretSource};
use crate::ports::{PortError, PortErrorKind, PortResult};
use crate::settings::{ChatProvider, ChatSettings, SettingError};

/// Calls of this process that are under way at once: one more would only wait behind them.
const AT_ONCE: usize = 8;
/// An answer that is larger is none to our question.
const MAX_ANSWER: usize = 256 * 1024;
/// The longest pause that a service may ask for.
const LONGEST_PAUSE: Duration = Duration::from_secs(600);
/// The pause of a service that asks for one and does not say how long.
const USUAL_PAUSE: Duration = Duration::from_secs(5);
/// Whom a token for Azure OpenAI is for
/// (<https://learn.microsoft.com/azure/ai-foundry/openai/latest#authentication>).
const AZURE_SCOPE: &str = "https://cognitiveservices.azure.com/.default";
/// Azure's header for keys.
const API_KEY: HeaderName = HeaderName::from_static("api-key");

/// How calls prove who sends them.
enum Login {
    /// A server of one's own may ask for nothing.
    None,
    Bearer(SecretSource),
    ApiKey(SecretSource),
    Entra(Arc<dyn TokenCredential>),
}

/// A model behind an endpoint.
pub struct ChatCompletions {
    http: reqwest::Client,
    url: Url,
    model: String,
    max_tokens: u32,
    login: Login,
    service: Dependency,
    slots: Semaphore,
    /// Until when the service asked to be left alone.
    quiet_until: Mutex<Option<Instant>>,
}

impl ChatCompletions {
    /// Opens no connection. `key` is that of the settings; without one Azure is asked with tokens of
    /// `credential`.
    ///
    /// # Errors
    /// When the platform lacks trusted certificates.
    pub fn new(
        settings: &ChatSettings,
        key: Option<SecretSource>,
        credential: Option<Arc<dyn TokenCredential>>,
    ) -> Result<Self, SettingError> {
        let http = reqwest::Client::builder()
            .connect_timeout(settings.time_limit)
            .timeout(settings.time_limit)
            .pool_idle_timeout(Duration::from_secs(90))
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|_| SettingError::new("SSL_CERT_FILE", "no trusted certificates: install ca-certificates"))?;
        let login = match (&settings.provider, key, credential) {
            (ChatProvider::OpenAi, Some(key), _) => Login::Bearer(key),
            (ChatProvider::OpenAi, None, _) => Login::None,
            (ChatProvider::AzureOpenAi { .. }, Some(key), _) => Login::ApiKey(key),
            (ChatProvider::AzureOpenAi { .. }, None, Some(credential)) => Login::Entra(credential),
            (ChatProvider::AzureOpenAi { .. }, None, None) => {
                return Err(SettingError::new("CHAT_KEY", "required where there is no credential"));
            }
        };
        Ok(Self {
            http,
            url: settings.completions_url()?,
            model: settings.model.clone(),
            max_tokens: settings.max_tokens,
            login,
            // The rest is for what stands around the call.
            service: Dependency::new("chat", settings.time_limit / 10 * 9),
            slots: Semaphore::new(AT_ONCE),
            quiet_until: Mutex::default(),
        })
    }

    async fn authorisation(&self) -> PortResult<Option<(HeaderName, HeaderValue)>> {
        let (name, value) = match &self.login {
            Login::None => return Ok(None),
            Login::Bearer(key) => (AUTHORIZATION, Secret::new(format!("Bearer {}", key.get().await?.expose()))),
            Login::ApiKey(key) => (API_KEY, key.get().await?),
            Login::Entra(credential) => {
                let token = credential.get_token(&[AZURE_SCOPE], None).await;
                let token = token.map_err(|error| port_error("chat", &error))?;
                (AUTHORIZATION, Secret::new(format!("Bearer {}", token.token.secret())))
            }
        };
        let mut value = HeaderValue::from_str(value.expose())
            .map_err(|_| PortError::unavailable("chat: the key has characters that no key has"))?;
        value.set_sensitive(true);
        Ok(Some((name, value)))
    }

    async fn send(&self, asked: &Asked) -> PortResult<Completion> {
        let body = wire::request(&self.model, self.max_tokens, asked)?;
        let mut request = self.http.post(self.url.clone()).header(CONTENT_TYPE, "application/json").body(body);
        if let Some((name, value)) = self.authorisation().await? {
            request = request.header(name, value);
        }
        let mut response = request.send().await.map_err(|error| lost(&error))?;
        let status = response.status().as_u16();
        let pause = pause(response.headers());
        let mut body = Vec::new();
        while let Some(part) = response.chunk().await.map_err(|error| lost(&error))? {
            if body.len() + part.len() > MAX_ANSWER {
                return Err(PortError::corrupt("chat: the answer is longer than any to our question"));
            }
            body.extend_from_slice(&part);
        }
        if status == 200 {
            return wire::completion(&body);
        }
        if let Some(declined) = wire::declined(status, &body) {
            return Ok(declined);
        }
        Err(self.refused(status, pause))
    }

    /// The failure of a call that was answered so; remembers how long the service wants to be left alone.
    fn refused(&self, status: u16, pause: Option<Duration>) -> PortError {
        let error = PortError::new(wire::kind_of(status), format!("chat: HTTP {status}"));
        let asks_for_patience = matches!(status, 429 | 503);
        let Some(pause) = pause.or((status == 429).then_some(USUAL_PAUSE)).filter(|_| asks_for_patience) else {
            return error;
        };
        let pause = pause.min(LONGEST_PAUSE);
        *self.quiet_until.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now() + pause);
        error.with_retry_after(pause)
    }

    /// Whether the service may be asked now.
    fn may_ask(&self) -> PortResult<()> {
        let until = *self.quiet_until.lock().unwrap_or_else(PoisonError::into_inner);
        match until.map(|until| until.saturating_duration_since(Instant::now())) {
            Some(left) if !left.is_zero() => {
                let error = PortError::new(PortErrorKind::Throttled, "chat: the service asked to be left alone");
                Err(error.with_retry_after(left))
            }
            _ => Ok(()),
        }
    }
}

#[async_trait]
impl Chat for ChatCompletions {
    fn model(&self) -> &str {
        &self.model
    }

    async fn complete(&self, asked: &Asked) -> PortResult<Completion> {
        self.may_ask()?;
        let _slot = self
            .slots
            .try_acquire()
            .map_err(|_| PortError::new(PortErrorKind::Throttled, "chat: as many calls as may be are under way"))?;
        self.service.call("complete", self.send(asked)).await
    }
}

/// A call without a whole answer. What the client tells of it holds the address, so it is not repeated.
fn lost(error: &reqwest::Error) -> PortError {
    let (kind, what) = match error {
        error if error.is_timeout() => (PortErrorKind::TimedOut, "no answer in time"),
        error if error.is_connect() => (PortErrorKind::Unavailable, "no connection"),
        _ => (PortErrorKind::Unavailable, "the connection broke"),
    };
    PortError::new(kind, format!("chat: {what}"))
}

/// How long a service asks to be left alone: Azure tells milliseconds, others seconds (RFC 9110 §10.2.3; a date is
/// not understood).
fn pause(headers: &HeaderMap) -> Option<Duration> {
    let number = |name: &HeaderName| headers.get(name)?.to_str().ok()?.trim().parse::<u64>().ok();
    let milliseconds = number(&HeaderName::from_static("retry-after-ms")).map(Duration::from_millis);
    milliseconds.or_else(|| number(&RETRY_AFTER).map(Duration::from_secs))
}
