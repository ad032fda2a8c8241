//! Nobody reads or changes what is not theirs: random operations of several people in several boutiques, one of
//! them in a database of its own, with ids, cursors, keys and tokens of their own and of others.
//!
//! A model says who owns what. Everybody plants a word of their own in all they write; it must never come
//! before anybody else. `PRAVIS_TEST_SEED` repeats a run, `PRAVIS_TEST_STEPS` makes it longer.

use std::collections::BTreeSet;

use http::Method;
use pravis::error::Code;
use serde_json::{Value, json};
use ulid::Ulid;

use super::boutiques::{app, dedicated, from_storefront, open, place};
use crate::support::app::{PASSWORD, TestApp};
use crate::support::client::{Answer, Client};

/// Some ten seconds on a laptop.
const STEPS: usize = 400;
const PEOPLE_EACH: usize = 2;
const BOUTIQUES: [&str; 3] = ["pravis", "silk", "weaves"];
/// All people use the same keys.
const KEYS: usize = 3;

const SAMPLES: &str = "/api/v1/voice/samples";
const HISTORY: &str = "/api/v1/voice/history";
const SESSIONS: &str = "/api/v1/auth/sessions";
const CONSENTS: &str = "/api/v1/users/me/consents";
const PREFERENCES: &str = "/api/v1/users/me/preferences";

/// SplitMix64: small, and the same everywhere.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % sides as u64) as usize
    }

    fn one_of<'a, T>(&mut self, items: &'a [T]) -> Option<&'a T> {
        if items.is_empty() { None } else { items.get(self.roll(items.len())) }
    }
}

/// A person and what the model says is theirs.
struct Owner {
    boutique: &'static str,
    email: String,
    /// In everything that they write.
    word: String,
    id: String,
    api: Client,
    session: String,
    refresh: String,
    sessions: BTreeSet<String>,
    ended: BTreeSet<String>,
    samples: BTreeSet<String>,
    exchanges: BTreeSet<String>,
    name: String,
    note: Option<String>,
    granted: Option<bool>,
    /// Of their listings.
    cursors: Vec<(&'static str, String)>,
    keys_used: BTreeSet<usize>,
}

struct World {
    app: TestApp,
    owners: Vec<Owner>,
    dice: Dice,
    step: usize,
}

fn session_of(refresh: &str) -> String {
    refresh.split('.').nth(2).unwrap().to_owned()
}

fn ids(page: &Value) -> BTreeSet<String> {
    page["items"].as_array().unwrap().iter().map(|item| item["id"].as_str().unwrap().to_owned()).collect()
}

impl World {
    async fn begin(dice: Dice) -> Self {
        let app = app().await;
        for id in &BOUTIQUES[1..] {
            open(&app, id).await;
        }
        place(&app, &"weaves".parse().unwrap(), &dedicated()).await;
        let mut world = Self { app, owners: Vec::new(), dice, step: 0 };
        for boutique in BOUTIQUES {
            for n in 0..PEOPLE_EACH {
                world.register(boutique, n).await;
            }
        }
        world
    }

    /// The same addresses exist in every boutique.
    async fn register(&mut self, boutique: &'static str, n: usize) {
        let word = format!("mark{}", Ulid::generate().to_string().to_lowercase());
        let email = format!("person{n}@example.in");
        let asked = json!({ "email": email, "password": PASSWORD, "firstName": word, "lastName": "Rao" });
        let path = "/api/v1/auth/register";
        let answer = from_storefront(&self.app.client(), Method::POST, path, boutique, &asked).await.expect(201);
        let told = answer.json();
        let refresh = told["refresh_token"].as_str().unwrap().to_owned();
        assert!(refresh.starts_with(&format!("{boutique}.")));
        let session = session_of(&refresh);
        self.owners.push(Owner {
            boutique,
            email,
            name: word.clone(),
            word,
            id: told["user_id"].as_str().unwrap().to_owned(),
            api: self.app.client().with_token(told["access_token"].as_str().unwrap()),
            sessions: BTreeSet::from([session.clone()]),
            session,
            refresh,
            ended: BTreeSet::new(),
            samples: BTreeSet::new(),
            exchanges: BTreeSet::new(),
            note: None,
            granted: None,
            cursors: Vec::new(),
            keys_used: BTreeSet::new(),
        });
        self.see(Some(self.owners.len() - 1), &answer);
    }

