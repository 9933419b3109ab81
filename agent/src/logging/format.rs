//! One line of the log.

use std::fmt;

use jiff::Timestamp;
use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::{Event, Level};

use crate::service::LogsConfig;

/// An event, read.
#[derive(Clone, Debug)]
pub struct Line {
    pub level: Level,
    pub time: Timestamp,
    pub message: String,
    pub fields: Map<String, Value>,
    /// How often it was not written before.
    pub repeated: u64,
    /// The debug exporter's: what it prints is asked for, whole and every time.
    pub is_raw: bool,
}

/// Where the debug exporter's events come from.
const RAW_TARGET: &str = "spindle_exporters::debug";

/// Fields that differ between repetitions of one line.
const VOLATILE: [&str; 6] = ["interval", "dropped_items", "rejected_items", "sample", "peer", "repeated"];

impl Line {
    pub fn read(event: &Event<'_>) -> Self {
        let mut line = Self {
            level: *event.metadata().level(),
            time: Timestamp::now(),
            message: String::new(),
            fields: Map::new(),
            repeated: 0,
            is_raw: event.metadata().target().starts_with(RAW_TARGET),
        };
        event.record(&mut line);
        line
    }

    /// What makes two lines the same.
    pub fn identity(&self) -> String {
        let mut identity = format!("{}\t{}", self.level, self.message);
        for (key, value) in self.fields.iter().filter(|(key, _)| !VOLATILE.contains(&key.as_str())) {
            identity.push_str(&format!("\t{key}={value}"));
        }
        identity
    }

    /// The text of the line, with its end.
    pub fn render(&self, config: &LogsConfig) -> String {
        let time = self.time.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string();
        let mut fields = Map::new();
        for (key, value) in &config.initial_fields {
            fields.insert(key.clone(), Value::String(value.clone()));
        }
        for (key, value) in &self.fields {
            fields.insert(key.clone(), value.clone());
        }
        if self.repeated > 0 {
            fields.insert("repeated".to_owned(), self.repeated.into());
        }
        let text = if config.is_json() {
            let mut object = Map::new();
            object.insert("level".to_owned(), Value::String(level_name(self.level).to_owned()));
            object.insert("ts".to_owned(), Value::String(time));
            object.insert("msg".to_owned(), Value::String(self.message.clone()));
            object.extend(fields);
            Value::Object(object).to_string()
        } else {
            let fields =
                if fields.is_empty() { String::new() } else { format!("\t{}", Value::Object(fields)) };
            // A client must not be able to write lines of its own into the log.
            let message = if self.is_raw { self.message.clone() } else { self.message.replace('\n', "\\n") };
            format!("{time}\t{}\t{message}{fields}", level_name(self.level))
        };
        spindle_config::secret::redact_urls(&text).into_owned() + "\n"
    }

    fn record(&mut self, field: &Field, value: Value) {
        match field.name() {
            "message" => self.message = value.as_str().map_or_else(|| value.to_string(), str::to_owned),
            kind @ ("receiver" | "processor" | "exporter" | "extension") => {
                self.fields.insert("otelcol.component.id".to_owned(), value);
                self.fields.insert("otelcol.component.kind".to_owned(), Value::String(kind.to_owned()));
            }
            name => {
                self.fields.insert(name.to_owned(), value);
            }
        }
    }
}

fn level_name(level: Level) -> &'static str {
    match level {
        Level::ERROR => "error",
        Level::WARN => "warn",
        Level::INFO => "info",
        Level::DEBUG | Level::TRACE => "debug",
    }
}

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.record(field, Value::String(format!("{value:?}")));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.record(field, Value::String(value.to_owned()));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.record(field, value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.record(field, value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.record(field, value.into());
    }
}
