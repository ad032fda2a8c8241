//! Settings: from a map of variables (that is how Azure Functions passes them) to typed values,
//! parsed once. A bad one is refused with its name and what was expected.

mod chat;
mod prices;
mod services;
mod table;

pub use chat::{ChatAudience, ChatProvider, ChatSettings};
pub use prices::StoragePrices;
pub use services::*;
pub use table::{Deployed, LOG, VARIABLES, Variable, variable};

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use url::Url;

use crate::ports::secrets::SecretRef;
use crate::types::Service;
use crate::types::TenantId;

/// A variable that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("setting {name}: {problem}")]
pub struct SettingError {
    pub name: String,
    /// What is wrong and what was expected, without the value, which may be secret.
    pub problem: String,
}

impl SettingError {
    pub fn new(name: &str, problem: impl Into<String>) -> Self {
        Self { name: name.to_owned(), problem: problem.into() }
    }
}

/// Where the process runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Environment {
    Development,
    /// Embedded adapters are refused: services keep no local files.
    Production,
}

/// Everything that can be set, with its default.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `ENVIRONMENT`: `development` (default) or `production`.
    pub environment: Environment,
    /// `PRAVIS_SERVICES`: comma-separated services that this process serves; all by default.
    pub services: Vec<Service>,
    /// `PRAVIS_DATA_DIR`: where the embedded adapters keep their files; `.pravis`.
    pub data_dir: PathBuf,
    /// `PRAVIS_TENANT`: the boutique that requests without a token are for; `pravis`.
    pub tenant: TenantId,
    /// `PRAVIS_TENANT_CACHE_SECONDS`: how long a process believes what it read about tenants; 10. The same in all
    /// processes of a deployment, for those who move tenants wait so long.
    pub tenant_cache: Duration,
    /// `PRAVIS_RATE_LIMITS`: whether requests are limited; always in production, and elsewhere by default.
    pub rate_limits: bool,
    /// `FRONT_DOOR_ID`: the Azure Front Door by which all requests come, in lower case.
    pub front_door_id: Option<String>,
    /// `PRAVIS_PUBLIC_URL`: the address clients reach, for URLs in answers; without a slash at the end.
    pub public_url: String,
    /// `MEDIA_BASE_URL`: where clients get the pictures of products, such as a CDN's address of the container `media`;
    /// this API's own by default. Without a slash at the end.
    pub media_url: String,
    /// `PRAVIS_CORS_ORIGINS`: comma-separated origins of the storefront.
    pub cors_origins: Vec<String>,
    /// `PRAVIS_TOKEN_ISSUER`: `iss` of access tokens; the public URL by default.
    pub token_issuer: String,
    /// `PRAVIS_TOKEN_AUDIENCE`: `aud` of access tokens; `pravis-boutique-api`.
    pub token_audience: String,
    /// `PRAVIS_SEED`: whether an empty data directory gets the sample catalogue; `true` in development.
    pub seed: bool,
    pub speech: SpeechSettings,
    /// `CHAT_PROVIDER` and those beside it: the language model for what the rules do not understand; none by default.
    pub chat: Option<ChatSettings>,
    /// `PRAVIS_VOICE_CONCURRENCY`: voice jobs that are worked at once; the number of processors.
    pub voice_concurrency: usize,
    /// `PRAVIS_ERASURE_DAYS`: how long an account that is to be erased can be restored, 0 to 30 days; 7.
    pub erasure_delay: chrono::TimeDelta,
    /// `PRAVIS_REVIEW_APPROVAL`: whether every review waits for staff, or only those in which something is
    /// flagged: `staff` (default) or `automatic`.
    pub reviews_wait: bool,
    /// `PRAVIS_CACHE_MIB`: room of the caches in the process; 128.
    pub cache_bytes: u64,
    /// `PATH`: where programs are found that are given by name only.
    pub search_path: OsString,
    /// `PRAVIS_SECRET_<NAME>`: secrets by name, hyphens written as underscores.
    pub secrets: BTreeMap<String, SecretRef>,
    /// `PRAVIS_WHATSAPP_NUMBER`: where shoppers ask about products and orders, country code first, digits only.
    pub whatsapp_number: Option<String>,
    /// `PRAVIS_PAYMENT_PAGE`: the payment provider's page; without it orders are paid on delivery.
    pub payment_page: Option<Url>,
    /// `STORAGE_PRICES`: what stored data costs, for estimates.
    pub storage_prices: StoragePrices,
    /// Where the services behind the ports are.
    pub connections: ServiceSettings,
}

