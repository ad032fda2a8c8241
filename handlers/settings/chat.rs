//! The language model that Ask Pravi may ask where its own rules do not understand.

use std::time::Duration;

use url::Url;

use super::{Get, SettingError, http_url, number, one_of};
use crate::ports::secrets::SecretRef;

/// Which model is asked, how, and for whom. There are none of these settings while `CHAT_PROVIDER` is `none`, its
/// default.
#[derive(Clone, Debug)]
pub struct ChatSettings {
    /// `CHAT_PROVIDER`: `openai` (also any server that speaks its chat completions) or `azure-openai`.
    pub provider: ChatProvider,
    /// `CHAT_ENDPOINT`: `https://api.openai.com/v1`, or another base address; `https://<resource>.openai.azure.com` for Azure.
    pub endpoint: Url,
    /// `CHAT_MODEL`: the model's name, or that of Azure's deployment.
    pub model: String,
    /// `CHAT_KEY`: the service's key; without it Azure is asked with the credential, and a server of one's own
    /// with nothing.
    pub key: Option<SecretRef>,
    /// `CHAT_TIME_LIMIT_MS`: how long a shopper waits for it, 200 to 10000; 2000.
    pub time_limit: Duration,
    /// `CHAT_MAX_TOKENS`: how long an answer may be, 64 to 4096; 500.
    pub max_tokens: u32,
    /// `CHAT_CALLS_PER_MINUTE`: what all instances together may ask, 1 to 100000; 60.
    pub calls_per_minute: u32,
    /// `CHAT_FOR`: whose sentences may be sent.
    pub audience: ChatAudience,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChatProvider {
    OpenAi,
    /// `CHAT_API_VERSION` is for the addresses with a deployment; without it the address is that of the v1 API.
    AzureOpenAi {
        api_version: Option<String>,
    },
}

/// Whose sentences may go to the model's operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChatAudience {
    /// `consenting`, the default: customers who agreed that their words are kept.
    Consenting,
    /// `signed-in`: everybody with an account.
    SignedIn,
    /// `everyone`: guests, too.
    Everyone,
}

const OPENAI: &str = "https://api.openai.com/v1";
const MAX_MODEL: usize = 128;

impl ChatSettings {
    pub(super) fn read(get: Get<'_>, production: bool) -> Result<Option<Self>, SettingError> {
        let api_version = get("CHAT_API_VERSION").map(version).transpose()?;
        let provider = match get("CHAT_PROVIDER") {
            None | Some("none") => return Ok(None),
            Some("openai") => ChatProvider::OpenAi,
            Some("azure-openai") => ChatProvider::AzureOpenAi { api_version },
            Some(_) => return Err(SettingError::new("CHAT_PROVIDER", "expected none, openai or azure-openai")),
        };
        let endpoint = match (get("CHAT_ENDPOINT"), &provider) {
            (Some(endpoint), _) => endpoint,
            (None, ChatProvider::OpenAi) => OPENAI,
            (None, ChatProvider::AzureOpenAi { .. }) => {
                let expected = "required with azure-openai: https://<resource>.openai.azure.com";
                return Err(SettingError::new("CHAT_ENDPOINT", expected));
            }
        };
        let public = endpoint == OPENAI;
        let endpoint = http_url("CHAT_ENDPOINT", endpoint)?;
        if production && endpoint.scheme() != "https" {
            return Err(SettingError::new("CHAT_ENDPOINT", "expected an https address in production"));
        }
        let key = get("CHAT_KEY").map(SecretRef::parse);
        if public && key.is_none() {
            return Err(SettingError::new("CHAT_KEY", "required for the endpoint of OpenAI itself"));
        }
        let audiences = [
            ("consenting", ChatAudience::Consenting),
            ("signed-in", ChatAudience::SignedIn),
            ("everyone", ChatAudience::Everyone),
        ];
        let count = |name: &str, range, default| number(name, get(name), range, default);
        Ok(Some(Self {
            provider,
            endpoint,
            model: model(get("CHAT_MODEL"))?,
            key,
            time_limit: Duration::from_millis(count("CHAT_TIME_LIMIT_MS", 200..=10_000, 2000)? as u64),
            max_tokens: count("CHAT_MAX_TOKENS", 64..=4096, 500)? as u32,
            calls_per_minute: count("CHAT_CALLS_PER_MINUTE", 1..=100_000, 60)? as u32,
            audience: one_of("CHAT_FOR", get("CHAT_FOR"), &audiences, ChatAudience::Consenting)?,
        }))
    }

