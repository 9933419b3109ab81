//! The code that runs on a GPU node, from `dlopen` on, against the fake library.

mod errors;
mod rig;
mod running;

use fake_nvml::scripts;
use spindle_pipeline::component::ReceiverFactory;
use spindle_pipeline::testing::{config_with_problems, context, contract};

use super::*;
use rig::{BOOT, Page, Rig};

/// The clauses that every component keeps.
#[test]
fn keeps_the_contract() {
    contract::factory::<Nvml>();
    assert!(Nvml::build(Config::default(), &context("nvml")).is_ok());
}

/// Eight H200 under load: every name, unit, kind, attribute and value is the expected one. One GPU in
/// full, then a column for each.
#[test]
fn reads_eight_h200() {
    let mut rig = Rig::playing(scripts::EIGHT_H200);
    let page = rig.read();
    assert_eq!(page.errors, 0);
    assert_eq!(rig.log(), ["INFO Reading GPUs through NVML driver=\"580.159.03\" gpus=8"]);
    insta::assert_snapshot!("one_h200_in_full", in_full(&page, "gpu6"));
    insta::assert_snapshot!("eight_h200", in_columns(&page));
}

fn in_full(page: &Page, gpu: &str) -> String {
    let points = page.points.iter().filter(|point| point.gpu() == gpu);
    let texts = points.map(|point| {
        let attributes: Vec<String> =
            point.attributes.iter().map(|(key, value)| format!("    {key}: {value}")).collect();
        let type_name = if point.is_whole { "int" } else { "double" };
        let (name, value, unit, kind) = (&point.name, point.value, &point.unit, point.kind);
        format!("{name} = {value} {unit} ({type_name}, {kind})\n{}\n", attributes.join("\n"))
    });
    texts.collect::<String>()
}

fn in_columns(page: &Page) -> String {
    let gpus = page.gpus();
    let mut text = String::new();
    for series in page.series("gpu0") {
        let values: Vec<String> = gpus
            .iter()
            .map(|gpu| page.value(gpu, &series).map_or("-".to_owned(), |value| value.to_string()))
            .collect();
        text.push_str(&format!("{series}: {}\n", values.join(" ")));
    }
    text
}

/// Counters count since the machine's start and carry the time of the reading; gauges have no start.
#[test]
fn points_carry_their_times() {
    let mut rig = Rig::playing(scripts::EIGHT_H200);
    let page = rig.read();
    for point in &page.points {
        assert_eq!(point.time, BOOT + 1_000_000_000, "{point:?}");
        let expected = if point.kind == "gauge" { 0 } else { BOOT };
        assert_eq!(point.since, expected, "{point:?}");
    }
}

/// A counter that goes back began anew after the last reading of the old count; others did not, nor did
/// those of other GPUs.
#[test]
fn a_counter_that_goes_back_has_a_new_start() {
    let mut rig = Rig::playing("devices = 2\n*.energy = 5000\n*.ecc.corrected = 7\n*.power = 1");
    rig.read();
    let last = rig.read().points[0].time;
    rig.fake
        .play("devices = 2\n*.energy = 6000\n1.energy = 40\n*.ecc.corrected = 7\n*.power = 1")
        .expect("written");
    for _ in 0..2 {
        let page = rig.read();
        let since = |gpu: &str, name: &str| {
            page.points.iter().find(|point| point.gpu() == gpu && point.name == name).map(|point| point.since)
        };
        assert_eq!(since("gpu0", "hw.energy"), Some(BOOT));
        assert_eq!(since("gpu1", "hw.energy"), Some(last));
        assert_eq!(since("gpu1", "hw.errors"), Some(BOOT));
    }
}

/// Energy is cumulative: it follows the driver's counter from reading to reading.
#[test]
fn energy_follows_the_counter() {
    let mut rig = Rig::playing("*.energy = 1000 +500");
    let energies: Vec<Option<f64>> = (0..3).map(|_| rig.read().value("gpu0", "hw.energy")).collect();
    assert_eq!(energies, [Some(1.0), Some(1.5), Some(2.0)]);
}