/// The local speech engine.
#[derive(Clone, Debug, Default)]
pub struct SpeechSettings {
    /// `PRAVIS_RECOGNISER`: command line of the recogniser, as `adapters/speech/local` describes it;
    /// PocketSphinx 5 where it is found.
    pub recogniser: Option<String>,
    /// `PRAVIS_RECOGNISER_MODEL`: its acoustic model's directory.
    pub model_dir: Option<PathBuf>,
    /// `PRAVIS_SYNTHESISER`: command line of the synthesiser; espeak-ng where it is found.
    pub synthesiser: Option<String>,
}

/// Looks a variable up; blank ones are absent.
type Get<'a> = &'a dyn Fn(&str) -> Option<&'a str>;

impl Settings {
    /// Reads the settings from variables.
    ///
    /// # Errors
    /// The first variable that cannot be used, or that production lacks.
    pub fn from_variables(variables: &BTreeMap<String, String>) -> Result<Self, SettingError> {
        let unlisted = RefCell::new(None);
        let settings = Self::read(variables, &|name| {
            if variable(name).is_none() {
                unlisted.borrow_mut().get_or_insert_with(|| name.to_owned());
            }
            variables.get(name).map(|value| value.trim()).filter(|value| !value.is_empty())
        });
        match unlisted.into_inner() {
            Some(name) => Err(SettingError::new(&name, "is read without a row in handlers/settings/table.rs")),
            None => settings,
        }
    }

    fn read(variables: &BTreeMap<String, String>, get: Get<'_>) -> Result<Self, SettingError> {
        check_references(variables, get("KEY_VAULT_URL").is_some())?;
        let environment = match get("ENVIRONMENT") {
            None | Some("development") => Environment::Development,
            Some("production") => Environment::Production,
            Some(_) => return Err(SettingError::new("ENVIRONMENT", "expected development or production")),
        };
        let production = environment == Environment::Production;
        let connections = ServiceSettings::read(get, production)?;
        if production && let Some((name, port)) = connections.missing() {
            let problem = format!("required in production, where no {port} may live in one process or its files");
            return Err(SettingError::new(name, problem));
        }
        if get("SERVICE_BUS").is_some() {
            return Err(SettingError::new("SERVICE_BUS", "this build publishes to storage queues only"));
        }
        let public_url = match get("PRAVIS_PUBLIC_URL") {
            None => "http://127.0.0.1:7071".to_owned(),
            Some(text) => http_address("PRAVIS_PUBLIC_URL", text)?,
        };
        let media_url = match get("MEDIA_BASE_URL") {
            None => format!("{public_url}/api/v1/media"),
            Some(text) => http_address("MEDIA_BASE_URL", text)?,
        };
        let cors_origins = match get("PRAVIS_CORS_ORIGINS") {
            None => vec!["http://localhost:3000".to_owned(), "http://localhost:5173".to_owned()],
            Some(text) => {
                list(text).map(|origin| http_address("PRAVIS_CORS_ORIGINS", origin)).collect::<Result<_, _>>()?
            }
        };
        let tenant = get("PRAVIS_TENANT")
            .map(|text| text.parse().map_err(|error| SettingError::new("PRAVIS_TENANT", format!("{error}"))))
            .transpose()?
            .unwrap_or_else(TenantId::pravis);
        let processors = std::thread::available_parallelism().map_or(1, |count| count.get());
        Ok(Self {
            environment,
            services: get("PRAVIS_SERVICES").map_or(Ok(Service::ALL.to_vec()), services)?,
            data_dir: get("PRAVIS_DATA_DIR").unwrap_or(".pravis").into(),
            tenant,
            tenant_cache: Duration::from_secs(number(
                "PRAVIS_TENANT_CACHE_SECONDS",
                get("PRAVIS_TENANT_CACHE_SECONDS"),
                1..=300,
                10,
            )? as u64),
            rate_limits: rate_limits(get, production)?,
            front_door_id: get("FRONT_DOOR_ID").map(front_door_id).transpose()?,
            token_issuer: get("PRAVIS_TOKEN_ISSUER").unwrap_or(&public_url).to_owned(),
            token_audience: get("PRAVIS_TOKEN_AUDIENCE").unwrap_or("pravis-boutique-api").to_owned(),
            public_url,
            media_url,
            cors_origins,
            seed: boolean("PRAVIS_SEED", get("PRAVIS_SEED"), environment == Environment::Development)?,
            speech: speech(get)?,
            chat: ChatSettings::read(get, production)?,
            voice_concurrency: number("PRAVIS_VOICE_CONCURRENCY", get("PRAVIS_VOICE_CONCURRENCY"), 1..=64, processors)?,
            erasure_delay: chrono::TimeDelta::days(
                number("PRAVIS_ERASURE_DAYS", get("PRAVIS_ERASURE_DAYS"), 0..=30, 7)? as i64,
            ),
            reviews_wait: one_of(
                "PRAVIS_REVIEW_APPROVAL",
                get("PRAVIS_REVIEW_APPROVAL"),
                &[("staff", true), ("automatic", false)],
                true,
            )?,
            cache_bytes: number("PRAVIS_CACHE_MIB", get("PRAVIS_CACHE_MIB"), 1..=65536, 128)? as u64 * 1024 * 1024,
            search_path: get("PATH").unwrap_or_default().into(),
            secrets: secrets(variables),
            whatsapp_number: get("PRAVIS_WHATSAPP_NUMBER").map(whatsapp_number).transpose()?,
            payment_page: get("PRAVIS_PAYMENT_PAGE").map(|text| http_url("PRAVIS_PAYMENT_PAGE", text)).transpose()?,
            storage_prices: prices::storage_prices(get)?,
            connections,
        })
    }
}

