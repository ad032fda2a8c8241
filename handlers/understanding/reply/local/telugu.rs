//! Telugu.

use super::super::found::{Constraint, ProductFacts};
use super::super::speech::Speech;
use super::super::words::{list, shortened};
use super::super::{Action, Question, READ_LINES, Removal};
use super::{Told, rupees, word, words};
use crate::types::Paise;
use crate::understanding::slots::Slots;
use crate::understanding::terms::{Aspect, Page, Size};
use crate::understanding::{NavigationTarget, ProductReference};

const LANGUAGE: &str = "te";

/// A noun and its plural.
fn noun(category: Option<&str>) -> (&'static str, &'static str) {
    match category {
        Some("sarees") => ("చీర", "చీరలు"),
        Some("kurtas") => ("కుర్తా", "కుర్తాలు"),
        Some("dupattas") => ("దుపట్టా", "దుపట్టాలు"),
        Some("suits") => ("సూట్", "సూట్‌లు"),
        Some("stoles") => ("స్టోల్", "స్టోల్‌లు"),
        Some("jackets") => ("జాకెట్", "జాకెట్లు"),
        Some("shirts") => ("షర్ట్", "షర్ట్‌లు"),
        Some("lehengas") => ("లెహంగా", "లెహంగాలు"),
        Some("shawls") => ("శాలువా", "శాలువాలు"),
        Some("blouses") => ("బ్లౌజ్", "బ్లౌజ్‌లు"),
        _ => ("వస్తువు", "వస్తువులు"),
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
            Speech::of(format!("{} మీ కార్ట్‌లో వేస్తున్నాను.", counted(told.target(), *quantity)))
        }
        Action::RemoveFromCart { removal: Removal::Everything { .. } } => Speech::of("మీ కార్ట్ ఖాళీ చేస్తున్నాను."),
        Action::RemoveFromCart { .. } => Speech::of(format!("{} కార్ట్ నుంచి తీసేస్తున్నాను.", told.target())),
        Action::ChangeQuantity { quantity, .. } => {
            Speech::of(format!("{} చేస్తున్నాను.", counted(told.target(), *quantity)))
        }
        Action::ReadCart => cart(told),
        Action::Checkout { .. } => match &told.found.cart {
            Some(cart) if cart.lines.is_empty() => Speech::of("మీ కార్ట్ ఖాళీగా ఉంది."),
            _ => Speech::of("చెక్అవుట్‌కు తీసుకెళ్తున్నాను."),
        },
        Action::ReadProduct { .. } => {
            Speech::of(told.facts().map_or(String::new(), |facts| product(facts, told.understood.aspect)))
        }
        Action::AnswerPolicy { .. } => match &told.found.policy {
            Some(answer) => Speech::of(answer.trim()),
            None => Speech::of("దీనికి నా దగ్గర సమాధానం లేదు. దయచేసి బొటిక్‌ను అడగండి."),
        },
        Action::Help => Speech::of("నేను ప్రవి. బట్టలు వెతకగలను, కార్ట్ నింపగలను, ప్రశ్నలకు జవాబు చెప్పగలను.").then(examples()),
        Action::Stop => Speech::of("సరే."),
        Action::Unknown => Speech::of(not_found(told).unwrap_or_else(|| "క్షమించండి, నాకు అర్థం కాలేదు.".into())),
    }
}

fn examples() -> &'static str {
    "ఇలా చెప్పవచ్చు: ఐదు వేల లోపు సిల్క్ చీరలు చూపించు, నా కార్ట్‌లో ఏముంది, లేదా డెలివరీకి ఎన్ని రోజులు పడుతుంది."
}

fn not_found(told: &Told<'_>) -> Option<String> {
    match &told.understood.reference {
        Some(ProductReference::Name { words }) => Some(format!("{words} అనే వస్తువు దొరకలేదు.")),
        _ => None,
    }
}

fn asking(told: &Told<'_>, question: Question) -> Speech {
    match question {
        Question::WhichProduct => match (told.names().as_slice(), not_found(told)) {
            ([], Some(none)) => Speech::of(none),
            ([], None) => Speech::of("మీరు దేని గురించి చెబుతున్నారు?"),
            (names, _) => Speech::of(format!("వీటిలో ఏది: {}?", list(names, "లేదా"))),
        },
        Question::HowMany => Speech::of("మీకు ఎన్ని కావాలి?"),
        Question::Rephrase | Question::Confirm => Speech::of("క్షమించండి, నాకు అర్థం కాలేదు.").then(examples()),
    }
}

/// Asks to say what was only guessed.
pub(super) fn confirm(say: &str) -> Speech {
    Speech::of("నాకు సరిగా అర్థం కాలేదు.").then(format!("ఇదే కావాలంటే ఇలా చెప్పండి: {say}."))
}

