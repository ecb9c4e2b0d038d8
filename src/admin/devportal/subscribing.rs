//! `POST /subscriptions`, and several at once.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};

use crate::admin::body::JsonBody;
use crate::admin::caller::Caller;
use crate::admin::catalog::{Committed, WriteOptions, WriteRefused};
use crate::admin::devportal::api::is_open;
use crate::admin::devportal::apis::{api, unknown_api};
use crate::admin::devportal::application::ApplicationInfo;
use crate::admin::devportal::applications::{refusal, stays};
use crate::admin::devportal::policies::offered;
use crate::admin::devportal::subscription::{
    ShownSubscription, SubscriptionBody, is_blocked, record,
};
use crate::admin::devportal::visible::{application, changeable, subscription_count};
use crate::admin::object::Object;
use crate::admin::refused::Refused;
use crate::admin::state::Admin;
use crate::store::{Change, Kind, Record, StoreError, WriteCondition};

const SUBSCRIBES: &[&str] = &["subscribe", "sub_manage"];

/// The most subscriptions of a call: each is a change of its own, and a call has a minute.
const MOST_AT_ONCE: usize = 100;

pub(super) async fn create(
    State(admin): State<Arc<Admin>>,
    caller: Caller,
    options: WriteOptions,
    body: JsonBody<SubscriptionBody>,
) -> Result<Response, Refused> {
    caller.needs(SUBSCRIBES)?;
    let body = body.read()?;
    let (committed, shown) = subscribe(&admin, &caller, options, &body).await?;
    let mut response = committed.respond_tagged((StatusCode::CREATED, Json(shown)));
    if let Some(record) = committed.records.first()
        && let Ok(place) =
            HeaderValue::from_str(&format!("/api/am/devportal/v3/subscriptions/{}", record.id))
    {
        response.headers_mut().insert(header::LOCATION, place);
    }
    Ok(response)
}

/// Makes those subscriptions that can be made, and answers with them, as WSO2 does.
pub(super) async fn create_several(
    State(admin): State<Arc<Admin>>,
    caller: Caller,
    options: WriteOptions,
    bodies: JsonBody<Vec<SubscriptionBody>>,
) -> Result<Response, Refused> {
    caller.needs(SUBSCRIBES)?;
    let bodies = bodies.read()?;
    if bodies.len() > MOST_AT_ONCE {
        let description = format!("a call makes {MOST_AT_ONCE} subscriptions at most");
        return Err(Refused::bad_request(description));
    }
    let mut made = Vec::new();
    let mut last: Option<Committed> = None;
    for body in &bodies {
        match subscribe(&admin, &caller, options, body).await {
            Ok((mut committed, shown)) => {
                made.push(shown);
                if let Some(earlier) = last.take() {
                    committed.preview.access.splice(0..0, earlier.preview.access);
                }
                last = Some(committed);
            }
            // the trouble is ours, and those that follow would fail alike
            Err(refused) if refused.status.is_server_error() && made.is_empty() => {
                return Err(refused);
            }
            Err(_) => {}
        }
    }
    let body = Json(made);
    Ok(match last {
        Some(committed) => committed.respond(body),
        None => body.into_response(),
    })
}

async fn subscribe(
    admin: &Admin,
    caller: &Caller,
    options: WriteOptions,
    body: &SubscriptionBody,
) -> Result<(Committed, ShownSubscription), Refused> {
    // the order of these refusals is WSO2's
    let Some(api_id) = body.api_id.as_deref().filter(|id| !id.is_empty()) else {
        return Err(Refused::bad_request("`apiId` is missing"));
    };
    body.is_open()?;
    let api = api(admin, api_id).await?;
    let application = application(admin, caller, &body.application_id).await?;
    changeable(&application)?;
    if !is_open(&api) {
        return Err(unknown_api());
    }
    let policy = body.policy()?;
    offered(admin, caller, &api, policy).await?;
    let (id, target) = (application.record.id, &api.record.name);
    let name = Record::subscription_name(id, target);
    if let Some(present) = admin.catalog.named(Kind::Subscription, &name).await? {
        return Err(exists(&present));
    }
    let changes = vec![Change::Create(record(id, target, policy))];
    let mut conditions = vec![stays(&application)];
    if api.declared_at.is_none() {
        conditions.push(WriteCondition::Exists { kind: Kind::Api, id: api.record.id });
    }
    let written = admin.catalog.write(caller, "subscribe", options, changes, conditions).await;
    let committed = match written {
        Ok(committed) => committed,
        // another call was faster
        Err(refused) => {
            return Err(match admin.catalog.named(Kind::Subscription, &name).await? {
                Some(present) => exists(&present),
                None if is_missing_api(&refused) => unknown_api(),
                None => refusal(caller, refused),
            });
        }
    };
    let shown = shown(admin, &committed, &application, Some(&api)).await?;
    Ok((committed, shown))
}

fn is_missing_api(refused: &WriteRefused) -> bool {
    matches!(refused, WriteRefused::Store(StoreError::Missing { kind: Kind::Api, .. }))
}

/// A subscription that a publisher blocked is not made again.
fn exists(present: &Object) -> Refused {
    if is_blocked(&present.record) {
        return Refused::forbidden("the subscription of this application is blocked");
    }
    let description = "the application subscribes to this API already";
    Refused::new(StatusCode::CONFLICT, 900_336, "Subscription already exists", description)
}

pub(super) async fn shown(
    admin: &Admin,
    committed: &Committed,
    application: &Object,
    api: Option<&Object>,
) -> Result<ShownSubscription, Refused> {
    let Some(record) = committed.records.first() else {
        return Err(Refused::plain(StatusCode::INTERNAL_SERVER_ERROR, "nothing was kept"));
    };
    let count = subscription_count(admin, application.record.id).await?;
    let info = ApplicationInfo::of(application, count);
    Ok(ShownSubscription::of(&Object::kept(record.clone()), info, api))
}
