//! Pictures of products, from the announcement to the file that a browser keeps.

mod drawn;
mod interrupted;
mod killed;
mod pictures;
mod refused;
mod served;
mod story;

use http::Method;
use image::codecs::jpeg::JpegEncoder;
use image::{ExtendedColorType, ImageEncoder, Rgb, RgbImage};
use pravis::containers::{CATALOGUE, MEDIA, MEDIA_JOBS, MEDIA_UPLOADS};
use pravis::ports::documents::PartitionKey;
use serde_json::{Value, json};

use crate::support::app::TestApp;
use crate::support::client::{Answer, Client};
use crate::support::process::eventually;

/// A photograph of cloth: stripes of the colour `shade`.
pub fn photo(width: u32, height: u32, shade: u8) -> Vec<u8> {
    let image = RgbImage::from_fn(width, height, |x, y| Rgb([shade, (x % 251) as u8, (y / 3 % 251) as u8]));
    let mut bytes = Vec::new();
    let encoder = JpegEncoder::new_with_quality(&mut bytes, 90);
    encoder.write_image(&image, width, height, ExtendedColorType::Rgb8).unwrap();
    bytes
}

/// What staff announces a picture with.
pub fn announcement(bytes: &[u8]) -> Value {
    let alt = json!({ "en-IN": "Gold saree", "hi-IN": "सुनहरी साड़ी", "te-IN": "బంగారు చీర" });
    json!({ "contentType": "image/jpeg", "byteSize": bytes.len(), "alt": alt })
}

/// The first product of the sample catalogue.
pub async fn a_product(app: &TestApp) -> String {
    let listed = app.client().get("/api/v1/products?limit=1").await.expect(200).json();
    listed["products"][0]["id"].as_str().unwrap().to_owned()
}

pub fn media_of(product: &str) -> String {
    format!("/api/v1/products/{product}/media")
}

/// Puts bytes to the address that an announcement was answered with.
pub async fn put(app: &TestApp, announced: &Value, bytes: Vec<u8>) -> Answer {
    let url = announced["uploadUrl"].as_str().unwrap();
    let mut call = app.client().call(Method::PUT, url);
    for (name, value) in announced["uploadHeaders"].as_object().unwrap() {
        call = call.header(name, value.as_str().unwrap());
    }
    call.raw_body(bytes).await
}

/// Announces and uploads a picture; gives its path below the API.
pub async fn upload(app: &TestApp, staff: &Client, product: &str, announced: Value, bytes: Vec<u8>) -> String {
    let announced = staff.post(&media_of(product)).json(&announced).await.expect(201).json();
    put(app, &announced, bytes).await.expect(201);
    format!("{}/{}", media_of(product), announced["id"].as_str().unwrap())
}

/// Announces, uploads and completes a picture; gives its path below the API.
pub async fn submit(app: &TestApp, staff: &Client, product: &str, bytes: Vec<u8>) -> String {
    let path = upload(app, staff, product, announcement(&bytes), bytes).await;
    let completed = staff.post(&format!("{path}/complete")).await.expect(202);
    assert_eq!(completed.header("operation-location"), path);
    path
}

/// Follows a picture to its end.
pub async fn ended(staff: &Client, path: &str) -> Value {
    eventually("the end of the picture", async || {
        let picture = staff.get(path).await.expect(200).json();
        matches!(picture["status"].as_str(), Some("ready" | "rejected" | "failed")).then_some(picture)
    })
    .await
}

/// The stored document of a product.
pub async fn stored(app: &TestApp, product: &str) -> Value {
    let partition = PartitionKey::of(["pravis", "product"]);
    let found = app.state.documents.read(&CATALOGUE, &partition, product).await.unwrap().unwrap();
    found.read().unwrap()
}

pub async fn paths(app: &TestApp, container: &'static str) -> Vec<String> {
    let page = app.state.blobs.list(container, "", 1000, None).await.unwrap();
    page.items.into_iter().map(|item| item.path).collect()
}

/// Waits until neither uploads nor tickets are left.
pub async fn nothing_left(app: &TestApp) {
    eventually("that uploads and tickets go", async || {
        let left = [paths(app, MEDIA_UPLOADS).await, paths(app, MEDIA_JOBS).await].concat();
        left.is_empty().then_some(())
    })
    .await;
}

/// The paths of the files that a product's document names, sorted.
pub fn files(product: &Value) -> Vec<String> {
    let pictures = product["pictures"].as_array().cloned().unwrap_or_default();
    let sources = pictures.iter().flat_map(|picture| picture["sources"].as_array().unwrap().clone());
    let mut files: Vec<String> = sources.map(|source| source["path"].as_str().unwrap().to_owned()).collect();
    files.sort();
    files
}

pub async fn kept(app: &TestApp) -> Vec<String> {
    paths(app, MEDIA).await
}
