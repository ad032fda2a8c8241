//! Faults of the service: those that pass are not seen, the others are told as what they are, in time.

use std::time::{Duration, Instant};

use azure_core::http::StatusCode;
use azure_data_cosmos::fault_injection::{
    CustomResponseBuilder, FaultInjectionConditionBuilder, FaultInjectionErrorType as Error,
    FaultInjectionResultBuilder, FaultInjectionRuleBuilder, FaultOperationType as Operation,
};
use pravis::ports::PortErrorKind;
use pravis::ports::documents::{DocumentStore, Operation as Step, Query, Scope};
use serde_json::json;

use super::{CONTAINERS, PEOPLE, document, fault, person, rule};
use crate::support::cosmos::{Emulator, Plan, key};

const LIMIT: Duration = Duration::from_secs(5);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lasting_faults_are_told_as_what_they_are() {
    let cases = [
        (Error::ServiceUnavailable, PortErrorKind::Unavailable),
        (Error::InternalServerError, PortErrorKind::Unavailable),
        (Error::ConnectionError, PortErrorKind::Unavailable),
        (Error::Timeout, PortErrorKind::TimedOut),
        (Error::TooManyRequests, PortErrorKind::Throttled),
    ];
    for (error, kind) in cases {
        let emulator = Emulator::with(CONTAINERS);
        let faults = [Operation::ReadItem, Operation::CreateItem, Operation::QueryItem, Operation::BatchItem];
        let faults: Vec<_> = faults.into_iter().map(|operation| rule(fault(operation, error))).collect();
        let store = emulator.documents_with(CONTAINERS, Some(key()), faults.clone()).await;
        let ana = person("ana");
        let started = Instant::now();
        let read = store.read(&PEOPLE, &ana, "a");
        let create = store.create(&PEOPLE, &ana, document("a", json!({})));
        let query = store.query(&PEOPLE, Scope::Partition(&ana), Query::default());
        let batch = store.batch(&PEOPLE, &ana, vec![Step::Create(document("b", json!({})))]);
        let (read, create, query, batch) = tokio::join!(read, create, query, batch);
        let told = [read.map(drop), create.map(drop), query.map(drop), batch.map(drop).map_err(|error| error.error)];
        for (outcome, fault) in told.into_iter().zip(&faults) {
            let failed = outcome.unwrap_err();
            // What a write came to is unknown after a timeout, and the client does not say it was one.
            let kinds = [kind, if kind == PortErrorKind::TimedOut { PortErrorKind::Unavailable } else { kind }];
            assert!(kinds.contains(&failed.kind()), "{}: {failed}", fault.id());
            assert!(failed.retryable());
            assert!(fault.hit_count() > 0, "{}", fault.id());
            assert_eq!(failed.retry_after().is_some(), kind == PortErrorKind::Throttled, "{failed:?}");
        }
        assert!(started.elapsed() < LIMIT, "{error} took {:?}", started.elapsed());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn faults_that_pass_are_not_seen() {
    for error in [Error::TooManyRequests, Error::ServiceUnavailable, Error::PartitionIsGone, Error::ConnectionError] {
        let emulator = Emulator::with(CONTAINERS);
        let passing = rule(fault(Operation::ReadItem, error).with_hit_limit(1));
        let store = emulator.documents_with(CONTAINERS, Some(key()), vec![passing.clone()]).await;
        let ana = person("ana");
        store.create(&PEOPLE, &ana, document("a", json!({}))).await.unwrap();
        assert!(store.read(&PEOPLE, &ana, "a").await.unwrap().is_some(), "{error}");
        assert_eq!(passing.hit_count(), 1);
    }
}

/// A service that lets itself be waited for is given up on in time, and after some such calls left alone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_service_is_not_waited_for() {
    let emulator = Emulator::with(CONTAINERS);
    let condition = FaultInjectionConditionBuilder::new().with_operation_type(Operation::ReadItem).build();
    let slow = FaultInjectionResultBuilder::new().with_delay(Duration::from_secs(60)).build();
    let slow = rule(FaultInjectionRuleBuilder::new("slow", slow).with_condition(condition));
    let store = emulator.documents_with(CONTAINERS, Some(key()), vec![slow.clone()]).await;
    let ana = person("ana");
    let started = Instant::now();
    let reads = (0..30).map(|_| store.read(&PEOPLE, &ana, "a"));
    for read in futures_util::future::join_all(reads).await {
        assert_eq!(read.unwrap_err().kind(), PortErrorKind::TimedOut);
    }
    assert!(started.elapsed() < LIMIT, "{:?}", started.elapsed());
    let started = Instant::now();
    let left_alone = store.read(&PEOPLE, &ana, "a").await.unwrap_err();
    assert_eq!(left_alone.kind(), PortErrorKind::Unavailable);
    assert!(left_alone.retry_after().is_some() && started.elapsed() < Duration::from_secs(1));
}

/// The service's limits may be lower than what is checked before a call.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refusals_by_the_service_keep_their_kind() {
    let cases = [
        (StatusCode::PayloadTooLarge, 0, PortErrorKind::TooLarge),
        (StatusCode::BadRequest, 0, PortErrorKind::InvalidRequest),
        (StatusCode::Forbidden, 0, PortErrorKind::Unavailable),
        (StatusCode::NotFound, 1003, PortErrorKind::Unavailable),
    ];
    for (status, sub_status, kind) in cases {
        let emulator = Emulator::with(CONTAINERS);
        let condition = FaultInjectionConditionBuilder::new().with_operation_type(Operation::ReadItem).build();
        let body = r#"{"code":"Refused","message":"as the test wants it"}"#;
        let answer = CustomResponseBuilder::new(status).with_sub_status(sub_status).with_body(body).build();
        let answer = FaultInjectionResultBuilder::new().with_custom_response(answer).build();
        let refusing = rule(FaultInjectionRuleBuilder::new("refusing", answer).with_condition(condition));
        let store = emulator.documents_with(CONTAINERS, Some(key()), vec![refusing]).await;
        let refused = store.read(&PEOPLE, &person("ana"), "a").await.unwrap_err();
        assert_eq!(refused.kind(), kind, "{refused}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn throttling_is_absorbed_within_the_budget_and_told_beyond() {
    let emulator = Emulator::new(Plan { throttled: true, ..Plan::default() });
    // One partition of 400 units a second: some sixty creations.
    emulator.create_with(CONTAINERS, 1, 400);
    let store = emulator.documents(CONTAINERS).await;
    let ana = person("ana");
    let create = |n: usize| store.create(&PEOPLE, &ana, document(&n.to_string(), json!({ "n": n })));
    let spent = async {
        for n in 0..100 {
            create(n).await.unwrap();
        }
    };
    let ((), spent) = pravis::ports::spent::counted(spent).await;
    assert!(spent["cosmos"].request_units > 400.0, "{spent:?}");

    let started = Instant::now();
    let outcomes = futures_util::future::join_all((100..400).map(create)).await;
    assert!(started.elapsed() < LIMIT * 2, "{:?}", started.elapsed());
    let throttled: Vec<_> = outcomes.into_iter().filter_map(Result::err).collect();
    assert!(!throttled.is_empty());
    for error in throttled {
        assert_eq!(error.kind(), PortErrorKind::Throttled, "{error}");
        assert!(error.retry_after().is_some_and(|wait| wait > Duration::ZERO));
    }
}
