//! Files of products.

use std::time::Instant;

use pravis::error::Code;
use serde_json::{Value, json};

use super::{PRODUCTS, create, documents, form, path};
use crate::support::app::{Person, TestApp, eventually};
use crate::support::client::Answer;

const IMPORT: &str = "/api/v1/admin/products/import";
const HEADER: &str =
    "sku,category,fabric,weave,origin.place,origin.state,colors,sizes,pricePaise,stock,name.en-IN,description.en-IN";

/// A line of CSV under [`HEADER`].
fn row(sku: &str, paise: &str) -> String {
    format!(
        "{sku},sarees,pure silk,kanjivaram,Kanchipuram,Tamil Nadu,red; gold,free size,{paise},4,\"Zanzibari, {sku}\",Handwoven."
    )
}

fn table(rows: &[String]) -> String {
    format!("{HEADER}\n{}\n", rows.join("\n"))
}

async fn send(staff: &Person, kind: &str, body: impl Into<reqwest::Body>) -> Answer {
    staff.post(IMPORT).body(kind, body).await
}

async fn csv(staff: &Person, body: impl Into<reqwest::Body>) -> Value {
    send(staff, "text/csv", body).await.expect(200).json()
}

fn counts(report: &Value) -> [u64; 4] {
    ["created", "updated", "unchanged", "refused"].map(|name| report[name].as_u64().unwrap())
}

#[tokio::test]
async fn a_file_makes_and_changes_products_and_again_does_nothing() {
    let app = TestApp::start().await;
    let staff = app.staff().await;
    let file = table(&[row("PB-IMP-1", "100000"), row("PB-IMP-2", "200000")]);
    let dry = staff.post(&format!("{IMPORT}?dryRun=true")).body("text/csv", file.clone()).await.expect(200).json();
    assert_eq!((counts(&dry), &dry["dryRun"]), ([2, 0, 0, 0], &json!(true)));
    assert!(documents(&app, "pravis", "his_").await.is_empty(), "nothing was written");
    let report = csv(&staff, file.clone()).await;
    assert_eq!(counts(&report), [2, 0, 0, 0]);
    let lines = json!([
        { "line": 2, "sku": "PB-IMP-1", "outcome": "created", "errors": [] },
        { "line": 3, "sku": "PB-IMP-2", "outcome": "created", "errors": [] }
    ]);
    assert_eq!(report["lines"], lines);
    assert_eq!(counts(&csv(&staff, file).await), [0, 0, 2, 0]);
    let same = row("PB-IMP-1", "100000").replacen("PB-IMP-1", " pb-imp-1", 1);
    let changed = table(&[same, row("PB-IMP-2", "250000"), row("PB-IMP-3", "1")]);
    assert_eq!(counts(&csv(&staff, changed).await), [1, 1, 1, 0]);
    eventually("what was imported", || async {
        let found = app.client().get("/api/v1/products/search?q=zanzibari").await.expect(200).json();
        (found["total"] == 3).then_some(())
    })
    .await;
    let found = staff.get(&format!("{PRODUCTS}?q=pb-imp-2")).await.expect(200).json();
    let product = &found["items"][0];
    assert_eq!(product["originalPricePaise"], 250_000, "a new price alone is no reduction");
    assert_eq!((&product["pricePaise"], &product["stock"]), (&json!(250_000), &json!(4)));
    assert_eq!((&product["colors"], &product["subcategory"]), (&json!(["red", "gold"]), &json!("sarees")));
    let history = format!("{PRODUCTS}/{}/history", product["id"].as_str().unwrap());
    let entry = staff.get(&history).await.expect(200).json()["items"][0].clone();
    assert_eq!((&entry["imported"], &entry["actor"]), (&json!(true), &json!(staff.id.as_str())));
    let record = eventually("the audit record", || async {
        let found = staff.get("/api/v1/admin/audit?action=products.imported").await.expect(200).json();
        found["items"].as_array().unwrap().iter().find(|record| record["details"]["changed"] == 1).cloned()
    })
    .await;
    assert_eq!((&record["actor"], &record["details"]["created"]), (&json!(staff.id.as_str()), &json!(1)));
}

