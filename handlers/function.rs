//! What a service declares: functions with their triggers, who may call them, and their
//! description. One row each; everything else (routes, `function.json`, OpenAPI, metric labels)
//! comes from the rows.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use http::{Method, StatusCode};
use serde_json::Value;
use utoipa::openapi::{RefOr, Schema};
use utoipa::{IntoParams, ToSchema};

use crate::error::{Code, Result};
use crate::http::{Request, Response};
use crate::identity::{Caller, Permission};
use crate::state::AppState;
use crate::types::Service;

/// Who may call an HTTP function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Everybody. A token that is sent must be valid all the same.
    Anyone,
    /// Every person who has signed in; no program.
    SignedIn,
    /// Callers who may do this.
    May(Permission),
}

impl Access {
    /// Whether the caller may call.
    ///
    /// # Errors
    /// [`Code::NotAuthenticated`] for strangers, [`Code::NotPermitted`] for those who may not.
    pub fn check(self, caller: &Caller) -> Result<()> {
        use crate::error::Error;
        match (self, caller) {
            (Self::Anyone, _) => Ok(()),
            (_, Caller::Anonymous { .. }) => Err(Error::new(Code::NotAuthenticated, "Sign in first.")),
            (Self::SignedIn, Caller::Known(principal)) => principal.session().map(drop),
            (Self::May(permission), Caller::Known(principal)) if principal.may(permission) => Ok(()),
            (Self::May(_), Caller::Known(_)) => Err(Error::new(Code::NotPermitted, "Your account may not do this.")),
        }
    }
}

/// What requests of a function are counted as, by who calls it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LimitClass {
    /// Not at all: probes, and what describes the API.
    Unlimited,
    Read,
    Write,
    /// What costs as much as speech does.
    Voice,
    /// Sign-ins and the like: by network, whoever calls.
    Credentials,
    /// New accounts: by network.
    Registration,
}

impl LimitClass {
    fn of(method: &Method) -> Self {
        if method.is_safe() { Self::Read } else { Self::Write }
    }
}

type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// A handler of any trigger: its input in, its outcome out.
pub type Handler<I, O> = Arc<dyn Fn(AppState, I) -> BoxFuture<Result<O>> + Send + Sync>;

fn boxed<I, O, F, Fut>(handler: F) -> Handler<I, O>
where
    F: Fn(AppState, I) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<O>> + Send + 'static,
{
    Arc::new(move |state, input| Box::pin(handler(state, input)))
}

/// A blob that was written: its content, as the trigger hands it over. The name it came under is
/// left out: a caller of the platform's endpoints can forge it.
#[derive(Clone, Debug)]
pub struct BlobWritten {
    pub content: Bytes,
}

/// A schedule that came due.
#[derive(Clone, Copy, Debug)]
pub struct TimerTick {
    /// Whether it should have come earlier.
    pub past_due: bool,
}

/// A message of a queue: its text.
#[derive(Clone, Debug)]
pub struct QueueMessage {
    pub text: String,
}

/// Documents that changed, in the order of their changes within each partition.
#[derive(Clone, Debug)]
pub struct DocumentsChanged {
    pub documents: Vec<Value>,
}

/// Something that storage says happened to a blob. It may be late, doubled, out of order or untrue: it tells
/// where to look, not what is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StorageEvent {
    pub kind: StorageEventKind,
    pub container: String,
    pub path: String,
}

/// What happened to a blob.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StorageEventKind {
    Created,
    Deleted,
    TierChanged,
}

/// What makes a function run.
pub enum Trigger {
    Http(Box<HttpTrigger>),
    Blob {
        container: &'static str,
        handler: Handler<BlobWritten, Outcome>,
    },
    Timer {
        /// NCRONTAB of six fields, seconds first, UTC.
        schedule: &'static str,
        handler: Handler<TimerTick, Outcome>,
    },
    Queue {
        queue: &'static str,
        handler: Handler<QueueMessage, Outcome>,
    },
    ChangeFeed {
        container: &'static crate::ports::documents::Container,
        handler: Handler<DocumentsChanged, Outcome>,
    },
    /// Events of the storage account, by Event Grid.
    StorageEvents {
        handler: Handler<StorageEvent, Outcome>,
    },
}

/// What an invocation did, in a line for the log. An `Err` instead asks for redelivery.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    pub summary: String,
}

impl Outcome {
    pub fn of(summary: impl Into<String>) -> Self {
        Self { summary: summary.into() }
    }
}

/// An HTTP function: its route, its rules and its description.
pub struct HttpTrigger {
    pub method: Method,
    /// Below `/api/`, with parameters in braces.
    pub route: &'static str,
    pub access: Access,
    pub limit: LimitClass,
    /// Whether it answers probes, which do not come by the trusted hop.
    pub probe: bool,
    /// Bytes of body that are read at most.
    pub body_limit: usize,
    /// Whether `Idempotency-Key` is honoured.
    pub idempotent: bool,
    /// Request units that one request may cost at most; every function that a shopper waits for has a
    /// budget, which the registry gives it.
    pub request_units: Option<f64>,
    pub handler: Handler<Request, Response>,
    pub operation: Operation,
}

