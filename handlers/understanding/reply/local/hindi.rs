//! Hindi.

use super::super::found::{Constraint, ProductFacts};
use super::super::speech::Speech;
use super::super::words::{list, shortened};
use super::super::{Action, Question, READ_LINES, Removal};
use super::{Told, rupees, word, words};
use crate::types::Paise;
use crate::understanding::slots::Slots;
use crate::understanding::terms::{Aspect, Page, Size};
use crate::understanding::{NavigationTarget, ProductReference};

const LANGUAGE: &str = "hi";

/// A noun with its plural, and whether it is feminine.
fn noun(category: Option<&str>) -> (&'static str, &'static str, bool) {
    match category {
        Some("sarees") => ("साड़ी", "साड़ियाँ", true),
        Some("kurtas") => ("कुर्ता", "कुर्ते", false),
        Some("dupattas") => ("दुपट्टा", "दुपट्टे", false),
        Some("suits") => ("सूट", "सूट", false),
        Some("stoles") => ("स्टोल", "स्टोल", false),
        Some("jackets") => ("जैकेट", "जैकेट", true),
        Some("shirts") => ("शर्ट", "शर्ट", true),
        Some("lehengas") => ("लहंगा", "लहंगे", false),
        Some("shawls") => ("शॉल", "शॉल", true),
        Some("blouses") => ("ब्लाउज़", "ब्लाउज़", false),
        _ => ("चीज़", "चीज़ें", true),
    }
}

pub(super) fn speech(told: &Told<'_>) -> Speech {
    if let Some(question) = told.reply.question {
        return asking(told, question);
    }
    match told.action() {
        Action::Search { .. } => search(told),
        Action::Navigate { .. } => Speech::of(navigate(told)),
        Action::AddToCart { quantity, .. } => {
            Speech::of(format!("{} आपके कार्ट में डाल रही हूँ।", counted(told.target(), *quantity)))
        }
        Action::RemoveFromCart { removal: Removal::Everything { .. } } => Speech::of("आपका कार्ट खाली कर रही हूँ।"),
        Action::RemoveFromCart { .. } => Speech::of(format!("{} कार्ट से हटा रही हूँ।", told.target())),
        Action::ChangeQuantity { quantity, .. } => {
            Speech::of(format!("{} कर रही हूँ।", counted(told.target(), *quantity)))
        }
        Action::ReadCart => cart(told),
        Action::Checkout { .. } => match &told.found.cart {
            Some(cart) if cart.lines.is_empty() => Speech::of("आपका कार्ट खाली है।"),
            _ => Speech::of("चेकआउट पर ले चलती हूँ।"),
        },
        Action::ReadProduct { .. } => {
            Speech::of(told.facts().map_or(String::new(), |facts| product(facts, told.understood.aspect)))
        }
        Action::AnswerPolicy { .. } => match &told.found.policy {
            Some(answer) => Speech::of(answer.trim()),
            None => Speech::of("इसका जवाब मेरे पास नहीं है। कृपया बुटीक से पूछिए।"),
        },
        Action::Help => {
            Speech::of("मैं प्रवी हूँ। मैं कपड़े ढूँढ सकती हूँ, कार्ट भर सकती हूँ और सवालों के जवाब दे सकती हूँ।").then(examples())
        }
        Action::Stop => Speech::of("ठीक है।"),
        Action::Unknown => Speech::of(not_found(told).unwrap_or_else(|| "माफ़ कीजिए, मैं समझी नहीं।".into())),
    }
}

fn examples() -> &'static str {
    "आप कह सकते हैं: पाँच हज़ार तक की सिल्क साड़ियाँ दिखाओ, मेरे कार्ट में क्या है, या डिलीवरी में कितने दिन लगते हैं।"
}

fn not_found(told: &Told<'_>) -> Option<String> {
    match &told.understood.reference {
        Some(ProductReference::Name { words }) => Some(format!("{words} नाम की कोई चीज़ नहीं मिली।")),
        _ => None,
    }
}

fn asking(told: &Told<'_>, question: Question) -> Speech {
    match question {
        Question::WhichProduct => match (told.names().as_slice(), not_found(told)) {
            ([], Some(none)) => Speech::of(none),
            ([], None) => Speech::of("आप किसकी बात कर रहे हैं?"),
            (names, _) => Speech::of(format!("इनमें से कौन सा: {}?", list(names, "या"))),
        },
        Question::HowMany => Speech::of("आपको कितने चाहिए?"),
        Question::Rephrase | Question::Confirm => Speech::of("माफ़ कीजिए, मैं समझी नहीं।").then(examples()),
    }
}

/// Asks to say what was only guessed.
pub(super) fn confirm(say: &str) -> Speech {
    Speech::of("मैं पक्का नहीं समझी।").then(format!("अगर यही चाहिए तो कहिए: {say}."))
}

