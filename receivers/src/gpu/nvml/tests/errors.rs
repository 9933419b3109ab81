//! What happens when the driver does not do as asked.

use std::collections::BTreeSet;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use fake_nvml::scripts::{self, EIGHT_H200};

use super::super::Backoff;
use super::super::source::Pause;
use super::rig::{AT_ONCE, Page, Rig};

/// Each call's name in a script, and the series that come from it.
const SERIES: [(&str, &[&str]); 21] = [
    ("utilization.gpu", &["hw.gpu.utilization/general"]),
    ("utilization.encoder", &["hw.gpu.utilization/encoder"]),
    ("utilization.decoder", &["hw.gpu.utilization/decoder"]),
    ("memory.total", &["hw.gpu.memory.limit", "hw.gpu.memory.usage", "hw.gpu.memory.utilization"]),
    ("memory.used", &["hw.gpu.memory.limit", "hw.gpu.memory.usage", "hw.gpu.memory.utilization"]),
    ("power", &["hw.power"]),
    ("energy", &["hw.energy"]),
    ("temperature.gpu", &["hw.temperature/gpu"]),
    ("temperature.memory", &["hw.temperature/memory"]),
    ("clock.graphics", &["gpu.clock.frequency/graphics"]),
    ("clock.sm", &["gpu.clock.frequency/sm"]),
    ("clock.memory", &["gpu.clock.frequency/memory"]),
    ("clock.video", &["gpu.clock.frequency/video"]),
    ("pcie.replays", &["gpu.pcie.replays"]),
    ("pcie.transmitted", &["hw.gpu.io/transmit"]),
    ("pcie.received", &["hw.gpu.io/receive"]),
    ("pcie.generation", &["gpu.pcie.link.generation"]),
    ("pcie.width", &["gpu.pcie.link.width"]),
    ("ecc.corrected", &["hw.errors/corrected"]),
    ("ecc.uncorrected", &["hw.errors/uncorrected"]),
    // Who it is does not touch what it measures.
    ("serial", &[]),
];

fn missing(page: &Page, gpu: &str) -> BTreeSet<String> {
    static ALL: LazyLock<BTreeSet<String>> =
        LazyLock::new(|| Rig::playing(EIGHT_H200).read().series("gpu0").into_iter().collect());
    let there: BTreeSet<String> = page.series(gpu).into_iter().collect();
    ALL.difference(&there).cloned().collect()
}

fn names(series: &[&str]) -> BTreeSet<String> {
    series.iter().map(|name| (*name).to_owned()).collect()
}

/// For every call: what a GPU does not support is absent, everything else and every other GPU stays, it
/// is not an error, and the driver is not asked again.
#[test]
fn what_is_not_supported_is_absent_and_asked_once() {
    for (call, series) in SERIES {
        let script = format!("{EIGHT_H200}\njournal = on\n3.{call} = NOT_SUPPORTED");
        let mut rig = Rig::playing(&script);
        for _ in 0..3 {
            let page = rig.read();
            assert_eq!(missing(&page, "gpu3"), names(series), "{call}");
            assert_eq!(missing(&page, "gpu4"), names(&[]), "{call}");
            assert_eq!(page.errors, 0, "{call}");
        }
        assert_eq!(rig.fake.count(&format!("{call} 3")), 1, "{call}");
        assert_eq!(rig.log().len(), 1, "{call}: only that it reads");
    }
}

/// For every call: what is not permitted is absent, told once for all GPUs, and not asked again.
#[test]
fn what_is_not_permitted_is_absent_and_told_once() {
    for (call, series) in SERIES.into_iter().filter(|(call, _)| *call != "serial") {
        let script = format!("{EIGHT_H200}\njournal = on\n*.{call} = NO_PERMISSION");
        let mut rig = Rig::playing(&script);
        for _ in 0..3 {
            let page = rig.read();
            assert_eq!(missing(&page, "gpu0"), names(series), "{call}");
            assert_eq!(page.errors, 0, "{call}");
        }
        assert_eq!(rig.fake.count(&format!("{call} 0")), 1, "{call}");
        let log = rig.log();
        let warnings: Vec<&String> = log.iter().filter(|line| line.starts_with("WARN")).collect();
        assert_eq!(warnings.len(), 1, "{call}: {log:?}");
        assert!(warnings[0].contains("A call is not permitted call=\"nvml"), "{log:?}");
    }
}

