use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde_json::{Map, Value};
use tracing::Level;

use super::format::Line;
use super::suppress::{Suppressor, Verdict};
use crate::service::{LogSampling, LogsConfig};

fn line(level: Level, message: &str, fields: &[(&str, &str)]) -> Line {
    let fields = fields.iter().map(|(key, value)| ((*key).to_owned(), Value::String((*value).to_owned())));
    Line {
        level,
        time: "2026-11-21T18:06:00.1234Z".parse::<Timestamp>().expect("a time"),
        message: message.to_owned(),
        fields: fields.collect::<Map<String, Value>>(),
        repeated: 0,
        is_raw: false,
    }
}

/// Log pipelines parse these lines; they are the Collector's.
#[test]
fn lines_are_those_of_the_collector() {
    let line = line(Level::WARN, "a\nb", &[("otelcol.component.id", "otlp"), ("error", "down")]);
    assert_eq!(
        line.render(&LogsConfig::default()),
        "2026-11-21T18:06:00.123Z\twarn\ta\\nb\t{\"error\":\"down\",\"otelcol.component.id\":\"otlp\"}\n"
    );
    let json: LogsConfig = logs("{encoding: json, initial_fields: {node: n1}}");
    assert_eq!(
        line.render(&json),
        "{\"error\":\"down\",\"level\":\"warn\",\"msg\":\"a\\nb\",\"node\":\"n1\",\"otelcol.component.id\":\"otlp\",\"ts\":\"2026-11-21T18:06:00.123Z\"}\n"
    );
}

fn logs(yaml: &str) -> LogsConfig {
    let mut texts = spindle_config::SourceMap::default();
    let mut diagnostics = spindle_config::Diagnostics::default();
    let source = texts.add("test", yaml);
    let node = spindle_config::tree::parse(source, &texts, &mut diagnostics).expect("parses");
    spindle_config::decode(&node, "", &mut diagnostics).expect("decodes")
}

/// A password in a URL that an error quotes never reaches the log.
#[test]
fn userinfo_is_redacted() {
    let line =
        line(Level::ERROR, "cannot reach http://user:hunter2@host/", &[("error", "http://u:hunter2@h")]);
    let text = line.render(&LogsConfig::default());
    assert!(!text.contains("hunter2"), "{text}");
}

/// A failure that lasts for an hour is a line every ten seconds with a count. (Attempts that will be repeated
/// are information, which the sampling keys thin.)
#[test]
fn a_repeated_failure_is_one_line_with_a_count() {
    let mut suppressor = Suppressor::new(None);
    let start = Instant::now();
    let failure = |interval: &str| line(Level::WARN, "failed", &[("error", "down"), ("interval", interval)]);
    assert_eq!(suppressor.judge_at(&failure("1s"), start), Verdict::Write);
    for second in 1..5 {
        let verdict = suppressor.judge_at(&failure("2s"), start + Duration::from_secs(second));
        assert_eq!(verdict, Verdict::Hold);
    }
    let other = line(Level::WARN, "failed", &[("error", "another reason")]);
    assert_eq!(suppressor.judge_at(&other, start + Duration::from_secs(5)), Verdict::Write);
    let later = start + Duration::from_secs(11);
    assert_eq!(suppressor.judge_at(&failure("3s"), later), Verdict::WriteRepeated(4));
    assert_eq!(suppressor.judge_at(&failure("3s"), later + Duration::from_secs(1)), Verdict::Hold);
    let held: Vec<u64> = suppressor.drain().iter().map(|line| line.repeated).collect();
    assert_eq!(held, [1], "what is held at the end is told");
}

/// A back end that words every refusal differently cannot fill the disk: the sampling keys hold for failures
/// as well.
#[test]
fn failures_that_differ_are_thinned_by_their_message() {
    let mut suppressor = Suppressor::new(Some(LogSampling::default()));
    let start = Instant::now();
    let failure = |index: i32| line(Level::ERROR, "refused", &[("error", &format!("request {index}"))]);
    let is_written = |index: &i32| suppressor.judge_at(&failure(*index), start) == Verdict::Write;
    assert_eq!((0..310).filter(is_written).count(), 10 + 3);
    assert_eq!(suppressor.judge_at(&line(Level::ERROR, "another", &[]), start), Verdict::Write);
}

/// The sampling keys thin what is only information: the first ten of a tick, then every hundredth.
#[test]
fn information_is_thinned_as_the_keys_say() {
    let mut suppressor = Suppressor::new(Some(LogSampling::default()));
    let start = Instant::now();
    let info = line(Level::INFO, "hello", &[]);
    let written = (0..310).filter(|_| suppressor.judge_at(&info, start) == Verdict::Write).count();
    assert_eq!(written, 10 + 3);
    assert_eq!(suppressor.judge_at(&info, start + Duration::from_secs(10)), Verdict::Write);
    let mut off = Suppressor::new(None);
    assert!((0..1000).all(|_| off.judge_at(&info, start) == Verdict::Write));
}

/// What different lines cost is bounded, however many there are.
#[test]
fn what_is_remembered_is_bounded() {
    let mut suppressor = Suppressor::new(None);
    for index in 0..5000 {
        let message = format!("failure {index}");
        assert_eq!(suppressor.judge(&line(Level::ERROR, &message, &[])), Verdict::Write);
    }
    assert!(suppressor.remembered() <= 1024);
}
