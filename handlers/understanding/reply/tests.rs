use super::*;
use crate::types::Paise;
use crate::understanding::{Context, understand};

fn product(name: &str, rupees: u64) -> FoundProduct {
    FoundProduct { id: ProductId::generate(), name: name.to_owned(), price: Paise::from_rupees(rupees) }
}

fn reply(text: &str, found: &Found) -> Reply {
    compose(&understand(text, &Context::default()), found)
}

#[test]
fn a_search_tells_count_names_and_path() {
    let products = vec![product("Madurai saree", 4_999), product("Tant saree", 1_999), product("Ikat saree", 2_999)];
    let found = Found { total: 4, products, ..Found::default() };
    let reply = reply("show me silk sarees under 5000", &found);
    assert!(reply.text.starts_with("I found 4 silk sarees under five thousand rupees."), "{}", reply.text);
    assert!(reply.text.contains("The first three are Madurai saree, Tant saree and Ikat saree."));
    assert!(reply.ssml.starts_with("<speak><s>I found 4 silk sarees"));
    let path = "/shop?category=sarees&fabric=silk&maxPrice=5000".to_owned();
    assert_eq!(reply.action, Action::Search { query: "silk saree".to_owned(), path });
}

#[test]
fn one_product_is_told_in_the_singular() {
    let found = Found { total: 1, products: vec![product("Kantha jacket", 5_999)], ..Found::default() };
    let text = reply("jackets in red", &found).text;
    assert!(text.starts_with("I found 1 red jacket. It is Kantha jacket, for five thousand nine hundred"), "{text}");
}

#[test]
fn nothing_found_says_what_to_give_up() {
    let relaxations = vec![
        Relaxation { constraint: Constraint::Price, total: 6 },
        Relaxation { constraint: Constraint::Color, total: 1 },
        Relaxation { constraint: Constraint::Size, total: 0 },
    ];
    let reply = reply("red silk sarees under 500", &Found { relaxations, ..Found::default() });
    assert!(reply.text.starts_with("I found no red silk sarees under five hundred rupees."), "{}", reply.text);
    assert!(reply.text.ends_with("There are 6 at other prices or 1 in other colours."), "{}", reply.text);
    assert_eq!(reply.suggestions, ["show me any price", "show me any colour"]);
}

#[test]
fn carts_change_only_by_products_that_the_shop_found() {
    let target = product("Ikat <dupatta>", 2_499);
    let id = target.id.clone();
    let found = Found { target: Some(target.clone()), ..Found::default() };
    let added = reply("add two of these to my cart", &found);
    assert_eq!(added.action, Action::AddToCart { product_id: id.clone(), quantity: 2 });
    assert_eq!(added.text, "Adding two pieces of Ikat <dupatta> to your cart.");
    assert!(added.ssml.contains("Ikat &lt;dupatta&gt;"));
    assert_eq!(reply("add this to my cart", &Found::default()).action, Action::Unknown);

    let cart = CartSummary { lines: vec![CartLine { product: target.clone(), quantity: 1 }], total: target.price };
    let found = Found { target: Some(target), cart: Some(cart), ..Found::default() };
    let more = reply("increase the quantity by two", &found);
    assert_eq!(more.action, Action::ChangeQuantity { product_id: id.clone(), quantity: 3 });
    let removal = Removal::Product { product_id: id };
    assert_eq!(reply("decrease the quantity", &found).action, Action::RemoveFromCart { removal });
    assert!(reply("what is in my cart", &found).text.starts_with("Your cart has 1 item: Ikat <dupatta>."));
    let everything = Action::RemoveFromCart { removal: Removal::Everything { all: true } };
    assert_eq!(reply("empty my cart", &found).action, everything);
}

#[test]
fn pages_and_products_are_opened() {
    let target = product("Stole", 1_299);
    let path = format!("/shop/product/{}", target.id);
    let found = Found { target: Some(target), ..Found::default() };
    assert_eq!(reply("open the first product", &found).action, Action::Navigate { path });
    for (say, path) in [("go back", "back"), ("open my cart", "/cart"), ("open sarees page", "/shop?category=sarees")] {
        assert_eq!(reply(say, &Found::default()).action, Action::Navigate { path: path.to_owned() }, "{say}");
    }
}

#[test]
fn facts_are_read_by_aspect() {
    let facts = ProductFacts {
        product: product("Kantha jacket", 5_999),
        description: "Reversible.".to_owned(),
        fabric: "cotton".to_owned(),
        origin: String::new(),
        care: "Dry clean only.".to_owned(),
        colors: vec!["red".to_owned(), "blue".to_owned()],
        sizes: vec!["S".to_owned()],
        in_stock: false,
        rating: 4.8,
        reviews: 92,
    };
    let found = Found { facts: Some(facts), ..Found::default() };
    for (say, part) in [
        ("how much is this", "costs five thousand nine hundred and ninety nine rupees"),
        ("what do the reviews say", "four point eight out of five stars in 92 reviews"),
        ("is it in stock", "is out of stock"),
        ("how do i wash it", "Dry clean only."),
        ("where was it made", "I have no details on that"),
        ("what colours does it come in", "red and blue"),
        ("tell me about this", "Reversible."),
    ] {
        let text = reply(say, &found).text;
        assert!(text.contains(part), "{say}: {text}");
    }
}

#[test]
fn what_is_not_understood_is_admitted_with_examples() {
    let reply = reply("what is the weather in delhi", &Found::default());
    assert!(reply.text.starts_with("Sorry, I did not understand."));
    assert_eq!(reply.action, Action::Unknown);
    // The examples that are offered must themselves be understood.
    for example in EXAMPLES {
        assert_ne!(understand(example, &Context::default()).intent, Intent::Unknown, "{example}");
    }
}

#[test]
fn a_name_that_fits_several_products_is_asked_back() {
    let found = Found { total: 2, products: vec![product("A", 1), product("B", 2)], ..Found::default() };
    let text = reply("add the banarasi silk saree to my cart", &found).text;
    assert_eq!(text, "Which one do you mean: A or B?");
}