    /// Looks through an answer to somebody, or to a stranger, for words of others.
    fn see(&self, who: Option<usize>, answer: &Answer) {
        let headers: Vec<String> = answer.headers.iter().map(|(name, value)| format!("{name}: {value:?}")).collect();
        let seen = format!("{}\n{}", headers.join("\n"), String::from_utf8_lossy(&answer.body)).to_lowercase();
        for (n, owner) in self.owners.iter().enumerate().filter(|(n, _)| Some(*n) != who) {
            let private = [&owner.word, &owner.id.to_lowercase(), &owner.session.to_lowercase()];
            for text in private {
                assert!(!seen.contains(text), "step {}: {who:?} sees {text} of {n}: {answer}", self.step);
            }
        }
    }

    /// Somebody other than `who`, more often a neighbour in the same boutique.
    fn other(&mut self, who: usize) -> usize {
        let neighbour = (who / PEOPLE_EACH) * PEOPLE_EACH + (who + 1) % PEOPLE_EACH;
        match self.dice.roll(3) {
            0 => neighbour,
            _ => (who + 1 + self.dice.roll(self.owners.len() - 1)) % self.owners.len(),
        }
    }

    async fn run(&mut self, steps: usize) {
        for step in 0..steps {
            self.step = step;
            let who = self.dice.roll(self.owners.len());
            match self.dice.roll(16) {
                0 => self.rename(who).await,
                1 => self.prefer(who).await,
                2 => self.consent(who).await,
                3 | 4 => self.announce(who).await,
                5 => self.sample(who).await,
                6 | 7 => self.say(who).await,
                8 => self.delete_exchange(who).await,
                9 => self.page(who).await,
                10 => self.follow_a_cursor_of_another(who).await,
                11 => self.sign_in_again(who).await,
                12 => self.refresh(who).await,
                13 => self.end_session(who).await,
                14 => self.sign_in_elsewhere(who).await,
                _ => self.stranger(who).await,
            }
            let checked = self.dice.roll(self.owners.len());
            self.check(checked).await;
            // Whoever had something done to a thing of theirs above is more likely to be `who` or a neighbour.
            if step % 10 == 0 {
                let other = self.other(who);
                self.check(other).await;
            }
        }
        for who in 0..self.owners.len() {
            self.check(who).await;
        }
    }

    async fn rename(&mut self, who: usize) {
        let name = format!("{}x{}", self.owners[who].word, self.step);
        let answer = self.owners[who].api.put("/api/v1/auth/profile").json(&json!({ "firstName": name })).await;
        self.see(Some(who), &answer.expect(200));
        self.owners[who].name = name;
    }

    async fn prefer(&mut self, who: usize) {
        let note = format!("{} {}", self.owners[who].word, self.step);
        let api = &self.owners[who].api;
        let answer = api.call(Method::PATCH, PREFERENCES).json(&json!({ "note": note })).await.expect(200);
        self.see(Some(who), &answer);
        self.owners[who].note = Some(note);
    }

    /// Under a key that others use as well: nobody gets another's answer.
    async fn consent(&mut self, who: usize) {
        let granted = self.dice.roll(4) > 0;
        let key = self.dice.roll(KEYS);
        let body = json!({ "purpose": "voiceStorage", "granted": granted, "version": "1.0" });
        let call = self.owners[who].api.post(CONSENTS).header("idempotency-key", format!("key-{key}")).json(&body);
        let answer = call.await;
        self.see(Some(who), &answer);
        let is_new = self.owners[who].keys_used.insert(key);
        let replayed = answer.header("idempotent-replayed") == "true";
        assert!(!(is_new && replayed), "step {}: an answer to somebody else", self.step);
        if is_new {
            answer.expect(201);
            self.owners[who].granted = Some(granted);
        } else {
            assert!(matches!(answer.status.as_u16(), 201 | 422), "{answer}");
        }
    }

    async fn announce(&mut self, who: usize) {
        let answer = self.owners[who].api.post(SAMPLES).json(&json!({ "contentType": "audio/wav" })).await.expect(201);
        self.see(Some(who), &answer);
        let told = answer.json();
        let url = told["uploadUrl"].as_str().unwrap();
        let path = format!("{}/{}/", self.owners[who].boutique, self.owners[who].id);
        assert!(url.contains(&path), "{url} is not below {path}");
        self.owners[who].samples.insert(told["id"].as_str().unwrap().to_owned());
    }

    /// Something done to a sample, one's own or another's.
    async fn sample(&mut self, who: usize) {
        let owner = if self.dice.roll(2) == 0 { who } else { self.other(who) };
        let samples: Vec<String> = self.owners[owner].samples.iter().cloned().collect();
        let Some(id) = self.dice.one_of(&samples).cloned() else { return };
        let what = self.dice.roll(4);
        let api = &self.owners[who].api;
        let answer = match what {
            0 => api.get(&format!("{SAMPLES}/{id}")).await,
            1 => api.delete(&format!("{SAMPLES}/{id}")).await,
            2 => api.post(&format!("{SAMPLES}/{id}/complete")).await,
            _ => api.get(&format!("{SAMPLES}/{id}/waveform")).await,
        };
        if who != owner {
            answer.problem(404, Code::NotFound);
        } else if what == 1 {
            assert!(answer.status.is_success(), "{answer}");
            self.owners[who].samples.remove(&id);
        }
        // The id is in the path, which a problem repeats; words and ids of the owner are not.
        self.see(Some(who), &answer);
    }

