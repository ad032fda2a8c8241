//! Accuracy over the golden sentences (`tests/fixtures/understanding/`, one JSON object a line): what
//! people say or type, with the intent and the slots that a person would note down. Slots are
//! scored by F1 over single values. `cargo test --lib understanding::golden -- --nocapture` prints
//! the table.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use serde::Deserialize;
use serde_json::Value;

use super::normalise::tokens;
use super::*;

/// Sentences by language; `-Latn` is that language in Latin letters, mixed with English.
const GOLDEN: [(&str, &str); 5] = [
    ("en", include_str!("../../tests/fixtures/understanding/en.jsonl")),
    ("hi", include_str!("../../tests/fixtures/understanding/hi.jsonl")),
    ("te", include_str!("../../tests/fixtures/understanding/te.jsonl")),
    ("hi-Latn", include_str!("../../tests/fixtures/understanding/hi-Latn.jsonl")),
    ("te-Latn", include_str!("../../tests/fixtures/understanding/te-Latn.jsonl")),
];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Golden {
    say: String,
    intent: Intent,
    #[serde(default)]
    slots: Slots,
}

/// Sentences that go on from another one.
const DIALOGUES: &str = include_str!("../../tests/fixtures/understanding/dialogues.jsonl");

/// A sentence with the one before it, and what both together mean.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Dialogue {
    language: String,
    after: String,
    say: String,
    intent: Intent,
    #[serde(default)]
    slots: Slots,
}

/// A slot's values as `slot=value` lines, so that sets of them can be compared.
fn values(slots: &Slots) -> BTreeSet<String> {
    let Ok(Value::Object(fields)) = serde_json::to_value(slots) else { panic!("slots are an object") };
    let of = |(name, value): (String, Value)| match value {
        Value::Null => vec![],
        Value::Array(values) => values.into_iter().map(|value| format!("{name}={value}")).collect(),
        single => vec![format!("{name}={single}")],
    };
    fields.into_iter().flat_map(of).collect()
}

#[derive(Default)]
struct Score {
    sentences: usize,
    right: usize,
    hits: usize,
    misses: usize,
    extras: usize,
}

impl Score {
    fn count(&mut self, golden: &Golden, understood: &Understood) {
        self.sentences += 1;
        self.right += usize::from(understood.intent == golden.intent);
        if golden.intent != Intent::Unknown {
            let (expected, found) = (values(&golden.slots), values(&understood.slots));
            self.hits += expected.intersection(&found).count();
            self.misses += expected.difference(&found).count();
            self.extras += found.difference(&expected).count();
        }
    }

    fn accuracy(&self) -> f64 {
        self.right as f64 / self.sentences as f64
    }

    fn f1(&self) -> f64 {
        2.0 * self.hits as f64 / (2 * self.hits + self.misses + self.extras).max(1) as f64
    }
}

fn report(golden: &Golden, understood: &Understood) {
    let say = &golden.say;
    if understood.intent != golden.intent {
        println!("INTENT {say}: {:?} ({:.2}), not {:?}", understood.intent, understood.confidence, golden.intent);
    }
    let (expected, found) = (values(&golden.slots), values(&understood.slots));
    if golden.intent != Intent::Unknown && expected != found {
        println!("SLOTS  {say}: {found:?}, not {expected:?}");
    }
}

#[test]
fn golden_sentences_are_understood() {
    let mut cells: BTreeMap<(String, &str), Score> = BTreeMap::new();
    let mut languages: BTreeMap<&str, Score> = BTreeMap::new();
    let mut all = Score::default();
    for (language, lines) in GOLDEN {
        let mut said = BTreeSet::new();
        for line in lines.lines() {
            let golden: Golden = serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}"));
            assert!(said.insert(golden.say.clone()), "{} stands twice", golden.say);
            let understood = understand(&golden.say, &Context::default());
            report(&golden, &understood);
            if golden.intent == Intent::Unknown && understood.intent == Intent::Unknown {
                assert!(understood.confidence < CONFIDENT, "{}", golden.say);
            }
            cells.entry((format!("{:?}", golden.intent), language)).or_default().count(&golden, &understood);
            languages.entry(language).or_default().count(&golden, &understood);
            all.count(&golden, &understood);
        }
    }
    print_table(&cells);
    assert!(all.sentences >= 2_000, "{} sentences", all.sentences);
    for (language, score) in languages.into_iter().chain([("all", all)]) {
        let (accuracy, f1) = (score.accuracy(), score.f1());
        println!(
            "{language:>8}: intent {:.1} %, slot F1 {:.1} %, {} sentences",
            accuracy * 100.0,
            f1 * 100.0,
            score.sentences
        );
        assert!(accuracy >= 0.97, "{language}: intent accuracy {accuracy:.3}");
        assert!(f1 >= 0.94, "{language}: slot F1 {f1:.3}");
    }
}