impl Settings {
    /// The names in the vault of all secrets that settings refer to.
    pub fn named_secrets(&self) -> impl Iterator<Item = &str> {
        let ServiceSettings { cosmos, storage, redis, sql, .. } = &self.connections;
        let login = redis.as_ref().and_then(|redis| match &redis.login {
            RedisLogin::Password(secret) => Some(secret),
            RedisLogin::None | RedisLogin::Entra => None,
        });
        let given = [
            cosmos.as_ref().and_then(|cosmos| cosmos.key.as_ref()),
            storage.as_ref().and_then(|storage| storage.key.as_ref()),
            login,
            sql.as_ref().and_then(|sql| sql.password.as_ref()),
            self.chat.as_ref().and_then(|chat| chat.key.as_ref()),
        ];
        given.into_iter().flatten().chain(self.secrets.values()).filter_map(|secret| match secret {
            SecretRef::Named(name) => Some(name.as_str()),
            SecretRef::Given(_) => None,
        })
    }
}

/// Refuses a reference to a secret where no secret is expected, for it would be taken for the value, and
/// where no vault is set.
fn check_references(variables: &BTreeMap<String, String>, vault: bool) -> Result<(), SettingError> {
    let references = variables.iter().filter(|(_, value)| matches!(SecretRef::parse(value), SecretRef::Named(_)));
    for (name, _) in references {
        if !variable(name).is_some_and(|variable| variable.secret) {
            let secrets: Vec<&str> = VARIABLES.iter().filter(|it| it.secret).map(|it| it.name).collect();
            let problem = format!("@keyvault(…) is for {} only", secrets.join(", "));
            return Err(SettingError::new(name, problem.replace("PRAVIS_SECRET_", "PRAVIS_SECRET_<NAME>")));
        }
        if !vault {
            return Err(SettingError::new(name, "refers to a vault, but KEY_VAULT_URL is not set"));
        }
    }
    Ok(())
}

fn rate_limits(get: Get<'_>, production: bool) -> Result<bool, SettingError> {
    let name = "PRAVIS_RATE_LIMITS";
    match one_of(name, get(name), &[("on", true), ("off", false)], true)? {
        false if production => Err(SettingError::new(name, "off is for development only")),
        limits => Ok(limits),
    }
}

/// The GUID of a Front Door profile.
fn front_door_id(text: &str) -> Result<String, SettingError> {
    let groups: Vec<&str> = text.split('-').collect();
    let is_guid = groups.iter().map(|group| group.len()).eq([8, 4, 4, 4, 12])
        && groups.iter().all(|group| group.bytes().all(|byte| byte.is_ascii_hexdigit()));
    match is_guid {
        true => Ok(text.to_ascii_lowercase()),
        false => Err(SettingError::new("FRONT_DOOR_ID", "expected the GUID of the profile (its property frontDoorId)")),
    }
}

