use super::*;

#[test]
fn every_value_is_a_value_of_its_kind() {
    let lexicon = Lexicon::parse(&SOURCES).expect("the lexicon parses");
    let categories: Vec<_> = lexicon.of_kind("category").map(|entry| entry.value).collect();
    let canonical =
        ["sarees", "kurtas", "dupattas", "suits", "stoles", "jackets", "shirts", "lehengas", "shawls", "blouses"];
    assert_eq!(categories, canonical);
    for (kind, entry) in lexicon.entries() {
        let languages: Vec<_> = entry.spellings.keys().chain(entry.misspellings.keys()).collect();
        let known = ["en", "hi", "te", "hi-Latn", "te-Latn"];
        assert!(languages.iter().all(|tag| known.contains(*tag)), "{kind} {}", entry.value);
        let mut phrases = entry.spellings.values().chain(entry.misspellings.values()).flatten().peekable();
        assert!(phrases.peek().is_some(), "{kind} {}", entry.value);
        assert!(phrases.all(|phrase| !tokens(phrase).is_empty()), "{kind} {}", entry.value);
    }
}

#[test]
fn no_phrase_is_two_slot_values_of_one_kind() {
    for meanings in &LEXICON.meanings {
        let kinds: Vec<_> = meanings
            .iter()
            .filter(|meaning| !matches!(meaning, Meaning::Cue(_) | Meaning::Bound(_)))
            .map(std::mem::discriminant)
            .collect();
        for (index, kind) in kinds.iter().enumerate() {
            assert!(!kinds[..index].contains(kind), "{meanings:?}");
        }
    }
}

#[test]
fn a_bad_lexicon_is_refused() {
    let parse = |kind, source| Lexicon::parse(&[(kind, source)]);
    let red = r#"[{"value": "red", "spellings": {"en": ["red"]}}]"#;
    assert!(parse("color", red).is_ok());
    assert!(matches!(parse("colour", red), Err(LexiconError::Kind(_))));
    for kind in ["size", "number", "ordinal", "cue"] {
        assert!(matches!(parse(kind, red), Err(LexiconError::Value { .. })), "{kind}");
    }
    let two_words = r#"[{"value": "5", "spellings": {"en": ["half ten"]}}]"#;
    assert!(matches!(parse("number", two_words), Err(LexiconError::Value { .. })));
    assert!(matches!(parse("color", "{}"), Err(LexiconError::Json(_))));
}

#[test]
fn the_longest_phrase_wins() {
    let said = LEXICON.read("navy blue saree");
    assert_eq!(LEXICON.longest(&said, 0), Some((&[Meaning::Color("navy")][..], 2)));
}

#[test]
fn unknown_spellings_are_guessed_by_sound_but_english_is_left_alone() {
    for (word, weave) in [
        ("kanjeevarum", "kanjivaram"),
        ("pochampallee", "pochampally"),
        ("banarassi", "banarasi"),
        ("chandeeri", "chanderi"),
        ("paithanni", "paithani"),
    ] {
        let known = LEXICON.longest(&LEXICON.read(word), 0).map(|(meanings, _)| meanings);
        let meanings = known.or_else(|| LEXICON.near(word)).unwrap_or_default();
        assert!(meanings.contains(&Meaning::Weave(weave)), "{word}: {meanings:?}");
    }
    for word in [
        "weather",
        "music",
        "restaurant",
        "news",
        "minister",
        "banana",
        "pizza",
        "cricket",
        "movie",
        "story",
        "flight",
        "hotel",
        "phone",
        "laptop",
        "sugar",
        "doctor",
        "capital",
        "minute",
        "recipe",
        "chicken",
        "station",
        "short",
        "model",
        "shoes",
    ] {
        assert_eq!(LEXICON.near(word), None, "{word}");
    }
}

#[test]
fn catalogue_words_become_canonical() {
    assert_eq!(canonical("color", "Golden"), Some("gold"));
    assert_eq!(canonical("category", "lehenga"), Some("lehengas"));
    assert_eq!(canonical("color", "silk"), None);
}