/// A call that fails otherwise leaves a gap, is counted, and is asked again. No error of NVML is taken
/// for a value.
#[test]
fn other_errors_are_counted_gaps() {
    let codes = [
        "UNKNOWN",
        "TIMEOUT",
        "NO_DATA",
        "IN_USE",
        "MEMORY",
        "INVALID_ARGUMENT",
        "NOT_READY",
        "CORRUPTED_INFOROM",
    ];
    for code in codes {
        let mut rig = Rig::playing(&format!("*.power = 5000 {code} 6000\n*.energy = 1"));
        let powers: Vec<(Option<f64>, usize)> =
            (0..3).map(|_| rig.read()).map(|page| (page.value("gpu0", "hw.power"), page.errors)).collect();
        assert_eq!(powers, [(Some(5.0), 0), (None, 1), (Some(6.0), 0)], "{code}");
    }
}

/// A library without a function, which is what an older driver has, lacks the values of that function.
#[test]
fn functions_that_are_missing_are_values_that_are_missing() {
    let cases: [(&str, &[&str]); 6] = [
        (
            "nvmlDeviceGetMemoryInfo_v2",
            &["hw.gpu.memory.limit", "hw.gpu.memory.usage", "hw.gpu.memory.utilization"],
        ),
        ("nvmlDeviceGetUtilizationRates", &["hw.gpu.utilization/general"]),
        ("nvmlDeviceGetTotalEnergyConsumption", &["hw.energy"]),
        ("nvmlDeviceGetFieldValues", &["hw.gpu.io/receive", "hw.gpu.io/transmit", "hw.temperature/memory"]),
        ("nvmlDeviceGetTotalEccErrors", &["hw.errors/corrected", "hw.errors/uncorrected"]),
        ("nvmlDeviceGetSerial", &[]),
    ];
    for (function, series) in cases {
        let mut rig = Rig::playing(EIGHT_H200);
        rig.fake.put_library(&[function]).expect("written");
        let page = rig.read();
        assert_eq!(missing(&page, "gpu0"), names(series), "{function}");
        assert_eq!(page.errors, 0, "{function}");
    }
}

/// A GPU that falls off the bus keeps its health and loses the rest; the others go on; it comes back with
/// everything. Both are told once.
#[test]
fn a_lost_gpu_is_failed_until_it_is_back() {
    for code in ["GPU_IS_LOST", "RESET_REQUIRED", "GPU_NOT_FOUND"] {
        let mut rig = Rig::playing(EIGHT_H200);
        let before = rig.read().series("gpu3");
        rig.log();
        rig.fake.play(&format!("{EIGHT_H200}\n3.* = {code}")).expect("written");
        for _ in 0..2 {
            let page = rig.read();
            assert_eq!(page.series("gpu3"), ["hw.status/ok", "hw.status/failed"], "{code}");
            assert_eq!(page.value("gpu3", "hw.status/ok"), Some(0.0), "{code}");
            assert_eq!(page.value("gpu3", "hw.status/failed"), Some(1.0), "{code}");
            let uuid = page
                .points
                .iter()
                .find(|point| point.gpu() == "gpu3")
                .map(|point| &point.attributes["hw.id"]);
            assert_eq!(uuid.expect("is there"), "GPU-5f1c8a70-3d2e-4b19-9c55-7ad0e4b1f003", "{code}");
            assert_eq!(page.series("gpu4"), before, "{code}");
            assert_eq!(page.value("gpu4", "hw.status/ok"), Some(1.0), "{code}");
            assert_eq!(page.errors, 0, "{code}");
        }
        let log = rig.log();
        assert!(
            matches!(log.as_slice(), [line] if line.starts_with("WARN A GPU does not answer gpu=\"GPU-5f1c8a70")),
            "{log:?}"
        );
        rig.fake.play(EIGHT_H200).expect("written");
        assert_eq!(rig.read().series("gpu3"), before, "{code}");
        assert_eq!(
            rig.log(),
            ["INFO A GPU is back gpu=\"GPU-5f1c8a70-3d2e-4b19-9c55-7ad0e4b1f003\""],
            "{code}"
        );
    }
}

/// A GPU that is lost in the middle of its reading gives no half of one.
#[test]
fn a_gpu_lost_in_the_middle_gives_no_half_reading() {
    let mut rig = Rig::playing("*.utilization.gpu = 5\n*.utilization.memory = 5\n*.power = GPU_IS_LOST");
    let page = rig.read();
    assert_eq!(page.series("gpu0"), ["hw.status/ok", "hw.status/failed"]);
    assert_eq!(page.value("gpu0", "hw.status/failed"), Some(1.0));
}

