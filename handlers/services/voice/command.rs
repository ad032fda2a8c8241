//! Ask Pravi in text: the storefront's `voice/process-command` and `voice/command`.

use http::{Method, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::conversation::Conversation;
use super::forget;
use super::model::Interaction;
use super::permissions::Permissions;
use super::store;
use super::usage::Metered;
use crate::containers::customer;
use crate::error::{Code, Error, Result};
use crate::function::{Function, LimitClass};
use crate::http::{Request, Response, json, no_store};
use crate::identity::{Caller, Principal};
use crate::services::accounts;
use crate::services::shop::answers::{self, Answer, Asker, Utterance, Who};
use crate::services::shop::cart::{self, CartHeaders, Owner};
use crate::state::AppState;
use crate::types::Service;
use crate::types::{InteractionId, Language};
use crate::understanding::Context;

const MAX_CHARS: usize = 1000;

/// This resource's rows of the registry.
pub fn functions() -> Vec<Function> {
    let example = || json!({ "text": "silk sarees under five thousand rupees" });
    vec![
        Function::http("VoiceCommand", Service::Voice, Method::POST, "v1/voice/command", command)
            .limit(LimitClass::Voice)
            .summary("Answers what a shopper says, given as text.")
            .headers::<CartHeaders>()
            .takes::<CommandRequest>("application/json", example())
            .answers::<Answer>(StatusCode::OK, "What was understood, and the answer.", answer_example())
            .fails(&[Code::IdempotencyKeyReused])
            .into(),
        Function::http("VoiceProcessCommand", Service::Voice, Method::POST, "v1/voice/process-command", command)
            .limit(LimitClass::Voice)
            .summary("The same as `voice/command`.")
            .headers::<CartHeaders>()
            .takes::<CommandRequest>("application/json", example())
            .answers::<Answer>(StatusCode::OK, "What was understood, and the answer.", answer_example())
            .fails(&[Code::IdempotencyKeyReused])
            .into(),
    ]
}

pub(super) fn answer_example() -> Value {
    json!({
        "text": "I found 4 silk sarees under five thousand rupees.", "ssml": "<speak>…</speak>", "language": "en-IN",
        "intent": "search", "confidence": 0.93,
        "action": { "type": "search", "query": "silk saree", "path": "/shop?category=sarees&fabric=silk&maxPrice=5000" },
        "slots": { "category": "sarees", "fabric": ["silk"], "weave": [], "colors": [], "notColors": [], "minPricePaise": null, "maxPricePaise": 500_000, "sizes": [], "occasion": null, "quantity": null, "sort": null },
        "products": [], "total": 4, "facets": { "category": { "sarees": 4 }, "fabric": { "pure silk": 4 }, "weave": {}, "color": {}, "state": {} }, "suggestions": [], "notUnderstood": [],
        "slotConfidence": { "category": 1.0, "fabric": 1.0, "maxPricePaise": 1.0 }, "question": null,
        "then": [{ "intent": "checkout", "confidence": 0.96, "action": { "type": "checkout", "path": "/checkout" },
            "slots": { "category": null, "fabric": [], "weave": [], "colors": [], "notColors": [], "minPricePaise": null, "maxPricePaise": null, "sizes": [], "occasion": null, "quantity": null, "sort": null } }],
        "applied": false, "assisted": false, "conversationId": null,
        "interactionId": "int_01KAXQ8W0V7D3T4Z5J6N8P9R2S"
    })
}

/// `text` and `command` are the same; one of them is needed.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct CommandRequest {
    /// What the shopper says, 1 to 1000 characters.
    text: Option<String>,
    command: Option<String>,
    /// What the shopper saw and asked for last; where nothing is said, what is remembered of the conversation. Other
    /// fields of the storefront are let pass.
    #[serde(default)]
    context: Context,
    /// A guest's conversation, as the answer before named it.
    #[schema(max_length = 64)]
    conversation_id: Option<String>,
    /// The language to answer in; by default the one that was used.
    language: Option<Language>,
    /// Whether the server does to the cart what `action` and `then` say, and the client does not: to that of the
    /// account, or of the stranger who sends `X-Cart-Id`. Nothing is ordered by it.
    #[serde(default)]
    apply: bool,
}

