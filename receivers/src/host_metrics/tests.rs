use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use spindle_pipeline::component::{Kind, Outputs, ReceiverContext, ReceiverFactory};
use spindle_pipeline::status::StatusBoard;
use spindle_pipeline::telemetry::Metric;
use spindle_pipeline::testing::sink::Sink;
use spindle_pipeline::testing::{config, config_with_problems, context, contract};
use spindle_pipeline::{Decoded, Signal};
use tokio_util::sync::CancellationToken;

use super::names::hostmetrics::TABLES;
use super::testing::{DEFAULTS, Host, assert_golden, log_of, metrics_of, points_of};
use super::{Config, HostMetrics};

/// Every metric of every scraper.
fn everything() -> String {
    let scrapers: Vec<String> = TABLES
        .iter()
        .map(|table| {
            let metrics: Vec<String> =
                table.rows.iter().map(|row| format!("{}: {{enabled: true}}", row.metric.name)).collect();
            format!("{}: {{metrics: {{{}}}}}", table.name, metrics.join(", "))
        })
        .collect();
    format!("{{{}}}", scrapers.join(", "))
}

/// A second later on the small host: each CPU has 100 ticks more.
fn let_a_second_pass(host: &Host) {
    host.replace("proc/stat", "cpu  1050 20 530 98000 140", "cpu  1090 20 540 98140 150");
    host.replace("proc/stat", "cpu0 500 12 260 49000", "cpu0 535 12 265 49060");
    host.replace("proc/stat", "cpu1 549 8 270 49000 50", "cpu1 554 8 275 49080 60");
}

/// Names, keys, a null body.
#[test]
fn keeps_the_contract() {
    contract::factory::<HostMetrics>();
}

/// Names, units, kinds, attributes and values of a small host, as the Collector has them by default.
#[test]
fn gives_the_default_metrics_of_a_small_host() {
    let text = Host::copy_of("vm").scraper(DEFAULTS).text();
    assert_golden("vm.default.txt", &text);
}

/// Every metric there is, in a second reading, which shares of time need.
#[test]
fn gives_every_metric_of_a_small_host() {
    let host = Host::copy_of("vm");
    let mut scraper = host.scraper(&everything());
    let first = scraper.text();
    assert!(points_of(&first, "system.cpu.utilization").is_empty(), "a share without a second reading");
    let_a_second_pass(&host);
    assert_golden("vm.everything.txt", &scraper.text());
    assert_eq!(scraper.errors, 0);
}

/// `metrics:` turns each metric on and off, and touches no other.
#[test]
fn each_metric_can_be_switched() {
    let host = Host::copy_of("vm");
    let all = host.scraper(&everything()).text();
    let names = TABLES.iter().flat_map(|table| table.rows);
    for row in names.filter(|row| row.metric.name != "system.cpu.utilization") {
        let table = TABLES.iter().find(|table| table.rows.iter().any(|other| std::ptr::eq(other, row)));
        let scraper = table.expect("a table").name;
        let only = |is_on: bool| {
            let text = format!("{{{scraper}: {{metrics: {{{}: {{enabled: {is_on}}}}}}}}}", row.metric.name);
            host.scraper(&text).text()
        };
        let (on, off) = (only(true), only(false));
        assert_eq!(points_of(&on, row.metric.name), points_of(&all, row.metric.name));
        assert!(!metrics_of(&off).contains(&row.metric.name), "{} is not off", row.metric.name);
        for other in metrics_of(&off) {
            assert_eq!(points_of(&off, other), points_of(&on, other), "{other} changed");
        }
    }
}