/// `4 नीले रंग की बनारसी सिल्क साड़ियाँ, 5,000 रुपये तक`.
fn what(slots: &Slots, total: u64) -> String {
    let (one, many, feminine) = noun(slots.category.as_deref());
    let mut parts = Vec::new();
    if !slots.colors.is_empty() {
        let colors: Vec<String> = words("color", &slots.colors, LANGUAGE).iter().map(|color| oblique(color)).collect();
        let of = match (feminine, total == 1) {
            (true, _) => "की",
            (false, true) => "का",
            (false, false) => "के",
        };
        parts.push(format!("{} रंग {of}", list(&colors, "या")));
    }
    parts.push(list(&words("weave", &slots.weave, LANGUAGE), "या"));
    parts.push(list(&words("fabric", &slots.fabric, LANGUAGE), "या"));
    parts.push(if total == 1 { one } else { many }.to_owned());
    parts.retain(|part| !part.is_empty());
    let mut phrase = parts.join(" ");
    for limit in limits(slots) {
        phrase.push_str(", ");
        phrase.push_str(&limit);
    }
    phrase
}

/// The limits that stand behind the noun.
fn limits(slots: &Slots) -> Vec<String> {
    let price = |amount: Paise| format!("{} रुपये", rupees(amount));
    let mut limits = Vec::new();
    if !slots.sizes.is_empty() {
        let sizes: Vec<_> = slots.sizes.iter().map(|size: &Size| size.as_str()).collect();
        limits.push(format!("साइज़ {}", list(&sizes, "या")));
    }
    if let Some(occasion) = &slots.occasion {
        limits.push(match occasion.as_str() {
            "wedding" => "शादी के लिए".to_owned(),
            "festive" => "त्योहार के लिए".to_owned(),
            "office" => "ऑफ़िस के लिए".to_owned(),
            "party" => "पार्टी के लिए".to_owned(),
            _ => "रोज़ पहनने के लिए".to_owned(),
        });
    }
    match (slots.min_price_paise, slots.max_price_paise) {
        (Some(min), Some(max)) => limits.push(format!("{} से {} तक", price(min), price(max))),
        (Some(min), None) => limits.push(format!("{} से ऊपर", price(min))),
        (None, Some(max)) => limits.push(format!("{} तक", price(max))),
        (None, None) => {}
    }
    if !slots.not_colors.is_empty() {
        let colors: Vec<String> =
            words("color", &slots.not_colors, LANGUAGE).iter().map(|color| oblique(color)).collect();
        limits.push(format!("{} रंग छोड़कर", list(&colors, "या")));
    }
    limits
}

/// An adjective before रंग with its case ending: नीला → नीले.
fn oblique(adjective: &str) -> String {
    adjective.strip_suffix('ा').map_or_else(|| adjective.to_owned(), |stem| format!("{stem}े"))
}

fn search(told: &Told<'_>) -> Speech {
    let (slots, total) = (&told.understood.slots, told.found.total);
    if total == 0 {
        let helps: Vec<String> = told
            .found
            .relaxations
            .iter()
            .filter(|relaxation| relaxation.total > 0)
            .take(super::NAMED)
            .map(|relaxation| format!("{} {}", without(relaxation.constraint), relaxation.total))
            .collect();
        let offer = if helps.is_empty() {
            String::new()
        } else {
            format!("{} मिल सकते हैं।", list(&helps, "या"))
        };
        return Speech::of(format!("यह नहीं मिला: {}।", what(slots, total))).then(offer);
    }
    let feminine = noun(slots.category.as_deref()).2;
    let verb = match (feminine, total == 1) {
        (true, true) => "मिली",
        (true, false) => "मिलीं",
        (false, true) => "मिला",
        (false, false) => "मिले",
    };
    let names = told.names();
    let shown = match (names.as_slice(), total) {
        ([], _) => String::new(),
        ([only], 1) => {
            format!("{only}, {} रुपये।", told.found.products.first().map_or(String::new(), |it| rupees(it.price)))
        }
        (names, total) if names.len() as u64 == total => format!("ये हैं: {}।", list(names, "और")),
        (names, _) => format!("पहले ये हैं: {}।", list(names, "और")),
    };
    let unknown = &told.understood.not_understood;
    let missed = if unknown.is_empty() {
        String::new()
    } else {
        format!("{} मैं नहीं समझी।", list(unknown, "और"))
    };
    let pause = if limits(slots).is_empty() { "" } else { "," };
    Speech::of(format!("मुझे {total} {}{pause} {verb}।", what(slots, total))).then(shown).then(missed)
}

fn without(constraint: Constraint) -> &'static str {
    match constraint {
        Constraint::Category => "दूसरी चीज़ों में",
        Constraint::Fabric => "दूसरे कपड़े में",
        Constraint::Weave => "दूसरी बुनाई में",
        Constraint::Color => "दूसरे रंग में",
        Constraint::Price => "दूसरे दाम में",
        Constraint::Size => "दूसरे साइज़ में",
        Constraint::Occasion => "दूसरे मौके के लिए",
    }
}

