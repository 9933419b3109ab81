use super::*;
use crate::storage::{FindingKind, cursor, segment};

const TEXTS: [&str; 4] = ["alpha", "b", "", "delta-delta-delta"];

/// A small queue: its segment, its cursor, and where its records end.
async fn small() -> (Vec<u8>, Vec<u8>, Vec<usize>) {
    let disk = SimDisk::default();
    let queue = open(&disk);
    for text in TEXTS {
        queue.append(payload(text)).await.expect("stored");
    }
    queue.close().await;
    let content = disk.content(&path(&segment::file_name(1))).expect("a segment");
    let mut end = segment::HEAD_LEN;
    let ends = TEXTS.map(|text| {
        end += segment::RECORD_HEADER_LEN + text.len();
        end
    });
    assert_eq!(content.len(), end);
    (content, disk.content(&path("cursor")).expect("a cursor"), ends.to_vec())
}

fn with_segment(content: &[u8]) -> SimDisk {
    let disk = SimDisk::default();
    disk.put(&path(&segment::file_name(1)), content);
    disk
}

/// A crash in a write: the file cut at any byte opens, gives every whole record and takes new ones.
#[tokio::test]
async fn a_file_cut_anywhere_gives_every_whole_record() {
    let (content, _, ends) = small().await;
    for length in 0..=content.len() {
        let disk = with_segment(&content[..length]);
        let queue = open(&disk);
        let whole = ends.iter().filter(|end| **end <= length).count();
        assert_eq!(texts(&queue).await, TEXTS[..whole], "cut at {length}");
        let is_clean = length == 0 || length == segment::HEAD_LEN || ends.contains(&length);
        let kinds: Vec<_> = queue.findings().iter().map(|finding| finding.kind).collect();
        assert_eq!(kinds, if is_clean { vec![] } else { vec![FindingKind::TornTail] }, "cut at {length}");
        queue.append(payload("new")).await.expect("stored");
        queue.close().await;

        let queue = open(&disk);
        assert_eq!(queue.findings(), [], "cut once, whole afterwards: {length}");
        let mut expected: Vec<_> = TEXTS[..whole].to_vec();
        expected.push("new");
        assert_eq!(texts(&queue).await, expected, "cut at {length}");
        queue.close().await;
    }
}

/// One bit flipped anywhere: every other record is given, nothing wrong is, and the place is named.
#[tokio::test]
async fn a_flipped_bit_costs_one_record_at_most() {
    let (content, _, ends) = small().await;
    for bit in 0..content.len() * 8 {
        let mut damaged = content.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        let disk = with_segment(&damaged);
        let queue = open(&disk);
        let hit = ends.iter().position(|end| bit / 8 < *end).filter(|_| bit / 8 >= segment::HEAD_LEN);
        let expected: Vec<_> =
            (0..TEXTS.len()).filter(|index| Some(*index) != hit).map(|index| TEXTS[index]).collect();
        // Known at once, not when it is read.
        assert_eq!(queue.sizes().requests, expected.len() as u64, "bit {bit}");
        let findings = queue.findings();
        let records = rest(&queue).await;
        assert_eq!(queue.findings(), findings, "bit {bit}: said once");
        assert_eq!(records.iter().map(text).collect::<Vec<_>>(), expected, "bit {bit}");
        assert_eq!(findings.len(), 1, "bit {bit}: {findings:?}");
        assert!((findings[0].from..findings[0].to).contains(&(bit as u64 / 8)), "bit {bit}: {findings:?}");
        assert_eq!(findings[0].path, path(&segment::file_name(1)));
        for record in records {
            queue.done(record.sequence);
        }
        assert_eq!(queue.sizes().requests, 0, "bit {bit}");
        queue.close().await;
        let kept = path(&format!("{}.corrupt-0", segment::file_name(1)));
        assert_eq!(disk.content(&kept), Some(damaged), "bit {bit}: kept to be looked at");
        let queue = open(&disk);
        assert_eq!((queue.findings().len(), queue.stats().segments), (0, 0), "bit {bit}");
        queue.append(payload("new")).await.expect("stored");
        queue.close().await;
    }
}

