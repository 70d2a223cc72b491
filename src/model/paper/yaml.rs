//! YAML as the paper's code reads it: with OmegaConf, which has numbers such as
//! `1e-6` that others take for text.

use std::collections::HashMap;
use std::path::Path;

use saphyr_parser::{Event, Parser, ScalarStyle, Tag};
use serde_json::{Map, Value};

use super::super::ModelError;
use super::super::json::read_text;

/// Longest file: those of the paper have some 3 KB.
const MOST_BYTES: usize = 1 << 20;
/// Lists in lists.
const MOST_DEPTH: usize = 64;
/// Values, counted again wherever one is repeated by its name.
const MOST_VALUES: usize = 100_000;

/// Reads a YAML file; `None` where there is none.
///
/// # Errors
/// If it cannot be read or is not YAML, or holds objects of Python.
pub fn read_yaml(path: &Path) -> Result<Option<Value>, ModelError> {
    let unclear = |message: String| ModelError::Json {
        path: path.to_path_buf(),
        message,
    };
    let Some(text) = read_text(path)? else {
        return Ok(None);
    };
    if text.len() > MOST_BYTES {
        return Err(unclear("it is longer than any configuration".into()));
    }
    parse(&text).map(Some).map_err(unclear)
}

/// A list or dictionary that is being read.
enum Open {
    List(Vec<Value>),
    Dict(Map<String, Value>, Option<String>),
}

/// What is read of a document.
#[derive(Default)]
struct Reading {
    open: Vec<(Open, usize, usize)>,
    /// Values by the numbers of their names, and how many are in them.
    named: HashMap<usize, (Value, usize)>,
    count: usize,
    whole: Option<Value>,
}

/// The first document of a text.
pub(super) fn parse(text: &str) -> Result<Value, String> {
    let mut parser = Parser::new_from_str(text);
    let mut reading = Reading::default();
    while let Some(event) = parser.next_event() {
        let (event, _) = event.map_err(|error| error.to_string())?;
        match event {
            Event::DocumentEnd | Event::StreamEnd => break,
            Event::Scalar(text, style, name, tag) => {
                let value = scalar(&text, style, tag.as_deref())?;
                reading.finish(value, name, 1)?;
            }
            Event::SequenceStart(name, tag) => {
                plain_tag(tag.as_deref())?;
                reading.begin(Open::List(Vec::new()), name)?;
            }
            Event::MappingStart(name, tag) => {
                plain_tag(tag.as_deref())?;
                reading.begin(Open::Dict(Map::new(), None), name)?;
            }
            Event::SequenceEnd | Event::MappingEnd => reading.end()?,
            Event::Alias(name) => {
                let known = reading.named.get(&name);
                let (value, count) = known.ok_or("it repeats something within itself")?.clone();
                reading.finish(value, 0, count)?;
            }
            Event::Nothing | Event::StreamStart | Event::DocumentStart(_) => {}
        }
    }
    Ok(reading.whole.unwrap_or(Value::Null))
}

impl Reading {
    fn begin(&mut self, open: Open, name: usize) -> Result<(), String> {
        if self.open.len() >= MOST_DEPTH {
            return Err(format!("its values are nested more than {MOST_DEPTH} deep"));
        }
        self.open.push((open, name, self.count));
        Ok(())
    }

    fn end(&mut self) -> Result<(), String> {
        let Some((open, name, before)) = self.open.pop() else {
            return Err("it ends more than it begins".into());
        };
        let value = match open {
            Open::List(items) => Value::Array(items),
            Open::Dict(entries, _) => Value::Object(entries),
        };
        let inside = self.count - before;
        self.put(value, name, inside + 1, 1)
    }

    fn finish(&mut self, value: Value, name: usize, count: usize) -> Result<(), String> {
        self.put(value, name, count, count)
    }