/// A number as WhatsApp's links take it: digits, the country code first (E.164 without its plus sign).
fn whatsapp_number(text: &str) -> Result<String, SettingError> {
    let is_number = (8..=15).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    match is_number && !text.starts_with('0') {
        true => Ok(text.to_owned()),
        false => Err(SettingError::new("PRAVIS_WHATSAPP_NUMBER", "expected 8 to 15 digits, the country code first")),
    }
}

fn speech(get: Get<'_>) -> Result<SpeechSettings, SettingError> {
    match get("SPEECH_PROVIDER") {
        None | Some("local") => Ok(SpeechSettings {
            recogniser: get("PRAVIS_RECOGNISER").map(str::to_owned),
            model_dir: get("PRAVIS_RECOGNISER_MODEL").map(PathBuf::from),
            synthesiser: get("PRAVIS_SYNTHESISER").map(str::to_owned),
        }),
        Some(_) => Err(SettingError::new("SPEECH_PROVIDER", "this build has only the local engine; expected local")),
    }
}

fn list(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|item| !item.is_empty())
}

fn services(text: &str) -> Result<Vec<Service>, SettingError> {
    let names = Service::ALL.map(Service::name).join(", ");
    let chosen: Vec<Service> = list(text)
        .map(|name| Service::ALL.into_iter().find(|service| service.name() == name))
        .collect::<Option<_>>()
        .ok_or_else(|| SettingError::new("PRAVIS_SERVICES", format!("expected some of {names}, parted by commas")))?;
    if chosen.is_empty() {
        return Err(SettingError::new("PRAVIS_SERVICES", format!("expected at least one of {names}")));
    }
    Ok(chosen)
}

/// An address, without a slash at the end.
fn http_address(name: &str, text: &str) -> Result<String, SettingError> {
    http_url(name, text)?;
    Ok(text.trim_end_matches('/').to_owned())
}

fn http_url(name: &str, text: &str) -> Result<Url, SettingError> {
    let expected = || SettingError::new(name, "expected an http or https address without query");
    let url = Url::parse(text).map_err(|_| expected())?;
    let plain =
        url.query().is_none() && url.fragment().is_none() && url.username().is_empty() && url.password().is_none();
    if matches!(url.scheme(), "http" | "https") && plain { Ok(url) } else { Err(expected()) }
}

/// The meaning of one of some words.
fn one_of<T: Copy>(name: &str, text: Option<&str>, words: &[(&str, T)], default: T) -> Result<T, SettingError> {
    let Some(text) = text else { return Ok(default) };
    words.iter().find(|(word, _)| *word == text).map(|(_, meaning)| *meaning).ok_or_else(|| {
        let words: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        SettingError::new(name, format!("expected {}", words.join(" or ")))
    })
}

fn boolean(name: &str, text: Option<&str>, default: bool) -> Result<bool, SettingError> {
    match text {
        None => Ok(default),
        Some("true") => Ok(true),
        Some("false") => Ok(false),
        Some(_) => Err(SettingError::new(name, "expected true or false")),
    }
}

fn number(
    name: &str,
    text: Option<&str>,
    range: std::ops::RangeInclusive<usize>,
    default: usize,
) -> Result<usize, SettingError> {
    let Some(text) = text else { return Ok(default) };
    let expected = || SettingError::new(name, format!("expected a number from {} to {}", range.start(), range.end()));
    let value = text.parse().map_err(|_| expected())?;
    if range.contains(&value) { Ok(value) } else { Err(expected()) }
}