/// Attributes that are left out merge the points, by the strategy that is named or usual.
#[test]
fn attributes_can_be_left_out_and_asked_for() {
    let host = Host::copy_of("vm");
    for (scraper, metric, settings, points) in [
        (
            "network",
            "system.network.io",
            "attributes: [direction]",
            vec!["{direction=transmit} 1241567890", "{direction=receive} 8596934592"],
        ),
        (
            "network",
            "system.network.io",
            "attributes: [device], aggregation_strategy: max",
            vec!["{device=lo} 7000000", "{device=eth0} 8589934592"],
        ),
        ("network", "system.network.io", "attributes: [], aggregation_strategy: min", vec!["{} 7000000"]),
        ("network", "system.network.errors", "attributes: [], aggregation_strategy: avg", vec!["{} 1"]),
        ("disk", "system.disk.io_time", "attributes: [], aggregation_strategy: min", vec!["{} 48.8"]),
        (
            "disk",
            "system.disk.operation_time",
            "attributes: [device]",
            vec!["{device=vda} 117.536", "{device=vda1} 117.4"],
        ),
        // Both, in the order of the metric, whatever the order of the list.
        (
            "paging",
            "system.paging.operations",
            "attributes: [type, direction]",
            vec![
                "{direction=page_in, type=major} 10",
                "{direction=page_out, type=major} 24287",
                "{direction=page_in, type=minor} 150000",
                "{direction=page_out, type=minor} 250000",
            ],
        ),
        ("cpu", "system.cpu.time", "attributes: [cpu]", vec!["{cpu=cpu0} 498.78", "{cpu=cpu1} 499.01"]),
        ("cpu", "system.cpu.time", "attributes: [], aggregation_strategy: max", vec!["{} 490"]),
        ("cpu", "system.cpu.frequency", "enabled: true, attributes: []", vec!["{} 2848061000"]),
    ] {
        let mut scraper = host.scraper(&format!("{{{scraper}: {{metrics: {{{metric}: {{{settings}}}}}}}}}"));
        assert_eq!(scraper.points(metric), points, "{metric} with {settings}");
    }
}

/// The Collector told CPUs apart in v0.155 and does not in v0.158; naming the attribute still does it.
#[test]
fn cpus_are_told_apart_on_demand() {
    let metrics = "system.cpu.time: {attributes: [cpu, state]}, \
        system.cpu.utilization: {enabled: true, attributes: [cpu, state]}";
    let host = Host::copy_of("vm");
    let mut scraper = host.scraper(&format!("{{cpu: {{metrics: {{{metrics}}}}}}}"));
    let times = scraper.points("system.cpu.time");
    assert_eq!(times.len(), 16);
    assert_eq!((&*times[0], &*times[8]), ("{cpu=cpu0, state=user} 5", "{cpu=cpu1, state=user} 5.49"));
    let_a_second_pass(&host);
    let shares = scraper.points("system.cpu.utilization");
    assert_eq!(shares.len(), 16);
    assert_eq!((&*shares[0], &*shares[8]), ("{cpu=cpu0, state=user} 0.35", "{cpu=cpu1, state=user} 0.05"));
    assert_eq!(&*shares[12], "{cpu=cpu1, state=wait} 0.1");
}

/// `/proc/stat` of a machine with `cpus` CPUs; CPU n has spent n and some hundred ticks in each state.
fn large_stat(cpus: u64) -> String {
    let line = |name: String, ticks: [u64; 8]| {
        let ticks: Vec<String> = ticks.iter().map(u64::to_string).collect();
        format!("{name} {} 0 0\n", ticks.join(" "))
    };
    let of_cpu = |cpu: u64| std::array::from_fn(|state| cpu + 100 * state as u64);
    let sums = (0..cpus).fold([0; 8], |sums: [u64; 8], cpu| {
        let ticks: [u64; 8] = of_cpu(cpu);
        std::array::from_fn(|state| sums[state] + ticks[state])
    });
    let mut text = line("cpu ".to_owned(), sums);
    (0..cpus).for_each(|cpu| text += &line(format!("cpu{cpu}"), of_cpu(cpu)));
    // The interrupts of such a machine are one very long line.
    let interrupts = " 0".repeat(100_000);
    text + &format!(
        "intr 12345{interrupts}\nctxt 1\nbtime 1790000000\nprocesses 99\nprocs_running 7\nprocs_blocked 0\n"
    )
}

/// A large machine's values are right, together and apart, and a line longer than the buffer is read.
#[test]
fn reads_192_cpus() {
    let host = Host::copy_of("vm");
    host.write("proc/stat", large_stat(192));
    let together = host.scraper("{cpu: , processes: }").text();
    assert_eq!(points_of(&together, "system.cpu.logical.count"), ["{} 192"]);
    // 0 + 1 + ... + 191 ticks, and 192 times some hundred.
    assert_eq!(points_of(&together, "system.cpu.time")[0], "{state=user} 183.36");
    assert_eq!(points_of(&together, "system.cpu.time")[7], "{state=steal} 1527.36");
    assert_eq!(points_of(&together, "system.processes.created"), ["{} 99"]);
    let apart = "{cpu: {metrics: {system.cpu.time: {attributes: [cpu, state]}}}}";
    let points = host.scraper(apart).points("system.cpu.time");
    assert_eq!(points.len(), 192 * 8);
    assert_eq!(points[191 * 8 + 3], "{cpu=cpu191, state=idle} 4.91");
    // Added up one by one it is the same.
    let summed = "{cpu: {metrics: {system.cpu.time: {attributes: [state], aggregation_strategy: max}}}}";
    assert_eq!(host.scraper(summed).points("system.cpu.time")[0], "{state=user} 1.91");
}