/// Bytes over PCIe grow on when the driver's 32 bits wrap, for each direction and GPU on its own; a count
/// of 64 bits is handed on, and so is that it began anew.
#[test]
fn bytes_over_pcie_are_a_running_total() {
    const END: f64 = 4_294_967_296.0;
    let cases = [
        ("100 4294967295 0 4294967295", [100.0, END - 1.0, END, 2.0 * END - 1.0], BOOT),
        ("4294967000 200 200 100", [END - 296.0, END + 200.0, END + 200.0, 2.0 * END + 100.0], BOOT),
        ("0 0 7 7", [0.0, 0.0, 7.0, 7.0], BOOT),
        ("5000000000 5000000010 9000000000 9000000001", [5e9, 5e9 + 10.0, 9e9, 9e9 + 1.0], BOOT),
        ("4294967295 4294967296 4294967297 4294967297", [END - 1.0, END, END + 1.0, END + 1.0], BOOT),
        ("9000000000 9000000001 5000000000 5000000000", [9e9, 9e9 + 1.0, 5e9, 5e9], BOOT + 2_000_000_000),
    ];
    for (raw, expected, since) in cases {
        for (key, series) in [("transmitted", "hw.gpu.io/transmit"), ("received", "hw.gpu.io/receive")] {
            let mut rig = Rig::playing(&format!(
                "devices = 2\n*.pcie.transmitted = 5 +1\n*.pcie.received = 5 +1\n1.pcie.{key} = {raw}"
            ));
            let pages: Vec<Page> = (0..4).map(|_| rig.read()).collect();
            let read = |gpu: &str| pages.iter().map(|page| page.value(gpu, series)).collect::<Vec<_>>();
            assert_eq!(read("gpu1"), expected.map(Some), "{series}: {raw}");
            assert_eq!(read("gpu0"), [5.0, 6.0, 7.0, 8.0].map(Some), "{series}: {raw}");
            let last = pages[3].points.iter().find(|point| point.gpu() == "gpu1" && point.series() == series);
            assert_eq!(last.map(|point| point.since), Some(since), "{series}: {raw}");
        }
    }
}

/// A total is not carried over a loss of the GPU or an exchange of the driver: the counts that follow
/// began anew, and their points say so.
#[test]
fn totals_of_bytes_over_pcie_end_with_what_counted_them() {
    for code in ["GPU_IS_LOST", "LIB_RM_VERSION_MISMATCH"] {
        let mut rig = Rig::playing("*.pcie.transmitted = 4294967000 200\n*.power = 1");
        rig.read();
        let last = rig.read();
        assert_eq!(last.value("gpu0", "hw.gpu.io/transmit"), Some(4_294_967_496.0), "{code}");
        rig.fake.play(&format!("*.* = {code}")).expect("written");
        assert_eq!(rig.read().value("gpu0", "hw.gpu.io/transmit"), None, "{code}");
        rig.fake.play("*.pcie.transmitted = 150\n*.power = 1").expect("written");
        let page = rig.read();
        let point = page.points.iter().find(|point| point.name == "hw.gpu.io").expect("is there");
        assert_eq!((point.value, point.since), (150.0, last.points[0].time), "{code}");
    }
}

/// A driver that does not know a value's number calls it invalid: the value is absent, is no error, and
/// is not asked for again.
#[test]
fn a_driver_older_than_a_value_lacks_it() {
    let script = "journal = on\n*.pcie.received = INVALID_ARGUMENT\n*.pcie.transmitted = 9\n*.power = 1";
    let mut rig = Rig::playing(script);
    for _ in 0..3 {
        let page = rig.read();
        assert_eq!(page.value("gpu0", "hw.gpu.io/receive"), None);
        assert_eq!(page.value("gpu0", "hw.gpu.io/transmit"), Some(9.0));
        assert_eq!(page.errors, 0);
    }
    assert_eq!((rig.fake.count("pcie.received 0"), rig.fake.count("pcie.transmitted 0")), (1, 3));
}

