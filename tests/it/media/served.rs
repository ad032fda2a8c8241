//! Files under names that never change their content.

use pravis::error::Code;
use pravis::ports::Condition;
use pravis::ports::blobs::BlobName;
use serde_json::json;

use super::*;

#[tokio::test]
async fn a_file_is_kept_for_good_and_asked_for_once() {
    let app = TestApp::start().await;
    let staff = app.staff().await;
    let product = a_product(&app).await;
    ended(&staff, &submit(&app, &staff, &product, photo(330, 300, 77)).await).await;
    for path in kept(&app).await {
        let url = format!("/api/v1/media/{path}");
        let answer = app.client().get(&url).await.expect(200);
        assert_eq!(answer.header("cache-control"), "public, max-age=31536000, immutable");
        let name = path.rsplit('/').next().unwrap();
        assert_eq!(answer.header("etag"), format!("\"{name}\""));
        let kind = if name.ends_with(".webp") { "image/webp" } else { "image/jpeg" };
        assert_eq!(answer.header("content-type"), kind);
        let head = app.client().call(Method::HEAD, &url).await.expect(200);
        assert_eq!(head.header("content-length"), answer.body.len().to_string());
        // Who has it is told so although the store no longer does.
        app.state.blobs.delete(&BlobName::new(MEDIA, &path), Condition::None).await.unwrap();
        for tag in [format!("\"{name}\""), format!("W/\"{name}\""), format!("\"x\", \"{name}\"")] {
            let answer = app.client().get(&url).header("if-none-match", tag).await.expect(304);
            assert_eq!(answer.header("cache-control"), "public, max-age=31536000, immutable");
        }
        app.client().get(&url).header("if-none-match", "*").await.problem(404, Code::NotFound);
        app.client().get(&url).header("if-none-match", "\"other\"").await.problem(404, Code::NotFound);
    }
}

#[tokio::test]
async fn only_names_that_we_gave_are_looked_for() {
    let app = TestApp::start_idle(&[]).await;
    for path in ["pravis/x.webp", "pravis/../../secrets", "PRAVIS/a.webp", "pravis/%2e%2e%2fx.webp"] {
        app.client().get(&format!("/api/v1/media/{path}")).await.problem(404, Code::NotFound);
    }
    let hash = "0".repeat(48);
    app.client().get(&format!("/api/v1/media/pravis/{hash}-320.webp")).await.problem(404, Code::NotFound);
    app.client().get(&format!("/api/v1/media/pravis/{hash}-320.svg")).await.problem(404, Code::NotFound);
}

#[tokio::test]
async fn a_cdn_in_front_is_named_in_all_addresses() {
    let app = TestApp::start_with(&[("MEDIA_BASE_URL", "https://cdn.example/media/")]).await;
    let staff = app.staff().await;
    let product = a_product(&app).await;
    let picture = ended(&staff, &submit(&app, &staff, &product, photo(330, 300, 78)).await).await;
    let shown = app.client().get(&format!("/api/v1/products/{product}")).await.expect(200).json();
    let found = kept(&app).await;
    for source in shown["pictures"][0]["sources"].as_array().unwrap() {
        let url = source["url"].as_str().unwrap();
        let path = url.strip_prefix("https://cdn.example/media/").unwrap_or_else(|| panic!("{url}"));
        assert!(found.iter().any(|known| known == path), "{url}");
    }
    assert_eq!(picture["picture"]["sources"], shown["pictures"][0]["sources"]);
    assert!(shown["image"].as_str().unwrap().starts_with("https://cdn.example/media/pravis/"));
    assert_eq!(shown["images"], json!([shown["image"]]));
}