/// How an HTTP function is described to clients.
#[derive(Default)]
pub struct Operation {
    pub summary: &'static str,
    pub parameters: Vec<utoipa::openapi::path::Parameter>,
    /// Media type, schema and example of each form of body.
    pub bodies: Vec<Content>,
    pub answers: Vec<Answer>,
    pub failures: Vec<Code>,
    /// The named schemas that the others refer to.
    pub schemas: Vec<(String, RefOr<Schema>)>,
}

/// One form of content.
pub struct Content {
    pub media_type: &'static str,
    pub schema: Option<RefOr<Schema>>,
    pub example: Option<Value>,
}

/// One successful answer.
pub struct Answer {
    pub status: StatusCode,
    pub description: &'static str,
    pub content: Option<Content>,
}

/// A function of the registry.
pub struct Function {
    /// Also the name of its folder: a letter, then letters and digits.
    pub name: &'static str,
    pub service: Service,
    pub trigger: Trigger,
}

/// Bodies of HTTP functions that say nothing else: 64 KiB.
pub const DEFAULT_BODY_LIMIT: usize = 64 * 1024;

impl Function {
    /// A function that answers `method` on `/api/{route}`; for everybody unless [`HttpRow::access`] says
    /// otherwise.
    pub fn http<F, Fut>(
        name: &'static str,
        service: Service,
        method: Method,
        route: &'static str,
        handler: F,
    ) -> HttpRow
    where
        F: Fn(AppState, Request) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Response>> + Send + 'static,
    {
        let limit = LimitClass::of(&method);
        HttpRow {
            name,
            service,
            trigger: HttpTrigger {
                method,
                route,
                access: Access::Anyone,
                limit,
                probe: false,
                body_limit: DEFAULT_BODY_LIMIT,
                idempotent: false,
                request_units: None,
                handler: boxed(handler),
                operation: Operation::default(),
            },
        }
    }

    /// A function that runs for each blob written to `container`.
    pub fn blob<F, Fut>(name: &'static str, service: Service, container: &'static str, handler: F) -> Self
    where
        F: Fn(AppState, BlobWritten) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Outcome>> + Send + 'static,
    {
        Self { name, service, trigger: Trigger::Blob { container, handler: boxed(handler) } }
    }

    /// A function that runs when `schedule` (NCRONTAB) comes due.
    pub fn timer<F, Fut>(name: &'static str, service: Service, schedule: &'static str, handler: F) -> Self
    where
        F: Fn(AppState, TimerTick) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Outcome>> + Send + 'static,
    {
        Self { name, service, trigger: Trigger::Timer { schedule, handler: boxed(handler) } }
    }

    /// A function that runs for each message of `queue`.
    pub fn queue<F, Fut>(name: &'static str, service: Service, queue: &'static str, handler: F) -> Self
    where
        F: Fn(AppState, QueueMessage) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Outcome>> + Send + 'static,
    {
        Self { name, service, trigger: Trigger::Queue { queue, handler: boxed(handler) } }
    }

    /// A function that runs for the changes of `container`.
    pub fn change_feed<F, Fut>(
        name: &'static str,
        service: Service,
        container: &'static crate::ports::documents::Container,
        handler: F,
    ) -> Self
    where
        F: Fn(AppState, DocumentsChanged) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Outcome>> + Send + 'static,
    {
        Self { name, service, trigger: Trigger::ChangeFeed { container, handler: boxed(handler) } }
    }

    /// A function that runs for each event of the storage account.
    pub fn storage_events<F, Fut>(name: &'static str, service: Service, handler: F) -> Self
    where
        F: Fn(AppState, StorageEvent) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Outcome>> + Send + 'static,
    {
        Self { name, service, trigger: Trigger::StorageEvents { handler: boxed(handler) } }
    }

    /// The HTTP trigger, when it is one.
    pub fn http_trigger(&self) -> Option<&HttpTrigger> {
        match &self.trigger {
            Trigger::Http(http) => Some(http),
            _ => None,
        }
    }
}

/// An HTTP function that is being described.
pub struct HttpRow {
    name: &'static str,
    service: Service,
    trigger: HttpTrigger,
}

impl HttpRow {
    pub fn access(mut self, access: Access) -> Self {
        self.trigger.access = access;
        self
    }

    /// Counts its requests as these instead of reads (GET) or writes.
    pub fn limit(mut self, limit: LimitClass) -> Self {
        self.trigger.limit = limit;
        self
    }

    /// Answers probes of the platform: not counted, and whichever way they come.
    pub fn probe(mut self) -> Self {
        self.trigger.probe = true;
        self.limit(LimitClass::Unlimited)
    }

