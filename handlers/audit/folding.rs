//! Observations that are alike within a minute, as one record with a count.

use std::collections::HashMap;

use chrono::{DateTime, Duration, Utc};
use serde_json::{Map, Value};
use ulid::Ulid;

use super::origin::Origin;
use super::record::{Outcome, Record};
use crate::types::TenantId;

/// Kinds of observations that are told apart within a minute; what comes beyond is counted by action alone.
const MAX_APART: usize = 500;
/// Kinds that are kept at all, while they cannot be written.
const MAX_KEPT: usize = 4 * MAX_APART;
/// How long what cannot be written is kept.
const PATIENCE: Duration = Duration::minutes(30);

/// What an observation is about.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Subject {
    /// A thing that has an id.
    Id(String),
    /// The account, if there is one, behind a claim in the directory.
    Claim(String),
}

/// Something that happened and changed nothing.
#[derive(Clone, Debug)]
pub struct Note {
    pub tenant: TenantId,
    pub action: &'static str,
    pub outcome: Outcome,
    pub actor: Option<String>,
    pub subject: Option<Subject>,
    pub origin: Origin,
    /// Why, or which function.
    pub reason: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key {
    minute: i64,
    tenant: TenantId,
    action: &'static str,
    reason: &'static str,
    actor: Option<String>,
    subject: Option<Subject>,
    network: Option<String>,
}

/// Some observations that are one record.
#[derive(Clone, Debug)]
pub struct Folded {
    key: Key,
    id: String,
    /// The first of them.
    pub note: Note,
    at: DateTime<Utc>,
    last_at: DateTime<Utc>,
    count: u64,
    /// How many of them the stored record tells of.
    written: u64,
}

impl Folded {
    /// As it is stored.
    pub fn record(&self, subject: Option<String>) -> Record {
        let note = self.note.clone();
        let mut details = Map::from_iter([("reason".to_owned(), Value::from(note.reason))]);
        if matches!(note.subject, Some(Subject::Claim(_))) && subject.is_none() {
            details.insert("account".into(), "unknown".into());
        }
        Record {
            id: self.id.clone(),
            at: self.at,
            action: note.action.to_owned(),
            outcome: note.outcome,
            actor: note.actor,
            subject,
            network: note.origin.network,
            device: note.origin.device,
            request_id: note.origin.request_id,
            count: self.count,
            last_at: self.last_at,
            details,
        }
    }
}

/// What is noted and not yet told in full.
#[derive(Default)]
pub struct Folds {
    kept: HashMap<Key, Folded>,
    /// The present minute, and how many kinds were told apart in it.
    apart: (i64, usize),
    lost: u64,
}

impl Folds {
    /// Takes a note up; gives whether it is the first of its kind in this minute.
    pub fn add(&mut self, mut note: Note, now: DateTime<Utc>) -> bool {
        let mut key = key(&note, now);
        if self.apart.0 != key.minute {
            self.apart = (key.minute, 0);
        }
        if !self.kept.contains_key(&key) && self.apart.1 >= MAX_APART {
            // The flood is recorded as such.
            note = Note { actor: None, subject: None, origin: Origin::default(), reason: "manyOthers", ..note };
            key = self::key(&note, now);
        }
        if let Some(folded) = self.kept.get_mut(&key) {
            folded.count += 1;
            folded.last_at = now;
            return false;
        }
        if self.kept.len() >= MAX_KEPT {
            self.lost += 1;
            return false;
        }
        let id = format!("aud_{}", Ulid::generate());
        let folded = Folded { key: key.clone(), id, note, at: now, last_at: now, count: 1, written: 0 };
        self.kept.insert(key, folded);
        self.apart.1 += 1;
        true
    }

    /// What is to be written: what is new, and the counts of minutes that are over.
    pub fn due(&self, now: DateTime<Utc>) -> Vec<Folded> {
        let over = |folded: &Folded| folded.key.minute < minute(now) && folded.count > folded.written;
        self.kept.values().filter(|folded| folded.written == 0 || over(folded)).cloned().collect()
    }