    /// Puts a value of `size` values where it belongs; `more` of them were not counted.
    fn put(&mut self, value: Value, name: usize, size: usize, more: usize) -> Result<(), String> {
        self.count += more;
        if self.count > MOST_VALUES {
            return Err(format!("it has more than {MOST_VALUES} values"));
        }
        if name > 0 {
            self.count += size;
            self.named.insert(name, (value.clone(), size));
        }
        match self.open.last_mut() {
            None => self.whole = Some(value),
            Some((Open::List(items), ..)) => items.push(value),
            Some((Open::Dict(entries, key), ..)) => match key.take() {
                Some(key) => drop(entries.insert(key, value)),
                None => *key = Some(key_of(value)?),
            },
        }
        Ok(())
    }
}

fn key_of(value: Value) -> Result<String, String> {
    match value {
        Value::String(key) => Ok(key),
        Value::Array(_) | Value::Object(_) => Err("it has a key that is no word".into()),
        other => Ok(other.to_string()),
    }
}

/// Refuses what would make an object of Python.
fn plain_tag(tag: Option<&Tag>) -> Result<(), String> {
    match tag {
        Some(tag) if !tag.is_yaml_core_schema() || tag.suffix.contains('/') => Err(format!(
            "it has an object of the kind {tag}, which is not known"
        )),
        _ => Ok(()),
    }
}

fn scalar(text: &str, style: ScalarStyle, tag: Option<&Tag>) -> Result<Value, String> {
    plain_tag(tag)?;
    let is_text = tag.is_some_and(|tag| tag.suffix == "str");
    if style != ScalarStyle::Plain || is_text {
        return Ok(Value::String(text.to_owned()));
    }
    Ok(match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "true" | "True" | "TRUE" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" => Value::Bool(true),
        "false" | "False" | "FALSE" | "no" | "No" | "NO" | "off" | "Off" | "OFF" => {
            Value::Bool(false)
        }
        text => number(text).unwrap_or_else(|| Value::String(text.to_owned())),
    })
}

fn number(text: &str) -> Option<Value> {
    let is_numeric = |letter: char| letter.is_ascii_digit() || "+-._eE".contains(letter);
    if !text.contains(|letter: char| letter.is_ascii_digit()) || !text.chars().all(is_numeric) {
        return None;
    }
    let digits = text.replace('_', "");
    if let Ok(whole) = digits.parse::<i64>() {
        return Some(whole.into());
    }
    let value: f64 = digits.parse().ok()?;
    serde_json::Number::from_f64(value).map(Value::Number)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn configurations_read_as_omegaconf_reads_them() {
        let text = "a:\n  rate: 2.0e-06\n  tiny: 1e-6\n  on: True\n  none: null\n  list:\n  - 1\n  - 1_000\n  \
                    empty: []\n  text: '4'\n  path: ldm.models.VQModel\n  minus: -.5\nb: &x {c: [d, 3.]}\ne: *x\n";
        let wanted = json!({
            "a": {"rate": 2e-6, "tiny": 1e-6, "true": true, "none": null, "list": [1, 1000],
                  "empty": [], "text": "4", "path": "ldm.models.VQModel", "minus": -0.5},
            "b": {"c": ["d", 3.0]}, "e": {"c": ["d", 3.0]},
        });
        assert_eq!(parse(text).unwrap(), wanted);
        assert_eq!(parse("").unwrap(), Value::Null);
    }

    #[test]
    fn hostile_texts_are_refused() {
        let deep = "[".repeat(100_000);
        let mut bomb = "a: &a [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for level in b'b'..=b'z' {
            let (this, before) = (char::from(level), char::from(level - 1));
            let names = vec![format!("*{before}"); 10].join(", ");
            bomb += &format!("{this}: &{this} [{names}]\n");
        }
        for text in [
            &deep,
            &bomb,
            "a: &a [*a]",
            "a: !!python/object/apply:os.system ['x']",
            "!danger x",
            "{a: b",
            "a: b: c",
            "[a: [b]: c]: d",
        ] {
            assert!(parse(text).is_err(), "{}", &text[..text.len().min(40)]);
        }
    }
}