/// What is missing or broken costs the metrics that need it, is counted, and touches no other.
#[test]
fn a_broken_file_keeps_nothing_else_from_being_read() {
    let whole = Host::copy_of("vm").scraper(DEFAULTS).text();
    for (file, lost) in [
        ("proc/stat", &["system.cpu.logical.count", "system.cpu.time", "system.processes.created"][..]),
        ("proc/meminfo", &["system.memory.usage"]),
        (
            "proc/loadavg",
            &["system.cpu.load_average.15m", "system.cpu.load_average.1m", "system.cpu.load_average.5m"],
        ),
        (
            "proc/net/dev",
            &[
                "system.network.dropped",
                "system.network.errors",
                "system.network.io",
                "system.network.packets",
            ],
        ),
        ("proc/net/tcp", &["system.network.connections"]),
        (
            "proc/diskstats",
            &[
                "system.disk.io",
                "system.disk.io_time",
                "system.disk.merged",
                "system.disk.operation_time",
                "system.disk.operations",
                "system.disk.pending_operations",
                "system.disk.weighted_io_time",
            ],
        ),
        ("proc/1/mountinfo", &["system.filesystem.inodes.usage", "system.filesystem.usage"]),
        ("proc/vmstat", &["system.paging.faults", "system.paging.operations"]),
        ("proc/uptime", &["system.uptime"]),
    ] {
        for is_there in [false, true] {
            let host = Host::copy_of("vm");
            // The start of the kernel is then asked of the system, which is another one.
            let is_stat = file == "proc/stat";
            if is_there {
                let keep = if is_stat { "btime 1790000000\n" } else { "" };
                host.write(
                    file,
                    format!("{keep}p 1 : x\ncpu x\np q : r s t u v w x y z\nMemTotal: x\npgfault\n"),
                );
            } else if is_stat {
                host.write(file, "btime 1790000000\ncpu 1 2 3\n");
            } else {
                host.remove(file);
            }
            let mut scraper = host.scraper(DEFAULTS);
            let text = scraper.text();
            assert!(scraper.errors > 0, "{file} is no error");
            let left: Vec<&str> =
                metrics_of(&whole).into_iter().filter(|name| !lost.contains(name)).collect();
            assert_eq!(metrics_of(&text), left, "{file}, there: {is_there}");
            for metric in left.iter().filter(|name| !is_stat || !name.starts_with("system.processes")) {
                assert_eq!(points_of(&text, metric), points_of(&whole, metric), "{file} changed {metric}");
            }
        }
    }
}

/// One bad line costs what it says, not what its neighbours say.
#[test]
fn a_broken_line_costs_only_itself() {
    let host = Host::copy_of("vm");
    host.replace("proc/stat", "cpu1 549", "cpu1 x549");
    host.replace("proc/net/dev", "eth0: 8589934592", "eth0: 8589934592x");
    host.replace("proc/diskstats", " 254       0 vda 15000", " 254       0 vda 15000 99999999999999999999");
    host.replace("proc/meminfo", "Buffers:          200000", "Buffers:          -1");
    let mut scraper = host.scraper("{cpu: , network: , disk: , memory: }");
    let text = scraper.text();
    assert_eq!(scraper.errors, 4);
    assert_eq!(points_of(&text, "system.cpu.logical.count"), ["{} 1"]);
    assert_eq!(points_of(&text, "system.cpu.time").len(), 8);
    assert_eq!(points_of(&text, "system.network.io").len(), 2);
    assert_eq!(points_of(&text, "system.disk.operations").len(), 2);
    assert!(!text.contains("state=buffered"));
    assert_eq!(points_of(&text, "system.memory.usage").len(), 5);
}

/// A file that comes back is read again.
#[test]
fn what_comes_back_is_read_again() {
    let host = Host::copy_of("vm");
    let text = host.read("proc/loadavg");
    host.remove("proc/loadavg");
    let mut scraper = host.scraper("{load: }");
    assert!(scraper.batch().is_none());
    assert_eq!(scraper.errors, 1);
    host.write("proc/loadavg", text);
    assert_eq!(scraper.points("system.cpu.load_average.1m"), ["{} 0.52"]);
    assert_eq!(scraper.errors, 0);
}