/// The context of a conversation in which this was said and three products were shown.
fn context_after(said: &str) -> Context {
    let before = understand(said, &Context::default());
    let products = (0..3).map(|_| crate::types::ProductId::generate()).collect();
    Context { products, current_product: None, slots: Some(before.slots), intent: Some(before.intent) }
}

#[test]
fn dialogues_are_understood() {
    let mut languages: BTreeMap<String, Score> = BTreeMap::new();
    let mut all = Score::default();
    for line in DIALOGUES.lines() {
        let turn: Dialogue = serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}"));
        let understood = understand(&turn.say, &context_after(&turn.after));
        let golden = Golden { say: format!("{} / {}", turn.after, turn.say), intent: turn.intent, slots: turn.slots };
        report(&golden, &understood);
        languages.entry(turn.language).or_default().count(&golden, &understood);
        all.count(&golden, &understood);
    }
    for (language, score) in languages {
        println!("{language:>8}: {}/{} intents, slot F1 {:.3}", score.right, score.sentences, score.f1());
    }
    println!("     all: {}/{} intents, slot F1 {:.3}", all.right, all.sentences, all.f1());
    assert!(all.sentences >= 25 && all.accuracy() >= 0.97 && all.f1() >= 0.94);
}

/// Right sentences of all, by intent and language.
fn print_table(cells: &BTreeMap<(String, &str), Score>) {
    let intents: BTreeSet<_> = cells.keys().map(|(intent, _)| intent).collect();
    println!("{:>16}{}", "", GOLDEN.map(|(language, _)| format!("{language:>12}")).concat());
    for intent in intents {
        let cell = |language| {
            cells
                .get(&(intent.clone(), language))
                .map_or(String::new(), |score| format!("{}/{}", score.right, score.sentences))
        };
        println!("{intent:>16}{}", GOLDEN.map(|(language, _)| format!("{:>12}", cell(language))).concat());
    }
}

fn check(text: &str) {
    let understood = understand(text, &Context::default());
    assert!((0.0..=1.0).contains(&understood.confidence));
    assert_eq!(understood, understand(text, &Context::default()));
    let slots = serde_json::to_value(&understood.slots).expect("slots serialise");
    assert_eq!(serde_json::from_value::<Slots>(slots).expect("slots deserialise"), understood.slots);
    assert!(understood.not_understood.iter().all(|words| text.contains(words.as_str())));
    let mut end = 0;
    for token in tokens(text) {
        assert!(text.get(token.span.clone()).is_some_and(|part| !part.is_empty()));
        assert!(token.span.start >= end || token.span.end == end, "spans are in order");
        end = token.span.end;
        assert!(!token.word.is_empty() && !token.word.contains(' '));
    }
}

/// Words that meet each other's grammar in every order.
const WORDS: [&str; 70] = [
    "under",
    "five",
    "thousand",
    "and",
    "a",
    "half",
    "between",
    "to",
    "not",
    "red",
    "silk",
    "saree",
    "sarees",
    "the",
    "second",
    "one",
    "2",
    "1.5",
    "lakh",
    "₹",
    "k",
    "add",
    "remove",
    "cart",
    "size",
    "m",
    "x",
    "l",
    "double",
    "triple",
    "nine",
    "no",
    "but",
    "first",
    "last",
    "this",
    "don't",
    "for",
    "border",
    "top",
    "do",
    "साढ़े",
    "sau",
    "हज़ार",
    "तक",
    "नहीं",
    "लाल",
    "साड़ी",
    "डालो",
    "वाली",
    "ki",
    "jagah",
    "kar",
    "se",
    "kam",
    "రెండు",
    "వేల",
    "లోపు",
    "కాకుండా",
    "ఎర్ర",
    "చీరలు",
    "వేయి",
    "రెండున్నర",
    "ఐదొందల",
    "చీరలున్నాయా",
    "sorry",
    "veyyi",
    "lopu",
    "vaddu",
    "and",
];

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_safe(text in "\\PC{0,2000}") {
        check(&text);
    }

    #[test]
    fn any_order_of_known_words_is_safe(words in prop::collection::vec(prop::sample::select(&WORDS[..]), 0..60)) {
        check(&words.join(" "));
    }
}
