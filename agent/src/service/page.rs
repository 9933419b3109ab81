//! The page with the agent's own metrics, by default on localhost:8888.

use std::convert::Infallible;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use hyper::service::service_fn;
use spindle_pipeline::error::BuildError;
use spindle_pipeline::net::listen::{Bound, bind};
use spindle_pipeline::net::serve::{ServeOptions, serve};
use spindle_pipeline::telemetry::{Suffixes, Telemetry};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing::{error, info};

use super::Service;

/// A bound page that is not served yet.
pub struct MetricsPage {
    bound: Bound,
    telemetry: Telemetry,
    suffixes: Suffixes,
}

/// A page that is served.
pub struct RunningPage {
    drain: CancellationToken,
    task: JoinHandle<()>,
}

impl MetricsPage {
    /// Binds the page's socket; `None` when no metrics are wanted.
    pub fn bind(service: &Service, telemetry: &Telemetry) -> Result<Option<Self>, BuildError> {
        let Some(endpoint) = &service.metrics else { return Ok(None) };
        let bound = bind(&endpoint.address, &endpoint.key)?;
        Ok(Some(Self { bound, telemetry: telemetry.clone(), suffixes: endpoint.suffixes }))
    }

    /// Serves it.
    pub fn start(self) -> RunningPage {
        info!(address = %self.bound, "Serving metrics");
        let drain = CancellationToken::new();
        let stop = drain.clone();
        let task = tokio::spawn(async move {
            let (telemetry, suffixes) = (self.telemetry, self.suffixes);
            let service = service_fn(move |request: Request<hyper::body::Incoming>| {
                let response = answer(request.uri().path(), &telemetry, suffixes);
                async move { Ok::<_, Infallible>(response) }
            });
            if let Err(failure) = serve(self.bound, None, ServeOptions::default(), service, stop).await {
                error!(error = %failure, "the metrics page ended");
            }
        });
        RunningPage { drain, task }
    }
}

impl RunningPage {
    /// Ends it; requests that are open are answered.
    pub async fn stop(self) {
        self.drain.cancel();
        // A page that fails to end is no reason for the process not to.
        let _ = tokio::time::timeout(std::time::Duration::from_secs(1), self.task).await;
    }
}

fn answer(path: &str, telemetry: &Telemetry, suffixes: Suffixes) -> Response<Full<Bytes>> {
    if path != "/metrics" {
        let mut response = Response::new(Full::from("404 page not found; the metrics are at /metrics\n"));
        *response.status_mut() = StatusCode::NOT_FOUND;
        return response;
    }
    let mut response = Response::new(Full::from(telemetry.render(suffixes)));
    let content_type = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response
}