/// The log hears of a failure once, with the file and the reason, and once of the recovery.
#[test]
fn the_log_hears_of_each_failure_once() {
    let host = Host::copy_of("vm");
    let (text, path) = (host.read("proc/loadavg"), host.path().join("proc/loadavg"));
    let mut scraper = host.scraper("{load: }");
    let log = log_of(|| {
        host.remove("proc/loadavg");
        (0..3).for_each(|_| drop(scraper.batch()));
        host.write("proc/loadavg", "what is this");
        (0..3).for_each(|_| drop(scraper.batch()));
        host.write("proc/loadavg", &text);
        (0..3).for_each(|_| drop(scraper.batch()));
    });
    let subject = format!("receiver=\"host_metrics\" subject=\"{}\"", path.display());
    assert_eq!(
        log,
        [
            format!(
                "WARN message=cannot be read; its metrics are left out {subject} error=No such file or directory (os error 2)"
            ),
            format!("INFO message=can be read again {subject}"),
        ]
    );
}

/// What the host does not have is no series, and no error; it is never 0.
#[test]
fn an_absent_value_is_an_absent_series() {
    for (file, part, by, metric, points) in [
        // A kernel before 2.6.11 has no steal.
        (
            "proc/stat",
            "cpu  1050 20 530 98000 140 0 33 7 5 0",
            "cpu  1050 20 530 98000 140 0 33",
            "system.cpu.time",
            7,
        ),
        // One before 3.14 does not say what is available.
        ("proc/meminfo", "MemAvailable:", "MemUnknown:", "system.linux.memory.available", 0),
        ("proc/meminfo", "MemFree:", "MemUnknown:", "system.memory.usage", 5),
        ("proc/meminfo", "MemTotal:", "MemUnknown:", "system.memory.utilization", 0),
        (
            "proc/meminfo",
            "HugePages_Total:      64",
            "HugePages_Total:      0",
            "system.memory.linux.hugepages.utilization",
            0,
        ),
        ("proc/meminfo", "HugePages_", "Nothing", "system.memory.linux.hugepages.usage", 0),
        ("proc/vmstat", "pgfault", "pgother", "system.paging.faults", 1),
        ("proc/vmstat", "pswp", "other", "system.paging.operations", 2),
        ("proc/swaps", "2097148\t\t97148", "0\t\t0", "system.paging.utilization", 2),
        ("proc/stat", "processes", "others", "system.processes.created", 0),
        // No clock is known to a virtual machine of ARM.
        ("proc/cpuinfo", "cpu MHz", "BogoMIPS", "system.cpu.frequency", 0),
    ] {
        let host = Host::copy_of("vm");
        host.replace(file, part, by);
        let mut scraper = host.scraper(&everything());
        assert_eq!(scraper.points(metric).len(), points, "{metric} without {part}");
        assert_eq!(scraper.errors, 0, "{metric} without {part}");
    }
    for (file, metric, points) in
        [("proc/swaps", "system.paging.usage", 0), ("proc/net/tcp6", "system.network.connections", 11)]
    {
        let host = Host::copy_of("vm");
        host.remove(file);
        let mut scraper = host.scraper(DEFAULTS);
        assert_eq!((scraper.points(metric).len(), scraper.errors), (points, 0), "without {file}");
    }
}

/// Before Linux 3.14 what is used is what is neither free nor a buffer nor cached.
#[test]
fn used_memory_is_computed_without_an_estimate_of_the_kernel() {
    let host = Host::copy_of("vm");
    host.replace("proc/meminfo", "MemAvailable:", "MemUnknown:");
    let used = (8_000_000 - 3_000_000 - 200_000 - 3_400_000u64) * 1024;
    assert_eq!(host.scraper("{memory: }").points("system.memory.usage")[0], format!("{{state=used}} {used}"));
}

/// A small step back of a CPU's counter is held back: a consumer would take it for a restart and count
/// everything since the boot again. A large one is a restart. Shares of time stay shares.
#[test]
fn cpu_counters_that_step_back_stand_still() {
    let host = Host::copy_of("vm");
    let metrics = "{cpu: {metrics: {system.cpu.utilization: {enabled: true}}}}";
    let mut scraper = host.scraper(metrics);
    let idle = |scraper: &mut super::testing::Scraper| {
        let text = scraper.text();
        let shares = points_of(&text, "system.cpu.utilization");
        for share in &shares {
            let share: f64 = share.rsplit(' ').next().expect("a value").parse().expect("a number");
            assert!((0.0..=1.0).contains(&share), "{shares:?}");
        }
        points_of(&text, "system.cpu.time")[3].clone()
    };
    assert_eq!(idle(&mut scraper), "{state=idle} 980");
    host.replace("proc/stat", "cpu  1050 20 530 98000", "cpu  1060 20 530 97990");
    assert_eq!(idle(&mut scraper), "{state=idle} 980");
    host.replace("proc/stat", "cpu  1060 20 530 97990", "cpu  1070 20 530 98005");
    assert_eq!(idle(&mut scraper), "{state=idle} 980.05");
    host.replace("proc/stat", "cpu  1070 20 530 98005", "cpu  1080 20 530 4000");
    assert_eq!(idle(&mut scraper), "{state=idle} 40");
}