fn secrets(variables: &BTreeMap<String, String>) -> BTreeMap<String, SecretRef> {
    variables
        .iter()
        .filter_map(|(name, value)| {
            let secret = name.strip_prefix(table::SECRET_PREFIX)?;
            Some((secret.to_ascii_lowercase().replace('_', "-"), SecretRef::parse(value)))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(pairs: &[(&str, &str)]) -> Result<Settings, SettingError> {
        Settings::from_variables(&pairs.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect())
    }

    #[test]
    fn nothing_set_is_development_with_everything_embedded() {
        let settings = parse(&[]).unwrap();
        assert_eq!(settings.environment, Environment::Development);
        assert_eq!(settings.services, Service::ALL);
        assert!(settings.seed);
    }

    #[test]
    fn a_bad_value_is_refused_by_name_and_never_shown() {
        for (name, value) in [
            ("ENVIRONMENT", "staging"),
            ("PRAVIS_SERVICES", "shop,kitchen"),
            ("PRAVIS_SERVICES", " , ,"),
            ("PRAVIS_TENANT", "../etc"),
            ("PRAVIS_PUBLIC_URL", "ftp://example.org"),
            ("MEDIA_BASE_URL", "cdn.example"),
            ("PRAVIS_CORS_ORIGINS", "http://ok.example,nonsense"),
            ("PRAVIS_SEED", "yes"),
            ("PRAVIS_RATE_LIMITS", "maybe"),
            ("FRONT_DOOR_ID", "55ce4ed1-4b06-4bf1-b40e-4638452104dz"),
            ("PRAVIS_VOICE_CONCURRENCY", "0"),
            ("PRAVIS_CACHE_MIB", "lots"),
            ("PRAVIS_ERASURE_DAYS", "31"),
            ("PRAVIS_WHATSAPP_NUMBER", "+91 98480"),
            ("PRAVIS_PAYMENT_PAGE", "pay.example/pravis"),
            ("STORAGE_PRICES", "cheap"),
            ("SPEECH_PROVIDER", "whisper"),
            ("CHAT_PROVIDER", "parrot"),
            ("COSMOS_ENDPOINT", "boutique.documents.example"),
            ("AZURE_CREDENTIAL", "password"),
            ("BLOB_SERVICE_URI", "https://boutique.blob.example?sig=secret"),
            ("AzureWebJobsStorage", "AccountName=boutique;AccountKey=c2hvcnQ="),
            ("AzureWebJobsStorage", "nonsense"),
            ("REDIS_URL", "http://cache.example"),
            ("KEY_VAULT_URL", "http://vault.example"),
            ("SERVICE_BUS", "boutique.servicebus.example"),
            ("SQL_URL", "@keyvault(sql-url)"),
        ] {
            let error = parse(&[(name, value)]).unwrap_err();
            assert_eq!(error.name, name);
            assert!(!error.to_string().contains(value), "{error}");
        }
    }

    #[test]
    fn production_names_the_setting_that_an_embedded_adapter_stands_in_for() {
        assert_eq!(parse(&[("ENVIRONMENT", "production")]).unwrap_err().name, "COSMOS_ENDPOINT");
    }

    #[test]
    fn what_production_cannot_do_without_a_deployment_always_sets() {
        let mut variables = BTreeMap::from([("ENVIRONMENT".to_owned(), "production".to_owned())]);
        let values = [
            ("COSMOS_ENDPOINT", "https://boutique.documents.azure.com"),
            ("BLOB_SERVICE_URI", "https://boutique.blob.core.windows.net"),
            ("REDIS_URL", "rediss://cache.example:10000"),
            ("SQL_URL", "Server=tcp:sql.example,1433;Database=pravis"),
            ("KEY_VAULT_URL", "https://boutique.vault.azure.net"),
        ];
        let mut asked = Vec::new();
        while let Err(error) = Settings::from_variables(&variables) {
            let (_, value) = values.iter().find(|(name, _)| *name == error.name).unwrap();
            assert!(variable(&error.name).is_some_and(|row| row.deployed == Deployed::Always), "{error}");
            assert!(!asked.contains(&error.name), "{error}");
            variables.insert(error.name.clone(), (*value).to_owned());
            asked.push(error.name);
        }
        assert_eq!(asked.len(), values.len());
    }

    #[test]
    fn limits_are_off_in_development_only() {
        assert!(parse(&[]).unwrap().rate_limits);
        assert!(!parse(&[("PRAVIS_RATE_LIMITS", "off")]).unwrap().rate_limits);
        let off = |name: &str| (name == "PRAVIS_RATE_LIMITS").then_some("off");
        assert_eq!(rate_limits(&off, true).unwrap_err().name, "PRAVIS_RATE_LIMITS");
    }

    #[test]
    fn secrets_are_taken_by_prefix_and_never_printed() {
        let settings = parse(&[("PRAVIS_SECRET_JWT_SIGNING_KEY", "hush")]).unwrap();
        assert_eq!(settings.secrets["jwt-signing-key"], SecretRef::parse("hush"));
        assert!(!format!("{settings:?}").contains("hush"));
    }
}
