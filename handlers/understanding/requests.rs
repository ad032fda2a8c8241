//! Several requests in one sentence: `show me blue sarees and add the first one to my cart`. A
//! sentence is cut where a joining word or the end of a sentence stands between two parts that each
//! ask for something and are each understood well; anything else stays whole, so that `red and blue
//! sarees` is one search.

use super::sentence::Sentence;
use super::terms::Cue;
use super::{Context, Intent, Understood};

/// The most requests of one sentence that are acted on.
pub const MOST: usize = 3;
/// The most places that are tried: every try understands two parts.
const MOST_TRIES: usize = 6;
/// The least confidence of a part.
const CLEAR: f64 = 0.75;

/// Words that can join two requests.
const JOINTS: [&str; 14] =
    ["and", "then", "aur", "phir", "fir", "plus", "और", "फिर", "तथा", "మరియు", "తర్వాత", "mariyu", "tarvata", "అలాగే"];

/// What asks for something to be done.
const ACTS: [Cue; 17] = [
    Cue::Show,
    Cue::Want,
    Cue::Add,
    Cue::Buy,
    Cue::Take,
    Cue::Remove,
    Cue::Empty,
    Cue::Change,
    Cue::Increase,
    Cue::Decrease,
    Cue::Make,
    Cue::Go,
    Cue::Read,
    Cue::Total,
    Cue::CartQuestion,
    Cue::Checkout,
    Cue::Question,
];

/// The requests of a text, first to last; `one` understands a single request. The text is cut at
/// most [`MOST`] - 1 times.
pub(crate) fn of<'t>(
    sentence: &Sentence<'t>,
    context: &Context,
    one: impl Fn(&'t str, &Context) -> Understood,
) -> Vec<(&'t str, Understood)> {
    let mut found: Vec<(&'t str, Understood)> = Vec::new();
    let mut start = 0;
    let all = sentence.items.len();
    let both_ask = |(end, next): &(usize, usize)| asks(sentence, 0, *end) && asks(sentence, *next, all);
    for (end, next) in joints(sentence).into_iter().filter(both_ask).take(MOST_TRIES) {
        if found.len() + 1 == MOST {
            break;
        }
        if end <= start || !asks(sentence, start, end) {
            continue;
        }
        let (left, right) = (sentence.part(start, end), sentence.part(next, all));
        let (first, second) = (one(left, context), one(right, context));
        if separate(&first, &second) {
            found.push((left, first));
            start = next;
        }
    }
    if start > 0 {
        let rest = sentence.part(start, all);
        found.push((rest, one(rest, context)));
    }
    found
}

/// Where the sentence can be cut: the item behind the first part, and the one that begins the second.
fn joints(sentence: &Sentence<'_>) -> Vec<(usize, usize)> {
    let is_joint = |index: usize| {
        let mut words = sentence.words(index).peekable();
        words.peek().is_some() && words.all(|word| JOINTS.contains(&word))
    };
    let mut joints = Vec::new();
    let mut index = 1;
    while index < sentence.items.len() {
        let begin = index;
        while index < sentence.items.len() && is_joint(index) {
            index += 1;
        }
        if index > begin || sentence.ends_before(index) {
            joints.push((begin, index));
        }
        index = index.max(begin + 1);
    }
    joints
}

fn asks(sentence: &Sentence<'_>, start: usize, end: usize) -> bool {
    sentence.items[start..end].iter().any(|item| ACTS.iter().any(|&cue| item.is(cue)))
        || sentence.items[start..end].iter().any(|item| item.is_question())
}

/// Whether two parts are requests of their own: both clear, and about different things.
fn separate(first: &Understood, second: &Understood) -> bool {
    let acts = |part: &Understood| {
        part.confidence >= CLEAR && !matches!(part.intent, Intent::Unknown | Intent::Help | Intent::Stop)
    };
    if !(acts(first) && acts(second)) {
        return false;
    }
    let other_garment = first.slots.category.is_some()
        && second.slots.category.is_some()
        && first.slots.category != second.slots.category;
    match (first.intent, second.intent) {
        // `show me sarees and show me silk` goes on describing.
        (Intent::Search, Intent::Search) => other_garment,
        (one, other) if one == other => first.reference != second.reference && first.reference.is_some(),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use crate::understanding::{Context, Intent, understand};

    fn intents(text: &str) -> Vec<Intent> {
        let understood = understand(text, &Context::default());
        std::iter::once(understood.intent).chain(understood.then.iter().map(|next| next.understood.intent)).collect()
    }

    #[test]
    fn two_requests_are_told_apart() {
        use Intent::{AddToCart, AnswerPolicy, Checkout, Navigate, ReadCart, ReadProduct, RemoveFromCart, Search};
        for (text, expected) in [
            ("show me blue sarees and add the first one to my cart", &[Search, AddToCart][..]),
            ("add this to my cart and then check out", &[AddToCart, Checkout]),
            ("remove the shawl and tell me my total", &[RemoveFromCart, ReadCart]),
            ("add the second one and show me cotton kurtas", &[AddToCart, Search]),
            ("show me silk sarees and show me cotton kurtas", &[Search, Search]),
            ("add the first one and add the third one", &[AddToCart, AddToCart]),
            ("what does it cost and how long does delivery take", &[ReadProduct, AnswerPolicy]),
            ("add this to my cart, then open my cart and place the order", &[AddToCart, Navigate, Checkout]),
            ("laal saree dikhao aur pehli wali cart mein daal do", &[Search, AddToCart]),
            ("इसे कार्ट में डालो और फिर ऑर्डर कर दो", &[AddToCart, Checkout]),
            ("దీన్ని కార్ట్‌లో వేయి మరియు ఆర్డర్ చేయి", &[AddToCart, Checkout]),
        ] {
            assert_eq!(intents(text), expected, "{text}");
        }
    }

    #[test]
    fn one_request_stays_whole() {
        for text in [
            "show me red and blue sarees",
            "sarees between two and five thousand and in silk",
            "लाल और नीली साड़ी दिखाओ",
            "i want a saree and a matching blouse",
            "terms and conditions",
            "kurta and dupatta set in cotton",
            "add two and a half",
            "and",
            "ఎరుపు మరియు నీలం చీరలు చూపించు",
        ] {
            assert_eq!(intents(text).len(), 1, "{text}");
        }
    }
}