async fn command(state: AppState, request: Request) -> Result<Response> {
    let asked: CommandRequest = request.json()?;
    let text = asked.text.or(asked.command).unwrap_or_default();
    let text = text.trim();
    if text.is_empty() || text.chars().count() > MAX_CHARS {
        return Err(Error::field("text", format!("expected 1 to {MAX_CHARS} characters")));
    }
    let conversation = Conversation::of(&state, &request.caller, asked.conversation_id.as_deref()).await?;
    let context = Conversation::context(conversation.as_ref(), asked.context.bounded());
    let utterance = Utterance { text, certainty: 1.0, context: &context, language: asked.language };
    let (tenant, owner) = (request.caller.tenant(), Owner::of(&request)?);
    let known = cart::known(&state, tenant, &owner, &utterance).await?;
    let mut answer = answers::answer(&state, asker(&request), utterance, known).await?;
    if asked.apply {
        let once = cart::once(&request)?;
        answer = cart::apply(&state, tenant, owner, once.as_ref(), answer).await?;
    }
    if let Some(conversation) = conversation {
        answer.conversation_id = conversation.go_on(&state, &answer, &context).await;
    }
    let answer = converse(&state, &request.caller, text, answer, "command", None).await?;
    Ok(no_store(json(&answer)?))
}

/// Whose sentence a request brings.
pub(super) fn asker(request: &Request) -> Asker<'_> {
    let who = match request.caller.principal() {
        Some(principal) => Who::Customer(&principal.user),
        None => Who::Guest(request.client.network()),
    };
    Asker { tenant: request.caller.tenant(), who }
}

/// Records an exchange, of the recording `heard` if there was one, and gives the answer with its identifier. Words are kept only of customers who
/// agreed to it.
pub(super) async fn converse(
    state: &AppState,
    caller: &Caller,
    text: &str,
    answer: Answer,
    channel: &str,
    heard: Option<&Metered>,
) -> Result<Answer> {
    let permissions = match caller {
        Caller::Anonymous { .. } => Permissions::default(),
        // A program has no account, and nothing is kept of what it asks.
        Caller::Known(principal) if principal.session().is_err() => Permissions::default(),
        Caller::Known(principal) => {
            Permissions::of(state, &principal.tenant, &principal.user).await?.ok_or_else(accounts::closed)?
        }
    };
    let consent = permissions.storage;
    let (engine, audio_ms) = heard.map_or((None, None), |heard| (Some(heard.engine.clone()), Some(heard.audio_ms)));
    let interaction = Interaction {
        kind: Interaction::KIND.into(),
        id: InteractionId::generate(),
        channel: channel.into(),
        sample_id: None,
        created_at: state.clock.now(),
        query: consent.then(|| text.to_owned()),
        response: consent.then(|| answer.text.clone()),
        training_allowed: permissions.training,
        language: answer.language,
        intent: answer.intent_name(),
        confidence: answer.confidence,
        total: answer.total,
        success: answer.is_understood(),
        assisted: answer.assisted,
        engine,
        audio_ms,
    };
    store::interaction_create(state, caller, &interaction, heard, permissions).await?;
    if let Caller::Known(principal) = caller
        && consent
    {
        recheck(state, principal, &interaction, permissions).await?;
    }
    // The caller has just said the words, so they may come back whole.
    Ok(answer.for_interaction(Some(&interaction.id), true))
}

/// Takes back from a new exchange what its customer withdrew while it was written: the clean-up may not
/// have seen it.
async fn recheck(state: &AppState, principal: &Principal, interaction: &Interaction, given: Permissions) -> Result<()> {
    let now = Permissions::of(state, &principal.tenant, &principal.user).await?.unwrap_or_default();
    if !now.storage || (given.training && !now.training) {
        let partition = customer(&principal.tenant, principal.user.as_str());
        forget::forget_of(state, &partition, &interaction.id, !now.storage).await?;
    }
    Ok(())
}
