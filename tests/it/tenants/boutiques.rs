//! Boutiques in a running application.

use std::sync::Arc;
use std::time::Duration;

use http::Method;
use pravis::containers::TENANT_CONTAINERS;
use pravis::ports::documents::DocumentStore;
use pravis::services::tenants::{Mover, Tenancy, Waits};
use pravis::tenants::Tenant;
use pravis::types::{DatabaseName, Placement, TenantId};
use serde_json::{Value, json};

use crate::support::app::{PASSWORD, TestApp};
use crate::support::client::{Answer, Client};

pub const TENANTS: &str = "/api/v1/admin/tenants";

/// Records are believed for a second.
pub async fn app() -> TestApp {
    TestApp::start_with(&[("PRAVIS_TENANT_CACHE_SECONDS", "1")]).await
}

pub fn host(id: &str) -> String {
    format!("{id}.example")
}

/// Opens a boutique with a storefront of its own.
pub async fn open(app: &TestApp, id: &str) -> TenantId {
    let asked = json!({ "id": id, "name": format!("Boutique {id}"), "hosts": [host(id)] });
    app.admin().await.post(TENANTS).json(&asked).await.expect(201);
    id.parse().unwrap()
}

pub fn dedicated() -> Placement {
    let database: DatabaseName = "weaves".parse().unwrap();
    Placement::Dedicated { database }
}

pub fn tenancy(app: &TestApp) -> Tenancy {
    Tenancy::new(app.stores.shared.clone(), app.state.invalidations.clone())
}

/// Moves a boutique while the application runs.
pub async fn place(app: &TestApp, tenant: &TenantId, to: &Placement) {
    let mover = Mover {
        tenancy: tenancy(app),
        shared: app.stores.shared.clone(),
        databases: app.stores.embedded.databases.clone().unwrap(),
        containers: &TENANT_CONTAINERS,
        clock: app.clock.clone(),
        // Beyond the second for which records are believed: what a write may take on a busy machine.
        waits: Waits { fence: Duration::from_secs(3), hold: Duration::from_secs(60) },
        progress: |_| {},
    };
    mover.run(tenant, to).await.unwrap();
}

/// The store of the dedicated database.
pub async fn weaves(app: &TestApp) -> Arc<dyn DocumentStore> {
    use pravis::ports::documents::Databases;
    let databases = app.stores.embedded.databases.clone().unwrap();
    databases.open(dedicated().database().unwrap()).await.unwrap()
}

/// Changes a record behind the back of the endpoints; counts at once.
pub async fn change(app: &TestApp, id: &TenantId, change: impl FnOnce(&mut Tenant)) {
    let (mut tenant, etag) = tenancy(app).find(id).await.unwrap().unwrap();
    change(&mut tenant);
    tenancy(app).replace(&tenant, etag, None).await.unwrap();
    app.state.tenants.forget();
}

/// Asks as the storefront of a boutique does.
pub async fn from_storefront(client: &Client, method: Method, path: &str, id: &str, body: &Value) -> Answer {
    client.call(method, path).header("origin", format!("https://{}", host(id))).json(body).await
}

/// A new customer of a boutique: the answer to the registration.
pub async fn register(app: &TestApp, id: &str, email: &str) -> Value {
    let asked = json!({ "email": email, "password": PASSWORD, "firstName": "Lakshmi", "lastName": "Rao" });
    from_storefront(&app.client(), Method::POST, "/api/v1/auth/register", id, &asked).await.expect(201).json()
}

/// A new customer's way to the application.
pub async fn customer(app: &TestApp, id: &str) -> Client {
    let email = format!("{}@example.in", ulid::Ulid::generate());
    let signed_in = register(app, id, &email).await;
    app.client().with_token(signed_in["access_token"].as_str().unwrap())
}
