//! What a reading of eight GPUs costs, with allocations counted: `cargo bench -p spindle-receivers`.
//!
//! The library is the fake one, so that what is left of the driver's time is a lock and a table. Our own
//! part of a reading is `read` less `calls_alone`, which makes the same calls through the same wrapper
//! and throws the answers away; `publish` is all our own.

// A machine that cannot be set up ends the measurement.
#![allow(clippy::expect_used)]

use std::time::Duration;

use divan::{AllocProfiler, Bencher, black_box};
use fake_nvml::{Fake, scripts};
use nvml_wrapper::enum_wrappers::device::{Clock, EccCounter, MemoryError, TemperatureSensor};
use nvml_wrapper::structs::device::FieldId;
use nvml_wrapper::{Device, Nvml};
use spindle_receivers::gpu::nvml::{Backoff, Config, Selection, Source, SourceSettings, publisher};
use spindle_receivers::gpu::reading::Reading;
use spindle_receivers::support::scrape::Source as _;

#[global_allocator]
static ALLOCATOR: AllocProfiler = AllocProfiler::system();

fn main() {
    divan::main();
}

/// A machine, and the folder that it is in.
struct Machine {
    source: Source,
    fake: Fake,
    _folder: tempfile::TempDir,
}

fn machine() -> Machine {
    let folder = tempfile::tempdir().expect("a folder");
    let fake = Fake::install(folder.path(), scripts::EIGHT_H200).expect("the fake library is built");
    let source = Source::new(SourceSettings {
        id: "nvml".into(),
        library: Some(fake.library().into()),
        fields: publisher(&Config::default(), 1).fields(),
        selection: Selection::default(),
        backoff: Backoff { first: Duration::ZERO, longest: Duration::ZERO },
    });
    Machine { source, fake, _folder: folder }
}

fn reading() -> Reading {
    let reading = machine().source.read();
    assert_eq!(reading.gpus.len(), 8);
    reading
}

#[divan::bench]
fn read(bencher: Bencher<'_, '_>) {
    let mut machine = machine();
    // The first reading loads the library.
    machine.source.read();
    bencher.bench_local(|| machine.source.read());
}

#[divan::bench]
fn calls_alone(bencher: Bencher<'_, '_>) {
    let machine = machine();
    let nvml = Nvml::builder().lib_path(machine.fake.library().as_os_str()).init().expect("loads");
    bencher.bench_local(|| {
        for index in 0..8 {
            let device = nvml.device_by_index(index).expect("a device");
            make_calls(&device);
        }
    });
}

fn make_calls(device: &Device<'_>) {
    black_box(device.utilization_rates().ok());
    black_box(device.encoder_utilization().ok());
    black_box(device.decoder_utilization().ok());
    black_box(device.memory_info().ok());
    black_box(device.power_usage().ok());
    black_box(device.total_energy_consumption().ok());
    black_box(device.temperature(TemperatureSensor::Gpu).ok());
    black_box(device.field_values_for(&[FieldId(82)]).ok());
    for clock in [Clock::Graphics, Clock::SM, Clock::Memory, Clock::Video] {
        black_box(device.clock_info(clock).ok());
    }
    black_box(device.pcie_replay_counter().ok());
    black_box(device.current_pcie_link_gen().ok());
    black_box(device.current_pcie_link_width().ok());
    for kind in [MemoryError::Corrected, MemoryError::Uncorrected] {
        black_box(device.total_ecc_errors(kind, EccCounter::Volatile).ok());
    }
}

#[divan::bench]
fn publish(bencher: Bencher<'_, '_>) {
    let (reading, mut publisher) = (reading(), publisher(&Config::default(), 1));
    publisher.publish(&reading, 2);
    bencher.bench_local(|| publisher.publish(black_box(&reading), 3));
}