/// `5,000 రూపాయల లోపు, నీలం రంగు బనారసీ సిల్క్ చీరలు`.
fn what(slots: &Slots, total: u64) -> String {
    let (one, many) = noun(slots.category.as_deref());
    let mut parts = Vec::new();
    if !slots.colors.is_empty() {
        parts.push(format!("{} రంగు", list(&words("color", &slots.colors, LANGUAGE), "లేదా")));
    }
    parts.push(list(&words("weave", &slots.weave, LANGUAGE), "లేదా"));
    parts.push(list(&words("fabric", &slots.fabric, LANGUAGE), "లేదా"));
    parts.push(if total == 1 { one } else { many }.to_owned());
    parts.retain(|part| !part.is_empty());
    let mut phrases = limits(slots);
    phrases.push(parts.join(" "));
    phrases.join(", ")
}

/// The limits that stand before the noun.
fn limits(slots: &Slots) -> Vec<String> {
    let price = |amount: Paise| format!("{} రూపాయల", rupees(amount));
    let mut limits = Vec::new();
    if let Some(occasion) = &slots.occasion {
        limits.push(match occasion.as_str() {
            "wedding" => "పెళ్లికి".to_owned(),
            "festive" => "పండగకి".to_owned(),
            "office" => "ఆఫీసుకి".to_owned(),
            "party" => "పార్టీకి".to_owned(),
            _ => "రోజూ వేసుకోవడానికి".to_owned(),
        });
    }
    match (slots.min_price_paise, slots.max_price_paise) {
        (Some(min), Some(max)) => limits.push(format!("{} నుంచి {} లోపు", price(min), price(max))),
        (Some(min), None) => limits.push(format!("{} పైన", price(min))),
        (None, Some(max)) => limits.push(format!("{} లోపు", price(max))),
        (None, None) => {}
    }
    if !slots.sizes.is_empty() {
        let sizes: Vec<_> = slots.sizes.iter().map(|size: &Size| size.as_str()).collect();
        limits.push(format!("{} సైజు", list(&sizes, "లేదా")));
    }
    if !slots.not_colors.is_empty() {
        limits.push(format!("{} రంగు కాకుండా", list(&words("color", &slots.not_colors, LANGUAGE), "లేదా")));
    }
    limits
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
            format!("{} ఉన్నాయి.", list(&helps, "లేదా"))
        };
        return Speech::of(format!("ఇవి దొరకలేదు: {}.", what(slots, total))).then(offer);
    }
    let verb = if total == 1 { "దొరికింది" } else { "దొరికాయి" };
    let names = told.names();
    let shown = match (names.as_slice(), total) {
        ([], _) => String::new(),
        ([only], 1) => {
            let price = told.found.products.first().map_or(String::new(), |product| rupees(product.price));
            format!("{only}, {price} రూపాయలు.")
        }
        (names, total) if names.len() as u64 == total => format!("అవి: {}.", list(names, "మరియు")),
        (names, _) => format!("మొదటివి: {}.", list(names, "మరియు")),
    };
    let unknown = &told.understood.not_understood;
    let missed = if unknown.is_empty() {
        String::new()
    } else {
        format!("{} నాకు అర్థం కాలేదు.", list(unknown, "మరియు"))
    };
    Speech::of(format!("{} {total} {verb}.", what(slots, total))).then(shown).then(missed)
}

fn without(constraint: Constraint) -> &'static str {
    match constraint {
        Constraint::Category => "వేరే రకాల్లో",
        Constraint::Fabric => "వేరే బట్టలో",
        Constraint::Weave => "వేరే నేతలో",
        Constraint::Color => "వేరే రంగులో",
        Constraint::Price => "వేరే ధరలో",
        Constraint::Size => "వేరే సైజులో",
        Constraint::Occasion => "వేరే సందర్భానికి",
    }
}

fn navigate(told: &Told<'_>) -> String {
    let page = match &told.understood.navigate_to {
        Some(NavigationTarget::Product) => return format!("{} తెరుస్తున్నాను.", told.target()),
        Some(NavigationTarget::Category { category }) => return format!("{} తెరుస్తున్నాను.", noun(Some(category)).1),
        Some(NavigationTarget::Page { page }) => *page,
        None => Page::Shop,
    };
    let name = match page {
        Page::Back => return "వెనక్కి వెళ్తున్నాను.".to_owned(),
        Page::Home => "హోమ్ పేజీ",
        Page::Shop => "దుకాణం",
        Page::Cart => "మీ కార్ట్",
        Page::Checkout => "చెక్అవుట్",
        Page::Contact => "సంప్రదించే పేజీ",
        Page::Privacy => "ప్రైవసీ పాలసీ",
        Page::Terms => "నియమాలు, షరతులు",
        Page::Account => "మీ ఖాతా",
        Page::AccountPrivacy => "మీ ప్రైవసీ సెట్టింగులు",
    };
    format!("{name} తెరుస్తున్నాను.")
}

