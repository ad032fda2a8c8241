//! The whole way of a picture.

use pravis::containers::MEDIA;
use serde_json::{Value, json};

use super::*;

#[tokio::test]
async fn an_uploaded_picture_is_shown_with_its_product() {
    let app = TestApp::start().await;
    let staff = app.staff().await;
    let product = a_product(&app).await;
    let before = app.client().get(&format!("/api/v1/products/{product}")).await.expect(200).json();
    assert!(before["image"].as_str().unwrap().starts_with("/media/products/"), "as it came with the catalogue");
    assert_eq!(before["pictures"], json!([]));

    let bytes = photo(1500, 2000, 90);
    let asked = announcement(&bytes);
    let announced = staff.post(&media_of(&product)).json(&asked).await.expect(201);
    let body = announced.json();
    assert_eq!((&body["status"], &body["maxBytes"]), (&json!("awaiting-upload"), &json!(bytes.len())));
    let path = format!("{}/{}", media_of(&product), body["id"].as_str().unwrap());
    assert_eq!(announced.header("location"), path);
    put(&app, &body, bytes).await.expect(201);
    staff.post(&format!("{path}/complete")).await.expect(202);
    let picture = ended(&staff, &path).await;
    assert_eq!(picture["status"], "ready", "{picture}");
    assert_eq!(picture["altTexts"]["te-IN"], "బంగారు చీర");
    nothing_left(&app).await;
    // Completed again, it stays what it is.
    assert_eq!(staff.post(&format!("{path}/complete")).await.expect(202).json()["status"], "ready");

    let shown = app.client().get(&format!("/api/v1/products/{product}?lang=hi")).await.expect(200).json();
    let pictures = shown["pictures"].as_array().unwrap();
    assert_eq!((pictures.len(), &pictures[0]["alt"]), (1, &json!("सुनहरी साड़ी")));
    assert_eq!((&pictures[0]["width"], &pictures[0]["height"]), (&json!(1280), &json!(1707)));
    let sources = pictures[0]["sources"].as_array().unwrap();
    let kinds: Vec<_> =
        sources.iter().map(|source| (source["width"].as_u64().unwrap(), source["type"].as_str().unwrap())).collect();
    let wanted = [320, 640, 1280].map(|width| [(width, "image/webp"), (width, "image/jpeg")]);
    assert_eq!(kinds, wanted.concat());
    assert_eq!(shown["image"], sources[4]["url"], "the largest WebP");
    assert_eq!(shown["images"], json!([sources[4]["url"]]));
    for source in sources {
        let answer = app.client().get(source["url"].as_str().unwrap()).await.expect(200);
        assert_eq!(answer.header("content-type"), source["type"].as_str().unwrap());
        let image = image::load_from_memory(&answer.body).unwrap();
        assert_eq!(u64::from(image.width()), source["width"].as_u64().unwrap());
    }
    let public = app.client().get(&media_of(&product)).await.expect(200).json();
    assert_eq!(public["items"].as_array().unwrap().len(), 1);
    assert_eq!((&public["items"][0]["status"], &public["items"][0]["altTexts"]), (&json!("ready"), &Value::Null));
    // Nothing of where it is served is stored.
    assert!(!stored(&app, &product).await.to_string().contains("http"));
}

#[tokio::test]
async fn who_saves_data_is_shown_the_small_form() {
    let app = TestApp::start().await;
    let staff = app.staff().await;
    let product = a_product(&app).await;
    let path = submit(&app, &staff, &product, photo(900, 700, 10)).await;
    ended(&staff, &path).await;
    let list = "/api/v1/products?limit=100&lang=en";
    let find = |list: Value| {
        list["products"].as_array().unwrap().iter().find(|p| p["id"] == product.as_str()).unwrap().clone()
    };
    let whole = find(app.client().get(list).await.expect(200).json());
    assert!(whole["image"].as_str().unwrap().ends_with("-900.webp"), "{}", whole["image"]);
    for (name, value) in [("save-data", "on"), ("ect", "2g"), ("ect", "slow-2g"), ("ect", "3g")] {
        let lean = find(app.client().get(list).header(name, value).await.expect(200).json());
        assert!(lean["image"].as_str().unwrap().ends_with("-320.webp"), "{}", lean["image"]);
        assert_eq!(lean["images"], json!([lean["image"]]));
        assert_eq!(lean["pictures"][0]["sources"].as_array().unwrap().len(), 2, "of its width only");
    }
    // The assistant shows it, too.
    let question = json!({ "text": "tell me about the first one", "context": { "products": [product] } });
    let said = app.client().post("/api/v1/voice/command").json(&question).await.expect(200).json();
    let card = said["products"].as_array().unwrap().iter().find(|card| card["id"] == product.as_str()).cloned();
    assert_eq!(card.unwrap_or_else(|| panic!("{said}"))["image"], whole["image"]);
}

