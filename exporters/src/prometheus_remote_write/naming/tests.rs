use proptest::prelude::*;

use super::*;
use MetricKind::{Counter, Gauge, Other};

fn named(namespace: &str, with_suffixes: bool, name: &str, unit: &str, kind: MetricKind) -> Option<String> {
    MetricNamer::new(namespace, with_suffixes).name(name, unit, kind)
}

/// Dashboards and alerts name metrics: unit, kind and namespace come together as in the Collector and in
/// Prometheus' own OTLP receiver.
#[test]
fn metrics_are_named_with_their_suffixes() {
    let cases: &[(&str, &str, MetricKind, &str)] = &[
        // Kinds.
        ("requests", "", Counter, "requests_total"),
        ("http.server.requests", "{request}", Counter, "http_server_requests_total"),
        ("requests_total", "", Counter, "requests_total"),
        ("total.requests", "", Counter, "requests_total"),
        ("a.total.b.total", "", Counter, "a_b_total"),
        ("requests_total", "", Other, "requests_total"),
        ("sglang:lora_pool_slots_total", "", Gauge, "sglang:lora_pool_slots_total"),
        ("vllm:iteration_tokens_total", "", Other, "vllm:iteration_tokens_total"),
        ("vllm:prompt_tokens_total", "", Counter, "vllm:prompt_tokens_total"),
        // Units.
        ("http.server.request.duration", "s", Other, "http_server_request_duration_seconds"),
        ("process.cpu.time", "s", Counter, "process_cpu_time_seconds_total"),
        ("system.memory.usage", "By", Other, "system_memory_usage_bytes"),
        ("disk.io_bytes", "By", Counter, "disk_io_bytes_total"),
        ("bytes.read", "By", Counter, "bytes_read_total"),
        ("hw.gpu.temperature", "Cel", Gauge, "hw_gpu_temperature_celsius"),
        ("hw.gpu.energy", "J", Counter, "hw_gpu_energy_joules_total"),
        ("hw.power", "W", Gauge, "hw_power_watts"),
        ("clock", "MHz", Gauge, "clock_MHz"),
        ("clock", "Hz", Gauge, "clock_hertz"),
        ("fill", "%", Gauge, "fill_percent"),
        ("fill", " % ", Gauge, "fill_percent"),
        ("size", "TiBy", Gauge, "size_tibibytes"),
        ("size", "KBy", Gauge, "size_kilobytes"),
        ("size", "kBy", Gauge, "size_kBy"),
        ("wait", "min", Gauge, "wait_minutes"),
        ("length", "m", Gauge, "length_meters"),
        ("odd", "foo bar__baz", Gauge, "odd_foo_bar_baz"),
        ("odd", "_foo_", Gauge, "odd_foo_"),
        ("odd", "@#", Gauge, "odd"),
        // Rates.
        ("throughput", "By/s", Gauge, "throughput_bytes_per_second"),
        ("speed", "m/s", Gauge, "speed_meters_per_second"),
        ("speed", "1/m", Gauge, "speed_per_minute"),
        ("rate", "{tokens}/s", Gauge, "rate_per_second"),
        ("rate", "/s", Gauge, "rate_per_second"),
        ("rate", "By/{packet}", Gauge, "rate_bytes"),
        ("rate", "By/", Gauge, "rate_bytes"),
        ("rate", "By/mo", Gauge, "rate_bytes_per_month"),
        ("rate", "By/fortnight", Gauge, "rate_bytes_per_fortnight"),
        ("rate", "By_/s", Gauge, "rate_By_per_second"),
        ("rate", "By/@", Gauge, "rate_bytes"),
        ("bytes.per.second", "By/s", Gauge, "bytes_per_second_per_second"),
        ("rate.per_second", "1/s", Gauge, "rate_per_second_per_second"),
        // Ratios: gauges of the unit 1, and only these.
        ("cpu.utilization", "1", Gauge, "cpu_utilization_ratio"),
        ("cpu.ratio", "1", Gauge, "cpu_ratio"),
        ("ratio.of.cpu", "1", Gauge, "of_cpu_ratio"),
        ("queue.length", "1", Other, "queue_length"),
        ("requests", "1", Counter, "requests_total"),
        // Characters.
        ("a..b--c", "", Gauge, "a_b_c"),
        ("a__b", "", Gauge, "a_b"),
        ("_a_", "", Gauge, "a"),
        ("9lives", "", Gauge, "_9lives"),
        ("Größe.äöü.x", "", Gauge, "Gr_e_x"),
        ("sglang:num_running_reqs", "", Gauge, "sglang:num_running_reqs"),
    ];
    for (name, unit, kind, expected) in cases {
        assert_eq!(
            named("", true, name, unit, *kind).as_deref(),
            Some(*expected),
            "{name:?} in {unit:?}, {kind:?}"
        );
    }
}

