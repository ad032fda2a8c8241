//! Words that numbers are made of.

/// A word that is a number or helps to name one; `lexicon/number.json` lists them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Numeral {
    /// 0 to 9.
    Unit(u64),
    /// 10 to 99 in one word.
    Teen(u64),
    /// 20, 30, … 90, which take a unit behind them: `twenty five`, `ఇరవై ఐదు`.
    Tens(u64),
    /// 100, 1000, 100000, 10000000.
    Scale(u64),
    /// Hundreds in one word: `ఐదొందలు`.
    Hundreds(u64),
    /// A count with a half, in hundredths: `ढाई`, `రెండున్నర`.
    Count(u64),
    /// What a word before a count adds to it, in hundredths: `साढ़े` 50, `सवा` 25, `पौने` -25.
    Shift(i64),
}

impl Numeral {
    /// Reads a value of the lexicon: `7`, `1000`, `2.5`, `+0.5`.
    pub(crate) fn parse(value: &str) -> Option<Self> {
        let hundredths = (value.trim_start_matches(['+', '-']).parse::<f64>().ok()? * 100.0).round();
        let hundredths = hundredths as u64;
        if let Some(sign) = value.chars().next().filter(|c| matches!(c, '+' | '-')) {
            let shift = i64::try_from(hundredths).ok()?;
            return Some(Self::Shift(if sign == '-' { -shift } else { shift }));
        }
        if !hundredths.is_multiple_of(100) {
            return Some(Self::Count(hundredths));
        }
        Some(match hundredths / 100 {
            value @ 0..=9 => Self::Unit(value),
            value @ 10..=99 if value >= 20 && value.is_multiple_of(10) => Self::Tens(value),
            value @ 10..=99 => Self::Teen(value),
            value @ (100 | 1_000 | 100_000 | 10_000_000) => Self::Scale(value),
            value @ 200..=900 => Self::Hundreds(value),
            _ => return None,
        })
    }
}