    /// Where completions are asked for
    /// (<https://learn.microsoft.com/azure/ai-foundry/openai/api-version-lifecycle>).
    ///
    /// # Errors
    /// When the endpoint cannot have a path.
    pub fn completions_url(&self) -> Result<Url, SettingError> {
        let mut url = self.endpoint.clone();
        {
            let mut path = url
                .path_segments_mut()
                .map_err(|()| SettingError::new("CHAT_ENDPOINT", "expected an http or https address"))?;
            path.pop_if_empty();
            match &self.provider {
                ChatProvider::OpenAi => path.extend(["chat", "completions"]),
                ChatProvider::AzureOpenAi { api_version: None } => path.extend(["openai", "v1", "chat", "completions"]),
                ChatProvider::AzureOpenAi { api_version: Some(_) } => {
                    path.extend(["openai", "deployments", self.model.as_str(), "chat", "completions"])
                }
            };
        }
        if let ChatProvider::AzureOpenAi { api_version: Some(version) } = &self.provider {
            url.query_pairs_mut().append_pair("api-version", version);
        }
        Ok(url)
    }
}

fn model(text: Option<&str>) -> Result<String, SettingError> {
    let usual = |c: char| c.is_ascii_alphanumeric() || "-_.:/@".contains(c);
    match text {
        Some(text) if text.len() <= MAX_MODEL && text.chars().all(usual) => Ok(text.to_owned()),
        Some(_) => Err(SettingError::new("CHAT_MODEL", "expected at most 128 letters, digits and - _ . : / @")),
        None => Err(SettingError::new("CHAT_MODEL", "required with CHAT_PROVIDER: the name of a model or deployment")),
    }
}

fn version(text: &str) -> Result<String, SettingError> {
    let usual = |c: char| c.is_ascii_alphanumeric() || c == '-';
    if text.len() <= 32 && text.chars().all(usual) {
        return Ok(text.to_owned());
    }
    Err(SettingError::new("CHAT_API_VERSION", "expected a version such as 2024-10-21"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &'static str)], production: bool) -> Result<Option<ChatSettings>, SettingError> {
        let get = |name: &str| pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| *value);
        ChatSettings::read(&get, production)
    }

    fn url(pairs: &[(&str, &'static str)]) -> String {
        read(pairs, true).unwrap().unwrap().completions_url().unwrap().into()
    }

    #[test]
    fn nothing_is_asked_unless_a_provider_is_set() {
        assert!(read(&[("CHAT_MODEL", "small")], false).unwrap().is_none());
        assert!(read(&[("CHAT_PROVIDER", "none")], true).unwrap().is_none());
    }

    #[test]
    fn each_provider_has_its_address() {
        let openai = [("CHAT_PROVIDER", "openai"), ("CHAT_MODEL", "small"), ("CHAT_KEY", "hush")];
        assert_eq!(url(&openai), "https://api.openai.com/v1/chat/completions");
        let own = [("CHAT_PROVIDER", "openai"), ("CHAT_MODEL", "small"), ("CHAT_ENDPOINT", "https://llm.example/v1/")];
        assert_eq!(url(&own), "https://llm.example/v1/chat/completions");
        let azure = ("CHAT_ENDPOINT", "https://boutique.openai.azure.com");
        let v1 = [("CHAT_PROVIDER", "azure-openai"), ("CHAT_MODEL", "small"), azure];
        assert_eq!(url(&v1), "https://boutique.openai.azure.com/openai/v1/chat/completions");
        let dated = [v1[0], v1[1], v1[2], ("CHAT_API_VERSION", "2024-10-21")];
        let expected =
            "https://boutique.openai.azure.com/openai/deployments/small/chat/completions?api-version=2024-10-21";
        assert_eq!(url(&dated), expected);
    }

    #[test]
    fn what_cannot_work_is_refused_by_name() {
        let openai = ("CHAT_PROVIDER", "openai");
        let (model, key) = (("CHAT_MODEL", "small"), ("CHAT_KEY", "hush"));
        for (pairs, name) in [
            (vec![("CHAT_PROVIDER", "clippy")], "CHAT_PROVIDER"),
            (vec![openai, key], "CHAT_MODEL"),
            (vec![openai, key, ("CHAT_MODEL", "small one")], "CHAT_MODEL"),
            (vec![openai, model], "CHAT_KEY"),
            (vec![("CHAT_PROVIDER", "azure-openai"), model], "CHAT_ENDPOINT"),
            (vec![openai, model, ("CHAT_ENDPOINT", "http://llm.example")], "CHAT_ENDPOINT"),
            (vec![openai, model, key, ("CHAT_TIME_LIMIT_MS", "100")], "CHAT_TIME_LIMIT_MS"),
            (vec![openai, model, key, ("CHAT_MAX_TOKENS", "many")], "CHAT_MAX_TOKENS"),
            (vec![openai, model, key, ("CHAT_CALLS_PER_MINUTE", "0")], "CHAT_CALLS_PER_MINUTE"),
            (vec![openai, model, key, ("CHAT_FOR", "friends")], "CHAT_FOR"),
            (vec![("CHAT_API_VERSION", "2024/10/21")], "CHAT_API_VERSION"),
        ] {
            let error = read(&pairs, true).unwrap_err();
            assert_eq!(error.name, name);
            assert!(!error.to_string().contains("hush"), "{error}");
        }
    }
}
