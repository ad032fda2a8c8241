//! Numbers, money and lists as they are said in Indian English.

use crate::types::Paise;

const SMALL: [&str; 20] = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
];
const TENS: [&str; 10] = ["", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"];
const SCALES: [(u64, &str); 4] = [(10_000_000, "crore"), (100_000, "lakh"), (1_000, "thousand"), (100, "hundred")];

/// `n` in words, counted in lakh and crore: 150000 is `one lakh fifty thousand`.
pub fn number_words(n: u64) -> String {
    if n < 20 {
        return SMALL[n as usize].to_owned();
    }
    if n < 100 {
        let tens = TENS[(n / 10) as usize];
        return if n.is_multiple_of(10) { tens.to_owned() } else { format!("{tens} {}", SMALL[(n % 10) as usize]) };
    }
    for (scale, name) in SCALES {
        if n >= scale {
            let head = format!("{} {name}", number_words(n / scale));
            return match n % scale {
                0 => head,
                rest if scale == 100 => format!("{head} and {}", number_words(rest)),
                rest => format!("{head} {}", number_words(rest)),
            };
        }
    }
    String::new()
}

/// An amount in words: `five thousand rupees`, `one rupee and fifty paise`.
pub(crate) fn money(amount: Paise) -> String {
    let (rupees, paise) = (amount.0 / 100, amount.0 % 100);
    let whole = format!("{} {}", number_words(rupees), if rupees == 1 { "rupee" } else { "rupees" });
    if paise == 0 { whole } else { format!("{whole} and {} paise", number_words(paise)) }
}

/// `a, b and c`, with the given last conjunction.
pub(crate) fn list<S: AsRef<str>>(parts: &[S], conjunction: &str) -> String {
    match parts {
        [] => String::new(),
        [only] => only.as_ref().to_owned(),
        [first @ .., last] => {
            let first: Vec<_> = first.iter().map(AsRef::as_ref).collect();
            format!("{} {conjunction} {}", first.join(", "), last.as_ref())
        }
    }
}

/// At most `limit` characters of `text`, cut behind a sentence or else behind a word.
pub(crate) fn shortened(text: &str, limit: usize) -> String {
    let text = text.trim();
    let Some((end, _)) = text.char_indices().nth(limit) else { return text.to_owned() };
    let head = &text[..end];
    let cut = head.rfind(['.', '!', '?', '।']).and_then(|at| head[at..].chars().next().map(|c| at + c.len_utf8()));
    let cut = cut.or_else(|| head.rfind(char::is_whitespace)).unwrap_or(end);
    text[..cut].trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_counted_in_lakh_and_crore() {
        for (n, words) in [
            (0, "zero"),
            (21, "twenty one"),
            (100, "one hundred"),
            (999, "nine hundred and ninety nine"),
            (5_000, "five thousand"),
            (15_999, "fifteen thousand nine hundred and ninety nine"),
            (150_000, "one lakh fifty thousand"),
            (23_456_789, "two crore thirty four lakh fifty six thousand seven hundred and eighty nine"),
        ] {
            assert_eq!(number_words(n), words);
        }
        assert!(number_words(u64::MAX).contains("crore"));
    }

    #[test]
    fn money_and_lists() {
        assert_eq!(money(Paise(150)), "one rupee and fifty paise");
        assert_eq!(list(&["a", "b", "c"], "and"), "a, b and c");
        assert_eq!(list::<&str>(&[], "and"), "");
    }

    #[test]
    fn long_text_is_cut_where_a_reader_would_pause() {
        assert_eq!(shortened("One. Two three four.", 12), "One.");
        assert_eq!(shortened("one two three", 9), "one two");
        assert_eq!(shortened("नमस्ते दुनिया", 5), "नमस्त");
        assert_eq!(shortened("short", 99), "short");
    }
}
