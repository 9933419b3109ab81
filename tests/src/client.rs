//! A small HTTP client for APIs of back ends, and for telling the agent things that no SDK would.

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

/// A client that keeps its connections.
#[derive(Clone)]
pub struct Http(Client<HttpConnector, Full<Bytes>>);

impl Http {
    /// Connects on the first request.
    #[expect(clippy::new_without_default, reason = "a client is no value")]
    pub fn new() -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        Self(Client::builder(TokioExecutor::new()).build(connector))
    }

    /// Makes one request and reads the whole answer.
    pub async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>> {
        let response = self.0.request(request.map(Full::new)).await?;
        let (parts, body) = response.into_parts();
        Ok(Response::from_parts(parts, body.collect().await?.to_bytes()))
    }
}

/// Makes one request on a connection of its own and reads the whole answer.
pub async fn send(request: Request<Bytes>) -> Result<Response<Bytes>> {
    Http::new().send(request).await
}

/// The body of a GET that must answer 200.
pub async fn get(url: &str) -> Result<String> {
    let request = Request::builder().method(Method::GET).uri(url).body(Bytes::new())?;
    let response = send(request).await.with_context(|| url.to_owned())?;
    let text = String::from_utf8(response.body().to_vec())?;
    if response.status() != 200 {
        bail!("{url} answered {}: {text}", response.status());
    }
    Ok(text)
}

/// A GET whose answer is JSON.
pub async fn get_json(url: &str) -> Result<serde_json::Value> {
    Ok(serde_json::from_str(&get(url).await?)?)
}

/// A query parameter's value, escaped.
pub fn escape(value: &str) -> String {
    percent_encoding::utf8_percent_encode(value, percent_encoding::NON_ALPHANUMERIC).to_string()
}