fn counted(name: &str, quantity: u32) -> String {
    if quantity == 1 { name.to_owned() } else { format!("{name} {quantity} పీసులు") }
}

fn cart(told: &Told<'_>) -> Speech {
    match &told.found.cart {
        None => Speech::of("ఇదిగో మీ కార్ట్."),
        Some(cart) if cart.lines.is_empty() => Speech::of("మీ కార్ట్ ఖాళీగా ఉంది."),
        Some(cart) => {
            let mut lines: Vec<_> =
                cart.lines.iter().take(READ_LINES).map(|line| counted(&line.product.name, line.quantity)).collect();
            if cart.lines.len() > READ_LINES {
                lines.push(format!("ఇంకా {}", cart.lines.len() - READ_LINES));
            }
            Speech::of(format!("మీ కార్ట్‌లో ఉన్నవి: {}.", list(&lines, "మరియు")))
                .then(format!("మొత్తం {} రూపాయలు.", rupees(cart.total)))
        }
    }
}

fn product(facts: &ProductFacts, aspect: Option<Aspect>) -> String {
    let name = &facts.product.name;
    let known = |value: &str, sentence: String| {
        if value.trim().is_empty() {
            format!("{name} గురించి అది నాకు తెలియదు.")
        } else {
            sentence
        }
    };
    let price = || format!("{name} ధర {} రూపాయలు.", rupees(facts.product.price));
    let stock = if facts.in_stock {
        "స్టాక్‌లో ఉంది."
    } else {
        "ఇప్పుడు స్టాక్‌లో లేదు."
    };
    let plain = |value: &str| value.trim().trim_end_matches('.').to_owned();
    match aspect {
        Some(Aspect::Price) => price(),
        Some(Aspect::Reviews) if facts.reviews == 0 => format!("{name} గురించి ఇంకా ఎవరూ అభిప్రాయం చెప్పలేదు."),
        Some(Aspect::Reviews) => {
            format!("{name}కి {} మంది 5లో {:.1} ఇచ్చారు.", facts.reviews, facts.rating)
        }
        Some(Aspect::Stock) => format!("{name}: {stock}"),
        Some(Aspect::Care) => known(&facts.care, format!("{name} సంరక్షణ: {}.", plain(&facts.care))),
        Some(Aspect::Material) => {
            let fabric = word("fabric", &facts.fabric, LANGUAGE);
            known(&facts.fabric, format!("{name} బట్ట: {}.", plain(&fabric)))
        }
        Some(Aspect::Origin) => known(&facts.origin, format!("{name} ఇక్కడిది: {}.", plain(&facts.origin))),
        Some(Aspect::Sizes) => {
            let sizes = list(&facts.sizes, "మరియు");
            known(&sizes, format!("{name} సైజులు: {sizes}."))
        }
        Some(Aspect::Colors) => {
            let colors = list(&words("color", &facts.colors, LANGUAGE), "మరియు");
            known(&colors, format!("{name} రంగులు: {colors}."))
        }
        Some(Aspect::Description) | None => {
            let description = shortened(&facts.description, super::super::describe::SPOKEN_DESCRIPTION);
            [price(), description, stock.to_owned()].join(" ")
        }
    }
}

/// What an English suggestion is in Telugu.
pub(super) fn suggestion(english: &str) -> Option<&'static str> {
    Some(match english {
        "tell me more" => "దీని గురించి చెప్పు",
        "add it to my cart" => "దీన్ని కార్ట్‌లో వేయి",
        "tell me about the first one" => "మొదటిదాని గురించి చెప్పు",
        "add the second one to my cart" => "రెండోది కార్ట్‌లో వేయి",
        "show me the cheapest first" => "తక్కువ ధరవి ముందు చూపించు",
        "what is in my cart" => "నా కార్ట్‌లో ఏముంది",
        "check out" => "చెక్అవుట్ చేయి",
        "remove the last one" => "చివరిది తీసేయి",
        "show me new arrivals" => "కొత్తవి చూపించు",
        "what do the reviews say" => "రివ్యూలు ఎలా ఉన్నాయి",
        "the first one" => "మొదటిది",
        "the second one" => "రెండోది",
        "the last one" => "చివరిది",
        "contact us" => "సంప్రదించండి",
        "make it two" => "రెండు చేయి",
        "show me silk sarees under five thousand rupees" => "ఐదు వేల లోపు సిల్క్ చీరలు చూపించు",
        "how long does delivery take" => "డెలివరీకి ఎన్ని రోజులు పడుతుంది",
        _ => return None,
    })
}
