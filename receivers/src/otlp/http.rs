//! OTLP/HTTP: a path for each signal, protobuf or JSON.

use std::borrow::Cow;
use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use http::header::{
    ALLOW, CONTENT_ENCODING, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE,
};
use http::{HeaderMap, Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::service::Service;
use percent_encoding::percent_decode_str;
use prost::Message;
use spindle_pipeline::Signal;
use spindle_pipeline::auth::Refusal;
use spindle_pipeline::error::{Code, ConsumeError, Retry};
use spindle_pipeline::net::body::{self, BodyError};
use spindle_pipeline::net::compression::Encoding;
use spindle_pipeline::net::grpc::rpc_status;
use spindle_pipeline::net::serve::Peer;

use super::config::HttpConfig;
use super::cors::CorsPolicy;
use super::intake::{About, Format, Intake, metadata};
use super::reply::{self, Reply};

/// Answers HTTP requests.
#[derive(Clone)]
pub(super) struct HttpService(Arc<Inner>);

struct Inner {
    intake: Intake,
    auth_params: Vec<String>,
    paths: [(String, Signal); 3],
    max_body: usize,
    encodings: Vec<Encoding>,
    cors: Option<CorsPolicy>,
    read_timeout: Option<Duration>,
    include_metadata: bool,
    response_headers: Vec<(HeaderName, HeaderValue)>,
}

impl HttpService {
    pub(super) fn new(config: &HttpConfig, intake: Intake) -> Self {
        let response_headers = config.response_headers.iter().filter_map(|(name, value)| {
            Some((HeaderName::try_from(name).ok()?, HeaderValue::try_from(value.expose()).ok()?))
        });
        Self(Arc::new(Inner {
            intake,
            auth_params: config.auth.iter().flat_map(|auth| auth.request_params.clone()).collect(),
            paths: [
                (config.traces_url_path.clone(), Signal::Traces),
                (config.metrics_url_path.clone(), Signal::Metrics),
                (config.logs_url_path.clone(), Signal::Logs),
            ],
            max_body: config.max_request_body_size as usize,
            encodings: config.encodings(),
            cors: config.cors.as_ref().and_then(CorsPolicy::new),
            read_timeout: (!config.read_timeout.is_zero()).then(|| config.read_timeout.get()),
            include_metadata: config.include_metadata,
            response_headers: response_headers.collect(),
        }))
    }
}

impl Service<Request<Incoming>> for HttpService {
    type Response = Response<Reply>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Reply>, Infallible>> + Send>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let inner = Arc::clone(&self.0);
        Box::pin(async move { Ok(inner.answer(request).await) })
    }
}

impl Inner {
    async fn answer(&self, request: Request<Incoming>) -> Response<Reply> {
        let origin = request.headers().get(http::header::ORIGIN).cloned();
        let preflight = self.cors.as_ref().and_then(|cors| cors.preflight(&request));
        let mut response = if let Some(preflight) = preflight {
            preflight
        } else {
            let mut response = self.route(request).await;
            if let (Some(cors), Some(origin)) = (&self.cors, origin) {
                cors.add_headers(&origin, response.headers_mut());
            }
            response
        };
        for (name, value) in &self.response_headers {
            response.headers_mut().insert(name, value.clone());
        }
        response
    }

    async fn route(&self, request: Request<Incoming>) -> Response<Reply> {
        let peer = request.extensions().get::<Peer>().map(|peer| peer.0);
        let judged = credentials(request.headers(), request.uri().query(), &self.auth_params);
        if let Err(refusal) = self.intake.admit(&judged, peer).await {
            return turned_away(format(request.headers()), &refusal);
        }
        let path = request.uri().path();
        let signal = self.paths.iter().find(|(known, _)| known == path).map(|(_, signal)| *signal);
        let Some(signal) = signal.filter(|signal| self.intake.takes(*signal)) else {
            return reply::text(StatusCode::NOT_FOUND, "404 page not found\n");
        };
        if request.method() != Method::POST {
            let mut response =
                reply::text(StatusCode::METHOD_NOT_ALLOWED, "405 method not allowed, supported: [POST]");
            response.headers_mut().insert(ALLOW, HeaderValue::from_static("POST"));
            return response;
        }
        let Some(format) = format(request.headers()) else {
            return reply::text(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "415 unsupported media type, supported: [application/json, application/x-protobuf]",
            );
        };
        let outcome = self.export(signal, format, request).await;
        match outcome {
            Ok(()) => accepted(format),
            Err((status, error)) => refused(format, status, &error),
        }
    }

    /// Reads the body and hands it on. Failures carry the status to answer with.
    async fn export(
        &self,
        signal: Signal,
        format: Format,
        request: Request<Incoming>,
    ) -> Result<(), (StatusCode, ConsumeError)> {
        let (parts, incoming) = request.into_parts();
        let about = About {
            peer: parts.extensions.get::<Peer>().map(|peer| peer.0),
            deadline: None,
            metadata: if self.include_metadata { metadata(&parts.headers) } else { Vec::new() },
        };
        let read = async {
            let encoding = self.encoding(&parts.headers)?;
            let body = self.body(incoming).await?;
            Ok((encoding, body))
        };
        let (encoding, body) = match read.await {
            Ok(read) => read,
            Err((status, error)) => {
                self.intake.failed(&error, &about);
                return Err((status, error));
            }
        };
        let taken = self.intake.take(signal, format, encoding, body, self.max_body, about).await;
        taken.map_err(|error| (error.http_status(), error))
    }

