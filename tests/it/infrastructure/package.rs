//! What the pipeline delivers runs: the package that it makes, unpacked as the platform does, under the simulated
//! Functions host.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use http::{Method, StatusCode};

use super::root;
use crate::functions_host::FunctionsHost;
use crate::support::process::{HANDLER, request, sized};

/// Packs some services with the pipeline's own step, into `out`.
fn packed(out: &Path, services: &str) {
    let done = Command::new("bash")
        .arg(root().join("bicep/pipeline/steps/package.sh"))
        .args([HANDLER, "app", services])
        .env("OUT", out)
        // The program of a test is large, and how small its package gets does not matter.
        .env("ZIPOPT", "-1")
        .output()
        .unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}

#[tokio::test]
async fn the_package_of_the_pipeline_runs() {
    let out = tempfile::tempdir().unwrap();
    packed(out.path(), "voice");
    let unpacked = Arc::new(tempfile::tempdir().unwrap());
    let mut unzip = Command::new("unzip");
    unzip.arg("-q").arg(out.path().join("app.zip")).arg("-d").arg(unpacked.path().join("root"));
    assert!(unzip.status().unwrap().success());
    // The root is refused when the program has no execute bit.
    let host = FunctionsHost::setup().unpacked(unpacked).start().await;
    for (path, status) in [
        ("/api/v1/health/live", StatusCode::OK),
        ("/api/v1/health/ready", StatusCode::OK),
        ("/api/v1/voice/voices", StatusCode::OK),
        // Another service, which another app has.
        ("/api/v1/products", StatusCode::NOT_FOUND),
    ] {
        let answer = host.request(request(Method::GET, path, "localhost").body(sized("")).unwrap()).await;
        assert_eq!(answer.status, status, "{path}");
    }
}