    async fn say(&mut self, who: usize) {
        let text = format!("show me red sarees {}", self.owners[who].word);
        let answer = self.owners[who].api.post("/api/v1/voice/command").json(&json!({ "text": text })).await;
        let answer = answer.expect(200);
        self.see(Some(who), &answer);
        self.owners[who].exchanges.insert(answer.json()["interactionId"].as_str().unwrap().to_owned());
    }

    async fn delete_exchange(&mut self, who: usize) {
        let owner = if self.dice.roll(2) == 0 { who } else { self.other(who) };
        let exchanges: Vec<String> = self.owners[owner].exchanges.iter().cloned().collect();
        let Some(id) = self.dice.one_of(&exchanges).cloned() else { return };
        let answer = self.owners[who].api.delete(&format!("{HISTORY}/{id}")).await;
        self.see(Some(who), &answer);
        if who == owner {
            answer.expect(200);
            self.owners[who].exchanges.remove(&id);
        } else {
            answer.problem(404, Code::NotFound);
        }
    }

    async fn page(&mut self, who: usize) {
        let path = *self.dice.one_of(&[HISTORY, SAMPLES]).unwrap();
        let answer = self.owners[who].api.get(&format!("{path}?limit=1")).await.expect(200);
        self.see(Some(who), &answer);
        if let Some(next) = answer.json()["next"].as_str() {
            self.owners[who].cursors.push((path, next.to_owned()));
        }
    }

    async fn follow_a_cursor_of_another(&mut self, who: usize) {
        let owner = self.other(who);
        let cursors = self.owners[owner].cursors.clone();
        let Some((path, cursor)) = self.dice.one_of(&cursors).cloned() else { return };
        let answer = self.owners[who].api.get(&format!("{path}?limit=1&cursor={cursor}")).await;
        self.see(Some(who), &answer);
        assert_eq!(answer.refused_fields(), ["cursor"]);
    }

    /// Signs in with the password, at the host of the boutique.
    async fn sign_in_again(&mut self, who: usize) {
        let login = json!({ "email": self.owners[who].email, "password": PASSWORD });
        let (boutique, path) = (self.owners[who].boutique, "/api/v1/auth/login");
        let answer = from_storefront(&self.app.client(), Method::POST, path, boutique, &login).await.expect(200);
        self.see(Some(who), &answer);
        let told = answer.json();
        assert_eq!(told["user_id"], self.owners[who].id.as_str());
        self.sign_in(who, &told);
    }

    fn sign_in(&mut self, who: usize, told: &Value) {
        let owner = &mut self.owners[who];
        owner.refresh = told["refresh_token"].as_str().unwrap().to_owned();
        owner.session = session_of(&owner.refresh);
        owner.sessions.insert(owner.session.clone());
        owner.api = self.app.client().with_token(told["access_token"].as_str().unwrap());
    }

    /// With one's own refresh token, sent along with the access token of another; or with one that says to be
    /// of another boutique or person.
    async fn refresh(&mut self, who: usize) {
        let other = self.other(who);
        let mut parts: Vec<String> = self.owners[who].refresh.split('.').map(str::to_owned).collect();
        let forgery = self.dice.roll(4);
        match forgery {
            0 => parts[0] = BOUTIQUES[(who / PEOPLE_EACH + 1) % BOUTIQUES.len()].to_owned(),
            1 => parts[1] = self.owners[other].id.clone(),
            2 => parts[2] = self.owners[other].session.clone(),
            _ => {}
        }
        let body = json!({ "refresh_token": parts.join(".") });
        let sender = if self.dice.roll(2) == 0 { self.app.client() } else { self.owners[other].api.clone() };
        let answer = sender.post("/api/v1/auth/refresh").json(&body).await;
        self.see(Some(who), &answer);
        if forgery < 3 {
            assert_eq!(answer.status.as_u16(), 401, "step {}: {answer}", self.step);
            return;
        }
        let told = answer.expect(200).json();
        assert_eq!(told["user_id"], self.owners[who].id.as_str());
        self.sign_in(who, &told);
    }

