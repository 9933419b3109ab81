//! Requests from pages of other origins, as far as the configuration allows them.
//!
//! Answers are those of the Collector's library: a refused preflight is answered without any permission,
//! and where all origins are allowed the answer is `*`, with which browsers send no credentials.

use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE,
    ACCESS_CONTROL_REQUEST_HEADERS, ACCESS_CONTROL_REQUEST_METHOD, HeaderValue, ORIGIN, VARY,
};
use http::{HeaderMap, Method, Request, Response, StatusCode};

use super::config::Cors;
use super::reply::Reply;

/// Who may send, and what.
pub(super) struct CorsPolicy {
    origins: Vec<String>,
    headers: Vec<String>,
    exposed: Option<HeaderValue>,
    max_age: Option<HeaderValue>,
}

/// What a page may always send.
const SAFE_HEADERS: [&str; 6] =
    ["accept", "accept-language", "content-type", "content-language", "origin", "x-requested-with"];
/// The methods for which a preflight gets permission.
const METHODS: [&str; 3] = ["GET", "HEAD", "POST"];
/// On what the answer to a preflight depends.
const PREFLIGHT_VARY: &str = "Origin, Access-Control-Request-Method, Access-Control-Request-Headers";

impl CorsPolicy {
    /// `None` when no origin is allowed, which is the same as no policy.
    pub(super) fn new(config: &Cors) -> Option<Self> {
        if config.allowed_origins.is_empty() {
            return None;
        }
        Some(Self {
            origins: config.allowed_origins.clone(),
            headers: config.allowed_headers.iter().map(|name| name.to_ascii_lowercase()).collect(),
            exposed: HeaderValue::try_from(config.exposed_headers.join(", "))
                .ok()
                .filter(|value| !value.is_empty()),
            max_age: (config.max_age > 0).then(|| HeaderValue::from(config.max_age)),
        })
    }

    /// The answer to a preflight request; `None` when it is none.
    pub(super) fn preflight<B>(&self, request: &Request<B>) -> Option<Response<Reply>> {
        if request.method() != Method::OPTIONS {
            return None;
        }
        let method = request.headers().get(ACCESS_CONTROL_REQUEST_METHOD)?;
        let mut response = Response::new(Reply::default());
        *response.status_mut() = StatusCode::NO_CONTENT;
        let answer = response.headers_mut();
        answer.insert(VARY, HeaderValue::from_static(PREFLIGHT_VARY));
        let origin = request.headers().get(ORIGIN).filter(|origin| self.allows(origin));
        let wanted = request.headers().get(ACCESS_CONTROL_REQUEST_HEADERS);
        let may_send = METHODS.iter().any(|allowed| method == allowed)
            && wanted.is_none_or(|wanted| self.allows_headers(wanted));
        if let (Some(origin), true) = (origin, may_send) {
            self.permit(origin, answer);
            answer.insert(ACCESS_CONTROL_ALLOW_METHODS, method.clone());
            if let Some(wanted) = wanted {
                answer.insert(ACCESS_CONTROL_ALLOW_HEADERS, wanted.clone());
            }
            if let Some(max_age) = &self.max_age {
                answer.insert(ACCESS_CONTROL_MAX_AGE, max_age.clone());
            }
        }
        Some(response)
    }

    /// Lets the page of an allowed origin read the response.
    pub(super) fn add_headers(&self, origin: &HeaderValue, response: &mut HeaderMap) {
        response.append(VARY, HeaderValue::from_static("Origin"));
        if !self.allows(origin) {
            return;
        }
        self.permit(origin, response);
        if let Some(exposed) = &self.exposed {
            response.insert(ACCESS_CONTROL_EXPOSE_HEADERS, exposed.clone());
        }
    }

    fn permit(&self, origin: &HeaderValue, response: &mut HeaderMap) {
        let is_for_all = self.origins.iter().any(|pattern| pattern == "*");
        let permitted = if is_for_all { HeaderValue::from_static("*") } else { origin.clone() };
        response.insert(ACCESS_CONTROL_ALLOW_ORIGIN, permitted);
        response.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
    }

    fn allows(&self, origin: &HeaderValue) -> bool {
        origin.to_str().is_ok_and(|origin| self.origins.iter().any(|pattern| matches(pattern, origin)))
    }

    fn allows_headers(&self, wanted: &HeaderValue) -> bool {
        let Ok(wanted) = wanted.to_str() else { return false };
        wanted.split(',').map(|name| name.trim().to_ascii_lowercase()).all(|name| {
            SAFE_HEADERS.contains(&name.as_str())
                || self.headers.iter().any(|allowed| allowed == "*" || *allowed == name)
        })
    }
}

/// A pattern with one `*` at most, case folded.
fn matches(pattern: &str, origin: &str) -> bool {
    let (pattern, origin) = (pattern.to_ascii_lowercase(), origin.to_ascii_lowercase());
    match pattern.split_once('*') {
        None => pattern == origin,
        Some((start, end)) => {
            origin.len() >= start.len() + end.len() && origin.starts_with(start) && origin.ends_with(end)
        }
    }
}
