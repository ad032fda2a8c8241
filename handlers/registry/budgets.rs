//! What a shopper's request may cost at most in request units of Cosmos DB, by function, once the
//! catalogue and what it shows of a product's reviews are in memory and the caller's session has been looked at. Each
//! stays within one partition of `customers`; sign-in and registration also read the claim on the address, a merge of
//! carts the stranger's, and orders the stock of each of their products.
//!
//! A point read of 1 KB costs 1, a write of 1 KB about 5.8
//! (<https://learn.microsoft.com/azure/cosmos-db/request-units>); a first sending under an
//! `Idempotency-Key` adds two writes. A worked sample holds its waveform and its answer, some 16 KB. What clears a history
//! costs about 20 for each exchange: its budget is that of 20 exchanges and a recording or two. A request
//! over its budget is logged and counted.

/// The budgets, by name.
const REQUEST_UNITS: &[(&str, f64)] = &[
    ("AccountsAuthLogin", 35.0),
    ("AccountsAuthLoginJson", 35.0),
    ("AccountsAuthLogout", 20.0),
    ("AccountsAuthMe", 1.0),
    ("AccountsAuthPassword", 80.0),
    ("AccountsAuthProfile", 15.0),
    ("AccountsAuthRefresh", 20.0),
    ("AccountsAuthRegister", 50.0),
    ("AccountsAuthReset", 80.0),
    ("AccountsAuthResetRequest", 20.0),
    ("AccountsAuthRestore", 30.0),
    ("AccountsConsentsCreate", 30.0),
    ("AccountsConsentsHistory", 3.0),
    ("AccountsConsentsList", 1.0),
    ("AccountsEmailCreate", 30.0),
    ("AccountsEmailVerify", 60.0),
    ("AccountsErasureRequest", 60.0),
    ("AccountsExportsCreate", 60.0),
    ("AccountsExportsDelete", 40.0),
    ("AccountsExportsList", 3.0),
    ("AccountsExportsView", 1.5),
    ("AccountsJwks", 0.0),
    ("AccountsPhoneCreate", 30.0),
    ("AccountsPhoneDelete", 40.0),
    ("AccountsPhoneVerify", 60.0),
    ("AccountsPreferencesGet", 1.0),
    ("AccountsPreferencesPatch", 15.0),
    ("AccountsSessionsDelete", 20.0),
    ("AccountsSessionsList", 5.0),
    ("ShopCartClear", 15.0),
    ("ShopCartGet", 1.5),
    ("ShopCartItemsAdd", 15.0),
    ("ShopCartItemsRemove", 15.0),
    ("ShopCartItemsSet", 15.0),
    ("ShopCartMerge", 45.0),
    ("ShopOrdersCancel", 80.0),
    ("ShopOrdersCreate", 120.0),
    ("ShopOrdersList", 5.0),
    ("ShopOrdersView", 3.0),
    ("ShopPaymentsWebhook", 40.0),
    ("ShopMediaFile", 0.0),
    ("ShopMediaList", 0.0),
    ("ShopProductsCategories", 0.0),
    ("ShopProductsFeatured", 0.0),
    ("ShopProductsList", 0.0),
    ("ShopProductsRelated", 0.0),
    ("ShopProductsSearch", 0.0),
    ("ShopProductsView", 1.0),
    ("ShopReviewsCreate", 60.0),
    ("ShopReviewsList", 5.0),
    ("ShopReviewsOwnDelete", 30.0),
    ("ShopReviewsOwnGet", 1.0),
    ("ShopReviewsOwnList", 4.0),
    ("ShopReviewsOwnUpdate", 40.0),
    ("VoiceCommand", 30.0),
    ("VoiceHistoryClear", 650.0),
    ("VoiceHistoryClearOld", 650.0),
    ("VoiceHistoryClearSite", 650.0),
    ("VoiceHistoryDelete", 20.0),
    ("VoiceHistoryList", 3.0),
    ("VoiceProcessCommand", 30.0),
    ("VoiceSamplesComplete", 25.0),
    ("VoiceSamplesCreate", 50.0),
    ("VoiceSamplesDelete", 180.0),
    ("VoiceSamplesGet", 20.0),
    ("VoiceSamplesList", 3.0),
    ("VoiceSamplesRehydrate", 200.0),
    ("VoiceSamplesWaveform", 20.0),
    ("VoiceSpeechCreate", 0.0),
    ("VoiceSpeechGet", 0.0),
    ("VoiceTranscribe", 60.0),
    ("VoiceUsage", 1.0),
    ("VoiceVoicesList", 0.0),
];

/// The budget of a function, `None` for one that no shopper waits for.
pub fn request_units(function: &str) -> Option<f64> {
    REQUEST_UNITS.iter().find(|(name, _)| *name == function).map(|(_, most)| *most)
}
