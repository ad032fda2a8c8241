//! Requests that must come by Azure Front Door, and what is believed of them.

use http::Method;
use pravis::error::Code;

use super::limits::{exhaust, limited, refused_alike};
use crate::functions_host::{FunctionsHost, payload};
use crate::support::app::TestApp;
use crate::support::process::{request, sized};

const ID: &str = "55ce4ed1-4b06-4bf1-b40e-4638452104da";
const PRODUCTS: &str = "/api/v1/products?limit=1";

#[tokio::test]
async fn only_what_came_by_our_front_door_is_answered() {
    let app = TestApp::start_with(&[("FRONT_DOOR_ID", ID)]).await;
    let client = app.client();
    client.get(PRODUCTS).header("x-azure-fdid", ID).await.expect(200);
    client.get(PRODUCTS).await.problem(403, Code::NotPermitted);
    for forged in ["", "55ce4ed1-4b06-4bf1-b40e-4638452104db", &ID[..35], "nonsense", "*"] {
        client.get(PRODUCTS).header("x-azure-fdid", forged).await.problem(403, Code::NotPermitted);
    }
    let twice = client.get(PRODUCTS).header("x-azure-fdid", ID).header("x-azure-fdid", "nonsense");
    twice.await.problem(403, Code::NotPermitted);
    client.get(PRODUCTS).header("x-forwarded-for", ID).await.problem(403, Code::NotPermitted);
    // Neither what there is nor what there is not is told apart.
    client.get("/api/v1/nothing").await.problem(403, Code::NotPermitted);
    client.call(Method::OPTIONS, "/api/v1/products").await.problem(403, Code::NotPermitted);
    client.get("/api/v1/health").await.problem(403, Code::NotPermitted);
    for probe in ["/api/v1/health/live", "/api/v1/health/ready"] {
        client.get(probe).await.expect(200);
    }
}

#[tokio::test]
async fn the_client_is_who_front_door_was_connected_to() {
    let app = limited(1, &[("FRONT_DOOR_ID", ID)]).await;
    let client = app.client();
    let ask = |socket: &str| client.get(PRODUCTS).header("x-azure-fdid", ID).header("x-azure-socketip", socket);
    let plain = async || ask("203.0.113.7").await;
    exhaust(20, plain).await;
    for (name, value) in [("x-forwarded-for", "198.51.100.1"), ("x-azure-clientip", "198.51.100.2")] {
        refused_alike(plain, async || ask("203.0.113.8").header(name, value).await).await;
    }
    ask("198.51.100.1").await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_hosts_own_invocations_need_no_front_door() {
    let host = FunctionsHost::setup().setting("FRONT_DOOR_ID", ID).start().await;
    let tick = payload::timer(host.function("VoiceSamplesReconcile"), false);
    assert!(host.invoke("VoiceSamplesReconcile", tick).await.succeeded());
    let outside = request(Method::GET, PRODUCTS, "shop.example").body(sized("")).unwrap();
    assert_eq!(host.request(outside).await.status, 403);
    let through = request(Method::GET, PRODUCTS, "shop.example").header("x-azure-fdid", ID).body(sized("")).unwrap();
    assert_eq!(host.request(through).await.status, 200);
}
