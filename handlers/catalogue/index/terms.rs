//! The words that occur in the catalogue, in order: found as they are written, by their beginning, by their
//! sound, and by what is nearly written so.

use std::cmp::Reverse;
use std::ops::Range;

use strsim::osa_distance;

use crate::understanding::sound_key;

/// A word's position among all.
pub(super) type TermId = u32;

/// Words with fewer letters are never taken for misspelt: too many others are near them.
const LEAST_LETTERS: usize = 4;
/// From so many letters on, two of them may be wrong.
const LETTERS_FOR_TWO: usize = 8;
/// Longer words are no words.
const MOST_LETTERS: usize = 24;
/// From so many letters on, the beginning of a word may be misspelt, too.
const LEAST_BEGINNING: usize = 5;

/// Sorted strings, one behind the other.
struct Strings {
    text: String,
    ends: Vec<u32>,
}

impl Strings {
    fn new(sorted: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        let mut strings = Self { text: String::new(), ends: Vec::new() };
        for string in sorted {
            strings.text.push_str(string.as_ref());
            strings.ends.push(strings.text.len() as u32);
        }
        strings.text.shrink_to_fit();
        strings.ends.shrink_to_fit();
        strings
    }

    fn len(&self) -> usize {
        self.ends.len()
    }

    fn get(&self, position: usize) -> &str {
        let start = position.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.text[start as usize..self.ends[position] as usize]
    }

    /// The first position at which the string is not before `is_before`.
    fn partition_point(&self, is_before: impl Fn(&str) -> bool) -> usize {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = low + (high - low) / 2;
            if is_before(self.get(middle)) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }

    fn starting_with(&self, prefix: &str) -> Range<usize> {
        let start = self.partition_point(|string| string < prefix);
        let end = self.partition_point(|string| string < prefix || string.starts_with(prefix));
        start..end
    }

    fn equal_to(&self, wanted: &str) -> Range<usize> {
        let start = self.partition_point(|string| string < wanted);
        let end = self.partition_point(|string| string <= wanted);
        start..end
    }

    fn weight(&self) -> usize {
        self.text.capacity() + self.ends.capacity() * size_of::<u32>()
    }
}

/// All words of a catalogue.
pub(super) struct Terms {
    words: Strings,
    /// The letters of each word as a set of 64 kinds, and how many there are.
    letters: Vec<(u64, u8)>,
    sounds: Strings,
    /// The words that `sounds` are of, by position.
    sounding: Vec<TermId>,
}

/// How much a word stands for, of several that a misspelt one may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Standing {
    /// Whether names or terms of the shop have it.
    pub telling: bool,
    /// In how many products it is.
    pub products: usize,
}

impl Terms {
    /// Takes the words in order.
    pub(super) fn new(sorted: &[String]) -> Self {
        let mut sounds: Vec<(String, TermId)> =
            sorted.iter().zip(0..).filter_map(|(word, id)| Some((sound_key(word)?, id))).collect();
        sounds.sort_unstable();
        Self {
            words: Strings::new(sorted),
            letters: sorted.iter().map(|word| (kinds(word), word.chars().count().min(255) as u8)).collect(),
            sounding: sounds.iter().map(|(_, id)| *id).collect(),
            sounds: Strings::new(sounds.iter().map(|(key, _)| key)),
        }
    }

    pub(super) fn text(&self, term: TermId) -> &str {
        self.words.get(term as usize)
    }

    /// The word as it is written.
    pub(super) fn find(&self, word: &str) -> Option<TermId> {
        self.words.equal_to(word).next().map(|position| position as TermId)
    }

    /// The words that begin so.
    pub(super) fn starting_with(&self, prefix: &str) -> Range<TermId> {
        let Range { start, end } = self.words.starting_with(prefix);
        start as TermId..end as TermId
    }

    /// The words of one sound, in any script.
    pub(super) fn sounding(&self, key: &str) -> &[TermId] {
        &self.sounding[self.sounds.equal_to(key)]
    }

    /// The words whose sound begins so.
    pub(super) fn starting_to_sound(&self, key: &str) -> &[TermId] {
        &self.sounding[self.sounds.starting_with(key)]
    }