    /// A record of [`Folds::due`] is stored.
    pub fn written(&mut self, told: &Folded) {
        if let Some(folded) = self.kept.get_mut(&told.key) {
            folded.written = told.count;
        }
    }

    /// Forgets what is told in full and cannot grow, and what could not be written for long; gives how many
    /// observations were lost since this was last asked.
    pub fn forget(&mut self, now: DateTime<Utc>) -> u64 {
        let mut lost = std::mem::take(&mut self.lost);
        self.kept.retain(|key, folded| {
            let told = key.minute < minute(now) && folded.written == folded.count;
            let given_up = now - folded.at > PATIENCE;
            if given_up && !told {
                lost += folded.count - folded.written;
            }
            !told && !given_up
        });
        lost
    }
}

fn minute(at: DateTime<Utc>) -> i64 {
    at.timestamp().div_euclid(60)
}

fn key(note: &Note, now: DateTime<Utc>) -> Key {
    Key {
        minute: minute(now),
        tenant: note.tenant.clone(),
        action: note.action,
        reason: note.reason,
        actor: note.actor.clone(),
        subject: note.subject.clone(),
        network: note.origin.network.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::actions::LOGIN_FAILED;

    fn note(network: u32, subject: u32) -> Note {
        let origin = Origin { network: Some(network.to_string()), ..Origin::default() };
        Note {
            tenant: TenantId::pravis(),
            action: LOGIN_FAILED,
            outcome: Outcome::Failed,
            actor: None,
            subject: Some(Subject::Claim(subject.to_string())),
            origin,
            reason: "password",
        }
    }

    fn start() -> DateTime<Utc> {
        "2026-01-15T06:30:00Z".parse().unwrap()
    }

    #[test]
    fn what_is_alike_within_a_minute_is_one_record_with_a_count() {
        let (mut folds, now) = (Folds::default(), start());
        assert!(folds.add(note(1, 1), now));
        assert!(!folds.add(note(1, 1), now + Duration::seconds(59)));
        assert!(folds.add(note(2, 1), now) && folds.add(note(1, 2), now));
        assert!(folds.add(note(1, 1), now + Duration::seconds(60)));
        assert_eq!(folds.kept.values().map(|folded| folded.count).max(), Some(2));
    }

    #[test]
    fn a_count_is_written_at_first_and_when_its_minute_is_over() {
        let (mut folds, now) = (Folds::default(), start());
        folds.add(note(1, 1), now);
        let due = folds.due(now);
        assert_eq!(due.iter().map(|folded| folded.count).collect::<Vec<_>>(), [1]);
        // Another comes while the first is being written.
        folds.add(note(1, 1), now);
        folds.written(&due[0]);
        assert!(folds.due(now).is_empty());
        assert_eq!(folds.forget(now), 0);
        let later = now + Duration::seconds(61);
        let due = folds.due(later);
        assert_eq!(due[0].record(None).count, 2);
        folds.written(&due[0]);
        assert_eq!((folds.forget(later), folds.kept.len()), (0, 0));
    }

    #[test]
    fn a_flood_takes_bounded_room_and_every_one_of_it_is_counted() {
        let (mut folds, now) = (Folds::default(), start());
        for number in 0..100_000 {
            folds.add(note(number, number), now);
        }
        assert!(folds.kept.len() <= MAX_APART + 1, "{}", folds.kept.len());
        assert_eq!(folds.kept.values().map(|folded| folded.count).sum::<u64>(), 100_000);
        // The store is away for an hour.
        for minute in 1..60 {
            for number in 0..1_000 {
                folds.add(note(number, number), now + Duration::minutes(minute));
            }
            assert!(folds.kept.len() <= MAX_KEPT);
        }
        let counted: u64 = folds.kept.values().map(|folded| folded.count).sum();
        let lost = folds.forget(now + Duration::minutes(60));
        let left: u64 = folds.kept.values().map(|folded| folded.count).sum();
        assert!(lost > 0 && counted >= left);
        assert_eq!(lost + left, 100_000 + 59 * 1_000, "none is lost silently");
    }
}
