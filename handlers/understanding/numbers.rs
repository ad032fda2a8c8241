//! Numbers as shoppers say them in India: digits with or without separators, words, `5k`,
//! `1.5 lakh`, `fifteen hundred`, `two and a half thousand`, `nine ninety nine` (999),
//! `four triple nine` (4999), and ordinals.

use super::normalise::Token;

/// A number found in a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Number {
    /// In hundredths, so that `1.5` is 150.
    pub hundredths: u64,
    /// How many tokens it took.
    pub tokens: usize,
    /// The last scale named (1000 for thousand), 1 if none: `two to three thousand` lends it.
    pub scale: u64,
}

impl Number {
    /// The value if it is whole.
    pub(crate) fn whole(self) -> Option<u64> {
        self.hundredths.is_multiple_of(100).then_some(self.hundredths / 100)
    }
}

fn unit(word: &str) -> Option<u64> {
    Some(match word {
        "zero" => 0,
        "one" => 1,
        "two" => 2,
        "three" => 3,
        "four" => 4,
        "five" => 5,
        "six" => 6,
        "seven" => 7,
        "eight" => 8,
        "nine" => 9,
        _ => return None,
    })
}

fn teen(word: &str) -> Option<u64> {
    Some(match word {
        "ten" => 10,
        "eleven" => 11,
        "twelve" | "dozen" => 12,
        "thirteen" => 13,
        "fourteen" => 14,
        "fifteen" => 15,
        "sixteen" => 16,
        "seventeen" => 17,
        "eighteen" => 18,
        "nineteen" => 19,
        _ => return None,
    })
}

fn tens(word: &str) -> Option<u64> {
    Some(match word {
        "twenty" => 20,
        "thirty" => 30,
        "forty" | "fourty" => 40,
        "fifty" => 50,
        "sixty" => 60,
        "seventy" => 70,
        "eighty" => 80,
        "ninety" => 90,
        _ => return None,
    })
}

fn scale(word: &str) -> Option<u64> {
    Some(match word {
        "hundred" | "hundreds" => 100,
        "thousand" | "thousands" | "k" | "hazaar" | "hazar" => 1_000,
        "lakh" | "lakhs" | "lac" | "lacs" => 100_000,
        "crore" | "crores" => 10_000_000,
        _ => return None,
    })
}

/// Digits with at most one decimal point, in hundredths; more than 12 digits is no number that a
/// shopper means.
fn digits(word: &str) -> Option<u64> {
    let (whole, fraction) = word.split_once('.').unwrap_or((word, ""));
    let sane = (1..=12).contains(&whole.len()) && word.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    if !sane || fraction.contains('.') {
        return None;
    }
    let fraction: u64 = format!("{fraction:0<2}").get(..2)?.parse().ok()?;
    Some(whole.parse::<u64>().ok()? * 100 + fraction)
}

/// Reads the longest number that begins at `tokens[start]`.
pub(crate) fn number_at(tokens: &[Token], start: usize) -> Option<Number> {
    let mut reader = Reader { tokens, at: start };
    let (hundredths, scale) = reader.number()?;
    Some(Number { hundredths, tokens: reader.at - start, scale })
}

/// `first`, `2nd`, `tenth`: the position, from 1, and how many tokens name it.
pub(crate) fn ordinal_at(tokens: &[Token], start: usize) -> Option<(u8, usize)> {
    const WORDS: [&str; 10] =
        ["first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth"];
    let word = tokens.get(start)?.word.as_str();
    if let Some(index) = WORDS.iter().position(|&ordinal| ordinal == word) {
        return Some((index as u8 + 1, 1));
    }
    let suffix = tokens.get(start + 1)?.word.as_str();
    let position = word.parse::<u8>().ok().filter(|n| (1..=99).contains(n))?;
    matches!(suffix, "st" | "nd" | "rd" | "th").then_some((position, 2))
}

