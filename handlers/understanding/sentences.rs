//! Sentences that shoppers say, made from the same lexicon: what the language model of the local
//! speech recogniser is estimated from. Lower-case words only, numbers spelled out.

use std::collections::BTreeSet;

use super::lexicon::{Entry, LEXICON};
use super::reply::number_words;

/// How many search sentences are drawn from all combinations.
const SEARCHES: usize = 12_000;

/// Prices that people name, in rupees.
const PRICES: [u64; 22] = [
    500, 750, 999, 1_000, 1_200, 1_500, 1_999, 2_000, 2_500, 2_999, 3_000, 3_500, 4_000, 4_999, 5_000, 6_000, 7_500,
    8_000, 10_000, 15_000, 20_000, 100_000,
];

const OPENINGS: [&str; 22] = [
    "",
    "",
    "",
    "show me",
    "show",
    "find",
    "find me",
    "i want",
    "i need",
    "i am looking for",
    "looking for",
    "search for",
    "do you have",
    "do you have any",
    "can you show me",
    "please show me",
    "i would like to see",
    "give me",
    "get me",
    "i want to buy",
    "are there any",
    "show me some",
];

/// A deterministic stream of indices (SplitMix64, Steele et al. 2014), so that the sample is the
/// same on every machine.
struct Sampler(u64);

impl Sampler {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) % bound.max(1) as u64) as usize
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from.get(self.below(from.len())).copied().unwrap_or_default()
    }

    /// An index, the smaller ones more often.
    fn early(&mut self, bound: usize) -> usize {
        self.below(bound).min(self.below(bound)).min(self.below(bound))
    }

    /// A spelling of one of the concepts, the earlier ones of both more often: the lexicon lists what is
    /// asked for most, and how it is said most, first.
    fn pick_common<'a>(&mut self, concepts: &[Vec<&'a str>]) -> &'a str {
        let Some(spellings) = concepts.get(self.early(concepts.len())) else { return "" };
        spellings.get(self.early(spellings.len())).copied().unwrap_or_default()
    }

    /// True in `share` of 100 cases.
    fn chance(&mut self, share: usize) -> bool {
        self.below(100) < share
    }

    /// A spelling of one of the concepts in `share` of 100 cases.
    fn sometimes<'a>(&mut self, share: usize, concepts: &[Vec<&'a str>]) -> &'a str {
        if self.chance(share) { self.pick_common(concepts) } else { "" }
    }
}

/// The English spellings of every concept of a kind that people say.
fn spoken(kind: &str) -> Vec<&'static str> {
    LEXICON.of_kind(kind).flat_map(english).collect()
}

/// The same, concept by concept.
fn by_concept(kind: &str) -> Vec<Vec<&'static str>> {
    LEXICON.of_kind(kind).map(english).filter(|spellings| !spellings.is_empty()).collect()
}