#[tokio::test]
async fn the_same_in_json() {
    let app = TestApp::start_idle(&[]).await;
    let staff = app.staff().await;
    let array = json!([form("PB-IMP-4"), { "sku": "PB-SAR-001", "pricePaise": 1_500_000, "stock": 99 }]);
    let report = staff.post(IMPORT).json(&array).await.expect(200).json();
    assert_eq!(counts(&report), [1, 1, 0, 0], "{report}");
    let lines = format!("{}\n\n{{\"sku\":\"PB-SAR-001\",\"name\":{{\"hi-IN\":null}}}}\nnonsense\n", form("PB-IMP-4"));
    let report = send(&staff, "application/x-ndjson", lines).await.expect(200).json();
    assert_eq!(counts(&report), [0, 1, 1, 1], "{report}");
    assert_eq!((&report["lines"][2]["line"], &report["lines"][2]["outcome"]), (&json!(4), &json!("refused")));
    let sample = staff.get(&format!("{PRODUCTS}?q=PB-SAR-001")).await.expect(200).json()["items"][0].clone();
    assert_eq!((&sample["pricePaise"], &sample["name"]["hi-IN"]), (&json!(1_500_000), &json!("")));
    assert_eq!((&sample["stock"], &sample["rating"]), (&json!(12), &json!(4.8)), "a stored product has its own");
    // What staff was shown can be sent back as a file.
    let shown = staff.get(&format!("{PRODUCTS}?limit=100")).await.expect(200).json()["items"].clone();
    let report = staff.post(IMPORT).json(&shown).await.expect(200).json();
    assert_eq!(counts(&report), [0, 0, 100, 0]);
}

#[tokio::test]
async fn what_is_wrong_with_a_line_is_told_of_it_and_the_others_are_done() {
    let app = TestApp::start_idle(&[]).await;
    let staff = app.staff().await;
    let mut file = table(&[
        row("PB-IMP-5", "100000"),
        row("PB-IMP-6", "0"),
        row("", "100000"),
        row("pb-imp-5", "100000"),
        "PB-IMP-7,sarees".into(),
        row("PB-IMP-8", "1e5"),
    ])
    .into_bytes();
    file.extend(row("PB-IMP-9", "100000").replace("Zanzibari", "Z\u{1}").into_bytes());
    file.extend(b"\n");
    file.extend(row("PB-IMP-10", "100000").into_bytes().into_iter().map(|byte| if byte == b'Z' { 0xff } else { byte }));
    let report = csv(&staff, file).await;
    assert_eq!(counts(&report), [1, 0, 0, 7], "{report}");
    let told: Vec<(u64, &str)> = report["lines"]
        .as_array()
        .unwrap()
        .iter()
        .skip(1)
        .map(|line| {
            assert_eq!(line["outcome"], "refused");
            (line["line"].as_u64().unwrap(), line["errors"][0]["field"].as_str().unwrap())
        })
        .collect();
    let expected =
        [(3, "pricePaise"), (4, "sku"), (5, "sku"), (6, ""), (7, "pricePaise"), (8, "name.en-IN"), (9, "name.en-IN")];
    assert_eq!(told, expected);
    let twice = report["lines"][3]["errors"][0]["message"].as_str().unwrap();
    assert_eq!(twice, "line 2 has the same sku");
}

#[tokio::test]
async fn a_file_that_is_none_is_refused_whole() {
    let app = TestApp::start_idle(&[]).await;
    let staff = app.staff().await;
    let rows = "x\n".repeat(5_001);
    for (kind, body, status, code) in [
        ("text/csv", "sku,price\nA,5\n".to_owned(), 422, Code::ValidationFailed),
        ("text/csv", String::new(), 422, Code::ValidationFailed),
        ("text/csv", format!("{HEADER}\n{}\n\"PB-IMP-11,\n", row("PB-IMP-12", "5")), 400, Code::MalformedRequest),
        ("text/csv", format!("sku\n{rows}"), 413, Code::PayloadTooLarge),
        ("application/x-ndjson", "{}\n".repeat(5_001), 413, Code::PayloadTooLarge),
        ("application/json", format!("[{}{{}}]", "{},".repeat(5_000)), 413, Code::PayloadTooLarge),
        ("application/json", "{}".to_owned(), 400, Code::MalformedRequest),
        ("application/json", "[{},".to_owned(), 400, Code::MalformedRequest),
        ("text/csv", "x".repeat((4 << 20) + 1), 413, Code::PayloadTooLarge),
        ("text/plain", "sku\nA\n".to_owned(), 415, Code::UnsupportedMediaType),
    ] {
        let shown: String = body.chars().take(40).collect();
        let answer = send(&staff, kind, body).await;
        assert_eq!(answer.status.as_u16(), status, "{kind} {shown:?}: {answer:.300}");
        answer.problem(status, code);
    }
    assert!(documents(&app, "pravis", "his_").await.is_empty());
    app.customer().await.post(IMPORT).body("text/csv", table(&[])).await.problem(403, Code::NotPermitted);
    assert_eq!(counts(&csv(&staff, table(&[])).await), [0, 0, 0, 0]);
}

