use super::*;
use crate::types::{Language, ProductId};
use crate::understanding::{CONFIDENT, understand};

fn unknown() -> Understood {
    let unknown = understand("kuchh aisa jo dil khush kar de", &Context::default());
    assert_eq!(unknown.intent, Intent::Unknown);
    unknown
}

fn shown(count: usize) -> Context {
    Context { products: (0..count).map(|_| ProductId::generate()).collect(), ..Context::default() }
}

fn form(intent: Intent) -> Proposal {
    Proposal { intent, ..Proposal::default() }
}

fn understood(proposal: Proposal) -> Understood {
    match proposal.judged().accept(&unknown(), &shown(3)) {
        Accepted::Understood(understood) => *understood,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_search_is_understood_with_less_confidence_than_by_rule() {
    let found = understood(Proposal {
        category: Some("sarees".into()),
        fabric: vec!["silk".into()],
        max_price_rupees: Some(5000),
        ..form(Intent::Search)
    });
    assert_eq!((found.intent, found.query.as_str()), (Intent::Search, "silk saree"));
    assert_eq!(found.slots.max_price_paise, Some(Paise::from_rupees(5000)));
    assert!((CONFIDENT..0.7).contains(&found.confidence));
    assert_eq!(found.language, Language::English);
    assert_eq!(found.not_understood, unknown().not_understood);
}

#[test]
fn values_that_no_vocabulary_has_are_dropped() {
    let slots = understood(Proposal {
        category: Some("sarees".into()),
        fabric: vec!["silk".into(), "silk".into(), "kryptonite".into(), "<script>".into()],
        colors: vec!["infrared".into()],
        not_colors: vec!["red".into(); 100],
        occasion: Some("heist".into()),
        min_price_rupees: Some(-5),
        max_price_rupees: Some(i64::MAX),
        quantity: Some(0),
        ..form(Intent::Search)
    })
    .slots;
    let expected = Slots {
        category: Some("sarees".into()),
        fabric: vec!["silk".into()],
        not_colors: vec!["red".into()],
        ..Slots::default()
    };
    assert_eq!(slots, expected);
    let turned = Proposal { min_price_rupees: Some(9), max_price_rupees: Some(3), ..form(Intent::Search) };
    assert_eq!(turned.judged().accept(&unknown(), &shown(0)), Accepted::Nothing);
}

#[test]
fn a_form_of_another_shape_is_refused() {
    let good = serde_json::to_value(form(Intent::Help)).unwrap();
    assert!(Proposal::read(&good.to_string()).is_ok());
    let with = |field: &str, value: Value| {
        let mut changed = good.clone();
        changed[field] = value;
        changed.to_string()
    };
    for text in [
        with("intent", json!("giveDiscount")),
        with("price", json!(1)),
        with("sizes", json!(["HUGE"])),
        with("fabric", json!("silk")),
        with("maxPriceRupees", json!("all of it")),
        with("page", json!("https://evil.example")),
        "{}".to_owned(),
        "null".to_owned(),
        "Sure! Here is the JSON:".to_owned(),
        String::new(),
    ] {
        assert!(Proposal::read(&text).is_err(), "{text}");
    }
}

#[test]
fn what_changes_the_cart_is_asked_back_in_words_that_the_rules_understand() {
    let point = |intent, reference, position, quantity| Proposal {
        reference: Some(reference),
        position,
        quantity,
        weave: vec!["banarasi".into()],
        category: Some("sarees".into()),
        ..form(intent)
    };
    let mut asked = 0;
    for intent in [Intent::AddToCart, Intent::RemoveFromCart, Intent::ChangeQuantity] {
        for (reference, position) in
            [(Pointer::Position, Some(2)), (Pointer::Last, None), (Pointer::Current, None), (Pointer::Named, None)]
        {
            for quantity in [Some(1), Some(3)] {
                let context = shown(3);
                let accepted = point(intent, reference, position, quantity).judged().accept(&unknown(), &context);
                let Accepted::Confirm(say) = accepted else { panic!("{accepted:?}") };
                let by_rule = understand(&say, &context);
                assert_eq!(by_rule.intent, intent, "{say}");
                assert!(by_rule.reference.is_some(), "{say}");
                if intent != Intent::RemoveFromCart {
                    assert_eq!(by_rule.slots.quantity.unwrap_or(1), quantity.unwrap() as u32, "{say}");
                }
                asked += 1;
            }
        }
    }
    assert_eq!(asked, 24);
    for (proposal, say) in [
        (form(Intent::Checkout), "check out"),
        (Proposal { page: Some(Page::Checkout), ..form(Intent::Navigate) }, "check out"),
        (Proposal { reference: Some(Pointer::All), ..form(Intent::RemoveFromCart) }, "empty my cart"),
    ] {
        assert_eq!(proposal.accept(&unknown(), &shown(0)), Accepted::Confirm(say.into()));
        let intent = understand(say, &Context::default()).intent;
        assert!(matches!(intent, Intent::Checkout | Intent::RemoveFromCart), "{say}: {intent:?}");
    }
}

#[test]
fn what_says_nothing_is_nothing() {
    for proposal in [
        form(Intent::Unknown),
        form(Intent::Search),
        form(Intent::Navigate),
        form(Intent::AnswerPolicy),
        form(Intent::ReadProduct),
        form(Intent::AddToCart),
        Proposal { reference: Some(Pointer::Position), position: Some(9), ..form(Intent::ReadProduct) },
        Proposal { reference: Some(Pointer::Named), ..form(Intent::ReadProduct) },
    ] {
        assert_eq!(proposal.clone().judged().accept(&unknown(), &shown(3)), Accepted::Nothing, "{proposal:?}");
    }
}

#[test]
fn the_schema_is_the_form() {
    let schema = schema();
    let fields = serde_json::to_value(Proposal::default()).unwrap();
    let fields: BTreeSet<&String> = fields.as_object().unwrap().keys().collect();
    let properties: BTreeSet<&String> = schema["properties"].as_object().unwrap().keys().collect();
    assert_eq!(properties, fields);
    assert_eq!(schema["required"].as_array().unwrap().len(), fields.len());
    let validator = jsonschema::validator_for(&schema).unwrap();
    let with_values = Proposal {
        category: Some("sarees".into()),
        fabric: vec!["silk".into()],
        sort: Some(Sort::PriceLow),
        sizes: vec![Size::M],
        page: Some(Page::AccountPrivacy),
        topic: Some(PolicyTopic::Returns),
        aspect: Some(Aspect::Care),
        reference: Some(Pointer::Named),
        max_price_rupees: Some(5000),
        ..form(Intent::Search)
    };
    for proposal in [Proposal::default(), with_values] {
        assert!(validator.is_valid(&serde_json::to_value(&proposal).unwrap()), "{proposal:?}");
    }
    // What services take: https://platform.openai.com/docs/guides/structured-outputs#supported-schemas
    let values: usize = VOCABULARY.values().map(BTreeSet::len).sum();
    assert!((50..500).contains(&values), "{values}");
}
