//! How the reviews of a product are listed and kept in memory.

use super::*;

/// Twelve approved reviews of one product, a second apart, with 1 to 5 stars in turn; the product.
async fn twelve(app: &TestApp, staff: &Person) -> String {
    let product = id(&product(&app.client(), 0).await);
    for number in 0..12_u64 {
        app.clock.advance(chrono::Duration::seconds(1));
        let person = app.customer().await;
        let review = write(&person, &product, number % 5 + 1, &format!("number {number}")).await;
        approve(staff, &review).await;
    }
    shown(&app.client(), &product, 12).await;
    product
}

#[tokio::test]
async fn pages_hold_every_review_once_in_the_order_asked_for() {
    let app = TestApp::start().await;
    let (anybody, staff) = (app.client(), app.staff().await);
    let product = twelve(&app, &staff).await;
    for (sort, limit) in [("", 100), ("newest", 5), ("highest", 5), ("lowest", 1)] {
        let (mut found, mut cursor) = (Vec::new(), String::new());
        loop {
            let query = if sort.is_empty() { String::new() } else { format!("&sort={sort}") };
            let path = format!("{}?limit={limit}{query}{cursor}", reviews_of(&product));
            let page = anybody.get(&path).await.expect(200).json();
            assert_eq!(page["summary"]["histogram"], json!({ "1": 3, "2": 3, "3": 2, "4": 2, "5": 2 }));
            assert_eq!(page["summary"]["average"], 2.75);
            found.extend(page["items"].as_array().unwrap().clone());
            assert!(found.len() <= 12, "pages without end");
            let Some(next) = page["next"].as_str() else { break };
            cursor = format!("&cursor={next}");
        }
        let key = |review: &Value| {
            let number: i64 = review["content"].as_str().unwrap().trim_start_matches("number ").parse().unwrap();
            match sort {
                "highest" => (-review["rating"].as_i64().unwrap(), -number),
                "lowest" => (review["rating"].as_i64().unwrap(), number),
                _ => (0, -number),
            }
        };
        let keys: Vec<_> = found.iter().map(key).collect();
        assert_eq!(keys.len(), 12, "{sort}");
        assert!(keys.is_sorted() && keys.windows(2).all(|two| two[0] != two[1]), "{sort}: {keys:?}");
    }
    // A page of ten where nothing is said; a cursor of another list is none.
    let page = anybody.get(&reviews_of(&product)).await.expect(200).json();
    assert_eq!(page["items"].as_array().unwrap().len(), 10);
    let path = format!("{}?sort=highest&cursor={}", reviews_of(&product), page["next"].as_str().unwrap());
    assert_eq!(anybody.get(&path).await.refused_fields(), ["cursor"]);
    // What is written later is in the list at once.
    app.clock.advance(chrono::Duration::seconds(1));
    let late = write(&app.customer().await, &product, 5, "number 12").await;
    approve(&staff, &late).await;
    assert_eq!(shown(&anybody, &product, 13).await["items"][0]["content"], "number 12");
}

#[tokio::test]
async fn a_second_reading_comes_from_memory_and_a_known_one_is_not_sent() {
    let app = TestApp::start().await;
    let anybody = app.client();
    let path = reviews_of(&id(&product(&anybody, 0).await));
    let first = anybody.get(&path).await.expect(200);
    let again = eventually("an answer from memory", || async {
        let answer = anybody.get(&path).header("if-none-match", first.header("etag")).await.expect(304);
        (answer.header("x-cache") == "HIT").then_some(answer)
    })
    .await;
    assert!(!again.header("server-timing").contains(','), "{}", again.header("server-timing"));
    assert!(first.header("cache-control").starts_with("public"));
    assert!(first.header("cache-tag").starts_with("reviews:pravis:prd_"));
    let own = app.customer().await.get(&path).await.expect(200);
    assert!(own.header("cache-control").starts_with("private"), "the boutique came from the token");
}

#[tokio::test]
async fn authors_and_staff_page_through_theirs() {
    let app = TestApp::start().await;
    let (person, staff) = (app.customer().await, app.staff().await);
    for number in 0..5 {
        app.clock.advance(chrono::Duration::seconds(1));
        let product = id(&product(&person, number).await);
        write(&person, &product, 3, &format!("number {number}")).await;
    }
    for (api, path) in [(&person, OWN), (&staff, STAFF)] {
        let (mut found, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = api.get(&format!("{path}?limit=2{cursor}")).await.expect(200).json();
            found.extend(page["items"].as_array().unwrap().iter().map(|item| item["content"].to_string()));
            assert!(found.len() <= 5, "pages without end");
            let Some(next) = page["next"].as_str() else { break };
            cursor = format!("&cursor={next}");
        }
        if path == OWN {
            assert!(found.is_sorted_by(|one, two| one > two), "the newest first: {found:?}");
        }
        found.sort();
        found.dedup();
        assert_eq!(found.len(), 5, "{path}");
    }
}
