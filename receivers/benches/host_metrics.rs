//! What a reading of this machine costs, from the files to the batch, with allocations counted.
//!
//! `cargo bench -p spindle-receivers --bench host_metrics`. The time is that of the thread that reads; the
//! kernel, which writes the files, takes most of it. `sockets` and `processes` are apart, because they
//! depend on the size of the machine and not on what is read of them.
#![allow(clippy::panic, clippy::format_collect)]

use divan::{AllocProfiler, Bencher, black_box};
use spindle_pipeline::testing::config;
use spindle_receivers::host_metrics::HostMetrics;
use spindle_receivers::host_metrics::names::Publisher;
use spindle_receivers::host_metrics::source::{HostSource, Spare};
use spindle_receivers::support::scrape::Source;

#[global_allocator]
static ALLOCATOR: AllocProfiler = AllocProfiler::system();

/// All scrapers as they are by default.
const DEFAULTS: &str =
    "cpu: , disk: , filesystem: , load: , memory: , network: , paging: , processes: , system: ";

/// The same without what depends on the size of the machine.
const MOST: &str = "cpu: , disk: , filesystem: , load: , memory: , \
    network: {metrics: {system.network.connections: {enabled: false}}}, paging: , \
    processes: {metrics: {system.processes.count: {enabled: false}}}, system: ";

fn main() {
    divan::main();
}

struct Scraper {
    source: HostSource,
    spare: Spare,
    publisher: Publisher,
}

impl Scraper {
    fn new(root: &str, scrapers: &str) -> Self {
        let config = config::<HostMetrics>(&format!("{{root_path: '{root}', scrapers: {{{scrapers}}}}}"));
        let plan = config.plan();
        let settings = config.source("host_metrics", &plan).unwrap_or_else(|message| panic!("{message}"));
        let (source, spare) = HostSource::new(&settings);
        let mut scraper = Self { source, spare, publisher: Publisher::new(plan, config.options(), "1") };
        // Buffers grow and threads start in the first readings.
        (0..3).for_each(|_| scraper.read_and_publish());
        scraper
    }

    fn read_and_publish(&mut self) {
        let reading = self.source.read();
        black_box(self.publisher.publish(&reading));
        self.spare.put(reading);
    }
}

/// A reading of everything, and its batch.
#[divan::bench]
fn whole_default(bencher: Bencher<'_, '_>) {
    let mut scraper = Scraper::new("", DEFAULTS);
    bencher.bench_local(|| scraper.read_and_publish());
}

/// The same without sockets and processes.
#[divan::bench]
fn default_without_sockets_and_processes(bencher: Bencher<'_, '_>) {
    let mut scraper = Scraper::new("", MOST);
    bencher.bench_local(|| scraper.read_and_publish());
}

/// The batch of a reading that is there already.
#[divan::bench]
fn publish_only(bencher: Bencher<'_, '_>) {
    let mut scraper = Scraper::new("", DEFAULTS);
    let reading = scraper.source.read();
    bencher.bench_local(|| scraper.publisher.publish(black_box(&reading)));
}

/// One scraper at a time, and the two expensive metrics.
#[divan::bench(args = [
    "cpu: ",
    "disk: ",
    "filesystem: ",
    "load: ",
    "memory: ",
    "network: {metrics: {system.network.connections: {enabled: false}}}",
    "paging: ",
    "processes: {metrics: {system.processes.count: {enabled: false}}}",
    "system: ",
    "network: ",
    "processes: ",
])]
fn one_scraper(bencher: Bencher<'_, '_>, scraper: &str) {
    let mut scraper = Scraper::new("", scraper);
    bencher.bench_local(|| scraper.read_and_publish());
}

/// The CPUs of a machine with 192 of them, apart and together. The file is an ordinary one, so what the
/// kernel would take is not in it.
#[divan::bench(args = ["state", "cpu, state"])]
fn cpus_of_192(bencher: Bencher<'_, '_>, attributes: &str) {
    let root = tempfile::tempdir().unwrap_or_else(|error| panic!("{error}"));
    let line = " 1234567 890 456789 98765432 12345 0 6789 10 0 0\n";
    let cpus: String = (0..192).map(|cpu| format!("cpu{cpu}{line}")).collect();
    let proc = root.path().join("proc");
    std::fs::create_dir(&proc)
        .and_then(|()| std::fs::write(proc.join("stat"), format!("cpu {line}{cpus}btime 1790000000\n")))
        .unwrap_or_else(|error| panic!("{error}"));
    let metrics = format!("cpu: {{metrics: {{system.cpu.time: {{attributes: [{attributes}]}}}}}}");
    let mut scraper = Scraper::new(&root.path().display().to_string(), &metrics);
    bencher.bench_local(|| scraper.read_and_publish());
}
