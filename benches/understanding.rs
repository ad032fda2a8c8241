//! How long it takes to understand a sentence and to answer it from the sample catalogue.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use pravis::catalogue::Snapshot;
use pravis::services::shop::{
    answers::{Utterance, answer_from},
    sample_catalogue,
};
use pravis::understanding::{Context, understand};

const SENTENCES: [&str; 13] = [
    "silk sarees under five thousand rupees",
    "show me a red banarasi saree for a wedding between ten and twenty thousand",
    "cotton kurtas in blue but not navy size medium",
    "cheapest pashmina shawls first",
    "add the second one to my cart",
    "how long does delivery take",
    "what is in my cart",
    "what is the weather in delhi today",
    "दो हज़ार तक की लाल बनारसी साड़ी दिखाओ",
    "రెండువేల లోపు ఎర్ర చీరలున్నాయా",
    "do hazaar tak ki laal banarsi saree dikhaao",
    "show me blue sarees and add the first one to my cart and then check out",
    "no sorry i meant the green one under six thousand",
];

fn understanding(criterion: &mut Criterion) {
    let context = Context::default();
    let catalogue: Snapshot = sample_catalogue().expect("the sample catalogue is part of the program");
    let mut group = criterion.benchmark_group("sentence");
    for text in SENTENCES {
        group.bench_function(format!("understand/{text}"), |bencher| {
            bencher.iter(|| understand(black_box(text), &context));
        });
        group.bench_function(format!("answer/{text}"), |bencher| {
            let utterance = Utterance { text, certainty: 1.0, context: &context, language: None };
            bencher.iter(|| answer_from(black_box(&catalogue), utterance));
        });
    }
    group.finish();
}

criterion_group!(benches, understanding);
criterion_main!(benches);
