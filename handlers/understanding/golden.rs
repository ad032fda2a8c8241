//! Accuracy over the golden sentences: what people say to a recogniser, with the intent and the
//! slots that a person would note down. Slots are scored by F1 over single values.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use serde::Deserialize;
use serde_json::Value;

use super::normalise::tokens;
use super::*;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Golden {
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
}

#[test]
fn golden_sentences_are_understood() {
    let golden: Vec<Golden> = serde_json::from_str(include_str!("golden_en.json")).expect("the golden set parses");
    assert!(golden.len() >= 250);
    let mut by_intent: BTreeMap<String, Score> = BTreeMap::new();
    let (mut hits, mut misses, mut extras) = (0_usize, 0, 0);
    for Golden { say, intent, slots } in &golden {
        let understood = understand(say, &Context::default());
        let score = by_intent.entry(format!("{intent:?}")).or_default();
        score.sentences += 1;
        if understood.intent == *intent {
            score.right += 1;
        } else {
            println!("INTENT {say:?}: {:?} ({:.2}), not {intent:?}", understood.intent, understood.confidence);
        }
        if *intent == Intent::Unknown {
            assert!(understood.intent != Intent::Unknown || understood.confidence < CONFIDENT, "{say:?}");
            continue;
        }
        let (expected, found) = (values(slots), values(&understood.slots));
        if expected != found {
            println!("SLOTS  {say:?}: {found:?}, not {expected:?}");
        }
        hits += expected.intersection(&found).count();
        misses += expected.difference(&found).count();
        extras += found.difference(&expected).count();
    }
    let right: usize = by_intent.values().map(|score| score.right).sum();
    let accuracy = right as f64 / golden.len() as f64;
    let f1 = 2.0 * hits as f64 / (2 * hits + misses + extras) as f64;
    for (intent, score) in &by_intent {
        println!("{intent:>16}: {}/{}", score.right, score.sentences);
    }
    println!("intent accuracy {:.1} %, slot F1 {:.1} %, {} sentences", accuracy * 100.0, f1 * 100.0, golden.len());
    assert!(accuracy >= 0.97, "intent accuracy {accuracy:.3}");
    assert!(f1 >= 0.94, "slot F1 {f1:.3}");
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
const WORDS: [&str; 40] = [
    "under", "five", "thousand", "and", "a", "half", "between", "to", "not", "red", "silk", "saree", "sarees", "the",
    "second", "one", "2", "1.5", "lakh", "₹", "k", "add", "remove", "cart", "size", "m", "x", "l", "double", "triple",
    "nine", "no", "but", "first", "last", "this", "don't", "for", "border", "top",
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
