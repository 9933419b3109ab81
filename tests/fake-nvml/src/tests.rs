//! The fake is a tool of other tests; these prove the tool, through the wrapper that they use.

use nvml_wrapper::Nvml;
use nvml_wrapper::enum_wrappers::device::TemperatureSensor;
use nvml_wrapper::enums::device::SampleValue;
use nvml_wrapper::error::NvmlError;
use nvml_wrapper::structs::device::FieldId;

use super::*;

fn load(fake: &Fake) -> Result<Nvml, NvmlError> {
    Nvml::builder().lib_path(fake.library().as_os_str()).init()
}

fn installed(script: &str) -> (tempfile::TempDir, Fake) {
    let folder = tempfile::tempdir().expect("a folder");
    let fake = Fake::install(folder.path(), script).expect("the library is built");
    (folder, fake)
}

/// Series, steps, codes and texts come out as the script says.
#[test]
fn plays_a_script() {
    let (_folder, fake) = installed(
        "devices = 2\n*.name = GPU {index}\n*.power = 100 200 NO_DATA 300\n1.energy = 5 +10\n*.uuid = NO_PERMISSION",
    );
    let nvml = load(&fake).expect("loads");
    assert_eq!(nvml.device_count().expect("a count"), 2);
    let (first, second) = (nvml.device_by_index(0).expect("one"), nvml.device_by_index(1).expect("two"));
    assert_eq!(second.name().expect("a name"), "GPU 1");
    let powers: Vec<Option<u32>> = (0..5).map(|_| first.power_usage().ok()).collect();
    assert_eq!(powers, [Some(100), Some(200), None, Some(300), Some(300)]);
    let energies: Vec<u64> = (0..3).map(|_| second.total_energy_consumption().expect("energy")).collect();
    assert_eq!(energies, [5, 15, 25]);
    assert!(matches!(first.uuid(), Err(NvmlError::NoPermission)));
    assert!(matches!(first.total_energy_consumption(), Err(NvmlError::NotSupported)));
    assert!(matches!(nvml.device_by_index(2), Err(NvmlError::InvalidArg)));
}

/// Values that are asked for by number come in one call, each with its own result and as wide as it is.
#[test]
fn plays_values_by_number() {
    let (_folder, fake) = installed(
        "*.pcie.transmitted = 4294967295 4294967296\n*.pcie.received = UNKNOWN 7\n*.temperature.memory = 71",
    );
    let nvml = load(&fake).expect("loads");
    let device = nvml.device_by_index(0).expect("a device");
    let read = || -> Vec<Result<SampleValue, NvmlError>> {
        let samples = device.field_values_for(&[FieldId(197), FieldId(198), FieldId(82), FieldId(1)]);
        samples.expect("answers").into_iter().map(|sample| sample?.value).collect()
    };
    let first = read();
    assert!(matches!(first[0], Ok(SampleValue::U32(u32::MAX))), "{first:?}");
    assert!(matches!(first[1], Err(NvmlError::Unknown)), "{first:?}");
    assert!(matches!(first[2], Ok(SampleValue::U32(71))), "{first:?}");
    assert!(matches!(first[3], Err(NvmlError::NotSupported)), "{first:?}");
    let second = read();
    assert!(matches!(second[0], Ok(SampleValue::U64(4_294_967_296))), "{second:?}");
    assert!(matches!(second[1], Ok(SampleValue::U32(7))), "{second:?}");
}

/// Copies of the library play their own scripts in one process.
#[test]
fn copies_share_nothing() {
    let (_one, hot) = installed("*.temperature.gpu = 90");
    let (_two, cold) = installed("*.temperature.gpu = 20");
    let read = |nvml: &Nvml| nvml.device_by_index(0)?.temperature(TemperatureSensor::Gpu);
    let (hot, cold) = (load(&hot).expect("loads"), load(&cold).expect("loads"));
    assert_eq!((read(&hot).expect("hot"), read(&cold).expect("cold")), (90, 20));
}