/// A GPU that was lost before the agent started is told of as well, by its number.
#[test]
fn a_gpu_lost_from_the_start_is_failed() {
    let mut rig = Rig::playing(scripts::H100_ONE_LOST);
    let page = rig.read();
    assert_eq!(page.gpus(), ["gpu0", "gpu1", "gpu2", "gpu3"]);
    assert_eq!(page.value("gpu2", "hw.status/failed"), Some(1.0));
    assert_eq!(page.series("gpu2").len(), 2);
    let lost = page.points.iter().find(|point| point.gpu() == "gpu2").expect("is there");
    assert_eq!(lost.attributes["hw.id"], "gpu2");
    assert!(!lost.attributes.contains_key("hw.model"));
    assert_eq!(page.value("gpu3", "hw.power"), Some(498.21));
}

/// A GPU that may not be used (a container without its device) is left out, told once, and not tried
/// again.
#[test]
fn a_gpu_that_may_not_be_read_is_left_out() {
    for code in ["NO_PERMISSION", "OPERATING_SYSTEM"] {
        let mut rig = Rig::playing(&format!("devices = 2\njournal = on\n*.power = 1000\n1.handle = {code}"));
        for _ in 0..3 {
            assert_eq!(rig.read().gpus(), ["gpu0"], "{code}");
        }
        assert_eq!(rig.fake.count("handle 1"), 1, "{code}");
        assert_eq!(rig.log().iter().filter(|line| line.starts_with("WARN")).count(), 1, "{code}");
    }
}

/// A library that is not there is one line that names the reason; it is found when it appears.
#[test]
fn a_library_that_appears_late_is_found() {
    let mut rig = Rig::without_library(AT_ONCE);
    for _ in 0..3 {
        assert!(rig.read().points.is_empty());
    }
    let log = rig.log();
    let [line] = log.as_slice() else { panic!("{log:?}") };
    assert!(line.starts_with("INFO No GPU metrics for now; trying again later reason=\""), "{line}");
    assert!(line.contains("reason=\"the library cannot be loaded: "), "{line}");
    assert!(line.contains("No such file or directory"), "{line}");
    rig.fake.play(EIGHT_H200).expect("written");
    rig.fake.put_library(&[]).expect("written");
    assert_eq!(rig.read().gpus().len(), 8);
    assert_eq!(rig.log(), ["INFO Reading GPUs through NVML driver=\"580.159.03\" gpus=8"]);
}

/// Whatever `nvmlInit_v2` returns: no metrics, one line with the reason, and all is well when it works.
#[test]
fn every_failure_to_initialise_is_waited_out() {
    for code in fake_nvml::code_names().filter(|name| *name != "SUCCESS") {
        let mut rig = Rig::playing(&format!("init = {code}"));
        for _ in 0..3 {
            let page = rig.read();
            assert!(page.points.is_empty() && page.errors == 0, "{code}");
        }
        let log = rig.log();
        let [line] = log.as_slice() else { panic!("{code}: {log:?}") };
        assert!(line.starts_with("INFO No GPU metrics for now"), "{code}: {line}");
        assert!(line.contains("reason=\"nvmlInit_v2: "), "{code}: {line}");
        rig.fake.play(EIGHT_H200).expect("written");
        assert_eq!(rig.read().gpus().len(), 8, "{code}");
    }
}

/// Each further reason is told, the same one not again.
#[test]
fn a_new_reason_is_a_new_line() {
    let mut rig = Rig::playing("init = DRIVER_NOT_LOADED");
    let mut reasons = Vec::new();
    for script in ["init = DRIVER_NOT_LOADED", "init = UNKNOWN", "devices = 0", "count = UNKNOWN"] {
        rig.fake.play(script).expect("written");
        rig.read();
        rig.read();
        reasons.extend(rig.log());
    }
    let reason = |text: &str| format!("INFO No GPU metrics for now; trying again later reason=\"{text}\"");
    assert_eq!(
        reasons,
        [
            reason("nvmlInit_v2: NVIDIA driver is not loaded"),
            reason("nvmlInit_v2: an internal driver error occurred"),
            reason("the driver has no GPU"),
            reason("nvmlDeviceGetCount_v2: an internal driver error occurred"),
        ]
    );
}

