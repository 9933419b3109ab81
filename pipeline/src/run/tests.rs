use super::*;
use crate::batch::Batch;
use crate::otlp::view::{resource_attributes, resource_groups};
use crate::signal::Signal;
use crate::testing::spans;

fn run(id: &str, is_overriding: bool) -> Runs {
    Runs::of_this_process(Some(Arc::new(Run {
        label: "container_run".to_owned(),
        id: id.to_owned(),
        is_overriding,
    })))
}

fn labels(batch: &Batch) -> Vec<String> {
    let bytes = batch.bytes();
    resource_groups(&bytes)
        .flat_map(resource_attributes)
        .filter(|attribute| attribute.key == "container_run")
        .filter_map(|attribute| attribute.value.as_str().map(str::to_owned))
        .collect()
}

/// The label is on every resource once, and a second agent on the way does not replace the first one's.
#[test]
fn stamps_once_and_keeps_what_the_client_set() {
    let batch = Batch::receive(Signal::Traces, spans::request(3)).expect("well formed");
    let first = Stamp::new(run("r1", false)).expect("a run").apply(batch);
    assert_eq!(labels(&first), ["r1"]);
    let second = Stamp::new(run("r2", false)).expect("a run").apply(first.clone());
    assert_eq!(labels(&second), ["r1"]);
    let overridden = Stamp::new(run("r2", true)).expect("a run").apply(first);
    assert_eq!(labels(&overridden), ["r2"]);
    assert_eq!(overridden.items(), 3);
}

/// A client cannot make us write a label for each of ten million groups in which there is nothing.
#[test]
fn groups_without_items_stay_as_they_are() {
    let empty: [&[u8]; 2] = [&[0x0a, 0], &[0x0a, 2, 0x12, 0]];
    let mut request = spans::request(1).to_vec();
    let length = request.len();
    request.extend(empty.concat().repeat(1000));
    let batch = Batch::receive(Signal::Traces, request.clone().into()).expect("well formed");
    let stamped = Stamp::new(run("r1", false)).expect("a run").apply(batch);
    assert_eq!(labels(&stamped), ["r1"]);
    assert!(stamped.bytes().ends_with(&request[length..]));
}

/// A Collector's configuration gives the Collector's output: without a run nothing is touched.
#[test]
fn without_a_run_there_is_no_stamp() {
    assert!(Stamp::new(Runs::default()).is_none());
}

/// Other tools of the field sort and parse these ids.
#[test]
fn generated_ids_have_the_documented_form() {
    let id = generate_id();
    let rest = id.strip_prefix("container-run-").expect("prefix");
    let (time, hex) = rest.split_once('-').expect("two parts");
    assert_eq!((time.len(), &time[8..9], &time[15..]), (16, "T", "Z"));
    assert_eq!(hex.len(), 8);
    assert!(hex.bytes().all(|byte| byte.is_ascii_hexdigit()));
}
