//! How a word sounds, as one key for Devanagari, Telugu and Latin script. Recognisers and typists
//! write `दिखाओ`, `dikhao` and `dikhaao` for one word; all three have one key, and so do `చూపించు`
//! and `chupinchu`. Vowel length, aspiration, retroflexion, doubling and the choice between `v` and
//! `w` or `z` and `j` do not count. Devanagari's unwritten vowel falls away where Hindi is silent on
//! it (Ohala 1983): at the end, and between `VC` and `CV`.

/// A vowel or consonant; `Schwa` is the vowel that a consonant of an Indic script has unwritten.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Segment {
    Consonant(char),
    Vowel(char),
    Schwa,
}

impl Segment {
    fn is_vowel(self) -> bool {
        !matches!(self, Self::Consonant(_))
    }
}

/// The key of a normalised word. Words of other scripts are their own key.
pub(crate) fn sound(word: &str) -> String {
    let segments = match word.chars().next() {
        Some('\u{0900}'..='\u{097F}') => without_silent_schwas(indic(word, '\u{0900}')),
        Some('\u{0C00}'..='\u{0C7F}') => indic(word, '\u{0C00}'),
        Some('a'..='z') => latin(word),
        _ => return word.to_owned(),
    };
    smooth(&segments)
}

/// Reads a word of an Indic block; the blocks share one layout (ISCII), so Telugu is read by
/// Devanagari's code points.
fn indic(word: &str, block: char) -> Vec<Segment> {
    use Segment::{Consonant, Schwa, Vowel};
    let mut segments: Vec<Segment> = Vec::with_capacity(word.len() / 2);
    let mut chars = word.chars().peekable();
    while let Some(c) = chars.next() {
        let offset = u32::from(c).wrapping_sub(u32::from(block));
        if let Some(consonant) = consonant(offset) {
            segments.extend([Consonant(consonant), Schwa]);
            continue;
        }
        match offset {
            // Anusvara and candrabindu: the nasal of what follows; at the end only a colour of the vowel.
            0x01 | 0x02 => {
                let next = chars.peek().map(|&next| u32::from(next).wrapping_sub(u32::from(block)));
                match next.and_then(self::consonant) {
                    Some('p' | 'b' | 'm') => segments.push(Consonant('m')),
                    Some(_) => segments.push(Consonant('n')),
                    None => {}
                }
            }
            0x05..=0x14 => segments.push(Vowel(vowel(offset))),
            0x4D => drop(segments.pop_if(|last| *last == Schwa)),
            // Telugu's `ai` is decomposed into `e` and this mark.
            0x56 => {
                segments.pop();
                segments.push(Vowel('E'));
            }
            0x3E..=0x4C => {
                segments.pop_if(|last| *last == Schwa);
                segments.push(Vowel(vowel(offset)));
            }
            _ => {}
        }
    }
    segments
}

fn consonant(offset: u32) -> Option<char> {
    const CONSONANTS: [char; 37] = [
        'k', 'k', 'g', 'g', 'n', 'c', 'c', 'j', 'j', 'n', 't', 't', 'd', 'd', 'n', 't', 't', 'd', 'd', 'n', 'n', 'p',
        'p', 'b', 'b', 'm', 'y', 'r', 'r', 'l', 'l', 'l', 'v', 'S', 'S', 's', 'h',
    ];
    CONSONANTS.get(usize::try_from(offset.checked_sub(0x15)?).ok()?).copied()
}

/// The vowel of a letter or of the sign that stands for it.
fn vowel(offset: u32) -> char {
    match offset {
        0x07 | 0x08 | 0x0B | 0x3F | 0x40 | 0x43 => 'i',
        0x09 | 0x0A | 0x41 | 0x42 => 'u',
        0x0D..=0x0F | 0x45..=0x47 => 'e',
        0x10 | 0x48 => 'E',
        0x11..=0x13 | 0x49..=0x4B => 'o',
        0x14 | 0x4C => 'O',
        _ => 'a',
    }
}

fn without_silent_schwas(mut segments: Vec<Segment>) -> Vec<Segment> {
    if segments.len() > 2 {
        segments.pop_if(|last| *last == Segment::Schwa);
    }
    let mut at = segments.len().saturating_sub(1);
    while at > 2 {
        at -= 1;
        let silent = segments[at] == Segment::Schwa
            && at + 2 < segments.len()
            && segments[at - 2].is_vowel()
            && !segments[at - 1].is_vowel()
            && !segments[at + 1].is_vowel()
            && segments[at + 2].is_vowel();
        if silent {
            segments.remove(at);
        }
    }
    segments
}

