use std::borrow::Cow;
use std::sync::LazyLock;

use rustc_hash::FxHashMap;

use super::LEXICON;

/// The kinds whose values the catalogue keeps.
const KINDS: [&str; 5] = ["category", "fabric", "weave", "color", "occasion"];

type Values = FxHashMap<Cow<'static, str>, &'static str>;

static SPELLINGS: LazyLock<FxHashMap<&'static str, Values>> =
    LazyLock::new(|| KINDS.into_iter().map(|kind| (kind, spellings_of(kind))).collect());

fn spellings_of(kind: &'static str) -> Values {
    let mut values = Values::default();
    for entry in LEXICON.of_kind(kind) {
        let spellings = entry.spellings.values().chain(entry.misspellings.values()).flatten().copied();
        for spelling in spellings.chain([entry.value]) {
            let lower = if spelling.chars().any(char::is_uppercase) {
                Cow::Owned(spelling.to_lowercase())
            } else {
                Cow::Borrowed(spelling)
            };
            values.entry(lower).or_insert(entry.value);
        }
    }
    values
}

/// The canonical value of a phrase that stands in the lexicon exactly as it is written, capitals aside:
/// `golden` → `gold`. Unlike [`canonical`](super::canonical) it guesses nothing from the sound: what staff
/// writes is not heard. `kind` as there; `None` if the lexicon has no such spelling.
pub fn spelled(kind: &str, phrase: &str) -> Option<&'static str> {
    SPELLINGS.get(kind)?.get(phrase.to_lowercase().as_str()).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_written_so_is_found() {
        assert_eq!(spelled("color", "Golden"), Some("gold"));
        assert_eq!(spelled("color", "gold"), Some("gold"));
        assert_eq!(spelled("weave", "kanchipuram"), Some("kanjivaram"));
        assert_eq!(spelled("occasion", "शादी"), Some("wedding"));
        assert_eq!(spelled("color", "goldan rod"), None);
        assert_eq!(spelled("size", "XL"), None);
    }

    #[test]
    fn no_spelling_stands_for_two_values_of_a_kind() {
        for kind in KINDS {
            for entry in LEXICON.of_kind(kind) {
                for spelling in entry.spellings.values().flatten() {
                    assert_eq!(spelled(kind, spelling), Some(entry.value), "{kind} {spelling}");
                }
            }
        }
    }
}