fn navigate(told: &Told<'_>) -> String {
    let page = match &told.understood.navigate_to {
        Some(NavigationTarget::Product) => return format!("{} खोल रही हूँ।", told.target()),
        Some(NavigationTarget::Category { category }) => {
            return format!("{} खोल रही हूँ।", noun(Some(category)).1);
        }
        Some(NavigationTarget::Page { page }) => *page,
        None => Page::Shop,
    };
    let name = match page {
        Page::Back => return "वापस जा रही हूँ।".to_owned(),
        Page::Home => "होम पेज",
        Page::Shop => "दुकान",
        Page::Cart => "आपका कार्ट",
        Page::Checkout => "चेकआउट",
        Page::Contact => "संपर्क का पेज",
        Page::Privacy => "प्राइवेसी पॉलिसी",
        Page::Terms => "नियम और शर्तें",
        Page::Account => "आपका खाता",
        Page::AccountPrivacy => "आपकी प्राइवेसी सेटिंग",
    };
    format!("{name} खोल रही हूँ।")
}

fn counted(name: &str, quantity: u32) -> String {
    if quantity == 1 { name.to_owned() } else { format!("{name} के {quantity} पीस") }
}

fn cart(told: &Told<'_>) -> Speech {
    match &told.found.cart {
        None => Speech::of("यह रहा आपका कार्ट।"),
        Some(cart) if cart.lines.is_empty() => Speech::of("आपका कार्ट खाली है।"),
        Some(cart) => {
            let mut lines: Vec<_> =
                cart.lines.iter().take(READ_LINES).map(|line| counted(&line.product.name, line.quantity)).collect();
            if cart.lines.len() > READ_LINES {
                lines.push(format!("{} और", cart.lines.len() - READ_LINES));
            }
            Speech::of(format!("आपके कार्ट में है: {}।", list(&lines, "और"))).then(format!("कुल {} रुपये।", rupees(cart.total)))
        }
    }
}

fn product(facts: &ProductFacts, aspect: Option<Aspect>) -> String {
    let name = &facts.product.name;
    let known = |value: &str, sentence: String| {
        if value.trim().is_empty() {
            format!("{name} के बारे में यह मुझे नहीं पता।")
        } else {
            sentence
        }
    };
    let price = || format!("{name} का दाम {} रुपये है।", rupees(facts.product.price));
    let stock = if facts.in_stock {
        "अभी मिल सकता है।"
    } else {
        "अभी स्टॉक में नहीं है।"
    };
    let plain = |value: &str| value.trim().trim_end_matches('.').to_owned();
    match aspect {
        Some(Aspect::Price) => price(),
        Some(Aspect::Reviews) if facts.reviews == 0 => format!("{name} पर अभी कोई राय नहीं है।"),
        Some(Aspect::Reviews) => format!("{name} को {} लोगों ने 5 में से {:.1} दिए हैं।", facts.reviews, facts.rating),
        Some(Aspect::Stock) => format!("{name}: {stock}"),
        Some(Aspect::Care) => known(&facts.care, format!("{name} की देखभाल: {}।", plain(&facts.care))),
        Some(Aspect::Material) => {
            let fabric = word("fabric", &facts.fabric, LANGUAGE);
            known(&facts.fabric, format!("{name} का कपड़ा: {}।", plain(&fabric)))
        }
        Some(Aspect::Origin) => known(&facts.origin, format!("{name} यहाँ की है: {}।", plain(&facts.origin))),
        Some(Aspect::Sizes) => {
            let sizes = list(&facts.sizes, "और");
            known(&sizes, format!("{name} के साइज़: {sizes}।"))
        }
        Some(Aspect::Colors) => {
            let colors = list(&words("color", &facts.colors, LANGUAGE), "और");
            known(&colors, format!("{name} के रंग: {colors}।"))
        }
        Some(Aspect::Description) | None => {
            let description = shortened(&facts.description, super::super::describe::SPOKEN_DESCRIPTION);
            [price(), description, stock.to_owned()].join(" ")
        }
    }
}

/// What an English suggestion is in Hindi.
pub(super) fn suggestion(english: &str) -> Option<&'static str> {
    Some(match english {
        "tell me more" => "इसके बारे में बताओ",
        "add it to my cart" => "इसे कार्ट में डालो",
        "tell me about the first one" => "पहली वाली के बारे में बताओ",
        "add the second one to my cart" => "दूसरी वाली कार्ट में डालो",
        "show me the cheapest first" => "सबसे सस्ती पहले दिखाओ",
        "what is in my cart" => "मेरे कार्ट में क्या है",
        "check out" => "चेकआउट करो",
        "remove the last one" => "आखिरी वाली हटाओ",
        "show me new arrivals" => "नया क्या आया है",
        "what do the reviews say" => "इसके रिव्यू कैसे हैं",
        "the first one" => "पहली वाली",
        "the second one" => "दूसरी वाली",
        "the last one" => "आखिरी वाली",
        "contact us" => "संपर्क पेज",
        "make it two" => "दो कर दो",
        "show me silk sarees under five thousand rupees" => "पाँच हज़ार तक की सिल्क साड़ियाँ दिखाओ",
        "how long does delivery take" => "डिलीवरी में कितने दिन लगते हैं",
        _ => return None,
    })
}
