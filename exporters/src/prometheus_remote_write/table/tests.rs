use super::*;

/// Bounds as Prometheus writes them: never with an exponent, and infinity with its sign.
#[test]
fn numbers_are_written_as_go_writes_them() {
    for (value, expected) in [
        (1.0, "1"),
        (0.5, "0.5"),
        (-0.0, "-0"),
        (0.1 + 0.2, "0.30000000000000004"),
        (1e-7, "0.0000001"),
        (1e21, "1000000000000000000000"),
        (f64::INFINITY, "+Inf"),
        (f64::NEG_INFINITY, "-Inf"),
        (f64::NAN, "NaN"),
    ] {
        let mut text = String::new();
        push_number(&mut text, value);
        assert_eq!(text, expected);
    }
}

/// A point counts once, whatever happened to it.
#[test]
fn sets_of_points_count_each_once() {
    let mut points = PointSet::default();
    for point in [3, 64, 3, 1000, NO_POINT] {
        points.insert(point);
    }
    assert_eq!(points.count(), 3);
    let mut others = PointSet::default();
    others.insert(64);
    others.insert(5000);
    points.remove_all(&others);
    assert_eq!(points.count(), 2);
    points.clear();
    assert_eq!(points.count(), 0);
}

/// Labels of points that no series took do not fill the table.
#[test]
fn labels_are_kept_for_series_only() {
    let mut table = Table::default();
    let mut context = ContextBuilder::default();
    context.yielding("job", "engine");
    let context = context.build();
    let name = table.name("g", "");
    for time in 0..100 {
        let mut labels = table.point_labels(&context, &[], Texts { names: "", values: "" });
        table.add(&mut labels, name, None, time, Value::Float(0), 0);
        table.end_point(labels);
    }
    assert_eq!((table.series.len(), table.sets.len(), table.sample_count()), (1, 1, 100));
    assert_eq!(table.labels.len(), "job".len() + "engine".len() + 6);
}