/// A namespace is in front, whatever the name starts with, and is made fit itself.
#[test]
fn namespaces_come_first() {
    for (namespace, with_suffixes, name, expected) in [
        ("gpu", true, "temperature", "gpu_temperature"),
        ("gpu", true, "9lives", "gpu_9lives"),
        ("gpu", false, "9lives", "gpu_9lives"),
        ("9", true, "a", "_9_a"),
        ("9", false, "a", "_9_a"),
        ("my.company", true, "a", "my_company_a"),
        ("my@@company", false, "a", "my_company_a"),
    ] {
        assert_eq!(named(namespace, with_suffixes, name, "", Gauge).as_deref(), Some(expected));
    }
    assert_eq!(MetricNamer::new("gpu", true).with_namespace("target_info"), "gpu_target_info");
    assert_eq!(MetricNamer::new("", true).with_namespace("target_info"), "target_info");
}

/// Without suffixes a scraped metric keeps the name it was scraped with.
#[test]
fn without_suffixes_only_invalid_characters_change() {
    for (name, unit, kind, expected) in [
        ("requests", "By/s", Counter, "requests"),
        ("node_cpu_seconds_total", "s", Counter, "node_cpu_seconds_total"),
        ("a__b_", "", Gauge, "a__b_"),
        ("_private", "", Gauge, "_private"),
        ("http.server", "1", Gauge, "http_server"),
        ("a@@#b", "", Gauge, "a_b"),
        (".a.", "", Gauge, "a"),
        ("9lives", "", Gauge, "_9lives"),
        ("sglang:x", "", Gauge, "sglang:x"),
    ] {
        assert_eq!(named("", false, name, unit, kind).as_deref(), Some(expected));
    }
}

/// A metric without a name is refused rather than named after its unit.
#[test]
fn names_without_a_usable_character_are_refused() {
    for name in ["", "_", "___", "@#$%", "ようこそ"] {
        for with_suffixes in [true, false] {
            assert_eq!(named("", with_suffixes, name, "s", Counter), None, "{name:?}");
            assert_eq!(named("ns", with_suffixes, name, "", Gauge), None, "{name:?}");
        }
    }
}

/// Metadata names units as the suffix does.
#[test]
fn units_are_words() {
    for (unit, expected) in [
        ("", ""),
        ("  ", ""),
        ("1", ""),
        ("{request}", ""),
        ("s", "seconds"),
        ("By/s", "bytes_per_second"),
        ("{request}/s", "per_second"),
        ("1/w", "per_week"),
        ("By/_x__y_", "bytes_per_x_y"),
        ("_custom_unit_", "custom_unit"),
        ("/", ""),
    ] {
        assert_eq!(unit_name(unit), expected, "{unit:?}");
    }
}

/// Attributes become the labels that the Collector and Prometheus make of them.
#[test]
fn attributes_are_named_as_labels() {
    for (key, expected) in [
        ("le", Some("le")),
        ("http.request.method", Some("http_request_method")),
        ("CamelCase", Some("CamelCase")),
        ("with:colon", Some("with_colon")),
        ("a..b__c", Some("a_b_c")),
        ("trailing.", Some("trailing_")),
        ("123", Some("key_123")),
        ("9.lives", Some("key_9_lives")),
        ("_private", Some("key_private")),
        (".hidden", Some("key_hidden")),
        ("__half", Some("key_half")),
        ("__reserved__", Some("__reserved__")),
        ("__a..b__", Some("__a_b__")),
        ("__9__", Some("__9__")),
        ("字符", Some("key_")),
        ("_", Some("key_")),
        ("__", Some("key_")),
        ("a字符b", Some("a_b")),
        ("", None),
        ("____", None),
        ("______", None),
        ("__.__", None),
    ] {
        let mut name = String::from("before ");
        let is_named = push_label_name(&mut name, key);
        assert_eq!(
            (is_named, name.strip_prefix("before ")),
            (expected.is_some(), expected.or(Some(""))),
            "{key:?}"
        );
    }
}

proptest! {
    /// Whatever a client calls its metrics, a back end that knows legacy names takes the result.
    #[test]
    fn every_metric_name_fits_the_legacy_character_set(
        name in any::<String>(),
        unit in any::<String>(),
        namespace in "[a-z.0-9@]{0,6}",
        with_suffixes in any::<bool>(),
        kind in 0..3,
    ) {
        let kind = [Counter, Gauge, Other][kind as usize];
        if let Some(name) = named(&namespace, with_suffixes, &name, &unit, kind) {
            let first = name.bytes().next().expect("not empty");
            prop_assert!(first.is_ascii_alphabetic() || matches!(first, b'_' | b':'), "{name:?}");
            let is_valid = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b':');
            prop_assert!(name.bytes().all(is_valid), "{name:?}");
        }
    }

    /// The same for labels.
    #[test]
    fn every_label_name_fits_the_legacy_character_set(key in any::<String>()) {
        let mut name = String::new();
        if push_label_name(&mut name, &key) {
            let first = name.bytes().next().expect("not empty");
            prop_assert!(first.is_ascii_alphabetic() || first == b'_', "{name:?}");
            prop_assert!(name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_'), "{name:?}");
        } else {
            prop_assert!(name.is_empty());
        }
    }
}