/// Counters of devices are passed on as they are, also when they wrapped (times of disks are 32 bits of
/// milliseconds) or the device was made anew; the largest there can be do not overflow.
#[test]
fn counters_of_devices_are_passed_on() {
    let host = Host::copy_of("vm");
    host.replace("proc/diskstats", " 7420 48000", " 4294967295 48000");
    let mut scraper = host.scraper("{disk: , network: }");
    assert_eq!(scraper.points("system.disk.operation_time")[0], "{device=vda, direction=read} 4294967.295");
    host.replace("proc/diskstats", " 4294967295 48000", " 12 48000");
    host.replace("proc/net/dev", "8589934592", "18446744073709551615");
    let text = scraper.text();
    assert_eq!(points_of(&text, "system.disk.operation_time")[0], "{device=vda, direction=read} 0.012");
    // OTLP has no unsigned integers: past 63 bits it is a double.
    assert_eq!(
        points_of(&text, "system.network.io")[3],
        "{device=eth0, direction=receive} 18446744073709552000"
    );
    host.replace("proc/diskstats", " 1200000 ", " 18446744073709551615 ");
    // More bytes than 64 bits can say are not available.
    assert_eq!(scraper.points("system.disk.io")[0], "{device=vda, direction=write} 1024000000");
    assert_eq!(scraper.errors, 0);
}

/// CPUs, interfaces and disks may come and go between readings; a CPU that comes has no share yet.
#[test]
fn devices_may_come_and_go() {
    let host = Host::copy_of("vm");
    let metrics =
        "{cpu: {metrics: {system.cpu.utilization: {enabled: true, attributes: [cpu, state]}}}, network: }";
    let mut scraper = host.scraper(metrics);
    scraper.text();
    let line = "cpu0 500 12 260 49000 90 0 13 3 2 0\n";
    host.replace("proc/stat", line, "");
    host.replace("proc/stat", "cpu1 549", "cpu1 559");
    host.replace("proc/net/dev", "eth0", "wlan0");
    let text = scraper.text();
    assert_eq!(points_of(&text, "system.cpu.logical.count"), ["{} 1"]);
    assert_eq!(points_of(&text, "system.cpu.utilization")[0], "{cpu=cpu1, state=user} 1");
    assert!(text.contains("device=wlan0") && !text.contains("eth0"));
    host.replace("proc/stat", "cpu1 559", &format!("{line}cpu1 569"));
    let text = scraper.text();
    assert_eq!(points_of(&text, "system.cpu.logical.count"), ["{} 2"]);
    let shares = points_of(&text, "system.cpu.utilization");
    assert!(shares.len() == 8 && shares.iter().all(|share| share.starts_with("{cpu=cpu1")), "{shares:?}");
}

/// Devices, interfaces and mounts pass filters of names and of patterns; both lists count.
#[test]
fn filters_let_names_and_patterns_pass() {
    let host = Host::copy_of("vm");
    for (scraper, metric, settings, devices) in [
        ("disk", "system.disk.io_time", "include: {devices: [vda1], match_type: strict}", vec!["vda1"]),
        ("disk", "system.disk.io_time", "exclude: {devices: ['^vda[0-9]'], match_type: regexp}", vec!["vda"]),
        (
            "disk",
            "system.disk.io_time",
            "include: {devices: [da], match_type: regexp}, exclude: {devices: [vda], match_type: strict}",
            vec!["vda1"],
        ),
        // Patterns are Go's.
        (
            "disk",
            "system.disk.io_time",
            "include: {devices: ['\\Qvda\\E\\d'], match_type: regexp}",
            vec!["vda1"],
        ),
        ("network", "system.network.io", "exclude: {interfaces: [lo], match_type: strict}", vec!["eth0"]),
        ("network", "system.network.io", "include: {interfaces: [nothing], match_type: strict}", vec![]),
        (
            "filesystem",
            "system.filesystem.usage",
            "include_fs_types: {fs_types: [ext.], match_type: regexp}",
            vec!["/dev/vda1"],
        ),
        (
            "filesystem",
            "system.filesystem.usage",
            "exclude_mount_points: {mount_points: [/], match_type: strict}",
            vec!["/dev/vda15"],
        ),
        (
            "filesystem",
            "system.filesystem.usage",
            "include_devices: {devices: [/dev/vda15], match_type: strict}",
            vec!["/dev/vda15"],
        ),
        (
            "filesystem",
            "system.filesystem.usage",
            "exclude_devices: {devices: [/dev/.*], match_type: regexp}",
            vec![],
        ),
    ] {
        let only = format!("metrics: {{{metric}: {{enabled: true, attributes: [device]}}}}");
        let points = host.scraper(&format!("{{{scraper}: {{{only}, {settings}}}}}")).points(metric);
        let expected: Vec<String> = devices.iter().map(|device| format!("{{device={device}}}")).collect();
        let found: Vec<&str> = points.iter().filter_map(|point| point.split(' ').next()).collect();
        assert_eq!(found, expected, "{scraper} with {settings}");
    }
}

