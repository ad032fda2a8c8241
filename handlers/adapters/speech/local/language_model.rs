//! A trigram language model of the shop's sentences, in the ARPA format (Doug Paul's back-off format,
//! <https://cmusphinx.github.io/wiki/arpaformat/>) that PocketSphinx reads.
//!
//! Smoothing is Witten-Bell's (Witten and Bell 1991, method C), interpolated as in Chen and Goodman 1998,
//! "An empirical study of smoothing techniques for language modeling", section 2.6:
//! `P(w|h) = (c(hw) + T(h) P(w|h')) / (c(h) + T(h))`, where `T(h)` counts the distinct words after `h`
//! and `h'` is `h` without its oldest word; single words are interpolated with `1/V`. Sentences drawn
//! from a grammar repeat themselves, which the discounts of Kneser and Ney take badly.
//!
//! Rare trigrams are dropped until the model is small; the back-off weights are computed from what was
//! kept, so every distribution still sums to one.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Write;

/// Up to three words by number; unused places hold [`NONE`].
type Gram = [u32; 3];

const NONE: u32 = u32::MAX;
const BEGIN: u32 = 0;
const END: u32 = 1;

/// What bounds the size of a model.
#[derive(Clone, Copy, Debug)]
pub(super) struct ModelBounds {
    /// Sentences that are read at most.
    pub sentences: usize,
    /// Words of a sentence that are read at most.
    pub words_per_sentence: usize,
    /// Bigrams and trigrams that are written at most; 30 bytes each.
    pub grams: usize,
}

impl Default for ModelBounds {
    fn default() -> Self {
        Self { sentences: 200_000, words_per_sentence: 40, grams: 80_000 }
    }
}

/// Estimates the model over `vocabulary` from `sentences` (lower-case words between blanks) and writes it
/// as ARPA text. A sentence with a word outside the vocabulary is left out: nothing could be learnt of
/// what surrounds a word that cannot be recognised. Returns the text and the number of sentences left out.
pub(super) fn build(
    vocabulary: &BTreeSet<String>,
    sentences: impl Iterator<Item = String>,
    bounds: ModelBounds,
) -> (String, usize) {
    let words: Vec<&str> = ["<s>", "</s>"].into_iter().chain(vocabulary.iter().map(String::as_str)).collect();
    let numbers: HashMap<&str, u32> = words.iter().zip(0..).map(|(word, number)| (*word, number)).collect();

    let mut counts = Counts::default();
    let mut left_out = 0;
    for sentence in sentences.take(bounds.sentences) {
        let line = sentence.split_whitespace().take(bounds.words_per_sentence);
        match line.map(|word| numbers.get(word).copied()).collect::<Option<Vec<u32>>>() {
            Some(line) => counts.add(&line),
            None => left_out += 1,
        }
    }
    let model = Model::estimate(&counts, words.len(), bounds.grams);
    (model.to_arpa(&words), left_out)
}

/// How often each run of one, two and three words was seen.
#[derive(Default)]
struct Counts {
    orders: [BTreeMap<Gram, u32>; 3],
}

impl Counts {
    fn add(&mut self, line: &[u32]) {
        let mut padded = Vec::with_capacity(line.len() + 2);
        padded.push(BEGIN);
        padded.extend_from_slice(line);
        padded.push(END);
        for (order, counts) in self.orders.iter_mut().enumerate() {
            for window in padded.windows(order + 1) {
                *counts.entry(gram(window)).or_insert(0) += 1;
            }
        }
    }
}

fn gram(words: &[u32]) -> Gram {
    let mut gram = [NONE; 3];
    gram[..words.len()].copy_from_slice(words);
    gram
}

/// What follows a history: `c(h)` and `T(h)` of the formula above.
#[derive(Clone, Copy, Default)]
struct Followers {
    total: f64,
    distinct: f64,
}