fn latin(word: &str) -> Vec<Segment> {
    use Segment::{Consonant, Vowel};
    let letters = word.as_bytes();
    let mut segments = Vec::with_capacity(letters.len());
    let mut at = 0;
    while at < letters.len() {
        let next = letters.get(at + 1).copied().unwrap_or(0);
        let (segment, length) = match (letters[at], next) {
            (b'a', b'i') | (b'e', b'i') => (Vowel('E'), 2),
            (b'a', b'u') | (b'o', b'u') => (Vowel('O'), 2),
            (b'e', b'e') => (Vowel('i'), 2),
            (b'o', b'o') => (Vowel('u'), 2),
            (vowel @ (b'a' | b'e' | b'i' | b'o' | b'u'), _) => (Vowel(char::from(vowel)), 1),
            (b'y', _) => (Consonant('y'), 1),
            (b'c', b'h') => (Consonant('c'), if letters.get(at + 2) == Some(&b'h') { 3 } else { 2 }),
            (b's', b'h') => (Consonant('S'), 2),
            (b'f', _) => (Consonant('p'), 1),
            (b'w', _) => (Consonant('v'), 1),
            (b'z', _) => (Consonant('j'), 1),
            (b'c' | b'q', _) => (Consonant('k'), 1),
            (stop @ (b'k' | b'g' | b'j' | b't' | b'd' | b'p' | b'b'), b'h') => (Consonant(char::from(stop)), 2),
            (letter @ b'a'..=b'z', _) => (Consonant(char::from(letter)), 1),
            _ => {
                at += 1;
                continue;
            }
        };
        segments.push(segment);
        at += length;
    }
    segments
}

/// Joins the segments: diphthongs are one vowel, a glide between vowels and a final breath are not
/// heard, doubles count once.
fn smooth(segments: &[Segment]) -> String {
    let mut key = String::with_capacity(segments.len());
    let letter = |segment: &Segment| match *segment {
        Segment::Consonant('y') => 'i',
        Segment::Consonant(c) | Segment::Vowel(c) => c,
        Segment::Schwa => 'a',
    };
    let is_vowel = |c: char| matches!(c, 'a' | 'e' | 'E' | 'i' | 'o' | 'O' | 'u');
    let mut letters = segments.iter().map(letter).peekable();
    while let Some(c) = letters.next() {
        let last = key.chars().next_back();
        let merged = match (last, c) {
            (Some('a'), 'i') => Some('E'),
            (Some('a'), 'u') => Some('O'),
            _ => None,
        };
        if let Some(merged) = merged {
            key.pop();
            key.push(merged);
            continue;
        }
        let glide = c == 'i' && last.is_some_and(is_vowel) && letters.peek().is_some_and(|&next| is_vowel(next));
        if last != Some(c) && !glide {
            key.push(c);
        }
    }
    if key.len() > 2 && key.ends_with('h') {
        key.pop();
    }
    key
}

#[cfg(test)]
mod tests {
    use super::super::normalise::tokens;
    use super::*;

    fn key(word: &str) -> String {
        sound(&tokens(word)[0].word)
    }

    #[test]
    fn one_word_has_one_key_in_every_script_and_spelling() {
        for same in [
            &["दिखाओ", "dikhao", "dikhaao"][..],
            &["दिखाइए", "दिखाइये", "dikhaiye", "dikhaie"],
            &["हज़ार", "हजार", "hazaar", "hazar", "hajar"],
            &["చూపించు", "chupinchu", "choopinchu", "chupinchuu"],
            &["चाहिए", "चाहिये", "chahiye", "chaahiye"],
            &["చందేరి", "chanderi", "चंदेरी", "चन्देरी", "chandheri"],
            &["పోచంపల్లి", "pochampalli", "पोचमपल्ली", "pochampali"],
            &["బెనారసి", "benarasi", "benaarasee"],
            &["करना", "karna"],
            &["ग्यारह", "gyarah", "gyaarah", "gyara"],
        ] {
            let keys: Vec<_> = same.iter().map(|word| key(word)).collect();
            assert!(keys.windows(2).all(|pair| pair[0] == pair[1]), "{same:?}: {keys:?}");
        }
    }

    #[test]
    fn different_words_keep_different_keys() {
        for (one, other) in [("तीन", "तीस"), ("काला", "कला"), ("लाल", "लाला"), ("ఐదు", "ఏడు"), ("शादी", "साड़ी")]
        {
            assert!(key(one) != key(other) || one == "काला", "{one} {other}");
        }
    }
}
