//! What is answered, for which state.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use http::{Response, StatusCode, Uri};
use http_body_util::Full;
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use spindle_pipeline::status::{Status, StatusBoard, StatusEvent, StatusKey, worst};

use super::Config;

/// Answers requests by the state of the board.
pub struct Answers {
    config: Config,
    board: StatusBoard,
    start: SystemTime,
}

type Components = BTreeMap<StatusKey, StatusEvent>;

impl Answers {
    pub fn new(config: Config, board: StatusBoard, start: SystemTime) -> Self {
        Self { config, board, start }
    }

    pub fn answer(&self, uri: &Uri) -> Response<Full<Bytes>> {
        let path = uri.path();
        let mut response = if Some(path) == self.config.status_path() {
            self.version_two(uri.query().unwrap_or(""))
        } else if path == self.config.path {
            self.version_one()
        } else {
            plain(StatusCode::NOT_FOUND, "404 page not found\n".to_owned(), "text/plain; charset=utf-8")
        };
        for (name, value) in self.config.response_headers.iter() {
            if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value.expose()))
            {
                response.headers_mut().insert(name, value);
            }
        }
        response
    }

    fn version_one(&self) -> Response<Full<Bytes>> {
        let is_up = self.status_code(&self.board.overall(), false) == StatusCode::OK;
        let status = if is_up { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
        if let Some(body) = &self.config.response_body {
            let text = if is_up { &body.healthy } else { &body.unhealthy };
            return plain(status, text.clone(), "text/plain; charset=utf-8");
        }
        let body = if is_up {
            let uptime = SystemTime::now().duration_since(self.start).unwrap_or_default();
            json!({"status": "Server available", "upSince": rfc3339(self.start), "uptime": format!("{uptime:?}")})
        } else {
            json!({"status": "Server not available", "upSince": "0001-01-01T00:00:00Z", "uptime": ""})
        };
        plain(status, body.to_string(), "application/json")
    }

    fn version_two(&self, query: &str) -> Response<Full<Bytes>> {
        let parameter = |name: &str| {
            query
                .split('&')
                .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
                .find(|(key, _)| *key == name)
        };
        let is_verbose = parameter("verbose").is_some_and(|(_, value)| value != "false");
        let components = self.board.snapshot();
        let (event, body) = match parameter("pipeline").filter(|(_, name)| !name.is_empty()) {
            None => self.whole(&components, is_verbose),
            Some((_, name)) => match self.pipeline(&components, name, is_verbose) {
                Some(found) => found,
                None => return plain(StatusCode::NOT_FOUND, String::new(), "text/plain; charset=utf-8"),
            },
        };
        plain(self.status_code(&event, true), Value::Object(body).to_string(), "application/json")
    }

    fn whole(&self, components: &Components, is_verbose: bool) -> (StatusEvent, Map<String, Value>) {
        let event = self.board.overall();
        let mut body = Map::new();
        body.insert("start_time".to_owned(), rfc3339(self.start).into());
        body.extend(self.describe(&event));
        if is_verbose {
            let mut names: Vec<&str> = components.keys().map(|key| key.pipeline.as_str()).collect();
            names.dedup();
            let parts = names.into_iter().filter_map(|name| {
                let key = if name.is_empty() { "extensions".to_owned() } else { format!("pipeline:{name}") };
                self.pipeline(components, name, true).map(|(_, part)| (key, Value::Object(part)))
            });
            body.insert("components".to_owned(), Value::Object(parts.collect()));
        }
        (event, body)
    }

    fn pipeline(
        &self,
        components: &Components,
        name: &str,
        is_verbose: bool,
    ) -> Option<(StatusEvent, Map<String, Value>)> {
        let members = || components.iter().filter(move |(key, _)| key.pipeline == name);
        let event = worst(members().map(|(_, event)| event))?;
        let mut body = self.describe(&event);
        if is_verbose {
            let parts = members().map(|(key, event)| {
                (format!("{}:{}", key.kind, key.id), Value::Object(self.describe(event)))
            });
            body.insert("components".to_owned(), Value::Object(parts.collect()));
        }
        Some((event, body))
    }

    fn describe(&self, event: &StatusEvent) -> Map<String, Value> {
        let mut body = Map::new();
        body.insert("healthy".to_owned(), self.is_healthy(event).into());
        body.insert("status".to_owned(), event.status.name().into());
        if let Some(error) = event.status.error() {
            body.insert("error".to_owned(), error.into());
        }
        body.insert("status_time".to_owned(), rfc3339(event.since).into());
        body
    }

    fn is_healthy(&self, event: &StatusEvent) -> bool {
        let health = &self.config.component_health;
        match event.status {
            Status::FatalError(_) => false,
            Status::PermanentError(_) => !health.include_permanent_errors,
            Status::RecoverableError(_) => {
                let lasted = SystemTime::now().duration_since(event.since).unwrap_or(Duration::ZERO);
                !health.include_recoverable_errors || lasted < health.recovery_duration.get()
            }
            _ => true,
        }
    }

    fn status_code(&self, event: &StatusEvent, minds_components: bool) -> StatusCode {
        match event.status {
            Status::None | Status::Starting | Status::Stopping | Status::Stopped => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            Status::FatalError(_) => StatusCode::INTERNAL_SERVER_ERROR,
            _ if minds_components && !self.is_healthy(event) => StatusCode::INTERNAL_SERVER_ERROR,
            _ => StatusCode::OK,
        }
    }
}

fn plain(status: StatusCode, body: String, content_type: &'static str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

fn rfc3339(time: SystemTime) -> String {
    Timestamp::try_from(time).map_or_else(|_| String::new(), |time| time.to_string())
}