/// `cpu_average` divides by the CPUs of the host.
#[test]
fn load_can_be_divided_by_the_cpus() {
    let text = Host::copy_of("vm").scraper("{load: {cpu_average: true}}").text();
    assert_eq!(points_of(&text, "system.cpu.load_average.1m"), ["{} 0.26"]);
    assert_eq!(points_of(&text, "system.cpu.load_average.15m"), ["{} 0.055"]);
}

/// Where the topology is missing, the clocks come from `cpufreq`, and cores are counted by siblings of
/// the older name.
#[test]
fn older_and_other_places_are_looked_at() {
    let host = Host::copy_of("vm");
    host.replace("proc/cpuinfo", "cpu MHz", "BogoMIPS");
    for (cpu, kilohertz, siblings) in [(0, "1800000\n", "0\n"), (1, "2000000\n", "1\n")] {
        let folder = format!("sys/devices/system/cpu/cpu{cpu}");
        host.write(&format!("{folder}/cpufreq/scaling_cur_freq"), kilohertz);
        host.remove(&format!("{folder}/topology/core_cpus_list"));
        host.write(&format!("{folder}/topology/thread_siblings_list"), siblings);
    }
    let mut scraper = host.scraper(&everything());
    let text = scraper.text();
    let clocks = points_of(&text, "system.cpu.frequency");
    assert_eq!(clocks, ["{cpu=cpu0} 1800000000", "{cpu=cpu1} 2000000000"]);
    assert_eq!(points_of(&text, "system.cpu.physical.count"), ["{} 2"]);
}

/// Every problem of a configuration is told at once, in the Collector's words where it has some.
#[test]
fn says_what_cannot_be() {
    for (yaml, problems) in [
        ("{}", vec!["scrapers: must specify at least one scraper when using host_metrics receiver"]),
        (
            "{scrapers: {}}",
            vec!["scrapers: must specify at least one scraper when using host_metrics receiver"],
        ),
        (
            "{scrapers: {cpu: {enabled: false}}}",
            vec!["scrapers: must specify at least one scraper when using host_metrics receiver"],
        ),
        (
            "{collection_interval: 0s, root_path: /no/such, scrapers: {cpu: }}",
            vec![
                "collection_interval: \"collection_interval\": requires positive value",
                "root_path: invalid root_path: stat /no/such: No such file or directory (os error 2)",
            ],
        ),
        ("{scrapers: {cpus: , load: }}", vec!["scrapers: has invalid keys: cpus"]),
        (
            "{scrapers: {process: {mute_process_all_errors: true}, nfs: , hardware: , cpu: }}",
            vec![
                "scrapers::process: the scraper `process` is not built yet",
                "scrapers::nfs: the scraper `nfs` is not built yet",
                "scrapers::hardware: the scraper `hardware` is not built yet",
            ],
        ),
        (
            "{scrapers: {uptime: }}",
            vec!["scrapers::uptime: \"uptime\" alias is deprecated; use \"system\" instead"],
        ),
        (
            "{scrapers: {cpu: {metrics: {system.cpu.tme: {enabled: true}}}}}",
            vec!["scrapers::cpu::metrics: has invalid keys: system.cpu.tme"],
        ),
        (
            "{scrapers: {cpu: {metrics: {system.cpu.time: {attributes: [core], aggregation_strategy: mean}}}}}",
            vec![
                "scrapers::cpu::metrics::system.cpu.time::attributes: metric system.cpu.time doesn't have an attribute core, valid attributes: [cpu, state]",
                "scrapers::cpu::metrics::system.cpu.time::aggregation_strategy: invalid aggregation strategy \"mean\", valid strategies: [sum, avg, min, max]",
            ],
        ),
        (
            "{scrapers: {cpu: {metrics: {system.cpu.logical.count: {attributes: []}}}}}",
            vec!["scrapers::cpu::metrics::system.cpu.logical.count: has invalid keys: attributes"],
        ),
        (
            "{scrapers: {load: {metrics: {system.cpu.load_average.1m: {enabled: maybe}}}}}",
            vec![
                "scrapers::load::metrics::system.cpu.load_average.1m::enabled: expected a boolean (true or false), found a string",
            ],
        ),
        (
            "{scrapers: {disk: {include: {devices: [sda]}}}}",
            vec![
                "scrapers::disk::include::match_type: unrecognized match_type: '', valid types are: [regexp strict]",
            ],
        ),
        (
            "{scrapers: {network: {exclude: {interfaces: ['veth('], match_type: regexp}}}}",
            vec!["scrapers::network::exclude::interfaces: error parsing regexp: unclosed group: `veth(`"],
        ),
        (
            "{scrapers: {filesystem: {exclude_fs_types: {devices: [a], match_type: strict}}}}",
            vec!["scrapers::filesystem::exclude_fs_types: has invalid keys: devices"],
        ),
        (
            "{scrapers: {filesystem: {include_mount_points: {mount_points: [/], match_type: exact}}}}",
            vec![
                "scrapers::filesystem::include_mount_points::match_type: unrecognized match_type: 'exact', valid types are: [regexp strict]",
            ],
        ),
        // An empty list is no filter, so nothing need be said of how it compares.
        ("{scrapers: {disk: {include: {devices: []}, exclude: {regexp: {cacheenabled: true}}}}}", vec![]),
        ("{metadata_collection_interval: 10m, timeout: 5s, initial_delay: 0s, scrapers: {system: }}", vec![]),
    ] {
        assert_eq!(config_with_problems::<HostMetrics>(yaml).1, problems, "{yaml}");
    }
}

