//! The table of all settings: what the program reads, what may be a secret, and what a deployment must set. The
//! parser reads no other name, the README, the example of local settings and the infrastructure are tested
//! against it.

/// What a production deployment has to do with a setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deployed {
    /// It sets it: without it the program does not start, or serves wrongly.
    Always,
    /// It may set it, where the default does not suit.
    AtWill,
    /// It leaves it alone: for a laptop, or in place of what an identity does better.
    Never,
}

/// One setting.
#[derive(Clone, Copy, Debug)]
pub struct Variable {
    /// The name; one that ends in `_` stands for all that begin with it.
    pub name: &'static str,
    /// Whether it is secret, and may be `@keyvault(name)`.
    pub secret: bool,
    pub deployed: Deployed,
}

impl Variable {
    const fn new(name: &'static str, deployed: Deployed) -> Self {
        Self { name, secret: false, deployed }
    }

    const fn secret(name: &'static str, deployed: Deployed) -> Self {
        Self { name, secret: true, deployed }
    }

    /// Whether this row is about the variable `name`.
    pub fn covers(&self, name: &str) -> bool {
        self.name == name || self.name.ends_with('_') && name.len() > self.name.len() && name.starts_with(self.name)
    }
}

use Deployed::{Always, AtWill, Never};

/// Before the name of a secret that is set without a vault.
pub const SECRET_PREFIX: &str = "PRAVIS_SECRET_";
/// What is logged; read before all else.
pub const LOG: &str = "PRAVIS_LOG";

/// Every setting. What only the Functions host, the platform or a library of Azure reads is not one.
pub static VARIABLES: &[Variable] = &[
    Variable::new("ENVIRONMENT", Always),
    Variable::new("PRAVIS_SERVICES", Always),
    Variable::new("PRAVIS_DATA_DIR", Never),
    Variable::new("PRAVIS_TENANT", AtWill),
    Variable::new("PRAVIS_TENANT_CACHE_SECONDS", AtWill),
    Variable::new("PRAVIS_RATE_LIMITS", Never),
    Variable::new("FRONT_DOOR_ID", Always),
    Variable::new("PRAVIS_PUBLIC_URL", Always),
    Variable::new("PRAVIS_CORS_ORIGINS", Always),
    Variable::new("PRAVIS_TOKEN_ISSUER", Always),
    Variable::new("PRAVIS_TOKEN_AUDIENCE", AtWill),
    // Front Door has a route to the media container.
    Variable::new("MEDIA_BASE_URL", Always),
    Variable::new("PRAVIS_REVIEW_APPROVAL", AtWill),
    Variable::new("PRAVIS_WHATSAPP_NUMBER", AtWill),
    Variable::new("PRAVIS_PAYMENT_PAGE", AtWill),
    Variable::new("PRAVIS_SEED", AtWill),
    Variable::new("COSMOS_ENDPOINT", Always),
    // The bindings of the change feed name it too.
    Variable::new("COSMOS_DATABASE", Always),
    Variable::secret("COSMOS_KEY", Never),
    Variable::new("COSMOS_REGIONS", Always),
    Variable::new("BLOB_SERVICE_URI", Always),
    Variable::new("QUEUE_SERVICE_URI", AtWill),
    Variable::secret("STORAGE_KEY", Never),
    Variable::new("AzureWebJobsStorage", Never),
    Variable::new("REDIS_URL", Always),
    Variable::new("REDIS_USER", Always),
    Variable::secret("REDIS_PASSWORD", Never),
    Variable::new("REDIS_AUTH", Always),
    Variable::new("REDIS_CLUSTER_POLICY", AtWill),
    Variable::new("SQL_URL", Always),
    Variable::new("SQL_READ_URL", Always),
    Variable::secret("SQL_PASSWORD", Never),
    Variable::new("KEY_VAULT_URL", Always),
    Variable::new("KEY_VAULT_REFRESH_SECONDS", AtWill),
    Variable::new("AZURE_CREDENTIAL", AtWill),
    Variable::new("AZURE_CLIENT_ID", Always),
    // Refused: this build publishes to storage queues only.
    Variable::new("SERVICE_BUS", Never),
    Variable::new("SPEECH_PROVIDER", AtWill),
    Variable::new("PRAVIS_RECOGNISER", AtWill),
    Variable::new("PRAVIS_RECOGNISER_MODEL", AtWill),
    Variable::new("PRAVIS_SYNTHESISER", AtWill),
    Variable::new("CHAT_PROVIDER", AtWill),
    Variable::new("CHAT_ENDPOINT", AtWill),
    Variable::new("CHAT_MODEL", AtWill),
    Variable::new("CHAT_API_VERSION", AtWill),
    Variable::secret("CHAT_KEY", AtWill),
    Variable::new("CHAT_FOR", AtWill),
    Variable::new("CHAT_TIME_LIMIT_MS", AtWill),
    Variable::new("CHAT_MAX_TOKENS", AtWill),
    Variable::new("CHAT_CALLS_PER_MINUTE", AtWill),
    Variable::new("PRAVIS_VOICE_CONCURRENCY", AtWill),
    Variable::new("PRAVIS_ERASURE_DAYS", AtWill),
    Variable::new("PRAVIS_CACHE_MIB", AtWill),
    Variable::new("STORAGE_PRICES", AtWill),
    Variable::new("PATH", Never),
    // In a deployment the vault has them.
    Variable::secret(SECRET_PREFIX, Never),
    Variable::new(LOG, AtWill),
];

/// The row of a variable.
pub fn variable(name: &str) -> Option<&'static Variable> {
    VARIABLES.iter().find(|variable| variable.covers(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_name_has_one_row() {
        for row in VARIABLES {
            assert_eq!(VARIABLES.iter().filter(|other| other.covers(row.name)).count(), 1, "{}", row.name);
        }
        assert!(variable("PRAVIS_SECRET_JWT_SIGNING_KEY").is_some_and(|row| row.secret));
        assert!(variable("PRAVIS_SECRET_").is_some() && variable("COSMOS_KEYS").is_none());
    }
}