    async fn end_session(&mut self, who: usize) {
        let owner = if self.dice.roll(2) == 0 { who } else { self.other(who) };
        // One's present session stays, so that everybody can go on.
        let present = self.owners[owner].session.clone();
        let sessions: Vec<String> =
            self.owners[owner].sessions.iter().filter(|id| who != owner || **id != present).cloned().collect();
        let Some(id) = self.dice.one_of(&sessions).cloned() else { return };
        let answer = self.owners[who].api.delete(&format!("{SESSIONS}/{id}")).await;
        if who == owner {
            assert!(answer.status.is_success(), "{answer}");
            self.owners[who].sessions.remove(&id);
            self.owners[who].ended.insert(id);
        } else {
            answer.problem(404, Code::NotFound);
        }
    }

    /// The same address exists in the other boutique, as somebody else's; and nowhere with this password.
    async fn sign_in_elsewhere(&mut self, who: usize) {
        let boutique = BOUTIQUES[(who / PEOPLE_EACH + 1) % BOUTIQUES.len()];
        let login = json!({ "email": self.owners[who].email, "password": PASSWORD });
        let path = "/api/v1/auth/login";
        let answer = from_storefront(&self.app.client(), Method::POST, path, boutique, &login).await.expect(200);
        let there = self
            .owners
            .iter()
            .position(|owner| owner.boutique == boutique && owner.email == self.owners[who].email)
            .unwrap();
        self.see(Some(there), &answer);
        let told = answer.json();
        assert_eq!(told["user_id"], self.owners[there].id.as_str());
        self.sign_in(there, &told);
    }

    async fn stranger(&mut self, who: usize) {
        let boutique = self.owners[who].boutique;
        let samples: Vec<String> = self.owners[who].samples.iter().cloned().collect();
        let stranger = self.app.client();
        for path in ["/api/v1/products?limit=5", "/api/v1/voice/voices", "/api/v1/products/categories"] {
            let answer = from_storefront(&stranger, Method::GET, path, boutique, &json!(null)).await;
            self.see(None, &answer);
        }
        if let Some(id) = self.dice.one_of(&samples) {
            stranger.get(&format!("{SAMPLES}/{id}")).await.problem(401, Code::NotAuthenticated);
        }
        let said = json!({ "text": "show me red sarees" });
        let answer = from_storefront(&stranger, Method::POST, "/api/v1/voice/command", boutique, &said).await;
        self.see(None, &answer.expect(200));
    }

    /// Everything that a person can see is what the model says.
    async fn check(&mut self, who: usize) {
        let owner = &self.owners[who];
        let me = owner.api.get("/api/v1/auth/me").await.expect(200);
        assert_eq!(me.json()["id"], owner.id.as_str(), "step {}", self.step);
        assert_eq!(me.json()["firstName"], owner.name.as_str(), "step {}", self.step);
        let preferences = owner.api.get(PREFERENCES).await.expect(200);
        let note = &preferences.json()["preferences"]["note"];
        assert_eq!(note.as_str(), owner.note.as_deref(), "step {}", self.step);
        let consents = owner.api.get(CONSENTS).await.expect(200);
        let granted = consents.json()["consents"].as_array().unwrap().first().map(|one| one["granted"] == true);
        assert_eq!(granted, owner.granted, "step {}", self.step);
        let samples = self.listed(who, SAMPLES).await;
        assert_eq!(samples, owner.samples, "step {}", self.step);
        let exchanges = self.listed(who, HISTORY).await;
        assert_eq!(exchanges, owner.exchanges, "step {}", self.step);
        let sessions = owner.api.get(SESSIONS).await.expect(200);
        let listed = ids(&sessions.json());
        assert!(owner.sessions.is_subset(&listed), "step {}: a session of {who} has ended", self.step);
        assert!(owner.ended.is_disjoint(&listed), "step {}", self.step);
        for answer in [&me, &preferences, &consents, &sessions] {
            self.see(Some(who), answer);
        }
    }

    async fn listed(&self, who: usize, path: &str) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        let mut cursor = String::new();
        loop {
            let answer = self.owners[who].api.get(&format!("{path}?limit=50{cursor}")).await.expect(200);
            self.see(Some(who), &answer);
            let page = answer.json();
            found.extend(ids(&page));
            match page["next"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return found,
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_reads_or_changes_what_is_not_theirs() {
    let number = |name| std::env::var(name).ok().map(|text| text.parse::<u64>().expect("a number"));
    let seed = number("PRAVIS_TEST_SEED").unwrap_or(0x5eed);
    let steps = number("PRAVIS_TEST_STEPS").map_or(STEPS, |steps| steps as usize);
    println!("PRAVIS_TEST_SEED={seed} PRAVIS_TEST_STEPS={steps}");
    let mut world = World::begin(Dice(seed)).await;
    world.run(steps).await;
    assert!(world.owners.iter().all(|owner| !owner.sessions.is_empty()));
}