    fn encoding(&self, headers: &HeaderMap) -> Result<Encoding, (StatusCode, ConsumeError)> {
        let name = headers.get(CONTENT_ENCODING).map_or(Ok(""), HeaderValue::to_str).unwrap_or("?").trim();
        Encoding::from_name(name).filter(|encoding| self.encodings.contains(encoding)).ok_or_else(|| {
            let error = ConsumeError::invalid(format!("unsupported Content-Encoding: {name}"));
            (StatusCode::BAD_REQUEST, error)
        })
    }

    async fn body(&self, incoming: Incoming) -> Result<bytes::Bytes, (StatusCode, ConsumeError)> {
        let reading = self.intake.arrival(body::read(incoming, self.max_body));
        let arrived = match self.read_timeout {
            None => reading.await,
            Some(limit) => match tokio::time::timeout(limit, reading).await {
                Ok(arrived) => arrived,
                Err(_elapsed) => {
                    let error =
                        ConsumeError::new(Code::DeadlineExceeded, "reading the request took too long");
                    return Err((StatusCode::REQUEST_TIMEOUT, error));
                }
            },
        };
        let read = arrived.map_err(|error| (error.http_status(), error))?;
        read.map_err(|error| match error {
            BodyError::TooLarge(_) => {
                let error = ConsumeError::too_large(error.to_string());
                (error.http_status(), error)
            }
            BodyError::Broken(_) => (StatusCode::BAD_REQUEST, ConsumeError::invalid(error.to_string())),
        })
    }
}

/// The headers that the authenticator sees: those of the request, and its query parameters of these names.
fn credentials<'a>(headers: &'a HeaderMap, query: Option<&str>, params: &[String]) -> Cow<'a, HeaderMap> {
    let mut headers = Cow::Borrowed(headers);
    for (name, value) in query.unwrap_or_default().split('&').filter_map(|pair| pair.split_once('=')) {
        if !params.iter().any(|param| param == name) {
            continue;
        }
        let value = value.replace('+', " ");
        let value: Vec<u8> = percent_decode_str(&value).collect();
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::from_bytes(&value)) {
            headers.to_mut().insert(name, value);
        }
    }
    headers
}

/// The answer to a request that is not let in, in its own encoding where that is one of ours.
fn turned_away(format: Option<Format>, refusal: &Refusal) -> Response<Reply> {
    let status = refusal.error.code().http();
    let mut response = match format {
        Some(format) => refused(format, status, &refusal.error),
        None => reply::text(status, refusal.error.message().to_owned()),
    };
    if let Some(challenge) = &refusal.challenge {
        response.headers_mut().insert(WWW_AUTHENTICATE, challenge.clone());
    }
    response
}

fn format(headers: &HeaderMap) -> Option<Format> {
    let content_type = headers.get(CONTENT_TYPE)?.to_str().ok()?;
    let media_type = content_type.split(';').next().unwrap_or("").trim();
    if media_type.eq_ignore_ascii_case("application/x-protobuf") {
        Some(Format::Protobuf)
    } else if media_type.eq_ignore_ascii_case("application/json") {
        Some(Format::Json)
    } else {
        None
    }
}

fn content_type(format: Format) -> HeaderValue {
    HeaderValue::from_static(match format {
        Format::Protobuf => "application/x-protobuf",
        Format::Json => "application/json",
    })
}

fn accepted(format: Format) -> Response<Reply> {
    let body: &'static [u8] = match format {
        Format::Protobuf => b"",
        Format::Json => br#"{"partialSuccess":{}}"#,
    };
    let mut response = Response::new(Reply::full(body));
    response.headers_mut().insert(CONTENT_TYPE, content_type(format));
    response
}

/// The body is a `google.rpc.Status` in the encoding of the request.
fn refused(format: Format, status: StatusCode, error: &ConsumeError) -> Response<Reply> {
    let body = match format {
        Format::Protobuf => rpc_status(error).encode_to_vec(),
        Format::Json => status_json(error).into_bytes(),
    };
    let mut response = Response::new(Reply::full(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, content_type(format));
    if let Retry::After(delay) = error.retry() {
        // Whole seconds, rounded up: coming early would only be refused again.
        let seconds = delay.as_secs() + u64::from(delay.subsec_nanos() > 0);
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

fn status_json(error: &ConsumeError) -> String {
    let mut message = String::new();
    spindle_pipeline::otlp::attributes::put_json_string(&mut message, error.message());
    let details = match error.retry() {
        Retry::After(delay) => format!(
            r#","details":[{{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"{}s"}}]"#,
            delay.as_secs_f64()
        ),
        Retry::Never | Retry::Now => String::new(),
    };
    format!(r#"{{"code":{},"message":{message}{details}}}"#, error.code().grpc())
}