struct Reader<'a> {
    tokens: &'a [Token],
    at: usize,
}

impl Reader<'_> {
    fn word(&self, ahead: usize) -> &str {
        self.tokens.get(self.at + ahead).map_or("", |token| token.word.as_str())
    }

    /// Terms by falling scale: `one lakh | twenty thousand | five hundred | and fifty`.
    fn number(&mut self) -> Option<(u64, u64)> {
        let mut total: u64 = 0;
        let mut last_scale = u64::MAX;
        let mut named_scale = 1;
        loop {
            let before = self.at;
            let joined = last_scale != u64::MAX && self.word(0) == "and";
            if joined {
                self.at += 1;
            }
            let Some((value, scale)) = self.term() else {
                self.at = before;
                break;
            };
            // `between five hundred and two thousand` must stay two numbers, and so must
            // `five hundred six thousand`.
            let continues = last_scale == u64::MAX || (last_scale > 1 && value < last_scale.saturating_mul(100));
            if !continues {
                self.at = before;
                break;
            }
            total = total.saturating_add(value);
            last_scale = scale;
            named_scale = named_scale.max(scale);
            if scale == 1 {
                break;
            }
        }
        (last_scale != u64::MAX).then_some((total, named_scale))
    }

    /// A count and the scales that multiply it, in hundredths: `twenty five hundred`, `1.5 lakh`.
    fn term(&mut self) -> Option<(u64, u64)> {
        let article = matches!(self.word(0), "a" | "an") && scale(self.word(1)).is_some();
        if article {
            self.at += 1;
        }
        let bare_scale = scale(self.word(0)).filter(|_| self.word(0) != "k");
        let mut value = match bare_scale {
            Some(_) => 100,
            None => self.count()?,
        };
        let mut multiplied = 1;
        while let Some(factor) = scale(self.word(0)) {
            // `two hundred thousand` multiplies; `five thousand hundred` does not.
            if multiplied > 1 && factor <= multiplied {
                break;
            }
            value = value.saturating_mul(factor);
            multiplied = factor;
            self.at += 1;
        }
        Some((value, multiplied))
    }

    /// A number without scale words, in hundredths.
    fn count(&mut self) -> Option<u64> {
        if let Some(value) = digits(self.word(0)) {
            self.at += 1;
            return Some(value + self.half());
        }
        if self.word(0) == "half" && self.scale_follows(1) {
            self.at += if scale(self.word(1)).is_some() { 1 } else { 2 };
            return Some(50);
        }
        if let Some(value) = self.digit_string() {
            return Some(value * 100);
        }
        let value = self.below_hundred()?;
        let after = self.at;
        // `nineteen ninety nine`: 1999, unless the second part has a scale of its own.
        if value > 0
            && let Some(pair) = self.below_hundred().filter(|&pair| pair >= 10)
            && scale(self.word(0)).is_none()
        {
            return Some((value * 100 + pair) * 100);
        }
        self.at = after;
        if self.word(0) == "point"
            && let Some(tenths) = unit(self.word(1))
        {
            self.at += 2;
            return Some(value * 100 + tenths * 10);
        }
        Some(value * 100 + self.half())
    }

    fn scale_follows(&self, ahead: usize) -> bool {
        scale(self.word(ahead)).is_some() || (self.word(ahead) == "a" && scale(self.word(ahead + 1)).is_some())
    }

    /// `and a half`, only before a scale.
    fn half(&mut self) -> u64 {
        let length = match (self.word(0), self.word(1), self.word(2)) {
            ("and", "a", "half") => 3,
            ("and", "half", _) => 2,
            _ => return 0,
        };
        if scale(self.word(length)).is_none() {
            return 0;
        }
        self.at += length;
        50
    }

    fn below_hundred(&mut self) -> Option<u64> {
        let word = self.word(0);
        if let Some(value) = unit(word).or_else(|| teen(word)) {
            self.at += 1;
            return Some(value);
        }
        let value = tens(word)?;
        self.at += 1;
        let ones = unit(self.word(0)).filter(|&ones| ones > 0);
        if ones.is_some() {
            self.at += 1;
        }
        Some(value + ones.unwrap_or(0))
    }

    /// Three to seven digits said one by one: `four nine nine nine`, `four triple nine`.
    fn digit_string(&mut self) -> Option<u64> {
        let (mut at, mut value, mut count) = (self.at, 0_u64, 0);
        loop {
            let word = |i: usize| self.tokens.get(i).map_or("", |token| token.word.as_str());
            let repeats = match word(at) {
                "double" => 2,
                "triple" => 3,
                _ => 1,
            };
            let digit_at = if repeats > 1 { at + 1 } else { at };
            let Some(digit) = unit(word(digit_at)) else { break };
            if count + repeats > 7 {
                return None;
            }
            for _ in 0..repeats {
                value = value * 10 + digit;
            }
            count += repeats;
            at = digit_at + 1;
        }
        let scaled = self.tokens.get(at).is_some_and(|token| scale(&token.word).is_some());
        if count < 3 || scaled {
            return None;
        }
        self.at = at;
        Some(value)
    }
}

