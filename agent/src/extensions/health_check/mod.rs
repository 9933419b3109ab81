//! The `health_check` and `healthcheckv2` extensions: is this process well?
//!
//! Both are one: `/` answers as version 1 does, `/status` as version 2, on one socket, whichever type
//! is configured. Answers are 503 until everything is started and from the moment it stops, so a load
//! balancer or a kubelet sends nothing in vain. Whether a failing component makes the answer a failure
//! is up to `component_health`; its state is in the body in any case.

mod answer;
mod config;

#[cfg(test)]
mod tests;

use std::convert::Infallible;
use std::sync::Arc;
use std::time::SystemTime;

use async_trait::async_trait;
use hyper::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use spindle_pipeline::SignalSet;
use spindle_pipeline::component::{
    BuildContext, Extension, ExtensionContext, ExtensionFactory, Factory, Stability,
};
use spindle_pipeline::error::{BuildError, RunError};
use spindle_pipeline::net::listen::{Bound, bind};
use spindle_pipeline::net::serve::{ServeOptions, serve};
use spindle_pipeline::net::tls;
use tracing::info;

use answer::Answers;
pub use config::{Config, V1Config, V2Config};

/// The type `health_check`.
pub struct HealthCheck;

impl Factory for HealthCheck {
    type Config = V1Config;
    const TYPE: &'static str = "health_check";
    const SIGNALS: SignalSet = SignalSet::ALL;
    const STABILITY: Stability = Stability::Beta;
}

impl ExtensionFactory for HealthCheck {
    fn build(config: V1Config, context: &BuildContext) -> Result<Box<dyn Extension>, BuildError> {
        HealthPage::bind(config.0, context)
    }
}

/// The type `healthcheckv2`.
pub struct HealthCheckV2;

impl Factory for HealthCheckV2 {
    type Config = V2Config;
    const TYPE: &'static str = "healthcheckv2";
    const ALIASES: &'static [&'static str] = &["health_check_v2"];
    const SIGNALS: SignalSet = SignalSet::ALL;
    const STABILITY: Stability = Stability::Beta;
}

impl ExtensionFactory for HealthCheckV2 {
    fn build(config: V2Config, context: &BuildContext) -> Result<Box<dyn Extension>, BuildError> {
        HealthPage::bind(config.0, context)
    }
}

struct HealthPage {
    id: String,
    config: Config,
    bound: Bound,
    tls: Option<Arc<rustls::ServerConfig>>,
}

impl HealthPage {
    fn bind(config: Config, context: &BuildContext) -> Result<Box<dyn Extension>, BuildError> {
        let (key, address) = config.listen();
        let tls = match config.tls() {
            Some((tls_key, keys)) => Some(Arc::new(tls::server(keys, &[b"h2", b"http/1.1"], tls_key)?)),
            None => None,
        };
        let bound = bind(&address, key)?;
        Ok(Box::new(Self { id: context.id.to_string(), config, bound, tls }))
    }
}

#[async_trait]
impl Extension for HealthPage {
    async fn run(self: Box<Self>, context: ExtensionContext) -> Result<(), RunError> {
        info!(extension = %self.id, endpoint = %self.bound, "Health check is served");
        let answers = Arc::new(Answers::new(self.config, context.board.clone(), SystemTime::now()));
        let service = service_fn(move |request: Request<Incoming>| {
            let answers = Arc::clone(&answers);
            async move { Ok::<_, Infallible>(answers.answer(request.uri())) }
        });
        let served = serve(self.bound, self.tls, ServeOptions::default(), service, context.drain.clone());
        served.await.map_err(|error| RunError(error.to_string()))
    }
}