/// A script that takes the place of another is played from the next call on.
#[test]
fn a_new_script_is_played_at_once() {
    let (_folder, fake) = installed("*.power = 1");
    let nvml = load(&fake).expect("loads");
    let device = nvml.device_by_index(0).expect("a device");
    assert_eq!(device.power_usage().expect("power"), 1);
    fake.play("*.power = 2").expect("written");
    assert_eq!(device.power_usage().expect("power"), 2);
    fake.play("0.* = GPU_IS_LOST").expect("written");
    assert!(matches!(device.power_usage(), Err(NvmlError::GpuLost)));
}

/// A call that hangs comes back when the script lets it, and meanwhile holds up no other device.
#[test]
fn a_hanging_call_holds_up_only_itself() {
    let (_folder, fake) = installed("devices = 2\n*.power = 7\n0.power = HANG");
    let nvml = load(&fake).expect("loads");
    std::thread::scope(|scope| {
        let hanging = scope.spawn(|| nvml.device_by_index(0).and_then(|device| device.power_usage()));
        let other = nvml.device_by_index(1).expect("a device");
        assert_eq!(other.power_usage().expect("power"), 7);
        assert!(!hanging.is_finished());
        fake.play("devices = 2\n*.power = 8").expect("written");
        assert_eq!(hanging.join().expect("no panic").expect("power"), 8);
    });
}

/// Every return code of `nvmlInit_v2` arrives, and the library is not initialised then.
#[test]
fn init_returns_what_the_script_says() {
    for name in code_names().filter(|name| *name != "SUCCESS") {
        let (_folder, fake) = installed(&format!("init = {name}"));
        let error = load(&fake).expect_err("fails");
        assert_eq!(Some(u32::from(error)), code_named(name), "{name}");
    }
}

/// A function can be made to be missing, which is what an old driver looks like.
#[test]
fn functions_can_be_missing() {
    let (_folder, fake) = installed("*.power = 1\n*.energy = 2");
    fake.put_library(&["nvmlDeviceGetPowerUsage"]).expect("written");
    let nvml = load(&fake).expect("loads");
    let device = nvml.device_by_index(0).expect("a device");
    assert!(matches!(device.power_usage(), Err(NvmlError::FailedToLoadSymbol(_))));
    assert_eq!(device.total_energy_consumption().expect("energy"), 2);
    assert!(fake.put_library(&["nvmlNoSuchFunction"]).is_err());
}

/// The journal holds each call once, hanging ones too.
#[test]
fn calls_are_written_down() {
    let (_folder, fake) = installed("journal = on\n*.power = 1");
    let nvml = load(&fake).expect("loads");
    let _ = nvml.device_by_index(0).expect("a device").power_usage();
    drop(nvml);
    assert_eq!(fake.calls(), ["init", "driver", "handle 0", "power 0", "shutdown"]);
}

/// A script with a mistake is an error that names the line, not a machine with another behaviour.
#[test]
fn a_mistake_in_a_script_is_told() {
    let mistakes = [
        ("powr = 1", "line 1: powr = 1: no such name"),
        ("\n*.power = full", "line 2: *.power = full: no such answer"),
        ("x.power = 1", "line 1: x.power = 1: no such device"),
        ("*.power =", "line 1: *.power = : no answer"),
        ("devices = many", "line 1: devices = many: devices is a number"),
        ("power", "line 1: power: write name = answers"),
    ];
    for (text, message) in mistakes {
        assert_eq!(script::Script::parse(text).expect_err(text), message);
    }
    let (_folder, fake) = installed("powr = 1");
    assert!(matches!(load(&fake), Err(NvmlError::InvalidArg)));
}

/// The scripts that are there can be read.
#[test]
fn the_ready_made_scripts_are_right() {
    use scripts::{A100_MIG, A100_NO_ECC, EIGHT_H200, GEFORCE, H100_ONE_LOST};
    for (text, devices) in
        [(EIGHT_H200, 8), (H100_ONE_LOST, 4), (A100_NO_ECC, 1), (A100_MIG, 1), (GEFORCE, 1)]
    {
        let script = script::Script::parse(text).expect("a script");
        assert_eq!(script.answers.devices(), devices);
    }
}