#[cfg(test)]
mod tests {
    use super::super::normalise::tokens;
    use super::*;

    fn value(text: &str) -> Option<(f64, usize)> {
        number_at(&tokens(text), 0).map(|n| (n.hundredths as f64 / 100.0, n.tokens))
    }

    #[test]
    fn numbers_as_they_are_said() {
        for (text, expected) in [
            ("5000", 5000.0),
            ("2,500", 2500.0),
            ("1,20,000", 120_000.0),
            ("5k", 5000.0),
            ("2.5k", 2500.0),
            ("1.5 lakh", 150_000.0),
            ("one point five lakh", 150_000.0),
            ("five thousand", 5000.0),
            ("a thousand", 1000.0),
            ("thousand", 1000.0),
            ("half a lakh", 50_000.0),
            ("two and a half thousand", 2500.0),
            ("one and half lakh", 150_000.0),
            ("fifteen hundred", 1500.0),
            ("twenty five hundred", 2500.0),
            ("two thousand five hundred", 2500.0),
            ("two thousand and five hundred", 2500.0),
            ("two thousand five hundred and fifty", 2550.0),
            ("four thousand nine hundred ninety nine", 4999.0),
            ("one lakh twenty thousand", 120_000.0),
            ("two hundred thousand", 200_000.0),
            ("nine ninety nine", 999.0),
            ("nineteen ninety nine", 1999.0),
            ("four triple nine", 4999.0),
            ("four nine nine nine", 4999.0),
            ("twenty one", 21.0),
            ("one", 1.0),
            ("499.50", 499.5),
        ] {
            let length = tokens(text).len();
            assert_eq!(value(text), Some((expected, length)), "{text}");
        }
    }

    #[test]
    fn two_numbers_stay_two() {
        for (text, first, length) in [
            ("five hundred and two thousand", 500.0, 2),
            ("two thousand and five thousand", 2000.0, 2),
            ("two thousand five thousand", 2000.0, 2),
            ("two and five thousand", 2.0, 1),
            ("ten fifteen thousand", 10.0, 1),
            ("two three thousand", 2.0, 1),
        ] {
            assert_eq!(value(text), Some((first, length)), "{text}");
        }
        assert_eq!(value("silk"), None);
        assert_eq!(value("k"), None);
        assert_eq!(value("1234567890123"), None);
        assert_eq!(value("1.2.3"), None);
    }

    #[test]
    fn ordinals() {
        assert_eq!(ordinal_at(&tokens("second one"), 0), Some((2, 1)));
        assert_eq!(ordinal_at(&tokens("3rd"), 0), Some((3, 2)));
        assert_eq!(ordinal_at(&tokens("three"), 0), None);
    }
}