    /// The word that a misspelt one most likely is, with the number of slips: letters left out, added, exchanged
    /// or in each other's place (optimal string alignment); one slip from four letters on, two from eight. Also
    /// the word whose beginning it is, misspelt. Of equally near ones, the one that stands for more.
    pub(super) fn nearest(&self, word: &str, standing: impl Fn(TermId) -> Standing) -> Option<(TermId, usize)> {
        let length = word.chars().count();
        let allowed = match length {
            LETTERS_FOR_TWO..=MOST_LETTERS => 2,
            LEAST_LETTERS..LETTERS_FOR_TWO => 1,
            _ => return None,
        };
        if word.contains(|c: char| c.is_ascii_digit()) {
            return None;
        }
        let (wanted, first) = (kinds(word), word.chars().next()?);
        let has_most = |letters: u64| (wanted & !letters).count_ones() as usize <= allowed;
        // The letters are compared before a word is looked at: there are very many.
        let whole = self.letters.iter().zip(0..).filter(|&(&(letters, count), _)| {
            usize::from(count).abs_diff(length) <= allowed
                && has_most(letters)
                && (letters & !wanted).count_ones() as usize <= allowed
        });
        let whole = whole.map(|(_, term)| {
            let text = self.text(term);
            (osa_distance(word, text), false, !text.starts_with(first), term)
        });
        let longer = if length < LEAST_BEGINNING { 0..0 } else { self.starting_with(first.encode_utf8(&mut [0; 4])) };
        let longer = longer.filter(|&term| {
            let (letters, count) = self.letters[term as usize];
            usize::from(count) > length + allowed && has_most(letters)
        });
        let begun = longer.map(|term| {
            let text = self.text(term);
            let end = text.char_indices().nth(length).map_or(text.len(), |(at, _)| at);
            // Behind every whole word.
            (osa_distance(word, &text[..end]), true, false, term)
        });
        let near = whole.chain(begun);
        let near = near.filter(|(distance, ..)| *distance <= allowed);
        let order = |&(distance, beginning, differently, term): &(usize, bool, bool, TermId)| {
            (distance, beginning, differently, Reverse(standing(term)), term)
        };
        near.min_by_key(order).map(|(distance, _, _, term)| (term, distance))
    }

    /// The bytes that they take.
    pub(super) fn weight(&self) -> usize {
        self.words.weight()
            + self.sounds.weight()
            + self.letters.capacity() * size_of::<(u64, u8)>()
            + self.sounding.capacity() * size_of::<TermId>()
    }
}

/// The kinds of letters in a word. Different letters may be of one kind.
fn kinds(word: &str) -> u64 {
    word.chars().fold(0, |kinds, letter| kinds | 1 << (u32::from(letter) % 64))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn terms() -> Terms {
        let mut words =
            ["chanderi", "kantha", "kanta", "silk", "silver", "saree", "शिकारगाह", "shikargah", "wine", "line"]
                .map(str::to_owned);
        words.sort_unstable();
        Terms::new(&words)
    }

    fn nearest(word: &str) -> Option<String> {
        let terms = terms();
        let nearest = terms.nearest(word, |_| Standing { telling: true, products: 1 });
        nearest.map(|(term, _)| terms.text(term).to_owned())
    }

    #[test]
    fn words_are_found_as_written_and_by_their_beginning() {
        let terms = terms();
        assert_eq!(terms.find("silk").map(|term| terms.text(term)), Some("silk"));
        assert_eq!(terms.find("sil"), None);
        let found: Vec<_> = terms.starting_with("sil").map(|term| terms.text(term)).collect();
        assert_eq!(found, ["silk", "silver"]);
        assert!(terms.starting_with("zz").is_empty());
        assert_eq!(terms.starting_with("").len(), 10);
    }

    #[test]
    fn words_are_found_by_sound_in_every_script() {
        let terms = terms();
        let key = sound_key("शिकारगाह").unwrap();
        let mut found: Vec<_> = terms.sounding(&key).iter().map(|&term| terms.text(term)).collect();
        found.sort_unstable();
        assert_eq!(found, ["shikargah", "शिकारगाह"]);
        assert_eq!(terms.starting_to_sound(&sound_key("chande").unwrap()).len(), 1);
    }

    #[test]
    fn slips_are_bounded_by_the_length_of_the_word() {
        assert_eq!(nearest("slik"), Some("silk".into()), "transposed");
        assert_eq!(nearest("chandrei"), Some("chanderi".into()));
        assert_eq!(nearest("chndrei"), None, "two slips in seven letters");
        assert_eq!(nearest("chanddeeri"), Some("chanderi".into()), "two slips in ten letters");
        assert_eq!(nearest("sik"), None);
        assert_eq!(nearest("chamde"), Some("chanderi".into()), "a misspelt beginning");
        assert_eq!(nearest("wime"), Some("wine".into()), "the first letter is mostly right");
        assert_eq!(nearest("5000"), None);
        assert_eq!(nearest(""), None);
    }
}
