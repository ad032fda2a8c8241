//! What is refused, and to whom.

use super::*;

#[tokio::test]
async fn bad_reviews_are_refused_by_field() {
    let app = TestApp::start().await;
    let person = app.customer().await;
    let path = reviews_of(&id(&product(&person, 0).await));
    for (body, field) in [
        (json!({ "content": "x" }), "."),
        (json!({ "rating": 5 }), "."),
        (json!({ "rating": 0, "content": "x" }), "rating"),
        (json!({ "rating": 6, "content": "x" }), "rating"),
        (json!({ "rating": 4.5, "content": "x" }), "rating"),
        (json!({ "rating": "5", "content": "x" }), "rating"),
        (json!({ "rating": 5, "content": "" }), "content"),
        (json!({ "rating": 5, "content": "x".repeat(4001) }), "content"),
        (json!({ "rating": 5, "content": "a\u{1b}[2Jb" }), "content"),
        (json!({ "rating": 5, "content": "x", "title": "t".repeat(121) }), "title"),
        (json!({ "rating": 5, "content": "x", "title": "\u{202e}x" }), "title"),
        (json!({ "rating": 5, "content": "x", "name": "n".repeat(101) }), "name"),
    ] {
        assert_eq!(person.post(&path).json(&body).await.refused_fields(), [field], "{body:.80}");
    }
    person.post(&path).body("application/json", "{").await.problem(400, Code::MalformedRequest);
    assert_eq!(person.get(OWN).await.expect(200).json()["items"], json!([]));
    let nowhere = reviews_of("prd_01KAXQ8W0V7D3T4Z5J6N8P9R2S");
    person.post(&nowhere).json(&said(5, "x")).await.problem(404, Code::NotFound);
    person.get(&nowhere).await.problem(404, Code::NotFound);
    for (query, field) in [("sort=best", "sort"), ("limit=0", "limit"), ("limit=101", "limit"), ("cursor=x", "cursor")]
    {
        assert_eq!(person.get(&format!("{path}?{query}")).await.refused_fields(), [field]);
    }
}

#[tokio::test]
async fn nobody_writes_or_decides_for_another() {
    let app = TestApp::start().await;
    let (person, other, staff) = (app.customer().await, app.customer().await, app.staff().await);
    let elsewhere = app.staff_of("partner").await;
    let product = id(&product(&person, 0).await);
    app.client().post(&reviews_of(&product)).json(&said(5, "x")).await.problem(401, Code::NotAuthenticated);
    let review = write(&person, &product, 5, "Lovely").await;
    let own = format!("{OWN}/{}", id(&review));
    for stranger in [&other, &staff] {
        stranger.get(&own).await.problem(404, Code::NotFound);
        stranger.put(&own).json(&said(1, "x")).await.problem(404, Code::NotFound);
        stranger.delete(&own).await.problem(404, Code::NotFound);
    }
    let approval = json!({ "revision": as_staff(&staff, &review).await["revision"] });
    let path = format!("{STAFF}/{}/approve", id(&review));
    person.post(&path).json(&approval).await.problem(403, Code::NotPermitted);
    person.get(STAFF).await.problem(403, Code::NotPermitted);
    elsewhere.post(&path).json(&approval).await.problem(404, Code::NotFound);
    assert_eq!(elsewhere.get(STAFF).await.expect(200).json()["items"], json!([]));
    let reject = path.replace("approve", "reject");
    for reason in [json!(""), json!("x".repeat(501)), json!("a\nb")] {
        let body = json!({ "revision": 1, "reason": reason });
        assert_eq!(staff.post(&reject).json(&body).await.refused_fields(), ["reason"]);
    }
    assert_eq!(staff.get(&format!("{STAFF}?status=shown")).await.refused_fields(), ["status"]);
    staff.post(&path.replace("rev_", "rev_X")).json(&approval).await.problem(404, Code::NotFound);
    // Staff are customers too, but not judges of their own.
    let theirs = write(&staff, &product, 5, "Our best").await;
    let path = format!("{STAFF}/{}/approve", id(&theirs));
    staff.post(&path).json(&json!({ "revision": 1 })).await.problem(403, Code::NotPermitted);
}

#[tokio::test]
async fn a_closed_account_writes_nothing() {
    let app = TestApp::start().await;
    let (person, admin) = (app.customer().await, app.admin().await);
    let product = id(&product(&person, 0).await);
    let path = format!("/api/v1/admin/users/{}/active", person.id);
    admin.call(Method::PUT, &path).json(&json!({ "active": false })).await.expect(200);
    person.post(&reviews_of(&product)).json(&said(5, "x")).await.problem(401, Code::InvalidToken);
}
