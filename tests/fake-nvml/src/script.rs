//! The text of a script, read into answers.

use crate::answers::{Answers, Item, Key};

/// `nvmlReturn_t` by name, as nvml.h of NVML 13 has it without `NVML_ERROR_`.
const CODES: [(&str, u32); 32] = [
    ("SUCCESS", 0),
    ("UNINITIALIZED", 1),
    ("INVALID_ARGUMENT", 2),
    ("NOT_SUPPORTED", 3),
    ("NO_PERMISSION", 4),
    ("ALREADY_INITIALIZED", 5),
    ("NOT_FOUND", 6),
    ("INSUFFICIENT_SIZE", 7),
    ("INSUFFICIENT_POWER", 8),
    ("DRIVER_NOT_LOADED", 9),
    ("TIMEOUT", 10),
    ("IRQ_ISSUE", 11),
    ("LIBRARY_NOT_FOUND", 12),
    ("FUNCTION_NOT_FOUND", 13),
    ("CORRUPTED_INFOROM", 14),
    ("GPU_IS_LOST", 15),
    ("RESET_REQUIRED", 16),
    ("OPERATING_SYSTEM", 17),
    ("LIB_RM_VERSION_MISMATCH", 18),
    ("IN_USE", 19),
    ("MEMORY", 20),
    ("NO_DATA", 21),
    ("VGPU_ECC_NOT_SUPPORTED", 22),
    ("INSUFFICIENT_RESOURCES", 23),
    ("FREQ_NOT_SUPPORTED", 24),
    ("ARGUMENT_VERSION_MISMATCH", 25),
    ("DEPRECATED", 26),
    ("NOT_READY", 27),
    ("GPU_NOT_FOUND", 28),
    ("INVALID_STATE", 29),
    ("RESET_TYPE_NOT_SUPPORTED", 30),
    ("UNKNOWN", 999),
];

/// The number of a return code.
pub fn code_named(name: &str) -> Option<u32> {
    CODES.iter().find(|(known, _)| *known == name).map(|(_, code)| *code)
}

/// The names of all return codes, `SUCCESS` first.
pub fn code_names() -> impl Iterator<Item = &'static str> {
    CODES.iter().map(|(name, _)| *name)
}

/// A script that was read.
#[derive(Debug)]
pub(crate) struct Script {
    pub(crate) answers: Answers,
    pub(crate) is_journal_on: bool,
}

impl Script {
    /// Reads a script; the error names the line.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let lines = lines(text)?;
        let devices = match lines.iter().rev().find(|line| line.name == "devices") {
            Some(line) => line.values.parse().map_err(|_| line.error("devices is a number"))?,
            None => 1,
        };
        let mut script = Self { answers: Answers::new(devices), is_journal_on: false };
        for line in lines.iter().filter(|line| line.name != "devices") {
            script.apply(line)?;
        }
        Ok(script)
    }

    fn apply(&mut self, line: &Line<'_>) -> Result<(), String> {
        if line.name == "journal" {
            self.is_journal_on = line.values == "on";
            return Ok(());
        }
        let Some((device, name)) = line.name.split_once('.') else {
            let key = Key::global(line.name).ok_or_else(|| line.error("no such name"))?;
            self.answers.set(None, key, items(key, line, 0)?);
            return Ok(());
        };
        let devices = match device {
            "*" => 0..self.answers.devices(),
            number => {
                let index: u32 = number.parse().map_err(|_| line.error("no such device"))?;
                index..(index + 1).min(self.answers.devices())
            }
        };
        for index in devices {
            let named = Key::of_device(name).map(|key| vec![key]);
            let keys = if name == "*" { Some(Key::all_of_device().collect()) } else { named };
            for key in keys.ok_or_else(|| line.error("no such name"))? {
                self.answers.set(Some(index), key, items(key, line, index)?);
            }
        }
        Ok(())
    }
}

struct Line<'a> {
    number: usize,
    name: &'a str,
    values: &'a str,
}

impl Line<'_> {
    fn error(&self, message: &str) -> String {
        format!("line {}: {} = {}: {message}", self.number, self.name, self.values)
    }
}

fn lines(text: &str) -> Result<Vec<Line<'_>>, String> {
    let mut lines = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.split('#').next().unwrap_or_default().trim();
        if line.is_empty() {
            continue;
        }
        let Some((name, values)) = line.split_once('=') else {
            return Err(format!("line {}: {line}: write name = answers", index + 1));
        };
        lines.push(Line { number: index + 1, name: name.trim(), values: values.trim() });
    }
    Ok(lines)
}

fn items(key: Key, line: &Line<'_>, device: u32) -> Result<Vec<Item>, String> {
    let is_code = |word: &str| word == "HANG" || code_named(word).is_some();
    if key.is_text() && !line.values.split_whitespace().all(is_code) {
        return Ok(vec![Item::Text(line.values.replace("{index}", &device.to_string()))]);
    }
    let items: Result<Vec<Item>, String> = line
        .values
        .split_whitespace()
        .map(|word| item(word).ok_or_else(|| line.error("no such answer")))
        .collect();
    match items {
        Ok(items) if items.is_empty() => Err(line.error("no answer")),
        other => other,
    }
}

fn item(word: &str) -> Option<Item> {
    if word == "HANG" {
        return Some(Item::Hang);
    }
    if let Some(code) = code_named(word) {
        return Some(Item::Code(code));
    }
    match word.strip_prefix('+') {
        Some(step) => step.parse().ok().map(Item::Step),
        None => word.parse().ok().map(Item::Value),
    }
}