/// Probabilities of the kept runs of each length, and the back-off weights of their histories.
struct Model {
    probabilities: [BTreeMap<Gram, f64>; 3],
    back_off: HashMap<Gram, f64>,
}

impl Model {
    fn estimate(counts: &Counts, vocabulary: usize, budget: usize) -> Self {
        let mut model = Self { probabilities: Default::default(), back_off: HashMap::new() };
        model.estimate_words(&counts.orders[0], vocabulary);
        for order in 1..3 {
            let cutoff = cutoff(&counts.orders, order, budget);
            model.estimate_runs(&counts.orders[order], order, cutoff);
        }
        model
    }

    /// Single words; `<s>` begins a sentence and is never predicted.
    fn estimate_words(&mut self, counts: &BTreeMap<Gram, u32>, vocabulary: usize) {
        let seen: Vec<f64> = (0..vocabulary as u32)
            .map(|word| if word == BEGIN { 0.0 } else { counts.get(&gram(&[word])).copied().unwrap_or(0).into() })
            .collect();
        let total: f64 = seen.iter().sum();
        let distinct = seen.iter().filter(|count| **count > 0.0).count().max(1) as f64;
        let share = distinct / (vocabulary - 1) as f64;
        for (word, count) in seen.iter().enumerate() {
            let probability = if word as u32 == BEGIN { 0.0 } else { (count + share) / (total + distinct) };
            self.probabilities[0].insert(gram(&[word as u32]), probability);
        }
    }

    /// Runs of `order + 1` words that were seen at least `cutoff` times.
    fn estimate_runs(&mut self, counts: &BTreeMap<Gram, u32>, order: usize, cutoff: u32) {
        let mut followers: HashMap<Gram, Followers> = HashMap::new();
        for (run, count) in counts {
            let entry = followers.entry(gram(&run[..order])).or_default();
            entry.total += f64::from(*count);
            entry.distinct += 1.0;
        }
        // Per history, the mass of the kept words here and one order lower: what is left here is spread
        // over what is left there.
        let mut kept: HashMap<Gram, (f64, f64)> = HashMap::new();
        for (run, count) in counts.iter().filter(|(_, count)| **count >= cutoff) {
            let history = gram(&run[..order]);
            let Followers { total, distinct } = followers[&history];
            let lower = self.probability(&run[1..=order]);
            let probability = (f64::from(*count) + distinct * lower) / (total + distinct);
            self.probabilities[order].insert(*run, probability);
            let mass = kept.entry(history).or_default();
            mass.0 += probability;
            mass.1 += lower;
        }
        for (history, (here, lower)) in kept {
            let weight = (1.0 - here).max(1e-9) / (1.0 - lower).max(1e-9);
            self.back_off.insert(history, weight);
        }
    }

    /// The probability of the last of `words` after those before it, backing off where needed.
    fn probability(&self, words: &[u32]) -> f64 {
        if let Some(probability) = self.probabilities[words.len() - 1].get(&gram(words)) {
            return *probability;
        }
        let weight = self.back_off.get(&gram(&words[..words.len() - 1])).copied().unwrap_or(1.0);
        weight * self.probability(&words[1..])
    }

    fn to_arpa(&self, words: &[&str]) -> String {
        let mut text = String::from("\\data\\\n");
        for (order, probabilities) in self.probabilities.iter().enumerate() {
            let _ = writeln!(text, "ngram {}={}", order + 1, probabilities.len());
        }
        for (order, probabilities) in self.probabilities.iter().enumerate() {
            let _ = writeln!(text, "\n\\{}-grams:", order + 1);
            for (run, probability) in probabilities {
                let _ = write!(text, "{:.4}", log10(*probability));
                for word in &run[..=order] {
                    let _ = write!(text, " {}", words[*word as usize]);
                }
                if let Some(weight) = self.back_off.get(run) {
                    let _ = write!(text, " {:.4}", log10(*weight));
                }
                text.push('\n');
            }
        }
        text.push_str("\n\\end\\\n");
        text
    }
}

