//! Proxies between the HTTP client and back ends.
//!
//! * `proxy_url` is for all requests of the client. Without it `HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY` of the
//!   environment count (also in lower case, which wins), read when the client is built. As in Go,
//!   these never lead to a proxy for `localhost` and loopback addresses.
//! * `https://` back ends are reached through a tunnel (`CONNECT`), so the proxy sees nothing but their
//!   name; requests to `http://` back ends are handed to the proxy whole.
//! * User and password in a proxy's URL go to the proxy and to nobody else.

#[cfg(test)]
mod tests;

use std::pin::Pin;
use std::task::{Context, Poll};

use http::{HeaderValue, Uri};
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::client::legacy::connect::proxy::Tunnel;
use hyper_util::client::legacy::connect::{Connected, Connection, HttpConnector};
use hyper_util::client::proxy::matcher::Matcher;
use hyper_util::rt::TokioIo;
use spindle_config::types::{ClientUrl, is_loopback};
use spindle_pipeline::error::BuildError;
use tokio::net::TcpStream;
use tower_service::Service;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Which proxy a URL is reached through.
#[derive(Clone, Default)]
pub(super) struct Proxies {
    matcher: Option<std::sync::Arc<Matcher>>,
    /// Whether loopback addresses are reached through a proxy, too.
    includes_loopback: bool,
}

impl Proxies {
    /// Of `proxy_url`, or of the environment if that is empty.
    pub(super) fn new(
        proxy_url: &str,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, BuildError> {
        if !proxy_url.is_empty() {
            check(proxy_url).map_err(|message| BuildError::new("proxy_url", message))?;
            let matcher = Matcher::builder().all(proxy_url.to_owned()).build();
            return Ok(Self { matcher: Some(matcher.into()), includes_loopback: true });
        }
        let read = |name: &str| variable(&name.to_ascii_lowercase()).or_else(|| variable(name));
        let read = |name: &str| read(name).filter(|value| !value.is_empty());
        let (http, https) = (read("HTTP_PROXY"), read("HTTPS_PROXY"));
        for (name, value) in [("HTTP_PROXY", &http), ("HTTPS_PROXY", &https)] {
            if let Some(value) = value {
                let told =
                    |message| BuildError::new("", format!("the environment variable {name}: {message}"));
                check(&with_scheme(value)).map_err(told)?;
            }
        }
        if http.is_none() && https.is_none() {
            return Ok(Self::default());
        }
        let url = |value: Option<String>| value.map(|value| with_scheme(&value)).unwrap_or_default();
        let matcher =
            Matcher::builder().http(url(http)).https(url(https)).no(read("NO_PROXY").unwrap_or_default());
        Ok(Self { matcher: Some(matcher.build().into()), includes_loopback: false })
    }

    /// What `Proxy-Authorization` a request to this URL needs, because the proxy reads it.
    pub(super) fn authorization(&self, uri: &Uri) -> Option<HeaderValue> {
        match self.way(uri) {
            Way::Handed(_, authorization) => authorization,
            Way::Direct | Way::Tunnel(..) => None,
        }
    }

    fn way(&self, uri: &Uri) -> Way {
        let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
        let intercept = self.matcher.as_ref().filter(|_| self.includes_loopback || !is_loopback(host));
        let Some(intercept) = intercept.and_then(|matcher| matcher.intercept(uri)) else {
            return Way::Direct;
        };
        let authorization = intercept.basic_auth().cloned();
        if uri.scheme_str() == Some("https") {
            Way::Tunnel(intercept.uri().clone(), authorization)
        } else {
            Way::Handed(intercept.uri().clone(), authorization)
        }
    }
}

/// How a URL is reached.
enum Way {
    Direct,
    Tunnel(Uri, Option<HeaderValue>),
    Handed(Uri, Option<HeaderValue>),
}

/// Whether this is the URL of a proxy that can be used.
pub(super) fn check(url: &str) -> Result<(), String> {
    match url.split_once("://") {
        Some(("http", _)) => ClientUrl::parse(url).map(|_| ()),
        Some((scheme, _)) => Err(format!(
            "only proxies with http:// can be used by this version of spindle, this one has {scheme}://"
        )),
        None => Err("the proxy must be a URL with http://".to_owned()),
    }
}

/// In the environment `proxy:3128` is a proxy as well.
fn with_scheme(value: &str) -> String {
    if value.contains("://") { value.to_owned() } else { format!("http://{value}") }
}

/// Connects to back ends, or to the proxies in front of them.
#[derive(Clone)]
pub(super) struct ProxyConnector {
    pub(super) tcp: HttpConnector,
    pub(super) proxies: Proxies,
}

impl Service<Uri> for ProxyConnector {
    type Response = Stream;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Stream, BoxError>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.tcp.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let way = self.proxies.way(&uri);
        let mut tcp = self.tcp.clone();
        Box::pin(async move {
            let (io, takes_whole_requests) = match way {
                Way::Direct => (tcp.call(uri).await?, false),
                Way::Handed(proxy, _) => {
                    (tcp.call(proxy).await.map_err(|error| through_proxy(error.into()))?, true)
                }
                Way::Tunnel(proxy, authorization) => {
                    let mut tunnel = Tunnel::new(proxy, tcp);
                    if let Some(authorization) = authorization {
                        tunnel = tunnel.with_auth(authorization);
                    }
                    (tunnel.call(uri).await.map_err(|error| through_proxy(error.into()))?, false)
                }
            };
            Ok(Stream { io, takes_whole_requests })
        })
    }
}

/// The back end is not to blame for this error.
#[derive(Debug, thiserror::Error)]
#[error("the proxy does not connect")]
struct ThroughProxy(#[source] BoxError);

fn through_proxy(error: BoxError) -> BoxError {
    ThroughProxy(error).into()
}

/// A connection to a back end, or to a proxy.
pub(super) struct Stream {
    io: TokioIo<TcpStream>,
    /// A proxy is at the other end, which has to be told the whole URL with each request.
    takes_whole_requests: bool,
}

impl Connection for Stream {
    fn connected(&self) -> Connected {
        self.io.connected().proxy(self.takes_whole_requests)
    }
}

impl Read for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.io).poll_read(context, buffer)
    }
}

impl Write for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[std::io::IoSlice<'_>],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(context)
    }
}
