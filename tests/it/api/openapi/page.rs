//! The page that shows the description, and all that it is made of.

use std::collections::BTreeSet;

use crate::support::app::TestApp;

/// The values of an attribute in HTML.
fn attributes<'a>(page: &'a str, name: &str) -> Vec<&'a str> {
    let quoted = format!("{name}=\"");
    page.match_indices(&quoted).filter_map(|(at, _)| page[at + quoted.len()..].split('"').next()).collect()
}

#[tokio::test]
async fn the_page_and_its_parts_come_from_here_alone() {
    let app = TestApp::start().await;
    let page = app.client().get("/api/docs").await.expect(200);
    assert!(page.header("content-type").starts_with("text/html"));
    let parts: BTreeSet<&str> =
        [attributes(page.text(), "src"), attributes(page.text(), "href")].concat().into_iter().collect();
    assert!(parts.len() >= 4, "{parts:?}");
    let mut scripts = 0;
    for part in parts {
        assert!(!part.contains("//") && !part.contains(':'), "{part} is elsewhere");
        // As a browser resolves it from `/api/docs`.
        let path = if part.starts_with('/') { part.to_owned() } else { format!("/api/{part}") };
        let file = app.client().get(&path).await.expect(200);
        let kind = file.header("content-type");
        let right = match part.rsplit('.').next().unwrap() {
            "js" => "javascript",
            "css" => "css",
            "png" => "image/png",
            other => panic!("what is {other}?"),
        };
        assert!(kind.contains(right), "{part} is {kind}");
        assert!(!file.body.is_empty());
        if right == "css" {
            let elsewhere =
                ["url(http", "url(\"http", "url(//", "@import"].iter().any(|word| file.text().contains(word));
            assert!(!elsewhere, "{part} fetches from elsewhere");
        }
        scripts += usize::from(right == "javascript");
    }
    assert!(scripts >= 2);
    let start = app.client().get("/api/docs/swagger-initializer.js").await.expect(200);
    assert!(start.text().contains("/api/openapi.json"), "{start}");
    assert!(!start.text().contains("http://") && !start.text().contains("https://"), "{start}");
}

#[tokio::test]
async fn only_parts_of_the_page_are_served() {
    let app = TestApp::start().await;
    for name in ["nothing.js", "Cargo.toml", "index.html%00.js"] {
        app.client().get(&format!("/api/docs/{name}")).await.expect(404);
    }
}