/// A metric that does not exist is told with the one that was probably meant, where it stands.
#[test]
fn an_unknown_metric_is_told_with_the_nearest() {
    let text = "scrapers:\n  memory:\n    metrics:\n      system.memory.utilisation: {enabled: true}\n";
    let mut texts = spindle_config::SourceMap::default();
    let mut problems = spindle_config::Diagnostics::default();
    let source = texts.add("test.yaml", text);
    let node = spindle_config::tree::parse(source, &texts, &mut problems).expect("YAML");
    let config: Option<Config> = spindle_config::decode(&node, "", &mut problems);
    assert!(config.is_some());
    let problem = problems.iter().next().expect("a problem");
    assert_eq!(problem.message, "has invalid keys: system.memory.utilisation");
    assert_eq!(problem.help, ["did you mean `system.memory.utilization`?"]);
    assert_eq!(problem.origin.map(|origin| (origin.line, origin.column)), Some((4, 7)));
}

/// The old name of a scraper is the scraper.
#[test]
fn uptime_is_system() {
    let (config, _) = config_with_problems::<HostMetrics>("{scrapers: {uptime: }}");
    assert_eq!(config.plan().needs().count(), 1);
}

/// The receiver reads on its clock, hands batches to the pipeline, counts, and ends with the drain.
#[tokio::test]
async fn runs_in_a_pipeline() {
    let host = Host::copy_of("vm");
    host.remove("proc/loadavg");
    let yaml = format!(
        "{{collection_interval: 5ms, initial_delay: 0s, root_path: '{}', scrapers: {{memory: , load: }}}}",
        host.path().display()
    );
    let context = context("host_metrics");
    let receiver = HostMetrics::build(config::<HostMetrics>(&yaml), &context).expect("built");
    let (sink, drain) = (Sink::new(), CancellationToken::new());
    let running = tokio::spawn(receiver.run(ReceiverContext {
        outputs: Outputs::none().with(Signal::Metrics, sink.clone()),
        drain: drain.clone(),
        status: StatusBoard::default().handle(Kind::Receiver, "host_metrics", &[]),
    }));
    // Six states of memory; the load is missing.
    sink.wait_for_items(18).await;
    drain.cancel();
    running.await.expect("ends").expect("without an error");
    let labels = || vec![("receiver".into(), "host_metrics".into())];
    assert!(context.telemetry.counter(Metric::ScraperScrapedMetricPoints, labels()).get() >= 18);
    assert!(context.telemetry.counter(Metric::ScraperErroredMetricPoints, labels()).get() >= 3);
}

