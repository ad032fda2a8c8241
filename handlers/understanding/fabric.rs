//! Which fabrics contain which.

use super::lexicon::canonical;
use super::wording::normalised;

/// A product's fabric, read once to be compared often.
#[derive(Clone, Debug)]
pub struct Fabric {
    words: Vec<String>,
    canonical: Option<&'static str>,
}

/// A fabric that is asked for.
#[derive(Clone, Debug)]
pub struct WantedFabric(String);

impl Fabric {
    /// Reads a fabric as the catalogue words it.
    pub fn read(fabric: &str) -> Self {
        Self { words: normalised(fabric).collect(), canonical: canonical("fabric", fabric) }
    }

    /// Whether it satisfies what is wanted: every word of the canonical wanted fabric occurs in it. `silk` is in
    /// `chanderi silk`, `tussar` in `tasar silk`.
    pub fn includes(&self, wanted: &WantedFabric) -> bool {
        let WantedFabric(wanted) = wanted;
        self.canonical == Some(wanted.as_str())
            || wanted.split_whitespace().all(|word| self.words.iter().any(|have| have == word))
    }

    /// The bytes that it takes beside itself, about.
    pub fn weight(&self) -> usize {
        self.words.iter().map(|word| word.capacity() + size_of::<String>()).sum()
    }
}

impl WantedFabric {
    /// Reads a fabric as a shopper words it.
    pub fn read(wanted: &str) -> Self {
        let asked = wanted.to_lowercase();
        let says = |word: &str| asked.split_whitespace().any(|said| said == word);
        // A value that says more than its canonical one, as `raw silk` does, is taken at its word.
        Self(match canonical("fabric", &asked) {
            Some(plain) if !plain.split_whitespace().all(says) => plain.to_owned(),
            _ => asked,
        })
    }
}

/// Whether a product's `fabric` satisfies `wanted`, see [`Fabric::includes`].
pub fn fabric_includes(fabric: &str, wanted: &str) -> bool {
    Fabric::read(fabric).includes(&WantedFabric::read(wanted))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fibre_is_in_every_fabric_that_names_it() {
        assert!(fabric_includes("chanderi silk", "silk"));
        assert!(fabric_includes("tussar silk", "tussar"));
        assert!(fabric_includes("khadi cotton", "khadi"));
        assert!(!fabric_includes("cotton", "cotton silk"));
        assert!(fabric_includes("raw silk", "raw silk"));
        assert!(!fabric_includes("chanderi silk", "raw silk"));
        assert!(fabric_includes("tussar silk", "Tasar"));
    }
}
