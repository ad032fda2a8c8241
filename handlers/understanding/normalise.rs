//! From what was said or typed to words that the lexicon knows: lower case, without accents and
//! punctuation, contractions spelled out, digits apart from letters. Every word remembers where
//! in the original it came from, so that it can be quoted.

use std::borrow::Cow;
use std::iter::Peekable;
use std::ops::Range;

use icu_normalizer::DecomposingNormalizerBorrowed;

use super::lexicon::Known;

/// The most words of a text that are looked at; a spoken sentence has fewer than 40.
pub(crate) const MAX_WORDS: usize = 200;

/// A normalised word and the bytes of the original text that it stands for. The words of a
/// contraction (`don't`: `do`, `not`) share one span.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Token {
    pub word: String,
    pub span: Range<usize>,
    /// What the lexicon knows of the word; nothing until it was asked.
    pub known: Known,
}

impl Token {
    pub(crate) fn new(word: String, span: Range<usize>) -> Self {
        Self { word, span, known: Known::default() }
    }
}

/// Splits `text` into at most [`MAX_WORDS`] normalised words, in order.
pub(crate) fn tokens(text: &str) -> Vec<Token> {
    let mut tokens = Vec::with_capacity(16);
    let mut rest = 0;
    while let Some(span) = next_span(text, rest) {
        rest = span.end;
        push_words(&text[span.clone()], span, &mut tokens);
        if tokens.len() >= MAX_WORDS {
            tokens.truncate(MAX_WORDS);
            break;
        }
    }
    tokens
}