#[tokio::test]
async fn the_same_picture_has_the_same_name_and_is_written_once() {
    let app = TestApp::start().await;
    let staff = app.staff().await;
    let listed = app.client().get("/api/v1/products?limit=2").await.expect(200).json();
    let products: Vec<_> =
        listed["products"].as_array().unwrap().iter().map(|p| p["id"].as_str().unwrap().to_owned()).collect();
    let bytes = photo(400, 300, 33);
    for product in &products {
        let path = submit(&app, &staff, product, bytes.clone()).await;
        assert_eq!(ended(&staff, &path).await["status"], "ready");
    }
    let (one, other) = (stored(&app, &products[0]).await, stored(&app, &products[1]).await);
    assert_eq!(files(&one), files(&other));
    assert_eq!(kept(&app).await, files(&one));
    // One lets go of it; the other still shows it.
    let path = format!("{}/{}", media_of(&products[0]), one["pictures"][0]["id"].as_str().unwrap());
    staff.delete(&path).await.expect(200);
    staff.get(&path).await.expect(404);
    staff.delete(&path).await.expect(404);
    assert_eq!(files(&stored(&app, &products[0]).await), [""; 0]);
    assert_eq!(kept(&app).await, files(&other));
}

#[tokio::test]
async fn pictures_stand_where_they_were_put_whatever_ends_first() {
    let app = TestApp::start_idle(&[]).await;
    let staff = app.staff().await;
    let product = a_product(&app).await;
    let mut paths = Vec::new();
    for position in [2, 0, 1] {
        let bytes = photo(60 + position, 40, 50);
        let mut asked = announcement(&bytes);
        asked["position"] = json!(position);
        let path = upload(&app, &staff, &product, asked, bytes).await;
        staff.post(&format!("{path}/complete")).await.expect(202);
        assert!(app.fire("ShopMediaJobsRun", &app.state).await.iter().all(Result::is_ok));
        paths.push(path);
    }
    let id = |path: &String| path.rsplit('/').next().unwrap().to_owned();
    let order = async || {
        let listed = staff.get(&media_of(&product)).await.expect(200).json();
        listed["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|item| item["id"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(order().await, [id(&paths[1]), id(&paths[2]), id(&paths[0])]);
    let wanted = [id(&paths[0]), id(&paths[1]), id(&paths[2])];
    staff.put(&media_of(&product)).json(&json!({ "order": wanted })).await.expect(200);
    assert_eq!(order().await, wanted);
    let public = app.client().get(&format!("/api/v1/products/{product}?lang=en")).await.expect(200).json();
    assert!(public["image"].as_str().unwrap().ends_with("-62.webp"), "{}", public["image"]);
    for wrong in [json!([wanted[0]]), json!([wanted[0], wanted[1], wanted[1]]), json!([])] {
        let answer = staff.put(&media_of(&product)).json(&json!({ "order": wrong })).await;
        assert_eq!(answer.refused_fields(), ["order"]);
    }
    assert_eq!(app.state.blobs.list(MEDIA, "pravis/", 100, None).await.unwrap().items.len(), 6);
}

#[tokio::test]
async fn what_others_write_into_the_product_meanwhile_is_kept() {
    let app = TestApp::start_idle(&[]).await;
    let staff = app.staff().await;
    let product = a_product(&app).await;
    for shade in 0..4 {
        submit(&app, &staff, &product, photo(40, 30, shade * 60)).await;
    }
    let partition = PartitionKey::of(["pravis", "product"]);
    let prices = async {
        for price in 1..=30_u64 {
            let document = app.state.documents.read(&CATALOGUE, &partition, &product).await.unwrap().unwrap();
            let mut body: serde_json::Map<String, Value> = document.read().unwrap();
            body.insert("pricePaise".into(), (price * 100).into());
            body.insert("lateField".into(), json!("stays"));
            let document_new = pravis::ports::documents::NewDocument::new(&product, &body).unwrap();
            let condition = pravis::ports::Condition::IfMatch(document.etag);
            let _ = app.state.documents.replace(&CATALOGUE, &partition, document_new, condition).await;
        }
    };
    let (_, outcomes) = tokio::join!(prices, app.fire("ShopMediaJobsRun", &app.state));
    assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
    let found = stored(&app, &product).await;
    assert_eq!(found["pictures"].as_array().unwrap().len(), 4);
    assert_eq!(found["lateField"], "stays");
}