#[tokio::test]
async fn cells_are_data_whatever_they_begin_with() {
    let app = TestApp::start_idle(&[]).await;
    let staff = app.staff().await;
    let evil = "=HYPERLINK(\"\"http://evil.example\"\")";
    let file = table(&[row("PB-IMP-13", "100000").replace("\"Zanzibari, PB-IMP-13\"", &format!("\"{evil}\""))]);
    assert_eq!(counts(&csv(&staff, file).await), [1, 0, 0, 0]);
    let found = staff.get(&format!("{PRODUCTS}?q=PB-IMP-13")).await.expect(200).json();
    assert_eq!(found["items"][0]["name"]["en-IN"], "=HYPERLINK(\"http://evil.example\")");
    let formula = table(&[row("PB-IMP-14", "=1+1"), row("=A1", "5")]);
    assert_eq!(counts(&csv(&staff, formula).await), [0, 0, 0, 2]);
}

#[tokio::test]
async fn what_others_write_meanwhile_is_not_overwritten() {
    let app = TestApp::start_idle(&[]).await;
    let staff = app.staff().await;
    let rows: Vec<String> = (0..120).map(|number| row(&format!("PB-IMP-A{number}"), "100000")).collect();
    let (one, other) = (app.staff().await, app.staff().await);
    let file = table(&rows);
    let (first, second) = tokio::join!(csv(&one, file.clone()), csv(&other, file.clone()));
    let [a, b] = [counts(&first), counts(&second)];
    assert_eq!(a[0] + b[0], 120, "{a:?} {b:?}: each is made once");
    assert_eq!((a[2] + b[2], a[3] + b[3]), (120, 0), "{a:?} {b:?}");
    let made = documents(&app, "pravis", "sku_PB-IMP-A").await.len();
    let head = documents(&app, "pravis", "head").await[0]["products"].as_u64().unwrap();
    assert_eq!((made, head as usize), (120, documents(&app, "pravis", "prd_").await.len()));
    // A change between: the file's price comes upon the product as it is.
    let made = create(&staff, "PB-IMP-B").await;
    let (patch, line) = (json!({ "featured": true }), json!([{ "sku": "PB-IMP-B", "pricePaise": 77_700 }]));
    let patched = staff.call(http::Method::PATCH, &path(&made)).header("if-match", "*").json(&patch).into_future();
    let (patched, imported) = tokio::join!(patched, staff.post(IMPORT).json(&line).into_future());
    assert_eq!((patched.status.as_u16(), imported.status.as_u16()), (200, 200));
    let now = staff.get(&path(&made)).await.expect(200).json();
    assert_eq!((&now["featured"], &now["pricePaise"], &now["version"]), (&json!(true), &json!(77_700), &json!(3)));
}

#[tokio::test]
async fn five_thousand_lines_are_done_in_a_reasonable_time() {
    let app = TestApp::start_idle(&[]).await;
    let staff = app.staff().await;
    let rows: Vec<String> = (0..5_000).map(|number| row(&format!("PB-BIG-{number}"), "100000")).collect();
    let file = table(&rows);
    let begun = Instant::now();
    let report = csv(&staff, file.clone()).await;
    eprintln!("5,000 lines ({} bytes) made in {:.1?}", file.len(), begun.elapsed());
    assert_eq!(counts(&report), [5_000, 0, 0, 0]);
    let begun = Instant::now();
    assert_eq!(counts(&csv(&staff, file).await), [0, 0, 5_000, 0]);
    eprintln!("and found unchanged in {:.1?}", begun.elapsed());
    let stored = documents(&app, "pravis", "prd_").await.len();
    assert_eq!(documents(&app, "pravis", "head").await[0]["products"], stored);
}

/// A program that dies between two batches, or in one, leaves whole lines only; the file again does the rest.
#[tokio::test]
async fn an_import_that_broke_off_is_finished_by_the_same_file() {
    let app = TestApp::start_idle(&[]).await;
    let staff = app.staff().await;
    let rows: Vec<String> = (0..400).map(|number| row(&format!("PB-CUT-{number}"), "100000")).collect();
    let file = table(&rows);
    let mut cut = 0;
    for patience in [15, 40, 80] {
        let sent = send(&staff, "text/csv", file.clone());
        // The client goes away; whatever the server does then, lines are whole.
        let _ = tokio::time::timeout(std::time::Duration::from_millis(patience), sent).await;
        let products = documents(&app, "pravis", "prd_").await;
        let made = products.iter().filter(|product| product["sku"].as_str().unwrap().starts_with("PB-CUT-")).count();
        cut += usize::from(made > 0 && made < 400);
    }
    eprintln!("broken off within the file {cut} times");
    eventually("the file again", || async {
        let report = csv(&staff, file.clone()).await;
        (counts(&report) == [0, 0, 400, 0]).then_some(())
    })
    .await;
    let count = documents(&app, "pravis", "prd_").await.len();
    assert_eq!(documents(&app, "pravis", "sku_").await.len(), count);
    assert_eq!(documents(&app, "pravis", "his_").await.len(), 400);
    assert_eq!(documents(&app, "pravis", "head").await[0]["products"], count);
}