/// A library that is something else is a reason like any other, and no crash.
#[test]
fn a_library_that_is_not_nvml_is_a_reason() {
    for function in ["nvmlInit_v2", "nvmlShutdown"] {
        let mut rig = Rig::playing(EIGHT_H200);
        rig.fake.put_library(&[function]).expect("written");
        assert!(rig.read().points.is_empty());
        let log = rig.log();
        assert!(log[0].contains("is not NVML: ") && log[0].contains(function), "{log:?}");
    }
}

/// When the driver is exchanged underneath, the old library is shut down and unloaded, and the one that
/// came with the new driver is read.
#[test]
fn a_driver_that_is_exchanged_is_read_anew() {
    for code in ["LIB_RM_VERSION_MISMATCH", "DRIVER_NOT_LOADED", "UNINITIALIZED"] {
        let mut rig = Rig::playing(&format!("{EIGHT_H200}\njournal = on"));
        // The old library cannot say what the power is.
        rig.fake.put_library(&["nvmlDeviceGetPowerUsage"]).expect("written");
        assert_eq!(rig.read().value("gpu0", "hw.power"), None);
        rig.log();

        rig.fake.play(&format!("{EIGHT_H200}\njournal = on\n*.* = {code}")).expect("written");
        let page = rig.read();
        assert!(page.points.is_empty() && page.errors == 0, "{code}: {page:?}");
        assert_eq!(rig.fake.count("shutdown"), 1, "{code}");
        let log = rig.log();
        assert!(matches!(log.as_slice(), [line] if line.contains("NVML stopped working: ")), "{log:?}");

        rig.fake.put_library(&[]).expect("written");
        rig.fake.play(&format!("{EIGHT_H200}\ndriver = 590.10.01\njournal = on")).expect("written");
        let page = rig.read();
        assert_eq!(page.value("gpu0", "hw.power"), Some(598.12), "{code}");
        assert!(page.points.iter().all(|point| point.attributes["hw.driver_version"] == "590.10.01"));
        assert_eq!(rig.log(), ["INFO Reading GPUs through NVML driver=\"590.10.01\" gpus=8"]);
    }
}

/// What was refused is asked again in a new session: a new driver may have it.
#[test]
fn a_new_session_forgets_what_was_refused() {
    let mut rig = Rig::playing("*.energy = 1\n*.power = NOT_SUPPORTED");
    assert_eq!(rig.read().value("gpu0", "hw.power"), None);
    rig.fake.play("*.* = LIB_RM_VERSION_MISMATCH").expect("written");
    rig.read();
    rig.fake.play("*.energy = 1\n*.power = 7000").expect("written");
    assert_eq!(rig.read().value("gpu0", "hw.power"), Some(7.0));
}

/// When nothing answers any more, a new session is tried, and meanwhile each GPU is told as failed under
/// the id it always had.
#[test]
fn a_silent_driver_is_started_anew() {
    let mut rig = Rig::playing(&format!("{EIGHT_H200}\njournal = on"));
    rig.read();
    rig.fake.play(&format!("{EIGHT_H200}\njournal = on\n*.* = UNKNOWN")).expect("written");
    for inits in 1..4 {
        let page = rig.read();
        assert_eq!(page.gpus().len(), 8);
        for point in &page.points {
            assert!(point.attributes["hw.id"].starts_with("GPU-5f1c8a70"), "{point:?}");
            assert_eq!(point.name, "hw.status");
        }
        assert_eq!(page.errors, 8);
        assert_eq!(rig.fake.count("init"), inits);
    }
    rig.fake.play(EIGHT_H200).expect("written");
    assert_eq!(rig.read().value("gpu0", "hw.status/ok"), Some(1.0));
}

/// While there is nothing to read, attempts get rarer.
#[test]
fn pauses_grow_to_the_longest() {
    let second = Duration::from_secs(1);
    let mut pause = Pause::new(Backoff { first: second, longest: 5 * second });
    let mut now = Instant::now();
    assert!(pause.is_over(now));
    for seconds in [1, 2, 4, 5, 5] {
        pause.begin(now);
        assert!(!pause.is_over(now + (seconds * second).mul_f64(0.999)), "{seconds}");
        now += seconds * second;
        assert!(pause.is_over(now), "{seconds}");
    }
}

/// During a pause the library is left alone.
#[test]
fn a_pause_is_kept() {
    let hour = Duration::from_hours(1);
    let mut rig = Rig::without_library(Backoff { first: hour, longest: hour });
    rig.read();
    rig.fake.play(EIGHT_H200).expect("written");
    rig.fake.put_library(&[]).expect("written");
    assert!(rig.read().points.is_empty());
}
