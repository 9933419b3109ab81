//! Disks that are full, slow or gone.

use std::fs;
use std::os::unix::fs::symlink;
use std::process::Command;

use spindle_pipeline::error::Retry;

use super::*;

/// A full disk is an answer worth another attempt, and writing goes on when there is room, without a restart.
#[tokio::test]
async fn a_full_disk_is_retried_and_recovers() {
    let folder = folder();
    let path = folder.path().join("out.json");
    symlink("/dev/full", &path).expect("a link");
    let exporter = exporter(&path, "");
    for _ in 0..2 {
        let error = exporter.export(&batch(0, 1)).await.expect_err("no room");
        assert_eq!(error.retry(), Retry::Now);
        let expected = format!("cannot write {}: No space left on device", path.display());
        assert!(error.to_string().starts_with(&expected), "{error}");
    }
    fs::remove_file(&path).expect("removed");
    exporter.export(&batch(0, 1)).await.expect("written");
    assert_eq!(read_lines(&path).len(), 1);
}

/// A file that somebody deleted or moved away is made anew; what is written later is not lost with it.
#[tokio::test]
async fn a_deleted_file_is_made_anew() {
    let folder = folder();
    let path = folder.path().join("sub/out.json");
    let exporter = exporter(&path, "");
    exporter.export(&batch(0, 1)).await.expect("written");
    fs::remove_dir_all(folder.path().join("sub")).expect("removed");
    exporter.export(&batch(1, 1)).await.expect("written");
    exporter.export(&batch(2, 1)).await.expect("written");
    assert_eq!(read_lines(&path).len(), 2);
}

/// A directory in the place of the file stops the start.
#[test]
fn a_directory_is_no_file() {
    let folder = folder();
    let error = build(&format!("{{path: \"{}\"}}", folder.path().display())).err().expect("fails");
    assert!(error.message.contains("directory"), "{}", error.message);
}

/// What is no regular file is written to and left as it is.
#[tokio::test]
async fn a_device_is_only_written_to() {
    for keys in ["", "append: true", "rotation: {max_megabytes: 1}", "format: proto"] {
        let exporter = exporter(Path::new("/dev/null"), keys);
        for number in 0..3 {
            exporter.export(&batch(number, 1000)).await.expect("written");
        }
    }
}

/// A disk that does not answer holds up its callers, who may give up, and neither the rest of the agent nor
/// its end.
#[tokio::test(start_paused = true)]
async fn a_disk_that_hangs_does_not_hang_the_agent() {
    let folder = folder();
    let path = folder.path().join("pipe");
    assert!(Command::new("mkfifo").arg(&path).status().expect("mkfifo").success());
    // Somebody who holds the pipe open and does not read.
    let _reader = fs::OpenOptions::new().read(true).write(true).open(&path).expect("a pipe");
    let exporter = exporter(&path, "");
    for number in 0..100 {
        let batch = batch(number, 1000);
        let attempt = tokio::time::timeout(Duration::from_secs(30), exporter.export(&batch));
        assert!(attempt.await.is_err(), "it cannot be written");
    }
    exporter.stop().await;
    assert!(exporter.export(&batch(0, 1)).await.is_err());
}

/// The part of a record that a full disk took is taken out again, so that the file stays readable.
#[test]
fn half_a_record_does_not_stay() {
    let binary = std::env::current_exe().expect("this test");
    let name = "file::tests::disk::writes_until_the_limit_and_on";
    // The shell's limit makes a write stop half way, as a full disk does.
    let script = format!("trap '' XFSZ; ulimit -f 64; exec {} --exact {name} --ignored", binary.display());
    let output = Command::new("sh").args(["-c", &script]).output().expect("a shell");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
}

/// Run by the test above under a limit on the size of files.
#[tokio::test]
#[ignore = "needs a limit on the size of files"]
async fn writes_until_the_limit_and_on() {
    for (keys, read) in [
        ("", read_lines as fn(&Path) -> Vec<Vec<u8>>),
        ("format: proto", read_frames as fn(&Path) -> Vec<Vec<u8>>),
    ] {
        let folder = folder();
        let path = folder.path().join("out");
        let exporter = exporter(&path, keys);
        let mut written = 0;
        let error = loop {
            match exporter.export(&batch(written, 7)).await {
                Ok(_) => written += 1,
                Err(error) => break error,
            }
        };
        assert_eq!(error.retry(), Retry::Now, "{error}");
        assert!(written > 0);
        assert_eq!(read(&path).len(), written as usize, "{keys}");
        fs::write(&path, "").expect("emptied");
        exporter.export(&batch(0, 7)).await.expect("written");
        assert_eq!(read(&path), [batch(0, 7).bytes().to_vec()]);
    }
}