/// A value that could not be read once does not disturb its total, nor the other direction's.
#[test]
fn a_gap_keeps_the_total_of_bytes_over_pcie() {
    let mut rig = Rig::playing("*.pcie.received = 4294967290 UNKNOWN 10\n*.pcie.transmitted = 1 2 3");
    let pages: Vec<Page> = (0..3).map(|_| rig.read()).collect();
    let values = |series: &str| pages.iter().map(|page| page.value("gpu0", series)).collect::<Vec<_>>();
    assert_eq!(values("hw.gpu.io/receive"), [Some(4_294_967_290.0), None, Some(4_294_967_306.0)]);
    assert_eq!(values("hw.gpu.io/transmit"), [Some(1.0), Some(2.0), Some(3.0)]);
    assert_eq!(pages.iter().map(|page| page.errors).collect::<Vec<_>>(), [0, 1, 0]);
}

/// What a machine's GPUs do not have is absent and nothing else is; never 0, never an error.
#[test]
fn machines_differ_in_what_they_have() {
    let all = Rig::playing(scripts::EIGHT_H200).read().series("gpu0");
    let without = |missing: &[&str]| -> Vec<String> {
        all.iter().filter(|series| !missing.iter().any(|name| series.starts_with(name))).cloned().collect()
    };
    let cases = [
        // Drivers count bytes over PCIe since 555; those of the A100 are older.
        (scripts::A100_NO_ECC, without(&["hw.errors", "hw.gpu.io"])),
        // Under MIG the whole GPU has no utilization; its parts have.
        (scripts::A100_MIG, without(&["hw.gpu.utilization", "hw.gpu.io"])),
        (scripts::GEFORCE, without(&["hw.errors", "hw.temperature/memory"])),
    ];
    for (script, expected) in cases {
        let mut rig = Rig::playing(script);
        let page = rig.read();
        assert_eq!(page.series("gpu0"), expected, "{script}");
        assert_eq!(page.errors, 0, "{script}");
    }
    let mut rig = Rig::playing(scripts::GEFORCE);
    assert!(rig.read().points.iter().all(|point| !point.attributes.contains_key("hw.serial_number")));
}

/// Whoever does not ask for the bytes over PCIe does not get totals that may be too low.
#[test]
fn bytes_over_pcie_have_to_be_asked_for() {
    let script = format!("{}\njournal = on", scripts::EIGHT_H200);
    let mut rig = Rig::configured("{}", &script);
    assert!(!rig.read().series("gpu0").iter().any(|series| series.starts_with("hw.gpu.io")));
    assert_eq!((rig.fake.count("pcie.received 0"), rig.fake.count("power 0")), (0, 1));
}

/// A metric that is switched off is not made, and the driver is not asked for it.
#[test]
fn switched_off_metrics_cost_nothing() {
    let script = format!("{}\njournal = on", scripts::EIGHT_H200);
    let yaml = "{metrics: {hw.power: {enabled: false}, hw.temperature: {enabled: false}, \
                hw.gpu.io: {enabled: false}, hw.gpu.memory.utilization: {enabled: false}, hw.gpu.utilization: {enabled: true}}}";
    let mut rig = Rig::configured(yaml, &script);
    let series = rig.read().series("gpu3");
    for name in [
        "hw.power",
        "hw.temperature/gpu",
        "hw.temperature/memory",
        "hw.gpu.io/transmit",
        "hw.gpu.io/receive",
        "hw.gpu.memory.utilization",
    ] {
        assert!(!series.iter().any(|series| series == name), "{name}");
    }
    assert!(series.iter().any(|series| series == "hw.gpu.memory.usage"));
    for (call, count) in [
        ("power 3", 0),
        ("temperature.gpu 3", 0),
        ("temperature.memory 3", 0),
        ("pcie.transmitted 3", 0),
        ("pcie.received 3", 0),
        ("energy 3", 1),
    ] {
        assert_eq!(rig.fake.count(call), count, "{call}");
    }
}