/// Calls `each` with every word of a phrase of the lexicon, as [`tokens`] would write it.
pub(crate) fn each_word(phrase: &'static str, mut each: impl FnMut(Cow<'static, str>)) {
    // Most phrases are plain words already.
    if phrase.bytes().all(|b| b.is_ascii_lowercase() || b == b' ') {
        phrase
            .split(' ')
            .flat_map(|word| expand(word).split(' '))
            .filter(|word| !word.is_empty())
            .for_each(|word| each(Cow::Borrowed(word)));
    } else {
        tokens(phrase).into_iter().for_each(|token| each(Cow::Owned(token.word)));
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    Letter,
    Digit,
    Rupee,
    Other,
}

/// Vowel signs and viramas of the Indic blocks belong to words although not all of them are
/// alphabetic in Unicode's sense; so do combining accents.
fn class(c: char) -> Class {
    match c {
        '₹' | '₨' => Class::Rupee,
        'a'..='z' | 'A'..='Z' => Class::Letter,
        '\u{0964}' | '\u{0965}' => Class::Other,
        '०'..='९' | '౦'..='౯' => Class::Digit,
        '\u{0900}'..='\u{097F}' | '\u{0C00}'..='\u{0C7F}' => Class::Letter,
        _ if c.is_numeric() => Class::Digit,
        '\u{0300}'..='\u{036F}' | '\u{0900}'..='\u{0D7F}' => Class::Letter,
        _ if c.is_alphabetic() => Class::Letter,
        _ => Class::Other,
    }
}

fn is_apostrophe(c: char) -> bool {
    matches!(c, '\'' | '’' | 'ʼ' | '‘')
}

/// The next run of letters (with inner apostrophes), of digits (with inner `,` and `.`), or a
/// rupee sign, from byte `from` on.
fn next_span(text: &str, from: usize) -> Option<Range<usize>> {
    let (offset, first) = text[from..].char_indices().find(|&(_, c)| class(c) != Class::Other)?;
    let start = from + offset;
    let kind = class(first);
    let mut end = start + first.len_utf8();
    if kind == Class::Rupee {
        return Some(start..end);
    }
    let mut chars = text[end..].chars().peekable();
    while let Some(c) = chars.next() {
        let joins = match kind {
            Class::Letter => is_apostrophe(c),
            _ => matches!(c, ',' | '.'),
        };
        let inner = joins && chars.peek().is_some_and(|&next| class(next) == kind);
        if class(c) != kind && !inner {
            break;
        }
        end += c.len_utf8();
    }
    Some(start..end)
}

fn push_words(raw: &str, span: Range<usize>, tokens: &mut Vec<Token>) {
    let folded = fold(raw);
    for word in expand(&folded).split(' ').filter(|word| !word.is_empty()) {
        tokens.push(Token::new(word.to_owned(), span.clone()));
    }
}

/// Lower case, compatibility forms and accents undone (`Crêpe`, `ＳＩＬＫ`), one apostrophe, digits of
/// every script as ASCII; the group separators of numbers fall away. Indic words get one spelling.
fn fold(raw: &str) -> String {
    if raw.is_ascii() {
        let mut folded = raw.to_ascii_lowercase();
        if raw.as_bytes()[0].is_ascii_digit() {
            folded.retain(|c| c != ',');
        }
        return folded;
    }
    if raw.chars().all(is_indic) {
        return one_spelling(raw);
    }
    let plain = DecomposingNormalizerBorrowed::new_nfkd().normalize_iter(raw.chars());
    let folded = plain
        .filter(|c| !matches!(c, '\u{0300}'..='\u{036F}' | ',') && !c.is_whitespace())
        .flat_map(char::to_lowercase)
        .map(|c| if is_apostrophe(c) { '\'' } else { ascii_digit(c) })
        .collect::<String>();
    if folded.starts_with(is_indic) { one_spelling(&folded) } else { folded }
}

fn is_indic(c: char) -> bool {
    matches!(c, '\u{0900}'..='\u{0965}' | '\u{0970}'..='\u{097F}' | '\u{0C00}'..='\u{0C65}' | '\u{0C70}'..='\u{0C7F}')
}

/// `५` and `౫` are written `5`.
fn ascii_digit(c: char) -> char {
    let zero = match c {
        '०'..='९' => '०',
        '౦'..='౯' => '౦',
        _ => return c,
    };
    char::from_digit(u32::from(c) - u32::from(zero), 10).unwrap_or(c)
}

/// One spelling where Devanagari and Telugu allow several: the dot under a letter and the kind of
/// nasal dot do not count (`साड़ी`, `साडी`; `पाँच`, `पांच`), a nasal before a stop is a dot (`पन्द्रह`),
/// and `ये`, `यी` behind a vowel are `ए`, `ई` (`चाहिये`).
fn one_spelling(word: &str) -> String {
    const NUKTA: char = '\u{093C}';
    let mut out = String::with_capacity(word.len());
    let mut chars = word.chars().filter(|&c| c != NUKTA).map(without_nukta).peekable();
    while let Some(c) = chars.next() {
        let next = chars.peek().copied();
        match (c, next) {
            // Telugu's `ai`, decomposed.
            ('\u{0C46}', Some('\u{0C56}')) => {
                chars.next();
                out.push('\u{0C48}');
            }
            ('ँ', _) => out.push('ं'),
            ('ఁ', _) => out.push('ం'),
            ('ङ' | 'ञ' | 'ण' | 'न' | 'म', Some('्')) => nasal(c, 'ं', &mut chars, &mut out),
            ('ఙ' | 'ఞ' | 'ణ' | 'న' | 'మ', Some('్')) => nasal(c, 'ం', &mut chars, &mut out),
            ('य', Some('े')) if ends_in_vowel_sign(&out) => {
                chars.next();
                out.push('ए');
            }
            ('य', Some('ी')) if !out.is_empty() => {
                chars.next();
                out.push('ई');
            }
            _ => out.push(c),
        }
    }
    out
}

/// Letters that have their dot in them.
fn without_nukta(c: char) -> char {
    match c {
        '\u{0929}' => 'न',
        '\u{0931}' => 'र',
        '\u{0934}' => 'ळ',
        '\u{0958}' => 'क',
        '\u{0959}' => 'ख',
        '\u{095A}' => 'ग',
        '\u{095B}' => 'ज',
        '\u{095C}' => 'ड',
        '\u{095D}' => 'ढ',
        '\u{095E}' => 'फ',
        '\u{095F}' => 'य',
        other => other,
    }
}

fn ends_in_vowel_sign(word: &str) -> bool {
    word.ends_with(|c| matches!(c, 'ा'..='ौ' | 'अ'..='औ'))
}

/// Writes a nasal that has lost its vowel: as a dot if a stop follows.
fn nasal(letter: char, dot: char, chars: &mut Peekable<impl Iterator<Item = char> + Clone>, out: &mut String) {
    let stop = |c: char| matches!(c, 'क'..='घ' | 'च'..='झ' | 'ट'..='ढ' | 'त'..='ध' | 'प'..='भ' | 'క'..='ఘ' | 'చ'..='ఝ' | 'ట'..='ఢ' | 'త'..='ధ' | 'ప'..='భ');
    let follows = chars.clone().nth(1);
    if follows.is_some_and(stop) {
        chars.next();
        out.push(dot);
    } else {
        out.push(letter);
    }
}

/// The words that a contraction stands for, one blank apart; recognisers drop the apostrophe.
fn expand(word: &str) -> &str {
    let known = match word {
        "₹" | "rs" => "rupees",
        "don't" | "dont" => "do not",
        "doesn't" | "doesnt" => "does not",
        "didn't" | "didnt" => "did not",
        "isn't" | "isnt" => "is not",
        "aren't" | "arent" => "are not",
        "can't" | "cant" | "cannot" => "can not",
        "won't" | "wont" => "will not",
        "shouldn't" | "shouldnt" => "should not",
        "wouldn't" | "wouldnt" => "would not",
        "i'm" | "im" => "i am",
        "i'd" => "i would",
        "i'll" => "i will",
        "i've" | "ive" => "i have",
        "we'll" => "we will",
        "we'd" => "we would",
        "it's" => "it is",
        "that's" | "thats" => "that is",
        "this's" => "this is",
        "what's" | "whats" => "what is",
        "where's" | "wheres" => "where is",
        "who's" | "whos" => "who is",
        "how's" | "hows" => "how is",
        "there's" | "theres" => "there is",
        "let's" => "let us",
        "what're" => "what are",
        "you're" | "youre" => "you are",
        "they're" => "they are",
        "you've" => "you have",
        "wanna" => "want to",
        "gimme" => "give me",
        "lemme" => "let me",
        "gonna" => "going to",
        _ => "",
    };
    if !known.is_empty() {
        return known;
    }
    word.strip_suffix("'s").filter(|stem| !stem.is_empty()).unwrap_or(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        tokens(text).into_iter().map(|token| token.word).collect()
    }

    #[test]
    fn money_and_sizes_come_apart() {
        assert_eq!(words("Rs.2,500/- or ₹5k, 2XL"), ["rupees", "2500", "or", "rupees", "5", "k", "2", "xl"]);
        assert_eq!(words("rs2500 1.5 lakh."), ["rupees", "2500", "1.5", "lakh"]);
    }

    #[test]
    fn contractions_share_the_span_of_what_was_said() {
        let tokens = tokens("I don’t like Mom's");
        let words: Vec<_> = tokens.iter().map(|token| token.word.as_str()).collect();
        assert_eq!(words, ["i", "do", "not", "like", "mom"]);
        assert_eq!(tokens[1].span, tokens[2].span);
        assert_eq!(&"I don’t like Mom's"[tokens[1].span.clone()], "don’t");
    }

    #[test]
    fn accents_width_and_case_are_undone() {
        assert_eq!(words("CRÊPE ＳＩＬＫ"), ["crepe", "silk"]);
    }

    #[test]
    fn indic_words_stay_whole() {
        assert_eq!(words("लाल साड़ी, వెయ్యి లోపు").len(), 4);
    }
}
