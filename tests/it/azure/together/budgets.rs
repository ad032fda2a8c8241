//! What a shopper's requests cost on Cosmos DB, against the table of budgets, and that none of them asks
//! more than one partition.

use http::Method;
use serde_json::{Value, json};

use super::Services;
use crate::support::client::{Answer, Client};
use crate::support::process::eventually;

/// The request units that an answer says it cost.
fn request_units(answer: &Answer) -> f64 {
    let timing = answer.header("server-timing");
    let Some((_, cosmos)) = timing.split_once("cosmos;") else { return 0.0 };
    let words: Vec<&str> = cosmos.split(['"', ' ', ',']).collect();
    let unit = words.iter().position(|word| *word == "RU");
    unit.map_or(0.0, |unit| words[unit - 1].parse().unwrap_or_else(|_| panic!("{timing}")))
}

/// What the walk calls, as often as there is a way to call it that succeeds.
async fn call(caller: &Client, method: &Method, path: &str, body: Option<Value>) -> Answer {
    let call = caller.call(method.clone(), path);
    match body {
        Some(body) => call.json(&body).await,
        None => call.await,
    }
}