/// The format's base of logarithms; -99 stands for zero.
fn log10(value: f64) -> f64 {
    if value > 0.0 { value.log10() } else { -99.0 }
}

/// The least count that keeps the runs of an order within what the orders below leave of the budget.
fn cutoff(orders: &[BTreeMap<Gram, u32>; 3], order: usize, budget: usize) -> u32 {
    let below = if order == 2 { orders[1].len().min(budget / 2) } else { budget / 2 };
    let room = budget - below;
    (1..=u32::MAX)
        .find(|cutoff| orders[order].values().filter(|count| *count >= cutoff).count() <= room)
        .unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model(sentences: &[&str], grams: usize) -> (Model, Vec<String>) {
        let vocabulary: BTreeSet<String> =
            sentences.iter().flat_map(|s| s.split_whitespace()).map(String::from).collect();
        let words: Vec<String> = ["<s>", "</s>"].map(String::from).into_iter().chain(vocabulary).collect();
        let mut counts = Counts::default();
        for sentence in sentences {
            let line: Vec<u32> = sentence
                .split_whitespace()
                .map(|word| words.iter().position(|known| known == word).unwrap() as u32)
                .collect();
            counts.add(&line);
        }
        (Model::estimate(&counts, words.len(), grams), words)
    }

    const SENTENCES: [&str; 5] =
        ["show me a saree", "show me a kurta", "add a saree", "show the cart", "add a saree to the cart"];

    #[test]
    fn every_distribution_sums_to_one() {
        for budget in [10_000, 16] {
            let (model, words) = model(&SENTENCES, budget);
            let all: Vec<u32> = (0..words.len() as u32).collect();
            let mut histories: Vec<Vec<u32>> = vec![vec![]];
            histories.extend(all.iter().map(|w| vec![*w]));
            histories.extend(all.iter().flat_map(|v| all.iter().map(|w| vec![*v, *w])));
            for history in histories {
                let sum: f64 = all
                    .iter()
                    .filter(|word| **word != BEGIN)
                    .map(|word| model.probability(&[history.as_slice(), &[*word]].concat()))
                    .sum();
                assert!((sum - 1.0).abs() < 1e-6, "{history:?} sums to {sum} with a budget of {budget}");
            }
        }
    }

    #[test]
    fn estimates_are_those_of_the_formula() {
        let (model, words) = model(&["a b", "a c"], 10_000);
        let number = |word: &str| words.iter().position(|known| known == word).unwrap() as u32;
        // Four kinds among six tokens over V = 4: P(b) = (1 + 4/4) / (6 + 4).
        let single = model.probability(&[number("b")]);
        assert!((single - 0.2).abs() < 1e-12, "{single}");
        // c(a) = 2, T(a) = 2: P(b|a) = (1 + 2 * 0.2) / (2 + 2).
        let pair = model.probability(&[number("a"), number("b")]);
        assert!((pair - 0.35).abs() < 1e-12, "{pair}");
    }

    #[test]
    fn the_budget_bounds_what_is_written_and_unknown_words_leave_sentences_out() {
        let vocabulary = ["show", "me", "a", "saree"].map(String::from).into();
        let sentences = || SENTENCES.iter().map(|s| s.to_string());
        let (text, left_out) = build(&vocabulary, sentences(), ModelBounds { grams: 6, ..ModelBounds::default() });
        assert_eq!(left_out, 4);
        let written: usize = text
            .lines()
            .filter_map(|l| l.strip_prefix("ngram ")?.split_once('='))
            .map(|(_, n)| n.parse::<usize>().unwrap())
            .skip(1)
            .sum();
        assert!(written <= 6, "{text}");
        assert!(text.ends_with("\\end\\\n"));
        assert!(text.contains("ngram 1=6\n"), "{text}");
    }
}
