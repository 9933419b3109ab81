use super::*;

const S: u64 = 1_000_000_000;

fn interval(start: u64, time: u64, content: u64) -> Interval {
    Interval { start: start * S, time: time * S, content }
}

fn add(totals: &mut Totals, stream: u128, start: u64, time: u64, value: i64) -> Result<f64, Reason> {
    totals.number(stream, interval(start, time, value as u64), Number::Int(value))
}

/// Deltas add up over gaps, and streams do not mix.
#[test]
fn deltas_add_up() {
    let mut totals = Totals::default();
    assert_eq!(add(&mut totals, 1, 0, 10, 5), Ok(5.0));
    assert_eq!(add(&mut totals, 1, 10, 20, 7), Ok(12.0));
    assert_eq!(add(&mut totals, 2, 10, 20, 1), Ok(1.0));
    assert_eq!(add(&mut totals, 1, 50, 60, 0), Ok(12.0));
    assert_eq!(add(&mut totals, 1, 60, 70, -2), Ok(10.0));
}

/// What a client sends again because it got no answer is counted once; anything else that is not newer is
/// refused, and changes nothing.
#[test]
fn only_what_is_newer_is_added() {
    let mut totals = Totals::default();
    assert_eq!(add(&mut totals, 1, 10, 20, 5), Ok(5.0));
    assert_eq!(add(&mut totals, 1, 10, 20, 5), Ok(5.0), "the same again");
    assert_eq!(add(&mut totals, 1, 10, 20, 6), Err(Reason::Duplicate));
    assert_eq!(add(&mut totals, 1, 12, 20, 5), Err(Reason::Duplicate));
    assert_eq!(add(&mut totals, 1, 10, 19, 5), Err(Reason::OutOfOrder));
    assert_eq!(add(&mut totals, 1, 5, 30, 5), Err(Reason::OutOfOrder), "older than the stream");
    assert_eq!(add(&mut totals, 1, 0, 30, 1), Ok(6.0), "a start that is not set says nothing");
    assert_eq!(add(&mut totals, 1, 10, 20, 5), Err(Reason::OutOfOrder), "no longer the last");
}

/// Whole numbers stay exact beyond what doubles can hold, and do not overflow.
#[test]
fn whole_numbers_are_added_exactly() {
    let mut totals = Totals::default();
    let large = (1i64 << 53) + 1;
    assert_eq!(add(&mut totals, 1, 0, 1, large), Ok(large as f64));
    assert_eq!(add(&mut totals, 1, 1, 2, 1), Ok((large + 1) as f64));
    assert_eq!(add(&mut totals, 1, 2, 3, i64::MAX), Ok(large as f64 + 1.0 + i64::MAX as f64));
    assert_eq!(totals.number(1, interval(3, 4, 0), Number::Double(0.5)).map(|total| total > 0.0), Ok(true));
}

/// A single NaN would make a counter NaN for ever.
#[test]
fn what_is_no_finite_number_is_not_added() {
    let mut totals = Totals::default();
    for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        assert_eq!(totals.number(1, interval(0, 1, 0), Number::Double(value)), Err(Reason::NoValue));
    }
    assert_eq!(totals.number(1, interval(0, 1, 0), Number::Double(1.5)), Ok(1.5));
}

fn histogram(
    totals: &mut Totals,
    time: u64,
    sum: Option<f64>,
    bounds: &[f64],
    counts: &[u64],
) -> Result<(u64, Option<f64>, Vec<u64>), Reason> {
    let mut point = Observations { count: counts.iter().sum(), sum };
    let mut total = counts.to_vec();
    totals.histogram(1, interval(0, time, time), &mut point, bounds, &mut total)?;
    Ok((point.count, point.sum, total))
}