/// Without a pipeline that takes metrics there is nothing to read for.
#[tokio::test]
async fn waits_for_the_drain_when_nobody_takes_metrics() {
    let receiver = HostMetrics::build(config::<HostMetrics>("{scrapers: {cpu: }}"), &context("host_metrics"));
    let drain = CancellationToken::new();
    let running = receiver.expect("built").run(ReceiverContext {
        outputs: Outputs::none(),
        drain: drain.clone(),
        status: StatusBoard::default().handle(Kind::Receiver, "host_metrics", &[]),
    });
    drain.cancel();
    let ended = tokio::time::timeout(Duration::from_secs(10), running).await.expect("ends");
    ended.expect("without an error");
}

/// On this machine the values are those that an independent reader finds.
#[test]
fn agrees_with_another_reader_of_this_machine() {
    let yaml = format!("{{scrapers: {}}}", everything());
    let config = config::<HostMetrics>(&yaml);
    let plan = config.plan();
    let settings = config.source("host_metrics", &plan).expect("filters that can be");
    let (mut source, _spare) = super::source::HostSource::new(&settings);
    let reading = crate::support::scrape::Source::read(&mut source);
    let batch = super::names::Publisher::new(plan, config.options(), "1").publish(&reading).expect("values");
    assert!(matches!(&*batch.decoded(), Decoded::Metrics(_)));

    let mut system = sysinfo::System::new().expect("a system");
    system.refresh_memory();
    assert_eq!(reading.memory.total.map(|total| total * 1024), Some(system.total_memory()));
    system.refresh_cpu_list(sysinfo::CpuRefreshKind::nothing());
    assert_eq!(reading.cpus.len(), system.cpus().len());
    let boot = sysinfo::System::boot_time().expect("a boot");
    assert_eq!(reading.boot, Some(boot * 1_000_000_000));
    let uptime = sysinfo::System::uptime().expect("an uptime") as f64;
    assert!((reading.uptime.expect("an uptime") - uptime).abs() < 3.0);
    // Each CPU is always in one state. Ticks that a hypervisor took before it said so are missing.
    let ticks: u64 = reading.all_cpus.expect("CPUs").ticks.iter().flatten().sum();
    let whole = uptime * reading.ticks_per_second as f64 * reading.cpus.len() as f64;
    assert!(ticks as f64 > 0.5 * whole && (ticks as f64) < 1.05 * whole, "{ticks} of {whole}");
    let root = rustix::fs::statvfs("/").expect("a root");
    let ours = reading.filesystems.iter().find(|mount| mount.mount_point == "/");
    if let Some(usage) = ours.and_then(|mount| mount.usage) {
        assert_eq!((usage.blocks, usage.block_size), (root.f_blocks, root.f_frsize));
    }
    assert!(reading.processes.expect("processes").iter().sum::<u64>() > 0);
}

/// Parts of the files of a host, to be damaged.
const FILES: [&str; 13] = [
    "proc/stat",
    "proc/meminfo",
    "proc/loadavg",
    "proc/uptime",
    "proc/net/dev",
    "proc/net/tcp",
    "proc/diskstats",
    "proc/swaps",
    "proc/vmstat",
    "proc/filesystems",
    "proc/1/mountinfo",
    "proc/cpuinfo",
    "proc/300/stat",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever the files hold, a reading ends, without a panic, in a request that is well formed.
    #[test]
    fn survives_any_damage(file in 0..FILES.len(), seed in any::<u64>(), twice in any::<bool>()) {
        let host = Host::copy_of("vm");
        let mut scraper = host.scraper(&everything());
        if twice {
            scraper.batch();
        }
        let whole = host.read(FILES[file]);
        // The start is checked elsewhere; here it may be any.
        host.write(FILES[file], spindle_pipeline::testing::arbitrary::damage(whole.as_bytes(), seed));
        scraper.batch();
        scraper.batch();
    }
}

/// What a filter excludes is not touched: excluding a mount is how a user keeps an agent away from it.
#[test]
fn mounts_that_do_not_count_are_not_asked() {
    let asked = Arc::new(std::sync::Mutex::new(Vec::new()));
    let seen = Arc::clone(&asked);
    let ask = move |path: &[u8]| {
        seen.lock().expect("not poisoned").push(String::from_utf8_lossy(path).into_owned());
        super::testing::usage(path)
    };
    let host = Host::copy_of("vm");
    let settings = "{filesystem: {exclude_fs_types: {fs_types: [vfat], match_type: strict}}}";
    host.scraper_asking(settings, Arc::new(ask), Duration::from_secs(10)).text();
    assert_eq!(*asked.lock().expect("not poisoned"), [format!("{}/", host.path().display())]);
}