/// A bit of the cursor: everything is given again, nothing is lost, and it is said.
#[tokio::test]
async fn a_flipped_bit_in_the_cursor_repeats_all() {
    let (content, cursor, _) = small().await;
    for bit in 0..cursor.len() * 8 {
        let disk = with_segment(&content);
        let mut damaged = cursor.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        disk.put(&path(cursor::FILE_NAME), &damaged);
        let queue = open(&disk);
        assert_eq!(texts(&queue).await, TEXTS, "bit {bit}");
        let kinds: Vec<_> = queue.findings().iter().map(|finding| finding.kind).collect();
        assert_eq!(kinds, [FindingKind::DamagedCursor], "bit {bit}");
        assert_eq!(disk.content(&path("cursor.corrupt-0")), Some(damaged), "bit {bit}");
        queue.close().await;
    }
}

/// A file of another version is neither read nor destroyed.
#[tokio::test]
async fn a_segment_of_another_version_is_set_aside() {
    let (mut content, _, _) = small().await;
    content[8] = 9;
    let checksum = crc32c::crc32c(&content[..32]);
    content[32..36].copy_from_slice(&checksum.to_le_bytes());
    let disk = with_segment(&content);
    let queue = open(&disk);
    assert_eq!(texts(&queue).await, Vec::<String>::new());
    assert_eq!(queue.findings()[0].kind, FindingKind::UnknownVersion(9));
    assert_eq!(queue.stats().set_aside, 1);
    let name = format!("{}.corrupt-0", segment::file_name(1));
    assert_eq!(disk.content(&path(&name)), Some(content));
    queue.append(payload("new")).await.expect("stored");
    assert!(disk.names().contains(&segment::file_name(2)), "numbers are not used again");
}

/// Rubbish in place of a segment, zeros behind records as a power cut leaves them, files of others.
#[tokio::test]
async fn rubbish_is_set_aside_and_zeros_are_cut() {
    let (content, _, _) = small().await;
    let disk = with_segment(&[7; 500]);
    let mut padded = content.clone();
    padded.extend_from_slice(&[0; 300]);
    disk.put(&path(&segment::file_name(2)), &padded);
    disk.put(&path("notes.txt"), b"mine");
    let queue = open(&disk);
    let kinds: Vec<_> = queue.findings().iter().map(|finding| finding.kind).collect();
    assert_eq!(kinds, [FindingKind::NoSegment, FindingKind::TornTail]);
    assert_eq!(texts(&queue).await, TEXTS);
    assert_eq!(disk.content(&path(&segment::file_name(2))), Some(content));
    assert_eq!(disk.content(&path("notes.txt")), Some(b"mine".to_vec()));
}

/// A record inside a payload, as a client could send it, is not taken for one when the header is lost.
#[tokio::test]
async fn a_record_in_a_payload_is_not_taken_for_one() {
    let (content, _, _) = small().await;
    let disk = SimDisk::default();
    let queue = open(&disk);
    let body = content[segment::HEAD_LEN..].to_vec().into();
    queue.append(Payload { head: bytes::Bytes::new(), body, items: 1 }).await.expect("stored");
    queue.append(payload("after")).await.expect("stored");
    queue.close().await;
    let mut damaged = disk.content(&path(&segment::file_name(1))).expect("a segment");
    damaged[segment::HEAD_LEN + 9] ^= 1;
    let queue = open(&with_segment(&damaged));
    assert_eq!(texts(&queue).await, ["after"]);
}

/// What rots while the queue is open is found when it is read: counted, named, and passed over.
#[tokio::test]
async fn damage_after_opening_is_found_when_read() {
    for at in [segment::HEAD_LEN + 3, segment::HEAD_LEN + segment::RECORD_HEADER_LEN] {
        let disk = SimDisk::default();
        let queue = open(&disk);
        for text in TEXTS {
            queue.append(payload(text)).await.expect("stored");
        }
        let mut content = disk.content(&path(&segment::file_name(1))).expect("a segment");
        content[at] ^= 1;
        disk.put(&path(&segment::file_name(1)), &content);
        let records = rest(&queue).await;
        assert_eq!(records.iter().map(text).collect::<Vec<_>>(), TEXTS[1..], "at {at}");
        assert_eq!(queue.findings().len(), 1, "at {at}");
        for record in records {
            queue.done(record.sequence);
        }
        queue.close().await;
        let queue = open(&disk);
        assert_eq!(queue.sizes().requests, 0, "at {at}");
        queue.close().await;
    }
}