fn english(entry: &Entry<'static>) -> Vec<&'static str> {
    let spoken = entry.spellings.get("en").map(Vec::as_slice).unwrap_or_default();
    spoken.iter().copied().filter(|phrase| is_speakable(phrase)).collect()
}

/// Whether a recogniser could write the phrase: lower-case words, no digits.
fn is_speakable(phrase: &str) -> bool {
    phrase.bytes().all(|b| b.is_ascii_lowercase() || b == b' ' || b == b'\'')
}

/// English sentences for the recogniser's language model: every fixed command, every price
/// phrase, and a sample of searches in which each value of the lexicon occurs. The same on every
/// call, at most 20 000.
pub fn training_sentences() -> impl Iterator<Item = String> {
    let fixed = commands().chain(product_commands()).chain(price_phrases()).chain(single_values());
    fixed.chain(searches())
}

/// Every word that the sentences use, sorted.
pub fn vocabulary() -> BTreeSet<String> {
    training_sentences().flat_map(|sentence| tokens_of(&sentence)).collect()
}

fn tokens_of(sentence: &str) -> Vec<String> {
    sentence.split_whitespace().map(str::to_owned).collect()
}

/// Joins the parts that are not empty.
fn join(parts: &[&str]) -> String {
    let parts: Vec<_> = parts.iter().copied().filter(|part| !part.is_empty()).collect();
    parts.join(" ")
}

/// Commands about pages, the cart, policies, order and conversation.
fn commands() -> impl Iterator<Item = String> {
    const POLITE: [&str; 3] = ["", "please", "can you"];
    const FIXED: [&str; 40] = [
        "what is in my cart",
        "show my cart",
        "show me my cart",
        "read my cart",
        "what is my total",
        "how many items are in my cart",
        "empty my cart",
        "clear my cart",
        "remove everything from my cart",
        "add to cart",
        "i will take it",
        "two of these",
        "check out",
        "proceed to checkout",
        "go to checkout",
        "place my order",
        "i want to pay",
        "make it two",
        "make it three",
        "increase the quantity",
        "decrease the quantity",
        "tell me more",
        "how much is this",
        "what does it cost",
        "what is the price",
        "read the description",
        "read the reviews",
        "what do the reviews say",
        "is it in stock",
        "is this available",
        "what is it made of",
        "how do i wash this",
        "what colours does it come in",
        "what sizes are available",
        "where was this made",
        "show me something cheaper",
        "show me more",
        "show me all products",
        "do you have this in another colour",
        "read this page",
    ];
    let said = ["help", "stop", "greeting", "thanks", "checkout"];
    let cues = LEXICON.of_kind("cue").filter(move |entry| said.contains(&entry.value)).flat_map(english);
    let pages = spoken("page").into_iter().flat_map(|page| {
        ["", "go to", "open", "take me to", "show me"].into_iter().map(move |verb| join(&[verb, page]))
    });
    let questions = spoken("policy").into_iter().flat_map(|topic| {
        ["", "tell me about", "what about", "what is your", "what is the"]
            .into_iter()
            .map(move |ask| join(&[ask, topic]))
    });
    let sorts = spoken("sort")
        .into_iter()
        .flat_map(|sort| ["", "sort by", "show me the", "show"].into_iter().map(move |verb| join(&[verb, sort])));
    let cart_page = ["open", "go to", "take me to"].into_iter().map(|verb| join(&[verb, "my cart"]));
    let fixed = FIXED.into_iter().flat_map(|command| POLITE.into_iter().map(move |polite| join(&[polite, command])));
    fixed.chain(cues.map(str::to_owned)).chain(pages).chain(cart_page).chain(questions).chain(sorts)
}

/// Commands about one product, for every way to point at one.
fn product_commands() -> impl Iterator<Item = String> {
    const POINTED: [&str; 16] = [
        "this",
        "it",
        "this one",
        "that one",
        "the first one",
        "the second one",
        "the third one",
        "the fourth one",
        "the fifth one",
        "the last one",
        "the first",
        "the second",
        "the last",
        "number two",
        "this product",
        "these",
    ];
    const FRAMES: [(&str, &str); 22] = [
        ("add", "to my cart"),
        ("add", "to cart"),
        ("put", "in my bag"),
        ("add", ""),
        ("please add", "to the cart"),
        ("i will take", ""),
        ("i want", ""),
        ("buy", ""),
        ("order", ""),
        ("remove", ""),
        ("remove", "from my cart"),
        ("take", "out of my cart"),
        ("delete", ""),
        ("i do not want", ""),
        ("tell me about", ""),
        ("describe", ""),
        ("how much is", ""),
        ("what is the price of", ""),
        ("show me", ""),
        ("open", ""),
        ("change the quantity of", "to two"),
        ("add two of", "to my cart"),
    ];
    let garments = LEXICON.of_kind("category").filter_map(|entry| english(entry).first().copied());
    let named = garments.flat_map(|garment| {
        let weaves = LEXICON.of_kind("weave").filter_map(|entry| english(entry).first().copied());
        weaves.step_by(5).chain(["red", "blue", "silk", "cotton"]).map(move |word| format!("the {word} {garment}"))
    });
    let all = POINTED.into_iter().map(str::to_owned).chain(named);
    all.enumerate().flat_map(|(index, product)| {
        // Every way to point meets every verb; names meet some, in turn.
        let step = if index < POINTED.len() { 1 } else { 5 };
        FRAMES.into_iter().skip(index % step).step_by(step).map(move |(verb, end)| join(&[verb, &product, end]))
    })
}

/// How a price is limited, in words.
fn price_phrase(sampler: &mut Sampler) -> String {
    const LIMITS: [&str; 16] = [
        "under",
        "under",
        "below",
        "less than",
        "up to",
        "within",
        "around",
        "about",
        "over",
        "above",
        "more than",
        "at least",
        "not more than",
        "for less than",
        "maximum",
        "starting from",
    ];
    let first = PRICES[sampler.below(PRICES.len())];
    let second = PRICES[sampler.below(PRICES.len())];
    let unit = if sampler.chance(40) { "rupees" } else { "" };
    if first < second && sampler.below(4) == 0 {
        let (low, high) = (number_words(first), number_words(second));
        return match sampler.below(3) {
            0 => join(&["between", &low, "and", &high, unit]),
            1 => join(&["from", &low, "to", &high, unit]),
            _ => join(&[&low, "to", &high, unit]),
        };
    }
    join(&[sampler.pick(&LIMITS), &said(first, sampler), unit])
}

/// A price as people say it: `two thousand five hundred`, `twenty five hundred`, `nine ninety
/// nine`, `two and a half thousand`.
fn said(price: u64, sampler: &mut Sampler) -> String {
    let (hundreds, rest) = (price / 100, price % 100);
    match sampler.below(4) {
        0 if hundreds < 100 && !hundreds.is_multiple_of(10) && rest == 0 => {
            format!("{} hundred", number_words(hundreds))
        }
        1 if price % 1_000 == 500 && price > 1_000 => format!("{} and a half thousand", number_words(price / 1_000)),
        2 if rest > 9 && hundreds > 0 => format!("{} {}", number_words(hundreds), number_words(rest)),
        _ => number_words(price).replace(" and ", if sampler.below(2) == 0 { " and " } else { " " }),
    }
}

fn price_phrases() -> impl Iterator<Item = String> {
    let mut sampler = Sampler(1);
    (0..600).map(move |_| price_phrase(&mut sampler))
}

/// Every spoken value of the lexicon at least once, alone and with a garment.
fn single_values() -> impl Iterator<Item = String> {
    let described = ["weave", "fabric", "color", "feature"].into_iter().flat_map(spoken);
    let with_garment = described.flat_map(|word| {
        ["saree", "sarees", "kurta", "dupatta"].into_iter().map(move |garment| format!("{word} {garment}"))
    });
    let alone = ["category", "weave", "fabric", "color", "size", "occasion"].into_iter().flat_map(spoken);
    alone.map(str::to_owned).chain(with_garment)
}

/// Searches with some of everything.
fn searches() -> impl Iterator<Item = String> {
    let (garments, occasions, sizes) = (spoken("category"), spoken("occasion"), spoken("size"));
    let (fabrics, weaves, colors) = (by_concept("fabric"), by_concept("weave"), by_concept("color"));
    let mut sampler = Sampler(7);
    (0..SEARCHES).map(move |_| {
        let opening = sampler.pick(&OPENINGS);
        let mut color = sampler.sometimes(40, &colors).to_owned();
        if !color.is_empty() && sampler.below(8) == 0 {
            color = join(&[&color, sampler.pick(&["and", "or"]), sampler.pick_common(&colors)]);
        }
        let weave = sampler.sometimes(40, &weaves);
        let fabric = sampler.sometimes(45, &fabrics);
        let garment = sampler.pick(&garments);
        let garment =
            if sampler.below(3) == 0 { sampler.pick(&["saree", "sarees", "kurta", "kurtas"]) } else { garment };
        let tail = match sampler.below(10) {
            0..=3 => price_phrase(&mut sampler),
            4 => format!("for {} {}", sampler.pick(&["a", "my", "the"]), sampler.pick(&occasions)),
            5 => format!("in size {}", sampler.pick(&sizes)),
            6 => {
                format!("{} {}", sampler.pick(&["but not", "not", "without", "in", "in"]), sampler.pick_common(&colors))
            }
            _ => String::new(),
        };
        let article = if garment.ends_with('s') || opening.is_empty() {
            ""
        } else if sampler.chance(60) {
            "a"
        } else {
            ""
        };
        join(&[opening, article, &color, weave, fabric, garment, &tail])
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::understanding::normalise::tokens;
    use crate::understanding::{Context, Intent, understand};

    #[test]
    fn the_sentences_are_words_and_always_the_same() {
        let sentences: Vec<_> = training_sentences().collect();
        assert!((5_000..=20_000).contains(&sentences.len()), "{}", sentences.len());
        assert!(sentences.iter().all(|sentence| !sentence.is_empty() && is_speakable(sentence)));
        assert!(sentences == training_sentences().collect::<Vec<_>>());
    }

    #[test]
    fn the_vocabulary_holds_every_spoken_value() {
        let vocabulary = vocabulary();
        for kind in ["category", "fabric", "weave", "color", "size", "occasion", "sort", "page", "policy"] {
            for phrase in spoken(kind) {
                assert!(tokens_of(phrase).iter().all(|word| vocabulary.contains(word)), "{phrase}");
            }
        }
        assert!(["five", "thousand", "hundred", "lakh", "rupees"].iter().all(|&word| vocabulary.contains(word)));
        assert!(vocabulary.iter().all(|word| tokens(word).len() <= 2), "single words");
    }

    #[test]
    fn what_the_recogniser_learns_is_what_understanding_knows() {
        let sentences: Vec<_> = searches().step_by(7).collect();
        let searched = |sentence: &&String| understand(sentence, &Context::default()).intent == Intent::Search;
        let understood = sentences.iter().filter(searched).count();
        assert!(understood * 100 >= sentences.len() * 99, "{understood} of {}", sentences.len());
    }
}
