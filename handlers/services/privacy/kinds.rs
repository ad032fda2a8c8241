//! What becomes of each kind of document when a customer asks for their data.

/// Whether customers are shown the documents of a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disclosure {
    /// In this file of an export, with these fields and no others.
    Shown { file: &'static str, what: &'static str, fields: &'static [&'static str] },
    /// Not at all, for this reason.
    Withheld(&'static str),
}

use Disclosure::{Shown, Withheld};

/// Every kind of document in a customer's partition. A new kind has to be put here, which a test sees to.
pub const KINDS: [(&str, Disclosure); 23] = [
    (
        "user",
        Shown {
            file: "account.json",
            what: "Your account and the present state of your consents.",
            fields: &[
                "id",
                "email",
                "phone",
                "firstName",
                "lastName",
                "role",
                "tier",
                "active",
                "createdAt",
                "consents",
                "erasure",
            ],
        },
    ),
    (
        "preferences",
        Shown { file: "preferences.json", what: "What your devices keep with the account.", fields: &["values"] },
    ),
    (
        "consent",
        Shown {
            file: "consents.json",
            what: "Every consent that you gave or withdrew. A network is named by a code, not by its address.",
            fields: &["id", "purpose", "granted", "version", "createdAt", "source", "network", "userAgent"],
        },
    ),
    (
        "session",
        Shown {
            file: "sessions.json",
            what: "The devices that are or were lately signed in.",
            fields: &["id", "status", "device", "createdAt", "lastUsedAt", "expiresAt", "ended"],
        },
    ),
    (
        "sample",
        Shown {
            file: "voice-samples.json",
            what: "Your recordings: what was measured, heard and answered. The sound is in the folder recordings.",
            fields: &[
                "id",
                "status",
                "contentType",
                "language",
                "context",
                "apply",
                "createdAt",
                "uploadUntil",
                "finishedAt",
                "expiresAt",
                "tier",
                "kept",
                "trainingAllowed",
                "reason",
                "measurements",
                "quality",
                "waveform",
                "recognition",
                "result",
                "recording",
            ],
        },
    ),
    (
        "interaction",
        Shown {
            file: "voice-exchanges.json",
            what: "What you asked Ask Pravi and what it answered; the words only where you let us keep them.",
            fields: &[
                "id",
                "channel",
                "sampleId",
                "createdAt",
                "query",
                "response",
                "trainingAllowed",
                "language",
                "intent",
                "confidence",
                "total",
                "success",
                "assisted",
                "engine",
                "audioMs",
            ],
        },
    ),
    (
        "export",
        Shown {
            file: "exports.json",
            what: "The copies of your data that were made lately, this one included.",
            fields: &["id", "status", "createdAt", "finishedAt", "expiresAt", "sizeBytes"],
        },
    ),
    (
        "usage",
        Shown {
            file: "voice-usage.json",
            what: "How much you spoke in each month, by day and engine, in milliseconds.",
            fields: &["id", "period", "totalMs", "days"],
        },
    ),
    ("cart", Shown { file: "cart.json", what: "What is in your cart.", fields: &["lines", "lastOrder", "updatedAt"] }),
    (
        "order",
        Shown {
            file: "orders.json",
            what: "Your orders, as they were placed, and what happened to them.",
            fields: &[
                "id",
                "status",
                "createdAt",
                "updatedAt",
                "lines",
                "subtotalPaise",
                "shippingPaise",
                "totalPaise",
                "contact",
                "note",
                "payment",
                "history",
            ],
        },
    ),
    ("orderDraft", Withheld("an order that is being placed, for minutes; then it is an order, or goes in a day")),
    ("orderKey", Withheld("recognises an order that is sent twice, for three days")),
    ("sale", Withheld("belongs to no customer: what an erased customer bought, for the books")),
    (
        "review",
        Shown {
            file: "reviews.json",
            what: "Your reviews of products, whether they are shown, and why not.",
            fields: &[
                "id",
                "productId",
                "status",
                "revision",
                "author",
                "rating",
                "title",
                "content",
                "verifiedPurchase",
                "flags",
                "reason",
                "createdAt",
                "updatedAt",
            ],
        },
    ),
    ("reviewGone", Withheld("counts the versions of a review that you deleted, for 30 days; holds no words")),
    ("signIns", Withheld("knows your devices and sessions again; the sessions are in their own file")),
    ("passwordReset", Withheld("stands for a token that was mailed, for half an hour")),
    ("phoneCode", Withheld("stands for a code that was sent, for minutes")),
    ("emailChange", Withheld("stands for a token that was mailed, until it is used")),
    ("exportSlot", Withheld("counts the exports of a day")),
    (
        "idempotency",
        Withheld("recognises requests that are sent twice, for two days; their results are in the other files"),
    ),
    ("outbox", Withheld("tells our own systems of what is in the other files, for a week; may hold keys")),
    ("nothing", Withheld("belongs to no customer")),
];

/// What becomes of documents of a kind; `None` for one that nobody has thought about.
pub fn disclosure(kind: &str) -> Option<Disclosure> {
    KINDS.iter().find(|(name, _)| *name == kind).map(|(_, disclosure)| *disclosure)
}