/// GPUs are chosen by number and by uuid; one that is left out is not asked for its values.
#[test]
fn gpus_are_included_and_excluded() {
    let uuid = |index: u32| format!("GPU-5f1c8a70-3d2e-4b19-9c55-7ad0e4b1f00{index}");
    let cases = [
        ("{include: [0, 3]}".to_owned(), vec!["gpu0", "gpu3"]),
        (format!("{{include: [{}, 2]}}", uuid(5).to_uppercase()), vec!["gpu2", "gpu5"]),
        (format!("{{exclude: [0, 1, 2, 3, 4, {}]}}", uuid(7)), vec!["gpu5", "gpu6"]),
        (format!("{{include: [6, 7], exclude: [{}]}}", uuid(6)), vec!["gpu7"]),
        ("{include: \"1\"}".to_owned(), vec!["gpu1"]),
        ("{exclude: [0, 1, 2, 3, 4, 5, 6, 7]}".to_owned(), vec![]),
    ];
    let script = format!("{}\njournal = on", scripts::EIGHT_H200);
    for (yaml, expected) in cases {
        let mut rig = Rig::configured(&yaml, &script);
        let page = rig.read();
        assert_eq!(page.gpus(), expected, "{yaml}");
        for index in 0..8 {
            let is_read = expected.contains(&format!("gpu{index}").as_str());
            assert_eq!(rig.fake.count(&format!("power {index}")), usize::from(is_read), "{yaml}");
        }
    }
}

/// A name that no GPU has is probably a mistake, and is told once.
#[test]
fn a_name_that_no_gpu_has_is_told() {
    let mut rig = Rig::configured("{include: [0, 4], exclude: [GPU-no-such]}", "*.power = 1");
    rig.read();
    rig.read();
    let warnings: Vec<String> = rig.log().into_iter().filter(|line| line.starts_with("WARN")).collect();
    assert_eq!(
        warnings,
        ["WARN There is no such GPU gpu=GPU 4", "WARN There is no such GPU gpu=GPU-no-such"]
    );
}

/// Problems are found before anything starts, and say what is allowed.
#[test]
fn says_what_cannot_be() {
    let cases = [
        ("{collection_interval: 0}", "collection_interval: \"collection_interval\": requires positive value"),
        ("{collection_interval: 5}", "collection_interval: "),
        ("{metrics: {hw.powr: {enabled: true}}}", "metrics::hw.powr: has invalid keys: hw.powr"),
        (
            "{metrics: {nvml.gpu.utilization: {enabled: true}}}",
            "metrics::nvml.gpu.utilization: has invalid keys: nvml.gpu.utilization",
        ),
        ("{metrics: {hw.power: {on: true}}}", "metrics::hw.power: has invalid keys: on"),
        ("{metrics: {hw.power: {enabled: maybe}}}", "metrics::hw.power::enabled: "),
        (
            "{include: [first]}",
            "include[0]: \"first\" is no GPU (write its number, or its uuid as GPU-... from nvidia-smi -L)",
        ),
        ("{include: [1], exclude: [1]}", "include::0: GPU 1 is excluded as well, and is not read"),
        ("{endpoint: 'localhost:5555'}", "has invalid keys: endpoint"),
    ];
    for (yaml, expected) in cases {
        let problems = config_with_problems::<Nvml>(yaml).1;
        assert!(matches!(problems.as_slice(), [one] if one.starts_with(expected)), "{yaml}: {problems:?}");
    }
}

/// What the page says about metrics is the table itself.
#[test]
fn the_page_has_the_table() {
    let page = include_str!("README.md");
    let table = OPENTELEMETRY.markdown();
    assert!(page.contains(&table), "put this into README.md:\n\n{table}");
}

/// The sample's keys are known and right.
#[test]
fn the_sample_is_right() {
    let sample = include_str!("sample.yaml");
    let body = sample.split_once("  nvml:\n").expect("has the receiver").1;
    let body = body.split_once("\nexporters:").expect("has an exporter").0;
    let (_, problems) = config_with_problems::<Nvml>(body);
    assert!(problems.is_empty(), "{problems:?}");
}
