//! The steps of the delivery do what they say, on machines that only write down what they are told.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

use super::bicep::Template;
use super::{files, read_json, root};

/// Stands for all programs: writes down the call, and answers as a file of that call's kind says.
const PROGRAM: &str = r#"#!/usr/bin/env bash
name=$(basename "$0")
echo "$name $*" >>"$WORLD/calls"
case "$name $*" in
*"afd origin list"*) cat "$WORLD/serving" ;;
*"--origin-name cin-green --weight 100 --enabled-state Enabled"*) echo cin-green >"$WORLD/serving" ;;
*"--origin-name cin-blue --weight 100 --enabled-state Enabled"*) echo cin-blue >"$WORLD/serving" ;;
*"log-analytics query"*-sin-*) cat "$WORLD/verdict-sin" ;;
*"log-analytics query"*) cat "$WORLD/verdict-cin" ;;
*"keyvault secret list"*) cat "$WORLD/secret" ;;
*"appsettings list"*) echo '[{"name":"ENVIRONMENT","value":"production"},{"name":"COSMOS__clientId","value":"x"}]' ;;
curl*"/auth/me"*) printf 401 ;;
curl*) cat "$WORLD/status" ;;
*handler*) echo "ENVIRONMENT=$ENVIRONMENT COSMOS__clientId=$COSMOS__clientId as $AZURE_CREDENTIAL" >>"$WORLD/calls" ;;
esac
"#;

/// A world without Azure.
struct World {
    folder: TempDir,
}

