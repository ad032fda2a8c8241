//! How long it takes to index ten thousand products, to search them, and to answer what a shopper says from
//! them; how long to understand a sentence; and what the index takes.

use std::hint::black_box;
use std::time::{Duration, Instant};

use chrono::{Days, NaiveDate};
use criterion::{Criterion, criterion_group, criterion_main};
use pravis::catalogue::{Product, ProductFilter, Search, Snapshot, product_id};
use pravis::services::shop::{
    answers::{Utterance, answer_from},
    sample_catalogue,
};
use pravis::types::Paise;
use pravis::understanding::{Context, understand};
use serde_json::Value;

const PRODUCTS: usize = 10_000;
/// Each search and each sentence is timed so often.
const ROUNDS: usize = 40;

const SEARCHES: [&str; 24] = [
    "",
    "s",
    "sa",
    "saree",
    "silk saree",
    "red banarasi silk saree",
    "kanj",
    "kanjivarma",
    "bnaarasi sare",
    "embroidry blouse",
    "shikragah bordre",
    "cotton",
    "navy blue kurta set",
    "wedding lehenga with zari",
    "zanzibar saree",
    "pashmina lehenga cotton",
    "qqqqqqq wwwwwww eeeeeee rrrrrrr",
    "लाल बनारसी साड़ी",
    "शिकारगाह बॉर्डर",
    "కంచి పట్టు చీర",
    "erra pattu cheera",
    "tamil nadu temple border",
    "show me all the sarees with golden thread for the wedding",
    "one two three four five six seven eight nine ten eleven twelve thirteen fourteen",
];

const GOLDEN: [&str; 5] = [
    include_str!("../tests/fixtures/understanding/en.jsonl"),
    include_str!("../tests/fixtures/understanding/hi.jsonl"),
    include_str!("../tests/fixtures/understanding/te.jsonl"),
    include_str!("../tests/fixtures/understanding/hi-Latn.jsonl"),
    include_str!("../tests/fixtures/understanding/te-Latn.jsonl"),
];

/// The sample products over and over, each with names and prices of its own, so that the words are as many as in
/// a catalogue that was written by hand.
fn products() -> Vec<Product> {
    let samples = sample_catalogue().expect("the sample catalogue is part of the program");
    let first = NaiveDate::from_ymd_opt(2024, 1, 1).expect("a day");
    let numbered = samples.products().iter().cycle().take(PRODUCTS).enumerate();
    numbered
        .map(|(number, sample)| {
            let mut product = sample.clone();
            let added_on = first + Days::new(number as u64 % 900);
            product.id = product_id(&format!("bench-{number}"), added_on).expect("an id");
            product.added_on = added_on;
            product.price_paise = Paise(50_000 + (number as u64 * 7_919) % 3_000_000);
            product.stock = (number % 11) as u32;
            product.review_count = (number % 300) as u32;
            let (maker, motif) = (made_up(number / 3), made_up(number + 40_000));
            product.name.english = format!("{} by {maker}", product.name.english);
            product.description.english =
                format!("{} The {motif} motif is {maker}'s own.", product.description.english);
            product
        })
        .collect()
}

/// A word that stands for a number.
fn made_up(number: usize) -> String {
    const SYLLABLES: [&str; 20] = [
        "ka", "ri", "mo", "shan", "du", "vel", "pa", "thi", "ne", "gur", "lo", "mi", "sta", "bhu", "ye", "jan", "so",
        "ra", "cho", "nal",
    ];
    let mut rest = number * 7 + 1;
    let mut word = String::new();
    for _ in 0..4 {
        word.push_str(SYLLABLES[rest % SYLLABLES.len()]);
        rest /= SYLLABLES.len();
    }
    word
}

fn sentences() -> Vec<String> {
    let lines = GOLDEN.iter().flat_map(|lines| lines.lines());
    let said = |line: &str| serde_json::from_str::<Value>(line).ok()?["say"].as_str().map(str::to_owned);
    lines.filter_map(said).collect()
}

/// The times of all rounds over `texts`, in order of length.
fn times(texts: &[impl AsRef<str>], rounds: usize, mut once: impl FnMut(&str)) -> Vec<Duration> {
    let mut times = Vec::with_capacity(texts.len() * rounds);
    for _ in 0..rounds {
        for text in texts {
            let began = Instant::now();
            once(text.as_ref());
            times.push(began.elapsed());
        }
    }
    times.sort_unstable();
    times
}

fn print(what: &str, times: &[Duration]) {
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e6;
    println!(
        "{what:<44} median {:.0} µs   p99 {:.0} µs   max {:.0} µs   ({} times)",
        at(0.5),
        at(0.99),
        at(1.0),
        times.len()
    );
}

fn filter() -> ProductFilter {
    ProductFilter {
        fabrics: vec!["silk".into(), "cotton".into()],
        not_colors: vec!["green".into()],
        max_price: Some(Paise::from_rupees(12_000)),
        in_stock: true,
        ..ProductFilter::default()
    }
}

fn figures(criterion: &mut Criterion) {
    let products = products();
    let empty = Snapshot::new(Vec::new(), Vec::new(), Vec::new()).weight();
    let builds: Vec<Duration> = (0..5)
        .map(|_| {
            let copy = products.clone();
            let began = Instant::now();
            black_box(Snapshot::new(copy, Vec::new(), Vec::new()));
            began.elapsed()
        })
        .collect();
    let catalogue = Snapshot::new(products, Vec::new(), Vec::new());
    let best = builds.iter().min().expect("it was built").as_secs_f64() * 1e3;
    println!("a snapshot of {PRODUCTS} products: built in {best:.0} ms (best of {})", builds.len());
    println!(
        "its weight: {:.1} MB, of which the index {:.1} MB (empty: {empty} bytes)",
        catalogue.weight() as f64 / 1e6,
        catalogue.index_weight() as f64 / 1e6
    );
    let search = |words: &str, filter: ProductFilter| Search { words: words.to_owned(), filter, ..Search::default() };
    let plain = times(&SEARCHES, ROUNDS, |words| {
        black_box(catalogue.search(&search(words, ProductFilter::default())));
    });
    print("search with facets", &plain);
    let filtered = times(&SEARCHES, ROUNDS, |words| {
        black_box(catalogue.search(&search(words, filter())));
    });
    print("search with facets and four filters", &filtered);
    let (said, context) = (sentences(), Context::default());
    let answered = times(&said, 2, |text| {
        black_box(answer_from(&catalogue, Utterance { text, certainty: 1.0, context: &context, language: None }));
    });
    print("answer to a golden sentence", &answered);
    let understood = times(&said, 4, |text| {
        black_box(understand(text, &context));
    });
    print("understanding a golden sentence", &understood);
    let mut group = criterion.benchmark_group("search");
    for words in SEARCHES {
        group.bench_function(if words.is_empty() { "(nothing)" } else { words }, |bencher| {
            bencher.iter(|| catalogue.search(black_box(&search(words, ProductFilter::default()))));
        });
    }
    group.finish();
}

criterion_group!(benches, figures);
criterion_main!(benches);
