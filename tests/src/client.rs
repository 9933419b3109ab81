//! A small HTTP client for APIs of back ends.

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;

/// Makes one request and reads the whole answer.
pub async fn send(request: Request<Bytes>) -> Result<Response<Bytes>> {
    let client = Client::builder(TokioExecutor::new()).build_http();
    let response = client.request(request.map(Full::new)).await?;
    let (parts, body) = response.into_parts();
    Ok(Response::from_parts(parts, body.collect().await?.to_bytes()))
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
