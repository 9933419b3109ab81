//! An authenticator for the tests of receivers and exporters.

use std::sync::Arc;

use async_trait::async_trait;
use http::{HeaderMap, HeaderValue};
use spindle_config::ComponentId;

use crate::auth::{Authenticators, ClientAuthenticator, Offered, Refusal, ServerAuthenticator};
use crate::batch::RequestContext;
use crate::error::ExportError;

/// The id of the extension that is simulated.
pub const ID: &str = "test_auth";

/// As a server it lets in `x-key: open`. As a client it writes `authorization: signed`, the client's `tenant`
/// as `x-tenant`, and a `content-type` that would break every protocol.
struct TestAuth;

/// The authenticators of a process in which [`ID`] is started.
pub fn authenticators() -> Authenticators {
    let mut authenticators = Authenticators::default();
    let offered = Offered { client: Some(Arc::new(TestAuth)), server: Some(Arc::new(TestAuth)) };
    authenticators.add(ComponentId::of_type(ID), offered);
    authenticators
}

impl ClientAuthenticator for TestAuth {
    fn authenticate(
        &self,
        headers: &mut HeaderMap,
        context: Option<&RequestContext>,
    ) -> Result<(), ExportError> {
        headers.insert("authorization", HeaderValue::from_static("signed"));
        headers.insert("content-type", HeaderValue::from_static("x/y"));
        let tenant = context.and_then(|context| context.values("tenant").next());
        if let Some(tenant) = tenant.and_then(|tenant| HeaderValue::try_from(tenant).ok()) {
            headers.insert("x-tenant", tenant);
        }
        Ok(())
    }
}

#[async_trait]
impl ServerAuthenticator for TestAuth {
    async fn authenticate(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        if headers.get("x-key").is_some_and(|key| key == "open") {
            return Ok(());
        }
        Err(Refusal::unauthenticated("who are you", Some(&HeaderValue::from_static("Test"))))
    }
}
