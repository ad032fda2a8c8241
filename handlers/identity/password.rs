use std::sync::Arc;

use argon2::password_hash::phc::PasswordHash;
use argon2::{Algorithm, Argon2, Params, PasswordHasher as _, PasswordVerifier as _, Version};
use tokio::sync::Semaphore;

use crate::error::{Code, Error, Result};
use crate::ports::secrets::Secret;

/// What a password must be: 8 to 128 characters (NIST SP 800-63B §5.1.1.2 asks for at least 8 and
/// for no rules of composition; the upper bound keeps hashing cheap to refuse).
pub struct PasswordRule;

impl PasswordRule {
    pub const MIN_CHARS: usize = 8;
    pub const MAX_CHARS: usize = 128;

    /// Whether the text may become a password.
    pub fn allows(password: &str) -> bool {
        (Self::MIN_CHARS..=Self::MAX_CHARS).contains(&password.chars().count())
    }
}

/// Argon2id with OWASP's parameters (19 MiB, 2 passes, 1 lane), off the async threads and only a
/// few at a time, so that a rush of logins neither stalls requests nor eats the memory.
#[derive(Clone)]
pub struct PasswordHasher {
    argon2: Argon2<'static>,
    slots: Arc<Semaphore>,
    /// The hash of a password that nobody has, verified when the account is unknown, so that both
    /// answers take the same time.
    decoy: Arc<tokio::sync::OnceCell<String>>,
}

impl PasswordHasher {
    const MEMORY_KIB: u32 = 19 * 1024;
    const PASSES: u32 = 2;
    const LANES: u32 = 1;

    /// `concurrency` hashes run at once, at least 1; each takes 19 MiB.
    pub fn new(concurrency: usize) -> Self {
        let params = Params::new(Self::MEMORY_KIB, Self::PASSES, Self::LANES, None)
            .expect("OWASP's parameters are within Argon2's ranges");
        Self {
            argon2: Argon2::new(Algorithm::Argon2id, Version::V0x13, params),
            slots: Arc::new(Semaphore::new(concurrency.max(1))),
            decoy: Arc::default(),
        }
    }

    /// The PHC string of a password, with a fresh random salt.
    pub async fn hash(&self, password: Secret) -> Result<String> {
        self.run(move |argon2| {
            argon2.hash_password(password.expose().as_bytes()).map(|hash| hash.to_string()).map_err(Error::internal)
        })
        .await
    }

    /// Whether the password is the one that was hashed. `stored: None` takes the same time and is
    /// never true.
    pub async fn verify(&self, password: Secret, stored: Option<String>) -> Result<bool> {
        let known = stored.is_some();
        let phc = match stored {
            Some(phc) => phc,
            None => self.decoy.get_or_try_init(|| self.hash(Secret::new("nobody has this one"))).await?.clone(),
        };
        let matches = self
            .run(move |argon2| {
                let hash = PasswordHash::new(&phc).map_err(Error::internal)?;
                Ok(argon2.verify_password(password.expose().as_bytes(), &hash).is_ok())
            })
            .await?;
        Ok(known && matches)
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Argon2<'static>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let slot = tokio::time::timeout(std::time::Duration::from_secs(10), self.slots.clone().acquire_owned())
            .await
            .map_err(|_| Error::new(Code::Unavailable, "Too many people sign in at this moment; please try again."))?
            .map_err(Error::internal)?;
        let argon2 = self.argon2.clone();
        tokio::task::spawn_blocking(move || {
            let _slot = slot;
            work(&argon2)
        })
        .await
        .map_err(Error::internal)?
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_the_right_password_of_a_known_account_verifies() {
        let hasher = PasswordHasher::new(2);
        let stored = hasher.hash(Secret::new("kanjivaram-9")).await.unwrap();
        assert!(stored.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{stored}");
        assert!(hasher.verify(Secret::new("kanjivaram-9"), Some(stored.clone())).await.unwrap());
        assert!(!hasher.verify(Secret::new("kanjivaram-8"), Some(stored)).await.unwrap());
        assert!(!hasher.verify(Secret::new("nobody has this one"), None).await.unwrap());
    }

    #[test]
    fn lengths_are_counted_in_characters() {
        assert!(!PasswordRule::allows("కంచి"));
        assert!(PasswordRule::allows("కాంచీపురం పట్టు"));
        assert!(!PasswordRule::allows(&"x".repeat(129)));
    }
}