/// Histograms add up bucket by bucket. Other bounds start anew; a sum that is missing once is not known
/// any more.
#[test]
fn histograms_add_up_while_their_bounds_stay() {
    let mut totals = Totals::default();
    let bounds = [1.0, 2.0];
    assert_eq!(histogram(&mut totals, 1, Some(1.5), &bounds, &[1, 0, 2]), Ok((3, Some(1.5), vec![1, 0, 2])));
    assert_eq!(histogram(&mut totals, 2, Some(2.0), &bounds, &[0, 4, 1]), Ok((8, Some(3.5), vec![1, 4, 3])));
    assert_eq!(histogram(&mut totals, 2, Some(2.0), &bounds, &[0, 4, 1]), Ok((8, Some(3.5), vec![1, 4, 3])));
    assert_eq!(histogram(&mut totals, 1, Some(2.0), &bounds, &[0, 4, 1]), Err(Reason::OutOfOrder));
    assert_eq!(histogram(&mut totals, 3, None, &bounds, &[1, 1, 1]), Ok((11, None, vec![2, 5, 4])));
    assert_eq!(histogram(&mut totals, 4, Some(1.0), &bounds, &[1, 1, 1]), Ok((14, None, vec![3, 6, 5])));
    assert_eq!(histogram(&mut totals, 5, Some(1.0), &[1.0], &[1, 2]), Ok((3, Some(1.0), vec![1, 2])));
}

fn exponential(scale: i32, offset: i64, counts: &[u64]) -> Exponential {
    Exponential {
        observations: Observations { count: counts.iter().sum(), sum: Some(1.0) },
        scale,
        positive: Buckets { offset, counts: counts.to_vec() },
        ..Exponential::default()
    }
}

fn add_exponential(totals: &mut Totals, time: u64, mut point: Exponential) -> Result<Exponential, Reason> {
    totals.exponential(1, interval(0, time, time), &mut point).map(|()| point)
}

/// Exponential histograms are added at the coarser scale of the two; the count always is the sum of the
/// buckets.
#[test]
fn exponential_histograms_add_up_at_the_coarser_scale() {
    let mut totals = Totals::default();
    let first = add_exponential(&mut totals, 1, exponential(3, 4, &[1, 2])).expect("first");
    assert_eq!(first, exponential(3, 4, &[1, 2]));
    let second = add_exponential(&mut totals, 2, exponential(2, 1, &[5, 0, 0, 1])).expect("newer");
    assert_eq!(second.scale, 2);
    assert_eq!(second.positive, Buckets { offset: 1, counts: vec![5, 3, 0, 1] });
    assert_eq!(second.observations, Observations { count: 9, sum: Some(2.0) });
    let again = add_exponential(&mut totals, 2, exponential(2, 1, &[5, 0, 0, 1]));
    assert_eq!(again, Ok(second), "the same again is not added");
    assert_eq!(add_exponential(&mut totals, 1, exponential(3, 4, &[1, 2])), Err(Reason::OutOfOrder));
}

/// A point far away makes the total coarser, never wider than 160 buckets; one that is too far, or has
/// another zero bucket, starts it anew.
#[test]
fn totals_of_exponential_histograms_stay_narrow() {
    let mut totals = Totals::default();
    add_exponential(&mut totals, 1, exponential(8, 0, &[1])).expect("first");
    let wide = add_exponential(&mut totals, 2, exponential(8, 1_000, &[1])).expect("newer");
    assert!(wide.positive.counts.len() <= 160 && wide.scale == 5, "{wide:?}");
    assert_eq!(wide.bucket_total(), Some(2));
    let far = add_exponential(&mut totals, 3, exponential(8, i64::from(i32::MAX) - 1, &[1])).expect("newer");
    assert_eq!(far.bucket_total(), Some(1), "too far for any scale: anew");
    let other_zero = Exponential { zero_threshold: 0.5, ..exponential(8, 0, &[3]) };
    assert_eq!(add_exponential(&mut totals, 4, other_zero.clone()), Ok(other_zero));
    let mut first = exponential(8, 0, &[1; 400]);
    first.limit_buckets();
    assert!(first.positive.counts.len() <= 160 && first.bucket_total() == Some(400));
}

/// Memory is bounded by forgetting what was not used for longest, which then starts anew.
#[test]
fn what_was_not_used_for_long_is_forgotten() {
    let mut totals = Totals::default();
    let streams = (MEMORY / ENTRY * 2) as u128;
    assert_eq!(add(&mut totals, 0, 0, 1, 5), Ok(5.0));
    for stream in 1..streams {
        add(&mut totals, stream, 0, 1, 1).expect("first");
        if stream % 1_000 == 0 {
            add(&mut totals, 0, 0, 1 + stream as u64, 1).expect("newer");
        }
    }
    assert!(add(&mut totals, 0, 0, u32::MAX.into(), 0).is_ok_and(|total| total > 5.0), "used all the time");
    assert_eq!(add(&mut totals, 1, 0, 2, 1), Ok(1.0), "not used since");
    assert!(totals.0.len() <= MEMORY / ENTRY + 1);
}