    /// Reads at most this many bytes of body.
    pub fn body_limit(mut self, bytes: usize) -> Self {
        self.trigger.body_limit = bytes;
        self
    }

    /// Honours `Idempotency-Key`.
    pub fn idempotent(mut self) -> Self {
        self.trigger.idempotent = true;
        self
    }

    /// Says in a sentence what the function does.
    pub fn summary(mut self, summary: &'static str) -> Self {
        self.trigger.operation.summary = summary;
        self
    }

    /// Describes the query.
    pub fn query<P: IntoParams>(mut self) -> Self {
        self.trigger.operation.parameters.extend(P::into_params(|| Some(utoipa::openapi::path::ParameterIn::Query)));
        self
    }

    /// Describes headers that it reads: parameters that say they are in the header.
    pub fn headers<P: IntoParams>(mut self) -> Self {
        self.trigger.operation.parameters.extend(P::into_params(|| Some(utoipa::openapi::path::ParameterIn::Header)));
        self
    }

    /// Describes a form of the body.
    pub fn takes<T: ToSchema>(mut self, media_type: &'static str, example: Value) -> Self {
        let schema = self.schema_of::<T>();
        self.trigger.operation.bodies.push(Content { media_type, schema: Some(schema), example: Some(example) });
        self
    }

    /// Describes a form of the body that is bytes.
    pub fn takes_bytes(mut self, media_type: &'static str) -> Self {
        self.trigger.operation.bodies.push(Content { media_type, schema: None, example: None });
        self
    }

    /// Describes a successful answer in JSON.
    pub fn answers<T: ToSchema>(mut self, status: StatusCode, description: &'static str, example: Value) -> Self {
        let schema = self.schema_of::<T>();
        let content = Content { media_type: "application/json", schema: Some(schema), example: Some(example) };
        self.trigger.operation.answers.push(Answer { status, description, content: Some(content) });
        self
    }

    /// Describes a successful answer of another media type.
    pub fn answers_bytes(mut self, status: StatusCode, description: &'static str, media_type: &'static str) -> Self {
        let content = Content { media_type, schema: None, example: None };
        self.trigger.operation.answers.push(Answer { status, description, content: Some(content) });
        self
    }

    /// Names failures beyond those that every function has.
    pub fn fails(mut self, codes: &[Code]) -> Self {
        self.trigger.operation.failures.extend_from_slice(codes);
        self
    }

    fn schema_of<T: ToSchema>(&mut self) -> RefOr<Schema> {
        let schemas = &mut self.trigger.operation.schemas;
        T::schemas(schemas);
        schemas.push((T::name().into_owned(), T::schema()));
        RefOr::Ref(utoipa::openapi::Ref::from_schema_name(T::name()))
    }
}

impl From<HttpRow> for Function {
    fn from(row: HttpRow) -> Self {
        Self { name: row.name, service: row.service, trigger: Trigger::Http(Box::new(row.trigger)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::{Credential, Principal, Role};
    use crate::types::{ApiKeyId, SessionId, TenantId, TierId, UserId};

    fn caller(role: Role, credential: Credential) -> Caller {
        let (user, tenant) = (UserId::generate(), TenantId::pravis());
        Caller::Known(Principal { user, tenant, role, tier: TierId::FREE, version: 0, credential })
    }

    fn refusal(access: Access, caller: &Caller) -> Option<Code> {
        access.check(caller).err().map(|error| error.code())
    }

    #[test]
    fn people_may_what_their_role_may() {
        let session = || Credential::Session(SessionId::generate());
        let stranger = Caller::Anonymous { tenant: TenantId::pravis() };
        let (customer, staff) = (caller(Role::Customer, session()), caller(Role::Staff, session()));
        for (access, for_stranger, for_customer, for_staff) in [
            (Access::Anyone, None, None, None),
            (Access::SignedIn, Some(Code::NotAuthenticated), None, None),
            (Access::May(Permission::ReadMetrics), Some(Code::NotAuthenticated), Some(Code::NotPermitted), None),
        ] {
            let found = [&stranger, &customer, &staff].map(|caller| refusal(access, caller));
            assert_eq!(found, [for_stranger, for_customer, for_staff], "{access:?}");
        }
    }

    #[test]
    fn a_key_may_what_its_scopes_say_whatever_its_role() {
        let key = |scopes| caller(Role::Service, Credential::ApiKey { id: ApiKeyId::generate(), scopes });
        let (bare, scoped) = (key(vec![]), key(vec![Permission::ReadReports]));
        assert_eq!(refusal(Access::Anyone, &bare), None);
        assert_eq!(refusal(Access::SignedIn, &scoped), Some(Code::NotPermitted));
        assert_eq!(refusal(Access::May(Permission::ReadReports), &scoped), None);
        assert_eq!(refusal(Access::May(Permission::ReadReports), &bare), Some(Code::NotPermitted));
        assert_eq!(refusal(Access::May(Permission::ReadMetrics), &scoped), Some(Code::NotPermitted));
    }
}