impl World {
    /// Blue serves, and all is well.
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let bin = folder.path().join("bin");
        fs::create_dir(&bin).unwrap();
        for name in ["az", "curl", "sleep", "sqlcmd", "handler", "zip", "cargo", "openssl", "docker", "checkov"] {
            let path = bin.join(name);
            fs::write(&path, PROGRAM).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        }
        let world = Self { folder };
        let good = r#"[{"requests":"400","bad":"1","p95":"120.5"}]"#;
        for (name, text) in [
            ("serving", "cin-blue\n"),
            ("verdict-cin", good),
            ("verdict-sin", good),
            ("secret", "there"),
            ("status", "200"),
            ("calls", ""),
        ] {
            world.put(name, text);
        }
        for app in ["shop", "voice"] {
            world.put(&format!("{app}.zip"), "a package");
        }
        let example = root().join("bicep/pipeline/steps/example-outputs.json");
        fs::copy(example, world.path("outputs.json")).unwrap();
        world
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn put(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    fn run(&self, step: &str, arguments: &[&str]) -> Output {
        let path = format!("{}:{}", self.path("bin").display(), std::env::var("PATH").unwrap());
        Command::new("bash")
            .arg(root().join("bicep/pipeline/steps").join(step))
            .args(arguments)
            .env("PATH", path)
            .env("WORLD", self.folder.path())
            .env("OUT", self.folder.path())
            .env("PROGRAM", self.path("bin/handler"))
            .output()
            .unwrap()
    }

    /// What was called, but for looks and probes.
    fn changes(&self) -> Vec<String> {
        let calls = fs::read_to_string(self.path("calls")).unwrap();
        let looks = ["afd origin list", "log-analytics query", "secret list", "appsettings list"];
        let changes =
            calls.lines().filter(|line| !line.starts_with("curl") && !looks.iter().any(|it| line.contains(it)));
        changes.map(str::to_owned).collect()
    }

    /// The weights that were given, as `region-colour=weight`, 0 for disabled, of the app `shop`.
    fn weights(&self) -> Vec<String> {
        let word = |line: &str, option: &str| -> String {
            let mut words = line.split(' ').skip_while(|word| *word != option);
            words.nth(1).unwrap_or_default().to_owned()
        };
        let changes = self.changes();
        let updates = changes.iter().filter(|line| line.contains("afd origin update") && line.contains("api-shop"));
        updates
            .map(|line| match word(line, "--enabled-state").as_str() {
                "Enabled" => format!("{}={}", word(line, "--origin-name"), word(line, "--weight")),
                _ => format!("{}=0", word(line, "--origin-name")),
            })
            .collect()
    }

    fn position(&self, what: &str) -> usize {
        let changes = self.changes();
        changes.iter().position(|line| line.contains(what)).unwrap_or_else(|| panic!("no {what} in {changes:#?}"))
    }
}

const RISE: [&str; 8] = ["green=1", "blue=99", "green=10", "blue=90", "green=50", "blue=50", "green=100", "blue=0"];

fn rise(code: &str) -> Vec<String> {
    RISE.iter().map(|step| format!("{code}-{step}")).collect()
}

#[test]
fn a_good_release_goes_from_region_to_region_and_leaves_the_old_colour_at_rest() {
    let world = World::new();
    let done = world.run("release.sh", &[]);
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    assert_eq!(world.weights(), [rise("cin"), rise("sin")].concat());
    let order = [
        world.position("sqlcmd"),
        world.position("handler migrate"),
        world.position("config-zip --name pravis-exam-shop-cin-green-abc123"),
        world.position("config-zip --name pravis-exam-voice-sin-green-abc123"),
        world.position("afd origin update"),
        world.position("colour=green"),
        world.position("functionapp stop --name pravis-exam-shop-cin-blue-abc123"),
    ];
    assert!(order.is_sorted(), "{order:?} in {:#?}", world.changes());
    // The migration has the program's settings, and not those of its host.
    world.position("ENVIRONMENT=production COSMOS__clientId= as developer");
    assert!(!world.changes().iter().any(|line| line.contains("blue") && line.contains("config-zip")));
}

#[test]
fn a_version_that_fails_in_the_second_region_is_taken_back_everywhere() {
    let world = World::new();
    world.put("verdict-sin", r#"[{"requests":"400","bad":"20","p95":"120"}]"#);
    let done = world.run("release.sh", &[]);
    assert!(!done.status.success());
    let back = ["sin-green=1", "sin-blue=99", "sin-blue=100", "sin-green=0", "cin-blue=100", "cin-green=0"];
    assert_eq!(world.weights(), [rise("cin"), back.map(str::to_owned).to_vec()].concat());
    world.position("functionapp stop --name pravis-exam-voice-sin-green-abc123");
    assert!(!world.changes().iter().any(|line| line.contains("deployment group create")), "the events stay");
}

#[test]
fn a_version_that_does_not_answer_gets_no_traffic() {
    let world = World::new();
    world.put("status", "503");
    assert!(!world.run("release.sh", &[]).status.success());
    assert_eq!(world.weights(), Vec::<String>::new());
}

#[test]
fn the_gate_judges_by_the_objectives_and_only_with_enough_to_go_by() {
    let world = World::new();
    for (verdict, open, word) in [
        (r#"[{"requests":"400","bad":"4","p95":"500"}]"#, true, "good"),
        (r#"[{"requests":"400","bad":"5","p95":"120"}]"#, false, "5 of 400 requests failed"),
        (r#"[{"requests":"400","bad":"0","p95":"501"}]"#, false, "p95 is 501 ms"),
        (r#"[{"requests":"49","bad":"0","p95":"1"}]"#, false, "only 49 requests"),
        (r#"[{"requests":"0","bad":"0","p95":"NaN"}]"#, false, "only 0 requests"),
        ("[]", false, "only 0 requests"),
        ("<html>", false, "cannot be read"),
    ] {
        world.put("verdict-cin", verdict);
        let done = world.run("gate.sh", &["green", "cin"]);
        let said = String::from_utf8_lossy(&done.stderr).into_owned();
        assert_eq!(done.status.success(), open, "{verdict}: {said}");
        assert!(said.contains(word), "{verdict}: {said}");
    }
}

#[test]
fn what_serves_is_not_deployed_to_or_stopped() {
    let world = World::new();
    for (step, arguments) in [("deploy.sh", &["blue", "cin"][..]), ("stop.sh", &["blue"])] {
        let done = world.run(step, arguments);
        assert!(!done.status.success() && world.changes().is_empty(), "{step}");
        assert!(String::from_utf8_lossy(&done.stderr).contains("blue serves"));
    }
    for (step, arguments) in [("weigh.sh", &["green", "cin", "101"][..]), ("weigh.sh", &["red", "cin", "1"])] {
        assert!(!world.run(step, arguments).status.success() && world.changes().is_empty(), "{arguments:?}");
    }
}

#[test]
fn a_rollback_starts_the_other_colour_before_it_gets_the_traffic() {
    let world = World::new();
    world.put("serving", "cin-green\n");
    let done = world.run("rollback.sh", &[]);
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    assert_eq!(world.weights(), ["cin-blue=100", "cin-green=0", "sin-blue=100", "sin-green=0"]);
    let order =
        [world.position("functionapp start"), world.position("afd origin update"), world.position("colour=blue")];
    assert!(order.is_sorted());
}

#[test]
fn secrets_are_made_once_and_not_shown() {
    let world = World::new();
    assert!(world.run("secrets.sh", &[]).status.success());
    assert_eq!(world.changes(), Vec::<String>::new(), "the vault has them");
    world.put("secret", "");
    let done = world.run("secrets.sh", &[]);
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    for name in ["jwt-signing-key", "pseudonym-key"] {
        let line = &world.changes()[world.position(&format!("--name {name}"))];
        assert!(line.contains("--file") && !line.contains("--value"), "{line}");
    }
}

#[test]
fn a_dry_run_says_what_would_be_done_and_calls_nothing() {
    for (step, arguments, word) in [
        ("build.sh", &[][..], "+ cargo build --release"),
        ("package.sh", &["handler", "shop", "shop,ops"], "+ handler stage"),
        ("test.sh", &[], "tests/run.sh"),
        ("scan.sh", &[], "+ checkov"),
        ("infra.sh", &["production"], "+ az deployment sub create"),
        ("outputs.sh", &["staging"], "+ az deployment sub show"),
        ("image.sh", &["pravis.azurecr.io/pravis-api:0.1.0"], "+ docker build"),
        ("secrets.sh", &[], "+ az keyvault secret set"),
        ("migrate.sh", &["handler"], "handler migrate"),
        ("deploy.sh", &["green", "cin"], "config-zip"),
        ("smoke.sh", &["green", "2"], "+ curl"),
        ("weigh.sh", &["green", "cin", "10"], "--weight 90"),
        ("gate.sh", &["green", "cin"], ""),
        ("shift.sh", &["green", "cin"], "+ sleep 600"),
        ("events.sh", &["green"], "colour=green"),
        ("stop.sh", &["blue"], "+ az functionapp stop"),
        ("rollback.sh", &[], "+ az functionapp start"),
        ("release.sh", &[], "+ az functionapp stop"),
    ] {
        let world = World::new();
        // Nothing is there yet: no outputs, no packages.
        fs::remove_file(world.path("outputs.json")).unwrap();
        let mut all = vec!["--dry-run"];
        all.extend(arguments);
        let done = world.run(step, &all);
        let said = String::from_utf8_lossy(&done.stdout).into_owned();
        assert!(done.status.success(), "{step}: {}", String::from_utf8_lossy(&done.stderr));
        assert!(said.contains(word), "{step}: {said}");
        let calls = fs::read_to_string(world.path("calls")).unwrap();
        // What makes a random key is harmless; what asks or changes anything is not called.
        assert!(calls.is_empty(), "{step} called {calls}");
    }
}

#[test]
fn each_step_has_a_dry_run_that_is_tried() {
    let source = include_str!("delivery.rs");
    for path in files().keys().filter_map(|path| path.strip_prefix("pipeline/steps/")) {
        if path.ends_with(".sh") && path != "lib.sh" {
            assert!(source.contains(&format!("(\"{path}\", &")), "add {path} to the dry runs");
        }
    }
}

#[test]
fn the_example_of_outputs_has_what_the_deployment_gives() {
    let main = Template::read("main.bicep", &files()["main.bicep"]).unwrap();
    let example = read_json("bicep/pipeline/steps/example-outputs.json");
    let Value::Object(example) = example else { panic!("an object") };
    let names: std::collections::BTreeSet<String> = example.keys().cloned().collect();
    assert_eq!(names, main.outputs);
}

#[test]
fn the_scripts_pass_the_linter() {
    let steps = root().join("bicep/pipeline/steps");
    let scripts = files().into_keys().filter(|path| path.ends_with(".sh")).map(|path| root().join("bicep").join(path));
    let done = Command::new("shellcheck").args(["-x", "-P"]).arg(steps).args(scripts).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stdout));
}
